//! From the messages of a file to a graph.
use crate::builder::Builder;
use crate::call::{Call, Operand, name_of};
use crate::element::Element;
use crate::error::{Error, ErrorKind, Result};
use crate::file::Beside;
use crate::fold::Fold;
use crate::names::Names;
use crate::operators;
use crate::options::Options;
use crate::proto::{AttributeDef, DimDef, Entry, GraphDef, ModelDef, NodeDef, TensorDef, ValueDef};
use crate::tensor::Tensor;
use std::collections::{BTreeMap, BTreeSet};
use supple_graph::operators::Opaque;
use supple_graph::rewrites::rewritten;
use supple_graph::{Dim, Fact, Graph, Value, Weights};

/// Deepest nesting of `If` in `If`.
const DEEPEST: usize = 32;
/// Elements that may be computed or copied beyond what stands in the file.
const ALLOWANCE: f64 = 4e6;

/// What is known by name in one graph, or in a branch of it.
type Scope<'a> = BTreeMap<&'a str, Operand<'a>>;

/// Reads a model whose external data stand in `beside`.
pub(crate) fn import<'a>(bytes: &'a [u8], beside: &'a Beside, options: &Options) -> Result<(Graph, Weights)> {
    let model = ModelDef::read(bytes)?;
    let graph = GraphDef::read(model.graph.ok_or_else(|| Error::malformed("no graph"))?)?;
    let mut names = Names::of_model(&model, &graph);
    reads(&graph, 0, &mut |name| names.read(name))?;
    let budget = ALLOWANCE + bytes.len() as f64;
    let mut builder = Builder::new(graph.name, budget);
    builder.reserved =
        graph.initializers.iter().map(|tensor| tensor.name).chain(graph.inputs.iter().map(|x| x.name)).collect();
    let (scopes, stated) = (Vec::new(), BTreeMap::new());
    let importer = Importer { opset: model.opset()?, names, builder, scopes, beside, options, batch: None, stated };
    importer.main(&graph)
}

/// The files beside the model that hold data of its initializers.
pub(crate) fn locations(bytes: &[u8]) -> Result<Vec<&str>> {
    let Some(graph) = ModelDef::read(bytes)?.graph else { return Ok(Vec::new()) };
    let graph = GraphDef::read(graph)?;
    let entries =
        graph.initializers.iter().filter(|tensor| tensor.is_external).flat_map(|tensor| tensor.external.clone());
    Ok(entries.filter(|entry| entry.key == "location").map(|entry| entry.value).collect())
}

struct Importer<'a, 'o> {
    opset: i64,
    names: Names<'a>,
    builder: Builder<'a>,
    scopes: Vec<Scope<'a>>,
    beside: &'a Beside,
    options: &'o Options,
    /// Name of the axis that is the batch.
    batch: Option<String>,
    /// What the file states of values, by name.
    stated: BTreeMap<&'a str, ValueDef<'a>>,
}

