//! The weights of a layer in order of importance: every density is a prefix.
use crate::error::Error;
use crate::layer::Layer;
use crate::pattern::{Blocks, Shape};

/// In which order the blocks of a row are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The most important first: any number of them is a prefix.
    Importance,
    /// First the most important of every `m` consecutive positions, then the second of each, and so on: `n` of `m` is the prefix of `n / m`.
    OfEach(usize),
}

/// All blocks of a layer's weights, stored once, each row in order of importance: a density is a prefix of every row.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    shape: Shape,
    height: usize,
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
        let shape = Shape::of(layer);
        let wrong = |what: String| Err(Error::new("pack", what));
        let needed = layer.lengths()[1];
        if weights.len() < needed || scores.len() < needed {
            return wrong(format!("{} weights and {} scores, {layer:?} needs {needed}", weights.len(), scores.len()));
        }
        if shape.positions > usize::from(u16::MAX) + 1 {
            return wrong(format!("{} weights an output do not fit indices of 16 bits", shape.positions));
        }
        if matches!(order, Order::OfEach(0)) {
            return wrong("n of 0".to_owned());
        }
        Blocks::new(&[], height, 0, 0)?;
        let place = Place::of(layer);
        let mut this = Self { shape, height, positions: Vec::new(), values: Vec::new() };
        for row in 0..shape.rows(height) {
            let (_, outputs) = shape.outputs_of(row, height);
            let importance =
                |position: usize| -> f32 { outputs.clone().map(|o| scores[place.at(o, position)].abs()).sum() };
            let importance: Vec<f32> = (0..shape.positions).map(importance).collect();
            let sorted = sort(&importance, order);
            for &position in &sorted {
                let block = outputs.clone().map(|o| weights[place.at(o, usize::from(position))]);
                this.values.extend(block.chain(std::iter::repeat(0.0)).take(height));
            }
            this.positions.extend(sorted);
        }
        Ok(this)
    }

    /// Blocks of each row.
    pub fn stored(&self) -> usize {
        self.shape.positions
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
        let greatest = stored.saturating_sub(1) as u16;
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
    /// zero where a block is left out.
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
            for (i, &position) in self.positions[stored.clone()].iter().enumerate() {
                for (o, r) in outputs.clone().zip(0..) {
                    let value = values[(stored.start + i) * self.height + r];
                    dense[place.at(o, usize::from(position))] = if i < kept { value } else { 0.0 };
                }
            }
        }
        Ok(())
    }
}

/// Positions in the order in which they are stored.
fn sort(importance: &[f32], order: Order) -> Vec<u16> {
    let mut positions: Vec<u16> = (0..importance.len()).map(|i| i as u16).collect();
    let falling = |a: &u16, b: &u16| importance[usize::from(*b)].total_cmp(&importance[usize::from(*a)]);
    match order {
        Order::Importance => positions.sort_by(falling),
        Order::OfEach(m) => {
            positions.chunks_mut(m).for_each(|some| some.sort_by(falling));
            let ranked = positions.chunks(m).flat_map(|some| some.iter().copied().enumerate());
            let mut ranked: Vec<(usize, u16)> = ranked.collect();
            ranked.sort_by_key(|&(rank, _)| rank);
            positions = ranked.into_iter().map(|(_, position)| position).collect();
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
}
