//! One axis of a convolution whose pixels are split by the residues of the stride.
use crate::layer::Conv2d;
use std::ops::Range;

/// How the pixels of one axis lie in a line. The pixels of a residue are neighbours in it, so that a position of the kernel moves all by one distance;
/// the zeros on the right of a line are those on the left of the next.
pub(crate) struct Axis {
    /// Pixels of the output.
    pub out: usize,
    /// Places of a line of one residue.
    pub length: usize,
    /// Steps from the first position of the kernel to the last.
    pub reach: usize,
    /// Residues of the stride that positions have.
    pub residues: Vec<usize>,
    size: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
}

impl Axis {
    /// Axis `a` of a sound convolution.
    pub fn new(conv: &Conv2d, a: usize) -> Self {
        let [size, stride, padding, dilation] = [conv.size[a], conv.stride[a], conv.padding[a], conv.dilation[a]];
        let out = conv.output_size()[a];
        let reach = (conv.kernel[a] - 1) * dilation / stride;
        let mut residues: Vec<usize> = (0..conv.kernel[a]).map(|k| k * dilation % stride).collect();
        residues.sort_unstable();
        residues.dedup();
        let zeros = padding / stride;
        let data = (size + padding).saturating_sub(1) / stride + 1;
        let seen = out + reach;
        let length = data.min(seen).max(seen.saturating_sub(zeros)).max(out);
        Self { out, length, reach, residues, size, stride, padding, dilation }
    }

    /// The residue, among those there are, of the kernel's position `k`, and how far it sees.
    pub fn sees(&self, k: usize) -> (usize, usize) {
        let far = k * self.dilation;
        let residue = self.residues.iter().position(|&r| r == far % self.stride).unwrap_or(0);
        (residue, far / self.stride)
    }

    /// The places of a line that hold pixels of the input of a residue.
    pub fn places(&self, residue: usize) -> Range<usize> {
        within(self.padding..self.size + self.padding, residue, self.stride, self.length)
    }

    /// The pixel of the input at a place.
    pub fn pixel(&self, residue: usize, place: usize) -> usize {
        place * self.stride + residue - self.padding
    }

    /// The positions of the kernel that see a pixel of the input from a pixel of the output.
    pub fn positions(&self, out: usize, kernel: usize) -> Range<usize> {
        within(self.padding..self.size + self.padding, out * self.stride, self.dilation, kernel)
    }

    /// The pixels of the output that see a pixel of the input from position `k` of the kernel.
    pub fn outputs(&self, k: usize) -> Range<usize> {
        within(self.padding..self.size + self.padding, k * self.dilation, self.stride, self.out)
    }
}

/// Those `i` below `most` for which `start + i * step` is in the range.
fn within(range: Range<usize>, start: usize, step: usize, most: usize) -> Range<usize> {
    let first = range.start.saturating_sub(start).div_ceil(step);
    let end = range.end.saturating_sub(start).div_ceil(step).min(most);
    first.min(end)..end
}
