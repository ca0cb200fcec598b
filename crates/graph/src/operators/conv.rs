//! Convolution over one, two or three axes.
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

/// Cross-correlation of `[batch, in, ..]` with `[out, in / groups, ..]` and an optional bias `[out]`; one number for each axis behind the
/// channels. With `groups`, the channels of each group see only each other; with as many groups as channels it is depthwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv {
    /// Step of the window.
    pub stride: Vec<usize>,
    /// Zeros added before and after.
    pub padding: Vec<[usize; 2]>,
    /// Distance between the taps.
    pub dilation: Vec<usize>,
    /// Groups of channels.
    pub groups: usize,
}

impl Conv {
    /// A convolution over `rank` axes with step 1, no padding, no dilation, and one group.
    pub fn new(rank: usize) -> Self {
        Self { stride: vec![1; rank], padding: vec![[0, 0]; rank], dilation: vec![1; rank], groups: 1 }
    }

    /// The same with this step on every axis.
    #[must_use]
    pub fn with_stride(mut self, stride: usize) -> Self {
        self.stride.fill(stride);
        self
    }

    /// The same with this many zeros around every axis.
    #[must_use]
    pub fn with_padding(mut self, padding: usize) -> Self {
        self.padding.fill([padding; 2]);
        self
    }

    /// The same with this many groups.
    #[must_use]
    pub fn with_groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    fn rank(&self) -> usize {
        self.stride.len()
    }

    /// Length of an output axis; `None` when the window does not fit.
    fn reach(&self, axis: usize, length: usize, taps: usize) -> Option<usize> {
        let window = self.dilation[axis].checked_mul(taps.checked_sub(1)?)?.checked_add(1)?;
        let [before, after] = self.padding[axis];
        length.checked_add(before)?.checked_add(after)?.checked_sub(window)?.checked_div(self.stride[axis])?.checked_add(1)
    }

    /// Position in the input under tap `k` of output `o`, when it is not padding.
    fn source(&self, axis: usize, o: usize, k: usize, length: usize) -> Option<usize> {
        let at = (o * self.stride[axis] + k * self.dilation[axis]).checked_sub(self.padding[axis][0])?;
        (at < length).then_some(at)
    }

    /// Whether each element of an output axis reads one element of the input axis, that in its own place.
    fn is_pointwise(&self, axis: usize, taps: Dim) -> bool {
        taps == Dim::Fixed(1) && self.stride[axis] == 1 && self.padding[axis] == [0, 0]
    }

    /// Calls `f` with the place in the input, and the place in the weights, of every tap on the window at `at` (sample, channel, position).
    fn taps(&self, xs: &[usize], ws: &[usize], at: &[usize], mut f: impl FnMut(&[usize], &[usize])) {
        let group = at[1] / (ws[0] / self.groups);
        let mut from = vec![at[0]; xs.len()];
        let mut tap = vec![at[1]; ws.len()];
        each_index(&ws[1..], |index| {
            tap[1..].copy_from_slice(index);
            from[1] = group * ws[1] + index[0];
            let inside = (0..self.rank()).all(|axis| {
                let source = self.source(axis, at[2 + axis], index[1 + axis], xs[2 + axis]);
                from[2 + axis] = source.unwrap_or(0);
                source.is_some()
            });
            if inside {
                f(&from, &tap);
            }
        });
    }

    /// The sum over the window at `at`.
    fn window(&self, x: &Array, w: &Array, at: &[usize]) -> f64 {
        let mut sum = 0.0;
        self.taps(x.shape(), w.shape(), at, |from, tap| sum += f64::from(x.at(from)) * f64::from(w.at(tap)));
        sum
    }
}

