//! Why nothing was measured.
use std::fmt;
use std::path::PathBuf;

/// Why nothing was measured.
#[derive(Debug)]
pub enum Error {
    /// A file that cannot be read or written.
    File(PathBuf, std::io::Error),
    /// A file that holds no shapes.
    Shapes(PathBuf, serde_json::Error),
    /// A shape that makes no layer.
    Shape(String),
    /// A format that is not there.
    Format(String),
    /// A kernel that refused its operands.
    Kernel(crate::Error),
    /// A peer that did not run or said something else than asked.
    Peer(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Shapes(path, error) => write!(f, "{} is no file of shapes: {error}", path.display()),
            Self::Shape(shape) => write!(f, "{shape} makes no layer"),
            Self::Format(name) => {
                let names: Vec<_> = super::cases::all().iter().map(|format| format.name).collect();
                write!(f, "format {name} is none of {}", names.join(", "))
            }
            Self::Kernel(error) => error.fmt(f),
            Self::Peer(what) => write!(f, "peer: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        Self::Kernel(error)
    }
}
