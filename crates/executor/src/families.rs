//! How Burn computes operators, one file a family; what none of them takes runs on the operator's own slow truth.
mod backward;
mod layers;
mod maps;
mod norms;
mod pools;
mod products;
mod shapes;
mod slow;
mod tables;
mod training;

use crate::blocks::Blocks;
use crate::error::{Error, Result};
use crate::tensor::Any;
use burn::tensor::Device;
use std::fmt;
use supple_graph::operators::Then;
use supple_graph::{Density, Fact, Op};

/// How operators are computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// Take our kernels.
    pub kernels: bool,
    /// Threads for our kernels.
    pub threads: usize,
}

/// What a runner is told beside its operands.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// What is known of the outputs.
    pub facts: &'a [Fact],
    /// Samples.
    pub batch: usize,
    /// Which weights of a layer are there, where they are packed.
    pub blocks: Option<&'a Blocks>,
    /// What comes back to a layer, where that is not all.
    pub top: Option<Top>,
    /// The part of a linear layer's inputs up to which those that are zero in all rows are skipped.
    pub skip: Option<Density>,
    /// Negative outputs of a layer become zero.
    pub relu: bool,
    /// How operators are computed.
    pub mode: Mode,
    /// Where outputs go.
    pub device: &'a Device,
}

/// How many outputs of a layer count backward: those with the largest gradients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Top {
    pub count: usize,
    /// By products of these alone where our kernels may run, else with zeros for the others.
    pub alone: bool,
}

impl Call<'_> {
    /// Lengths of the axes of the first output.
    pub fn shape(&self) -> Vec<usize> {
        self.facts[0].shape_at(self.batch)
    }
}

/// The tensors that an operator reads, taken one after the other.
pub(crate) struct Operands(std::vec::IntoIter<Any>);

impl Operands {
    /// The next one, which must be there.
    pub fn take(&mut self) -> Result<Any> {
        self.0.next().ok_or_else(missing)
    }

    /// The next one, if there is one more.
    pub fn take_optional(&mut self) -> Option<Any> {
        self.0.next()
    }

    /// All that are left.
    pub fn rest(self) -> Vec<Any> {
        self.0.collect()
    }
}

fn missing() -> Error {
    Error::new("inputs", "one is missing")
}

type Run = dyn Fn(Operands, &Call<'_>) -> Result<Vec<Any>> + Send + Sync;

/// An operator's way on Burn, its settings included.
pub(crate) struct Runner(Box<Run>);

impl Runner {
    /// From what computes all outputs.
    pub fn new(run: impl Fn(Operands, &Call<'_>) -> Result<Vec<Any>> + Send + Sync + 'static) -> Self {
        Self(Box::new(run))
    }

    /// From what computes the only output of any number of inputs.
    pub fn of(run: impl Fn(Operands, &Call<'_>) -> Result<Any> + Send + Sync + 'static) -> Self {
        Self::new(move |operands, call| Ok(vec![run(operands, call)?]))
    }

    /// From a function of one tensor.
    pub fn map(f: impl Fn(Any) -> Any + Send + Sync + 'static) -> Self {
        Self::of(move |mut operands, _| Ok(f(operands.take()?)))
    }

    /// Computes the outputs.
    pub fn run(&self, operands: Vec<Any>, call: &Call<'_>) -> Result<Vec<Any>> {
        (self.0)(Operands(operands.into_iter()), call)
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runner")
    }
}

/// A family's answer for an operator with inputs and outputs like these: how it runs, if it is one of the family's.
type Find = fn(&Op, &[&Fact], &[Fact]) -> Option<Runner>;

/// Every family.
const ALL: [Find; 9] = [
    backward::find,
    layers::find,
    products::find,
    maps::find,
    norms::find,
    pools::find,
    shapes::find,
    tables::find,
    training::find,
];

/// How Burn runs an operator; `None` when it cannot.
pub(crate) fn find(op: &Op, inputs: &[&Fact], outputs: &[Fact]) -> Option<Runner> {
    match op {
        Op::Then(op) => then(op, inputs, outputs),
        op => ALL.iter().find_map(|family| family(op, inputs, outputs)),
    }
}

/// One operator after the other.
fn then(op: &Then, inputs: &[&Fact], outputs: &[Fact]) -> Option<Runner> {
    let between = [op.between(inputs).ok()?];
    let first = find(&op.first, inputs, &between)?;
    let second = find(&op.second, &[&between[0]], outputs)?;
    Some(Runner::new(move |operands, call| {
        let made = first.run(operands.rest(), &Call { facts: &between, ..*call })?;
        second.run(made, call)
    }))
}

/// How an operator runs: on Burn, or on its own slow truth.
pub(crate) fn runner(op: &Op, inputs: &[&Fact], outputs: &[Fact]) -> Runner {
    find(op, inputs, outputs).unwrap_or_else(|| slow::runner(op))
}
