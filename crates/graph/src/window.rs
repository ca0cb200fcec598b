//! Windows that move over the last axes of a tensor.
use crate::axes::{Axes, plain_with_bound};
use crate::error::{Error, Result};
use crate::fact::{Dim, Fact};
use serde::{Deserialize, Serialize};
use std::iter::StepBy;
use std::ops::Range;

/// A window that moves over the last axes of a tensor: one number for each of these axes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Taps.
    pub kernel: Vec<usize>,
    /// Step from window to window.
    pub stride: Vec<usize>,
    /// Elements added before and after.
    pub padding: Vec<[usize; 2]>,
    /// Distance between the taps.
    pub dilation: Vec<usize>,
    /// Whether a last window that is only partly filled counts, if it begins inside of input and leading padding.
    pub ceil: bool,
}

impl Window {
    /// A window without padding and dilation.
    pub fn new(kernel: &[usize], stride: &[usize]) -> Self {
        Self {
            kernel: kernel.to_vec(),
            stride: stride.to_vec(),
            padding: vec![[0, 0]; kernel.len()],
            dilation: vec![1; kernel.len()],
            ceil: false,
        }
    }

    /// The window with this many elements added on both sides of each axis.
    #[must_use]
    pub fn padded(self, padding: &[usize]) -> Self {
        Self { padding: padding.iter().map(|&n| [n, n]).collect(), ..self }
    }

    /// Number of axes that it moves over.
    pub fn rank(&self) -> usize {
        self.kernel.len()
    }

    /// Taps of the whole window.
    pub fn taps(&self) -> f64 {
        self.kernel.iter().map(|&taps| taps as f64).product()
    }

    /// Number of windows along an axis of `length` elements; `None` when not one fits.
    pub fn reach(&self, axis: usize, length: usize) -> Option<usize> {
        let [before, after] = self.padding[axis];
        let span = self.dilation[axis].checked_mul(self.kernel[axis].checked_sub(1)?)?.checked_add(1)?;
        let rest = length.checked_add(before)?.checked_add(after)?.checked_sub(span)?;
        let stride = self.stride[axis];
        if stride == 0 || self.dilation[axis] == 0 {
            return None;
        }
        if !self.ceil {
            return Some(rest / stride + 1);
        }
        let count = rest.div_ceil(stride) + 1;
        Some(if (count - 1).checked_mul(stride)? >= length + before { count - 1 } else { count })
    }

    /// The positions in the input under window `at`, without padding.
    pub fn positions(&self, axis: usize, at: usize, length: usize) -> StepBy<Range<usize>> {
        let (start, before, dilation) = (at * self.stride[axis], self.padding[axis][0], self.dilation[axis]);
        let skipped = before.saturating_sub(start).div_ceil(dilation).min(self.kernel[axis]);
        let first = (start + skipped * dilation).saturating_sub(before);
        let end = first.saturating_add((self.kernel[axis] - skipped).saturating_mul(dilation));
        (first..end.min(length).max(first)).step_by(dilation)
    }

    /// Taps of window `at` that lie on the input or on its padding, as PyTorch counts them for averages.
    pub fn padded_taps(&self, axis: usize, at: usize, length: usize) -> usize {
        let rest = (length + self.padding[axis].iter().sum::<usize>()).saturating_sub(at * self.stride[axis]);
        rest.div_ceil(self.dilation[axis]).min(self.kernel[axis])
    }

    /// The shape of what moves over `x`, whose leading axes stay.
    ///
    /// # Errors
    /// When the numbers do not belong to as many axes as `x` has behind the first two, or no window fits.
    pub fn over(&self, op: &str, x: &Fact) -> Result<Vec<Dim>> {
        let rank = self.rank();
        let consistent = [self.stride.len(), self.padding.len(), self.dilation.len()] == [rank; 3];
        if !consistent || x.rank() != rank + 2 {
            return Err(Error::new(op, format!("a window over {rank} axes does not fit {x}, expected two more axes")));
        }
        let mut shape = x.shape.clone();
        for (axis, dim) in shape[2..].iter_mut().enumerate() {
            let reach = self.reach(axis, dim.count()).filter(|_| !dim.is_batch());
            *dim = Dim::Fixed(reach.ok_or_else(|| Error::new(op, format!("no window fits axis {} of {x}", axis + 2)))?);
        }
        Ok(shape)
    }
}

/// Axes of what moves over the last `sides` of `rank` axes: their lengths differ in input and output, so they have letters of their own.
pub(crate) fn moved_axes(rank: usize, sides: usize) -> Axes {
    let lead = rank - sides;
    let all = plain_with_bound(rank + sides, &(lead..rank + sides).collect::<Vec<_>>());
    let y = all[..lead].iter().chain(&all[rank..]).cloned().collect();
    Axes::new(vec![all[..rank].to_vec()], vec![y])
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn a_partly_filled_window_counts_only_when_it_begins_inside() {
        let window = Window { ceil: true, ..Window::new(&[2], &[2]) };
        assert_eq!(window.reach(0, 5), Some(3));
        assert_eq!(window.clone().padded(&[1]).reach(0, 4), Some(3));
        let sparse = Window { ceil: true, ..Window::new(&[1], &[3]) };
        assert_eq!(sparse.reach(0, 5), Some(2));
        assert_eq!(Window::new(&[2], &[2]).reach(0, 5), Some(2));
        assert_eq!(Window::new(&[6], &[1]).reach(0, 5), None);
        assert_eq!(Window::new(&[2], &[0]).reach(0, 5), None);
    }

    #[test]
    fn positions_leave_out_the_padding() {
        let window = Window { dilation: vec![2], ..Window::new(&[3], &[1]).padded(&[2]) };
        assert_eq!(window.positions(0, 0, 5).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(window.positions(0, 4, 5).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(window.padded_taps(0, 0, 5), 3);
    }
}
