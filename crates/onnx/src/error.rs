//! What can be wrong with a file.
use std::fmt;
use supple_graph::error::OneLine;

/// What sort of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file, or a file with its data, cannot be read.
    Unreadable,
    /// The bytes are no ONNX model: cut short, not protobuf, a name that nothing makes.
    Malformed,
    /// A model that is fine, but needs what the importer has not.
    Unsupported,
    /// Something that the model leaves open has to be given in the options.
    Unknown,
    /// Larger than the options or the importer allow.
    TooLarge,
}

/// Something is wrong with a file: which file, which node, which operator, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    file: Option<String>,
    node: Option<(String, String)>,
    what: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, file: None, node: None, what: what.into() }))
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, what)
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, what)
    }

    pub(crate) fn too_large(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooLarge, what)
    }

    /// The same error with the node where it came up, unless an inner one is known.
    pub(crate) fn at_node(mut self, name: &str, operator: &str) -> Self {
        self.0.node.get_or_insert_with(|| (name.to_owned(), operator.to_owned()));
        self
    }

    /// The same error with its file.
    pub(crate) fn in_file(mut self, file: impl Into<String>) -> Self {
        self.0.file.get_or_insert_with(|| file.into());
        self
    }

    /// What sort of thing is wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file, when there is one.
    pub fn file(&self) -> Option<&str> {
        self.0.file.as_deref()
    }

    /// Name of the node where it came up.
    pub fn node(&self) -> Option<&str> {
        self.0.node.as_ref().map(|(name, _)| name.as_str())
    }

    /// ONNX operator of that node.
    pub fn operator(&self) -> Option<&str> {
        self.0.node.as_ref().map(|(_, operator)| operator.as_str())
    }
}

impl From<supple_graph::Error> for Error {
    fn from(error: supple_graph::Error) -> Self {
        Self::malformed(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.0.file {
            write!(f, "{}: ", OneLine(file))?;
        }
        if let Some((name, operator)) = &self.0.node {
            write!(f, "node `{}` ({}): ", OneLine(name), OneLine(operator))?;
        }
        OneLine(&self.0.what).fmt(f)
    }
}

impl std::error::Error for Error {}

/// Result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
