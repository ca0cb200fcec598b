//! Transposed convolution over one, two or three axes.
use super::ensure;
use crate::array::{Array, each_index};
use crate::axes::{Axes, Axis};
use crate::error::{Error, Result};
use crate::extent::Extent;
use crate::fact::{Dim, Fact};
use crate::grouped::{self, I, N, O, SIDES, channels};
use crate::operator::{Family, Operator, product};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// The transpose of a convolution: `[batch, in, ..]` with `[in, out / groups, ..]` and an optional bias `[out]`; one number for each axis
/// behind the channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvTranspose {
    /// Distance between the windows in the output.
    pub stride: Vec<usize>,
    /// Elements of the output left out before and after.
    pub padding: Vec<[usize; 2]>,
    /// Elements added at the end of the output.
    pub output_padding: Vec<usize>,
    /// Distance between the taps.
    pub dilation: Vec<usize>,
    /// Groups of channels.
    pub groups: usize,
}

impl ConvTranspose {
    /// A transposed convolution over `rank` axes with step 1, nothing left out or added, no dilation, and one group.
    pub fn new(rank: usize) -> Self {
        let (ones, none) = (vec![1; rank], vec![[0, 0]; rank]);
        Self { stride: ones.clone(), padding: none, output_padding: vec![0; rank], dilation: ones, groups: 1 }
    }

    fn rank(&self) -> usize {
        self.stride.len()
    }

    /// Length of an output axis; `None` when nothing is left.
    fn reach(&self, axis: usize, length: usize, taps: usize) -> Option<usize> {
        let windows = length.checked_sub(1)?.checked_mul(self.stride[axis])?;
        let window = self.dilation[axis].checked_mul(taps.checked_sub(1)?)?;
        let all = windows.checked_add(window)?.checked_add(1)?.checked_add(self.output_padding[axis])?;
        let [before, after] = self.padding[axis];
        all.checked_sub(before)?.checked_sub(after)
    }

    /// Where element `at` of the input lands under tap `k`, when inside of an axis of `length` elements.
    fn target(&self, axis: usize, at: usize, k: usize, length: usize) -> Option<usize> {
        let to = (at * self.stride[axis] + k * self.dilation[axis]).checked_sub(self.padding[axis][0])?;
        (to < length).then_some(to)
    }

    /// Calls `f` with the place in the output, and the place in the weights, of every tap that the element at `at` of the input lays down.
    fn taps(&self, w: &[usize], y: &[usize], inputs: usize, at: &[usize], mut f: impl FnMut(&[usize], &[usize])) {
        let group = at[1] / (inputs / self.groups);
        let mut tap = vec![at[1]; w.len()];
        let mut to = vec![at[0]; y.len()];
        each_index(&w[1..], |index| {
            tap[1..].copy_from_slice(index);
            to[1] = group * w[1] + index[0];
            let inside = (0..self.rank()).all(|axis| {
                let target = self.target(axis, at[2 + axis], index[1 + axis], y[2 + axis]);
                to[2 + axis] = target.unwrap_or(0);
                target.is_some()
            });
            if inside {
                f(&to, &tap);
            }
        });
    }
}

