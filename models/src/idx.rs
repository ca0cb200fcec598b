//! Reader of IDX files, the format of MNIST: big-endian sizes, then bytes; plain or gzipped.
use crate::data::{Data, Split};
use crate::error::{Error, ErrorKind, Result};
use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Height and width of an image, in pixels.
const SIDE: usize = 28;
/// The number of digits.
const CLASSES: u8 = 10;
/// Mean of the training pixels of MNIST, scaled to 0..1.
const MEAN: f32 = 0.1307;
/// Standard deviation of the training pixels of MNIST, scaled to 0..1.
const DEVIATION: f32 = 0.3081;
/// The code of unsigned bytes in an IDX magic number.
const UNSIGNED_BYTES: u8 = 8;

/// Reads MNIST, or a set in the same files, from a folder: rows `[1, 28, 28]`, zero mean and unit variance.
///
/// The training files are `train-images*idx3-ubyte*` and `train-labels*idx1-ubyte*`, in as many parts as there are,
/// joined in the order of their names; the held-out ones are `t10k-*` alike. A gzipped file is known by its content.
///
/// # Errors
/// When a file is missing, cut short, of another format, or at odds with its neighbour.
pub fn mnist(dir: &Path) -> Result<Data> {
    Data::new("mnist", CLASSES.into(), split(dir, "train")?, split(dir, "t10k")?)
}

/// Whether the folder holds files that [`mnist`] would read.
pub(crate) fn present(dir: &Path) -> bool {
    parts(dir, "train-images", "idx3-ubyte").is_ok()
}

fn split(dir: &Path, prefix: &str) -> Result<Split> {
    let images = parts(dir, &format!("{prefix}-images"), "idx3-ubyte")?;
    let labels = parts(dir, &format!("{prefix}-labels"), "idx1-ubyte")?;
    if images.len() != labels.len() {
        let field = format!("{prefix}-labels files");
        return Err(Error::new(ErrorKind::Count, dir.display(), field, images.len(), labels.len()));
    }
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for (images, labels) in images.iter().zip(&labels) {
        join_part(images, labels, &mut inputs, &mut targets)?;
    }
    Split::new(inputs, vec![1, SIDE, SIDE], targets, 1, false)
}

/// The files of the folder with this prefix and format, by name; of a plain and a gzipped twin, the plain one.
fn parts(dir: &Path, prefix: &str, format: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(|error| unreadable(dir, &error))?;
    let mut found = BTreeMap::new();
    for entry in entries {
        let name = entry.map_err(|error| unreadable(dir, &error))?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix) && name.contains(format) {
            let plain = name.strip_suffix(".gz").unwrap_or(&name);
            let path = dir.join(&*name);
            found.entry(plain.to_string()).and_modify(|kept: &mut PathBuf| *kept = dir.join(plain)).or_insert(path);
        }
    }
    if found.is_empty() {
        let expected = format!("{prefix}*{format}, plain or .gz");
        return Err(Error::new(ErrorKind::Missing, dir.display(), "files", expected, "none"));
    }
    Ok(found.into_values().collect())
}

fn join_part(images: &Path, labels: &Path, inputs: &mut Vec<f32>, targets: &mut Vec<u32>) -> Result<()> {
    let ([count, height, width], pixels) = read::<3>(images)?;
    if (height, width) != (SIDE, SIDE) {
        let [expected, found] = [(SIDE, SIDE), (height, width)].map(|(h, w)| format!("{h}x{w}"));
        return Err(Error::new(ErrorKind::Range, images.display(), "image size", expected, found));
    }
    let ([labelled], classes) = read::<1>(labels)?;
    if labelled != count {
        let expected = format!("{count} as in {}", images.display());
        return Err(Error::new(ErrorKind::Count, labels.display(), "number of labels", expected, labelled));
    }
    if let Some(row) = classes.iter().position(|&class| class >= CLASSES) {
        let (field, expected) = (format!("label {row}"), format!("below {CLASSES}"));
        return Err(Error::new(ErrorKind::Range, labels.display(), field, expected, classes[row]));
    }
    inputs.extend(pixels.iter().map(|&pixel| (f32::from(pixel) / 255.0 - MEAN) / DEVIATION));
    targets.extend(classes.into_iter().map(u32::from));
    Ok(())
}

/// The sizes and the bytes of an IDX file of unsigned bytes with `RANK` axes.
fn read<const RANK: usize>(path: &Path) -> Result<([usize; RANK], Vec<u8>)> {
    let mut bytes = unpacked(path)?;
    let magic = [0, 0, UNSIGNED_BYTES, RANK as u8];
    let header = 4 * (1 + RANK);
    match bytes.get(..4) {
        Some(found) if found != magic => {
            let [expected, found] = [&magic, found].map(|magic| format!("{magic:02x?}"));
            return Err(Error::new(ErrorKind::Magic, path.display(), "magic number", expected, found));
        }
        _ => check_length(path, "header", header as u128, bytes.len().min(header))?,
    }
    let body = bytes.split_off(header);
    let sizes = std::array::from_fn(|axis| size(&bytes[4 * (1 + axis)..]));
    check_length(path, "data", sizes.iter().map(|&size| size as u128).product(), body.len())?;
    Ok((sizes, body))
}

