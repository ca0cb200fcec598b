//! The largest element of each window of a plane.
use crate::error::Error;
use crate::pool::{Scratch, for_each};
use crate::simd::dispatch;
use pulp::{Simd, WithSimd};
use std::ops::Range;

const NAME: &str = "max_pool";
/// Elements of x below which one thread is fastest.
const FEW: usize = 1 << 17;
/// The widest padding.
const WIDEST: usize = 1 << 20;

/// `y[plane, i, j] = max over k, l of x[plane, i stride + k dilation - padding, ..]`, over what lies in the plane; a window that holds nothing gives minus
/// infinity. One that holds something that is no number gives that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// Samples times channels.
    pub planes: usize,
    /// Height and width of x, whose product is below 2^32 - 1.
    pub size: [usize; 2],
    /// Windows along each axis: height and width of y.
    pub windows: [usize; 2],
    /// Height and width of a window.
    pub kernel: [usize; 2],
    /// Step from a window to the next, at least one.
    pub stride: [usize; 2],
    /// How far the first window begins before the plane, at most 2^20.
    pub padding: [usize; 2],
    /// Distance between a window's elements, at least one.
    pub dilation: [usize; 2],
}

impl MaxPool {
    fn check(&self, held: [(&str, usize, [usize; 2]); 2]) -> Result<(), Error> {
        let counts = |a: usize| {
            let window = self.kernel[a].checked_mul(self.dilation[a])?;
            self.windows[a].checked_mul(self.stride[a])?.checked_add(window)
        };
        let steps = self.stride.iter().chain(&self.dilation).all(|&step| step > 0);
        let few = self.size[0].checked_mul(self.size[1]).is_some_and(|n| n < NOWHERE as usize);
        if !few || !steps || counts(0).is_none() || counts(1).is_none() || self.padding.iter().any(|&pad| pad > WIDEST)
        {
            return Err(Error::new(NAME, format!("{self:?} has no windows")));
        }
        for (name, held, [height, width]) in held {
            let needed = self.planes.checked_mul(height).and_then(|n| n.checked_mul(width));
            if needed != Some(held) {
                return Err(Error::new(NAME, format!("{name} holds {held} elements, {self:?} needs {needed:?}")));
            }
        }
        Ok(())
    }

    /// Writes the output, `[planes, windows]`.
    ///
    /// # Errors
    /// When an operand does not fit, before memory is touched.
    pub fn forward(&self, x: &[f32], y: &mut [f32], threads: usize) -> Result<(), Error> {
        self.check([("x", x.len(), self.size), ("y", y.len(), self.windows)])?;
        let (from, to) = (self.size[0] * self.size[1], self.windows[0] * self.windows[1]);
        let (together, threads) = self.share(threads);
        let jobs = y.chunks_mut((together * to).max(1)).enumerate();
        for_each(threads, jobs, |(job, y)| {
            let planes = y.len() / to.max(1);
            let x = &x[job * together * from..][..planes * from];
            dispatch(Largest { pool: self, x, y });
        });
        Ok(())
    }

    /// Writes the gradient of x, given that of the output: a window's goes to the first of its largest elements.
    ///
    /// # Errors
    /// When an operand does not fit, before memory is touched.
    pub fn backward(&self, x: &[f32], dy: &[f32], dx: &mut [f32], threads: usize) -> Result<(), Error> {
        self.check([("x", x.len(), self.size), ("dy", dy.len(), self.windows)])?;
        self.check([("x", x.len(), self.size), ("dx", dx.len(), self.size)])?;
        let (from, to) = (self.windows[0] * self.windows[1], self.size[0] * self.size[1]);
        let (together, threads) = self.share(threads);
        for_each(threads, dx.chunks_mut((together * to).max(1)).enumerate(), |(job, dx)| {
            let (first, planes) = (job * together, dx.len() / to.max(1));
            let (x, dy) = (&x[first * to..][..planes * to], &dy[first * from..][..planes * from]);
            dispatch(Gradient { pool: self, x, dy, dx });
        });
        Ok(())
    }

    /// Planes of a job, and threads.
    fn share(&self, threads: usize) -> (usize, usize) {
        let elements = self.planes * self.size[0] * self.size[1];
        let threads = if elements < FEW { 1 } else { threads.max(1) };
        let jobs = if threads > 1 { 4 * threads } else { 1 };
        (self.planes.div_ceil(jobs).max(1), threads)
    }

    /// The elements of the window at `at` along an axis that lie in the plane: the first, and how many.
    #[inline(always)]
    fn inside(&self, axis: usize, at: usize) -> (usize, usize) {
        let (first, step, pad) = (at * self.stride[axis], self.dilation[axis], self.padding[axis]);
        let outside = pad.saturating_sub(first).div_ceil(step).min(self.kernel[axis]);
        let begin = (first + outside * step).saturating_sub(pad);
        let left = self.size[axis].saturating_sub(begin).div_ceil(step);
        (begin, left.min(self.kernel[axis] - outside))
    }

    /// The windows along the last axis whose element `tap` lies in the plane, and where the first of these elements is.
    #[inline(always)]
    fn columns(&self, tap: usize) -> (Range<usize>, usize) {
        let (far, step, pad) = (tap * self.dilation[1], self.stride[1], self.padding[1]);
        let first = pad.saturating_sub(far).div_ceil(step);
        let end = (self.size[1] + pad).saturating_sub(far).div_ceil(step).min(self.windows[1]);
        (first.min(end)..end, (first * step + far).saturating_sub(pad))
    }
}

