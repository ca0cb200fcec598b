//! The values in the pages of a Parquet column. The decoders of the crate `parquet` trust what they read, and panic where it is cut off or names what is not
//! there; these refuse it.
use crate::columns::thrift::varint;
use crate::error::Error;
use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::Page;

/// Most bits of an index into a dictionary.
const WIDEST: usize = 32;

/// A value as it is stored plainly.
pub(crate) trait Plain: Clone {
    /// Takes the first value from bytes; none where they are cut off.
    fn take(bytes: &mut Bytes) -> Option<Self>;
}

macro_rules! plain_numbers {
    ($($number:ty),*) => {$(
        impl Plain for $number {
            fn take(bytes: &mut Bytes) -> Option<Self> {
                let (number, _) = bytes.split_first_chunk()?;
                let number = Self::from_le_bytes(*number);
                drop(bytes.split_to(size_of::<Self>()));
                Some(number)
            }
        }
    )*};
}

plain_numbers!(i32, i64, f32, f64);

/// Bytes behind their number in four.
impl Plain for Bytes {
    fn take(bytes: &mut Self) -> Option<Self> {
        let length = usize::try_from(i32::take(bytes)?).ok()?;
        (length <= bytes.len()).then(|| bytes.split_to(length))
    }
}

/// Collects the values of a chunk of a column, page by page.
pub(crate) struct Values<'a, T> {
    /// Those of the column so far.
    pub found: &'a mut Vec<T>,
    dictionary: Option<Vec<T>>,
    /// Whether a row can be without a value, so that levels stand before the values.
    levels: bool,
}

impl<'a, T: Plain> Values<'a, T> {
    pub(crate) fn new(found: &'a mut Vec<T>, levels: bool) -> Self {
        Self { found, dictionary: None, levels }
    }

    /// Takes what the next page holds.
    ///
    /// # Errors
    /// When the page is cut off, a row has no value, or the encoding is neither plain nor an index into the dictionary that stands before.
    pub(crate) fn take(&mut self, page: Page) -> Result<(), Error> {
        let (count, encoding) = (page.num_values() as usize, page.encoding());
        let broken = || {
            let what = format!("a page of {count} values, encoded as {encoding}, in the Parquet file");
            Error::field(what, "as many plain values, or indices into a dictionary")
        };
        if let Page::DictionaryPage { buf, .. } = page {
            self.dictionary = Some(plain(buf, count).ok_or_else(broken)?);
            return Ok(());
        }
        let (levels, values) = split(page, self.levels).ok_or_else(broken)?;
        if let Some(levels) = levels {
            let levels = levels.numbers(count).ok_or_else(broken)?;
            if let Some(empty) = levels.iter().position(|level| *level == 0) {
                let row = (self.found.len() + empty) as u64 + 1;
                return Err(Error::cell(row, "", "an empty cell, expected a value in each row"));
            }
        }
        self.found.extend(self.decoded(values, encoding, count).ok_or_else(broken)?);
        Ok(())
    }

    fn decoded(&self, values: Bytes, encoding: Encoding, count: usize) -> Option<Vec<T>> {
        match encoding {
            Encoding::PLAIN => plain(values, count),
            #[allow(deprecated, reason = "files have it")]
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                let dictionary = self.dictionary.as_ref()?;
                let Some((&width, runs)) = values.split_first() else { return (count == 0).then(Vec::new) };
                let indices = runs_of(runs, usize::from(width), count)?;
                indices.into_iter().map(|index| dictionary.get(index as usize).cloned()).collect()
            }
            _ => None,
        }
    }
}

fn plain<T: Plain>(mut bytes: Bytes, count: usize) -> Option<Vec<T>> {
    (0..count).map(|_| T::take(&mut bytes)).collect()
}

/// Whether rows have a value, as numbers of one bit.
enum Levels {
    Runs(Bytes),
    /// Side by side, the highest bit of a byte first.
    Bits(Bytes),
}

impl Levels {
    fn numbers(&self, count: usize) -> Option<Vec<u32>> {
        match self {
            Self::Runs(runs) => runs_of(runs, 1, count),
            Self::Bits(bytes) => {
                let bit = |at: usize| Some(u32::from(bytes.get(at / 8)? >> (7 - at % 8) & 1));
                (0..count).map(bit).collect()
            }
        }
    }
}

