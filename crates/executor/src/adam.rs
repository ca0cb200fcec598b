//! Adam on prefixes.
use crate::error::{Error, Result};
use crate::families::Mode;
use crate::layers::{AdamCall, adam};
use crate::region::Region;
use crate::tensor::{Any, choose, lengths};
use crate::thinning::There;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Dispatch, DispatchDevice, FloatDType};
use burn::tensor::Shape;
use serde::{Deserialize, Serialize};
use supple_kernels::Adam;

/// Settings of the optimizer: Adam with decoupled weight decay (Kingma & Ba 2015, Loshchilov & Hutter 2019).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdamConfig {
    /// Step size.
    pub rate: f64,
    /// Decay of the mean of the gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Part of a weight that each step takes away, times the step size.
    pub decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { rate: 1e-3, beta1: 0.9, beta2: 0.999, decay: 0.0 }
    }
}

/// What is added to the root of the mean square.
const EPSILON: f64 = 1e-8;

impl AdamConfig {
    fn kernel(&self) -> Adam {
        let decay = |beta: f64| [beta as f32, (1.0 - beta) as f32];
        Adam {
            rate: self.rate as f32,
            mean: decay(self.beta1),
            square: decay(self.beta2),
            kept: (1.0 - self.rate * self.decay) as f32,
            epsilon: EPSILON as f32,
        }
    }
}

/// Names of the slots, in the order of [`Slots::tensors`].
pub(crate) const SLOTS: [&str; 4] = ["mean", "square", "bias1", "bias2"];

/// The optimizer's memory of one weight tensor. Every element counts its own steps, so that weights that were left out are neither moved by old
/// momentum nor mistaken for old ones when they come back.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    mean: Any,
    square: Any,
    /// `beta1` and `beta2` to the power of the steps an element took part in.
    bias1: Any,
    bias2: Any,
}

impl Slots {
    pub fn new(shape: &[usize], device: &DispatchDevice) -> Self {
        let shape = Shape::from(shape.to_vec());
        let zeros = Dispatch::float_zeros(shape.clone(), device, FloatDType::F32);
        let ones = Dispatch::float_ones(shape, device, FloatDType::F32);
        Self { mean: zeros.clone(), square: zeros, bias1: ones.clone(), bias2: ones }
    }

    pub fn tensors(&self) -> [&Any; 4] {
        [&self.mean, &self.square, &self.bias1, &self.bias2]
    }

    pub fn of([mean, square, bias1, bias2]: [Any; 4]) -> Self {
        Self { mean, square, bias1, bias2 }
    }

    /// One step of the part of `weight` that `gradient` belongs to: a region, and of that what is there, where not all of it is. Nothing else changes.
    ///
    /// # Errors
    /// When the backend fails to say what is there.
    pub fn step(
        self,
        weight: Any,
        gradient: Any,
        (region, there): (&Region, Option<&There>),
        config: &AdamConfig,
        mode: Mode,
    ) -> Result<(Any, Self)> {
        if !mode.kernels {
            return Ok(self.step_by_operators(weight, gradient, (region, there), config));
        }
        let call = AdamCall {
            adam: config.kernel(),
            stretches: region.stretches(&lengths(&weight)),
            there: there.map(There::truths).transpose()?,
            threads: mode.threads,
        };
        let Self { mean, square, bias1, bias2 } = self;
        match adam([weight, mean, square, bias1, bias2], gradient, call) {
            Some([weight, mean, square, bias1, bias2]) => Ok((weight, Self { mean, square, bias1, bias2 })),
            None => Err(Error::new("adam", "there is no kernel on this backend")),
        }
    }

    fn step_by_operators(
        mut self,
        weight: Any,
        gradient: Any,
        (region, there): (&Region, Option<&There>),
        config: &AdamConfig,
    ) -> (Any, Self) {
        let scaled = |tensor: Any, factor: f64| Dispatch::float_mul_scalar(tensor, factor.into());
        let part = |tensor: &Any| region.keep(tensor.clone());
        let square = Dispatch::float_mul(gradient.clone(), gradient.clone());
        let mean = Dispatch::float_add(scaled(part(&self.mean), config.beta1), scaled(gradient, 1.0 - config.beta1));
        let square = Dispatch::float_add(scaled(part(&self.square), config.beta2), scaled(square, 1.0 - config.beta2));
        let bias1 = scaled(part(&self.bias1), config.beta1);
        let bias2 = scaled(part(&self.bias2), config.beta2);
        let rest = |bias: &Any| Dispatch::float_add_scalar(Dispatch::float_neg(bias.clone()), 1.0.into());
        let size = Dispatch::float_sqrt(Dispatch::float_div(square.clone(), rest(&bias2)));
        let direction = Dispatch::float_div(mean.clone(), rest(&bias1));
        let step = Dispatch::float_div(direction, Dispatch::float_add_scalar(size, EPSILON.into()));
        let old = part(&weight);
        let shrunk = scaled(old, 1.0 - config.rate * config.decay);
        let new = Dispatch::float_sub(shrunk, scaled(step, config.rate));
        let put = |whole: Any, value: Any| {
            let value = match there {
                Some(there) => choose(part(&whole), there.tensor.clone(), value),
                None => value,
            };
            region.put(whole, value)
        };
        self.mean = put(self.mean.clone(), mean);
        self.square = put(self.square.clone(), square);
        self.bias1 = put(self.bias1.clone(), bias1);
        self.bias2 = put(self.bias2.clone(), bias2);
        (put(weight, new), self)
    }
}
