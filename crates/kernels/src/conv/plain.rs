//! The slow truth, for numbers that are not finite: zeros in a frame times such a number would show where the sum has no term at all.
use crate::layer::Conv2d;

/// Calls `each` with the positions in x, W and y of every product.
fn products(conv: &Conv2d, mut each: impl FnMut(usize, usize, usize)) {
    let [height, width] = conv.output_size();
    let pixels = conv.kernel[0] * conv.kernel[1];
    let source = |axis: usize, o: usize, k: usize| {
        let at = (o * conv.stride[axis] + k * conv.dilation[axis]).checked_sub(conv.padding[axis]);
        at.filter(|&at| at < conv.size[axis])
    };
    for y in 0..conv.batch * conv.outputs * height * width {
        let (pixel, plane) = (y % (height * width), y / (height * width));
        let (sample, o) = (plane / conv.outputs, plane % conv.outputs);
        let first = sample * conv.inputs + o / conv.group_outputs() * conv.group_inputs();
        for element in 0..pixels {
            let row = source(0, pixel / width, element / conv.kernel[1]);
            let column = source(1, pixel % width, element % conv.kernel[1]);
            let (Some(row), Some(column)) = (row, column) else { continue };
            for i in 0..conv.group_inputs() {
                let x = ((first + i) * conv.size[0] + row) * conv.size[1] + column;
                each(x, o * conv.row_stride + i * pixels + element, y);
            }
        }
    }
}

/// Whether zeros in a frame meet weights that are not finite.
#[inline(always)]
pub(crate) fn is_needed(conv: &Conv2d, w: &[f32]) -> bool {
    conv.has_frames() && w.iter().fold(false, |odd, v| odd | !v.is_finite())
}

pub(crate) fn forward(conv: &Conv2d, [x, w]: [&[f32]; 2], b: Option<&[f32]>, relu: bool, y: &mut [f32]) {
    let pixels: usize = conv.output_size().iter().product();
    for (plane, y) in y.chunks_mut(pixels.max(1)).enumerate() {
        y.fill(b.map_or(0.0, |b| b[plane % conv.outputs]));
    }
    products(conv, |from, weight, to| y[to] += x[from] * w[weight]);
    y.iter_mut().filter(|y| relu && **y < 0.0).for_each(|y| *y = 0.0);
}

pub(crate) fn input(conv: &Conv2d, [dy, w]: [&[f32]; 2], dx: &mut [f32]) {
    dx.fill(0.0);
    products(conv, |to, weight, from| dx[to] += dy[from] * w[weight]);
}

/// Of the weights alone.
pub(crate) fn weight(conv: &Conv2d, [dy, x]: [&[f32]; 2], dw: &mut [f32]) {
    for row in dw.chunks_mut(conv.row_stride).take(conv.outputs) {
        row[..conv.row()].fill(0.0);
    }
    products(conv, |from, to, gradient| dw[to] += dy[gradient] * x[from]);
}
