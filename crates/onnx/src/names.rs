//! The names that weights had before they were exported.
use crate::proto::{Entry, GraphDef, ModelDef, NodeDef};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// How often each initializer is read, and what PyTorch's exporters noted about parameters.
///
/// They fold transpositions and norms into anonymous initializers (`val_12`, `onnx::Conv_12`), and let equal ones share a name. Which parameters a
/// node came from stands in its metadata: `pkg.torch.onnx.fx_node` lists the placeholders, and the exported program's signature says what they
/// stand for. The older exporter has no metadata, but calls nodes after the modules that they stand for.
#[derive(Default)]
pub(crate) struct Names<'a> {
    uses: BTreeMap<&'a str, usize>,
    /// What is added to a value, by the value's name, where that is a bias.
    biases: BTreeMap<&'a str, &'a str>,
    /// What placeholders stand for, and after which of the others the module has it.
    targets: BTreeMap<&'a str, Target<'a>>,
    originals: BTreeSet<&'a str>,
}

/// A parameter or statistic of the exported module.
#[derive(Clone, Copy)]
struct Target<'a> {
    name: &'a str,
    before: Option<&'a str>,
}

impl<'a> Names<'a> {
    pub(crate) fn of_model(model: &ModelDef<'a>, graph: &GraphDef<'a>) -> Self {
        let signature = |entry: &&Entry<'a>| entry.key == "pkg.torch.export.ExportedProgram.graph_signature";
        let entries = model.metadata.iter().chain(&graph.metadata).filter(signature);
        let mut before = None;
        let mut next = |(placeholder, name)| (placeholder, Target { name, before: before.replace(name) });
        let targets: BTreeMap<_, _> =
            entries.flat_map(|entry| entry.value.lines()).filter_map(target).map(&mut next).collect();
        let originals = targets.values().map(|target| target.name).collect();
        Self { uses: BTreeMap::new(), biases: graph.nodes.iter().filter_map(bias).collect(), targets, originals }
    }

    /// Counts one more reader of `name`.
    pub(crate) fn read(&mut self, name: &'a str) {
        *self.uses.entry(name).or_default() += 1;
    }

    /// Whether several operators read it.
    pub(crate) fn is_shared(&self, name: &str) -> bool {
        self.uses.get(name).is_some_and(|&uses| uses > 1)
    }

