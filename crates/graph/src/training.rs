//! Training as part of the graph: gradient and update operators, derived from the forward ones.
use crate::array::Array;
use crate::error::{Error, Result};
use crate::fact::{DType, Fact};
use crate::gradient::Call;
use crate::gradients::{largest, rule};
use crate::graph::{Graph, NodeId, Value, Weights};
use crate::operators::{Adam, CrossEntropy, MeanSquare, Op, Sgd};
use crate::phase::Phase;
use crate::tape::Tape;
use std::collections::BTreeMap;

/// What the graph's first output is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Classes: the output holds logits.
    CrossEntropy,
    /// Numbers, as many as the output has.
    MeanSquare,
}

/// How weights follow their gradients.
#[derive(Clone, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adam or AdamW.
    Adam(Adam),
}

/// A parameter that cannot be trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrainable {
    /// The parameter.
    pub parameter: NodeId,
    /// Why not.
    pub reason: String,
}

/// A graph with its loss and the gradients by its parameters. The nodes of the forward graph keep their ids.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// The graph; its first output is the loss, the others are the gradients, in the order of the parameters. One more input: the targets.
    pub graph: Graph,
    /// The loss.
    pub loss: Value,
    /// The gradient by each parameter that has one.
    pub by_parameter: BTreeMap<NodeId, Value>,
    /// The parameters without, each with the reason.
    pub untrainable: Vec<Untrainable>,
    /// The phase that each node belongs to.
    pub phases: Vec<Phase>,
}

/// The update of one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The parameter, and what the optimizer remembers of it.
    pub before: Vec<NodeId>,
    /// Their new values.
    pub after: Vec<Value>,
}

/// A graph that computes a training step. The nodes of the forward graph keep their ids.
#[derive(Clone, Debug)]
pub struct Training {
    /// The graph; its first output is the loss, the others are the new values of all steps. Inputs are those of the forward graph, the targets, the
    /// learning rate, and the number of the step, from 1, if the optimizer asks for it.
    pub graph: Graph,
    /// The updates, in the order of the parameters.
    pub steps: Vec<Step>,
    /// The parameters that are not trained, each with the reason.
    pub untrainable: Vec<Untrainable>,
    /// The phase that each node belongs to.
    pub phases: Vec<Phase>,
}

impl Gradients {
    /// Derives the gradients by reverse-mode differentiation (Linnainmaa, 1970; Speelpenning, 1980).
    ///
    /// # Errors
    /// When the graph has no output, or the loss does not fit it.
    pub fn of(forward: &Graph, loss: Loss) -> Result<Self> {
        Self::thinned(forward, loss, BTreeMap::new())
    }

    /// The same, where what comes back to some layers is thinned out to as many outputs, those with the largest magnitudes summed over
    /// all else, before it goes through them (unified top-k; Sun et al., "meProp", 2017).
    ///
    /// # Errors
    /// As [`of`](Self::of); when there are fewer elements than are to be kept.
    pub fn thinned(forward: &Graph, loss: Loss, kept: BTreeMap<NodeId, usize>) -> Result<Self> {
        let output = *forward.outputs().first().ok_or_else(|| Error::new(forward.name(), "has no output"))?;
        let mut tape = Tape::new(forward.clone());
        tape.enter("loss");
        let fact = tape.fact(output).clone();
        let (op, targets): (Op, Fact) = match loss {
            Loss::MeanSquare => (MeanSquare {}.into(), fact),
            Loss::CrossEntropy => {
                let rows = fact.shape.split_last().map(|(_, rows)| rows.to_vec()).unwrap_or_default();
                (CrossEntropy {}.into(), Fact { dtype: DType::I64, shape: rows })
            }
        };
        let targets = tape.input("targets", targets)?;
        let loss = tape.add(op, &[output, targets])?;
        let mut reverse = Reverse::new(tape, loss, kept)?;
        for id in forward_ids(loss) {
            reverse.visit(id)?;
        }
        Ok(reverse.finish(forward, loss))
    }

