//! The weights of a layer in order of importance: every density is a prefix.
use crate::error::Error;
use crate::layer::Layer;
use crate::pattern::{Blocks, Shape};
use std::ops::Range;

/// Outputs of the tallest block.
const TALLEST: usize = 16;

/// In which order the blocks of a row are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The most important first: any number of them is a prefix.
    Importance,
    /// First the most important of every `m` consecutive positions, then the second of each, and so on: `n` of `m` is the prefix of `n / m`. Of fewer than
    /// `m` positions at the end, it is as large a part of these, rounded up.
    OfEach(usize),
}

/// The blocks that one density keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Outputs of a block.
    pub height: usize,
    /// Which blocks of a row come first.
    pub order: Order,
    /// How many of them are kept.
    pub kept: usize,
}

/// Blocks of a layer's weights, stored once. Where all are there, each row in order of importance, a density is a prefix of every row.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    shape: Shape,
    height: usize,
    stored: usize,
    positions: Vec<u16>,
    values: Vec<f32>,
}

impl Pack {
    /// Packs the dense weights of `layer`, the importance of a block being the sum of the magnitudes of its `scores`, which lie as the weights do
    /// (and may be the weights). Blocks of equal importance keep their order.
    ///
    /// # Errors
    /// When weights or scores are not as long as the layer needs, its positions do not fit 16 bits, or the height is not one there are kernels for.
    pub fn new(layer: &Layer, weights: &[f32], scores: &[f32], height: usize, order: Order) -> Result<Self, Error> {
        if matches!(order, Order::OfEach(0)) {
            return Err(Error::new("pack", "n of 0"));
        }
        let stored = Shape::of(layer).positions;
        Self::build(layer, [weights, scores], [height, stored], |importance| sort(importance, order))
    }

    /// Packs the blocks of a cut alone, in an order that kernels like: what one density needs.
    ///
    /// # Errors
    /// As [`new`](Self::new); when there are not as many blocks.
    pub fn best(layer: &Layer, weights: &[f32], cut: Cut) -> Result<Self, Error> {
        let (stored, Cut { height, order, kept }) = (Shape::of(layer).positions, cut);
        if kept > stored || order == Order::OfEach(0) {
            return Err(Error::new("pack", format!("{cut:?} of {stored} blocks")));
        }
        let walk = walk(layer);
        let choose = |importance: &[f32]| along(&walk, &best(importance, order, kept));
        Self::build(layer, [weights, weights], [height, kept], choose)
    }

