//! The contract of an operator.
use crate::array::Array;
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::extent::Extent;
use crate::fact::Fact;
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// What sort of thing an operator does: what can be left out of its work, beside axes, follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Data, weights and constants: nothing is computed.
    Source,
    /// Sums of products: convolutions, linear layers, matrix products, attention.
    Product,
    /// A function of each element, or of pairs of them.
    ElementWise,
    /// A norm or softmax: each element depends on all of a row.
    Normalisation,
    /// Windows slide over axes, without weights: pooling, resizing.
    Window,
    /// Axes become one element: sums, means, maxima.
    Reduction,
    /// Elements move; nothing is computed.
    Movement,
    /// What is computed depends on values: indices, the largest.
    Selection,
    /// Steps that depend on those before them.
    Recurrent,
    /// Compares outputs with targets.
    Loss,
    /// Changes weights.
    Update,
    /// Nothing is known.
    Opaque,
}

/// One operator of a graph: its own shapes, axes, cost and slow truth.
pub trait Operator {
    /// Short name, as in tables and errors.
    fn name(&self) -> &'static str;

    /// What sort of thing it does. The default promises nothing.
    fn family(&self) -> Family {
        Family::Opaque
    }

    /// Whether the output is zero wherever the first input is zero, all else being what it may.
    fn keeps_zero(&self) -> bool {
        false
    }

    /// Facts of the outputs.
    ///
    /// # Errors
    /// When the inputs do not fit.
    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>>;

    /// Which axis goes where. The default promises nothing, so nothing is left out.
    fn axes(&self, _inputs: &[&Fact]) -> Axes {
        Axes::opaque()
    }

    /// Why a bound axis of this operator cannot be thinned out.
    fn bound_because(&self) -> &'static str {
        "mixes all elements of the axis"
    }

    /// Cost of one phase, facts with the batch written out. The default is that of an element-wise operator.
    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        match phase {
            Phase::Forward | Phase::BackwardInput => element_wise(inputs, outputs, 1.0),
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    /// Becomes the operator for what is left of its operands. Only one that states lengths itself changes: a new shape, a number of
    /// groups, the bounds of a slice.
    fn shrink(&mut self, _inputs: &[Extent], _outputs: &[Extent]) {}

    /// The outputs: the truth that everything faster is compared with.
    ///
    /// # Errors
    /// When the inputs do not fit.
    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>>;

    /// The outputs for a batch of `samples`, which only an operator that makes an axis of the batch asks for.
    ///
    /// # Errors
    /// When the inputs do not fit.
    fn eval_at(&self, inputs: &[&Array], _samples: usize) -> Result<Vec<Array>> {
        self.eval(inputs)
    }

    /// The gradient of a loss by one input, from the inputs and the gradient by the only output. The default knows none: most operators' gradients
    /// are composed of other operators, see [`gradients`](crate::gradients).
    ///
    /// # Errors
    /// When there is none.
    fn backward(&self, _inputs: &[&Array], _gradient: &Array, _input: usize) -> Result<Array> {
        Err(Error::new(self.name(), "has no gradient of its own"))
    }
}

/// Work of an operator that spends `flops` on each element of its output.
pub fn element_wise(inputs: &[&Fact], outputs: &[Fact], flops: f64) -> Work {
    let bytes = |facts: &mut dyn Iterator<Item = &Fact>| facts.map(Fact::bytes).sum::<f64>();
    let written = bytes(&mut outputs.iter());
    Work {
        flops: flops * outputs.iter().map(Fact::elements).sum::<f64>(),
        moved: bytes(&mut inputs.iter().copied()) + written,
        resident: written,
    }
}

/// Work of a product of `macs` multiply-adds with input, weight (and bias) as inputs: each backward phase costs as much as the forward one,
/// the update reads and writes the weights.
pub fn product(inputs: &[&Fact], outputs: &[Fact], macs: f64, phase: Phase) -> Work {
    let weights: f64 = inputs.iter().skip(1).map(|fact| fact.bytes()).sum();
    match phase {
        Phase::Update => Work { flops: weights / 4.0 * 2.0, moved: 3.0 * weights, resident: weights },
        _ => {
            let plain = element_wise(inputs, outputs, 0.0);
            Work { flops: 2.0 * macs, moved: plain.moved, resident: plain.resident + weights }
        }
    }
}

/// Work of a normalisation that spends `flops` on each element of its output, with its weights behind the input.
pub fn normalisation(inputs: &[&Fact], outputs: &[Fact], flops: f64, phase: Phase) -> Work {
    match phase {
        Phase::Forward | Phase::BackwardInput => element_wise(inputs, outputs, flops),
        Phase::BackwardWeight => element_wise(inputs, outputs, 2.0),
        Phase::Update => product(inputs, outputs, 0.0, phase),
    }
}
