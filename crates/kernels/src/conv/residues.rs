//! Which elements of the kernel reach which pixels of the input.
use super::geometry::Frame;
use crate::layer::Conv2d;

/// The input pixels whose place in the stride's pattern is the same: the same elements of the kernel reach them.
pub(super) struct Residue {
    /// Positions in a plane of x.
    pub pixels: Vec<u32>,
    /// Places of these pixels in a framed plane of dy.
    pub places: Vec<u32>,
    /// Elements of the kernel, and the distance that each adds.
    pub elements: Vec<(usize, u32)>,
}

impl Conv2d {
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

    pub(super) fn residues(&self, frame: &Frame) -> Vec<Residue> {
        let along = |axis: usize, residue: usize| {
            let (pad, stride) = (self.padding[axis], self.stride[axis]);
            let pixels: Vec<[usize; 2]> = (0..self.size[axis])
                .filter(|i| (i + pad) % stride == residue)
                .map(|i| [i, (i + pad) / stride - pad / stride])
                .collect();
            let shift = frame.before[axis] + pad / stride;
            let elements: Vec<[usize; 2]> = (0..self.kernel[axis])
                .map(|k| (k, k * self.dilation[axis]))
                .filter(|(_, far)| far % stride == residue)
                .map(|(k, far)| [k, shift - far / stride])
                .collect();
            (pixels, elements)
        };
        let mut found = Vec::new();
        for top in 0..self.stride[0] {
            for left in 0..self.stride[1] {
                let ((rows, down), (columns, right)) = (along(0, top), along(1, left));
                let pairs = |a: &[[usize; 2]], b: &[[usize; 2]], pitch: [usize; 2]| -> Vec<[usize; 2]> {
                    let pair = |i: &[usize; 2], j: &[usize; 2]| [i[0] * pitch[0] + j[0], i[1] * pitch[1] + j[1]];
                    a.iter().flat_map(|i| b.iter().map(move |j| pair(i, j))).collect()
                };
                let pixels = pairs(&rows, &columns, [self.size[1], frame.outer[1]]);
                let elements = pairs(&down, &right, [self.kernel[1], frame.outer[1]]);
                found.push(Residue {
                    pixels: pixels.iter().map(|p| p[0] as u32).collect(),
                    places: pixels.iter().map(|p| p[1] as u32).collect(),
                    elements: elements.iter().map(|e| (e[0], e[1] as u32)).collect(),
                });
            }
        }
        found.retain(|residue| !residue.pixels.is_empty());
        found
    }
}
