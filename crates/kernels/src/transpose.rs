//! Transposing blocks of a matrix.
use pulp::{Simd, WithSimd};

/// Eight elements.
type Line = [f32; 8];

#[inline(always)]
fn line(from: &[f32], at: usize) -> Line {
    let mut line = [0.0; 8];
    line.copy_from_slice(&from[at..][..8]);
    line
}

/// Every other element of two lines, from each half: `[a0 b0 a1 b1 a4 b4 a5 b5]`.
#[inline(always)]
fn low(a: Line, b: Line) -> Line {
    [a[0], b[0], a[1], b[1], a[4], b[4], a[5], b[5]]
}

/// The others: `[a2 b2 a3 b3 a6 b6 a7 b7]`.
#[inline(always)]
fn high(a: Line, b: Line) -> Line {
    [a[2], b[2], a[3], b[3], a[6], b[6], a[7], b[7]]
}

#[inline(always)]
fn pairs_low(a: Line, b: Line) -> Line {
    [a[0], a[1], b[0], b[1], a[4], a[5], b[4], b[5]]
}

#[inline(always)]
fn pairs_high(a: Line, b: Line) -> Line {
    [a[2], a[3], b[2], b[3], a[6], a[7], b[6], b[7]]
}

#[inline(always)]
fn halves_low(a: Line, b: Line) -> Line {
    [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]
}

#[inline(always)]
fn halves_high(a: Line, b: Line) -> Line {
    [a[4], a[5], a[6], a[7], b[4], b[5], b[6], b[7]]
}

/// The transpose of eight lines, in three rounds of exchanges as vector units do them.
#[inline(always)]
fn transpose8(r: [Line; 8]) -> [Line; 8] {
    let a = [
        low(r[0], r[1]),
        high(r[0], r[1]),
        low(r[2], r[3]),
        high(r[2], r[3]),
        low(r[4], r[5]),
        high(r[4], r[5]),
        low(r[6], r[7]),
        high(r[6], r[7]),
    ];
    let b = [
        pairs_low(a[0], a[2]),
        pairs_high(a[0], a[2]),
        pairs_low(a[1], a[3]),
        pairs_high(a[1], a[3]),
        pairs_low(a[4], a[6]),
        pairs_high(a[4], a[6]),
        pairs_low(a[5], a[7]),
        pairs_high(a[5], a[7]),
    ];
    [
        halves_low(b[0], b[4]),
        halves_low(b[1], b[5]),
        halves_low(b[2], b[6]),
        halves_low(b[3], b[7]),
        halves_high(b[0], b[4]),
        halves_high(b[1], b[5]),
        halves_high(b[2], b[6]),
        halves_high(b[3], b[7]),
    ]
}

/// `to[c * to_stride + r] = from[r * from_stride + c]` for all r below `rows` and c below `columns`.
#[inline(always)]
pub(crate) fn transpose(
    (from, from_stride): (&[f32], usize),
    [rows, columns]: [usize; 2],
    (to, to_stride): (&mut [f32], usize),
) {
    let (whole_rows, whole_columns) = (rows & !7, columns & !7);
    for c in (0..whole_columns).step_by(8) {
        for r in (0..whole_rows).step_by(8) {
            let at = r * from_stride + c;
            let mut block = [[0.0; 8]; 8];
            for (i, to) in block.iter_mut().enumerate() {
                *to = line(from, at + i * from_stride);
            }
            for (i, line) in transpose8(block).iter().enumerate() {
                to[(c + i) * to_stride + r..][..8].copy_from_slice(line);
            }
        }
    }
    let mut rest = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        for r in rows {
            for c in columns.clone() {
                to[c * to_stride + r] = from[r * from_stride + c];
            }
        }
    };
    rest(whole_rows..rows, 0..columns);
    rest(0..whole_rows, whole_columns..columns);
}

/// [`transpose`] with the vectors of a machine, from where there are none yet.
pub(crate) struct Transpose<'a> {
    pub from: (&'a [f32], usize),
    /// Rows and columns.
    pub size: [usize; 2],
    pub to: (&'a mut [f32], usize),
}

impl WithSimd for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        transpose(self.from, self.size, self.to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_element_finds_its_place(rows in 0usize..30, columns in 0usize..30, more in 0usize..3) {
            let from: Vec<f32> = (0..rows * (columns + more)).map(|i| i as f32).collect();
            let mut to = vec![-1.0; columns * (rows + more)];
            transpose((&from, columns + more), [rows, columns], (&mut to, rows + more));
            for c in 0..columns {
                for r in 0..rows + more {
                    let expected = if r < rows { from[r * (columns + more) + c] } else { -1.0 };
                    prop_assert_eq!(to[c * (rows + more) + r], expected);
                }
            }
        }
    }
}
