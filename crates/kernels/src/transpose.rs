//! Transposing blocks of a matrix.
#[cfg(target_arch = "x86_64")]
use crate::simd::eights;
use crate::simd::{copy_few, starts};
use pulp::{Simd, WithSimd};
#[cfg(target_arch = "x86_64")]
use pulp::{bytemuck, x86::V3};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::__m256;
use std::ops::Range;

/// Eight elements.
type Line = [f32; 8];

#[inline(always)]
fn line(from: &[f32], at: usize) -> Line {
    let mut line = [0.0; 8];
    line.copy_from_slice(&from[at..][..8]);
    line
}

/// What vector units exchange between two lines of eight elements.
trait Exchange: Copy {
    type Line: Copy;

    /// Every other element of two lines, from each half: `[a0 b0 a1 b1 a4 b4 a5 b5]`.
    fn low(self, a: Self::Line, b: Self::Line) -> Self::Line;
    /// The others: `[a2 b2 a3 b3 a6 b6 a7 b7]`.
    fn high(self, a: Self::Line, b: Self::Line) -> Self::Line;
    /// `[a0 a1 b0 b1 a4 a5 b4 b5]`.
    fn pairs_low(self, a: Self::Line, b: Self::Line) -> Self::Line;
    /// `[a2 a3 b2 b3 a6 a7 b6 b7]`.
    fn pairs_high(self, a: Self::Line, b: Self::Line) -> Self::Line;
    /// `[a0 a1 a2 a3 b0 b1 b2 b3]`.
    fn halves_low(self, a: Self::Line, b: Self::Line) -> Self::Line;
    /// `[a4 a5 a6 a7 b4 b5 b6 b7]`.
    fn halves_high(self, a: Self::Line, b: Self::Line) -> Self::Line;

    /// The transpose of eight lines, in three rounds.
    #[inline(always)]
    fn transpose(self, r: [Self::Line; 8]) -> [Self::Line; 8] {
        let mut a = r;
        for i in [0, 2, 4, 6] {
            (a[i], a[i + 1]) = (self.low(r[i], r[i + 1]), self.high(r[i], r[i + 1]));
        }
        let mut b = a;
        for i in [0, 4] {
            (b[i], b[i + 1]) = (self.pairs_low(a[i], a[i + 2]), self.pairs_high(a[i], a[i + 2]));
            (b[i + 2], b[i + 3]) = (self.pairs_low(a[i + 1], a[i + 3]), self.pairs_high(a[i + 1], a[i + 3]));
        }
        let mut c = b;
        for i in 0..4 {
            (c[i], c[i + 4]) = (self.halves_low(b[i], b[i + 4]), self.halves_high(b[i], b[i + 4]));
        }
        c
    }
}

/// Exchanges as the compiler finds them.
#[derive(Clone, Copy)]
struct Plain;

impl Exchange for Plain {
    type Line = Line;

    #[inline(always)]
    fn low(self, a: Line, b: Line) -> Line {
        [a[0], b[0], a[1], b[1], a[4], b[4], a[5], b[5]]
    }
    #[inline(always)]
    fn high(self, a: Line, b: Line) -> Line {
        [a[2], b[2], a[3], b[3], a[6], b[6], a[7], b[7]]
    }
    #[inline(always)]
    fn pairs_low(self, a: Line, b: Line) -> Line {
        [a[0], a[1], b[0], b[1], a[4], a[5], b[4], b[5]]
    }
    #[inline(always)]
    fn pairs_high(self, a: Line, b: Line) -> Line {
        [a[2], a[3], b[2], b[3], a[6], a[7], b[6], b[7]]
    }
    #[inline(always)]
    fn halves_low(self, a: Line, b: Line) -> Line {
        [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]
    }
    #[inline(always)]
    fn halves_high(self, a: Line, b: Line) -> Line {
        [a[4], a[5], a[6], a[7], b[4], b[5], b[6], b[7]]
    }
}

#[cfg(target_arch = "x86_64")]
impl Exchange for V3 {
    type Line = __m256;

