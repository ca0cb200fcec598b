//! Two-dimensional convolution.
use super::ensure;
use crate::array::Array;
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::fact::{Dim, Fact};
use crate::operator::{Operator, product};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Cross-correlation of `[batch, in, h, w]` with `[out, in, kh, kw]` and an optional bias `[out]`; one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv2d {
    /// Step of the window, rows and columns.
    pub stride: [usize; 2],
    /// Zeros added on each side, rows and columns.
    pub padding: [usize; 2],
    /// Distance between the taps, rows and columns.
    pub dilation: [usize; 2],
}

impl Conv2d {
    /// Length of an output axis; `None` when the window does not fit.
    fn reach(&self, axis: usize, length: usize, taps: usize) -> Option<usize> {
        let window = self.dilation[axis] * taps.checked_sub(1)? + 1;
        Some((length + 2 * self.padding[axis]).checked_sub(window)? / self.stride[axis].max(1) + 1)
    }

    /// Position in the input under tap `k` of output `o`, when it is not padding.
    fn source(&self, axis: usize, o: usize, k: usize, length: usize) -> Option<usize> {
        let at = (o * self.stride[axis] + k * self.dilation[axis]).checked_sub(self.padding[axis])?;
        (at < length).then_some(at)
    }
}

impl Operator for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x, w, bias @ ..] = inputs else { return Err(Error::new("conv2d", "expected 2 or 3 inputs")) };
        let fits = x.rank() == 4 && w.rank() == 4 && x.shape[1] == w.shape[1];
        ensure(fits, "conv2d", || format!("input {x} does not fit weight {w}"))?;
        if let Some(bias) = bias.first() {
            ensure(bias.shape == w.shape[..1], "conv2d", || format!("bias {bias} does not fit weight {w}"))?;
        }
        let mut shape = vec![x.shape[0], w.shape[0]];
        for axis in 0..2 {
            let reach = self.reach(axis, x.shape[2 + axis].count(), w.shape[2 + axis].count());
            shape.push(Dim::Fixed(reach.ok_or_else(|| Error::new("conv2d", format!("window {w} larger than {x}")))?));
        }
        Ok(vec![Fact::f32(shape)])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        Axes::of(if inputs.len() == 3 { "niHW,oiKL,o->noYX" } else { "niHW,oiKL->noYX" })
    }

    fn bound_because(&self) -> &'static str {
        "a window runs over the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let w = inputs[1];
        let taps = w.shape[1..].iter().map(|dim| dim.count() as f64).product::<f64>();
        product(inputs, outputs, outputs[0].elements() * taps, phase)
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x, w, bias @ ..] = inputs else { return Err(Error::new("conv2d", "expected 2 or 3 inputs")) };
        let (xs, ws) = (x.shape(), w.shape());
        let reach = |axis| self.reach(axis, xs[2 + axis], ws[2 + axis]).unwrap_or(0);
        Ok(vec![Array::from_fn(&[xs[0], ws[0], reach(0), reach(1)], |at| {
            let mut sum = bias.first().map_or(0.0, |b| f64::from(b.data()[at[1]]));
            for i in 0..ws[1] {
                for k in 0..ws[2] {
                    let Some(row) = self.source(0, at[2], k, xs[2]) else { continue };
                    for l in 0..ws[3] {
                        let Some(column) = self.source(1, at[3], l, xs[3]) else { continue };
                        sum += f64::from(x.at(&[at[0], i, row, column])) * f64::from(w.at(&[at[1], i, k, l]));
                    }
                }
            }
            sum as f32
        })])
    }
}
