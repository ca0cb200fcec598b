//! Two operators in one node.
use super::ensure;
use crate::array::Array;
use crate::error::{Error, Result};
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use crate::operators::Op;
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// An operator with one output, and one that reads nothing but that: what a node becomes where something more is to be done in its place, and all nodes are to
/// keep their ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Then {
    /// What reads the inputs.
    pub first: Box<Op>,
    /// What reads the output of the first one.
    pub second: Box<Op>,
}

impl Then {
    /// What is known of that which lies between the two.
    ///
    /// # Errors
    /// When the inputs do not fit the first operator, or it has not one output.
    pub fn between(&self, inputs: &[&Fact]) -> Result<Fact> {
        let mut facts = self.first.infer(inputs)?;
        ensure(facts.len() == 1, "then", || format!("{} outputs of {}, expected 1", facts.len(), self.first.name()))?;
        Ok(facts.remove(0))
    }
}

impl Operator for Then {
    fn name(&self) -> &'static str {
        self.first.name()
    }

    fn family(&self) -> Family {
        self.first.family()
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        self.second.infer(&[&self.between(inputs)?])
    }

    /// What lies between the two, or its gradient, is neither written nor read again. Gradients of weights do not pass the second one, and updates read no values.
    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let Ok(between) = self.between(inputs) else { return Work::default() };
        let bytes = match phase {
            Phase::Forward | Phase::BackwardInput => between.bytes(),
            Phase::BackwardWeight | Phase::Update => 0.0,
        };
        let (first, second) = (
            self.first.work(inputs, std::slice::from_ref(&between), phase),
            self.second.work(&[&between], outputs, phase),
        );
        Work {
            flops: first.flops + second.flops,
            moved: (first.moved + second.moved - 2.0 * bytes).max(0.0),
            resident: (first.resident + second.resident - bytes).max(0.0),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        self.eval_at(inputs, 1)
    }

    fn eval_at(&self, inputs: &[&Array], samples: usize) -> Result<Vec<Array>> {
        let between = self.first.eval_at(inputs, samples)?;
        let [between] = between.as_slice() else { return Err(Error::new("then", "expected one output to go on with")) };
        self.second.eval_at(&[between], samples)
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Fact, Operator, Then};
    use crate::operators::{Keep, Linear, Scalar, Split};
    use crate::phase::Phase;

    #[test]
    fn the_second_reads_the_first() {
        let second = Keep { axis: 1, start: 0, end: 3, count: 1 };
        let both = Then { first: Box::new(Scalar { scale: -1.0, shift: 2.0 }.into()), second: Box::new(second.into()) };
        let x = Array::new(vec![1, 3, 1], vec![2.0, 5.0, 3.0]).unwrap();
        assert_eq!(both.eval(&[&x]).unwrap(), [Array::full(&[1, 1, 1], -3.0)]);
        let facts = [Fact::fixed(&[1, 3, 1]), Fact::fixed(&[1, 1, 1])];
        assert_eq!(both.infer(&[&facts[0]]), Ok(vec![facts[1].clone()]));
        let work = both.work(&[&facts[0]], &facts[1..], Phase::Forward);
        assert_eq!((work.flops, work.moved, work.resident), (9.0, 16.0, 4.0));
    }

    #[test]
    fn the_weights_of_the_first_are_updated_as_without_the_second() {
        let first = Linear::default();
        let both = Then { first: Box::new(first.clone().into()), second: Box::new(Keep { axis: 1, start: 0, end: 9, count: 1 }.into()) };
        let [x, weight, between, left] = [&[1, 9, 2][..], &[2, 3], &[1, 9, 3], &[1, 1, 3]].map(Fact::fixed);
        for phase in [Phase::BackwardWeight, Phase::Update] {
            let alone = first.work(&[&x, &weight], std::slice::from_ref(&between), phase);
            assert_eq!(both.work(&[&x, &weight], std::slice::from_ref(&left), phase), alone);
        }
    }

    #[test]
    fn several_outputs_are_refused() {
        let first = Split { axis: 0, lengths: vec![1, 1] };
        let both = Then { first: Box::new(first.into()), second: Box::new(Scalar { scale: 1.0, shift: 0.0 }.into()) };
        assert!(both.infer(&[&Fact::fixed(&[2])]).is_err());
    }
}
