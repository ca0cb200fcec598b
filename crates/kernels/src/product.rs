//! Products blocked for the caches, on register tiles.
use crate::gather::prefetch;
use crate::matrix::Matrix;
use crate::pool::Scratch;
use crate::simd::{copy, load};
use crate::tile::{Block, Indices, MOST, Panel, Start};
use crate::transpose::Transpose;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Terms of a sum that are taken at a time, at most: so many lines of a panel stay close to the processor while all rows pass by.
const DEPTH: usize = MOST;
/// Rows that are taken at a time: what they read stays in the second-level cache while all panels pass by.
pub(crate) const HEIGHT: usize = 192;
/// Panels that are taken at a time, at most.
const GROUP: usize = 8;
/// Sums of a group of panels, at most: they stay in the second-level cache while the terms are added.
const KEPT: usize = 65536;

/// Terms that a line of the right operand is asked for before it is packed: lines lie pages apart, so that the machine does not foresee them.
const AHEAD: usize = 16;

/// The left operand: row r, term k is `x[bases[r] + offsets[k]]`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub x: &'a [f32],
    pub bases: Indices<'a>,
    pub offsets: Indices<'a>,
}

/// The right operand, by panels of a tile's width.
pub(crate) trait Right {
    /// Some terms of some panels will be asked for next.
    fn prepare<S: Simd>(&mut self, _simd: S, _panels: Range<usize>, _terms: Range<usize>) {}

    /// Terms `terms` of panel `index`.
    fn panel(&mut self, index: usize, terms: Range<usize>) -> Panel<'_>;
}

/// Panels packed one after the other, `[panels, depth, width]`.
#[derive(Clone, Copy)]
pub(crate) struct Packed<'a> {
    pub data: &'a [f32],
    pub depth: usize,
    pub width: usize,
    /// The line of each term; the lines in order where there are none.
    pub lines: Option<Indices<'a>>,
}

impl Right for Packed<'_> {
    #[inline(always)]
    fn panel(&mut self, index: usize, terms: Range<usize>) -> Panel<'_> {
        let Self { data, depth, width: stride, lines } = *self;
        match lines {
            Some(lines) => {
                Panel { data: &data[index * depth * stride..][..depth * stride], stride, lines: lines.slice(terms) }
            }
            None => {
                let data = &data[(index * depth + terms.start) * stride..][..terms.len() * stride];
                Panel { data, stride, lines: Indices::first(terms.len()) }
            }
        }
    }
}

/// A matrix whose rows are the terms.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub data: &'a [f32],
    pub stride: usize,
    pub columns: usize,
    /// Columns of a panel.
    pub width: usize,
}

impl Terms<'_> {
    /// Packs some terms of neighbouring panels, `[panels, terms, width]`; columns that are not there become zero.
    #[inline(always)]
    pub fn pack<S: Simd>(&self, simd: S, panels: Range<usize>, terms: Range<usize>, to: &mut [f32]) {
        simd.vectorize(PackTerms { from: *self, panels, terms, to });
    }

    /// Elements of this many terms of these panels, packed.
    pub fn packed(&self, panels: usize, terms: usize) -> usize {
        panels * terms * self.width
    }
}

struct PackTerms<'a> {
    from: Terms<'a>,
    panels: Range<usize>,
    terms: Range<usize>,
    to: &'a mut [f32],
}

impl WithSimd for PackTerms<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { from: Terms { data, stride, columns, width }, panels, terms, to } = self;
        let count = terms.len();
        let ahead = panels.start * width..columns.min(panels.end * width);
        for (k, term) in terms.enumerate() {
            if let Some(line) = data.get((term + AHEAD) * stride..).and_then(|line| line.get(ahead.clone())) {
                prefetch(line);
            }
            for (i, index) in panels.clone().enumerate() {
                let line = &mut to[(i * count + k) * width..][..width];
                let kept = width.min(columns - index * width);
                let from = &data[term * stride + index * width..][..kept];
                if kept == width {
                    for (at, lanes) in line.chunks_exact_mut(S::F32_LANES).enumerate() {
                        lanes.copy_from_slice(pulp::bytemuck::cast_slice(&[load::<S>(from, at * S::F32_LANES)]));
                    }
                } else {
                    line[..kept].copy_from_slice(from);
                    line[kept..].fill(0.0);
                }
            }
        }
    }
}

/// Terms read where they lie; the columns left over are packed when they are asked for.
pub(crate) struct InPlace<'a> {
    pub terms: Terms<'a>,
    /// Where the columns left over go.
    pub rest: Scratch,
}

