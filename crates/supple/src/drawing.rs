//! An analysed graph as a picture: what stands where, and which site it belongs to.
pub mod dot;
pub mod page;

use serde::Serialize;
use std::collections::BTreeMap;
use supple_graph::{Analysis, Graph, NodeId, Op, Operator};

/// The most operators that are drawn.
pub const LIMIT: usize = 20_000;

/// Distances between operators, in pixels.
const STEP: [f64; 2] = [190.0, 64.0];

/// An operator in the picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drawn {
    /// Its name.
    pub name: String,
    /// What it computes.
    pub op: &'static str,
    /// Shapes of its outputs.
    pub shape: String,
    /// Names of the weights that it reads.
    pub weights: Vec<String>,
    /// Sites, by index, that its outputs and weights belong to; those of its outputs first.
    pub sites: Vec<usize>,
    /// Multiply-adds as part of those of the graph, 0 to 1.
    pub share: f64,
    /// Where it stands, in pixels.
    pub at: [f64; 2],
}

/// Operators and who reads whom, without weights and constants.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drawing {
    /// The operators, in an order in which they can run.
    pub nodes: Vec<Drawn>,
    /// Indices of an operator and of one that reads it.
    pub edges: Vec<[usize; 2]>,
}

impl Drawing {
    /// The picture of a graph; `share` is what an operator does of all the work.
    pub fn of(graph: &Graph, analysis: &Analysis, share: impl Fn(NodeId) -> f64) -> Self {
        let shown: Vec<NodeId> = graph.ids().filter(|&id| is_shown(&graph.node(id).op)).collect();
        let index: BTreeMap<NodeId, usize> = shown.iter().enumerate().map(|(i, &id)| (id, i)).collect();
        let edges: Vec<[usize; 2]> = shown
            .iter()
            .flat_map(|&id| graph.inputs_of(id).iter().map(move |value| (value.node, id)))
            .filter_map(|(from, to)| Some([*index.get(&from)?, index[&to]]))
            .collect();
        let sites = sites_by_node(analysis);
        let places = places(shown.len(), &edges);
        let drawn = |(&id, at): (&NodeId, [f64; 2])| drawn(graph, id, &sites, share(id), at);
        Self { nodes: shown.iter().zip(places).map(drawn).collect(), edges }
    }
}

fn is_shown(op: &Op) -> bool {
    !matches!(op, Op::Parameter(_) | Op::Constant(_))
}

fn sites_by_node(analysis: &Analysis) -> BTreeMap<NodeId, Vec<usize>> {
    let mut found: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    for (at, site) in analysis.sites.iter().enumerate() {
        let nodes = site.members.iter().map(|member| member.value.node);
        for node in nodes.chain(site.layer()) {
            let sites = found.entry(node).or_default();
            if sites.last() != Some(&at) {
                sites.push(at);
            }
        }
    }
    found
}

fn drawn(graph: &Graph, id: NodeId, sites: &BTreeMap<NodeId, Vec<usize>>, share: f64, at: [f64; 2]) -> Drawn {
    let node = graph.node(id);
    let sources = graph.inputs_of(id).iter().map(|value| value.node);
    let weights: Vec<NodeId> = sources.filter(|&id| matches!(graph.node(id).op, Op::Parameter(_))).collect();
    let mut own: Vec<usize> = Vec::new();
    for site in std::iter::once(&id).chain(&weights).filter_map(|id| sites.get(id)).flatten() {
        if !own.contains(site) {
            own.push(*site);
        }
    }
    Drawn {
        name: node.name.clone(),
        op: node.op.name(),
        shape: node.facts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        weights: weights.into_iter().map(|id| graph.node(id).name.clone()).collect(),
        sites: own,
        share,
        at,
    }
}

/// Each operator one row below the lowest that it reads; within a row, as near as can be to the middle of these.
fn places(count: usize, edges: &[[usize; 2]]) -> Vec<[f64; 2]> {
    let mut reads = vec![Vec::new(); count];
    edges.iter().for_each(|&[from, to]| reads[to].push(from));
    let mut row = vec![0usize; count];
    let mut rows: Vec<Vec<usize>> = Vec::new();
    for at in 0..count {
        row[at] = reads[at].iter().map(|&from| row[from] + 1).max().unwrap_or(0);
        if rows.len() <= row[at] {
            rows.resize(row[at] + 1, Vec::new());
        }
        rows[row[at]].push(at);
    }
    let mut x = vec![0.0f64; count];
    for members in &rows {
        let middle = |at: usize, x: &[f64]| {
            let sum: f64 = reads[at].iter().map(|&from| x[from]).sum();
            sum / reads[at].len().max(1) as f64
        };
        let mut wanted: Vec<(f64, usize)> = members.iter().map(|&at| (middle(at, &x), at)).collect();
        wanted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mean = wanted.iter().map(|(at, _)| at).sum::<f64>() / wanted.len() as f64;
        let mut left = f64::NEG_INFINITY;
        for (at, node) in &wanted {
            x[*node] = at.max(left);
            left = x[*node] + STEP[0];
        }
        let drift = wanted.iter().map(|(_, node)| x[*node]).sum::<f64>() / wanted.len() as f64 - mean;
        wanted.iter().for_each(|(_, node)| x[*node] -= drift);
    }
    x.into_iter().zip(row).map(|(x, row)| [x, row as f64 * STEP[1]]).collect()
}

/// The colour of a site, as hue in degrees: neighbours are a golden angle apart.
pub fn hue(site: usize) -> f64 {
    (site as f64 * 137.508) % 360.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_stand_below_what_they_read_and_nothing_overlaps() {
        let edges = [[0, 1], [0, 2], [0, 3], [1, 4], [2, 4], [0, 4], [4, 5]];
        let places = places(6, &edges);
        assert!(edges.iter().all(|&[from, to]| places[from][1] < places[to][1]));
        for (i, a) in places.iter().enumerate() {
            assert!(places[i + 1..].iter().all(|b| a[1] != b[1] || (a[0] - b[0]).abs() >= STEP[0] - 1e-9));
        }
    }
}
