//! From Burn's recorded operations to a graph.
use crate::error::{Error, Result};
use crate::fuse::fuse_linear;
use crate::recorded::{Recorded, Source, dtype, recorded};
use crate::recording::Recording;
use crate::step::Step;
use burn_capture::TensorId;
use burn_ir::{OperationIr, TensorIr};
use std::collections::BTreeMap;
use supple_graph::operators::{Constant, Expand, Opaque, Reshape};
use supple_graph::{Array, DType, Dim, Fact, Graph, NodeId, Op, Operator, Value, Weights};

/// The graph of two recordings of one pass.
pub(crate) fn import(name: &str, small: &Recording, large: &Recording, input: DType) -> Result<(Graph, Weights)> {
    let mut import = Import {
        graph: Graph::new(name),
        weights: Weights::new(),
        values: BTreeMap::new(),
        counts: BTreeMap::new(),
        small,
        large,
    };
    import.add_input(input)?;
    let outputs = &small.captured.graph.outputs;
    let mut steps = import.steps()?;
    fuse_linear(&mut steps, outputs, |id| import.parameter_rank(id));
    for step in steps {
        import.add_step(step)?;
    }
    let output = outputs.first().and_then(|id| import.values.get(id)).copied();
    import.graph.set_outputs(vec![output.ok_or_else(|| Error::new(name, "the output was not recorded"))?]);
    import.graph.check()?;
    Ok((import.graph, import.weights))
}

struct Import<'a> {
    graph: Graph,
    weights: Weights,
    values: BTreeMap<TensorId, Value>,
    counts: BTreeMap<String, usize>,
    small: &'a Recording,
    large: &'a Recording,
}