impl<'a> Importer<'a, '_> {
    fn main(mut self, graph: &GraphDef<'a>) -> Result<(Graph, Weights)> {
        let scope = self.initializers(graph)?;
        let inputs: Vec<&ValueDef<'a>> = graph.inputs.iter().filter(|input| !scope.contains_key(input.name)).collect();
        self.scopes.push(scope);
        self.batch = batch_name(&inputs);
        self.state(graph);
        for input in inputs {
            let fact = self.input_fact(input).map_err(|error| error.at_node(input.name, "input"))?;
            let value = self.builder.input(input.name, fact)?;
            self.bind(input.name, value.into());
        }
        self.nodes(graph)?;
        let outputs = graph.outputs.iter().map(|output| self.output(output.name)).collect::<Result<Vec<_>>>()?;
        if outputs.is_empty() {
            return Err(Error::malformed("a graph without outputs"));
        }
        self.builder.graph.set_outputs(outputs);
        Ok(rewritten(self.builder.graph, self.builder.weights)?)
    }

    fn output(&mut self, name: &'a str) -> Result<Value> {
        match self.find(name).cloned().ok_or_else(|| dangling(name))? {
            Operand::Made(value) => Ok(value),
            Operand::Known(tensor) => self.builder.shared_constant(name, &tensor),
        }
    }

    fn initializers(&self, graph: &GraphDef<'a>) -> Result<Scope<'a>> {
        let one = |def: &TensorDef<'a>| {
            let tensor = self.tensor(def).map_err(|error| error.at_node(def.name, "initializer"))?;
            Ok((def.name, tensor.named(def.name).into()))
        };
        graph.initializers.iter().map(one).collect()
    }

    /// A tensor of the file, its data possibly in another file.
    fn tensor(&self, def: &TensorDef<'a>) -> Result<Tensor<'a>> {
        if !def.is_external {
            return Tensor::of(def, None);
        }
        let entry = |key: &str| def.external.iter().find(|entry| entry.key == key).map(|entry: &Entry<'a>| entry.value);
        let number = |key: &str| {
            let text =
                entry(key).map(|text| text.parse::<usize>().map_err(|_| Error::malformed(format!("{key} = {text}"))));
            text.transpose()
        };
        let location =
            entry("location").ok_or_else(|| Error::malformed("data outside of the file, without a location"))?;
        let bytes = self.beside.bytes(location, number("offset")?.unwrap_or(0), number("length")?)?;
        Tensor::of(def, Some(bytes))
    }

    fn input_fact(&self, input: &ValueDef<'a>) -> Result<Fact> {
        let (data_type, shape) =
            input.tensor.as_ref().ok_or_else(|| Error::unsupported("an input that is no tensor"))?;
        let shape = shape.as_ref().ok_or_else(|| Error::new(ErrorKind::Unknown, "its number of axes is not stated"))?;
        let mut dims =
            shape.iter().enumerate().map(|(axis, &dim)| self.dim(input.name, axis, dim)).collect::<Result<Vec<_>>>()?;
        if let [first @ Dim::Fixed(1), _, ..] = &mut dims[..]
            && self.options.open_batch
        {
            *first = Dim::Batch(1);
        }
        Ok(Fact { dtype: Element::of(*data_type)?.dtype(), shape: dims })
    }

    /// Length of an axis of an input: stated in the file, by the options, or the batch.
    fn dim(&self, input: &str, axis: usize, dim: DimDef<'_>) -> Result<Dim> {
        if let DimDef::Length(length @ 1..) = dim {
            let length = usize::try_from(length).map_err(|_| Error::too_large(format!("a length of {length}")))?;
            return Ok(Dim::Fixed(length));
        }
        let name = dim_name(input, axis, dim);
        match self.options.lengths.get(&name) {
            Some(&length) => Ok(Dim::Fixed(length)),
            None if self.batch.as_deref() == Some(name.as_str()) => Ok(Dim::Batch(1)),
            None => Err(Error::new(
                ErrorKind::Unknown,
                format!("length `{name}` of axis {axis} is open; state it in the options"),
            )),
        }
    }
    /// Remembers what a graph states of its values.
    fn state(&mut self, graph: &GraphDef<'a>) {
        let values = graph.values.iter().chain(&graph.outputs);
        self.stated.extend(values.map(|value| (value.name, value.clone())));
    }

    fn nodes(&mut self, graph: &GraphDef<'a>) -> Result<()> {
        let live = live(graph)?;
        for (node, _) in graph.nodes.iter().zip(live).filter(|(_, is_live)| *is_live) {
            self.node(node).map_err(|error| error.at_node(name_of(node), node.operator))?;
        }
        Ok(())
    }

    fn node(&mut self, node: &NodeDef<'a>) -> Result<()> {
        let outputs = match (node.domain, node.operator) {
            ("" | "ai.onnx", "If") => self.branch(node)?,
            ("" | "ai.onnx", "Constant") => vec![self.constant(node)?],
            ("" | "ai.onnx", "Identity") if let Some(copy) = self.copy(node) => vec![copy],
            _ => self.convert(node)?,
        };
        for (&name, output) in node.outputs.iter().zip(outputs).filter(|(name, _)| !name.is_empty()) {
            self.bind(name, output);
        }
        Ok(())
    }

    /// Weights that share an initializer with others, under the name that a node gives them: PyTorch's older exporter leaves such nodes where
    /// parameters are equal.
    fn copy(&mut self, node: &NodeDef<'a>) -> Option<Operand<'a>> {
        let (&[stored], &[name]) = (&*node.inputs, &*node.outputs) else { return None };
        let Some(Operand::Known(tensor)) = self.find(stored).cloned() else { return None };
        let is_copy = tensor.weights == Some(stored) && self.names.is_shared(stored);
        (is_copy && self.builder.spend(tensor.len() as f64)).then(|| Tensor::clone(&tensor).named(name).into())
    }

    fn convert(&mut self, node: &NodeDef<'a>) -> Result<Vec<Operand<'a>>> {
        let inputs = node.inputs.iter().map(|name| self.operand(name)).collect::<Result<Vec<_>>>()?;
        let Some(convert) = operators::find(node.domain, node.operator) else { return self.opaque(node, &inputs) };
        let (opset, names) = (self.opset, &self.names);
        let fold = Fold { node, opset, inputs: &inputs, names };
        if let Some(outputs) = fold.run(convert, &mut self.builder.budget)? {
            return Ok(outputs);
        }
        let builder = &mut self.builder;
        convert(&mut Call { node, opset, inputs: &inputs, names, builder, positions: None })
    }

    /// An operator that is not known, for which the file states what comes out.
    fn opaque(&mut self, node: &NodeDef<'a>, inputs: &[Option<Operand<'a>>]) -> Result<Vec<Operand<'a>>> {
        let facts = node.outputs.iter().map(|name| self.stated_fact(name)).collect::<Result<Vec<_>>>()?;
        let attributes = node.attributes.iter().map(|attribute| (attribute.name.to_owned(), attribute.to_text()));
        let kind = if node.domain.is_empty() {
            node.operator.to_owned()
        } else {
            format!("{}.{}", node.domain, node.operator)
        };
        let op = Opaque { kind, attributes: attributes.collect(), facts, definition: None };
        let (opset, names, builder) = (self.opset, &self.names, &mut self.builder);
        let mut call = Call { node, opset, inputs, names, builder, positions: None };
        let given: Vec<usize> = (0..inputs.len()).filter(|&i| call.has(i)).collect();
        let values = given.into_iter().map(|i| call.value(i)).collect::<Result<Vec<_>>>()?;
        let first = call.finish(op, &values)?;
        Ok((0..node.outputs.len()).map(|slot| Value { slot, ..first }.into()).collect())
    }

    /// What the file states of a value.
    fn stated_fact(&self, name: &str) -> Result<Fact> {
        let unknown =
            || Error::unsupported(format!("this operator is not known, and the shape of `{name}` is not stated"));
        let (data_type, shape) = self.stated.get(name).and_then(|value| value.tensor.as_ref()).ok_or_else(unknown)?;
        let dims = shape.iter().flatten().enumerate();
        let shape = dims.map(|(axis, &dim)| self.dim(name, axis, dim).map_err(|_| unknown())).collect::<Result<_>>()?;
        Ok(Fact { dtype: Element::of(*data_type).map_err(|_| unknown())?.dtype(), shape })
    }

    fn operand(&self, name: &str) -> Result<Option<Operand<'a>>> {
        let found = || self.find(name).cloned().ok_or_else(|| dangling(name));
        (!name.is_empty()).then(found).transpose()
    }

    /// What a name stands for, looked up from the innermost branch outwards.
    fn find(&self, name: &str) -> Option<&Operand<'a>> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name))
    }

    fn bind(&mut self, name: &'a str, operand: Operand<'a>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name, operand);
        }
    }

    /// The branch of an `If` that a known condition chooses, in its place.
    fn branch(&mut self, node: &NodeDef<'a>) -> Result<Vec<Operand<'a>>> {
        let name = node.inputs.first().copied().unwrap_or_default();
        let condition = match self.operand(name)? {
            Some(Operand::Known(tensor)) => tensor.scalar()?,
            _ => None,
        };
        let condition = condition
            .ok_or_else(|| Error::unsupported(format!("condition `{name}` is not known before the graph runs")))?;
        let branch = if condition == 0.0 { "else_branch" } else { "then_branch" };
        let bytes = node.attribute(branch).and_then(|attribute| attribute.graph);
        let graph = GraphDef::read(bytes.ok_or_else(|| Error::malformed(format!("no {branch}")))?)?;
        if self.scopes.len() > DEEPEST {
            return Err(too_deep());
        }
        let scope = self.initializers(&graph)?;
        self.scopes.push(scope);
        self.state(&graph);
        self.nodes(&graph)?;
        let outputs =
            graph.outputs.iter().map(|output| self.operand(output.name)?.ok_or_else(|| dangling(output.name)));
        let outputs = outputs.collect::<Result<Vec<_>>>()?;
        self.scopes.pop();
        Ok(outputs)
    }

    /// The value of a `Constant`, in one of the forms that an attribute may give it.
    fn constant(&self, node: &NodeDef<'a>) -> Result<Operand<'a>> {
        let attribute = node.attributes.first().ok_or_else(|| Error::malformed("no value"))?;
        let whole = |numbers: &[i64]| numbers.iter().map(|&number| number.into()).collect();
        let tensor = match attribute.name {
            "value" => self.tensor(attribute.tensor.as_ref().ok_or_else(|| Error::malformed("no tensor"))?)?,
            "value_int" => Tensor::numbers(Vec::new(), whole(&[attribute.int.unwrap_or_default()])),
            "value_ints" => Tensor::numbers(vec![attribute.ints.len()], whole(&attribute.ints)),
            "value_float" => Tensor::floats(Vec::new(), vec![attribute.float.unwrap_or_default()]),
            "value_floats" => Tensor::floats(vec![attribute.floats.len()], attribute.floats.clone()),
            other => return Err(Error::unsupported(format!("a constant given as {other}"))),
        };
        Ok(tensor.into())
    }
}

fn dangling(name: &str) -> Error {
    Error::malformed(format!("`{name}` is made by nothing before it is used"))
}

fn too_deep() -> Error {
    Error::too_large(format!("branches nested deeper than {DEEPEST}"))
}

/// The name of the batch: that of the first leading axis whose length is open.
fn batch_name(inputs: &[&ValueDef<'_>]) -> Option<String> {
    inputs.iter().find_map(|input| {
        let &dim = input.tensor.as_ref()?.1.as_ref()?.first()?;
        (!matches!(dim, DimDef::Length(1..))).then(|| dim_name(input.name, 0, dim))
    })
}

fn dim_name(input: &str, axis: usize, dim: DimDef<'_>) -> String {
    match dim {
        DimDef::Name(name) if !name.is_empty() => name.to_owned(),
        _ => format!("{input}[{axis}]"),
    }
}

/// Calls `visit` with every name that the nodes of a graph read, those in branches included.
fn reads<'a>(graph: &GraphDef<'a>, depth: usize, visit: &mut dyn FnMut(&'a str)) -> Result<()> {
    graph.nodes.iter().try_for_each(|node| node_reads(node, depth, visit))
}

fn node_reads<'a>(node: &NodeDef<'a>, depth: usize, visit: &mut dyn FnMut(&'a str)) -> Result<()> {
    node.inputs.iter().for_each(|name| visit(name));
    for branch in node.attributes.iter().filter_map(|attribute: &AttributeDef<'a>| attribute.graph) {
        if depth >= DEEPEST {
            return Err(too_deep());
        }
        let branch = GraphDef::read(branch)?;
        reads(&branch, depth + 1, visit)?;
        branch.outputs.iter().for_each(|output| visit(output.name));
    }
    Ok(())
}

/// Which nodes the outputs need.
fn live(graph: &GraphDef<'_>) -> Result<Vec<bool>> {
    let mut needed: BTreeSet<&str> = graph.outputs.iter().map(|output| output.name).collect();
    let mut live = vec![false; graph.nodes.len()];
    for (node, is_live) in graph.nodes.iter().zip(&mut live).rev() {
        *is_live = node.outputs.iter().any(|output| needed.contains(output));
        if *is_live {
            node_reads(node, 0, &mut |name| {
                needed.insert(name);
            })?;
        }
    }
    Ok(live)
}
