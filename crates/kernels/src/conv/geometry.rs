//! Where the pixels and elements of a convolution lie.
use super::regions::{Region, Span, regions};
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

/// Gradients of weights that are summed over the same pixels.
pub(super) struct Tap {
    /// The first of the gradients, `[channels x elements]`, and the step to the next.
    pub first: usize,
    pub step: usize,
    /// Where each gradient's first pixel would lie in framed samples, and the pixels' distances from there.
    pub bases: Vec<u32>,
    pub offsets: Vec<u32>,
    /// The pixels' positions in y, where these are not all of them.
    pub lines: Option<Vec<u32>>,
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

    /// The regions of y.
    pub(super) fn forward_regions(&self, frame: &Frame) -> Vec<Region> {
        let size = self.output_size();
        let spans = [0, 1].map(|a| Span {
            pixels: (0..size[a]).map(|i| [i, i * self.stride[a]]).collect(),
            elements: (0..self.kernel[a]).map(|k| [k, k * self.dilation[a]]).collect(),
        });
        regions(spans, frame, [size[1], self.kernel[1], frame.outer[1]])
    }

    /// The regions of the gradient of x: pixels whose place in the stride's pattern is another are reached by other elements.
    pub(super) fn gradient_regions(&self, frame: &Frame) -> Vec<Region> {
        let pitches = [self.size[1], self.kernel[1], frame.outer[1]];
        let along = |axis| (0..self.stride[axis]).map(move |residue| self.gradient_span(frame, axis, residue));
        let pairs = along(0).flat_map(|down| along(1).map(move |right| [down.clone(), right]));
        pairs.flat_map(|spans| regions(spans, frame, pitches)).collect()
    }

    fn gradient_span(&self, frame: &Frame, axis: usize, residue: usize) -> Span {
        let (pad, stride) = (self.padding[axis], self.stride[axis]);
        let shift = frame.before[axis] + pad / stride;
        let far = |k: usize| k * self.dilation[axis];
        let pixels = (0..self.size[axis]).filter(|i| (i + pad) % stride == residue);
        let elements = (0..self.kernel[axis]).filter(|&k| far(k) % stride == residue);
        Span {
            pixels: pixels.map(|i| [i, (i + pad) / stride - pad / stride]).collect(),
            elements: elements.map(|k| [k, shift - far(k) / stride]).collect(),
        }
    }

    /// What the gradients of `channels` channels' weights are summed from, over so many framed samples of them.
    pub(super) fn taps(&self, frame: &Frame, channels: usize, samples: usize) -> Vec<Tap> {
        let pixels: usize = self.output_size().iter().product();
        let taps = self.kernel[0] * self.kernel[1];
        let place = |n: usize, place: u32| (n * channels * frame.plane()) as u32 + place;
        let regions = self.forward_regions(frame);
        if let [Region { places, elements, .. }] = &regions[..]
            && elements.len() == taps
        {
            let channel = |c: usize| elements.iter().map(move |e| (c * frame.plane()) as u32 + e[1]);
            let bases = (0..channels).flat_map(channel).collect();
            let offsets = (0..samples).flat_map(|n| places.iter().map(move |&p| place(n, p))).collect();
            return vec![Tap { first: 0, step: 1, bases, offsets, lines: None }];
        }
        let tap = |tap: usize| {
            let sees = |region: &&Region| region.elements.iter().any(|e| e[0] as usize == tap);
            let seen = || regions.iter().filter(sees);
            let distance =
                seen().flat_map(|region| &region.elements).find(|e| e[0] as usize == tap).map_or(0, |e| e[1]);
            let each = |n: usize| seen().flat_map(move |region| region.places.iter().map(move |&p| place(n, p)));
            let line = |n: usize| seen().flat_map(move |r| r.pixels.iter().map(move |p| (n * pixels) as u32 + p));
            Tap {
                first: tap,
                step: taps,
                bases: (0..channels).map(|c| (c * frame.plane()) as u32 + distance).collect(),
                offsets: (0..samples).flat_map(each).collect(),
                lines: Some((0..samples).flat_map(line).collect()),
            }
        };
        (0..taps).map(tap).collect()
    }
}
