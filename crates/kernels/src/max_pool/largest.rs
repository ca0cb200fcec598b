//! The largest elements, a few rows of windows at a time.
use super::MaxPool;
use crate::pool::Scratch;
use crate::simd::{copy_few, larger, load, store};
use crate::stride::every;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Elements of the lines that are worked on at a time: they stay in the first-level cache.
const CACHED: usize = 4096;
/// Elements of the longest vector, and of the blocks in which elements are moved.
const SPARE: usize = 16;

/// How rows of windows are laid out as one line, so that what lies between rows costs nothing.
pub(super) struct Lines {
    /// Columns before the plane.
    pub pad: usize,
    /// Step from a window to the next.
    pub step: usize,
    /// Elements of a row of the plane, framed: a whole number of steps.
    pub pitch: usize,
    /// Windows of a row that begin in the framed plane; the others hold nothing.
    pub windows: usize,
    /// How far the elements of a row of a window are from its first, but those that never lie in the plane.
    pub taps: Vec<usize>,
    /// Of each row of windows, the first row of the plane that it sees, and how many it sees.
    seen: Vec<(usize, usize)>,
}

impl Lines {
    pub fn of(pool: &MaxPool) -> Self {
        let (pad, dilation) = (pool.padding[1], pool.dilation[1]);
        let framed = pad + pool.size[1];
        let step = pool.stride[1].min(framed).max(1);
        let windows = pool.windows[1].min(framed.div_ceil(step));
        let taps: Vec<usize> = (0..pool.kernel[1]).map(|tap| tap * dilation).take_while(|&tap| tap < framed).collect();
        let reach = taps.last().copied().unwrap_or(0);
        let needed = windows.saturating_sub(1) * step + reach + 1;
        let seen = (0..pool.windows[0]).map(|row| pool.inside(0, row)).collect();
        Self { pad, step, pitch: needed.max(framed).next_multiple_of(step), windows, taps, seen }
    }

    /// Windows from the beginning of a row to that of the next.
    pub fn each(&self) -> usize {
        self.pitch / self.step
    }

    /// Rows at a time.
    pub fn rows(&self) -> usize {
        (CACHED / self.pitch).min(self.seen.len()).max(1)
    }

    /// Elements of so many framed rows, and of what may be read and written beyond them.
    pub fn length(&self, rows: usize) -> usize {
        rows * self.pitch + self.pad + self.taps.last().copied().unwrap_or(0) + SPARE
    }

    /// Elements of all windows of so many rows, in whole vectors.
    pub fn sums(&self, rows: usize) -> usize {
        (rows * self.each()).next_multiple_of(SPARE)
    }
}

/// Working memory of [`tops`].
pub(super) struct Memory {
    /// Rows, framed.
    pub framed: Scratch,
    /// One element of each window.
    pub taken: Scratch,
    /// The largest of each window.
    pub tops: Scratch,
}

impl Memory {
    pub fn new(lines: &Lines) -> Self {
        let [length, sums] = [lines.length(lines.rows()), lines.sums(lines.rows())];
        Self { framed: Scratch::new(length), taken: Scratch::new(sums), tops: Scratch::new(sums) }
    }
}

/// The largest element of each window of some rows, [`Lines::each`] from one row to the next, of which those from [`Lines::windows`] on are undefined;
/// `x` begins with the plane.
#[inline(always)]
pub(super) fn tops<S: Simd>(
    simd: S,
    (pool, lines): (&MaxPool, &Lines),
    (x, rows): (&[f32], Range<usize>),
    Memory { framed, taken, tops }: &mut Memory,
) {
    let (width, count) = (pool.size[1], rows.len() * lines.each());
    framed[..lines.pad].fill(f32::NEG_INFINITY);
    for (i, &(top, height)) in lines.seen[rows].iter().enumerate() {
        let line = &mut framed[i * lines.pitch + lines.pad..][..lines.pitch + SPARE];
        for column in (0..width).step_by(S::F32_LANES) {
            let mut best = simd.splat_f32s(f32::NEG_INFINITY);
            for k in 0..height {
                best = raised(simd, best, some(simd, x, (top + k * pool.dilation[0]) * width + column));
            }
            store::<S>(best, &mut line[column..][..S::F32_LANES]);
        }
        line[width..lines.pitch].fill(f32::NEG_INFINITY);
    }
    let Some((&first, others)) = lines.taps.split_first() else {
        return tops[..count].fill(f32::NEG_INFINITY);
    };
    every(simd, &framed[first..], lines.step, &mut tops[..count]);
    for &tap in others {
        let from = match lines.step {
            1 => &framed[tap..],
            step => {
                every(simd, &framed[tap..], step, &mut taken[..count]);
                &taken[..]
            }
        };
        for at in (0..count).step_by(S::F32_LANES) {
            store::<S>(raised(simd, load::<S>(tops, at), load::<S>(from, at)), &mut tops[at..][..S::F32_LANES]);
        }
    }
}

/// The vector from `at` on, as far as there are elements.
#[inline(always)]
fn some<S: Simd>(simd: S, from: &[f32], at: usize) -> S::f32s {
    match from.len() - at < S::F32_LANES {
        true => simd.partial_load_f32s(&from[at..]),
        false => load::<S>(from, at),
    }
}

/// The larger of each two; what is not a number is larger than any.
#[inline(always)]
fn raised<S: Simd>(simd: S, best: S::f32s, new: S::f32s) -> S::f32s {
    simd.select_f32s(simd.equal_f32s(new, new), larger(simd, best, new), new)
}

/// All windows of some planes.
pub(super) struct Largest<'a> {
    pub pool: &'a MaxPool,
    pub x: &'a [f32],
    pub y: &'a mut [f32],
}

impl WithSimd for Largest<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pool, x, y } = self;
        let [rows, columns] = pool.windows;
        let plane = pool.size[0] * pool.size[1];
        if plane == 0 || rows * columns == 0 {
            y.fill(f32::NEG_INFINITY);
            return;
        }
        let lines = Lines::of(pool);
        let mut memory = Memory::new(&lines);
        for (x, y) in (0..).step_by(plane).map(|at| &x[at..]).zip(y.chunks_exact_mut(rows * columns)) {
            for (first, y) in (0..).step_by(lines.rows()).zip(y.chunks_mut(lines.rows() * columns)) {
                let count = y.len() / columns;
                tops(simd, (pool, &lines), (x, first..first + count), &mut memory);
                for (y, tops) in y.chunks_exact_mut(columns).zip(memory.tops.chunks(lines.each())) {
                    let (held, empty) = y.split_at_mut(lines.windows);
                    copy_few(&tops[..held.len()], held);
                    empty.fill(f32::NEG_INFINITY);
                }
            }
        }
    }
}
