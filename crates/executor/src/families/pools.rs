//! Windows without weights: pooling and resizing.
use super::{Call, Runner};
use crate::error::Error;
use crate::layers::{MaxPoolCall, max_pool};
use crate::tensor::{Any, lengths, reshape};
use burn::backend::Dispatch;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::tensor::ops::{InterpolateMode, InterpolateOptions, PadMode};
use supple_graph::operators::{AdaptivePool, Coordinates, Interpolation, Pool, PoolFunction, Resize};
use supple_graph::{DType, Fact, Op};

pub(super) fn find(op: &Op, inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    if inputs.iter().any(|fact| fact.dtype != DType::F32) {
        return None;
    }
    match op {
        Op::Pool(op) => pool(op),
        Op::AdaptivePool(op) => adaptive(op, inputs.first()?),
        Op::Resize(op) => resize(op, inputs.first()?),
        _ => None,
    }
}

/// A window over one axis or two.
#[derive(Clone, Debug)]
struct Plane {
    function: PoolFunction,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
    dilation: [usize; 2],
    ceil: bool,
}

impl Plane {
    /// The part of `op` over these axes of its window; an axis that is missing has one tap.
    fn of(op: &Pool, axes: [Option<usize>; 2]) -> Self {
        let window = &op.window;
        let pick = |list: &[usize]| axes.map(|axis| axis.map_or(1, |axis| list[axis]));
        Self {
            function: op.function,
            kernel: pick(&window.kernel),
            stride: pick(&window.stride),
            padding: axes.map(|axis| axis.map_or([0, 0], |axis| window.padding[axis])),
            dilation: pick(&window.dilation),
            ceil: window.ceil,
        }
    }

    fn is_symmetric(&self) -> bool {
        self.padding.iter().all(|[before, after]| before == after)
    }

    /// Burn's pooling has the same padding on both sides, at most half a window, and no dilation in averages.
    fn is_covered(&self) -> bool {
        let within = (0..2).all(|axis| 2 * self.padding[axis].iter().copied().max().unwrap_or(0) <= self.kernel[axis]);
        let max = self.function == PoolFunction::Max;
        within && (max || self.dilation == [1, 1]) && (self.is_symmetric() || !self.ceil)
    }

    /// Pools the last two of four axes to so many windows along each.
    fn run(&self, x: Any, windows: [usize; 2], call: &Call<'_>) -> Any {
        if let Some(y) = self.largest(&x, windows, call) {
            return y;
        }
        if self.is_symmetric() {
            let padding = self.padding.map(|[before, _]| before);
            return match self.function {
                PoolFunction::Max => {
                    Dispatch::max_pool2d(x, self.kernel, self.stride, padding, self.dilation, self.ceil)
                }
                function => {
                    let padded = function == PoolFunction::PaddedAverage;
                    Dispatch::avg_pool2d(x, self.kernel, self.stride, padding, padded, self.ceil)
                }
            };
        }
        let fill = if self.function == PoolFunction::Max { f32::NEG_INFINITY } else { 0.0 };
        let bare = Self { padding: [[0, 0]; 2], ..self.clone() };
        let y = bare.run(self.pad(x.clone(), fill), windows, call);
        if self.function != PoolFunction::Average {
            return y;
        }
        let ones = plus_one(Dispatch::float_mul_scalar(x, 0.0.into()));
        Dispatch::float_div(y, bare.run(self.pad(ones, 0.0), windows, call))
    }

    /// Maxima by our kernel, where the backend has it.
    fn largest(&self, x: &Any, windows: [usize; 2], call: &Call<'_>) -> Option<Any> {
        if self.function != PoolFunction::Max || !call.mode.kernels {
            return None;
        }
        let Self { kernel, stride, dilation, .. } = *self;
        let (padding, threads) = (self.padding.map(|[before, _]| before), call.mode.threads);
        max_pool(x, MaxPoolCall { windows, kernel, stride, padding, dilation, threads })
    }

