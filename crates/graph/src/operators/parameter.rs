//! Trained weights, kept outside the graph.
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::{Error, Result};
use crate::extent::Extent;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Trained weights, kept outside the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// What it is.
    pub fact: Fact,
}

impl Operator for Parameter {
    fn name(&self) -> &'static str {
        "parameter"
    }

    fn family(&self) -> Family {
        Family::Source
    }

    fn infer(&self, _inputs: &[&Fact]) -> Result<Vec<Fact>> {
        Ok(vec![self.fact.clone()])
    }

    fn axes(&self, _inputs: &[&Fact]) -> Axes {
        Axes::new(Vec::new(), vec![plain(self.fact.rank())])
    }

    fn work(&self, _inputs: &[&Fact], _outputs: &[Fact], _phase: Phase) -> Work {
        Work::default()
    }

    fn shrink(&mut self, _inputs: &[Extent], outputs: &[Extent]) {
        self.fact = outputs[0].left.clone();
    }

    fn eval(&self, _inputs: &[&Array]) -> Result<Vec<Array>> {
        Err(Error::new("parameter", "its value comes from outside the graph"))
    }
}
