//! The models by name, and the data that each of them learns from.
use crate::data::Data;
use crate::error::{Error, ErrorKind, Result};
use crate::{glyphs, idx, sums, text};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The embedded glyphs to learn from.
const GLYPHS: usize = 12_000;
/// The embedded glyphs held out.
const HELD_OUT_GLYPHS: usize = 2_000;
/// The characters of one window of a text.
const CONTEXT: usize = 64;
/// The text file in a folder of text.
const TEXT: &str = "input.txt";

/// A model that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModelName {
    /// [`Mlp`](crate::Mlp), on images.
    Mlp,
    /// [`Cnn`](crate::Cnn), on images.
    Cnn,
    /// [`CharTransformer`](crate::CharTransformer), on characters.
    Chars,
    /// [`PatchTransformer`](crate::PatchTransformer), on images.
    Patches,
}

impl ModelName {
    /// Every model.
    pub const ALL: [Self; 4] = [Self::Mlp, Self::Cnn, Self::Chars, Self::Patches];

    /// The name as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mlp => "mlp",
            Self::Cnn => "cnn",
            Self::Chars => "chars",
            Self::Patches => "patches",
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ModelName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|model| model.as_str() == name).ok_or_else(|| {
            let expected = format!("one of {}", Self::ALL.map(Self::as_str).join(", "));
            Error::new(ErrorKind::Unknown, "model", "name", expected, format!("`{name}`"))
        })
    }
}

/// The data for a model: from the folder `data`, or the embedded set where there is none.
///
/// Image models read a folder of IDX files (see [`mnist`](crate::mnist)), or draw [`glyphs`](crate::glyphs()) with
/// `seed`; the character model reads `input.txt` in windows of 64 characters (see [`text`](crate::text())), or makes
/// [`sums`](crate::sums()) with `seed`.
///
/// # Errors
/// When the folder does not hold what the model reads, or what it holds is faulty.
pub fn load(name: ModelName, data: Option<&Path>, seed: u64) -> Result<Data> {
    match (name, data) {
        (ModelName::Mlp | ModelName::Cnn | ModelName::Patches, None) => glyphs(seed, GLYPHS, HELD_OUT_GLYPHS),
        (ModelName::Chars, None) => sums(seed),
        (ModelName::Mlp | ModelName::Cnn | ModelName::Patches, Some(dir)) if idx::present(dir) => idx::mnist(dir),
        (ModelName::Chars, Some(dir)) if dir.join(TEXT).is_file() => text(&dir.join(TEXT), CONTEXT),
        (_, Some(dir)) => Err(nothing_to_read(name, dir)),
    }
}

fn nothing_to_read(name: ModelName, dir: &Path) -> Error {
    let expected = match name {
        ModelName::Mlp | ModelName::Cnn | ModelName::Patches => {
            "a folder with train-images*idx3-ubyte* and its companions".to_string()
        }
        ModelName::Chars => format!("a folder with {TEXT}"),
    };
    let found = match (dir.is_dir(), dir.exists()) {
        (true, _) => "a folder without",
        (false, true) => "a file",
        (false, false) => "nothing",
    };
    Error::new(ErrorKind::Missing, dir.display(), format!("data of model {name}"), expected, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for name in ModelName::ALL {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        let error = "resnet".parse::<ModelName>().unwrap_err();
        assert_eq!(error.to_string(), "model: name: expected one of mlp, cnn, chars, patches, found `resnet`");
    }

    #[test]
    fn every_model_has_embedded_data() {
        for name in ModelName::ALL {
            let data = load(name, None, 1).unwrap();
            assert!(data.held_out.len() >= 900, "{name}: {}", data.held_out.len());
        }
    }

    #[test]
    fn a_folder_is_read_by_the_models_that_fit_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(TEXT), "hold the door ".repeat(100)).unwrap();
        assert_eq!(load(ModelName::Chars, Some(dir.path()), 1).unwrap().train.row_shape(), [CONTEXT]);
        let error = load(ModelName::Mlp, Some(dir.path()), 1).unwrap_err().to_string();
        assert!(error.contains("data of model mlp: expected a folder with train-images"), "{error}");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = load(ModelName::Chars, Some(Path::new("no/where")), 1).unwrap_err().to_string();
        assert_eq!(error, "no/where: data of model chars: expected a folder with input.txt, found nothing");
    }
}