impl<'a> InPlace<'a> {
    pub fn new(terms: Terms<'a>) -> Self {
        Self { terms, rest: Scratch::new(DEPTH * terms.width) }
    }
}

impl Right for InPlace<'_> {
    #[inline(always)]
    fn panel(&mut self, index: usize, terms: Range<usize>) -> Panel<'_> {
        let Terms { data, stride, columns, width } = self.terms;
        let first = index * width;
        let lines = Indices::first(terms.len());
        if terms.is_empty() {
            return Panel { data: &[], stride: width, lines };
        }
        if first + width <= columns {
            return Panel { data: &data[terms.start * stride + first..], stride, lines };
        }
        for (line, k) in self.rest.chunks_exact_mut(width).zip(terms.clone()) {
            let from = &data[k * stride + first..][..columns - first];
            line[..from.len()].copy_from_slice(from);
            line[from.len()..].fill(0.0);
        }
        Panel { data: &self.rest[..terms.len() * width], stride: width, lines }
    }
}

/// Terms that are packed some panels at a time, when they are asked for: for few rows, where packing all would cost more traffic than work.
pub(crate) struct OnTheFly<'a> {
    terms: Terms<'a>,
    block: Scratch,
    first: usize,
}

impl<'a> OnTheFly<'a> {
    pub fn new(terms: Terms<'a>) -> Self {
        Self { terms, block: Scratch::new(terms.packed(GROUP, DEPTH)), first: 0 }
    }
}

impl Right for OnTheFly<'_> {
    #[inline(always)]
    fn prepare<S: Simd>(&mut self, simd: S, panels: Range<usize>, terms: Range<usize>) {
        self.first = panels.start;
        self.terms.pack(simd, panels, terms, &mut self.block);
    }

    #[inline(always)]
    fn panel(&mut self, index: usize, terms: Range<usize>) -> Panel<'_> {
        let size = self.terms.packed(1, terms.len());
        let data = &self.block[(index - self.first) * size..][..size];
        Panel { data, stride: self.terms.width, lines: Indices::first(terms.len()) }
    }
}

/// `to[k * width + j] = from[j * stride + k]`, zero from `columns` to `width`.
#[inline(always)]
pub(crate) fn pack_columns<S: Simd>(
    simd: S,
    (from, stride): (&[f32], usize),
    [terms, columns]: [usize; 2],
    (to, width): (&mut [f32], usize),
) {
    if columns < width {
        to[..terms * width].fill(0.0);
    }
    simd.vectorize(Transpose { from: (from, stride), size: [columns, terms], to: (to, width) });
}

/// Splits a range into pieces of about equal length, at most `most` each; one empty piece where there is nothing.
fn pieces(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let count = range.len();
    let parts = count.div_ceil(most.max(1)).max(1);
    (0..parts).map(move |i| range.start + count * i / parts..range.start + count * (i + 1) / parts)
}

/// How a product goes through its operands.
#[derive(Clone, Copy)]
pub(crate) struct Blocks {
    /// Rows at a time.
    pub height: usize,
    /// Terms at a time.
    pub depth: usize,
    /// Panels at a time.
    pub group: usize,
}

impl Blocks {
    /// Blocks that suit the caches, for panels of this width.
    pub fn of(width: usize) -> Self {
        Self { height: HEIGHT, depth: DEPTH, group: (KEPT / (HEIGHT * width.max(1))).clamp(1, GROUP) }
    }
}

/// Calls `each` with rows, panels, and terms of every block in turn: all terms of a group of panels before the next group.
#[inline(always)]
fn blocks(
    left: &Left<'_>,
    panels: &Range<usize>,
    blocks: Blocks,
    mut each: impl FnMut(Range<usize>, Range<usize>, Range<usize>),
) {
    for rows in pieces(0..left.bases.len(), blocks.height) {
        for group in pieces(panels.clone(), blocks.group) {
            for terms in pieces(0..left.offsets.len(), blocks.depth) {
                each(rows.clone(), group.clone(), terms);
            }
        }
    }
}

/// What the sums of a product start from.
#[derive(Clone, Copy)]
pub(crate) enum Bias<'a> {
    Zero,
    /// What stands in the output.
    Output,
    /// An element for each column, counted as panels are.
    Columns(&'a [f32]),
}

