//! Steps over time: what recurrent operators share.
use crate::array::Array;
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::fact::{Dim, Fact};
use crate::operator::product;
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Which way the steps go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the first to the last.
    Forward,
    /// From the last to the first.
    Reverse,
    /// Both, with weights of their own.
    Bidirectional,
}

impl Direction {
    /// Number of passes.
    pub fn count(self) -> usize {
        if self == Self::Bidirectional { 2 } else { 1 }
    }
}

/// How a recurrent operator walks over its input, after ONNX: inputs x `[time, batch, features]`, weights `[directions, gates * hidden,
/// features]`, recurrent weights `[directions, gates * hidden, hidden]`, then, where there are any, biases `[directions, 2 * gates * hidden]`
/// (those of the input first) and the states at the beginning `[directions, batch, hidden]`; outputs `[time, directions, batch, hidden]` and the
/// states at the end. With `batch_first` the batch is the first axis of all of them but weights and biases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    /// Which way the steps go.
    pub direction: Direction,
    /// Whether there are biases.
    pub bias: bool,
    /// Whether there are states at the beginning; else they are zero.
    pub initial: bool,
    /// Whether the batch is the outermost axis.
    pub batch_first: bool,
}

/// Lengths of a walk.
#[derive(Clone, Copy)]
struct Sizes {
    time: usize,
    batch: usize,
    hidden: usize,
}

/// One step of one sample in one direction: what its gates are made of.
pub struct Step<'a> {
    hidden: usize,
    /// `W x + b`, gate after gate.
    input: &'a [f64],
    recurrent: &'a [f32],
    bias: &'a [f32],
}

impl Step<'_> {
    /// `W x + b` of unit `j` in gate `gate`.
    pub fn input(&self, gate: usize, j: usize) -> f64 {
        self.input[gate * self.hidden + j]
    }

    /// `R h + b` of unit `j` in gate `gate`.
    pub fn recurrent(&self, gate: usize, j: usize, h: &[f64]) -> f64 {
        let row = gate * self.hidden + j;
        dot(&self.recurrent[row * self.hidden..][..self.hidden], h) + self.bias.get(row).map_or(0.0, |&b| b.into())
    }
}

fn dot(weights: &[f32], x: &[f64]) -> f64 {
    weights.iter().zip(x).map(|(&w, &v)| f64::from(w) * v).sum()
}

