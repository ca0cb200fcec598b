//! The gradient's largest columns: a backward pass of small dense products.
use crate::error::Error;
use crate::kernel::{Args, Key, Operands};
use crate::kernels;
use crate::layer::{Layer, Linear};
use crate::pattern::Pattern;

/// The `count` outputs whose gradients have the largest sum of magnitudes over all rows, ascending: meProp's unified top-k (Sun et al. 2017, "meProp:
/// Sparsified Back Propagation for Accelerated Deep Learning with Reduced Overfitting"). All of them where there are no more.
pub fn outputs(dy: &[f32], outputs: usize, count: usize) -> Vec<usize> {
    let mut sums = vec![0.0f32; outputs];
    for row in dy.chunks_exact(outputs.max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v.abs());
    }
    let mut order: Vec<usize> = (0..outputs).collect();
    if count < outputs {
        order.select_nth_unstable_by(count, |&a, &b| sums[b].total_cmp(&sums[a]).then(a.cmp(&b)));
        order.truncate(count);
    }
    order.sort_unstable();
    order
}

/// Gradients of a linear layer with those of all outputs but `kept` taken as zero: products of as many columns.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a> {
    /// The layer; its row stride is that of the weights, or of their gradient.
    pub layer: Linear,
    /// Outputs whose gradients count, ascending; see [`outputs`].
    pub kept: &'a [usize],
    /// Gradient of the output.
    pub dy: &'a [f32],
    /// Threads to use.
    pub threads: usize,
}

impl Backward<'_> {
    /// Writes the gradient of the input.
    ///
    /// # Errors
    /// When an output does not exist, or an operand does not fit; before memory is touched.
    pub fn input(&self, w: &[f32], dx: &mut [f32]) -> Result<(), Error> {
        let Linear { rows, inputs, outputs, row_stride } = self.layer;
        let [x, weights, ..] = self.check()?;
        if dx.len() != x || w.len() < weights {
            return Err(self.misfit());
        }
        let (dy, w) = (self.take(self.dy, rows, outputs), self.take(w, inputs, row_stride));
        self.call(Operands::BackwardInput { dy: &dy, w: &w, dx })
    }

    /// Writes the gradients of weights and bias.
    ///
    /// # Errors
    /// As [`input`](Self::input).
    pub fn weights(&self, x: &[f32], dw: &mut [f32], db: &mut [f32]) -> Result<(), Error> {
        let Linear { rows, inputs, outputs, row_stride } = self.layer;
        let [length, weights, biases] = self.check()?;
        if x.len() != length || dw.len() < weights || db.len() < biases {
            return Err(self.misfit());
        }
        let count = self.kept.len();
        let (mut some, mut few) = (vec![0.0; inputs * count], vec![0.0; count]);
        let dy = self.take(self.dy, rows, outputs);
        self.call(Operands::BackwardWeight { dy: &dy, x, dw: &mut some, db: Some(&mut few) })?;
        for (input, line) in dw.chunks_mut(row_stride.max(1)).take(inputs).enumerate() {
            line[..outputs].fill(0.0);
            self.kept.iter().zip(&some[input * count..]).for_each(|(&o, v)| line[o] = *v);
        }
        db[..outputs].fill(0.0);
        self.kept.iter().zip(few).for_each(|(&o, v)| db[o] = v);
        Ok(())
    }

    /// Elements that x, the weights and the bias need.
    fn check(&self) -> Result<[usize; 3], Error> {
        let Linear { outputs, row_stride, .. } = self.layer;
        if let Some(output) = self.kept.iter().find(|&&output| output >= outputs) {
            return Err(Error::new("top", format!("output {output} of {outputs}")));
        }
        let layer = Layer::Linear(self.layer);
        if !layer.is_countable() || row_stride < outputs || self.dy.len() != layer.lengths()[3] {
            return Err(self.misfit());
        }
        let [x, w, b, _] = layer.lengths();
        Ok([x, w, b])
    }

    fn misfit(&self) -> Error {
        Error::new("top", format!("operands do not fit {:?}", self.layer))
    }

    /// The columns that count, of a matrix of so many lines.
    fn take(&self, matrix: &[f32], lines: usize, stride: usize) -> Vec<f32> {
        let line = |line: usize| self.kept.iter().map(move |&o| matrix[line * stride + o]);
        (0..lines).flat_map(line).collect()
    }

    fn call(&self, operands: Operands<'_>) -> Result<(), Error> {
        let count = self.kept.len();
        let layer = Layer::Linear(Linear { outputs: count, row_stride: count, ..self.layer });
        let args = Args { layer, pattern: Pattern::Dense, operands, threads: self.threads };
        let key: Key = args.key();
        kernels::find(&key).ok_or_else(|| Error::new("top", format!("no kernel takes {key:?}")))?.run(args)
    }
}
