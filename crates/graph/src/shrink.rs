//! The graph that remains at a setting, and the weights in order of importance.
use crate::analysis::{Analysis, Site};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::extent::{Extent, Kept};
use crate::fact::Fact;
use crate::graph::{Graph, Value, Weights};
use crate::operator::Operator;
use crate::operators::Op;
use crate::setting::Setting;

/// A graph with its sites: what settings are made for.
#[derive(Clone, Debug, PartialEq)]
pub struct Elastic {
    graph: Graph,
    analysis: Analysis,
}

impl Elastic {
    /// Analyses `graph`.
    ///
    /// # Errors
    /// When the graph is not well-formed.
    pub fn new(graph: Graph) -> Result<Self> {
        let analysis = Analysis::of(&graph)?;
        Ok(Self { graph, analysis })
    }

    /// The dense graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Its sites.
    pub fn analysis(&self) -> &Analysis {
        &self.analysis
    }

    /// Units kept at each site.
    fn kept(&self, setting: &Setting) -> Result<Vec<usize>> {
        let wanted = self.analysis.sites.len();
        self.analysis
            .kept(setting)
            .ok_or_else(|| Error::new("setting", format!("{} choices, expected {wanted}", setting.choices().len())))
    }

    /// Elements of each axis that a value keeps at a setting, at a batch of one.
    ///
    /// # Errors
    /// When the value does not exist, or the setting has not one choice a site.
    pub fn kept_shape(&self, value: Value, setting: &Setting) -> Result<Fact> {
        let mut fact = self.graph.fact(value)?.clone();
        for (site, kept) in self.analysis.sites.iter().zip(self.kept(setting)?) {
            for member in site.members.iter().filter(|member| member.value == value) {
                fact.shape[member.axis] = fact.shape[member.axis].with_count(kept * member.block);
            }
        }
        Ok(fact)
    }

    /// The elements of each axis that a value keeps at a setting.
    ///
    /// # Errors
    /// When the value does not exist, or the setting has not one choice a site.
    pub fn extent(&self, value: Value, setting: &Setting) -> Result<Extent> {
        let dense = self.graph.fact(value)?;
        let left = self.kept_shape(value, setting)?;
        let kept = left.shape.iter().map(|dim| Kept::all(dim.count())).collect();
        Ok(Extent::new(dense, kept))
    }

    /// The graph without what `setting` leaves out: prefixes of all axes of all sites. Nodes keep their ids.
    ///
    /// # Errors
    /// When the setting has not one choice a site.
    pub fn shrink(&self, setting: &Setting) -> Result<Graph> {
        let mut graph = self.graph.clone();
        for id in self.graph.ids() {
            let node = self.graph.node(id);
            let extents = |values: &mut dyn Iterator<Item = Value>| {
                values.map(|value| self.extent(value, setting)).collect::<Result<Vec<Extent>>>()
            };
            let mut op = node.op.clone();
            op.shrink(&extents(&mut node.inputs.iter().copied())?, &extents(&mut self.graph.outputs_of(id))?);
            let facts = op.infer(&graph.input_facts(id)).map_err(|error| error.at(&node.name))?;
            graph.replace(id, op, facts);
        }
        Ok(graph)
    }

    /// The weights without what `setting` leaves out.
    ///
    /// # Errors
    /// When the setting has not one choice a site.
    pub fn shrink_weights(&self, weights: &Weights, setting: &Setting) -> Result<Weights> {
        weights
            .iter()
            .map(|(&node, array)| {
                let kept = self.kept_shape(Value { node, slot: 0 }, setting)?;
                Ok((node, array.prefix(&kept.shape_at(1))))
            })
            .collect()
    }

    /// The outputs of the dense graph with everything that `setting` leaves out set to zero: the definition of a setting.
    ///
    /// # Errors
    /// When a value is missing or does not fit, or the setting has not one choice a site.
    pub fn eval_masked(&self, weights: &Weights, inputs: &[Array], setting: &Setting) -> Result<Vec<Array>> {
        self.kept(setting)?;
        self.graph.eval_with(weights, inputs, |value, array| {
            let Ok(kept) = self.kept_shape(value, setting) else { return array };
            let full = self.graph.fact(value).map(|fact| fact.shape.clone()).unwrap_or_default();
            let limit = |((kept, full), &length): ((&crate::fact::Dim, &crate::fact::Dim), &usize)| {
                if kept == full { length } else { kept.count() }
            };
            let limits: Vec<usize> = kept.shape.iter().zip(&full).zip(array.shape()).map(limit).collect();
            array.masked_to_prefix(&limits)
        })
    }

    /// Importance of each unit of a site: the sum of the magnitudes of all weights that leave with it.
    pub fn importance(&self, site: &Site, weights: &Weights) -> Vec<f64> {
        let mut scores = vec![0.0; site.units];
        for member in &site.members {
            let Some(array) = weights.get(&member.value.node) else { continue };
            let inner: usize = array.shape()[member.axis + 1..].iter().product();
            let length = array.shape()[member.axis];
            for (i, weight) in array.data().iter().enumerate() {
                scores[i / inner % length / member.block] += f64::from(weight.abs());
            }
        }
        scores
    }

    /// The weights with the units of every site in order of falling importance. The dense graph computes the same as before.
    #[must_use]
    pub fn in_order_of_importance(&self, weights: &Weights) -> Weights {
        let mut ordered = weights.clone();
        for site in &self.analysis.sites {
            let scores = self.importance(site, weights);
            let mut order: Vec<usize> = (0..site.units).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            for member in &site.members {
                if let Some(array) = ordered.get_mut(&member.value.node) {
                    *array = array.permuted(member.axis, member.block, &order);
                }
            }
        }
        ordered
    }

    /// Whether constants of the graph lie on a sparse axis, so that reordering units would change what they mean.
    pub fn has_sparse_constants(&self) -> bool {
        let members = self.analysis.sites.iter().flat_map(|site| &site.members);
        members.into_iter().any(|m| matches!(self.graph.node(m.value.node).op, Op::Constant(_)))
    }
}