/// `left * right` for the given panels, written where it belongs.
pub(crate) struct Product<'a, R> {
    pub left: Left<'a>,
    pub right: R,
    pub panels: Range<usize>,
    /// Columns of a panel.
    pub width: usize,
    pub blocks: Blocks,
    pub bias: Bias<'a>,
    pub relu: bool,
    /// The first column is that of the first panel.
    pub out: Matrix<'a>,
}

impl<R: Right> WithSimd for Product<'_, R> {
    type Output = ();

    /// What takes several blocks of terms is summed in memory of its own: the rows of the output may lie so that they displace one another.
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (left, width, first, by) = (self.left, self.width, self.panels.start, self.blocks);
        let depth = left.offsets.len();
        let whole = depth <= by.depth;
        let kept = by.group.min(self.panels.len()).max(1);
        let mut memory = Scratch::new(if whole { 0 } else { kept * by.height.min(left.bases.len()) * width });
        blocks(&left, &self.panels, by, |rows, group, terms| {
            self.right.prepare(simd, group.clone(), terms.clone());
            for (i, index) in group.enumerate() {
                let column = (index - first) * width;
                let columns = column..(column + width).min(self.out.columns());
                let start = match self.bias {
                    _ if terms.start > 0 => Start::Output,
                    Bias::Zero => Start::Zero,
                    Bias::Output => Start::Output,
                    Bias::Columns(line) => Start::Columns(&line[index * width..][..columns.len()]),
                };
                let relu = self.relu && terms.end == depth;
                let panel = self.right.panel(index, terms.clone());
                let (bases, offsets) = (left.bases.slice(rows.clone()), left.offsets.slice(terms.clone()));
                let mut out = self.out.part(rows.clone(), columns);
                if whole {
                    simd.vectorize(Block { x: left.x, bases, offsets, panel, out, start, relu });
                    continue;
                }
                let sums = &mut memory[i * rows.len() * width..][..rows.len() * width];
                if terms.start == 0 && matches!(self.bias, Bias::Output) {
                    simd.vectorize(Move { from: &mut out, sums, width, back: false });
                }
                let to = Matrix::new(sums, [rows.len(), width], width);
                simd.vectorize(Block { x: left.x, bases, offsets, panel, out: to, start, relu });
                if terms.end == depth {
                    simd.vectorize(Move { from: &mut out, sums, width, back: true });
                }
            }
        });
    }
}

/// Copies part of a matrix to dense rows of some width, or back.
struct Move<'a, 'b> {
    from: &'a mut Matrix<'b>,
    sums: &'a mut [f32],
    width: usize,
    back: bool,
}

impl WithSimd for Move<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let columns = self.from.columns();
        for (r, line) in self.sums.chunks_exact_mut(self.width).enumerate() {
            let row = self.from.row(r);
            if self.back {
                copy::<S>(&line[..columns], row);
            } else {
                copy::<S>(row, line);
            }
        }
    }
}

/// `left * right` for the given panels, handed over in blocks.
pub(crate) struct Staged<'a, R, W> {
    pub left: Left<'a>,
    pub right: R,
    pub panels: Range<usize>,
    /// Columns of a panel.
    pub width: usize,
    pub blocks: Blocks,
    /// An element for each column, counted as panels are; else sums start from zero.
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
    /// Takes rows, panel, and the sums `[rows, width]`.
    pub write: W,
}

impl<R: Right, W: FnMut(Range<usize>, usize, &mut [f32])> WithSimd for Staged<'_, R, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (left, width) = (self.left, self.width);
        let depth = left.offsets.len();
        let by = self.blocks;
        let kept = if depth <= by.depth { 1 } else { by.group.min(self.panels.len()).max(1) };
        let mut sums = Scratch::new(kept * by.height.min(left.bases.len()) * width);
        blocks(&left, &self.panels, by, |rows, group, terms| {
            self.right.prepare(simd, group.clone(), terms.clone());
            let size = rows.len() * width;
            for (i, index) in group.enumerate() {
                let sums = &mut sums[i % kept * size..][..size];
                let start = match self.bias {
                    _ if terms.start > 0 => Start::Output,
                    None => Start::Zero,
                    Some(line) => Start::Columns(&line[index * width..][..width]),
                };
                let panel = self.right.panel(index, terms.clone());
                let (bases, offsets) = (left.bases.slice(rows.clone()), left.offsets.slice(terms.clone()));
                let out = Matrix::new(sums, [rows.len(), width], width);
                let relu = self.relu && terms.end == depth;
                simd.vectorize(Block { x: left.x, bases, offsets, panel, out, start, relu });
                if terms.end == depth {
                    (self.write)(rows.clone(), index, sums);
                }
            }
        });
    }
}
