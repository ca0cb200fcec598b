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

/// Gradients of a linear layer with those of all outputs but `kept` taken as zero.
#[derive(Debug)]
pub struct Backward<'a> {
    /// The layer.
    pub layer: Linear,
    /// Outputs whose gradients count, ascending; see [`outputs`].
    pub kept: &'a [usize],
    /// Gradient of the output.
    pub dy: &'a [f32],
    /// Input.
    pub x: &'a [f32],
    /// Weights.
    pub w: &'a [f32],
    /// Threads to use.
    pub threads: usize,
}

impl Backward<'_> {
    /// Writes the gradients of input, weights and bias.
    ///
    /// # Errors
    /// When an output does not exist, or an operand does not fit; before memory is touched.
    pub fn run(&self, dx: &mut [f32], dw: &mut [f32], db: &mut [f32]) -> Result<(), Error> {
        let Linear { rows, inputs, outputs, row_stride } = self.layer;
        let wrong = |what: String| Err(Error::new("top", what));
        if let Some(output) = self.kept.iter().find(|&&output| output >= outputs) {
            return wrong(format!("output {output} of {outputs}"));
        }
        let [x, w, b, y] = Layer::Linear(self.layer).lengths();
        let held =
            [self.x.len() == x, dx.len() == x, self.w.len() >= w, dw.len() >= w, db.len() >= b, self.dy.len() == y];
        if held.contains(&false) || row_stride < outputs {
            return wrong(format!("operands do not fit {:?}", self.layer));
        }
        let count = self.kept.len();
        let take = |matrix: &[f32], lines: usize, stride: usize| -> Vec<f32> {
            (0..lines)
                .flat_map(|line| self.kept.iter().map(move |&o| (line, o)))
                .map(|(line, o)| matrix[line * stride + o])
                .collect()
        };
        let (dy, w) = (take(self.dy, rows, outputs), take(self.w, inputs, row_stride));
        let (mut some, mut biases) = (vec![0.0; inputs * count], vec![0.0; count]);
        let layer = Linear { rows, inputs, outputs: count, row_stride: count };
        self.call(layer, Operands::BackwardInput { dy: &dy, w: &w, dx })?;
        self.call(layer, Operands::BackwardWeight { dy: &dy, x: self.x, dw: &mut some, db: Some(&mut biases) })?;
        for (input, line) in dw.chunks_mut(row_stride.max(1)).take(inputs).enumerate() {
            line[..outputs].fill(0.0);
            self.kept.iter().zip(&some[input * count..]).for_each(|(&o, v)| line[o] = *v);
        }
        db[..outputs].fill(0.0);
        self.kept.iter().zip(biases).for_each(|(&o, v)| db[o] = v);
        Ok(())
    }

    fn call(&self, layer: Linear, operands: Operands<'_>) -> Result<(), Error> {
        let args = Args { layer: Layer::Linear(layer), pattern: Pattern::Dense, operands, threads: self.threads };
        let key: Key = args.key();
        kernels::find(&key).ok_or_else(|| Error::new("top", format!("no kernel takes {key:?}")))?.run(args)
    }
}
