//! The graph that remains at a setting, and the weights in order of importance.
use crate::analysis::{Analysis, Member, Site, near_of};
use crate::array::Array;
use crate::blocks::{Blocked, Layout};
use crate::density::Density;
use crate::error::{Error, Result};
use crate::extent::{Extent, Kept};
use crate::fact::{Dim, Fact};
use crate::graph::{Graph, NodeId, Value, Weights};
use crate::kind::SparsityKind;
use crate::near::Near;
use crate::operator::Operator;
use crate::operators::{Keep, Op, Then};
use crate::phase::Phase;
use crate::setting::{Choice, Setting, SiteId};
use crate::training::{Gradients, Loss};
use crate::work::Work;
use std::borrow::Cow;
use std::collections::BTreeMap;

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
        if let Some((site, kind)) = self.analysis.misfit(setting) {
            let fitting: Vec<&str> = site.kinds.iter().map(SparsityKind::name).collect();
            return Err(Error::new(&site.name, format!("{}, expected one of {fitting:?}", kind.name())));
        }
        self.analysis
            .kept(setting)
            .ok_or_else(|| Error::new("setting", format!("{} choices, expected {wanted}", setting.choices().len())))
    }

    /// What is left of a value at a setting.
    ///
    /// # Errors
    /// When the value does not exist, or the setting has not one choice a site.
    pub fn extent(&self, value: Value, setting: &Setting) -> Result<Extent> {
        Ok(self.extent_at(value, &self.kept(setting)?, self.graph.fact(value)?))
    }

    /// [`extent`](Self::extent) for the numbers of units kept at each site.
    fn extent_at(&self, value: Value, kept: &[usize], dense: &Fact) -> Extent {
        let mut flags: Vec<Option<Vec<bool>>> = vec![None; dense.rank()];
        for (site, member) in self.analysis.members_of(value) {
            let units = self.analysis.sites[site.0].units;
            if kept[site.0] < units {
                let all = || vec![true; dense.shape[member.axis].count()];
                let flags = flags[member.axis].get_or_insert_with(all);
                member.elements(kept[site.0]..units).for_each(|left_out| flags[left_out].fill(false));
            }
        }
        let kept = |(flags, dim): (Option<Vec<bool>>, &Dim)| match flags {
            Some(flags) => Kept::from_flags(&flags),
            None => Kept::all(dim.count()),
        };
        Extent::new(dense, flags.into_iter().zip(&dense.shape).map(kept).collect())
    }

    /// What is known of what a value keeps at a setting.
    ///
    /// # Errors
    /// When the value does not exist, or the setting has not one choice a site.
    pub fn kept_shape(&self, value: Value, setting: &Setting) -> Result<Fact> {
        Ok(self.extent(value, setting)?.left)
    }

    /// The graph without what `setting` leaves out: the first units of every site stay. Nodes keep their ids.
    ///
    /// # Errors
    /// When the setting has not one choice a site.
    pub fn shrink(&self, setting: &Setting) -> Result<Graph> {
        let kept = self.kept(setting)?;
        self.left(&kept, &self.less(setting, &kept))
    }

    /// [`shrink`](Self::shrink) for the numbers of units kept at each site, and what operators do less.
    fn left(&self, kept: &[usize], less: &BTreeMap<NodeId, Less>) -> Result<Graph> {
        let extent = |value: Value, kept: &[usize]| Ok(self.extent_at(value, kept, self.graph.fact(value)?));
        let mut graph = self.graph.clone();
        for id in self.graph.ids() {
            let node = self.graph.node(id);
            let (staying, keep) = self.leaving(id, kept)?;
            let inputs = node.inputs.iter().map(|&value| extent(value, kept)).collect::<Result<Vec<Extent>>>()?;
            let outputs = self.graph.outputs_of(id).map(|value| extent(value, &staying)).collect::<Result<Vec<_>>>()?;
            let mut op = node.op.clone();
            op.shrink(&inputs, &outputs);
            less.get(&id).iter().for_each(|less| less.apply(&mut op));
            let op = match keep {
                Some(keep) => Then { first: Box::new(op), second: Box::new(keep.into()) }.into(),
                None => op,
            };
            let facts = op.infer(&graph.input_facts(id)).map_err(|error| error.at(&node.name))?;
            graph.replace(id, op, facts);
        }
        Ok(graph)
    }

    /// What is kept at each site before tokens leave at a node, and which of its tokens stay; none where no more leave than have left before.
    fn leaving<'a>(&self, id: NodeId, kept: &'a [usize]) -> Result<(Cow<'a, [usize]>, Option<Keep>)> {
        let nothing = (Cow::Borrowed(kept), None);
        let places = self.analysis.tokens();
        let Ok(at) = places.binary_search_by_key(&id, |&(node, _)| node) else { return Ok(nothing) };
        let site = places[at].1;
        let Site { units, members, .. } = &self.analysis.sites[site.0];
        let mut staying = kept.to_vec();
        staying[site.0] = *units;
        let value = Value { node: id, slot: 0 };
        let extent = |kept: &[usize]| Ok::<_, Error>(self.extent_at(value, kept, self.graph.fact(value)?));
        let (before, after) = (extent(&staying)?, extent(kept)?);
        let Some(&Member { axis, start, .. }) = members.iter().find(|member| member.value == value) else {
            return Ok(nothing);
        };
        let below = |extent: &Extent, at: usize| extent.kept[axis].count_below(at);
        let (from, to) = (below(&before, start), below(&before, start + units));
        let count = below(&after, start + units) - below(&after, start);
        let keep = Keep { axis, start: from, end: to, count };
        Ok((staying.into(), (count < to - from).then_some(keep)))
    }

    /// Work of what `setting` leaves, in one phase, for `batch` samples.
    ///
    /// # Errors
    /// When the setting has not one choice a site.
    pub fn work(&self, setting: &Setting, batch: usize, phase: Phase) -> Result<Work> {
        let graph = self.shrink(setting)?;
        let (blocked, gradients) = (self.analysis.blocked(), self.analysis.gradients());
        let within = |id: NodeId| {
            let weights = blocked.binary_search_by_key(&id, |(blocked, _)| blocked.layer).map(|at| blocked[at].1);
            let gradient = gradients.binary_search_by_key(&id, |(layer, _)| *layer).map(|at| gradients[at].1);
            [weights, gradient].into_iter().flatten().filter_map(|site| setting.choice(site))
        };
        let work = |id| {
            let dense = graph.work_of(id, batch, phase);
            within(id).fold(dense, |work, choice| choice.kind.work(work, choice.density, phase))
        };
        Ok(graph.ids().map(work).sum())
    }

    /// The layers of whose gradients a setting leaves out some, with how many outputs it keeps of those that the axes leave: the ones with the largest
    /// gradients, summed over all rows and pixels.
    ///
    /// # Errors
    /// When the setting has not one choice a site.
    pub fn tops(&self, setting: &Setting) -> Result<BTreeMap<NodeId, usize>> {
        let kept = self.kept(setting)?;
        let thinned = |&(layer, site): &(NodeId, SiteId)| {
            let Choice { kind, density } = setting.choice(site).filter(|choice| choice.density < Density::FULL)?;
            let output = Value { node: layer, slot: 0 };
            let left = self.extent_at(output, &kept, self.graph.fact(output).ok()?).left;
            let outputs = left.shape.get(self.graph.node(layer).op.output_axis(left.rank()))?;
            Some((layer, kind.kept(outputs.count(), density)))
        };
        Ok(self.analysis.gradients().iter().filter_map(thinned).collect())
    }

    /// What a setting makes operators do less of, of what the axes leave: linear layers read some of their inputs, attentions compute some of their scores.
    fn less(&self, setting: &Setting, kept: &[usize]) -> BTreeMap<NodeId, Less> {
        let inputs = |&(layer, site): &(NodeId, SiteId)| {
            let Choice { kind, density } = setting.choice(site).filter(|choice| choice.density < Density::FULL)?;
            let input = *self.graph.inputs_of(layer).first()?;
            let left = self.extent_at(input, kept, self.graph.fact(input).ok()?).left;
            Some((layer, Less::Inputs(kind.kept(left.shape.last()?.count(), density))))
        };
        let scores = |&(attention, site): &(NodeId, SiteId)| {
            let Choice { kind, density } = setting.choice(site).filter(|choice| choice.density < Density::FULL)?;
            let keys = *self.graph.inputs_of(attention).get(1)?;
            let left = self.extent_at(keys, kept, self.graph.fact(keys).ok()?).left;
            let side = near_of(&self.graph, attention)?.side;
            let blocks = left.shape.iter().rev().nth(1)?.count().div_ceil(side);
            Some((attention, Less::Scores(Near { side, count: kind.kept(blocks, density) })))
        };
        let inputs = self.analysis.inputs().iter().filter_map(inputs);
        inputs.chain(self.analysis.scores().iter().filter_map(scores)).collect()
    }

    /// Units kept at each site where only tokens leave.
    fn kept_tokens(&self, kept: &[usize]) -> Vec<usize> {
        let mut of: Vec<usize> = self.analysis.sites.iter().map(|site| site.units).collect();
        self.analysis.tokens().iter().for_each(|(_, site)| of[site.0] = kept[site.0]);
        of
    }

    /// The gradients at a setting, of the weights that [`shrink_weights`](Self::shrink_weights) leaves: the definition of what it leaves out of gradients.
    ///
    /// # Errors
    /// When the setting has not one choice a site, or the loss does not fit the graph.
    pub fn gradients(&self, setting: &Setting, loss: Loss) -> Result<Gradients> {
        Gradients::thinned(&self.shrink(setting)?, loss, self.tops(setting)?)
    }

    /// The weights without what `setting` leaves out; zero where something is left out within those of a layer.
    ///
    /// # Errors
    /// When the setting has not one choice a site.
    pub fn shrink_weights(&self, weights: &Weights, setting: &Setting) -> Result<Weights> {
        let left = |(&node, array): (&NodeId, &Array)| {
            Ok((node, array.select(&self.extent(Value { node, slot: 0 }, setting)?.kept)))
        };
        let mut weights = weights.iter().map(left).collect::<Result<Weights>>()?;
        let thinned = |(_, site): &&(Blocked, SiteId)| setting.density(*site) < Density::FULL;
        let thinned: Vec<_> = self.analysis.blocked().iter().filter(thinned).collect();
        if thinned.is_empty() {
            return Ok(weights);
        }
        let graph = self.shrink(setting)?;
        for (blocked, site) in thinned {
            let Some(array) = weights.get_mut(&blocked.weight) else { continue };
            let layout = Layout::of(&graph.node(blocked.layer).op, array.shape());
            if let Some((layout, choice)) = layout.zip(setting.choice(*site)) {
                layout.mask(array, choice);
            }
        }
        Ok(weights)
    }

    /// The outputs of the dense graph with everything that `setting` leaves out set to zero: the definition of a setting. Tokens that leave, and what is not
    /// read, are no zeros: that graph already does without them.
    ///
    /// # Errors
    /// When a value is missing or does not fit, or the setting has not one choice a site.
    pub fn eval_masked(&self, weights: &Weights, inputs: &[Array], setting: &Setting) -> Result<Vec<Array>> {
        let kept = self.kept(setting)?;
        let tokens = self.kept_tokens(&kept);
        let blocks = self.block_masks(weights, setting)?;
        self.left(&tokens, &self.less(setting, &kept))?.eval_with(weights, inputs, |value, array| {
            let Ok(dense) = self.graph.fact(value) else { return array };
            let extent = |kept: &[usize]| self.extent_at(value, kept, dense);
            let mut array = masked(array, &extent(&kept).within(&extent(&tokens)));
            if let Some(mask) = blocks.get(&value.node) {
                array
                    .data_mut()
                    .iter_mut()
                    .zip(mask.data())
                    .filter(|(_, keep)| **keep == 0.0)
                    .for_each(|(v, _)| *v = 0.0);
            }
            array
        })
    }

    /// For the weights of every layer that `setting` thins out within, one where a weight is left and zero where not. Blocks are chosen among what
    /// the setting leaves of the axes.
    fn block_masks(&self, weights: &Weights, setting: &Setting) -> Result<Weights> {
        let chosen = self.analysis.blocked().iter().filter(|(_, site)| setting.density(*site) < Density::FULL);
        let chosen: Vec<NodeId> = chosen.map(|(blocked, _)| blocked.weight).collect();
        let of_layers = |(id, _): &(&NodeId, &Array)| chosen.contains(*id);
        let weights: Weights = weights.iter().filter(of_layers).map(|(id, array)| (*id, array.clone())).collect();
        let left = self.shrink_weights(&weights, setting)?;
        let spread = |(node, array): (NodeId, Array)| {
            let extent = self.extent(Value { node, slot: 0 }, setting)?;
            Ok((node, spread(&array, &extent)))
        };
        left.into_iter().map(spread).collect()
    }

    /// Importance of each unit of a site: the sum of the magnitudes of all weights that leave with it.
    pub fn importance(&self, site: &Site, weights: &Weights) -> Vec<f64> {
        let mut scores = vec![0.0; site.units];
        for member in &site.members {
            let Some(array) = weights.get(&member.value.node) else { continue };
            let (inner, length) = (inner(array, member.axis), array.shape()[member.axis]);
            let units = units(member, site.units, length);
            for (i, weight) in array.data().iter().enumerate() {
                if let Some(unit) = units[i / inner % length] {
                    scores[unit] += f64::from(weight.abs());
                }
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
                    *array = reordered(array, member, &order);
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

/// What an operator does less of.
enum Less {
    /// Only so many inputs of each row count.
    Inputs(usize),
    /// Only these scores are computed.
    Scores(Near),
}

impl Less {
    fn apply(&self, op: &mut Op) {
        match (self, op) {
            (&Self::Inputs(count), Op::Linear(linear)) => {
                linear.active = Some(linear.active.map_or(count, |before| before.min(count)));
            }
            (&Self::Scores(near), Op::Attention(attention)) => attention.near = Some(near),
            _ => {}
        }
    }
}

/// The array with everything set to zero that is not left.
fn masked(mut array: Array, extent: &Extent) -> Array {
    for (axis, (kept, dim)) in extent.kept.iter().zip(&extent.dense.shape).enumerate() {
        let count = dim.count();
        if kept.count() == count {
            continue;
        }
        let mut flags = vec![false; count];
        kept.indices().for_each(|at| flags[at] = true);
        let (inner, length) = (inner(&array, axis), array.shape()[axis]);
        let left_out = |i: usize| !flags[i / inner % length % count];
        array.data_mut().iter_mut().enumerate().filter(|(i, _)| left_out(*i)).for_each(|(_, v)| *v = 0.0);
    }
    array
}

/// Ones where what is left of an array is not zero, at their places in the dense array; zeros elsewhere.
fn spread(left: &Array, extent: &Extent) -> Array {
    let kept: Vec<Vec<usize>> = extent.kept.iter().map(|kept| kept.indices().collect()).collect();
    let mut dense = Array::full(&extent.dense.shape_at(1), 0.0);
    let strides: Vec<usize> = (0..kept.len()).map(|axis| inner(&dense, axis)).collect();
    for (i, _) in left.data().iter().enumerate().filter(|(_, v)| **v != 0.0) {
        let at = |axis: usize| kept[axis][i / inner(left, axis) % left.shape()[axis]] * strides[axis];
        dense.data_mut()[(0..kept.len()).map(at).sum::<usize>()] = 1.0;
    }
    dense
}

/// Elements between neighbours on an axis.
fn inner(array: &Array, axis: usize) -> usize {
    array.shape()[axis + 1..].iter().product()
}

/// The unit of each element of an axis of `length` elements.
fn units(member: &Member, units: usize, length: usize) -> Vec<Option<usize>> {
    let mut of = vec![None; length];
    for unit in 0..units {
        member.elements(unit..unit + 1).for_each(|elements| of[elements].fill(Some(unit)));
    }
    of
}

/// The array with the units of a member in the order given: a permutation of the units.
fn reordered(array: &Array, member: &Member, order: &[usize]) -> Array {
    let mut source: Vec<usize> = (0..array.shape()[member.axis]).collect();
    for (to, &from) in order.iter().enumerate() {
        let pairs = member.elements(to..to + 1).zip(member.elements(from..from + 1));
        pairs.flat_map(|(to, from)| to.zip(from)).for_each(|(to, from)| source[to] = from);
    }
    Array::from_fn(array.shape(), |index| {
        let mut from = index.to_vec();
        from[member.axis] = source[index[member.axis]];
        array.at(&from)
    })
}
