//! A convolution on the prefix of its input and output channels.
use super::product::{Matrix, add_product};
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key};

/// Patches of each sample as columns (im2col, Chellapilla et al. 2006), then a dense product with a slice of the full weights, in place.
#[derive(Clone, Copy, Debug)]
pub struct PrefixConv2d;

/// One sample's geometry.
struct Window {
    side: [usize; 2],
    taps: [usize; 2],
    step: [usize; 2],
    padding: [usize; 2],
    reach: [usize; 2],
}

impl Window {
    /// Columns `[channels * taps, reach]` of one sample.
    fn columns(&self, x: &[f32], columns: &mut [f32]) {
        let [height, width] = self.side;
        let pixels = self.reach[0] * self.reach[1];
        for (row, column) in columns.chunks_mut(pixels).enumerate() {
            let (channel, tap) = (row / (self.taps[0] * self.taps[1]), row % (self.taps[0] * self.taps[1]));
            let plane = &x[channel * height * width..][..height * width];
            self.shifted(plane, [tap / self.taps[1], tap % self.taps[1]], column);
        }
    }

    /// The pixels that one tap sees.
    fn shifted(&self, plane: &[f32], tap: [usize; 2], out: &mut [f32]) {
        let width = self.side[1];
        for (i, line) in out.chunks_mut(self.reach[1]).enumerate() {
            let row = (i * self.step[0] + tap[0]).checked_sub(self.padding[0]).filter(|&row| row < self.side[0]);
            let Some(row) = row else {
                line.fill(0.0);
                continue;
            };
            let source = &plane[row * width..][..width];
            if self.step[1] == 1 {
                copy_shifted(source, line, tap[1] as isize - self.padding[1] as isize);
            } else {
                self.gather(source, line, tap[1]);
            }
        }
    }

    fn gather(&self, source: &[f32], line: &mut [f32], tap: usize) {
        for (j, pixel) in line.iter_mut().enumerate() {
            let at = (j * self.step[1] + tap).checked_sub(self.padding[1]);
            *pixel = at.and_then(|at| source.get(at)).copied().unwrap_or(0.0);
        }
    }
}

/// `line[j] = source[j + shift]`, zero outside.
fn copy_shifted(source: &[f32], line: &mut [f32], shift: isize) {
    let from = shift.min(0).unsigned_abs().min(line.len());
    let start = shift.max(0) as usize;
    let length = source.len().saturating_sub(start).min(line.len() - from);
    line[..from].fill(0.0);
    line[from..from + length].copy_from_slice(&source[start.min(source.len())..][..length]);
    line[from + length..].fill(0.0);
}

impl Kernel for PrefixConv2d {
    fn name(&self) -> &'static str {
        "prefix_conv2d"
    }

    fn takes(&self, key: &Key) -> bool {
        matches!(key, Key::Conv2d { inputs, taps, step, stride, .. }
            if *inputs > 0 && *stride >= inputs * taps[0] * taps[1] && taps[0] * taps[1] > 0 && step[0] * step[1] > 0)
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self.name())?;
        let Key::Conv2d { batch, inputs, outputs, side, taps, step, padding, stride } = args.key else {
            return Err(Error::new(self.name(), "not a convolution"));
        };
        let window = Window { side, taps, step, padding, reach: Key::reach(side, taps, step, padding) };
        let (row, pixels) = (inputs * taps[0] * taps[1], window.reach[0] * window.reach[1]);
        if batch == 0 || outputs * pixels == 0 {
            return Ok(());
        }
        let mut columns = vec![0.0; row * pixels];
        let samples = args.x.chunks(inputs * side[0] * side[1]).zip(args.y.chunks_mut(outputs * pixels));
        for (x, y) in samples {
            window.columns(x, &mut columns);
            for (o, plane) in y.chunks_mut(pixels).enumerate() {
                plane.fill(args.b.map_or(0.0, |bias| bias[o]));
            }
            let (w, columns) = (Matrix { data: args.w, stride }, Matrix { data: &columns, stride: pixels });
            add_product(y, w, columns, [outputs, row, pixels], args.threads);
        }
        Ok(())
    }
}
