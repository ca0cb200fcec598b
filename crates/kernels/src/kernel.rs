//! The contract of a kernel.
use crate::error::Error;

/// What is to be computed: shapes after slicing, and the strides of the weights that the prefix is cut from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// `y[rows, outputs] = x[rows, inputs] W[inputs, outputs] + b`, W cut from rows of `stride` elements.
    Linear {
        /// Rows of x.
        rows: usize,
        /// Inputs kept.
        inputs: usize,
        /// Outputs kept.
        outputs: usize,
        /// Elements between two rows of the full W.
        stride: usize,
    },
    /// `y[batch, outputs, ..] = x[batch, inputs, side, side'] * W[outputs, inputs, taps, taps'] + b`, one group.
    Conv2d {
        /// Samples.
        batch: usize,
        /// Input channels kept.
        inputs: usize,
        /// Output channels kept.
        outputs: usize,
        /// Height and width of x.
        side: [usize; 2],
        /// Height and width of the window.
        taps: [usize; 2],
        /// Step of the window.
        step: [usize; 2],
        /// Zeros around x.
        padding: [usize; 2],
        /// Elements between two output channels of the full W.
        stride: usize,
    },
}

impl Key {
    /// Height and width of a convolution's output; zero where the window does not fit.
    pub fn reach(side: [usize; 2], taps: [usize; 2], step: [usize; 2], padding: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|a| (side[a] + 2 * padding[a]).checked_sub(taps[a]).map_or(0, |rest| rest / step[a].max(1) + 1))
    }

    /// Elements that x, W (at least), b and y hold.
    pub fn lengths(&self) -> [usize; 4] {
        match *self {
            Self::Linear { rows, inputs, outputs, stride } => {
                [rows * inputs, last(inputs, stride, outputs), outputs, rows * outputs]
            }
            Self::Conv2d { batch, inputs, outputs, side, taps, step, padding, stride } => {
                let reach = Self::reach(side, taps, step, padding);
                let row = inputs * taps[0] * taps[1];
                let pixels = reach[0] * reach[1];
                [batch * inputs * side[0] * side[1], last(outputs, stride, row), outputs, batch * outputs * pixels]
            }
        }
    }
}

/// Elements up to the end of the last of `rows` rows.
fn last(rows: usize, stride: usize, length: usize) -> usize {
    if rows == 0 { 0 } else { (rows - 1) * stride + length }
}

/// The operands of one call, row-major.
#[derive(Debug)]
pub struct Args<'a> {
    /// What to compute.
    pub key: Key,
    /// Input.
    pub x: &'a [f32],
    /// Weights, from the first element of the full weights on.
    pub w: &'a [f32],
    /// Bias, at least as many as outputs kept.
    pub b: Option<&'a [f32]>,
    /// Output, overwritten.
    pub y: &'a mut [f32],
    /// Threads to use.
    pub threads: usize,
}

impl Args<'_> {
    /// Whether every operand holds what the key needs.
    ///
    /// # Errors
    /// The first operand that does not.
    pub fn check(&self, kernel: &'static str) -> Result<(), Error> {
        let [x, w, b, y] = self.key.lengths();
        let fits = |name: &str, held: usize, needed: usize, exact: bool| {
            let ok = if exact { held == needed } else { held >= needed };
            let what = || format!("{name} holds {held} elements, {:?} needs {needed}", self.key);
            if ok { Ok(()) } else { Err(Error::new(kernel, what())) }
        };
        fits("x", self.x.len(), x, true)?;
        fits("w", self.w.len(), w, false)?;
        fits("b", self.b.map_or(b, <[f32]>::len), b, false)?;
        fits("y", self.y.len(), y, true)
    }
}

/// A fast way to compute some keys.
pub trait Kernel: Send + Sync {
    /// Short name, as in tables.
    fn name(&self) -> &'static str;

    /// Whether it computes this key.
    fn takes(&self, key: &Key) -> bool;

    /// Computes y.
    ///
    /// # Errors
    /// When the operands do not fit the key, before any memory is touched.
    fn run(&self, args: Args<'_>) -> Result<(), Error>;
}
