//! Guards where the values of a Parquet column are decoded: the decoder takes a number of any length for the length of a run, and panics.
use crate::pages::{LONGEST, varint};
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};

/// Most bits of an index.
const WIDEST: usize = 32;

/// The pages of a column, without those whose runs, of levels or of indices into a dictionary, do not begin with whole numbers, or whose encoding has further
/// numbers inside of its values: these are errors.
pub(crate) struct Guarded {
    /// The pages, as they are in the file.
    pub pages: Box<dyn PageReader>,
    /// Whether a row can be without a value, so that levels stand before the values.
    pub levels: bool,
}

impl PageReader for Guarded {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(page) = self.pages.get_next_page()? else { return Ok(None) };
        if has_whole_runs(&page, self.levels) {
            return Ok(Some(page));
        }
        Err(ParquetError::General(format!(
            "a page of {} values, encoded as {}, expected whole runs of plain values or of indices into a dictionary",
            page.num_values(),
            page.encoding()
        )))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}

impl Iterator for Guarded {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

fn has_whole_runs(page: &Page, levels: bool) -> bool {
    let count = page.num_values() as usize;
    let values = match page {
        Page::DictionaryPage { .. } => return true,
        Page::DataPage { buf, def_level_encoding, .. } if levels => behind(buf, count, *def_level_encoding),
        Page::DataPage { buf, .. } => Some(&buf[..]),
        Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
            let before = *rep_levels_byte_len as usize;
            let end = before.saturating_add(*def_levels_byte_len as usize);
            let defined = buf.get(before..end).filter(|runs| is_walked(runs, 1, count));
            defined.and_then(|_| buf.get(end..))
        }
    };
    values.is_some_and(|values| are_whole(values, page.encoding(), count))
}

/// What stands behind the levels of a page of the first version.
fn behind(page: &[u8], values: usize, encoding: Encoding) -> Option<&[u8]> {
    if encoding != Encoding::RLE {
        return page.get(values.div_ceil(8)..);
    }
    let (length, rest) = page.split_first_chunk::<4>()?;
    let (levels, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    is_walked(levels, 1, values).then_some(rest)
}

fn are_whole(values: &[u8], encoding: Encoding, count: usize) -> bool {
    match encoding {
        Encoding::PLAIN => true,
        #[allow(deprecated, reason = "files have it")]
        Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => match values.split_first() {
            Some((&width, runs)) => usize::from(width) <= WIDEST && is_walked(runs, usize::from(width), count),
            None => count == 0,
        },
        _ => false,
    }
}

/// Whether every run of numbers of `width` bits, up to the one that holds the last of `count`, begins with a whole number. A run may be cut off, and zero ends
/// all: the decoder takes it so.
fn is_walked(mut runs: &[u8], width: usize, count: usize) -> bool {
    let mut left = count as u64;
    while left > 0 && !runs.is_empty() {
        let Some((header, rest)) = varint(runs) else { return runs.len() < LONGEST };
        if header == 0 {
            return true;
        }
        let (length, bytes) = match header & 1 {
            1 => ((header >> 1).saturating_mul(8), (header >> 1).saturating_mul(width as u64)),
            _ => (header >> 1, width.div_ceil(8) as u64),
        };
        left = left.saturating_sub(length);
        runs = usize::try_from(bytes).ok().and_then(|bytes| rest.get(bytes..)).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_walked;

    #[test]
    fn a_run_begins_with_a_number_of_at_most_ten_bytes() {
        assert!(is_walked(&[], 3, 5));
        assert!(is_walked(&[10, 1], 3, 5), "five times the same");
        assert!(is_walked(&[3, 1, 2, 3, 10, 1], 3, 13), "eight side by side, and five");
        assert!(is_walked(&[3, 1], 3, 8), "cut off");
        assert!(is_walked(&[0, 255, 255], 3, 8), "padding");
        assert!(!is_walked(&[255; 12], 3, 8), "a number of more than ten bytes");
        assert!(!is_walked(&[&[10, 1][..], &[128; 11]].concat(), 3, 8), "behind another run");
        assert!(is_walked(&[&[10, 1][..], &[128; 11]].concat(), 3, 5), "behind the last value");
    }
}
