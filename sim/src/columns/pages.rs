//! Guards before a Parquet file is read: the reader takes fields by their ids, whatever they hold, walks through lists as long as they say they are, and
//! allocates what headers of pages ask for.
use crate::columns::structs::{FOOTER, PAGE};
use crate::columns::thrift::{NUMBER, STRUCT, Thrift};
use crate::error::Error;
use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use std::io::{Read, copy, sink};

/// Longest footer, in bytes; the decoder may need a hundred times as much for it.
const LONGEST_FOOTER: usize = 4 << 20;

/// Most structs and lists within each other.
const DEEPEST: u8 = 16;

/// Refuses a file that is too short for its footer, or whose footer is too long, cut off, has fields that do not hold what Parquet says, or says that there are
/// more things in its lists than it has bytes.
pub(crate) fn check_footer(bytes: &[u8]) -> Result<(), Error> {
    let tail = bytes.len().checked_sub(8).filter(|_| bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let tail = tail.ok_or_else(|| Error::field("Parquet", "a file that begins and ends with `PAR1`"))?;
    let length = bytes[tail..tail + 4].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    if length > LONGEST_FOOTER.min(tail) {
        let expected = format!("at most {}", LONGEST_FOOTER.min(tail));
        return Err(Error::field(format!("{length} bytes in the footer of the Parquet file"), expected));
    }
    let walked = Thrift::new(&bytes[tail - length..tail]).walk(STRUCT, Some(FOOTER), DEEPEST);
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
        let mut thrift = Thrift::new(bytes);
        { thrift }.walk(STRUCT, Some(PAGE), DEEPEST)?;
        let mut page = Self::default();
        let (mut id, mut compressed, mut levels) = (0, 0, 0);
        while let Some(kind) = thrift.field(&mut id)? {
            match (id, kind) {
                (2, NUMBER) => page.size = thrift.size()?,
                (3, NUMBER) => compressed = thrift.size()?,
                (5 | 7 | 8, STRUCT) => {
                    let counts = counts(&mut thrift)?;
                    page.values = counts[1];
                    page.dictionary = id == 7;
                    levels = if id == 8 { counts[5].checked_add(counts[6])? } else { 0 };
                }
                _ => thrift.walk(kind, None, DEEPEST)?,
            }
        }
        let (body, after) = thrift.rest().split_at_checked(compressed)?;
        page.packed = body.get(levels..)?;
        Some((page, after))
    }

    /// Whether gzip finds no more in it than it says. What is not of gzip ends at once, here as in the decoder.
    fn unpacks(&self) -> bool {
        let mut most = MultiGzDecoder::new(self.packed).take(self.size as u64 + 1);
        copy(&mut most, &mut sink()).map_or(true, |bytes| bytes <= self.size as u64)
    }
}

/// The first fields of a struct, by their ids, that are 32-bit numbers: the first is the number of values in all three headers of pages with values; the
/// fifth and the sixth of the second version are the lengths of what is never compressed.
fn counts(thrift: &mut Thrift<'_>) -> Option<[usize; 7]> {
    let (mut id, mut counts) = (0, [0; 7]);
    while let Some(kind) = thrift.field(&mut id)? {
        match (usize::try_from(id).ok().and_then(|id| counts.get_mut(id)), kind) {
            (Some(count), NUMBER) => *count = thrift.size()?,
            _ => thrift.walk(kind, None, DEEPEST)?,
        }
    }
    Some(counts)
}
