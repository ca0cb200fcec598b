//! The contract of a kernel.
use crate::error::Error;
use crate::layer::Layer;
use crate::pattern::{Format, Pattern};
use supple_graph::Phase;

/// What is to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The layer.
    pub layer: Layer,
    /// Which of its weights are there.
    pub format: Format,
    /// Its output, or the gradient of one of its operands.
    pub phase: Phase,
}

/// What one pass reads and writes, all row-major; `w` and `dw` start at the first element of the full weights, or are the values of [`Blocks`](crate::Blocks).
#[derive(Debug)]
pub enum Operands<'a> {
    /// `y = max(layer(x), 0)` with `relu`, else `y = layer(x)`.
    Forward {
        /// Input.
        x: &'a [f32],
        /// Weights.
        w: &'a [f32],
        /// Bias.
        b: Option<&'a [f32]>,
        /// Whether negative outputs become zero.
        relu: bool,
        /// Output, overwritten.
        y: &'a mut [f32],
    },
    /// Gradient of the input.
    BackwardInput {
        /// Gradient of the output.
        dy: &'a [f32],
        /// Weights.
        w: &'a [f32],
        /// Gradient of the input, overwritten.
        dx: &'a mut [f32],
    },
    /// Gradients of weights and bias.
    BackwardWeight {
        /// Gradient of the output.
        dy: &'a [f32],
        /// Input.
        x: &'a [f32],
        /// Gradient of the weights; what the layer and the pattern name is overwritten, the rest not touched.
        dw: &'a mut [f32],
        /// Gradient of the bias, overwritten.
        db: Option<&'a mut [f32]>,
    },
}

/// One call.
#[derive(Debug)]
pub struct Args<'a> {
    /// The layer.
    pub layer: Layer,
    /// Which of its weights are there; of its gradient, which are wanted.
    pub pattern: Pattern<'a>,
    /// What to read and write.
    pub operands: Operands<'a>,
    /// Threads to use, of rayon's pool.
    pub threads: usize,
}

impl Args<'_> {
    /// What this call computes.
    pub fn key(&self) -> Key {
        let phase = match self.operands {
            Operands::Forward { .. } => Phase::Forward,
            Operands::BackwardInput { .. } => Phase::BackwardInput,
            Operands::BackwardWeight { .. } => Phase::BackwardWeight,
        };
        Key { layer: self.layer, format: self.pattern.format(), phase }
    }

    /// Whether `kernel` takes this call, and every operand holds what the layer needs.
    ///
    /// # Errors
    /// When it does not take it, or the first operand that does not.
    pub fn check(&self, kernel: &dyn Kernel) -> Result<(), Error> {
        let (key, kernel) = (self.key(), (kernel.takes(&self.key()), kernel.name()));
        let (true, kernel) = kernel else { return Err(Error::new(kernel.1, format!("does not take {key:?}"))) };
        if !self.layer.is_countable() {
            return Err(Error::new(kernel, format!("{:?} has more elements than 32 bits can count", self.layer)));
        }
        let [x, w, b, y] = self.layer.lengths();
        let fits = |name: &str, held: usize, needed: usize, exact: bool| {
            let ok = (if exact { held == needed } else { held >= needed }) && u32::try_from(held).is_ok();
            let what = || format!("{name} holds {held} elements, {:?} needs {needed}", self.layer);
            if ok { Ok(()) } else { Err(Error::new(kernel, what())) }
        };
        let weights = |name: &str, held: usize| match &self.pattern {
            Pattern::Dense => fits(name, held, w, false),
            Pattern::Blocks(blocks) => blocks.check(&self.layer, held, kernel),
            Pattern::Active(active) => active.check(&self.layer, kernel).and_then(|()| fits(name, held, w, false)),
        };
        match &self.operands {
            Operands::Forward { x: x_, w: w_, b: b_, y: y_, .. } => {
                fits("x", x_.len(), x, true)?;
                weights("w", w_.len())?;
                fits("b", b_.map_or(b, <[f32]>::len), b, false)?;
                fits("y", y_.len(), y, true)
            }
            Operands::BackwardInput { dy, w: w_, dx } => {
                fits("dy", dy.len(), y, true)?;
                weights("w", w_.len())?;
                fits("dx", dx.len(), x, true)
            }
            Operands::BackwardWeight { dy, x: x_, dw, db } => {
                fits("dy", dy.len(), y, true)?;
                fits("x", x_.len(), x, true)?;
                weights("dw", dw.len())?;
                fits("db", db.as_ref().map_or(b, |db| db.len()), b, false)
            }
        }
    }
}

/// A fast way to compute some keys.
pub trait Kernel: Send + Sync {
    /// Short name, as in tables.
    fn name(&self) -> &'static str;

    /// Whether it computes this key.
    fn takes(&self, key: &Key) -> bool;

    /// Whether it is to be preferred, where it takes a key, to the kernels after it.
    fn pays(&self, _key: &Key) -> bool {
        true
    }

    /// Computes the outputs.
    ///
    /// # Errors
    /// When the operands do not fit the key, before any memory is touched.
    fn run(&self, args: Args<'_>) -> Result<(), Error>;
}
