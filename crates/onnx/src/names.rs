//! The names that weights had before they were exported.
use crate::proto::{Entry, GraphDef, ModelDef, NodeDef};
use std::collections::{BTreeMap, BTreeSet};

/// How often each initializer is read, and what PyTorch's exporter noted about parameters.
///
/// That exporter folds transpositions into anonymous initializers (`val_12`), and lets equal ones share a name. Which parameters a node came
/// from stands in its metadata: `pkg.torch.onnx.fx_node` lists the placeholders, and the exported program's signature says what they stand for.
#[derive(Default)]
pub(crate) struct Names<'a> {
    uses: BTreeMap<&'a str, usize>,
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
        Self { uses: BTreeMap::new(), targets, originals }
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
    pub(crate) fn of(&self, node: &NodeDef<'a>, i: usize, stored: &'a str) -> &'a str {
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
