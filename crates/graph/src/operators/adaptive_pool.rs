//! Maximum and average over windows that are chosen for an output of given length.
use super::{ensure, take};
use crate::array::{Array, each_index};
use crate::axes::Axes;
use crate::error::Result;
use crate::fact::{Dim, Fact};
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::window::moved_axes;
use crate::work::Work;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Splits the axes of `[batch, channel, ..]` behind the channels into windows, as PyTorch does: window `i` of `m` over `n` elements runs from
/// `⌊i n / m⌋` to `⌈(i + 1) n / m⌉`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptivePool {
    /// Takes the largest element of each window, and not the mean.
    pub max: bool,
    /// Number of windows along each axis.
    pub to: Vec<usize>,
}

impl AdaptivePool {
    /// The gradient by what was the largest of each window: the first, of equals.
    fn back_to_largest(&self, x: &Array, gradient: &Array) -> Result<Array> {
        let sides = &x.shape()[2..];
        let (mut gradients, mut data) = (gradient.data().iter(), Vec::with_capacity(x.data().len()));
        for plane in x.data().chunks(sides.iter().product::<usize>().max(1)) {
            let mut back = vec![0.0; plane.len()];
            each_index(&self.to, |at| {
                let largest = self.largest(plane, sides, at);
                gradients.next().zip(largest).into_iter().for_each(|(g, largest)| back[largest] += g);
            });
            data.extend(back);
        }
        Array::new(x.shape().to_vec(), data)
    }

    /// Where the largest element of a window stands in a plane.
    fn largest(&self, plane: &[f32], sides: &[usize], at: &[usize]) -> Option<usize> {
        let windows = at.iter().zip(&self.to).zip(sides);
        let windows: Vec<_> = windows.map(|((&i, &m), &n)| i * n / m..((i + 1) * n).div_ceil(m)).collect();
        let mut largest: Option<usize> = None;
        each_index(&windows.iter().map(ExactSizeIterator::len).collect::<Vec<_>>(), |index| {
            let place = |at: usize, ((&i, window), &n): ((&usize, &Range<usize>), &usize)| at * n + window.start + i;
            let here = index.iter().zip(&windows).zip(sides).fold(0, place);
            if largest.is_none_or(|so_far| plane[here] > plane[so_far]) {
                largest = Some(here);
            }
        });
        largest
    }
}

impl Operator for AdaptivePool {
    fn name(&self) -> &'static str {
        if self.max { "adaptive_max_pool" } else { "adaptive_average_pool" }
    }

    fn family(&self) -> Family {
        Family::Window
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take(self.name(), inputs)?;
        let fits = x.rank() == self.to.len() + 2 && x.shape[2..].iter().all(|dim| dim.count() > 0 && !dim.is_batch());
        ensure(fits, self.name(), || format!("windows {:?} do not fit {x}", self.to))?;
        let sides = self.to.iter().map(|&n| Dim::Fixed(n));
        Ok(vec![Fact { dtype: x.dtype, shape: x.shape[..2].iter().copied().chain(sides).collect() }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        moved_axes(inputs[0].rank(), self.to.len())
    }

    fn bound_because(&self) -> &'static str {
        "a window runs over the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        match phase {
            Phase::Forward | Phase::BackwardInput => {
                Work { flops: inputs[0].elements(), ..element_wise(inputs, outputs, 0.0) }
            }
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take(self.name(), inputs)?;
        let mut y = x.clone();
        for (axis, &windows) in self.to.iter().enumerate() {
            y = y.map_lanes(axis + 2, windows, |x, y| {
                for (i, y) in y.iter_mut().enumerate() {
                    let window = &x[i * x.len() / windows..((i + 1) * x.len()).div_ceil(windows)];
                    let mean = window.iter().sum::<f64>() / window.len() as f64;
                    *y = if self.max { window.iter().copied().fold(f64::NEG_INFINITY, f64::max) } else { mean };
                }
            });
        }
        Ok(vec![y])
    }

    fn backward(&self, inputs: &[&Array], gradient: &Array, _input: usize) -> Result<Array> {
        let [x] = take(self.name(), inputs)?;
        if self.max {
            return self.back_to_largest(x, gradient);
        }
        let mut back = gradient.clone();
        for (axis, &windows) in self.to.iter().enumerate() {
            let length = x.shape()[axis + 2];
            back = back.map_lanes(axis + 2, length, |g, back| {
                back.fill(0.0);
                for (i, g) in g.iter().enumerate() {
                    let window = &mut back[i * length / windows..((i + 1) * length).div_ceil(windows)];
                    let part = g / window.len() as f64;
                    window.iter_mut().for_each(|v| *v += part);
                }
            });
        }
        Ok(back)
    }
}

#[cfg(test)]
mod tests {
    use super::{AdaptivePool, Array, Operator};

    #[test]
    fn windows_overlap_when_they_do_not_divide() {
        let x = Array::new(vec![1, 1, 5], vec![1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let of = |max| AdaptivePool { max, to: vec![3] }.eval(&[&x]).unwrap()[0].data().to_vec();
        assert_eq!(of(false), [1.5, 3.0, 4.5]);
        assert_eq!(of(true), [2.0, 4.0, 5.0]);
    }

    #[test]
    fn gradients_go_to_what_was_the_largest() {
        let x = Array::new(vec![1, 1, 2, 3], vec![1.0, 5.0, 2.0, 3.0, 0.0, 4.0]).unwrap();
        let g = Array::new(vec![1, 1, 1, 2], vec![1.0, 2.0]).unwrap();
        let back = AdaptivePool { max: true, to: vec![1, 2] }.backward(&[&x], &g, 0).unwrap();
        assert_eq!(back.data(), [0.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
