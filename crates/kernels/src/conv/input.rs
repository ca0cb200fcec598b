//! The gradient of a convolution's input.
use super::jobs::Columns;
use super::sums::Sums;
use crate::layer::Conv2d;
use crate::linear::panel_width;
use crate::product::pack_columns;
use pulp::Simd;

pub(crate) struct BackwardInput<'a> {
    pub conv: &'a Conv2d,
    pub dy: &'a [f32],
    pub w: &'a [f32],
    pub threads: usize,
}

impl BackwardInput<'_> {
    #[inline(always)]
    pub fn run<S: Simd>(&self, simd: S, dx: &mut [f32]) {
        if dx.is_empty() {
            return;
        }
        if self.dy.is_empty() {
            dx.fill(0.0);
            return;
        }
        let Self { conv, threads, .. } = *self;
        let frame = conv.gradient_frame();
        let columns = Columns::new(conv.group_inputs(), conv.groups, panel_width::<S>(conv.group_inputs()));
        let sums = Sums {
            frame,
            channels: [conv.outputs, conv.group_outputs()],
            taps: conv.kernel[0] * conv.kernel[1],
            pack: |index: usize, panel: &mut [f32]| self.pack(simd, columns, index, panel),
            columns,
            pixels: conv.size[0] * conv.size[1],
            regions: &conv.gradient_regions(&frame),
            bias: None,
            relu: false,
        };
        sums.run(simd, self.dy, conv.batch, threads, dx);
    }

    /// Weights `[outputs x elements, width]` of a panel of inputs.
    #[inline(always)]
    fn pack<S: Simd>(&self, simd: S, columns: Columns, index: usize, panel: &mut [f32]) {
        let conv = self.conv;
        let outputs = conv.group_outputs();
        let taps = conv.kernel[0] * conv.kernel[1];
        let (width, channels, group) = (columns.width, columns.of(index), index / columns.panels);
        let first = channels.start - group * conv.group_inputs();
        for (o, lines) in panel.chunks_exact_mut(taps * width).enumerate() {
            let row = &self.w[(group * outputs + o) * conv.row_stride + first * taps..][..channels.len() * taps];
            pack_columns(simd, (row, taps), [taps, channels.len()], (lines, width));
        }
    }
}
