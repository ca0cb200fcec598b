//! Interpolation between elements.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::Axes;
use crate::error::Result;
use crate::fact::{Dim, Fact};
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::window::moved_axes;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Parameter of the cubic convolution: ONNX's and PyTorch's.
const CUBIC: f64 = -0.75;

/// How an element between others is made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The nearest one, of two equally near ones the lower.
    RoundPreferFloor,
    /// The nearest one, of two equally near ones the upper.
    RoundPreferCeil,
    /// The one below.
    Floor,
    /// The one above.
    Ceil,
    /// On the line between its two neighbours.
    Linear,
    /// By cubic convolution of four neighbours (Keys, 1981).
    Cubic,
}

impl Interpolation {
    /// Neighbours of position `x` and their weights; neighbours outside are not yet moved to the edge.
    fn taps(self, x: f64) -> Vec<(f64, f64)> {
        let (below, t) = (x.floor(), x - x.floor());
        match self {
            Self::RoundPreferFloor => vec![((x - 0.5).ceil(), 1.0)],
            Self::RoundPreferCeil => vec![((x + 0.5).floor(), 1.0)],
            Self::Floor => vec![(below, 1.0)],
            Self::Ceil => vec![(x.ceil(), 1.0)],
            Self::Linear => vec![(below, 1.0 - t), (below + 1.0, t)],
            Self::Cubic => {
                let near = |t: f64| ((CUBIC + 2.0) * t - (CUBIC + 3.0)) * t * t + 1.0;
                let far = |t: f64| ((CUBIC * t - 5.0 * CUBIC) * t + 8.0 * CUBIC) * t - 4.0 * CUBIC;
                let weights = [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)];
                (-1..3).map(f64::from).zip(weights).map(|(i, weight)| (below + i, weight)).collect()
            }
        }
    }
}

/// How positions of the output are mapped to the input, as ONNX names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coordinates {
    /// `(i + 1/2) / scale - 1/2`
    HalfPixel,
    /// As half pixel, about the middle of the input.
    HalfPixelSymmetric,
    /// As half pixel, but 0 for an output of one element.
    PytorchHalfPixel,
    /// First on first and last on last.
    AlignCorners,
    /// `i / scale`
    Asymmetric,
}

impl Coordinates {
    fn of(self, i: usize, scale: f64, from: usize, to: usize) -> f64 {
        let (i, from, to) = (i as f64, from as f64, to as f64);
        let half = (i + 0.5) / scale - 0.5;
        match self {
            Self::HalfPixel => half,
            Self::HalfPixelSymmetric => from / 2.0 * (1.0 - to / (scale * from)) + half,
            Self::PytorchHalfPixel | Self::AlignCorners if to <= 1.0 => 0.0,
            Self::PytorchHalfPixel => half,
            Self::AlignCorners => i * (from - 1.0) / (to - 1.0),
            Self::Asymmetric => i / scale,
        }
    }
}

/// Stretches the last axes to given lengths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resize {
    /// Lengths of the last axes in the output.
    pub to: Vec<usize>,
    /// Output length over input length of the same axes, as it enters the coordinates: not always the quotient of the lengths, which are whole.
    pub scale: Vec<f64>,
    /// How an element between others is made of them.
    pub interpolation: Interpolation,
    /// How positions are mapped.
    pub coordinates: Coordinates,
}

impl Resize {
    /// For each element of one side: the elements of the input that it is made of, and their weights. What lies outside is taken from the edge.
    fn weights(&self, side: usize, from: usize) -> Vec<Vec<(usize, f64)>> {
        let (to, last) = (self.to[side], from.saturating_sub(1) as f64);
        let row = |i: usize| {
            let taps = self.interpolation.taps(self.coordinates.of(i, self.scale[side], from, to));
            taps.into_iter().map(|(i, weight)| (i.clamp(0.0, last) as usize, weight)).collect()
        };
        (0..to).map(row).collect()
    }
}

impl Operator for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn family(&self) -> Family {
        Family::Window
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("resize", inputs)?;
        let scaled = self.scale.len() == self.to.len() && self.scale.iter().all(|&s| s.is_finite() && s > 0.0);
        let lead = x.rank().checked_sub(self.to.len());
        let stretches = |lead: usize| x.shape[lead..].iter().all(|dim| dim.count() > 0 && !dim.is_batch());
        ensure(scaled && lead.is_some_and(stretches), "resize", || {
            format!("{x} to lengths {:?} by {:?}", self.to, self.scale)
        })?;
        let sides = self.to.iter().map(|&n| Dim::Fixed(n));
        let shape = x.shape[..lead.unwrap_or(0)].iter().copied().chain(sides).collect();
        Ok(vec![Fact { dtype: x.dtype, shape }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        moved_axes(inputs[0].rank(), self.to.len())
    }

    fn bound_because(&self) -> &'static str {
        "interpolates along the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let taps = self.interpolation.taps(0.0).len() as f64;
        match phase {
            Phase::Forward | Phase::BackwardInput => {
                element_wise(inputs, outputs, 2.0 * taps.powi(self.to.len().min(8) as i32))
            }
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("resize", inputs)?;
        let lead = x.shape().len() - self.to.len();
        let mut y = x.clone();
        for (side, &to) in self.to.iter().enumerate() {
            let rows = self.weights(side, x.shape()[lead + side]);
            y = y.map_lanes(lead + side, to, |x, y| {
                y.iter_mut().zip(&rows).for_each(|(y, row)| *y = row.iter().map(|&(i, weight)| x[i] * weight).sum());
            });
        }
        Ok(vec![y])
    }

    fn backward(&self, inputs: &[&Array], gradient: &Array, _input: usize) -> Result<Array> {
        let [x] = take("resize", inputs)?;
        let lead = x.shape().len() - self.to.len();
        let mut back = gradient.clone();
        for side in 0..self.to.len() {
            let from = x.shape()[lead + side];
            let rows = self.weights(side, from);
            back = back.map_lanes(lead + side, from, |g, back| {
                back.fill(0.0);
                g.iter().zip(&rows).for_each(|(g, row)| row.iter().for_each(|&(i, weight)| back[i] += g * weight));
            });
        }
        Ok(back)
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Coordinates, Interpolation, Operator, Resize};

    fn doubled(interpolation: Interpolation, coordinates: Coordinates) -> Vec<f32> {
        let x = Array::new(vec![1, 2], vec![0.0, 4.0]).unwrap();
        let op = Resize { to: vec![4], scale: vec![2.0], interpolation, coordinates };
        op.eval(&[&x]).unwrap()[0].data().to_vec()
    }

    #[test]
    fn two_elements_become_four() {
        assert_eq!(doubled(Interpolation::Floor, Coordinates::Asymmetric), [0.0, 0.0, 4.0, 4.0]);
        assert_eq!(doubled(Interpolation::Linear, Coordinates::HalfPixel), [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(doubled(Interpolation::Linear, Coordinates::Asymmetric), [0.0, 2.0, 4.0, 4.0]);
        let corners = doubled(Interpolation::Linear, Coordinates::AlignCorners);
        assert!(corners.iter().zip([0.0, 4.0 / 3.0, 8.0 / 3.0, 4.0]).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn cubic_weights_make_a_whole() {
        for t in [0.0, 0.25, 0.5, 0.9] {
            let sum: f64 = Interpolation::Cubic.taps(t).iter().map(|tap| tap.1).sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
    }
}
