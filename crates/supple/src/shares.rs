//! What of a graph's work falls to its sites, phase by phase.
use supple_graph::{Graph, NodeId, Op, Phase, Site, Within};

/// The work of every operator, for one sample.
#[derive(Clone, Debug)]
pub struct Shares {
    /// Floating-point operations of each node in each phase.
    flops: Vec<[f64; 4]>,
    total: [f64; 4],
    /// The nodes that read each node's value, for weights.
    readers: Vec<Vec<NodeId>>,
}

impl Shares {
    /// Works them out.
    pub fn of(graph: &Graph) -> Self {
        let flops: Vec<[f64; 4]> =
            graph.ids().map(|id| Phase::ALL.map(|phase| graph.work_of(id, 1, phase).flops)).collect();
        let mut total = [0.0; 4];
        flops.iter().for_each(|node| total.iter_mut().zip(node).for_each(|(sum, flops)| *sum += flops));
        let mut readers = vec![Vec::new(); graph.len()];
        for id in graph.ids() {
            let sources = graph.inputs_of(id).iter().map(|value| value.node);
            let weights = sources.filter(|&source| matches!(graph.node(source).op, Op::Parameter(_)));
            weights.for_each(|source| readers[source.0].push(id));
        }
        Self { flops, total, readers }
    }

    /// Floating-point operations of all operators in a phase.
    pub fn total(&self, phase: Phase) -> f64 {
        self.total[phase as usize]
    }

    /// What one operator does of all forward work, 0 to 1.
    pub fn of_node(&self, id: NodeId) -> f64 {
        part(self.flops[id.0][0], self.total[0])
    }

    /// What the operators that read the site's weights, or compute its tokens, do of all work in each phase, 0 to 1.
    pub fn of_site(&self, site: &Site) -> [f64; 4] {
        let readers = site.members.iter().flat_map(|member| &self.readers[member.value.node.0]).copied();
        let tokens = matches!(site.within, Some(Within::Tokens(_)));
        let own = site.members.iter().filter(|_| tokens).map(|member| member.value.node);
        let mut touched: Vec<NodeId> = readers.chain(own).chain(site.layer()).collect();
        touched.sort_unstable();
        touched.dedup();
        let mut sum = [0.0; 4];
        for id in touched {
            sum.iter_mut().zip(self.flops[id.0]).for_each(|(sum, flops)| *sum += flops);
        }
        let is_touched = |phase: Phase| site.has_weights() || site.saves(phase);
        Phase::ALL.map(|phase| {
            let flops = if is_touched(phase) { sum[phase as usize] } else { 0.0 };
            part(flops, self.total[phase as usize])
        })
    }
}

fn part(flops: f64, total: f64) -> f64 {
    if total > 0.0 { flops / total } else { 0.0 }
}
