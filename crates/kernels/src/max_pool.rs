//! The largest element of each window of a plane.
mod gradient;
mod largest;

use crate::error::Error;
use crate::pool::for_each;
use crate::simd::dispatch;
use gradient::Gradient;
use largest::Largest;

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
        let few = self.size[0].checked_mul(self.size[1]).is_some_and(|n| n < u32::MAX as usize);
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
}
