//! Products blocked for the caches, on register tiles.
use crate::pool::Scratch;
use crate::simd::transpose;
use crate::tile::{Indices, block};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Terms of a sum that are taken at a time, at most: so many lines of a panel stay in the first-level cache.
pub(crate) const DEPTH: usize = 384;
/// Rows that are taken at a time: what they read stays in the second-level cache while all panels pass by.
pub(crate) const HEIGHT: usize = 192;

/// The left operand: row r, term k is `x[bases[r] + offsets[k]]`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub x: &'a [f32],
    pub bases: Indices<'a>,
    pub offsets: Indices<'a>,
}

/// The right operand, by panels of a tile's width.
pub(crate) trait Right {
    /// Terms `terms` of panel `index`: the elements, and their number from a term to the next.
    fn panel(&mut self, index: usize, terms: Range<usize>) -> (&[f32], usize);
}

/// Panels packed one after the other, `[panels, depth, width]`.
#[derive(Clone, Copy)]
pub(crate) struct Packed<'a> {
    pub data: &'a [f32],
    pub depth: usize,
    pub width: usize,
}

impl Right for Packed<'_> {
    #[inline(always)]
    fn panel(&mut self, index: usize, terms: Range<usize>) -> (&[f32], usize) {
        (&self.data[(index * self.depth + terms.start) * self.width..][..terms.len() * self.width], self.width)
    }
}

/// A matrix whose rows are the terms, read where it lies; the columns left over are packed when they are asked for.
pub(crate) struct InPlace<'a> {
    pub data: &'a [f32],
    pub stride: usize,
    pub columns: usize,
    pub width: usize,
    /// Where the columns left over go.
    pub rest: &'a mut [f32],
}

impl Right for InPlace<'_> {
    #[inline(always)]
    fn panel(&mut self, index: usize, terms: Range<usize>) -> (&[f32], usize) {
        if terms.is_empty() {
            return (&[], self.width);
        }
        let first = index * self.width;
        let here = &self.data[terms.start * self.stride + first..];
        if first + self.width <= self.columns {
            return (here, self.stride);
        }
        pack_rows(here, self.stride, [terms.len(), self.columns - first], self.rest, self.width);
        (&self.rest[..terms.len() * self.width], self.width)
    }
}

/// A matrix that is packed a block at a time, when it is asked for: for few rows, where packing it all would cost more traffic than work.
pub(crate) struct OnTheFly<'a> {
    pub data: &'a [f32],
    pub stride: usize,
    pub columns: usize,
    pub width: usize,
    /// Memory for one block of [`DEPTH`] terms.
    pub block: &'a mut [f32],
}

impl Right for OnTheFly<'_> {
    #[inline(always)]
    fn panel(&mut self, index: usize, terms: Range<usize>) -> (&[f32], usize) {
        if terms.is_empty() {
            return (&[], self.width);
        }
        let first = index * self.width;
        let columns = self.width.min(self.columns - first);
        pack_rows(
            &self.data[terms.start * self.stride + first..],
            self.stride,
            [terms.len(), columns],
            self.block,
            self.width,
        );
        (&self.block[..terms.len() * self.width], self.width)
    }
}

/// `to[k * width + j] = from[k * stride + j]`, zero from `columns` to `width`.
#[inline(always)]
pub(crate) fn pack_rows(from: &[f32], stride: usize, [terms, columns]: [usize; 2], to: &mut [f32], width: usize) {
    for (k, line) in to.chunks_exact_mut(width).take(terms).enumerate() {
        let (kept, rest) = line.split_at_mut(columns);
        kept.copy_from_slice(&from[k * stride..][..columns]);
        rest.fill(0.0);
    }
}

/// `to[k * width + j] = from[j * stride + k]`, zero from `columns` to `width`.
#[inline(always)]
pub(crate) fn pack_columns(from: &[f32], stride: usize, [terms, columns]: [usize; 2], to: &mut [f32], width: usize) {
    if columns < width {
        to[..terms * width].fill(0.0);
    }
    transpose(from, stride, [columns, terms], to, width);
}

/// Splits `0..count` into pieces of about equal length, at most `most` each.
fn pieces(count: usize, most: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let parts = count.div_ceil(most.max(1)).max(1);
    (0..parts).map(move |i| count * i / parts..count * (i + 1) / parts)
}

/// `sums[panel, row, column] (+)= left * right`, for all rows and the given panels.
pub(crate) struct Accumulate<'a, R, const V: usize> {
    pub left: Left<'a>,
    pub right: R,
    pub panels: Range<usize>,
    pub sums: &'a mut [f32],
    pub add: bool,
}

impl<R: Right, const V: usize> WithSimd for Accumulate<'_, R, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let left = self.left;
        let rows = left.bases.len();
        let width = V * S::F32_LANES;
        for some in pieces(rows, HEIGHT) {
            let bases = left.bases.slice(some.clone());
            for terms in pieces(left.offsets.len(), DEPTH) {
                let offsets = left.offsets.slice(terms.clone());
                let add = self.add || terms.start > 0;
                for (i, index) in self.panels.clone().enumerate() {
                    let sums = &mut self.sums[(i * rows + some.start) * width..];
                    let panel = self.right.panel(index, terms.clone());
                    block::<S, V>(simd, left.x, [bases, offsets], panel, sums, add);
                }
            }
        }
    }
}

/// How a product goes through its operands.
#[derive(Clone, Copy)]
pub(crate) struct Blocks {
    /// Rows at a time.
    pub height: usize,
    /// Terms at a time.
    pub depth: usize,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { height: HEIGHT, depth: DEPTH }
    }
}

/// `left * right` for the given panels, handed over in blocks.
pub(crate) struct Product<'a, R, F, W, const V: usize> {
    pub left: Left<'a>,
    pub right: R,
    pub panels: Range<usize>,
    pub blocks: Blocks,
    /// The line of a panel that its sums start from.
    pub start: F,
    /// Takes rows, panel, and the sums `[rows, width]`.
    pub write: W,
}

impl<'a, R, F, W, const V: usize> WithSimd for Product<'_, R, F, W, V>
where
    R: Right,
    F: Fn(usize) -> Option<&'a [f32]>,
    W: FnMut(Range<usize>, usize, &mut [f32]),
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Self { left, blocks, .. } = self;
        let width = V * S::F32_LANES;
        let depth = left.offsets.len();
        let whole = depth <= blocks.depth;
        let height = blocks.height.min(left.bases.len());
        let mut sums = Scratch::new(if whole { 1 } else { self.panels.len() } * height * width);
        for rows in pieces(left.bases.len(), blocks.height) {
            let bases = left.bases.slice(rows.clone());
            let size = rows.len() * width;
            for terms in pieces(depth, blocks.depth) {
                let offsets = left.offsets.slice(terms.clone());
                for (i, index) in self.panels.clone().enumerate() {
                    let at = if whole { 0 } else { i * size };
                    let sums = &mut sums[at..at + size];
                    let mut add = terms.start > 0;
                    if terms.start == 0
                        && let Some(start) = (self.start)(index)
                    {
                        sums.chunks_exact_mut(width).for_each(|row| row.copy_from_slice(start));
                        add = true;
                    }
                    let panel = self.right.panel(index, terms.clone());
                    block::<S, V>(simd, left.x, [bases, offsets], panel, sums, add);
                    if terms.end == depth {
                        (self.write)(rows.clone(), index, sums);
                    }
                }
            }
        }
    }
}
