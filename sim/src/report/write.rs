//! Files that are either whole or not there.
use super::Report;
use crate::error::Error;
use crate::trace::Trace;
use std::io::{self, Write};
use std::path::Path;
use tempfile::{Builder, NamedTempFile};

/// Writes a file by way of a temporary one beside it: whoever looks sees the old contents or the new, never a part. After an error
/// nothing is left behind.
///
/// # Errors
/// When the file cannot be written; the error names it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let mut file = temporary(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|cause| Error::file(path, cause))
}

/// A temporary file that, unlike most, others may read as far as the user's mask lets them.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".supple-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

impl Report {
    /// Writes `report.json` and `report.html` into `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// When a plot cannot be drawn or a file not be written.
    pub fn write<'a>(&self, folder: &Path, trace: impl Into<Option<&'a Trace>>) -> Result<(), Error> {
        let json = self.json().map_err(|cause| Error::file(&folder.join("report.json"), cause.into()))?;
        let html = self.html(trace)?;
        std::fs::create_dir_all(folder).map_err(|cause| Error::file(folder, cause))?;
        write_atomically(&folder.join("report.json"), json.as_bytes())?;
        write_atomically(&folder.join("report.html"), html.as_bytes())
    }
}