    /// Adds the updates of all parameters that have a gradient.
    ///
    /// # Errors
    /// When a name that they need is taken.
    pub fn with_updates(self, optimizer: &Optimizer) -> Result<Training> {
        let Self { graph, loss, by_parameter, untrainable, mut phases } = self;
        let mut tape = Tape::new(graph);
        let number = || Fact::f32(Vec::new());
        let mut settings = vec![tape.input("rate", number())?];
        let slots: &[&str] = match optimizer {
            Optimizer::Sgd(_) => &["velocity"],
            Optimizer::Adam(_) => {
                settings.push(tape.input("step", number())?);
                &["first_moment", "second_moment"]
            }
        };
        let mut steps = Vec::new();
        for (&parameter, &gradient) in &by_parameter {
            steps.push(update(&mut tape, optimizer, (parameter, gradient), slots, &settings)?);
        }
        tape.set_outputs(std::iter::once(loss).chain(steps.iter().flat_map(|step| step.after.clone())).collect());
        phases.resize(tape.graph().len(), Phase::Update);
        Ok(Training { graph: tape.into_graph(), steps, untrainable, phases })
    }
}

/// The nodes up to the loss, last first.
fn forward_ids(loss: Value) -> impl Iterator<Item = NodeId> {
    (0..=loss.node.0).rev().map(NodeId)
}

fn update(
    tape: &mut Tape,
    optimizer: &Optimizer,
    (parameter, gradient): (NodeId, Value),
    slots: &[&str],
    settings: &[Value],
) -> Result<Step> {
    let node = tape.graph().node(parameter);
    let (name, fact) = (node.name.clone(), node.facts[0].clone());
    tape.enter(format!("{name}.update"));
    let mut before = vec![parameter];
    for slot in slots {
        before.push(tape.parameter(&format!("{name}.{slot}"), fact.clone())?.node);
    }
    let mut operands: Vec<Value> = before.iter().map(|&node| Value { node, slot: 0 }).collect();
    operands.insert(1, gradient);
    operands.extend(settings);
    let op: Op = match optimizer {
        Optimizer::Sgd(op) => op.clone().into(),
        Optimizer::Adam(op) => op.clone().into(),
    };
    let node = tape.add(op, &operands)?.node;
    let after = (0..before.len()).map(|slot| Value { node, slot }).collect();
    Ok(Step { before, after })
}

/// A walk from the loss back to the parameters.
struct Reverse {
    tape: Tape,
    /// Whether a node depends on a parameter.
    trains: Vec<bool>,
    /// The gradient by each value, as far as it is known.
    gradients: BTreeMap<Value, Value>,
    /// Nodes whose gradient cannot be known, and why.
    blocked: BTreeMap<NodeId, String>,
    /// How many outputs are kept of the gradients that come back to these nodes.
    kept: BTreeMap<NodeId, usize>,
    phases: Vec<Phase>,
}

impl Reverse {
    fn new(mut tape: Tape, loss: Value, kept: BTreeMap<NodeId, usize>) -> Result<Self> {
        let mut trains = vec![false; tape.graph().len()];
        for id in tape.graph().ids() {
            let parameter = matches!(tape.graph().node(id).op, Op::Parameter(_));
            trains[id.0] = parameter || tape.graph().inputs_of(id).iter().any(|value| trains[value.node.0]);
        }
        let mut phases = vec![Phase::Forward; tape.graph().len()];
        let one = tape.number(1.0)?;
        phases.push(Phase::BackwardInput);
        let gradients = BTreeMap::from([(loss, one)]);
        Ok(Self { tape, trains, gradients, blocked: BTreeMap::new(), kept, phases })
    }

