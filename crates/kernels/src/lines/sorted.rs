//! Blocks by the row of the kernel that they belong to.
use crate::layer::Conv2d;
use crate::pattern::Blocks;
use std::ops::Range;

/// The blocks that are kept, those of each row of blocks sorted by their row of the kernel: those of neighbouring rows of the kernel are neighbours.
pub(crate) struct Sorted {
    positions: Vec<u16>,
    /// Where each stood among those kept of its row of blocks.
    places: Vec<u16>,
    /// Where the blocks of each row of the kernel begin, and the last ends.
    starts: Vec<u32>,
    kernel: usize,
    kept: usize,
    greatest: u16,
    height: usize,
}

impl Sorted {
    /// Those of `rows` rows of blocks.
    pub fn new(blocks: &Blocks<'_>, conv: &Conv2d, rows: usize) -> Self {
        let (kernel, kept) = (conv.kernel[0], blocks.kept());
        let of: Vec<usize> = (0..conv.row()).map(|position| position / conv.kernel[1] % kernel).collect();
        let [mut positions, mut places] = [(); 2].map(|()| vec![0; rows * kept]);
        let mut starts = Vec::with_capacity(rows * (kernel + 1));
        let mut next = vec![0; kernel + 1];
        for row in 0..rows {
            next.fill(0);
            blocks.row(row).iter().for_each(|&position| next[of[usize::from(position)] + 1] += 1);
            (0..kernel).for_each(|k| next[k + 1] += next[k]);
            starts.extend(next.iter().map(|&start| start as u32));
            for (place, &position) in blocks.row(row).iter().enumerate() {
                let slot = &mut next[of[usize::from(position)]];
                positions[row * kept + *slot] = position;
                places[row * kept + *slot] = place as u16;
                *slot += 1;
            }
        }
        Self { positions, places, starts, kernel, kept, greatest: blocks.greatest() as u16, height: blocks.height() }
    }

    /// They as blocks of which all are kept.
    pub fn blocks(&self) -> Blocks<'_> {
        Blocks::of_pack(&self.positions, self.greatest, [self.height, self.kept, self.kept])
    }

    /// Which of a row of blocks belong to some rows of the kernel.
    pub fn of(&self, row: usize, kernel: Range<usize>) -> Range<usize> {
        let starts = &self.starts[row * (self.kernel + 1)..][..=self.kernel];
        let end = starts[kernel.end] as usize;
        (starts[kernel.start] as usize).min(end)..end
    }

    /// Elements of the values of a row of blocks.
    pub fn row(&self) -> usize {
        self.kept * self.height
    }

    /// The values of each row of blocks, from `stored` blocks a row.
    pub fn gather(&self, values: &[f32], stored: usize) -> Vec<f32> {
        let mut sorted = Vec::with_capacity(self.places.len() * self.height);
        let rows = self.places.chunks_exact(self.kept.max(1)).zip(values.chunks_exact((stored * self.height).max(1)));
        for (places, values) in rows {
            places.iter().for_each(|&place| {
                sorted.extend_from_slice(&values[usize::from(place) * self.height..][..self.height])
            });
        }
        sorted
    }

    /// Puts values where they came from.
    pub fn scatter(&self, sorted: &[f32], values: &mut [f32], stored: usize) {
        let rows =
            self.places.chunks_exact(self.kept.max(1)).zip(values.chunks_exact_mut((stored * self.height).max(1)));
        for ((places, values), sorted) in rows.zip(sorted.chunks_exact(self.row().max(1))) {
            for (&place, value) in places.iter().zip(sorted.chunks_exact(self.height)) {
                values[usize::from(place) * self.height..][..self.height].copy_from_slice(value);
            }
        }
    }
}