impl Operator for ConvTranspose {
    fn name(&self) -> &'static str {
        "conv_transpose"
    }

    fn family(&self) -> Family {
        Family::Product
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        const OP: &str = "conv_transpose";
        let ([x, w] | [x, w, _]) = inputs else { return Err(Error::new(OP, "expected 2 or 3 inputs")) };
        let rank = self.rank();
        let lists = [self.padding.len(), self.output_padding.len(), self.dilation.len()];
        ensure(rank > 0 && lists == [rank; 3] && self.groups > 0, OP, || format!("{self:?} is no convolution"))?;
        let fits = x.rank() == rank + 2
            && w.rank() == rank + 2
            && w.shape[0] == x.shape[1]
            && w.shape[0].count().is_multiple_of(self.groups)
            && x.shape[1..].iter().chain(&w.shape).all(|dim| !dim.is_batch());
        ensure(fits, OP, || format!("input {x} does not fit weight {w} in {} groups", self.groups))?;
        let channels = Dim::Fixed(w.shape[1].count().saturating_mul(self.groups));
        if let Some(bias) = inputs.get(2) {
            ensure(bias.shape == [channels], OP, || format!("bias {bias} does not fit weight {w}"))?;
        }
        let mut shape = vec![x.shape[0], channels];
        for axis in 0..rank {
            let reach = self.reach(axis, x.shape[2 + axis].count(), w.shape[2 + axis].count());
            shape.push(Dim::Fixed(reach.ok_or_else(|| Error::new(OP, format!("nothing is left of {x}")))?));
        }
        Ok(vec![Fact::f32(shape)])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = self.rank() as u16;
        let sides = |of: u16| (0..rank).map(move |axis| Axis::bound(SIDES + of * rank + axis));
        let x = [Axis::free(N), channels(self.groups, I)].into_iter().chain(sides(0)).collect();
        let w = [channels(self.groups, I), Axis::free(O)].into_iter().chain(sides(1)).collect();
        let y = [Axis::free(N), channels(self.groups, O)].into_iter().chain(sides(2)).collect();
        grouped::axes(self.groups, [x, w, y], inputs.len() == 3)
    }

    fn bound_because(&self) -> &'static str {
        "a window runs over the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let taps = inputs[1].shape[1..].iter().map(|dim| dim.count() as f64).product::<f64>();
        product(inputs, outputs, inputs[0].elements() * taps, phase)
    }

    fn shrink(&mut self, inputs: &[Extent], outputs: &[Extent]) {
        let channels = outputs[0].left.shape[1].count();
        self.groups = channels / inputs[1].left.shape[1].count().max(1);
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let ([x, w] | [x, w, _]) = inputs else {
            return Err(Error::new("conv_transpose", "expected 2 or 3 inputs"));
        };
        let channels = w.shape()[1] * self.groups;
        let reach = |axis| self.reach(axis, x.shape()[2 + axis], w.shape()[2 + axis]).unwrap_or(0);
        let shape: Vec<usize> = [x.shape()[0], channels].into_iter().chain((0..self.rank()).map(reach)).collect();
        let bias = |channel: usize| inputs.get(2).map_or(0.0, |bias| f64::from(bias.data()[channel]));
        let mut y = Array::from_fn(&shape, |at| bias(at[1]) as f32);
        let mut sums = vec![0.0; y.data().len()];
        each_index(x.shape(), |at| {
            let value = f64::from(x.at(at));
            self.taps(w.shape(), &shape, x.shape()[1], at, |to, tap| sums[y.offset(to)] += value * f64::from(w.at(tap)));
        });
        y.data_mut().iter_mut().zip(sums).for_each(|(y, sum)| *y = (f64::from(*y) + sum) as f32);
        Ok(vec![y])
    }

    fn backward(&self, inputs: &[&Array], gradient: &Array, input: usize) -> Result<Array> {
        let ([x, w] | [x, w, _]) = inputs else {
            return Err(Error::new("conv_transpose", "expected 2 or 3 inputs"));
        };
        let to = *inputs.get(input).ok_or_else(|| Error::new("conv_transpose", format!("no input {input}")))?;
        let mut sums = vec![0.0; to.data().len()];
        if input > 1 {
            each_index(gradient.shape(), |at| sums[at[1]] += f64::from(gradient.at(at)));
        } else {
            each_index(x.shape(), |at| {
                self.taps(w.shape(), gradient.shape(), x.shape()[1], at, |from, tap| {
                    let (place, factor) = if input == 0 { (x.offset(at), w.at(tap)) } else { (w.offset(tap), x.at(at)) };
                    sums[place] += f64::from(gradient.at(from)) * f64::from(factor);
                });
            });
        }
        Array::new(to.shape().to_vec(), sums.into_iter().map(|v| v as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, ConvTranspose, Operator};

    #[test]
    fn every_element_lays_down_the_window() {
        let x = Array::new(vec![1, 1, 2], vec![1.0, 2.0]).unwrap();
        let w = Array::new(vec![1, 1, 3], vec![1.0, 10.0, 100.0]).unwrap();
        let op = ConvTranspose { stride: vec![2], padding: vec![[1, 0]], output_padding: vec![1], ..ConvTranspose::new(1) };
        assert_eq!(op.eval(&[&x, &w]).unwrap()[0].data(), [10.0, 102.0, 20.0, 200.0, 0.0]);
    }

    #[test]
    fn groups_see_only_their_own_channels() {
        let x = Array::new(vec![1, 2, 1], vec![1.0, 2.0]).unwrap();
        let w = Array::new(vec![2, 2, 1], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let op = ConvTranspose { groups: 2, ..ConvTranspose::new(1) };
        assert_eq!(op.eval(&[&x, &w]).unwrap()[0].data(), [1.0, 2.0, 6.0, 8.0]);
    }
}