    fn pad(&self, x: Any, fill: f32) -> Any {
        let [rows, columns] = self.padding.map(|[before, after]| (before, after));
        Dispatch::float_pad(x, &[(0, 0), (0, 0), rows, columns], PadMode::Constant(fill))
    }
}

fn plus_one(x: Any) -> Any {
    Dispatch::float_add_scalar(x, 1.0.into())
}

/// Windows are products of windows over one axis each, so that three axes are pooled as two and one.
fn pool(op: &Pool) -> Option<Runner> {
    let planes = match op.window.rank() {
        1 => vec![Plane::of(op, [None, Some(0)])],
        2 => vec![Plane::of(op, [Some(0), Some(1)])],
        3 => vec![Plane::of(op, [Some(1), Some(2)]), Plane::of(op, [Some(0), None])],
        _ => return None,
    };
    planes.iter().all(Plane::is_covered).then(|| {
        Runner::of(move |mut operands, call| {
            let x = operands.take()?;
            let (shape, to) = (lengths(&x), call.shape());
            Ok(match (planes.as_slice(), to.as_slice()) {
                ([one], &[.., length]) if shape.len() == 3 => {
                    let x = reshape(x, vec![shape[0], shape[1], 1, shape[2]]);
                    reshape(one.run(x, [1, length], call), to)
                }
                ([one], &[.., height, width]) => one.run(x, [height, width], call),
                ([inner, outer], &[.., depth, height, width]) => {
                    let x = reshape(x, vec![shape[0], shape[1] * shape[2], shape[3], shape[4]]);
                    let x = inner.run(x, [height, width], call);
                    let x = reshape(x, vec![shape[0], shape[1], shape[2], height * width]);
                    reshape(outer.run(x, [depth, height * width], call), to)
                }
                _ => return Err(Error::new("pool", format!("windows over {} axes", planes.len()))),
            })
        })
    })
}

fn adaptive(op: &AdaptivePool, x: &Fact) -> Option<Runner> {
    let to = op.to.clone();
    if op.max {
        return to.iter().all(|&n| n == 1).then(|| {
            Runner::of(|mut operands, call| {
                let x = operands.take()?;
                let shape = lengths(&x);
                let x = reshape(x, vec![shape[0], shape[1], shape[2..].iter().product()]);
                Ok(reshape(Dispatch::float_max_dim(x, 2), call.shape()))
            })
        });
    }
    match (x.rank(), to.as_slice()) {
        (3, &[n]) => Some(Runner::map(move |x| Dispatch::adaptive_avg_pool1d(x, n))),
        (4, &[n, m]) => Some(Runner::map(move |x| Dispatch::adaptive_avg_pool2d(x, [n, m]))),
        (5, &[n, m, k]) => Some(Runner::map(move |x| Dispatch::adaptive_avg_pool3d(x, [n, m, k]))),
        _ => None,
    }
}

/// Burn resizes two axes, by the quotient of the lengths.
fn resize(op: &Resize, x: &Fact) -> Option<Runner> {
    let &[height, width] = op.to.as_slice() else { return None };
    let from = x.shape.get(2..4).filter(|_| x.rank() == 4)?;
    let exact = from
        .iter()
        .zip(&op.to)
        .zip(&op.scale)
        .all(|((from, &to), scale)| (to as f64 / from.count() as f64 - scale).abs() <= 1e-9 * scale);
    let (mode, corners) = match (op.interpolation, op.coordinates) {
        (Interpolation::Linear, Coordinates::HalfPixel) => (InterpolateMode::Bilinear, false),
        (Interpolation::Linear, Coordinates::AlignCorners) if height > 1 && width > 1 => {
            (InterpolateMode::Bilinear, true)
        }
        (Interpolation::Cubic, Coordinates::HalfPixel) => (InterpolateMode::Bicubic, false),
        (Interpolation::Floor, Coordinates::Asymmetric) => (InterpolateMode::Nearest, false),
        _ => return None,
    };
    let options = InterpolateOptions::new(mode).with_align_corners(corners);
    exact.then(|| Runner::map(move |x| Dispatch::interpolate(x, [height, width], options.clone())))
}
