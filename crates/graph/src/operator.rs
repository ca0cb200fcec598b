//! The contract of an operator.
use crate::array::Array;
use crate::axes::Axes;
use crate::error::Result;
use crate::fact::Fact;
use crate::phase::Phase;
use crate::work::Work;

/// One operator of a graph: its own shapes, axes, cost and slow truth.
pub trait Operator {
    /// Short name, as in tables and errors.
    fn name(&self) -> &'static str;

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

    /// The outputs: the truth that everything faster is compared with.
    ///
    /// # Errors
    /// When the inputs do not fit.
    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>>;
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
