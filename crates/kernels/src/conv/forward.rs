//! The output of a convolution.
use super::jobs::Columns;
use super::sums::Sums;
use crate::layer::Conv2d;
use crate::linear::panel_width;
use crate::product::pack_columns;
use pulp::Simd;

pub(crate) struct Forward<'a> {
    pub conv: &'a Conv2d,
    pub x: &'a [f32],
    pub w: &'a [f32],
    pub b: Option<&'a [f32]>,
    pub relu: bool,
    pub threads: usize,
}

impl Forward<'_> {
    #[inline(always)]
    pub fn run<S: Simd>(&self, simd: S, y: &mut [f32]) {
        if y.is_empty() {
            return;
        }
        let Self { conv, threads, .. } = *self;
        let depth = conv.row();
        let columns = Columns::new(conv.group_outputs(), conv.groups, panel_width::<S>(conv.group_outputs()));
        let pack = |index: usize, panel: &mut [f32]| {
            let channels = columns.of(index);
            let w = &self.w[channels.start * conv.row_stride..];
            pack_columns(simd, (w, conv.row_stride), [depth, channels.len()], (panel, columns.width));
        };
        let bias = self.b.map(|b| padded(b, columns));
        let frame = conv.input_frame();
        let sums = Sums {
            frame,
            channels: [conv.inputs, conv.group_inputs()],
            taps: conv.kernel[0] * conv.kernel[1],
            pack,
            columns,
            pixels: conv.output_size().iter().product(),
            regions: &conv.forward_regions(&frame),
            bias: bias.as_deref(),
            relu: self.relu,
        };
        sums.run(simd, self.x, conv.batch, threads, y);
    }
}

/// The biases in the order of the panels' columns.
fn padded(b: &[f32], columns: Columns) -> Vec<f32> {
    let mut padded = vec![0.0; columns.count() * columns.width];
    for (index, line) in padded.chunks_exact_mut(columns.width).enumerate() {
        let channels = columns.of(index);
        line[..channels.len()].copy_from_slice(&b[channels]);
    }
    padded
}
