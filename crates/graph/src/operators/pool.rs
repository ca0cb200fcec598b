//! Maximum and average over windows.
use super::take;
use crate::array::{Array, each_index};
use crate::axes::Axes;
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::window::{Window, moved_axes};
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// What becomes of the elements in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolFunction {
    /// The largest.
    Max,
    /// The mean of those that are not padding.
    Average,
    /// The sum, divided by the number of taps on input or padding.
    PaddedAverage,
}

/// Applies a function to windows of `[batch, channel, ..]` over all axes behind the channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// The function.
    pub function: PoolFunction,
    /// The window.
    #[serde(flatten)]
    pub window: Window,
}

impl Pool {
    fn name_of(function: PoolFunction) -> &'static str {
        if function == PoolFunction::Max { "max_pool" } else { "average_pool" }
    }

    /// Where the elements of the window at `at` stand in a channel of side lengths `sides`.
    fn positions(&self, sides: &[usize], at: &[usize]) -> Vec<usize> {
        let taps: Vec<Vec<usize>> =
            (0..sides.len()).map(|axis| self.window.positions(axis, at[axis], sides[axis]).collect()).collect();
        let counts: Vec<usize> = taps.iter().map(Vec::len).collect();
        let mut positions = Vec::new();
        each_index(&counts, |tap| {
            let place = tap.iter().zip(&taps).map(|(&i, taps)| taps[i]);
            positions.push(place.zip(sides).fold(0, |at, (i, n)| at * n + i));
        });
        positions
    }

    /// What the sum of the window at `at` is divided by.
    fn divisor(&self, sides: &[usize], at: &[usize], elements: usize) -> f64 {
        let taps = |axis: usize| self.window.padded_taps(axis, at[axis], sides[axis]);
        let padded = self.function == PoolFunction::PaddedAverage;
        (if padded { (0..sides.len()).map(taps).product() } else { elements }) as f64
    }

    /// What becomes of the window at `at` of one channel.
    fn of(&self, plane: &[f32], sides: &[usize], at: &[usize]) -> f32 {
        let positions = self.positions(sides, at);
        if self.function == PoolFunction::Max {
            return largest(plane, &positions).map_or(f32::NEG_INFINITY, |at| plane[at]);
        }
        let sum: f64 = positions.iter().map(|&at| f64::from(plane[at])).sum();
        (sum / self.divisor(sides, at, positions.len())) as f32
    }

    /// Passes the gradient by the window at `at` back to its elements.
    fn back(&self, plane: &[f32], sides: &[usize], at: &[usize], gradient: f64, to: &mut [f64]) {
        let positions = self.positions(sides, at);
        if self.function == PoolFunction::Max {
            largest(plane, &positions).into_iter().for_each(|at| to[at] += gradient);
        } else {
            let part = gradient / self.divisor(sides, at, positions.len());
            positions.into_iter().for_each(|at| to[at] += part);
        }
    }

    /// Number of windows along each side.
    fn reach(&self, sides: &[usize]) -> Vec<usize> {
        sides.iter().enumerate().map(|(axis, &n)| self.window.reach(axis, n).unwrap_or(0)).collect()
    }
}

/// The first position of the largest element, or of one that is no number.
fn largest(plane: &[f32], positions: &[usize]) -> Option<usize> {
    positions.iter().copied().reduce(|best, at| if plane[at] > plane[best] || plane[at].is_nan() { at } else { best })
}

impl Operator for Pool {
    fn name(&self) -> &'static str {
        Self::name_of(self.function)
    }

    fn family(&self) -> Family {
        Family::Window
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take(self.name(), inputs)?;
        Ok(vec![Fact { dtype: x.dtype, shape: self.window.over(self.name(), x)? }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        moved_axes(inputs[0].rank(), self.window.rank())
    }

    fn bound_because(&self) -> &'static str {
        "a window runs over the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        match phase {
            Phase::Forward | Phase::BackwardInput => element_wise(inputs, outputs, self.window.taps()),
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take(self.name(), inputs)?;
        let (lead, sides) = x.shape().split_at(2);
        let reach = self.reach(sides);
        let mut data = Vec::new();
        for plane in x.data().chunks(sides.iter().product::<usize>().max(1)) {
            each_index(&reach, |at| data.push(self.of(plane, sides, at)));
        }
        Ok(vec![Array::new([lead, &reach].concat(), data)?])
    }

    fn backward(&self, inputs: &[&Array], gradient: &Array, _input: usize) -> Result<Array> {
        let [x] = take(self.name(), inputs)?;
        let sides = &x.shape()[2..];
        let (reach, mut gradients, mut data) = (self.reach(sides), gradient.data().iter(), Vec::new());
        for plane in x.data().chunks(sides.iter().product::<usize>().max(1)) {
            let mut to = vec![0.0; plane.len()];
            each_index(&reach, |at| {
                gradients.next().into_iter().for_each(|&g| self.back(plane, sides, at, g.into(), &mut to));
            });
            data.extend(to.into_iter().map(|v| v as f32));
        }
        Array::new(x.shape().to_vec(), data)
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Operator, Pool, PoolFunction, Window};
    use crate::fact::Fact;

    fn row(values: &[f32]) -> Array {
        Array::new(vec![1, 1, values.len()], values.to_vec()).unwrap()
    }

    fn of(function: PoolFunction, window: Window, x: &Array) -> Vec<f32> {
        Pool { function, window }.eval(&[x]).unwrap()[0].data().to_vec()
    }

    #[test]
    fn padding_counts_only_when_asked() {
        let (x, window) = (row(&[1.0, 2.0, 3.0]), Window::new(&[2], &[2]).padded(&[1]));
        assert_eq!(of(PoolFunction::Average, window.clone(), &x), [1.0, 2.5]);
        assert_eq!(of(PoolFunction::PaddedAverage, window.clone(), &x), [0.5, 2.5]);
        assert_eq!(of(PoolFunction::Max, window, &x), [1.0, 3.0]);
    }

    #[test]
    fn padding_is_never_the_largest() {
        assert_eq!(of(PoolFunction::Max, Window::new(&[2], &[3]).padded(&[1]), &row(&[-1.0, -2.0])), [-1.0]);
    }

    #[test]
    fn a_partly_filled_window_divides_by_what_is_there() {
        let window = Window { ceil: true, ..Window::new(&[2], &[2]) };
        assert_eq!(of(PoolFunction::PaddedAverage, window, &row(&[1.0, 3.0, 5.0])), [2.0, 5.0]);
    }

    #[test]
    fn channels_are_free_and_sides_are_bound() {
        let op = Pool { function: PoolFunction::Max, window: Window::new(&[2, 2], &[2, 2]) };
        assert_eq!(op.axes(&[&Fact::fixed(&[1, 2, 4, 4])]).to_string(), "abCD->abEF");
    }
}