    /// Packs all weights in blocks of eight outputs, in an order that kernels like.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn whole(layer: &Layer, weights: &[f32]) -> Result<Self, Error> {
        const HEIGHT: usize = 8;
        let (shape, place) = (Shape::of(layer), Place::of(layer));
        let stored = shape.positions;
        check(layer, &shape, [weights, weights])?;
        let positions = walk(layer).repeat(shape.rows(HEIGHT));
        let mut this = Self { shape, height: HEIGHT, stored, positions, values: Vec::new() };
        this.values = this.gathered(place, weights);
        Ok(this)
    }

    fn build(
        layer: &Layer,
        [weights, scores]: [&[f32]; 2],
        [height, stored]: [usize; 2],
        choose: impl Fn(&[f32]) -> Vec<u16>,
    ) -> Result<Self, Error> {
        let shape = Shape::of(layer);
        check(layer, &shape, [weights, scores])?;
        Blocks::new(&[], height, 0, 0)?;
        let place = Place::of(layer);
        let mut this = Self { shape, height, stored, positions: Vec::new(), values: Vec::new() };
        for row in 0..shape.rows(height) {
            let (_, outputs) = shape.outputs_of(row, height);
            this.positions.extend(choose(&place.magnitudes(scores, outputs, shape.positions)));
        }
        this.values = this.gathered(place, weights);
        Ok(this)
    }

    /// Blocks of each row.
    pub fn stored(&self) -> usize {
        self.stored
    }

    /// What stands at these blocks in other dense weights of the pack's layer, `[rows of blocks, stored, height]`.
    ///
    /// # Errors
    /// When the layer is not the pack's, or there are not as many weights as it needs.
    pub fn gather(&self, layer: &Layer, weights: &[f32]) -> Result<Vec<f32>, Error> {
        self.blocks(self.stored)?.check(layer, self.values.len(), "gather")?;
        if weights.len() < layer.lengths()[1] {
            return Err(Error::new("gather", format!("{} weights, {layer:?} needs more", weights.len())));
        }
        Ok(self.gathered(Place::of(layer), weights))
    }

    fn gathered(&self, place: Place, weights: &[f32]) -> Vec<f32> {
        let mut values = vec![0.0; self.positions.len() * self.height];
        let rows = self.positions.chunks(self.stored.max(1)).zip(values.chunks_mut((self.stored * self.height).max(1)));
        for (row, (positions, values)) in rows.enumerate() {
            let (_, outputs) = self.shape.outputs_of(row, self.height);
            for (&position, block) in positions.iter().zip(values.chunks_exact_mut(self.height)) {
                place.read(weights, outputs.clone(), usize::from(position), block);
            }
        }
        values
    }

    /// The first `kept` blocks of each row.
    ///
    /// # Errors
    /// When there are not as many.
    pub fn blocks(&self, kept: usize) -> Result<Blocks<'_>, Error> {
        let stored = self.stored();
        if kept > stored {
            return Err(Error::new("pack", format!("{kept} blocks kept of {stored}")));
        }
        let greatest = self.shape.positions.saturating_sub(1) as u16;
        Ok(Blocks::of_pack(&self.positions, greatest, [self.height, stored, kept]))
    }

    /// Outputs of a block.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The position of every block, `[rows of blocks, stored]`.
    pub fn positions(&self) -> &[u16] {
        &self.positions
    }

    /// The values, `[rows of blocks, stored, height]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Writes the first `kept` blocks of each row, of values that lie as this pack's do, to where they stand in the dense weights of `layer`, and
    /// zero where one of the others stands that are stored.
    ///
    /// # Errors
    /// When the layer is not the pack's, or something is not as long as it needs.
    pub fn unpack(&self, layer: &Layer, values: &[f32], kept: usize, dense: &mut [f32]) -> Result<(), Error> {
        let blocks = self.blocks(kept)?;
        blocks.check(layer, values.len(), "unpack")?;
        if dense.len() < layer.lengths()[1] {
            return Err(Error::new("unpack", format!("{} weights, {layer:?} needs more", dense.len())));
        }
        let place = Place::of(layer);
        for row in 0..self.shape.rows(self.height) {
            let (_, outputs) = self.shape.outputs_of(row, self.height);
            let stored = row * self.stored()..(row + 1) * self.stored();
            let values = values[stored.start * self.height..].chunks_exact(self.height);
            let zeros = [0.0; TALLEST];
            for ((i, &position), block) in self.positions[stored].iter().enumerate().zip(values) {
                let block = if i < kept { block } else { &zeros[..self.height] };
                place.write(block, outputs.clone(), usize::from(position), dense);
            }
        }
        Ok(())
    }
}

fn check(layer: &Layer, shape: &Shape, [weights, scores]: [&[f32]; 2]) -> Result<(), Error> {
    let wrong = |what: String| Err(Error::new("pack", what));
    let needed = layer.lengths()[1];
    if weights.len() < needed || scores.len() < needed {
        return wrong(format!("{} weights and {} scores, {layer:?} needs {needed}", weights.len(), scores.len()));
    }
    if shape.positions > usize::from(u16::MAX) + 1 {
        return wrong(format!("{} weights an output do not fit indices of 16 bits", shape.positions));
    }
    Ok(())
}

/// Positions in the order in which they are stored.
fn sort(importance: &[f32], order: Order) -> Vec<u16> {
    let mut positions: Vec<u16> = (0..importance.len()).map(|i| i as u16).collect();
    let falling = |a: &u16, b: &u16| importance[usize::from(*b)].total_cmp(&importance[usize::from(*a)]);
    match order {
        Order::Importance => positions.sort_by(falling),
        Order::OfEach(m) => {
            positions.chunks_mut(m).for_each(|some| some.sort_by(falling));
            let ranked = |some: &[u16]| {
                let length = some.len();
                some.iter().enumerate().map(|(rank, &position)| (rank * m / length, position)).collect::<Vec<_>>()
            };
            let mut ranked: Vec<(usize, u16)> = positions.chunks(m).flat_map(ranked).collect();
            ranked.sort_by_key(|&(n, _)| n);
            positions = ranked.into_iter().map(|(_, position)| position).collect();
        }
    }
    positions
}

/// All positions of a row of blocks, of a convolution the same element of the kernel in some channels before the next, and rows before columns: a kernel
/// that adds to the pixels of one position and then to those of its neighbour in the same line waits for the first to be stored.
fn walk(layer: &Layer) -> Vec<u16> {
    const CHANNELS: usize = 4;
    let Layer::Conv2d(conv) = layer else {
        return (0..Shape::of(layer).positions).map(|position| position as u16).collect();
    };
    let [height, width] = conv.kernel;
    let mut positions = Vec::with_capacity(conv.row());
    for first in (0..conv.group_inputs()).step_by(CHANNELS) {
        for element in (0..width).flat_map(|x| (0..height).map(move |y| y * width + x)) {
            let channels = first..(first + CHANNELS).min(conv.group_inputs());
            positions.extend(channels.map(|channel| (channel * height * width + element) as u16));
        }
    }
    positions
}

