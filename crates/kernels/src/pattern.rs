//! Which weights of a layer are there, and how they lie.
use crate::error::Error;
use crate::layer::Layer;
use std::cmp::Ordering;

/// Which weights of a layer are there, and how they lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pattern<'a> {
    /// All of them, as the [`Layer`] says.
    #[default]
    Dense,
    /// Some blocks of a [`Pack`](crate::Pack).
    Blocks(Blocks<'a>),
    /// Those of some inputs, where the others are as good as zero.
    Active(Active<'a>),
}

impl Pattern<'_> {
    /// What a kernel must know of it beforehand.
    pub fn format(&self) -> Format {
        match self {
            Self::Dense => Format::Dense,
            Self::Blocks(blocks) => Format::Blocks { height: blocks.height, kept: blocks.kept, stored: blocks.stored },
            Self::Active(active) => Format::Active { inputs: active.inputs.len() },
        }
    }
}

/// What a kernel must know of a [`Pattern`] beforehand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// [`Pattern::Dense`].
    #[default]
    Dense,
    /// [`Pattern::Blocks`].
    Blocks {
        /// Outputs of a block.
        height: usize,
        /// Blocks used of each row of blocks.
        kept: usize,
        /// Blocks stored of each row of blocks.
        stored: usize,
    },
    /// [`Pattern::Active`].
    Active {
        /// Inputs that are active.
        inputs: usize,
    },
}

/// Inputs of a linear layer that are not left out: the output is their part of the sum, and so are the gradients; the gradient of an input that is left
/// out, and of its weights, is zero.
///
/// Where all others are zero this is exact, and after a ReLU so are the gradients (its gradient is zero where it gave zero). With those of the
/// [`largest`](Self::largest) it is the activation sparsity of TEAL (Liu et al. 2025).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active<'a> {
    inputs: &'a [u32],
    greatest: u32,
}

impl<'a> Active<'a> {
    /// Those with these numbers, each at most once.
    pub fn new(inputs: &'a [u32]) -> Self {
        Self { inputs, greatest: inputs.iter().fold(0, |most, &input| most.max(input)) }
    }

    /// Rows up to which it is worth while to look for them: of more, hardly any input is zero in all.
    pub const MOST_ROWS: usize = 8;

    /// The inputs, ascending, that are not zero in some row of `x`, `[rows, inputs]`.
    pub fn find(x: &[f32], inputs: usize) -> Vec<u32> {
        let mut active = vec![false; inputs];
        for row in x.chunks_exact(inputs.max(1)) {
            active.iter_mut().zip(row).for_each(|(active, &v)| *active |= v != 0.0);
        }
        (0..inputs as u32).filter(|&i| active[i as usize]).collect()
    }

    /// `values` with zeros but in the places of the `count` elements of each row of `x`, `[rows, inputs]`, that have the largest magnitudes; of equals the
    /// first stay, and what is no number stays before all others. Of as many values as `x` has.
    pub fn largest(x: &[f32], values: &[f32], inputs: usize, count: usize) -> Vec<f32> {
        let mut thinned = values.to_vec();
        if count < inputs {
            let mut magnitudes = Vec::with_capacity(inputs);
            let rows = x.chunks_exact(inputs).zip(thinned.chunks_exact_mut(inputs));
            rows.for_each(|(x, row)| keep_largest(x, row, count, &mut magnitudes));
        }
        thinned
    }

    /// Their numbers.
    pub fn inputs(&self) -> &'a [u32] {
        self.inputs
    }

    /// Whether they are inputs of `layer`.
    ///
    /// # Errors
    /// When it is no linear layer, or has no such input.
    pub fn check(&self, layer: &Layer, kernel: &'static str) -> Result<(), Error> {
        match layer {
            Layer::Linear(linear) if self.inputs.is_empty() || (self.greatest as usize) < linear.inputs => Ok(()),
            _ => Err(Error::new(kernel, format!("input {} of {layer:?}", self.greatest))),
        }
    }
}

/// Sets those of a row to zero where `x`, which has more than `count` elements, is not among as many largest.
fn keep_largest(x: &[f32], row: &mut [f32], count: usize, magnitudes: &mut Vec<u32>) {
    let magnitude = |v: f32| v.to_bits() & !(1 << 31);
    magnitudes.clear();
    magnitudes.extend(x.iter().map(|&v| magnitude(v)));
    let (above, &mut least, _) = magnitudes.select_nth_unstable_by(count, |a, b| b.cmp(a));
    let mut equals = above.iter().filter(|&&other| other == least).count();
    for (v, &x) in row.iter_mut().zip(x) {
        let stays = match magnitude(x).cmp(&least) {
            Ordering::Greater => true,
            Ordering::Equal if equals > 0 => {
                equals -= 1;
                true
            }
            _ => false,
        };
        if !stays {
            *v = 0.0;
        }
    }
}

