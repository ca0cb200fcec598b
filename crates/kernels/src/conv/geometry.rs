//! Where the pixels and elements of a convolution lie.
use crate::layer::Conv2d;
use crate::pool::Scratch;
use crate::simd::copy;
use pulp::{Simd, WithSimd};

/// A frame of zeros around images, or none.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    pub inner: [usize; 2],
    pub outer: [usize; 2],
    pub before: [usize; 2],
}

impl Frame {
    /// Elements of a framed plane.
    pub fn plane(&self) -> usize {
        self.outer[0] * self.outer[1]
    }

    pub fn is_bare(&self) -> bool {
        self.inner == self.outer
    }

    /// The planes with their frames, in `memory`; the planes themselves where there is no frame.
    #[inline(always)]
    pub fn around<'a, S: Simd>(&self, simd: S, planes: &'a [f32], memory: &'a mut Option<Scratch>) -> &'a [f32] {
        if self.is_bare() {
            return planes;
        }
        let count = planes.len() / (self.inner[0] * self.inner[1]).max(1);
        let framed = memory.insert(Scratch::new(count * self.plane()));
        simd.vectorize(Framed { frame: *self, planes, to: framed });
        framed
    }
}

/// Writes planes with their frames.
pub(super) struct Framed<'a> {
    pub frame: Frame,
    pub planes: &'a [f32],
    pub to: &'a mut [f32],
}

impl WithSimd for Framed<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Frame { inner: [height, width], outer, before: [top, left] } = self.frame;
        let planes = self.planes.chunks_exact((height * width).max(1));
        for (plane, to) in planes.zip(self.to.chunks_exact_mut((outer[0] * outer[1]).max(1))) {
            let (above, rest) = to.split_at_mut(top * outer[1]);
            let (inside, below) = rest.split_at_mut(height * outer[1]);
            above.fill(0.0);
            below.fill(0.0);
            for (line, from) in inside.chunks_exact_mut(outer[1]).zip(plane.chunks_exact(width)) {
                line[..left].fill(0.0);
                copy::<S>(from, &mut line[left..]);
                line[left + width..].fill(0.0);
            }
        }
    }
}

impl Conv2d {
    /// Whether anything may be read in a frame: x is padded, or a pixel of x is not in every element's reach.
    pub(crate) fn has_frames(&self) -> bool {
        self.padding != [0, 0] || self.kernel != [1, 1]
    }

    pub(super) fn input_frame(&self) -> Frame {
        let outer = [0, 1].map(|a| self.size[a] + 2 * self.padding[a]);
        Frame { inner: self.size, outer, before: self.padding }
    }

    /// The frame that dy needs so that every element of the kernel, turned around, stays within it.
    pub(super) fn gradient_frame(&self) -> Frame {
        let inner = self.output_size();
        let before = [0, 1].map(|a| self.reach(a).saturating_sub(self.padding[a] / self.stride[a]));
        let outer = [0, 1].map(|a| {
            let last = (self.size[a] - 1 + self.padding[a]) / self.stride[a] - self.padding[a] / self.stride[a];
            (inner[a] + before[a]).max(last + 1 + before[a] + self.padding[a] / self.stride[a])
        });
        Frame { inner, outer, before }
    }

    /// Steps from a kernel's first element to its last.
    fn reach(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) / self.stride[axis]
    }
}