/// Some positions in the order of a walk over all.
fn along(walk: &[u16], positions: &[u16]) -> Vec<u16> {
    let mut there = vec![false; walk.len()];
    positions.iter().for_each(|&position| there[usize::from(position)] = true);
    walk.iter().copied().filter(|&position| there[usize::from(position)]).collect()
}

/// The first `kept` positions in this order, ascending; of equals the first.
fn best(importance: &[f32], order: Order, kept: usize) -> Vec<u16> {
    if let Order::OfEach(m) = order {
        return best_of_each(importance, m, kept);
    }
    let Some(last) = kept.checked_sub(1) else { return Vec::new() };
    let (_, &mut least, _) = importance.to_vec().select_nth_unstable_by(last, |a, b| b.total_cmp(a));
    let beats = |v: &&f32| v.total_cmp(&least).is_gt();
    let mut equals = kept - importance.iter().filter(beats).count();
    let mut positions = Vec::with_capacity(kept);
    for (position, v) in importance.iter().enumerate() {
        let order = v.total_cmp(&least);
        if order.is_gt() || (order.is_eq() && equals > 0) {
            equals -= usize::from(order.is_eq());
            positions.push(position as u16);
        }
    }
    positions
}

/// The first `kept` positions in the order of [`Order::OfEach`], ascending.
fn best_of_each(importance: &[f32], m: usize, kept: usize) -> Vec<u16> {
    let (whole, rest) = (importance.len() / m, importance.len() % m);
    let turns = |n: usize| (0..rest).filter(|rank| rank * m / rest == n).count();
    let (mut rounds, mut left) = (0, kept);
    while rounds < m && left >= whole + turns(rounds) {
        left -= whole + turns(rounds);
        rounds += 1;
    }
    let mut positions = Vec::with_capacity(kept);
    for (at, some) in importance.chunks(m).enumerate() {
        let before = if at < whole { rounds } else { (0..rounds).map(turns).sum() };
        let one_more = at < left && rounds < m && (at < whole || turns(rounds) > 0);
        let count = before + usize::from(one_more);
        for (i, v) in some.iter().enumerate() {
            let ahead = |(j, w): &(usize, &f32)| w.total_cmp(v).then(i.cmp(j)).is_gt();
            if some.iter().enumerate().filter(ahead).count() < count {
                positions.push((at * m + i) as u16);
            }
        }
    }
    positions
}

/// Where a weight stands in a layer's dense weights.
#[derive(Clone, Copy)]
struct Place {
    output: usize,
    position: usize,
}

impl Place {
    fn of(layer: &Layer) -> Self {
        match *layer {
            Layer::Linear(linear) => Self { output: 1, position: linear.row_stride },
            Layer::Conv2d(conv) => Self { output: conv.row_stride, position: 1 },
        }
    }

    fn at(self, output: usize, position: usize) -> usize {
        output * self.output + position * self.position
    }

    /// The sum of the magnitudes of each position's scores over some outputs.
    fn magnitudes(self, scores: &[f32], outputs: Range<usize>, positions: usize) -> Vec<f32> {
        if self.output == 1 {
            let block = |position| &scores[self.at(outputs.start, position)..][..outputs.len()];
            return (0..positions).map(|position| block(position).iter().map(|v| v.abs()).sum()).collect();
        }
        let mut sums = vec![0.0; positions];
        for output in outputs {
            let row = &scores[self.at(output, 0)..][..positions];
            sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v.abs());
        }
        sums
    }

    /// What stands at one position of some outputs.
    fn read(self, weights: &[f32], outputs: Range<usize>, position: usize, block: &mut [f32]) {
        if self.output == 1 {
            block[..outputs.len()].copy_from_slice(&weights[self.at(outputs.start, position)..][..outputs.len()]);
            return;
        }
        let from = weights[self.at(outputs.start, position)..].iter().step_by(self.output).take(outputs.len());
        block.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }

    /// Puts a block at one position of some outputs.
    fn write(self, block: &[f32], outputs: Range<usize>, position: usize, dense: &mut [f32]) {
        if self.output == 1 {
            dense[self.at(outputs.start, position)..][..outputs.len()].copy_from_slice(&block[..outputs.len()]);
            return;
        }
        let to = dense[self.at(outputs.start, position)..].iter_mut().step_by(self.output).take(outputs.len());
        to.zip(block).for_each(|(to, from)| *to = *from);
    }
}