    #[inline(always)]
    fn low(self, a: __m256, b: __m256) -> __m256 {
        self.avx._mm256_unpacklo_ps(a, b)
    }
    #[inline(always)]
    fn high(self, a: __m256, b: __m256) -> __m256 {
        self.avx._mm256_unpackhi_ps(a, b)
    }
    #[inline(always)]
    fn pairs_low(self, a: __m256, b: __m256) -> __m256 {
        self.avx._mm256_shuffle_ps::<0x44>(a, b)
    }
    #[inline(always)]
    fn pairs_high(self, a: __m256, b: __m256) -> __m256 {
        self.avx._mm256_shuffle_ps::<0xee>(a, b)
    }
    #[inline(always)]
    fn halves_low(self, a: __m256, b: __m256) -> __m256 {
        self.avx._mm256_permute2f128_ps::<0x20>(a, b)
    }
    #[inline(always)]
    fn halves_high(self, a: __m256, b: __m256) -> __m256 {
        self.avx._mm256_permute2f128_ps::<0x31>(a, b)
    }
}

/// The transpose of eight lines. Compilers do not find the exchanges of vectors in those of arrays, so that they are named where a machine has them.
#[inline(always)]
fn transpose8<S: Simd>(simd: S, lines: [Line; 8]) -> [Line; 8] {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = eights(simd) {
        return bytemuck::cast(v3.transpose(bytemuck::cast(lines)));
    }
    let _ = simd;
    Plain.transpose(lines)
}

/// `to[c * to_stride + r] = from[r * from_stride + c]`, eight rows from end to end; of a tall matrix eight columns, for its rows are too short to be
/// read ahead.
#[inline(always)]
fn transpose<S: Simd>(
    simd: S,
    (from, from_stride): (&[f32], usize),
    [rows, columns]: [usize; 2],
    (to, to_stride): (&mut [f32], usize),
) {
    let (whole_rows, whole_columns) = (rows & !7, columns & !7);
    let tall = if columns < rows { rows } else { 8 };
    for first in (0..whole_rows).step_by(tall) {
        for c in (0..whole_columns).step_by(8) {
            for r in (first..whole_rows.min(first + tall)).step_by(8) {
                let at = r * from_stride + c;
                let mut block = [[0.0; 8]; 8];
                for (i, to) in block.iter_mut().enumerate() {
                    *to = line(from, at + i * from_stride);
                }
                for (i, line) in transpose8(simd, block).iter().enumerate() {
                    to[(c + i) * to_stride + r..][..8].copy_from_slice(line);
                }
            }
        }
    }
    let mut rest = |rows: Range<usize>, columns: Range<usize>| {
        for r in rows {
            for c in columns.clone() {
                to[c * to_stride + r] = from[r * from_stride + c];
            }
        }
    };
    rest(whole_rows..rows, 0..columns);
    rest(0..whole_rows, whole_columns..columns);
}

/// Elements that lie nowhere.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// `to[places[c] + r] = from[r * stride + c]` for all r below `rows` and c below `columns`, but where a place is [`u32::MAX`].
#[inline(always)]
pub(crate) fn columns_of<S: Simd>(simd: S, from: (&[f32], usize), size: [usize; 2], to: (&mut [f32], &[u32])) {
    match size.map(|count| count.min(8)) {
        [8, 8] => columns_in_blocks(simd, from, size, to, [8, 8]),
        few => columns_in_blocks(simd, from, size, to, few),
    }
}

/// [`columns_of`], a block of `high` rows and `wide` columns at a time.
#[inline(always)]
fn columns_in_blocks<S: Simd>(
    simd: S,
    (from, stride): (&[f32], usize),
    [rows, columns]: [usize; 2],
    (to, places): (&mut [f32], &[u32]),
    [high, wide]: [usize; 2],
) {
    for r in starts(rows) {
        for c in starts(columns) {
            let mut block = [[0.0; 8]; 8];
            for (i, to) in block[..high].iter_mut().enumerate() {
                copy_few(&from[(r + i) * stride + c..][..wide], &mut to[..wide]);
            }
            for (line, &place) in transpose8(simd, block).iter().zip(&places[c..c + wide]) {
                if place != NOWHERE {
                    copy_few(&line[..high], &mut to[place as usize + r..][..high]);
                }
            }
        }
    }
}

