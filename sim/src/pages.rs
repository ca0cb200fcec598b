//! Guards before a Parquet file is decoded: the decoder allocates what its page headers ask for.
use crate::error::Error;
use parquet::file::metadata::ColumnChunkMetaData;

/// Longest footer, in bytes; the decoder may need a hundred times as much for it.
const LONGEST_FOOTER: usize = 4 << 20;

/// Refuses a file that is too short for its footer, or whose footer is too long.
pub(crate) fn check_footer(bytes: &[u8]) -> Result<(), Error> {
    let tail = bytes.len().checked_sub(8).filter(|_| bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let tail = tail.ok_or_else(|| Error::field("Parquet", "a file that begins and ends with `PAR1`"))?;
    let length = bytes[tail..tail + 4].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    if length > LONGEST_FOOTER.min(tail) {
        let expected = format!("at most {}", LONGEST_FOOTER.min(tail));
        return Err(Error::field(format!("{length} bytes in the footer of the Parquet file"), expected));
    }
    Ok(())
}

/// Refuses a chunk of a column that lies outside of the file, or whose pages need more than `room` bytes or hold more than `cells`
/// values; takes the bytes from `room`.
pub(crate) fn check_chunk(
    bytes: &[u8],
    chunk: &ColumnChunkMetaData,
    room: &mut usize,
    cells: usize,
) -> Result<(), Error> {
    let broken =
        |what: &str| Error::field(format!("column `{}` of the Parquet file", chunk.column_path()), what.to_string());
    let start = usize::try_from(chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset())).ok();
    let length = usize::try_from(chunk.compressed_size()).ok();
    let pages = start.zip(length).and_then(|(start, length)| bytes.get(start..start.checked_add(length)?));
    let mut pages = pages.ok_or_else(|| broken("pages inside of the file"))?;
    while !pages.is_empty() {
        let (page, after) = Page::read(pages).ok_or_else(|| broken("whole pages"))?;
        *room = room.checked_sub(page.size).ok_or_else(|| broken("less bytes"))?;
        if page.values > cells || (page.dictionary && page.values > page.size) {
            return Err(broken("less values in a page"));
        }
        pages = after;
    }
    Ok(())
}

/// What a page header says.
#[derive(Default)]
struct Page {
    size: usize,
    compressed: usize,
    values: usize,
    dictionary: bool,
}

impl Page {
    /// The page that `bytes` begin with, and the bytes after it.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut thrift = Thrift(bytes);
        let mut page = Self::default();
        let mut id = 0;
        while let Some(kind) = thrift.field(&mut id)? {
            match (id, kind) {
                (2, 5) => page.size = thrift.size()?,
                (3, 5) => page.compressed = thrift.size()?,
                (5 | 7 | 8, 12) => {
                    page.values = thrift.values()?;
                    page.dictionary = id == 7;
                }
                _ => thrift.skip(kind, 8)?,
            }
        }
        let after = thrift.0.get(page.compressed..)?;
        Some((page, after))
    }
}

/// Thrift's compact protocol, as far as one must know it to walk through a struct.
struct Thrift<'a>(&'a [u8]);

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.signed()?).ok()
    }

    /// The type of the next field, whose id follows on `id`; `None` inside at the end of the struct.
    fn field(&mut self, id: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *id = if byte >> 4 == 0 { self.signed()? } else { id.checked_add(i64::from(byte >> 4))? };
        Some(Some(byte & 15))
    }

    /// The first field of a struct, which is the number of values in all three headers of pages with values.
    fn values(&mut self) -> Option<usize> {
        let (mut id, mut values) = (0, 0);
        while let Some(kind) = self.field(&mut id)? {
            match (id, kind) {
                (1, 5) => values = self.size()?,
                _ => self.skip(kind, 8)?,
            }
        }
        Some(values)
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1 | 2 => Some(()),
            3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.advance(8),
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.advance(length)
            }
            12 => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    fn advance(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }
}
