//! From Burn's recorded operations to a graph.
use crate::capture::Recording;
use crate::error::{Error, Result};
use crate::fuse::fuse_linear;
use burn_capture::TensorId;
use burn_ir::{
    ActivationOperationIr as Activation, BaseOperationIr as Base, BinaryOpIr, FloatOperationIr as Float,
    ModuleOperationIr as ModuleIr, NumericOperationIr as Numeric, OperationIr, ReduceDimOpIr, ScalarIr, ScalarOpIr,
    TensorIr, UnaryOpIr,
};
use std::collections::BTreeMap;
use supple_graph::operators::{
    Binary, BinaryFunction, Constant, Conv, Embedding, LayerNorm, Linear, Matmul, Permute, Pool, PoolFunction, Reduce,
    Reduction, Reshape, Scalar, Softmax, Unary, UnaryFunction,
};
use supple_graph::window::Window;
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

/// A recorded operation: what it computes, the tensors that it reads, and the one that it makes with its shape.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub op: Op,
    pub inputs: Vec<TensorId>,
    pub output: TensorId,
    pub shape: Vec<Dim>,
}

impl Step {
    /// Whether all axes but the last `rank` have length one.
    pub fn leads_with_ones(&self, rank: usize) -> bool {
        let lead = self.shape.len().checked_sub(rank);
        lead.is_some_and(|lead| self.shape[..lead].iter().all(|&dim| dim == Dim::Fixed(1)))
    }
}

struct Import<'a> {
    graph: Graph,
    weights: Weights,
    values: BTreeMap<TensorId, Value>,
    counts: BTreeMap<String, usize>,
    small: &'a Recording,
    large: &'a Recording,
}

/// An operator with the recorded tensors that it reads, and the one that it makes.
struct Recorded<'a> {
    op: Op,
    inputs: Vec<&'a TensorIr>,
    output: &'a TensorIr,
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
        let (small, large) = (computed(self.small)?, computed(self.large)?);
        let same = |(a, b): (&Recorded, &Recorded)| a.op.name() == b.op.name();
        if small.len() != large.len() || !small.iter().zip(&large).all(same) {
            return Err(Error::new("capture", "the pass takes other operations at another batch"));
        }
        let step = |(one, two): (Recorded, Recorded)| {
            let lengths = |ir: &TensorIr| ir.shape.iter().copied().collect::<Vec<usize>>();
            let shape = self.dims(&lengths(one.output), &lengths(two.output))?;
            let op = match one.op {
                Op::Reshape(_) => Reshape { to: shape.clone() }.into(),
                op => op,
            };
            Ok(Step { op, inputs: one.inputs.iter().map(|ir| ir.id).collect(), output: one.output.id, shape })
        };
        small.into_iter().zip(large).map(step).collect()
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
        let dtype = if data.dtype().is_float() { DType::F32 } else { DType::I64 };
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
        for &input in &step.inputs {
            self.add_value(input)?;
        }
        let inputs: Vec<Value> = step.inputs.iter().map(|input| self.values[input]).collect();
        let name = self.name(step.op.name());
        let value = self.graph.add(&name, step.op, &inputs)?;
        if self.graph.fact(value)?.shape != step.shape {
            return Err(Error::new(name, format!("inferred {}, recorded {:?}", self.graph.fact(value)?, step.shape)));
        }
        self.values.insert(step.output, value);
        Ok(())
    }
}

/// What a recording computes, in order.
fn computed(recording: &Recording) -> Result<Vec<Recorded<'_>>> {
    let computes = |op: &&OperationIr| !matches!(op, OperationIr::Drop(_) | OperationIr::Init(_));
    recording.captured.graph.operations.iter().filter(computes).map(recorded).collect()
}

/// What a recorded operation computes.
fn recorded(operation: &OperationIr) -> Result<Recorded<'_>> {
    let known = match operation {
        OperationIr::BaseFloat(base) | OperationIr::BaseInt(base) => base_operation(base),
        OperationIr::NumericFloat(_, numeric) => numeric_operation(numeric),
        OperationIr::Float(_, float) => float_operation(float),
        OperationIr::Module(module) => module_operation(module),
        OperationIr::Activation(activation) => activation_operation(activation),
        _ => None,
    };
    known.ok_or_else(|| {
        let text = format!("{operation:?}");
        let name: String = text.split(['{', ' ']).next().unwrap_or_default().to_owned();
        Error::new("capture", format!("Burn's operation {name} is not known to Supple"))
    })
}

fn base_operation(base: &Base) -> Option<Recorded<'_>> {
    Some(match base {
        Base::Reshape(ir) => {
            Recorded { op: Reshape { to: Vec::new() }.into(), inputs: vec![&ir.input], output: &ir.out }
        }
        Base::Permute(ir) => {
            Recorded { op: Permute { order: ir.axes.clone() }.into(), inputs: vec![&ir.input], output: &ir.out }
        }
        Base::SwapDims(ir) => {
            let mut order: Vec<usize> = (0..ir.input.shape.len()).collect();
            order.swap(ir.dim1, ir.dim2);
            Recorded { op: Permute { order }.into(), inputs: vec![&ir.input], output: &ir.out }
        }
        _ => return None,
    })
}

