//! The gradient's largest outputs: a backward pass of small dense products.
use crate::error::Error;
use crate::kernel::{Args, Key, Operands};
use crate::kernels;
use crate::layer::{Conv2d, Layer, Linear};
use crate::pattern::Pattern;

/// The `count` outputs whose gradients have the largest sum of magnitudes over all rows, ascending: meProp's unified top-k (Sun et al. 2017, "meProp:
/// Sparsified Back Propagation for Accelerated Deep Learning with Reduced Overfitting"). All of them where there are no more. `dy` is `[rows, outputs,
/// pixels]`, with one pixel for a linear layer.
pub fn outputs(dy: &[f32], [outputs, pixels]: [usize; 2], count: usize) -> Vec<usize> {
    let mut sums = vec![0.0f32; outputs];
    for row in dy.chunks_exact((outputs * pixels).max(1)) {
        let planes = row.chunks_exact(pixels.max(1));
        sums.iter_mut().zip(planes).for_each(|(sum, plane)| *sum += plane.iter().map(|v| v.abs()).sum::<f32>());
    }
    let mut order: Vec<usize> = (0..outputs).collect();
    if count < outputs {
        order.select_nth_unstable_by(count, |&a, &b| sums[b].total_cmp(&sums[a]).then(a.cmp(&b)));
        order.truncate(count);
    }
    order.sort_unstable();
    order
}

/// Gradients of a layer, of one group if it is a convolution, with those of all outputs but `kept` taken as zero: products with as many.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a> {
    /// The layer; its row stride is that of the weights, or of their gradient.
    pub layer: Layer,
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
        let [x, weights, ..] = self.check()?;
        if dx.len() != x || w.len() < weights {
            return Err(self.misfit());
        }
        self.call(Operands::BackwardInput { dy: &self.gradients(), w: &self.weights_of(w), dx })
    }

    /// Writes the gradients of weights and bias.
    ///
    /// # Errors
    /// As [`input`](Self::input).
    pub fn weights(&self, x: &[f32], dw: &mut [f32], db: &mut [f32]) -> Result<(), Error> {
        let [length, weights, biases] = self.check()?;
        if x.len() != length || dw.len() < weights || db.len() < biases {
            return Err(self.misfit());
        }
        let [_, few, ..] = self.few().lengths();
        let (mut some, mut sums) = (vec![0.0; few], vec![0.0; self.kept.len()]);
        self.call(Operands::BackwardWeight { dy: &self.gradients(), x, dw: &mut some, db: Some(&mut sums) })?;
        self.put_back(&some, dw);
        db[..biases].fill(0.0);
        self.kept.iter().zip(sums).for_each(|(&o, v)| db[o] = v);
        Ok(())
    }

    /// Elements that x, the weights and the bias need.
    fn check(&self) -> Result<[usize; 3], Error> {
        let (layer, outputs) = (self.layer, planes(&self.layer)[0]);
        if let Some(output) = self.kept.iter().find(|&&output| output >= outputs) {
            return Err(Error::new("top", format!("output {output} of {outputs}")));
        }
        let fits = match layer {
            Layer::Linear(linear) => linear.row_stride >= outputs,
            Layer::Conv2d(conv) => conv.groups == 1 && conv.row_stride >= conv.row(),
        };
        if !fits || !layer.is_countable() || self.dy.len() != layer.lengths()[3] {
            return Err(self.misfit());
        }
        let [x, w, b, _] = layer.lengths();
        Ok([x, w, b])
    }

    fn misfit(&self) -> Error {
        Error::new("top", format!("operands do not fit {:?}", self.layer))
    }

    /// The layer of the outputs that count alone.
    fn few(&self) -> Layer {
        let outputs = self.kept.len();
        match self.layer {
            Layer::Linear(linear) => Layer::Linear(Linear { outputs, row_stride: outputs, ..linear }),
            Layer::Conv2d(conv) => Layer::Conv2d(Conv2d { outputs, row_stride: conv.row(), ..conv }),
        }
    }

    /// The gradients that count.
    fn gradients(&self) -> Vec<f32> {
        let [outputs, pixels] = planes(&self.layer);
        let rows = self.dy.chunks_exact((outputs * pixels).max(1));
        let mut taken = Vec::with_capacity(rows.len() * self.kept.len() * pixels);
        for row in rows {
            self.kept.iter().for_each(|o| taken.extend_from_slice(&row[o * pixels..][..pixels]));
        }
        taken
    }

    /// The weights that lead to what counts.
    fn weights_of(&self, w: &[f32]) -> Vec<f32> {
        match self.layer {
            Layer::Linear(Linear { inputs, row_stride, .. }) => {
                let line = |line: usize| self.kept.iter().map(move |&o| w[line * row_stride + o]);
                (0..inputs).flat_map(line).collect()
            }
            Layer::Conv2d(conv) => {
                self.kept.iter().flat_map(|&o| &w[o * conv.row_stride..][..conv.row()]).copied().collect()
            }
        }
    }

    /// Writes the gradients of the weights: `some` are those of what counts, the others are zero.
    fn put_back(&self, some: &[f32], dw: &mut [f32]) {
        match self.layer {
            Layer::Linear(Linear { inputs, outputs, row_stride, .. }) => {
                let count = self.kept.len();
                for (input, line) in dw.chunks_mut(row_stride.max(1)).take(inputs).enumerate() {
                    line[..outputs].fill(0.0);
                    self.kept.iter().zip(&some[input * count..]).for_each(|(&o, v)| line[o] = *v);
                }
            }
            Layer::Conv2d(conv) => {
                let row = conv.row();
                dw.chunks_mut(conv.row_stride.max(1)).take(conv.outputs).for_each(|line| line[..row].fill(0.0));
                let lines = self.kept.iter().zip(some.chunks_exact(row.max(1)));
                lines.for_each(|(&o, from)| dw[o * conv.row_stride..][..row].copy_from_slice(from));
            }
        }
    }

    fn call(&self, operands: Operands<'_>) -> Result<(), Error> {
        let args = Args { layer: self.few(), pattern: Pattern::Dense, operands, threads: self.threads };
        let key: Key = args.key();
        kernels::find(&key).ok_or_else(|| Error::new("top", format!("no kernel takes {key:?}")))?.run(args)
    }
}

/// Outputs of a layer, and pixels of each.
pub fn planes(layer: &Layer) -> [usize; 2] {
    match layer {
        Layer::Linear(linear) => [linear.outputs, 1],
        Layer::Conv2d(conv) => [conv.outputs, conv.output_size().iter().product()],
    }
}