    /// Name of the weights that input `i` of `node` was before the export; `stored` when that is not known.
    pub(crate) fn of(&self, node: &NodeDef<'a>, i: usize, stored: &'a str) -> Cow<'a, str> {
        if stored.starts_with(ANONYMOUS) {
            return self.in_module(node, i).map_or(Cow::Borrowed(stored), Cow::Owned);
        }
        Cow::Borrowed(self.noted(node, i, stored))
    }

    /// Name of anonymous weights: beside the bias that is added to their product, or else after the module that the node is called after.
    fn in_module(&self, node: &NodeDef<'a>, i: usize) -> Option<String> {
        let of_layer = |part: &str| in_scope(node.name, part).filter(|name| self.is_of_layer(name));
        match (node.operator, i) {
            ("MatMul" | "Gemm", 1) => self.beside_bias(node).or_else(|| of_layer("weight")),
            ("Conv" | "ConvTranspose", 1) => of_layer("weight"),
            ("Conv" | "ConvTranspose" | "Gemm", 2) => of_layer("bias"),
            _ => None,
        }
    }

    fn beside_bias(&self, node: &NodeDef<'a>) -> Option<String> {
        let bias = self.biases.get(node.outputs.first()?)?;
        let weights = format!("{}weight", bias.strip_suffix("bias")?);
        (!self.uses.contains_key(weights.as_str())).then_some(weights)
    }

    /// Whether the module of these weights may be a layer: it has no others in the file than a bias.
    fn is_of_layer(&self, weights: &str) -> bool {
        let Some((module, part)) = weights.rsplit_once('.') else { return false };
        let prefix = format!("{module}.");
        let mut others = self.uses.range(prefix.as_str()..).map_while(|(name, _)| name.strip_prefix(prefix.as_str()));
        others.all(|other| other != part && matches!(other, "weight" | "bias"))
    }

    fn noted(&self, node: &NodeDef<'a>, i: usize, stored: &'a str) -> &'a str {
        if !self.is_shared(stored) && self.originals.contains(stored) {
            return stored;
        }
        let parameters: Vec<Target<'a>> = node.origin.map(|origin| self.parameters(origin)).unwrap_or_default();
        let found = match node.operator {
            "MatMul" => parameters.first(),
            "Add" => parameters.get(1),
            _ => i.checked_sub(1).and_then(|i| parameters.get(i)),
        };
        match found {
            Some(norm) if i == 1 && is_folded_norm(node) => self.merged(norm.before, stored),
            Some(target) => target.name,
            None => stored,
        }
    }

    /// Name of the weights into which a norm was folded: those that the module has before the norm's own, if the file has no others of that name.
    fn merged(&self, before: Option<&'a str>, stored: &'a str) -> &'a str {
        before.filter(|name| !self.uses.contains_key(name)).unwrap_or(stored)
    }

    /// The parameters that a node of the exported program reads, in order.
    fn parameters(&self, origin: &'a str) -> Vec<Target<'a>> {
        let placeholders = origin.split('%').skip(2).map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            &rest[..end]
        });
        placeholders.filter_map(|placeholder| self.targets.get(placeholder).copied()).collect()
    }
}

/// How the names begin that the older exporter gives to what it folded.
const ANONYMOUS: &str = "onnx::";

/// The bias that a sum adds, by the name of what it is added to.
fn bias<'a>(node: &NodeDef<'a>) -> Option<(&'a str, &'a str)> {
    match (node.operator, &*node.inputs) {
        ("Add", &[made, bias]) if bias.ends_with("bias") => Some((made, bias)),
        ("Add", &[bias, made]) if bias.ends_with("bias") => Some((made, bias)),
        _ => None,
    }
}

/// The parameter `part` of the module that a node is called after: `/a/a.0/conv/Conv` stands in `a.0.conv`.
fn in_scope(node: &str, part: &str) -> Option<String> {
    let (scope, _) = node.strip_prefix('/')?.rsplit_once('/')?;
    let mut path: Vec<&str> = Vec::new();
    for name in scope.split('/') {
        let is_child =
            path.last().is_some_and(|parent| name.strip_prefix(*parent).is_some_and(|rest| rest.starts_with('.')));
        if is_child {
            path.pop();
        }
        path.push(name);
    }
    path.push(part);
    Some(path.join("."))
}

/// Whether a node came from a norm, and is none.
fn is_folded_norm(node: &NodeDef<'_>) -> bool {
    node.operator != "BatchNormalization" && node.origin.is_some_and(|origin| origin.contains("batch_norm"))
}

/// `p_fc_weight: PARAMETER target='fc.weight'` says what a placeholder stands for; statistics are `BUFFER`s.
fn target(line: &str) -> Option<(&str, &str)> {
    let split = line.split_once(": PARAMETER target='").or_else(|| line.split_once(": BUFFER target='"));
    let (placeholder, rest) = split?;
    Some((placeholder.trim(), rest.split_once('\'')?.0))
}

#[cfg(test)]
mod tests {
    use super::Names;
    use crate::proto::{Entry, GraphDef, ModelDef, NodeDef};

