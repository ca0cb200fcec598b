//! A matrix that is written, whose columns can be dealt out among threads.
use std::marker::PhantomData;
use std::ops::Range;

/// Rows of `columns` elements each, `stride` apart. Two of them never hold the same element.
#[derive(Debug)]
pub(crate) struct Matrix<'a> {
    data: *mut f32,
    rows: usize,
    columns: usize,
    stride: usize,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: it stands for exclusive borrows of its elements, as a mutable slice does.
#[expect(unsafe_code, reason = "a pointer that stands for mutable slices")]
unsafe impl Send for Matrix<'_> {}

impl<'a> Matrix<'a> {
    /// The matrix that begins where `data` does.
    ///
    /// # Panics
    /// When `data` is too short, or rows overlap.
    pub fn new(data: &'a mut [f32], [rows, columns]: [usize; 2], stride: usize) -> Self {
        assert!(stride >= columns || rows < 2, "rows overlap");
        assert!(rows == 0 || data.len() >= (rows - 1) * stride + columns, "the matrix is larger than its memory");
        Self { data: data.as_mut_ptr(), rows, columns, stride, life: PhantomData }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn stride(&self) -> usize {
        self.stride
    }

    pub fn as_mut_ptr(&mut self) -> *mut f32 {
        self.data
    }

    /// Some rows of some columns.
    #[inline(always)]
    pub fn part(&mut self, rows: Range<usize>, columns: Range<usize>) -> Matrix<'_> {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "no such rows");
        assert!(columns.start <= columns.end && columns.end <= self.columns, "no such columns");
        let data = self.data.wrapping_add(rows.start * self.stride + columns.start);
        Matrix { data, rows: rows.len(), columns: columns.len(), stride: self.stride, life: PhantomData }
    }

    /// One row.
    #[inline(always)]
    pub fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "no such row");
        // SAFETY: the row lies within the memory that was borrowed, and `self` is borrowed for as long as the row.
        #[expect(unsafe_code, reason = "a row of the memory that this stands for")]
        unsafe {
            std::slice::from_raw_parts_mut(self.data.add(row * self.stride), self.columns)
        }
    }

    /// Cuts the columns into neighbouring ranges, which begin with zero.
    pub fn cut(self, ranges: impl Iterator<Item = Range<usize>>) -> Vec<(Range<usize>, Matrix<'a>)> {
        let mut end = 0;
        let cut = |range: Range<usize>| {
            assert!(range.start == end && range.end <= self.columns, "columns that are no neighbours");
            end = range.end;
            let data = self.data.wrapping_add(range.start);
            let part = Matrix { data, rows: self.rows, columns: range.len(), stride: self.stride, life: PhantomData };
            (range, part)
        };
        ranges.map(cut).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_where_they_should_be() {
        let mut data: Vec<f32> = (0..20).map(|v| v as f32).collect();
        let mut parts = Matrix::new(&mut data, [3, 5], 7).cut([0..2, 2..5].into_iter());
        assert_eq!(parts[1].1.row(2), [16.0, 17.0, 18.0]);
        assert_eq!(parts[1].1.part(1..3, 1..2).row(0), [10.0]);
        parts[0].1.row(1)[1] = -1.0;
        assert_eq!(data[8], -1.0);
    }

    #[test]
    #[should_panic(expected = "larger than its memory")]
    fn a_matrix_stays_in_its_memory() {
        Matrix::new(&mut [0.0; 18], [3, 5], 7);
    }
}
