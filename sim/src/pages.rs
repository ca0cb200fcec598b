//! Guards before a Parquet file is decoded: the decoder allocates what its page headers ask for, and walks through lists as long as they say they are.
use crate::error::Error;
use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use std::io::{Read, copy, sink};

/// Longest footer, in bytes; the decoder may need a hundred times as much for it.
const LONGEST_FOOTER: usize = 4 << 20;

/// Most structs and lists within each other in a footer.
const DEEPEST: u8 = 16;

/// Refuses a file that is too short for its footer, or whose footer is too long, cut off, or says that there are more things in its lists than it has
/// bytes: the decoder skips lists that it does not know, and booleans in them take no bytes there.
pub(crate) fn check_footer(bytes: &[u8]) -> Result<(), Error> {
    let tail = bytes.len().checked_sub(8).filter(|_| bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let tail = tail.ok_or_else(|| Error::field("Parquet", "a file that begins and ends with `PAR1`"))?;
    let length = bytes[tail..tail + 4].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    if length > LONGEST_FOOTER.min(tail) {
        let expected = format!("at most {}", LONGEST_FOOTER.min(tail));
        return Err(Error::field(format!("{length} bytes in the footer of the Parquet file"), expected));
    }
    let footer = &bytes[tail - length..tail];
    let walked = Thrift { bytes: footer, room: footer.len() }.skip(STRUCT, DEEPEST);
    walked.ok_or_else(|| Error::field("the footer of the Parquet file", "whole structs, and lists no longer than it"))
}

/// Refuses a chunk of a column that lies outside of the file, or whose pages need more than `room` bytes, hold more than `cells`
/// values or unpack to more bytes than they say; takes the bytes from `room`.
pub(crate) fn check_chunk(
    bytes: &[u8],
    chunk: &ColumnChunkMetaData,
    room: &mut usize,
    cells: usize,
) -> Result<(), Error> {
    let broken = |what: &str| {
        Error::field(format!("column `{}` of the Parquet file", chunk.column_path().string()), what.to_string())
    };
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
        if matches!(chunk.compression(), Compression::GZIP(_)) && !page.unpacks() {
            return Err(broken("pages that unpack to what they say"));
        }
        pages = after;
    }
    Ok(())
}

/// A page, and what its header says.
#[derive(Default)]
struct Page<'a> {
    size: usize,
    values: usize,
    dictionary: bool,
    /// What is compressed, where the header says that it is.
    packed: &'a [u8],
}

impl<'a> Page<'a> {
    /// The page that `bytes` begin with, and the bytes after it.
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut thrift = Thrift { bytes, room: 0 };
        let mut page = Self::default();
        let (mut id, mut compressed, mut levels) = (0, 0, 0);
        while let Some(kind) = thrift.field(&mut id)? {
            match (id, kind) {
                (2, 5) => page.size = thrift.size()?,
                (3, 5) => compressed = thrift.size()?,
                (5 | 7 | 8, STRUCT) => {
                    let counts = thrift.counts()?;
                    page.values = counts[1];
                    page.dictionary = id == 7;
                    levels = if id == 8 { counts[5].checked_add(counts[6])? } else { 0 };
                }
                _ => thrift.skip(kind, 8)?,
            }
        }
        let (body, after) = thrift.bytes.split_at_checked(compressed)?;
        page.packed = body.get(levels..)?;
        Some((page, after))
    }

    /// Whether gzip finds no more in it than it says. What is not of gzip ends at once, here as in the decoder.
    fn unpacks(&self) -> bool {
        let mut most = MultiGzDecoder::new(self.packed).take(self.size as u64 + 1);
        copy(&mut most, &mut sink()).map_or(true, |bytes| bytes <= self.size as u64)
    }
}

/// Most bytes of a number in seven bits a byte.
pub(crate) const LONGEST: usize = 10;

/// The number in seven bits a byte, the lowest first, that `bytes` begin with, and the bytes after it; `None` where it does not end in [`LONGEST`] bytes.
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().take(LONGEST).position(|byte| *byte < 128)?;
    let (number, rest) = bytes.split_at(end + 1);
    Some((number.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 127)), rest))
}

/// The type of a struct in Thrift's compact protocol.
const STRUCT: u8 = 12;

/// Thrift's compact protocol, as far as one must know it to walk through a struct.
struct Thrift<'a> {
    bytes: &'a [u8],
    /// How many more things may stand in lists.
    room: usize,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let (number, rest) = varint(self.bytes)?;
        self.bytes = rest;
        Some(number)
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

    /// The first fields of a struct, by their ids, that are 32-bit numbers: the first is the number of values in all three headers of pages with values; the
    /// fifth and the sixth of the second version are the lengths of what is never compressed.
    fn counts(&mut self) -> Option<[usize; 7]> {
        let (mut id, mut counts) = (0, [0; 7]);
        while let Some(kind) = self.field(&mut id)? {
            match (usize::try_from(id).ok().and_then(|id| counts.get_mut(id)), kind) {
                (Some(count), 5) => *count = self.size()?,
                _ => self.skip(kind, 8)?,
            }
        }
        Some(counts)
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
            9 | 10 => self.skip_list(depth),
            STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    fn skip_list(&mut self, depth: u8) -> Option<()> {
        let byte = self.byte()?;
        let length = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
        self.room = self.room.checked_sub(usize::try_from(length).ok()?)?;
        (0..length).try_for_each(|_| self.skip(byte & 15, depth))
    }

    fn advance(&mut self, bytes: usize) -> Option<()> {
        self.bytes = self.bytes.get(bytes..)?;
        Some(())
    }
}