    /// Passes the gradients by a node's outputs on to its inputs.
    fn visit(&mut self, id: NodeId) -> Result<()> {
        let node = self.tape.graph().node(id).clone();
        let inputs = self.tape.graph().inputs_of(id).to_vec();
        if let Some(reason) = self.blocked.get(&id).cloned() {
            inputs.iter().for_each(|value| self.block(value.node, &reason));
            return Ok(());
        }
        let outputs: Vec<Value> = (0..node.facts.len()).map(|slot| Value { node: id, slot }).collect();
        let mut gradients: Vec<Option<Value>> =
            outputs.iter().map(|value| self.gradients.get(value).copied()).collect();
        let wanted: Vec<usize> = (0..inputs.len()).filter(|&i| self.wants(inputs[i])).collect();
        if gradients.iter().all(Option::is_none) || wanted.is_empty() {
            return Ok(());
        }
        let Some(rule) = rule(&node.op) else {
            let reason = format!("{}: {} has no gradient rule", node.name, crate::operator::Operator::name(&node.op));
            wanted.iter().for_each(|&i| self.block(inputs[i].node, &reason));
            return Ok(());
        };
        self.tape.enter(format!("{}.gradient", node.name));
        if let Some(&count) = self.kept.get(&id) {
            let axis = node.op.output_axis(node.facts[0].rank());
            gradients
                .iter_mut()
                .flatten()
                .try_for_each(|g| largest(&mut self.tape, *g, axis, count).map(|kept| *g = kept))?;
        }
        let call = Call { op: &node.op, inputs: &inputs, outputs: &outputs, gradients: &gradients };
        for i in wanted {
            match rule(&mut self.tape, &call, i) {
                Ok(Some(gradient)) => self.accumulate(inputs[i], gradient)?,
                Ok(None) => {}
                Err(error) => self.block(inputs[i].node, &error.at(&node.name).to_string()),
            }
        }
        Ok(())
    }

    fn wants(&self, value: Value) -> bool {
        self.trains[value.node.0] && self.tape.fact(value).dtype == DType::F32
    }

    fn block(&mut self, node: NodeId, reason: &str) {
        if self.trains[node.0] {
            self.blocked.entry(node).or_insert_with(|| reason.to_owned());
        }
    }

    fn accumulate(&mut self, value: Value, gradient: Value) -> Result<()> {
        let total = match self.gradients.get(&value) {
            Some(&so_far) => self.tape.sum(so_far, gradient)?,
            None => gradient,
        };
        self.gradients.insert(value, total);
        let weight = matches!(self.tape.graph().node(value.node).op, Op::Parameter(_));
        let phase = if weight { Phase::BackwardWeight } else { Phase::BackwardInput };
        self.phases.resize(self.tape.graph().len(), phase);
        Ok(())
    }

    fn finish(mut self, forward: &Graph, loss: Value) -> Gradients {
        let (mut by_parameter, mut untrainable) = (BTreeMap::new(), Vec::new());
        for parameter in forward.parameter_ids() {
            let gradient = self.gradients.get(&Value { node: parameter, slot: 0 }).copied();
            match (self.blocked.get(&parameter), gradient) {
                (None, Some(gradient)) => {
                    by_parameter.insert(parameter, gradient);
                }
                (reason, _) => {
                    let reason = reason.cloned().unwrap_or_else(|| "the loss does not depend on it".to_owned());
                    untrainable.push(Untrainable { parameter, reason });
                }
            }
        }
        self.tape.set_outputs(std::iter::once(loss).chain(by_parameter.values().copied()).collect());
        self.phases.resize(self.tape.graph().len(), Phase::BackwardInput);
        Gradients { graph: self.tape.into_graph(), loss, by_parameter, untrainable, phases: self.phases }
    }
}

impl Training {
    /// The weights of the forward graph with what the optimizer remembers at the beginning: zeros.
    pub fn begin(&self, mut weights: Weights) -> Weights {
        for &id in self.steps.iter().flat_map(|step| &step.before) {
            weights.entry(id).or_insert_with(|| Array::full(&self.graph.node(id).facts[0].shape_at(1), 0.0));
        }
        weights
    }

    /// Takes one step by the operators' slow truth, and gives the loss before it.
    ///
    /// # Errors
    /// When a value is missing or does not fit; the weights are then as before.
    pub fn step(&self, weights: &mut Weights, inputs: &[Array]) -> Result<f32> {
        let mut outputs = self.graph.eval(weights, inputs)?.into_iter();
        let loss = outputs.next().and_then(|loss| loss.data().first().copied());
        let nodes = self.steps.iter().flat_map(|step| &step.before);
        weights.extend(nodes.copied().zip(outputs));
        loss.ok_or_else(|| Error::new(self.graph.name(), "has no loss"))
    }
}
