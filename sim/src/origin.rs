//! Where a scenario is from, and where the files that it names are looked up.
use std::path::{Path, PathBuf};

/// The file of a scenario, and the folder of the files that it names: beside it, unless said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Origin {
    file: PathBuf,
    files: Option<PathBuf>,
}

impl Origin {
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_path_buf(), files: None }
    }

    #[must_use]
    pub fn with_files_in(self, folder: Option<&Path>) -> Self {
        Self { files: folder.map(Path::to_path_buf), ..self }
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    pub fn folder(&self) -> &Path {
        let beside = self.file.parent().unwrap_or(Path::new(""));
        self.files.as_deref().unwrap_or(beside)
    }
}