fn numeric_operation(numeric: &Numeric) -> Option<Recorded<'_>> {
    Some(match numeric {
        Numeric::Add(ir) => binary(BinaryFunction::Add, ir),
        Numeric::Sub(ir) => binary(BinaryFunction::Sub, ir),
        Numeric::Mul(ir) => binary(BinaryFunction::Mul, ir),
        Numeric::Div(ir) => binary(BinaryFunction::Div, ir),
        Numeric::AddScalar(ir) => scalar(ir, |v| (1.0, v)),
        Numeric::SubScalar(ir) => scalar(ir, |v| (1.0, -v)),
        Numeric::MulScalar(ir) => scalar(ir, |v| (v, 0.0)),
        Numeric::DivScalar(ir) => scalar(ir, |v| (1.0 / v, 0.0)),
        Numeric::Neg(ir) => unary(UnaryFunction::Neg, ir),
        Numeric::MeanDim(ir) => reduce(Reduction::Mean, ir),
        Numeric::SumDim(ir) => reduce(Reduction::Sum, ir),
        Numeric::PowiScalar(ir) if number(ir.rhs) == 2.0 => squared(ir),
        _ => return None,
    })
}

fn float_operation(float: &Float) -> Option<Recorded<'_>> {
    Some(match float {
        Float::Matmul(ir) => Recorded { op: Matmul {}.into(), inputs: vec![&ir.lhs, &ir.rhs], output: &ir.out },
        Float::Exp(ir) => unary(UnaryFunction::Exp, ir),
        Float::Log(ir) => unary(UnaryFunction::Log, ir),
        Float::Sqrt(ir) => unary(UnaryFunction::Sqrt, ir),
        Float::Tanh(ir) => unary(UnaryFunction::Tanh, ir),
        Float::Recip(ir) => unary(UnaryFunction::Recip, ir),
        Float::PowfScalar(ir) if number(ir.rhs) == 2.0 => squared(ir),
        _ => return None,
    })
}

fn module_operation(module: &ModuleIr) -> Option<Recorded<'_>> {
    Some(match module {
        ModuleIr::Linear(ir) => {
            let inputs = [&ir.x, &ir.weight].into_iter().chain(&ir.bias).collect();
            Recorded { op: Linear {}.into(), inputs, output: &ir.out }
        }
        ModuleIr::Conv2d(ir) if ir.options.padding.iter().all(|(before, after)| before == after) => {
            let options = &ir.options;
            let padding = options.padding.iter().map(|&(before, after)| [before, after]).collect();
            let (stride, dilation) = (options.stride.to_vec(), options.dilation.to_vec());
            let op = Conv { stride, padding, dilation, groups: options.groups };
            let inputs = [&ir.x, &ir.weight].into_iter().chain(&ir.bias).collect();
            Recorded { op: op.into(), inputs, output: &ir.out }
        }
        ModuleIr::MaxPool2d(ir) => {
            let plain = Window::new(&ir.kernel_size, &ir.stride).padded(&ir.padding);
            let window = Window { dilation: ir.dilation.to_vec(), ceil: ir.ceil_mode, ..plain };
            let op = Pool { function: PoolFunction::Max, window };
            Recorded { op: op.into(), inputs: vec![&ir.x], output: &ir.out }
        }
        ModuleIr::Embedding(ir) => {
            Recorded { op: Embedding {}.into(), inputs: vec![&ir.weights, &ir.indices], output: &ir.out }
        }
        ModuleIr::LayerNorm(ir) => {
            let op = LayerNorm { epsilon: number(ir.epsilon) };
            let inputs = [&ir.input, &ir.gamma].into_iter().chain(&ir.beta).collect();
            Recorded { op: op.into(), inputs, output: &ir.out }
        }
        _ => return None,
    })
}

fn activation_operation(activation: &Activation) -> Option<Recorded<'_>> {
    Some(match activation {
        Activation::Relu(ir) => unary(UnaryFunction::Relu, ir),
        Activation::Gelu(ir) => unary(UnaryFunction::Gelu, ir),
        Activation::Sigmoid(ir) => unary(UnaryFunction::Sigmoid, ir),
        Activation::Softmax(ir) => {
            Recorded { op: Softmax { axis: ir.axis }.into(), inputs: vec![&ir.input], output: &ir.out }
        }
        _ => return None,
    })
}

fn unary(function: UnaryFunction, ir: &UnaryOpIr) -> Recorded<'_> {
    Recorded { op: Unary { function }.into(), inputs: vec![&ir.input], output: &ir.out }
}

fn binary(function: BinaryFunction, ir: &BinaryOpIr) -> Recorded<'_> {
    Recorded { op: Binary { function }.into(), inputs: vec![&ir.lhs, &ir.rhs], output: &ir.out }
}

fn squared(ir: &ScalarOpIr) -> Recorded<'_> {
    let op = Binary { function: BinaryFunction::Mul };
    Recorded { op: op.into(), inputs: vec![&ir.lhs, &ir.lhs], output: &ir.out }
}

fn scalar(ir: &ScalarOpIr, terms: impl Fn(f64) -> (f64, f64)) -> Recorded<'_> {
    let (scale, shift) = terms(number(ir.rhs));
    Recorded { op: Scalar { scale, shift }.into(), inputs: vec![&ir.lhs], output: &ir.out }
}

fn reduce(reduction: Reduction, ir: &ReduceDimOpIr) -> Recorded<'_> {
    Recorded { op: Reduce::along(reduction, ir.axis).into(), inputs: vec![&ir.input], output: &ir.out }
}

fn number(scalar: ScalarIr) -> f64 {
    match scalar {
        ScalarIr::Float(v) => v,
        ScalarIr::Int(v) => v as f64,
        ScalarIr::UInt(v) => v as f64,
        ScalarIr::Bool(v) => f64::from(u8::from(v)),
    }
}

/// The parameters by name.
pub(crate) fn parameter_names(graph: &Graph) -> BTreeMap<String, NodeId> {
    graph.parameter_ids().into_iter().map(|id| (graph.node(id).name.clone(), id)).collect()
}
