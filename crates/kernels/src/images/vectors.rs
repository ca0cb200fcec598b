//! Which pixels of a channel stand in which vector, and what the positions of a kernel see of them.
use crate::layer::Conv2d;
use pulp::{Simd, bytemuck};

/// A vector of neighbouring pixels of a channel of the output: one run of pixels that see every `STEP`th element of a channel of the input, or two, the second of
/// which may see elements of another row.
#[derive(Clone, Copy)]
pub(crate) struct Vector {
    /// The element of a channel of the input, were it not padded, that the first position sees of the first pixel of each run.
    pub input: [u32; 2],
    /// Where its pixels begin in a channel of the output.
    pub output: u32,
    /// Pixels of each run.
    pub pixels: [u32; 2],
}

impl Vector {
    /// Behind the last element of a channel of the input that the first position sees.
    pub fn end(&self, step: usize) -> usize {
        let last = usize::from(self.pixels[1] > 0);
        self.input[last] as usize + (self.pixels[last] as usize * step + 1).saturating_sub(step)
    }

    /// Its pixels.
    pub fn count(&self) -> usize {
        (self.pixels[0] + self.pixels[1]) as usize
    }
}

/// Pixels of the first run of a vector where there are two: half a vector, or a row that is shorter.
pub(crate) fn split(conv: &Conv2d, lanes: usize) -> usize {
    conv.output_size()[1].min(lanes / 2)
}

/// The vectors of a sound convolution, of one run with images as wide as their output, and of two with a stride of two.
pub(crate) fn vectors<const STEP: usize>(conv: &Conv2d, lanes: usize) -> Vec<Vector> {
    let [rows, columns] = conv.output_size();
    if STEP == 1 {
        let pixels = rows * columns;
        let of =
            |p: usize| Vector { input: [p as u32; 2], output: p as u32, pixels: [lanes.min(pixels - p) as u32, 0] };
        return (0..pixels).step_by(lanes).map(of).collect();
    }
    let (split, together) = (split(conv, lanes).max(1), together(conv, lanes));
    let run = |row: usize, column: usize| {
        let from = row * conv.stride[0] * conv.size[1] + column * conv.stride[1];
        let (output, pixels) = (row * columns + column, split.min(columns - column));
        Vector { input: [from as u32; 2], output: output as u32, pixels: [pixels as u32, 0] }
    };
    let runs = |row: usize| (0..columns).step_by(split).map(move |column| run(row, column));
    let pair = |runs: &[Vector]| match *runs {
        [first, second, ..] => {
            Vector { input: [first.input[0], second.input[0]], pixels: [first.pixels[0], second.pixels[0]], ..first }
        }
        _ => runs[0],
    };
    let mut vectors = Vec::new();
    for first in (0..rows).step_by(together) {
        let runs: Vec<Vector> = (first..rows.min(first + together)).flat_map(runs).collect();
        vectors.extend(runs.chunks(2).map(pair));
    }
    vectors
}

/// Rows that share vectors of two runs: two that are no longer than a run.
fn together(conv: &Conv2d, lanes: usize) -> usize {
    if conv.output_size()[1] <= split(conv, lanes) { 2 } else { 1 }
}

/// The part of the elements of [`vectors`] that hold pixels.
pub(crate) fn fill(conv: &Conv2d, lanes: usize) -> f64 {
    let ([rows, columns], together) = (conv.output_size(), together(conv, lanes));
    let pixels = rows * columns;
    let vectors = match conv.stride[1] {
        1 => pixels.div_ceil(lanes),
        _ => rows.div_ceil(together) * (together * columns.div_ceil(split(conv, lanes).max(1))).div_ceil(2),
    };
    pixels as f64 / (vectors * lanes).max(1) as f64
}

/// Where no pixel is: far from any image.
const NONE: u32 = 1 << 31;