    #[test]
    fn folded_and_shared_weights_get_their_names_back() {
        let value =
            "# inputs\np_fc_weight: PARAMETER target='fc.weight'\np_fc_bias: PARAMETER target='fc.bias'\nx: USER_INPUT";
        let key = "pkg.torch.export.ExportedProgram.graph_signature";
        let model = ModelDef { metadata: vec![Entry { key, value }], ..ModelDef::default() };
        let mut names = Names::of_model(&model, &GraphDef::default());
        let origin =
            Some("%linear : [num_users=1] = call_function[target=linear](args = (%x, %p_fc_weight, %p_fc_bias))");
        let node = |operator| NodeDef { operator, origin, ..NodeDef::default() };
        assert_eq!(names.of(&node("MatMul"), 1, "val_1"), "fc.weight");
        assert_eq!(names.of(&node("Add"), 1, "other.bias"), "fc.bias");
        assert_eq!(names.of(&node("Gemm"), 1, "fc.weight"), "fc.weight");
        names.read("fc.weight");
        names.read("fc.weight");
        assert_eq!(names.of(&node("Gemm"), 2, "fc.weight"), "fc.bias");
        assert_eq!(names.of(&NodeDef::default(), 1, "val_1"), "val_1");
    }

    #[test]
    fn what_the_older_exporter_folded_is_called_after_its_module() {
        let product =
            NodeDef { operator: "MatMul", name: "/layers.0/attn/MatMul", outputs: vec!["y"], ..NodeDef::default() };
        let sum = NodeDef { operator: "Add", inputs: vec!["layers.0.attn.in_proj_bias", "y"], ..NodeDef::default() };
        let graph = GraphDef { nodes: vec![product.clone(), sum], ..GraphDef::default() };
        let mut names = Names::of_model(&ModelDef::default(), &graph);
        assert_eq!(names.of(&product, 1, "onnx::MatMul_3"), "layers.0.attn.in_proj_weight");
        let conv = NodeDef { operator: "Conv", name: "/a/a.1/a.1.0/b/b.2/Conv", ..NodeDef::default() };
        assert_eq!(names.of(&conv, 1, "onnx::Conv_3"), "a.1.0.b.2.weight");
        assert_eq!(names.of(&conv, 2, "onnx::Conv_4"), "a.1.0.b.2.bias");
        assert_eq!(names.of(&conv, 1, "a.1.0.b.2.weight"), "a.1.0.b.2.weight");
        names.read("a.1.0.b.2.weight");
        assert_eq!(names.of(&conv, 1, "onnx::Conv_3"), "onnx::Conv_3");
    }

    #[test]
    fn what_a_module_computes_beside_its_layers_stays_anonymous() {
        let product = NodeDef { operator: "MatMul", name: "/attn/MatMul", ..NodeDef::default() };
        let mut names = Names::of_model(&ModelDef::default(), &GraphDef::default());
        assert_eq!(names.of(&product, 1, "onnx::MatMul_3"), "attn.weight");
        names.read("attn.proj.bias");
        assert_eq!(names.of(&product, 1, "onnx::MatMul_3"), "onnx::MatMul_3");
    }

    #[test]
    fn a_folded_norm_leads_to_the_weights_before_it() {
        let value = "p_a_weight: PARAMETER target='a.weight'\np_n_weight: PARAMETER target='n.weight'\n\
                     p_b_weight: PARAMETER target='b.weight'\np_m_weight: PARAMETER target='m.weight'";
        let key = "pkg.torch.export.ExportedProgram.graph_signature";
        let model = ModelDef { metadata: vec![Entry { key, value }], ..ModelDef::default() };
        let mut names = Names::of_model(&model, &GraphDef::default());
        names.read("a.weight");
        names.read("a.weight");
        let of =
            |origin| names.of(&NodeDef { operator: "Conv", origin: Some(origin), ..NodeDef::default() }, 1, "a.weight");
        assert_eq!(of("%n : call_function[target=batch_norm](args = (%conv, %p_n_weight, %p_n_bias))"), "a.weight");
        assert_eq!(of("%m : call_function[target=batch_norm](args = (%conv, %p_m_weight, %p_m_bias))"), "b.weight");
    }
}
