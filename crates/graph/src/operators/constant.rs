//! A value that stands in the graph itself.
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::extent::Extent;
use crate::fact::{DType, Dim, Fact};
use crate::operator::{Family, Operator};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// A value that stands in the graph itself: positions, an attention mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Constant {
    /// The value.
    pub value: Array,
    /// Type of its elements.
    pub dtype: DType,
}

impl Operator for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn family(&self) -> Family {
        Family::Source
    }

    fn infer(&self, _inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let shape = self.value.shape().iter().map(|&n| Dim::Fixed(n)).collect();
        Ok(vec![Fact { dtype: self.dtype, shape }])
    }

    fn axes(&self, _inputs: &[&Fact]) -> Axes {
        Axes::new(Vec::new(), vec![plain(self.value.shape().len())])
    }

    fn work(&self, _inputs: &[&Fact], _outputs: &[Fact], _phase: Phase) -> Work {
        Work::default()
    }

    fn shrink(&mut self, _inputs: &[Extent], outputs: &[Extent]) {
        self.value = self.value.select(&outputs[0].kept);
    }

    fn eval(&self, _inputs: &[&Array]) -> Result<Vec<Array>> {
        Ok(vec![self.value.clone()])
    }
}