fn size(bytes: &[u8]) -> usize {
    bytes[..4].iter().fold(0, |size, &byte| size << 8 | usize::from(byte))
}

fn check_length(path: &Path, field: &str, expected: u128, found: usize) -> Result<()> {
    if expected == found as u128 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Length, path.display(), field, format!("{expected} bytes"), found))
}

fn unpacked(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).map_err(|error| unreadable(path, &error))?;
    Ok(plain)
}

/// Why the system, or gzip, could not read it.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Error {
    let (kind, expected) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::Missing, "a file or folder"),
        io::ErrorKind::UnexpectedEof => (ErrorKind::Length, "a whole gzip stream"),
        _ => (ErrorKind::Unreadable, "readable content"),
    };
    Error::new(kind, path.display(), "content", expected, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    use tempfile::TempDir;

    const IMAGES: &str = "train-images-idx3-ubyte";
    const LABELS: &str = "train-labels-idx1-ubyte";

    fn idx(sizes: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, UNSIGNED_BYTES, sizes.len() as u8];
        bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    fn images(count: u32, shade: u8) -> Vec<u8> {
        idx(&[count, 28, 28], &vec![shade; count as usize * SIDE * SIDE])
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    /// A folder with two good training rows and two held-out ones, where the named files are laid over.
    fn folder(over: &[(&str, Option<Vec<u8>>)]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let labels = idx(&[2], &[3, 9]);
        let good = [(IMAGES, images(2, 255)), (LABELS, gzip(&labels))];
        let held_out = [("t10k-images-idx3-ubyte", gzip(&images(2, 0))), ("t10k-labels-idx1-ubyte", labels)];
        for (name, bytes) in good.into_iter().chain(held_out) {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        for (name, bytes) in over {
            match bytes {
                Some(bytes) => fs::write(dir.path().join(name), bytes).unwrap(),
                None => fs::remove_file(dir.path().join(name)).unwrap(),
            }
        }
        dir
    }

    #[test]
    fn plain_and_gzipped_files_are_read() {
        let data = mnist(folder(&[]).path()).unwrap();
        assert_eq!((data.train.len(), data.held_out.len(), data.classes), (2, 2, 10));
        assert_eq!(data.train.row_shape(), [1, 28, 28]);
        assert_eq!(data.train.targets(), [3, 9]);
        assert!((data.train.inputs()[0] - (1.0 - MEAN) / DEVIATION).abs() < 1e-6);
        assert!((data.held_out.inputs()[0] + MEAN / DEVIATION).abs() < 1e-6);
    }

    #[test]
    fn parts_are_joined_by_name_and_twins_are_read_once() {
        let dir = folder(&[
            ("train-images-part1-idx3-ubyte", Some(images(1, 7))),
            ("train-labels-part1-idx1-ubyte", Some(idx(&[1], &[4]))),
            ("train-labels-part1-idx1-ubyte.gz", Some(gzip(&idx(&[1], &[5])))),
        ]);
        assert_eq!(mnist(dir.path()).unwrap().train.targets(), [3, 9, 4]);
    }

    #[test]
    fn every_fault_is_named_in_one_line() {
        let cut = |bytes: Vec<u8>, by: usize| bytes[..bytes.len() - by].to_vec();
        let cases: [(&str, Option<Vec<u8>>, ErrorKind, &str); 12] = [
            (IMAGES, None, ErrorKind::Missing, "train-images*idx3-ubyte"),
            (LABELS, None, ErrorKind::Missing, "train-labels*idx1-ubyte"),
            (IMAGES, Some(vec![]), ErrorKind::Length, "header: expected 16 bytes, found 0"),
            (IMAGES, Some(cut(images(2, 1), 5)), ErrorKind::Length, "data: expected 1568 bytes, found 1563"),
            (IMAGES, Some(cut(gzip(&images(2, 1)), 9)), ErrorKind::Length, "whole gzip stream"),
            (IMAGES, Some(vec![0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), ErrorKind::Unreadable, IMAGES),
            (IMAGES, Some(idx(&[2], &[1, 2])), ErrorKind::Magic, "expected [00, 00, 08, 03], found [00, 00, 08, 01]"),
            (IMAGES, Some(idx(&[1, 2, 2], &[0; 4])), ErrorKind::Range, "image size: expected 28x28, found 2x2"),
            (IMAGES, Some(idx(&[u32::MAX; 3], &[0; 4])), ErrorKind::Length, "data"),
            (LABELS, Some(idx(&[2], &[3, 10])), ErrorKind::Range, "label 1: expected below 10, found 10"),
            (LABELS, Some(idx(&[3], &[3, 1, 1])), ErrorKind::Count, "number of labels: expected 2 as in"),
            ("train-labels-part1-idx1-ubyte", Some(vec![]), ErrorKind::Count, "labels files: expected 1, found 2"),
        ];
        for (name, bytes, kind, text) in cases {
            let error = mnist(folder(&[(name, bytes)]).path()).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(text), "{error}");
            assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn a_missing_folder_is_missing() {
        assert_eq!(mnist(Path::new("no/such/folder")).unwrap_err().kind(), ErrorKind::Missing);
    }
}