/// The first blocks of each row of blocks; the values are `[rows of blocks, stored, height]`.
///
/// A block is `height` consecutive output channels of one group by one *position*: an input of a linear layer, an input channel of the group and an
/// element of the kernel, row-major, of a convolution. Channels of a last block beyond the group's are padding: they count as zero and their gradient
/// is zero. With a height of one this is unstructured sparsity of constant fan-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks<'a> {
    positions: &'a [u16],
    greatest: u16,
    height: usize,
    stored: usize,
    kept: usize,
}

impl<'a> Blocks<'a> {
    /// `kept` blocks of each row, of `positions`, `[rows of blocks, stored]`.
    ///
    /// # Errors
    /// When a height is none of 1, 8 and 16, more is kept than stored, or the positions are not a whole number of rows.
    pub fn new(positions: &'a [u16], height: usize, stored: usize, kept: usize) -> Result<Self, Error> {
        let wrong = |what: String| Err(Error::new("blocks", what));
        if !HEIGHTS.contains(&height) {
            return wrong(format!("height {height} is none of {HEIGHTS:?}"));
        }
        if kept > stored {
            return wrong(format!("{kept} blocks kept of {stored}"));
        }
        if !positions.len().is_multiple_of(stored.max(1)) {
            return wrong(format!("{} positions are no multiple of {stored}", positions.len()));
        }
        let greatest = positions.iter().fold(0, |most, &position| most.max(position));
        Ok(Self::of_pack(positions, greatest, [height, stored, kept]))
    }

    /// Those of a pack, whose greatest position is known.
    pub(crate) fn of_pack(positions: &'a [u16], greatest: u16, [height, stored, kept]: [usize; 3]) -> Self {
        Self { positions, greatest, height, stored, kept }
    }

    /// The greatest position.
    pub(crate) fn greatest(&self) -> usize {
        usize::from(self.greatest)
    }

    /// The same with another number of blocks kept, at most those stored.
    #[must_use]
    pub fn keeping(self, kept: usize) -> Self {
        Self { kept: kept.min(self.stored), ..self }
    }

    /// Outputs of a block.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Blocks stored of each row.
    pub fn stored(&self) -> usize {
        self.stored
    }

    /// Blocks used of each row.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Positions of the blocks used of a row.
    pub fn row(&self, row: usize) -> &'a [u16] {
        &self.positions[row * self.stored..][..self.kept]
    }

    /// Sets the values of the blocks used to zero, of `[rows of blocks, stored, height]`.
    pub(crate) fn clear(&self, values: &mut [f32]) {
        for row in values.chunks_exact_mut((self.stored * self.height).max(1)) {
            row[..self.kept * self.height].fill(0.0);
        }
    }

    /// Whether this is a pattern for `layer`, whose values hold `values` elements.
    ///
    /// # Errors
    /// When there are not as many rows of blocks, or values, as the layer needs, or a position lies outside of it.
    pub fn check(&self, layer: &Layer, values: usize, kernel: &'static str) -> Result<(), Error> {
        let shape = Shape::of(layer);
        let rows = shape.rows(self.height);
        let wrong = |what: String| Err(Error::new(kernel, what));
        if self.positions.len() != rows * self.stored {
            return wrong(format!(
                "{} positions, {layer:?} needs {rows} rows of {}",
                self.positions.len(),
                self.stored
            ));
        }
        if values != self.positions.len() * self.height {
            return wrong(format!("{values} values for {} blocks of {}", self.positions.len(), self.height));
        }
        if !self.positions.is_empty() && usize::from(self.greatest) >= shape.positions {
            return wrong(format!("position {} of {}", self.greatest, shape.positions));
        }
        Ok(())
    }
}

/// The heights of blocks that there are kernels for.
pub const HEIGHTS: [usize; 3] = [1, 8, 16];

/// What a layer's weights are to a [`Pack`](crate::Pack).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Groups of channels.
    pub groups: usize,
    /// Output channels of a group.
    pub outputs: usize,
    /// Weights of an output channel.
    pub positions: usize,
}

impl Shape {
    /// That of a layer.
    pub fn of(layer: &Layer) -> Self {
        match *layer {
            Layer::Linear(linear) => Self { groups: 1, outputs: linear.outputs, positions: linear.inputs },
            Layer::Conv2d(conv) => Self { groups: conv.groups, outputs: conv.group_outputs(), positions: conv.row() },
        }
    }

    /// Rows of blocks of this height.
    pub fn rows(&self, height: usize) -> usize {
        self.groups * self.rows_of_group(height)
    }

    pub(crate) fn rows_of_group(&self, height: usize) -> usize {
        self.outputs.div_ceil(height)
    }

    /// The group and the output channels, among all, of a row of blocks.
    pub(crate) fn outputs_of(&self, row: usize, height: usize) -> (usize, std::ops::Range<usize>) {
        let each = self.rows_of_group(height);
        let (group, first) = (row / each, row % each * height);
        let start = group * self.outputs + first;
        (group, start..(start + height).min((group + 1) * self.outputs))
    }
}
