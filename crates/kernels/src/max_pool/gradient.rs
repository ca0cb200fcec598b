//! The gradients of the largest elements.
use super::MaxPool;
use super::largest::{Lines, Memory, tops};
use crate::pool::Scratch;
use crate::simd::{are_finite, copy, load, store};
use crate::stride::{add_spread, every};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// The gradients of some planes: an element of all windows of some rows at a time, in the order in which the first of equals counts.
pub(super) struct Gradient<'a> {
    pub pool: &'a MaxPool,
    pub x: &'a [f32],
    pub dy: &'a [f32],
    pub dx: &'a mut [f32],
}

impl WithSimd for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pool, x, dy, dx } = self;
        let [rows, columns] = pool.windows;
        let plane = pool.size[0] * pool.size[1];
        dx.fill(0.0);
        if plane == 0 || rows * columns == 0 {
            return;
        }
        let lines = Lines::of(pool);
        let mut memory = Memory::new(&lines);
        let mut left = Scratch::new(lines.sums(lines.rows()));
        let mut shares = Scratch::new(lines.length(lines.rows()));
        for ((i, dx), dy) in dx.chunks_exact_mut(plane).enumerate().zip(dy.chunks_exact(rows * columns)) {
            let x = &x[i * plane..];
            for (first, dy) in (0..).step_by(lines.rows()).zip(dy.chunks(lines.rows() * columns)) {
                let rows = first..first + dy.len() / columns;
                tops(simd, (pool, &lines), (x, rows.clone()), &mut memory);
                left.fill(0.0);
                let each = lines.each();
                for (i, dy) in dy.chunks_exact(columns).enumerate() {
                    left[i * each..][..lines.windows].copy_from_slice(&dy[..lines.windows]);
                    memory.tops[i * each..(i + 1) * each][lines.windows..].fill(0.0);
                }
                if are_finite(simd, &memory.tops[..rows.len() * each]) {
                    share_out(simd, (pool, &lines), (x, rows), &mut memory, [&mut left, &mut shares], dx);
                } else {
                    one_by_one(pool, x, (rows, dy), dx);
                }
            }
        }
    }
}

/// Adds what is `left` for each window to the first element that equals the largest, which is finite: the minus infinity that [`tops`] framed the rows with
/// equals none.
#[inline(always)]
fn share_out<S: Simd>(
    simd: S,
    (pool, lines): (&MaxPool, &Lines),
    (x, rows): (&[f32], Range<usize>),
    Memory { framed, taken, tops }: &mut Memory,
    [left, shares]: [&mut [f32]; 2],
    dx: &mut [f32],
) {
    let ([height, width], count) = (pool.size, rows.len() * lines.each());
    let place = |row: usize, k: usize| {
        let row = (row * pool.stride[0] + k * pool.dilation[0]).checked_sub(pool.padding[0]);
        row.filter(|&row| row < height).map(|row| row * width)
    };
    for k in 0..pool.kernel[0] {
        for (i, row) in rows.clone().enumerate() {
            let line = &mut framed[i * lines.pitch + lines.pad..][..width];
            match place(row, k) {
                Some(at) => copy::<S>(&x[at..][..width], line),
                None => line.fill(f32::NEG_INFINITY),
            }
        }
        shares.fill(0.0);
        for &tap in &lines.taps {
            every(simd, &framed[tap..], lines.step, &mut taken[..count]);
            for at in (0..count).step_by(S::F32_LANES) {
                let (open, zero) = (load::<S>(left, at), simd.splat_f32s(0.0));
                let first = simd.equal_f32s(load::<S>(taken, at), load::<S>(tops, at));
                store::<S>(simd.select_f32s(first, open, zero), &mut taken[at..][..S::F32_LANES]);
                store::<S>(simd.select_f32s(first, zero, open), &mut left[at..][..S::F32_LANES]);
            }
            add_spread(simd, &taken[..count], &mut shares[tap..], lines.step);
        }
        for (i, row) in rows.clone().enumerate() {
            let Some(at) = place(row, k) else { continue };
            let shares = &shares[i * lines.pitch + lines.pad..][..width];
            for (sum, share) in dx[at..][..width].iter_mut().zip(shares) {
                *sum += share;
            }
        }
    }
}

/// Adds the gradient of each window of some rows to its largest element, the last of those that are no numbers, where it holds any.
fn one_by_one(pool: &MaxPool, x: &[f32], (rows, dy): (Range<usize>, &[f32]), dx: &mut [f32]) {
    for (row, dy) in rows.zip(dy.chunks_exact(pool.windows[1])) {
        let (top, height) = pool.inside(0, row);
        for (column, dy) in dy.iter().enumerate() {
            let (left, width) = pool.inside(1, column);
            let mut best: Option<usize> = None;
            for (k, l) in (0..height).flat_map(|k| (0..width).map(move |l| (k, l))) {
                let at = (top + k * pool.dilation[0]) * pool.size[1] + left + l * pool.dilation[1];
                if best.is_none_or(|best| x[at] > x[best] || x[at].is_nan()) {
                    best = Some(at);
                }
            }
            if let Some(best) = best {
                dx[best] += dy;
            }
        }
    }
}
