//! How large a file may be.

/// Sizes above which a file is refused, so that no file takes all memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, uncompressed.
    pub bytes: usize,
    /// Rows.
    pub rows: usize,
    /// Columns, or traces.
    pub columns: usize,
    /// Cells or samples in all.
    pub cells: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 512 << 20, rows: 1 << 24, columns: 1 << 16, cells: 1 << 26 }
    }
}
