//! Files: plain, packed by gzip, and the data that stand beside them.
use crate::error::{Error, ErrorKind, Result};
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// First bytes of what gzip packed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The bytes of the file at `path`, unpacked; at most `largest`.
pub(crate) fn read(path: &Path, largest: u64) -> Result<Vec<u8>> {
    let bytes = read_whole(open(path)?, largest)?;
    if bytes.starts_with(&GZIP) { read_whole(GzDecoder::new(bytes.as_slice()), largest) } else { Ok(bytes) }
}

fn open(path: &Path) -> Result<BufReader<File>> {
    File::open(path).map(BufReader::new).map_err(unreadable)
}

fn unreadable(error: impl ToString) -> Error {
    Error::new(ErrorKind::Unreadable, error.to_string())
}

fn read_whole(from: impl Read, largest: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(largest.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if read as u64 > largest {
        return Err(Error::too_large(format!("more than {largest} bytes")));
    }
    bytes.shrink_to_fit();
    Ok(bytes)
}

/// The files beside the model that hold data of its tensors, each read once.
#[derive(Default)]
pub(crate) struct Beside {
    files: BTreeMap<String, Vec<u8>>,
}

impl Beside {
    /// Reads the files named `locations`, relative to `folder`.
    pub(crate) fn read<'a>(folder: &Path, locations: impl IntoIterator<Item = &'a str>, largest: u64) -> Result<Self> {
        let mut this = Self::default();
        for location in locations {
            if !this.files.contains_key(location) {
                let bytes = read(&inside(folder, location)?, largest).map_err(|error| error.in_file(location))?;
                this.files.insert(location.to_owned(), bytes);
            }
        }
        Ok(this)
    }

    /// `length` bytes (to the end when it is not said) from `offset` of a file.
    pub(crate) fn bytes(&self, location: &str, offset: usize, length: Option<usize>) -> Result<&[u8]> {
        let whole =
            self.files.get(location).ok_or_else(|| Error::malformed(format!("no data beside: `{location}`")))?;
        let end = length.map_or(Some(whole.len()), |length| offset.checked_add(length));
        let part = end.and_then(|end| whole.get(offset..end));
        part.ok_or_else(|| {
            Error::malformed(format!("`{location}` has {} bytes, data expected at {offset}", whole.len()))
        })
    }
}

/// The path of a file below `folder`, which it must not leave.
fn inside(folder: &Path, location: &str) -> Result<PathBuf> {
    let plain = Path::new(location).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if plain {
        Ok(folder.join(location))
    } else {
        Err(Error::malformed(format!("data outside of the folder: `{location}`")))
    }
}
