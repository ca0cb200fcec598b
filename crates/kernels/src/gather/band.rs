//! Lines of pixels.

/// Lines of pixels that gradients are summed over.
#[derive(Clone, Copy)]
pub(crate) struct Band {
    /// Lines, and elements of each: a whole number of vectors.
    pub lines: usize,
    pub length: usize,
    /// Elements from one line to the next, of the input and of the output.
    pub steps: [usize; 2],
}

impl Band {
    /// A single line.
    pub fn line(length: usize) -> Self {
        Self { lines: 1, length, steps: [0, 0] }
    }

    /// Elements from the first to the last, of the input and of the output.
    pub fn spans(&self) -> [usize; 2] {
        self.skipped().map(|skipped| skipped + self.length)
    }

    /// Elements from the first line to the last, of the input and of the output.
    ///
    /// # Panics
    /// When there is no line.
    pub fn skipped(&self) -> [usize; 2] {
        assert!(self.lines > 0, "a band without a line");
        self.steps.map(|step| (self.lines - 1) * step)
    }
}
