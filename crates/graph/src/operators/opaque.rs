//! An operator that is not known.
use super::ensure;
use crate::array::Array;
use crate::error::{Error, Result};
use crate::fact::Fact;
use crate::graph::{Graph, Weights};
use crate::operator::Operator;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An operator that an importer does not know: it stands in the graph, promises nothing about its axes, and runs only by a definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opaque {
    /// Its name where it comes from.
    pub kind: String,
    /// Its attributes, as text.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// What is known of its outputs.
    pub facts: Vec<Fact>,
    /// What it computes, in operators that are known: a graph with its inputs and outputs, and without parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Box<Graph>>,
}

impl Operator for Opaque {
    fn name(&self) -> &'static str {
        "opaque"
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        if let Some(graph) = &self.definition {
            graph.check().map_err(|error| error.at(&self.kind))?;
            let wanted: Vec<&Fact> = graph.input_ids().iter().map(|&id| &graph.node(id).facts[0]).collect();
            ensure(wanted == inputs, "opaque", || format!("inputs do not fit the definition of `{}`", self.kind))?;
            let made = graph.outputs().iter().map(|&value| graph.fact(value).cloned()).collect::<Result<Vec<_>>>()?;
            ensure(made == self.facts, "opaque", || format!("outputs do not fit the definition of `{}`", self.kind))?;
        }
        Ok(self.facts.clone())
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let Some(graph) = &self.definition else {
            return Err(Error::new("opaque", format!("the operator `{}` is not known, and has no definition", self.kind)));
        };
        let inputs: Vec<Array> = inputs.iter().map(|&array| array.clone()).collect();
        graph.eval(&Weights::new(), &inputs).map_err(|error| error.at(&self.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, BTreeMap, Fact, Graph, Opaque, Operator};
    use crate::operators::{Unary, UnaryFunction};

    fn opaque(definition: Option<Box<Graph>>) -> Opaque {
        let facts = vec![Fact::fixed(&[2])];
        Opaque { kind: "Bernoulli".to_owned(), attributes: BTreeMap::new(), facts, definition }
    }

    #[test]
    fn without_a_definition_it_is_refused_by_its_name() {
        let error = opaque(None).eval(&[]).unwrap_err().to_string();
        assert!(error.contains("`Bernoulli`"), "{error}");
        assert!(opaque(None).axes(&[]).is_opaque());
    }

    #[test]
    fn with_a_definition_it_runs() {
        let mut graph = Graph::new("definition");
        let x = graph.input("x", Fact::fixed(&[2])).unwrap();
        let y = graph.add("y", Unary { function: UnaryFunction::Neg }, &[x]).unwrap();
        graph.set_outputs(vec![y]);
        let op = opaque(Some(Box::new(graph)));
        assert_eq!(op.infer(&[&Fact::fixed(&[2])]), Ok(vec![Fact::fixed(&[2])]));
        assert!(op.infer(&[&Fact::fixed(&[3])]).is_err());
        assert_eq!(op.eval(&[&Array::full(&[2], 3.0)]), Ok(vec![Array::full(&[2], -3.0)]));
    }
}
