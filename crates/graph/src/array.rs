//! Small dense arrays: the slow truth.
use crate::error::{Error, Result};
use crate::extent::Kept;
use serde::{Deserialize, Serialize};

/// A dense array in row-major order. Whole numbers are stored as floats, exact up to 2^24 in magnitude, truth values as 0
/// and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Array {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Array {
    /// An array of `shape` over `data`.
    ///
    /// # Errors
    /// When the shape does not hold as many elements as there are.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Self> {
        let elements: usize = shape.iter().product();
        if elements != data.len() {
            return Err(Error::new(
                format!("array {shape:?}"),
                format!("{} elements, expected {elements}", data.len()),
            ));
        }
        Ok(Self { shape, data })
    }

    /// An array whose element at each multi-index is `f` of it.
    pub fn from_fn(shape: &[usize], mut f: impl FnMut(&[usize]) -> f32) -> Self {
        let mut data = Vec::with_capacity(shape.iter().product());
        each_index(shape, |index| data.push(f(index)));
        Self { shape: shape.to_vec(), data }
    }

    /// An array full of one value.
    pub fn full(shape: &[usize], value: f32) -> Self {
        Self { shape: shape.to_vec(), data: vec![value; shape.iter().product()] }
    }

    /// Lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The elements, row-major, to change in place.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The elements alone.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The element at a multi-index; an index on an axis of length 1 counts as 0 (broadcasting), and leading axes may be missing.
    pub fn broadcast_at(&self, index: &[usize]) -> f32 {
        let index = &index[index.len() - self.shape.len()..];
        let at = self.shape.iter().zip(index).fold(0, |at, (&n, &i)| at * n + if n == 1 { 0 } else { i });
        self.data[at]
    }

    /// Where the element at a multi-index stands among the elements.
    pub fn offset(&self, index: &[usize]) -> usize {
        self.shape.iter().zip(index).fold(0, |at, (&n, &i)| at * n + i)
    }

    /// The element at a multi-index.
    pub fn at(&self, index: &[usize]) -> f32 {
        self.data[self.offset(index)]
    }

    /// The same elements under another shape.
    ///
    /// # Errors
    /// When the number of elements differs.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self> {
        Self::new(shape.to_vec(), self.data.clone())
    }

    /// The elements that are kept on every axis.
    ///
    /// # Panics
    /// When there are not as many axes.
    #[must_use]
    pub fn select(&self, kept: &[Kept]) -> Self {
        let at: Vec<Vec<usize>> = kept.iter().map(|kept| kept.indices().collect()).collect();
        let shape: Vec<usize> = at.iter().map(Vec::len).collect();
        let mut from = vec![0; shape.len()];
        Self::from_fn(&shape, |index| {
            for (axis, &i) in index.iter().enumerate() {
                from[axis] = at[axis][i];
            }
            self.at(&from)
        })
    }

    /// The elements with index below `kept[axis]` on every axis.
    #[must_use]
    pub fn prefix(&self, kept: &[usize]) -> Self {
        Self::from_fn(kept, |index| self.at(index))
    }

    /// The array with every element outside the prefix set to zero.
    #[must_use]
    pub fn masked_to_prefix(&self, kept: &[usize]) -> Self {
        Self::from_fn(
            &self.shape,
            |index| if index.iter().zip(kept).all(|(i, k)| i < k) { self.at(index) } else { 0.0 },
        )
    }

    /// Slices of `block` elements along `axis`, in the order given by `order` (a permutation of the blocks).
    #[must_use]
    pub fn permuted(&self, axis: usize, block: usize, order: &[usize]) -> Self {
        Self::from_fn(&self.shape, |index| {
            let mut from = index.to_vec();
            from[axis] = order[index[axis] / block] * block + index[axis] % block;
            self.at(&from)
        })
    }

    /// The array with `f` applied to every element.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { shape: self.shape.clone(), data: self.data.iter().map(|&v| f(f64::from(v)) as f32).collect() }
    }

    /// The array with every lane along `axis` replaced by `length` elements, which `f` makes of the lane.
    #[must_use]
    pub fn map_lanes(&self, axis: usize, length: usize, mut f: impl FnMut(&[f64], &mut [f64])) -> Self {
        let (outer, old) = (self.shape[..axis].iter().product::<usize>(), self.shape[axis]);
        let inner: usize = self.shape[axis + 1..].iter().product();
        let mut shape = self.shape.clone();
        shape[axis] = length;
        let mut data = vec![0.0; outer * length * inner];
        let (mut lane, mut made) = (vec![0.0; old], vec![0.0; length]);
        for at in 0..outer * inner {
            let (block, offset) = (at / inner, at % inner);
            lane.iter_mut().enumerate().for_each(|(i, v)| *v = self.data[(block * old + i) * inner + offset].into());
            f(&lane, &mut made);
            made.iter().enumerate().for_each(|(i, &v)| data[(block * length + i) * inner + offset] = v as f32);
        }
        Self { shape, data }
    }

    /// Largest absolute difference to `other`; infinite when the shapes differ.
    pub fn distance(&self, other: &Self) -> f64 {
        if self.shape != other.shape {
            return f64::INFINITY;
        }
        self.data.iter().zip(&other.data).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
    }
}

/// Calls `f` with every multi-index of `shape`, in row-major order.
pub fn each_index(shape: &[usize], mut f: impl FnMut(&[usize])) {
    if shape.contains(&0) {
        return;
    }
    let mut index = vec![0; shape.len()];
    loop {
        f(&index);
        let Some(axis) = (0..shape.len()).rev().find(|&a| index[a] + 1 < shape[a]) else { return };
        index[axis] += 1;
        index[axis + 1..].fill(0);
    }
}

/// An array as it is stored, its length unchecked.
#[derive(Serialize, Deserialize)]
struct Stored {
    shape: Vec<usize>,
    data: Vec<Number>,
}

/// A number as it is stored: JSON has none that are infinite.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f32),
    Text(String),
}

impl From<Array> for Stored {
    fn from(array: Array) -> Self {
        let number = |v: f32| if v.is_finite() { Number::Finite(v) } else { Number::Text(v.to_string()) };
        Self { shape: array.shape, data: array.data.into_iter().map(number).collect() }
    }
}

impl TryFrom<Stored> for Array {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let number = |number| match number {
            Number::Finite(v) => Ok(v),
            Number::Text(text) => text.parse().map_err(|_| Error::new("array", format!("`{text}` is not a number"))),
        };
        Self::new(stored.shape, stored.data.into_iter().map(number).collect::<Result<_>>()?)
    }
}