impl Operator for Conv {
    fn name(&self) -> &'static str {
        match self.rank() {
            1 => "conv1d",
            2 => "conv2d",
            3 => "conv3d",
            _ => "conv",
        }
    }

    fn family(&self) -> Family {
        Family::Product
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let ([x, w] | [x, w, _]) = inputs else { return Err(Error::new(self.name(), "expected 2 or 3 inputs")) };
        let rank = self.rank();
        let whole = rank > 0 && self.padding.len() == rank && self.dilation.len() == rank && self.groups > 0;
        ensure(whole, self.name(), || format!("{self:?} is no convolution"))?;
        let fits = x.rank() == rank + 2
            && w.rank() == rank + 2
            && w.shape[1].count().checked_mul(self.groups) == Some(x.shape[1].count())
            && w.shape[0].count().is_multiple_of(self.groups)
            && x.shape[1..].iter().chain(&w.shape).all(|dim| !dim.is_batch());
        ensure(fits, self.name(), || format!("input {x} does not fit weight {w} in {} groups", self.groups))?;
        if let Some(bias) = inputs.get(2) {
            ensure(bias.shape == w.shape[..1], self.name(), || format!("bias {bias} does not fit weight {w}"))?;
        }
        let mut shape = vec![x.shape[0], w.shape[0]];
        for axis in 0..rank {
            let reach = self.reach(axis, x.shape[2 + axis].count(), w.shape[2 + axis].count());
            let reach = reach.ok_or_else(|| Error::new(self.name(), format!("window {w} does not fit {x}")))?;
            shape.push(Dim::Fixed(reach));
        }
        Ok(vec![Fact::f32(shape)])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = self.rank() as u16;
        let mut x = vec![Axis::free(N), channels(self.groups, I)];
        let mut w = vec![channels(self.groups, O), Axis::free(I)];
        let mut y = vec![Axis::free(N), channels(self.groups, O)];
        for axis in 0..rank {
            let pointwise = self.is_pointwise(usize::from(axis), inputs[1].shape[2 + usize::from(axis)]);
            let side = |of: u16| if pointwise { Axis::free(SIDES + axis) } else { Axis::bound(SIDES + of * rank + axis) };
            x.push(side(0));
            w.push(Axis::bound(SIDES + rank + axis));
            y.push(side(2));
        }
        grouped::axes(self.groups, [x, w, y], inputs.len() == 3)
    }

    fn bound_because(&self) -> &'static str {
        "a window runs over the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let taps = inputs[1].shape[1..].iter().map(|dim| dim.count() as f64).product::<f64>();
        product(inputs, outputs, outputs[0].elements() * taps, phase)
    }

    /// What is left of the groups, where groups are left out.
    fn shrink(&mut self, inputs: &[Extent], _outputs: &[Extent]) {
        let channels = inputs[0].left.shape[1].count();
        self.groups = channels / inputs[1].left.shape[1].count().max(1);
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let ([x, w] | [x, w, _]) = inputs else { return Err(Error::new(self.name(), "expected 2 or 3 inputs")) };
        let reach = |axis| self.reach(axis, x.shape()[2 + axis], w.shape()[2 + axis]).unwrap_or(0);
        let shape: Vec<usize> = [x.shape()[0], w.shape()[0]].into_iter().chain((0..self.rank()).map(reach)).collect();
        let bias = |channel: usize| inputs.get(2).map_or(0.0, |bias| f64::from(bias.data()[channel]));
        Ok(vec![Array::from_fn(&shape, |at| (bias(at[1]) + self.window(x, w, at)) as f32)])
    }

    fn backward(&self, inputs: &[&Array], gradient: &Array, input: usize) -> Result<Array> {
        let ([x, w] | [x, w, _]) = inputs else { return Err(Error::new(self.name(), "expected 2 or 3 inputs")) };
        let to = *inputs.get(input).ok_or_else(|| Error::new(self.name(), format!("no input {input}")))?;
        let mut sums = vec![0.0; to.data().len()];
        each_index(gradient.shape(), |at| {
            let g = f64::from(gradient.at(at));
            match input {
                0 => self.taps(x.shape(), w.shape(), at, |from, tap| sums[x.offset(from)] += g * f64::from(w.at(tap))),
                1 => self.taps(x.shape(), w.shape(), at, |from, tap| sums[w.offset(tap)] += g * f64::from(x.at(from))),
                _ => sums[at[1]] += g,
            }
        });
        Array::new(to.shape().to_vec(), sums.into_iter().map(|v| v as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Conv, Operator};
    use crate::fact::Fact;

    #[test]
    fn a_window_with_steps_and_padding() {
        let x = Array::new(vec![1, 1, 4], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let w = Array::new(vec![1, 1, 2], vec![1.0, 10.0]).unwrap();
        let y = Conv { padding: vec![[1, 0]], ..Conv::new(1) }.with_stride(2).eval(&[&x, &w]).unwrap();
        assert_eq!(y[0].data(), [10.0, 32.0]);
    }

    #[test]
    fn groups_see_only_their_own_channels() {
        let x = Array::new(vec![1, 4, 1, 1], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let w = Array::full(&[2, 2, 1, 1], 1.0);
        let y = Conv::new(2).with_groups(2).eval(&[&x, &w]).unwrap();
        assert_eq!(y[0].data(), [3.0, 7.0]);
    }

    #[test]
    fn axes_say_groups() {
        let (x, w) = (Fact::fixed(&[1, 6, 5, 5]), Fact::fixed(&[9, 2, 3, 1]));
        let conv = Conv::new(2).with_groups(3);
        assert_eq!(conv.axes(&[&x, &w]).to_string(), "a(bc)Ef,(bd)cGH->a(bd)If b=3");
    }
}
