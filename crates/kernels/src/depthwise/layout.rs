//! A plane of the input with its frame, and the slow truth about which of its pixels an element of the kernel meets.
use super::line::slack;
use crate::layer::Conv2d;
use crate::pool::Scratch;
use crate::simd::copy;
use crate::stride::every;
use pulp::Simd;

/// A plane of x, padded, its rows and columns dealt out by their remainders by the strides: what an element of the kernel sees of the lines of
/// the output is then one line, with a pitch from a line to the next.
pub(super) struct Dealt {
    memory: Scratch,
    /// Rows and columns of the pixels of one pair of remainders.
    size: [usize; 2],
}

impl Dealt {
    pub fn new<S: Simd>(conv: &Conv2d) -> Self {
        let size = [0, 1].map(|a| (conv.size[a] + 2 * conv.padding[a]).div_ceil(conv.stride[a]));
        let planes = conv.stride[0] * conv.stride[1];
        let mut memory = Scratch::new(planes * size[0] * size[1] + slack::<S>());
        memory.fill(0.0);
        Self { memory, size }
    }

    pub fn pitch(&self) -> usize {
        self.size[1]
    }

    pub fn pixels(&self) -> &[f32] {
        &self.memory
    }

    fn plane(&self, conv: &Conv2d, remainders: [usize; 2]) -> usize {
        (remainders[0] * conv.stride[1] + remainders[1]) * self.size[0] * self.size[1]
    }

    /// Takes another plane of the same shape.
    #[inline(always)]
    pub fn deal<S: Simd>(&mut self, simd: S, conv: &Conv2d, x: &[f32]) {
        for (i, line) in x.chunks_exact(conv.size[1]).enumerate() {
            let row = i + conv.padding[0];
            let (above, row) = (row % conv.stride[0], row / conv.stride[0]);
            if conv.stride[1] == 1 {
                let to = self.plane(conv, [above, 0]) + row * self.pitch() + conv.padding[1];
                copy::<S>(line, &mut self.memory[to..]);
                continue;
            }
            for remainder in 0..conv.stride[1] {
                let first = (remainder + conv.stride[1] - conv.padding[1] % conv.stride[1]) % conv.stride[1];
                let column = (first + conv.padding[1]) / conv.stride[1];
                let to = self.plane(conv, [above, remainder]) + row * self.pitch() + column;
                let from = &line[first.min(line.len())..];
                let count = from.len().div_ceil(conv.stride[1]);
                every(simd, from, conv.stride[1], &mut self.memory[to..][..count]);
            }
        }
    }

    /// For each element of the kernel, where the first pixel of the output finds it.
    pub fn places(&self, conv: &Conv2d) -> Vec<usize> {
        let place = |e: usize| {
            let far = [e / conv.kernel[1] * conv.dilation[0], e % conv.kernel[1] * conv.dilation[1]];
            let [row, column] = [0, 1].map(|a| far[a] / conv.stride[a]);
            self.plane(conv, [0, 1].map(|a| far[a] % conv.stride[a])) + row * self.pitch() + column
        };
        (0..conv.kernel[0] * conv.kernel[1]).map(place).collect()
    }
}

/// Elements from the first of `rows` lines to the end of the last, at this pitch.
pub(super) fn span([rows, columns]: [usize; 2], pitch: usize) -> usize {
    if rows == 0 { 0 } else { (rows - 1) * pitch + columns }
}

/// Calls `each` with the pixel of the input, the element of the kernel and the pixel of the output of every product of one plane. What lies in
/// the frame is in none, so that it stays without influence where weights are not finite.
pub(super) fn products(conv: &Conv2d, mut each: impl FnMut(usize, usize, usize)) {
    let [height, width] = conv.output_size();
    let source = |axis: usize, o: usize, k: usize| {
        let at = (o * conv.stride[axis] + k * conv.dilation[axis]).checked_sub(conv.padding[axis]);
        at.filter(|&at| at < conv.size[axis])
    };
    for pixel in 0..height * width {
        for element in 0..conv.kernel[0] * conv.kernel[1] {
            let row = source(0, pixel / width, element / conv.kernel[1]);
            let column = source(1, pixel % width, element % conv.kernel[1]);
            if let (Some(row), Some(column)) = (row, column) {
                each(row * conv.size[1] + column, element, pixel);
            }
        }
    }
}