/// `1 / (1 + e^-x)`
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Recurrence {
    /// Number of inputs of an operator with `states` states.
    fn inputs(&self, states: usize) -> usize {
        3 + usize::from(self.bias) + if self.initial { states } else { 0 }
    }

    /// Facts of the outputs of operator `op` with so many gates and states.
    ///
    /// # Errors
    /// When the inputs do not fit.
    pub fn infer(&self, op: &str, gates: usize, states: usize, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let wanted = self.inputs(states);
        if inputs.len() != wanted || inputs[0].rank() != 3 || inputs[2].rank() != 3 {
            return Err(Error::new(
                op,
                format!("{} inputs, expected {wanted}, the first three of three axes", inputs.len()),
            ));
        }
        let [outer, inner, features] = [0, 1, 2].map(|axis| inputs[0].shape[axis]);
        let (batch, time) = if self.batch_first { (outer, inner) } else { (inner, outer) };
        let (d, h) = (Dim::Fixed(self.direction.count()), inputs[2].shape[2]);
        let rows = h.count().checked_mul(2 * gates).ok_or_else(|| Error::new(op, format!("{h} units")))?;
        let state = Fact::f32(if self.batch_first { [batch, d, h] } else { [d, batch, h] });
        let half = Dim::Fixed(rows / 2);
        let mut expected = vec![Fact::f32([d, half, features]), Fact::f32([d, half, h])];
        expected.extend(self.bias.then(|| Fact::f32([d, Dim::Fixed(rows)])));
        expected.resize(wanted - 1, state.clone());
        for (found, expected) in inputs[1..].iter().zip(&expected) {
            if found.shape != expected.shape {
                return Err(Error::new(op, format!("operand {found}, expected {expected}")));
            }
        }
        let all = Fact::f32(if self.batch_first { [batch, time, d, h] } else { [time, d, batch, h] });
        Ok(std::iter::once(all).chain(vec![state; states]).collect())
    }

    /// Features are summed, hidden units are free in every gate; time is bound, and so are the gates and directions.
    pub fn axes(&self, states: usize) -> Axes {
        let (x, y, state) = if self.batch_first { ("bTi", "bTDh", "bDh") } else { ("Tbi", "TDbh", "Dbh") };
        let mut inputs = vec![x, "D(Gh)i", "D(Gh)h"];
        inputs.extend(self.bias.then_some("D(Kh)"));
        inputs.resize(self.inputs(states), state);
        let outputs = [vec![y], vec![state; states]].concat();
        Axes::of(&format!("{}->{}", inputs.join(","), outputs.join(",")))
    }

    /// Work of one phase.
    pub fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let weights = inputs[1].elements() + inputs[2].elements();
        let steps = inputs[0].shape[..2].iter().map(|dim| dim.count() as f64).product::<f64>();
        product(inputs, outputs, steps * weights, phase)
    }

    /// Runs `step` for every sample, in time, from the states at the beginning; `step` changes the states, the first of which is the output.
    ///
    /// # Errors
    /// When an input is missing.
    pub fn eval(
        &self,
        op: &str,
        states: usize,
        inputs: &[&Array],
        step: impl Fn(&Step<'_>, &mut [Vec<f64>]),
    ) -> Result<Vec<Array>> {
        if inputs.len() != self.inputs(states) {
            return Err(Error::new(op, format!("{} inputs, expected {}", inputs.len(), self.inputs(states))));
        }
        let (x, hidden) = (inputs[0], inputs[2].shape()[2]);
        let [outer, inner] = [x.shape()[0], x.shape()[1]];
        let (batch, time) = if self.batch_first { (outer, inner) } else { (inner, outer) };
        let sizes = Sizes { time, batch, hidden };
        let mut outputs = vec![Array::full(&self.shape(sizes, true), 0.0)];
        outputs.resize(1 + states, Array::full(&self.shape(sizes, false), 0.0));
        for d in 0..self.direction.count() {
            for sample in 0..batch {
                self.walk(sizes, (d, sample), inputs, &step, &mut outputs);
            }
        }
        Ok(outputs)
    }

    fn shape(&self, Sizes { time, batch, hidden }: Sizes, sequence: bool) -> Vec<usize> {
        let d = self.direction.count();
        match (self.batch_first, sequence) {
            (false, true) => vec![time, d, batch, hidden],
            (true, true) => vec![batch, time, d, hidden],
            (false, false) => vec![d, batch, hidden],
            (true, false) => vec![batch, d, hidden],
        }
    }

    /// Where the units of a state begin.
    fn state_at(&self, sizes: Sizes, (d, sample): (usize, usize)) -> usize {
        let row = if self.batch_first { sample * self.direction.count() + d } else { d * sizes.batch + sample };
        row * sizes.hidden
    }

    /// Where the units of an output begin.
    fn output_at(&self, sizes: Sizes, (d, sample): (usize, usize), t: usize) -> usize {
        let directions = self.direction.count();
        let row = if self.batch_first {
            (sample * sizes.time + t) * directions + d
        } else {
            (t * directions + d) * sizes.batch + sample
        };
        row * sizes.hidden
    }

    /// One direction of one sample.
    fn walk(
        &self,
        sizes: Sizes,
        lane: (usize, usize),
        inputs: &[&Array],
        step: &impl Fn(&Step<'_>, &mut [Vec<f64>]),
        outputs: &mut [Array],
    ) {
        let (features, hidden) = (inputs[0].shape()[2], sizes.hidden);
        let part = |array: &'_ Array| array.data().len() / self.direction.count();
        let of_direction = |i: usize| &inputs[i].data()[lane.0 * part(inputs[i])..][..part(inputs[i])];
        let (w, r) = (of_direction(1), of_direction(2));
        let (bias, recurrent_bias) =
            if self.bias { of_direction(3).split_at(part(inputs[3]) / 2) } else { (&[][..], &[][..]) };
        let at = self.state_at(sizes, lane);
        let mut states: Vec<Vec<f64>> = vec![vec![0.0; hidden]; outputs.len() - 1];
        for (state, first) in states.iter_mut().zip(&inputs[3 + usize::from(self.bias)..]) {
            state.iter_mut().zip(&first.data()[at..]).for_each(|(v, &first)| *v = first.into());
        }
        let backwards = self.direction == Direction::Reverse || lane.0 == 1;
        for i in 0..sizes.time {
            let t = if backwards { sizes.time - 1 - i } else { i };
            let row = if self.batch_first { lane.1 * sizes.time + t } else { t * sizes.batch + lane.1 };
            let x: Vec<f64> = inputs[0].data()[row * features..][..features].iter().map(|&v| v.into()).collect();
            let bias = |row: usize| bias.get(row).map_or(0.0, |&b| f64::from(b));
            let sums = (0..r.len() / hidden.max(1)).map(|row| dot(&w[row * features..][..features], &x) + bias(row));
            let input: Vec<f64> = sums.collect();
            step(&Step { hidden, input: &input, recurrent: r, bias: recurrent_bias }, &mut states);
            write(&mut outputs[0], self.output_at(sizes, lane, t), &states[0]);
        }
        outputs[1..].iter_mut().zip(&states).for_each(|(output, state)| write(output, at, state));
    }
}

fn write(array: &mut Array, at: usize, values: &[f64]) {
    array.data_mut()[at..].iter_mut().zip(values).for_each(|(to, &v)| *to = v as f32);
}
