//! Random graphs in the making.
use supple_graph::operators::{Conv, Linear, UnaryFunction};
use supple_graph::tape::Tape;
use supple_graph::{Fact, Graph, Result, Value};

/// What a random step is made from.
pub(crate) type Draw = [usize; 3];

/// The item that a number chooses.
pub(crate) fn of<T: Copy>(items: &[T], draw: usize) -> T {
    items[draw % items.len()]
}

/// A graph in the making; weights are numbered.
pub(crate) struct Mix {
    pub(crate) tape: Tape,
    weights: usize,
}

impl Mix {
    pub(crate) fn new(name: &str) -> Self {
        Self { tape: Tape::new(Graph::new(name)), weights: 0 }
    }

    /// # Panics
    /// When the parts did not fit: the plan that was being built is wrong.
    pub(crate) fn finish(mut self, output: Result<Value>) -> Graph {
        let output = output.expect("the parts of a random graph fit");
        self.tape.set_outputs(vec![output]);
        self.tape.into_graph()
    }

    pub(crate) fn weight(&mut self, shape: &[usize]) -> Result<Value> {
        self.weights += 1;
        self.tape.parameter(&format!("w{}", self.weights), Fact::fixed(shape))
    }

    pub(crate) fn positive(&mut self, shape: &[usize]) -> Result<Value> {
        let weight = self.weight(shape)?;
        self.tape.map(UnaryFunction::Exp, weight)
    }

    pub(crate) fn length(&self, x: Value, axis: usize) -> usize {
        self.tape.fact(x).shape[axis].count()
    }

    pub(crate) fn last(&self, x: Value) -> usize {
        self.tape.rank(x) - 1
    }

    pub(crate) fn linear(&mut self, x: Value, outputs: usize) -> Result<Value> {
        let (w, b) = (self.weight(&[self.length(x, self.last(x)), outputs])?, self.weight(&[outputs])?);
        self.tape.add(Linear::default(), &[x, w, b])
    }

    /// A convolution of single pixels.
    pub(crate) fn conv(&mut self, x: Value, channels: usize) -> Result<Value> {
        let (w, b) = (self.weight(&[channels, self.length(x, 1), 1, 1])?, self.weight(&[channels])?);
        self.tape.add(Conv::new(2), &[x, w, b])
    }
}