#[inline(always)]
fn beats(new: f32, best: f32) -> bool {
    new > best || new.is_nan()
}

/// All windows of some planes: rows of a window first, all columns at once, then columns.
struct Largest<'a> {
    pool: &'a MaxPool,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Largest<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { pool, x, y } = self;
        let MaxPool { size: [height, width], windows: [rows, columns], kernel, stride, padding, dilation, .. } = *pool;
        if rows * columns == 0 {
            return;
        }
        let mut line = Scratch::new(padding[1] + width);
        line.fill(f32::NEG_INFINITY);
        for (plane, y) in y.chunks_exact_mut(rows * columns).enumerate() {
            let x = &x[plane * height * width..][..height * width];
            for (i, y) in y.chunks_exact_mut(columns).enumerate() {
                let (top, count) = pool.inside(0, i);
                let inner = &mut line[padding[1]..];
                inner.fill(f32::NEG_INFINITY);
                for k in 0..count {
                    raise(inner, &x[(top + k * dilation[0]) * width..][..width]);
                }
                y.fill(f32::NEG_INFINITY);
                for l in 0..kernel[1] {
                    let from = line.get(l * dilation[1]..).unwrap_or_default();
                    match stride[1] {
                        1 => raise(y, from),
                        2 => raise_steps::<2>(y, from),
                        3 => raise_steps::<3>(y, from),
                        step => raise_all(y, from.chunks(step)),
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn raise(to: &mut [f32], from: &[f32]) {
    for (best, &v) in to.iter_mut().zip(from) {
        *best = if beats(v, *best) { v } else { *best };
    }
}

#[inline(always)]
fn raise_steps<const STEP: usize>(to: &mut [f32], from: &[f32]) {
    let (whole, rest) = from.as_chunks::<STEP>();
    let count = whole.len().min(to.len());
    for (best, v) in to.iter_mut().zip(whole) {
        *best = if beats(v[0], *best) { v[0] } else { *best };
    }
    raise_all(&mut to[count..], rest.chunks(STEP));
}

#[inline(always)]
fn raise_all<'a>(to: &mut [f32], from: impl Iterator<Item = &'a [f32]>) {
    for (best, v) in to.iter_mut().zip(from) {
        *best = if beats(v[0], *best) { v[0] } else { *best };
    }
}

/// The gradients of some planes: in a row of windows, each element of the window for all columns at once.
struct Gradient<'a> {
    pool: &'a MaxPool,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

/// No element of the window has been seen yet.
const NOWHERE: u32 = u32::MAX;

impl WithSimd for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { pool, x, dy, dx } = self;
        let MaxPool { size: [height, width], windows: [rows, columns], kernel, stride, dilation, .. } = *pool;
        dx.fill(0.0);
        if rows * columns == 0 {
            return;
        }
        let mut best = Scratch::new(columns);
        let mut places = vec![NOWHERE; columns];
        for (plane, dy) in dy.chunks_exact(rows * columns).enumerate() {
            let x = &x[plane * height * width..][..height * width];
            let dx = &mut dx[plane * height * width..][..height * width];
            for (i, dy) in dy.chunks_exact(columns).enumerate() {
                let (top, count) = pool.inside(0, i);
                best.fill(f32::NEG_INFINITY);
                places.fill(NOWHERE);
                for (k, l) in (0..count).flat_map(|k| (0..kernel[1]).map(move |l| (k, l))) {
                    let (range, column) = pool.columns(l);
                    let first = (top + k * dilation[0]) * width + column;
                    let (best, places) = (&mut best[range.clone()], &mut places[range]);
                    match stride[1] {
                        1 => seek::<1>(best, places, x, first),
                        2 => seek::<2>(best, places, x, first),
                        step => seek_all(best, places, x, first, step),
                    }
                }
                for (&place, &dy) in places.iter().zip(dy).filter(|(place, _)| **place != NOWHERE) {
                    dx[place as usize] += dy;
                }
            }
        }
    }
}

#[inline(always)]
fn seek<const STEP: usize>(best: &mut [f32], places: &mut [u32], x: &[f32], first: usize) {
    let (whole, _) = x.get(first..).unwrap_or_default().as_chunks::<STEP>();
    let count = whole.len().min(best.len());
    for (i, ((best, place), v)) in best[..count].iter_mut().zip(&mut places[..count]).zip(whole).enumerate() {
        let better = beats(v[0], *best) || *place == NOWHERE;
        *best = if better { v[0] } else { *best };
        *place = if better { (first + i * STEP) as u32 } else { *place };
    }
    seek_all(&mut best[count..], &mut places[count..], x, first + count * STEP, STEP);
}

#[inline(always)]
fn seek_all(best: &mut [f32], places: &mut [u32], x: &[f32], first: usize, step: usize) {
    for (i, (best, place)) in best.iter_mut().zip(places).enumerate() {
        let at = first + i * step;
        if beats(x[at], *best) || *place == NOWHERE {
            (*best, *place) = (x[at], at as u32);
        }
    }
}