impl Import<'_> {
    fn add_input(&mut self, dtype: DType) -> Result<()> {
        let ids = [self.small, self.large].map(|r| r.captured.graph.inputs.first().copied());
        let [Some(small), Some(large)] = ids else { return Err(Error::new("capture", "the input was not recorded")) };
        let shape = |recording: &Recording, id| {
            let data = recording.captured.values.get(&id);
            let shape = data.map(|data| data.shape().iter().copied().collect::<Vec<usize>>());
            shape.ok_or_else(|| Error::new("capture", "the input has no value"))
        };
        let (a, b) = (shape(self.small, small)?, shape(self.large, large)?);
        let value = self.graph.input("input", Fact { dtype, shape: self.dims(&a, &b)? })?;
        self.values.insert(small, value);
        Ok(())
    }

    /// Lengths that differ between the recordings follow the batch.
    fn dims(&self, small: &[usize], large: &[usize]) -> Result<Vec<Dim>> {
        let dim = |(&a, &b): (&usize, &usize)| match (a, b) {
            _ if a == b => Ok(Dim::Fixed(a)),
            _ if a % self.small.batch == 0 && a / self.small.batch * self.large.batch == b => {
                Ok(Dim::Batch(a / self.small.batch))
            }
            _ => Err(Error::new("capture", format!("length {a} or {b} is no multiple of the batch"))),
        };
        small.iter().zip(large).map(dim).collect()
    }

    /// What was recorded, in order; the two recordings must agree.
    fn steps(&self) -> Result<Vec<Step>> {
        let (small, large) = (computed(self.small), computed(self.large));
        let same = |(a, b): (&Recorded, &Recorded)| a.op.name() == b.op.name() && a.outputs.len() == b.outputs.len();
        if small.len() != large.len() || !small.iter().zip(&large).all(same) {
            return Err(Error::new("capture", "the pass takes other operations at another batch"));
        }
        small.into_iter().zip(large).map(|(one, two)| self.step(one, &two)).collect()
    }

    fn step(&self, one: Recorded, two: &Recorded) -> Result<Step> {
        let lengths = |ir: &TensorIr| ir.shape.iter().copied().collect::<Vec<usize>>();
        let pairs = one.outputs.iter().zip(&two.outputs);
        let made = pairs.map(|(a, b)| Ok((a.id, self.dims(&lengths(a), &lengths(b))?))).collect::<Result<Vec<_>>>()?;
        let mut made = made.into_iter();
        let Some((output, shape)) = made.next() else {
            return Err(Error::new("capture", format!("{} makes nothing", one.op.name())));
        };
        let more: Vec<(TensorId, Vec<Dim>)> = made.collect();
        let op = match one.op {
            Op::Reshape(_) => Reshape { to: shape.clone() }.into(),
            Op::Expand(_) => Expand { to: shape.clone() }.into(),
            Op::Opaque(op) => {
                let shapes = std::iter::once(&shape).chain(more.iter().map(|(_, shape)| shape));
                let fact = |(ir, shape): (&&TensorIr, &Vec<Dim>)| Fact { dtype: dtype(ir), shape: shape.clone() };
                Opaque { facts: one.outputs.iter().zip(shapes).map(fact).collect(), ..op }.into()
            }
            op => op,
        };
        Ok(Step { op, inputs: one.inputs, output, shape, more })
    }

    fn parameter_rank(&self, id: TensorId) -> Option<usize> {
        self.small.parameters.get(&id)?;
        self.small.captured.values.get(&id).map(|data| data.shape().len())
    }

    /// A parameter, when the module has one under this id, else a constant.
    fn add_value(&mut self, id: TensorId) -> Result<()> {
        if self.values.contains_key(&id) {
            return Ok(());
        }
        let data =
            self.small.captured.values.get(&id).ok_or_else(|| Error::new("capture", "a tensor without value"))?;
        let dtype = match data.dtype() {
            dtype if dtype.is_float() => DType::F32,
            dtype if dtype.is_bool() => DType::Bool,
            _ => DType::I64,
        };
        let shape: Vec<usize> = data.shape().iter().copied().collect();
        let values = data.clone().convert::<f32>().try_into_vec::<f32>();
        let array = Array::new(shape, values.map_err(|error| Error::new("capture", format!("{error:?}")))?)?;
        let value = if let Some(name) = self.small.parameters.get(&id) {
            let value = self.graph.parameter(name, Fact::fixed(array.shape()))?;
            self.weights.insert(value.node, array);
            value
        } else {
            let name = self.name("constant");
            self.graph.add(name, Constant { value: array, dtype }, &[])?
        };
        self.values.insert(id, value);
        Ok(())
    }

    fn name(&mut self, kind: &str) -> String {
        let count = self.counts.entry(kind.to_owned()).or_default();
        *count += 1;
        format!("{kind}_{count}")
    }

    fn add_step(&mut self, step: Step) -> Result<()> {
        let inputs = step.inputs.iter().map(|input| self.read(input)).collect::<Result<Vec<Value>>>()?;
        let name = self.name(step.op.name());
        let first = self.graph.add(&name, step.op, &inputs)?;
        let made = std::iter::once((step.output, step.shape)).chain(step.more);
        for (slot, (id, shape)) in made.enumerate() {
            let value = Value { slot, ..first };
            if self.graph.fact(value)?.shape != shape {
                return Err(Error::new(name, format!("inferred {}, recorded {shape:?}", self.graph.fact(value)?)));
            }
            self.values.insert(id, value);
        }
        Ok(())
    }

    /// The value that an operator reads; a number becomes a constant.
    fn read(&mut self, source: &Source) -> Result<Value> {
        match source {
            Source::Tensor(id) => {
                self.add_value(*id)?;
                Ok(self.values[id])
            }
            Source::Made(op, inputs) => {
                let inputs = inputs.iter().map(|input| self.read(input)).collect::<Result<Vec<Value>>>()?;
                let name = self.name(op.name());
                Ok(self.graph.add(name, (**op).clone(), &inputs)?)
            }
            &Source::Number(number, dtype, rank) => {
                let value = Array::full(&vec![1; rank], number as f32);
                let name = self.name("constant");
                Ok(self.graph.add(name, Constant { value, dtype }, &[])?)
            }
        }
    }
}

/// What a recording computes, in order.
fn computed(recording: &Recording) -> Vec<Recorded<'_>> {
    let computes = |op: &&OperationIr| !matches!(op, OperationIr::Drop(_) | OperationIr::Init(_));
    recording.captured.graph.operations.iter().filter(computes).map(recorded).collect()
}

/// The parameters by name.
pub(crate) fn parameter_names(graph: &Graph) -> BTreeMap<String, NodeId> {
    graph.parameter_ids().into_iter().map(|id| (graph.node(id).name.clone(), id)).collect()
}