/// The levels of a page, if it has any, and its values.
fn split(page: Page, levels: bool) -> Option<(Option<Levels>, Bytes)> {
    match page {
        Page::DataPage { buf, .. } if !levels => Some((None, buf)),
        Page::DataPage { mut buf, num_values, def_level_encoding, .. } => {
            let levels = if def_level_encoding == Encoding::RLE {
                Levels::Runs(Bytes::take(&mut buf)?)
            } else {
                let length = (num_values as usize).div_ceil(8);
                Levels::Bits((length <= buf.len()).then(|| buf.split_to(length))?)
            };
            Some((Some(levels), buf))
        }
        Page::DataPageV2 { mut buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
            let before = rep_levels_byte_len as usize;
            let end = before.checked_add(def_levels_byte_len as usize).filter(|end| *end <= buf.len())?;
            let defined = buf.split_to(end).slice(before..);
            Some((levels.then_some(Levels::Runs(defined)), buf))
        }
        Page::DictionaryPage { .. } => None,
    }
}

/// The first `count` numbers of `width` bits, which stand in runs: several times the same, or eight side by side several times.
fn runs_of(mut runs: &[u8], width: usize, count: usize) -> Option<Vec<u32>> {
    if width > WIDEST {
        return None;
    }
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let left = count - numbers.len();
        let (header, rest) = varint(runs)?;
        let length = usize::try_from(header >> 1).ok()?;
        if header & 1 == 1 {
            let (packed, after) = rest.split_at(rest.len().min(length.saturating_mul(width)));
            let held = (packed.len() * 8).checked_div(width).unwrap_or(left);
            numbers.extend((0..held.min(left).min(length.saturating_mul(8))).map(|at| bits(packed, at * width, width)));
            runs = after;
        } else {
            let (number, after) = rest.split_at_checked(width.div_ceil(8))?;
            numbers.resize(numbers.len() + length.min(left), bits(number, 0, width));
            runs = after;
        }
    }
    Some(numbers)
}

/// The number in `width` bits behind the first `start`, the lowest bit first; bits that are not there are zero.
fn bits(bytes: &[u8], start: usize, width: usize) -> u32 {
    let whole = bytes.iter().skip(start / 8).take(8).rev().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    (whole >> (start % 8) & ((1 << width) - 1)) as u32
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Plain, plain, runs_of};

    #[test]
    fn numbers_stand_in_runs() {
        assert_eq!(runs_of(&[], 3, 0), Some(vec![]));
        assert_eq!(runs_of(&[10, 1], 3, 5), Some(vec![1; 5]), "five times the same");
        assert_eq!(runs_of(&[3, 0x88, 0xc6, 0xfa, 4, 9], 3, 10), Some(vec![0, 1, 2, 3, 4, 5, 6, 7, 1, 1]));
        assert_eq!(runs_of(&[3, 0x88], 3, 2), Some(vec![0, 1]), "padding left out");
        assert_eq!(runs_of(&[9], 0, 30), Some(vec![0; 30]), "numbers without bits");
        assert_eq!(runs_of(&[4, 1, 2, 3, 4], 32, 2), Some(vec![0x0403_0201; 2]));
    }

    #[test]
    fn runs_that_are_cut_off_hold_nothing() {
        assert_eq!(runs_of(&[3, 1], 3, 8), None, "two of eight");
        assert_eq!(runs_of(&[10, 1], 3, 6), None, "no run follows");
        assert_eq!(runs_of(&[10], 3, 5), None, "a run without its number");
        assert_eq!(runs_of(&[0xff; 12], 3, 8), None, "a number without an end");
        assert_eq!(runs_of(&[10, 1], 33, 5), None, "numbers of more than 32 bits");
    }

    #[test]
    fn texts_stand_behind_their_lengths() {
        let bytes = Bytes::from_static(&[2, 0, 0, 0, 65, 66, 0, 0, 0, 0]);
        assert_eq!(plain::<Bytes>(bytes.clone(), 2), Some(vec![Bytes::from_static(b"AB"), Bytes::new()]));
        assert_eq!(plain::<Bytes>(bytes, 3), None);
        assert_eq!(plain::<Bytes>(Bytes::from_static(&[9, 0, 0, 0, 65]), 1), None, "cut off");
        assert_eq!(plain::<Bytes>(Bytes::from_static(&[255; 8]), 1), None, "a length below zero");
        assert_eq!(f64::take(&mut Bytes::from_static(&[0; 7])), None);
    }
}