/// `rows[r][columns.start + c] = from[places[c] + r]` for all columns, zero where a place is [`u32::MAX`].
#[inline(always)]
pub(crate) fn rows_of<S: Simd>(simd: S, from: (&[f32], &[u32]), rows: &mut [&mut [f32]], columns: Range<usize>) {
    match [rows.len().min(8), columns.len().min(8)] {
        [8, 8] => rows_in_blocks(simd, from, rows, columns, [8, 8]),
        few => rows_in_blocks(simd, from, rows, columns, few),
    }
}

/// [`rows_of`], a block of `high` rows and `wide` columns at a time.
#[inline(always)]
fn rows_in_blocks<S: Simd>(
    simd: S,
    (from, places): (&[f32], &[u32]),
    rows: &mut [&mut [f32]],
    columns: Range<usize>,
    [high, wide]: [usize; 2],
) {
    for r in starts(rows.len()) {
        let rows = &mut rows[r..r + high];
        for c in starts(columns.len()) {
            let mut block = [[0.0; 8]; 8];
            for (to, &place) in block.iter_mut().zip(&places[c..c + wide]) {
                if place != NOWHERE {
                    copy_few(&from[place as usize + r..][..high], &mut to[..high]);
                }
            }
            for (line, row) in transpose8(simd, block).iter().zip(&mut *rows) {
                copy_few(&line[..wide], &mut row[columns.start + c..][..wide]);
            }
        }
    }
}

/// `to[c * to_stride + r] = from[r * from_stride + c]` for all r below `rows` and c below `columns`, with the vectors of a machine.
pub(crate) struct Transpose<'a> {
    pub from: (&'a [f32], usize),
    /// Rows and columns.
    pub size: [usize; 2],
    pub to: (&'a mut [f32], usize),
}

impl WithSimd for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        transpose(simd, self.from, self.size, self.to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::dispatch;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_element_finds_its_place(rows in 0usize..30, columns in 0usize..30, more in 0usize..3) {
            let from: Vec<f32> = (0..rows * (columns + more)).map(|i| i as f32).collect();
            let mut to = vec![-1.0; columns * (rows + more)];
            dispatch(Transpose { from: (&from, columns + more), size: [rows, columns], to: (&mut to, rows + more) });
            for c in 0..columns {
                for r in 0..rows + more {
                    let expected = if r < rows { from[r * (columns + more) + c] } else { -1.0 };
                    prop_assert_eq!(to[c * (rows + more) + r], expected);
                }
            }
        }

        #[test]
        fn columns_lie_in_their_places_and_come_back(rows in 0usize..20, columns in 0usize..20, gap in 0usize..3) {
            let from: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let place = |c: usize| if c % 5 == 3 { NOWHERE } else { (c * (rows + gap)) as u32 };
            let places: Vec<u32> = (0..columns).map(place).collect();
            let mut to = vec![-1.0; columns * (rows + gap)];
            dispatch(There { from: (&from, columns), size: [rows, columns], to: (&mut to, &places) });
            let mut back = vec![-1.0; rows * columns];
            dispatch(Back { from: (&to, &places), to: back.chunks_mut(columns.max(1)).collect(), columns: 0..columns });
            for (i, (&before, &after)) in from.iter().zip(&back).enumerate() {
                prop_assert_eq!(after, if i % columns % 5 == 3 { 0.0 } else { before });
            }
            prop_assert_eq!(to.iter().filter(|&&v| v >= 0.0).count(), rows * places.iter().filter(|&&p| p != NOWHERE).count());
        }
    }

    struct There<'a> {
        from: (&'a [f32], usize),
        size: [usize; 2],
        to: (&'a mut [f32], &'a [u32]),
    }

    impl WithSimd for There<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            columns_of(simd, self.from, self.size, self.to);
        }
    }

    struct Back<'a> {
        from: (&'a [f32], &'a [u32]),
        to: Vec<&'a mut [f32]>,
        columns: Range<usize>,
    }

    impl WithSimd for Back<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(mut self, simd: S) {
            rows_of(simd, self.from, &mut self.to, self.columns);
        }
    }
}