/// For each position of the kernel, vector and run the elements that a pixel sees and that are in the image, from the first pixel's on; at last for each vector its
/// pixels. `[positions, vectors, STEP]` and `[vectors]`.
#[inline(always)]
pub(crate) fn masks<S: Simd, const STEP: usize>(simd: S, conv: &Conv2d, vectors: &[Vector]) -> Vec<S::m32s> {
    let lanes = S::U32_LANES;
    let columns = (conv.output_size()[1] as u32).max(1);
    let runs = vectors.len() * STEP;
    let [mut down, mut right] = [(); 2].map(|()| vec![NONE; runs * lanes]);
    let elements = down.chunks_exact_mut(lanes).zip(right.chunks_exact_mut(lanes));
    for (run, (down, right)) in elements.enumerate() {
        let (vector, run) = (&vectors[run / STEP], run % STEP);
        let first = vector.output + if run == 0 { 0 } else { vector.pixels[0] };
        for i in 0..vector.pixels[run] {
            let pixel = first + i;
            down[i as usize * STEP] = pixel / columns * conv.stride[0] as u32;
            right[i as usize * STEP] = pixel % columns * conv.stride[1] as u32;
        }
    }
    let mut masks = Vec::with_capacity(conv.kernel[0] * conv.kernel[1] * runs + vectors.len());
    for k in 0..conv.kernel[0] {
        for l in 0..conv.kernel[1] {
            for run in 0..runs {
                let rows = is_on(simd, places_of::<S>(&down, run), conv, (0, k));
                masks.push(simd.and_m32s(rows, is_on(simd, places_of::<S>(&right, run), conv, (1, l))));
            }
        }
    }
    let places: Vec<u32> = (0..lanes as u32).collect();
    for vector in vectors {
        masks.push(simd.less_than_u32s(places_of::<S>(&places, 0), simd.splat_u32s(vector.count() as u32)));
    }
    masks
}

/// A vector of places along an axis.
#[inline(always)]
fn places_of<S: Simd>(places: &[u32], v: usize) -> S::u32s {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(&places[v * S::U32_LANES..][..S::U32_LANES]))
}

/// Which places see the image from position `k` along axis `a`. One before the image is a large number.
#[inline(always)]
fn is_on<S: Simd>(simd: S, places: S::u32s, conv: &Conv2d, (a, k): (usize, usize)) -> S::m32s {
    let moved = (k * conv.dilation[a]).wrapping_sub(conv.padding[a]) as u32;
    let seen = simd.add_u32s(places, simd.splat_u32s(moved));
    simd.less_than_u32s(seen, simd.splat_u32s(conv.size[a] as u32))
}

/// How the elements that two runs see are exchanged with their pixels.
#[derive(Clone, Copy)]
pub(crate) struct Exchange<S: Simd> {
    /// The element that each pixel sees, of the vectors that begin where the runs do; one that no pixel sees for what is no pixel.
    pub together: S::u32s,
    /// For each run the pixel that sees each element.
    pub apart: [S::u32s; 2],
}

impl<S: Simd> Exchange<S> {
    /// Those of vectors whose first run has `split` pixels, if there is another.
    #[inline(always)]
    pub fn new(split: usize) -> Self {
        let half = S::U32_LANES / 2;
        let mut indices = [const { Vec::new() }; 3];
        for i in 0..S::U32_LANES {
            let (run, i_of_run) = if i < split { (0, i) } else { (1, i - split) };
            indices[0].push(if i_of_run < half { (run * S::U32_LANES + 2 * i_of_run) as u32 } else { 1 });
            indices[1].push((i / 2) as u32);
            indices[2].push((split + i / 2) as u32);
        }
        let [together, apart @ ..] = indices;
        Self {
            together: places_of::<S>(&together, 0),
            apart: [places_of::<S>(&apart[0], 0), places_of::<S>(&apart[1], 0)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_pixel_stands_in_one_vector(size in (1usize..9, 1usize..80), down in 1usize..4, halves: bool, lanes in prop::sample::select(vec![4usize, 8, 16])) {
            let stride = if halves { [down, 2] } else { [1, 1] };
            let conv = Conv2d {
                batch: 1, inputs: 1, outputs: 1, groups: 1, size: [size.0, size.1], kernel: [1, 1], stride, padding: [0, 0], dilation: [1, 1], row_stride: 1,
            };
            let all = if halves { vectors::<2>(&conv, lanes) } else { vectors::<1>(&conv, lanes) };
            let ends = all.iter().map(|vector| vector.output as usize + vector.count());
            let pixels: usize = conv.output_size().iter().product();
            prop_assert!(all.iter().map(|vector| vector.output as usize).eq(std::iter::once(0).chain(ends).take(all.len())));
            prop_assert_eq!(all.iter().map(Vector::count).sum::<usize>(), pixels);
            prop_assert!(all.iter().all(|vector| vector.count() <= lanes));
            prop_assert_eq!(fill(&conv, lanes), pixels as f64 / (all.len() * lanes) as f64);
        }
    }
}
