//! A tensor with a border.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, Axis, plain};
use crate::error::Result;
use crate::fact::{Dim, Fact};
use crate::operator::{Family, Operator};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// What a border is made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Border {
    /// One value.
    Value(f32),
    /// The outermost elements, again and again.
    Edge,
    /// The elements mirrored at the outermost ones, which are not repeated.
    Mirror,
}

/// Adds elements before and after, on every axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pad {
    /// Elements added before and after, for every axis.
    pub widths: Vec<[usize; 2]>,
    /// What they are.
    pub border: Border,
}

impl Pad {
    /// Whether an axis of this length can be padded so.
    fn fits(&self, [before, after]: [usize; 2], dim: Dim) -> bool {
        let most = match self.border {
            Border::Value(_) => usize::MAX,
            Border::Edge => if dim.count() > 0 { usize::MAX } else { 0 },
            Border::Mirror => dim.count().saturating_sub(1),
        };
        [before, after] == [0, 0] || (!dim.is_batch() && before <= most && after <= most)
    }

    /// Where element `at` of an output axis comes from, unless from the border.
    fn source(&self, at: usize, before: usize, length: usize) -> Option<usize> {
        let inside = at.checked_sub(before).filter(|&at| at < length);
        match self.border {
            Border::Value(_) => inside,
            Border::Edge => inside.or(Some(if at < before { 0 } else { length - 1 })),
            Border::Mirror => inside.or(Some(if at < before { before - at } else { 2 * (length - 1) - (at - before) })),
        }
    }
}

impl Operator for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("pad", inputs)?;
        let mut fits = self.widths.len() == x.rank();
        let mut y = x.clone();
        for (dim, &[before, after]) in y.shape.iter_mut().zip(&self.widths) {
            fits &= self.fits([before, after], *dim);
            *dim = dim.with_count(dim.count().saturating_add(before).saturating_add(after));
        }
        ensure(fits, "pad", || format!("{:?} around {x}", self.widths))?;
        Ok(vec![y])
    }

    /// The border has letters of its own. When it repeats elements of the axis, that may not shrink.
    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let (mut x, mut y) = (plain(inputs[0].rank()), plain(inputs[0].rank()));
        let mut next = x.len() as u16;
        let mut lengths = Vec::new();
        for (axis, &[before, after]) in self.widths.iter().enumerate().filter(|(_, width)| **width != [0, 0]) {
            if let Border::Value(_) = self.border {
                let border = |id, length: usize| (length > 0).then_some((Axis::bound(id), (id, length)));
                let (first, last) = (border(next, before), border(next + 1, after));
                lengths.extend([&first, &last].into_iter().flatten().map(|(_, length)| *length));
                let parts = [first.map(|(part, _)| part), Some(x[axis].clone()), last.map(|(part, _)| part)];
                y[axis] = Axis::chain(parts.into_iter().flatten());
            } else {
                (x[axis], y[axis]) = (Axis::bound(next), Axis::bound(next + 1));
            }
            next += 2;
        }
        lengths.into_iter().fold(Axes::new(vec![x], vec![y]), |axes, (id, length)| axes.with_length(id, length))
    }

    fn bound_because(&self) -> &'static str {
        "a border stands around the axis"
    }

    fn work(&self, _inputs: &[&Fact], _outputs: &[Fact], _phase: Phase) -> Work {
        Work::default()
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("pad", inputs)?;
        let shape: Vec<usize> = x.shape().iter().zip(&self.widths).map(|(n, [a, b])| n + a + b).collect();
        let mut from = vec![0; shape.len()];
        let fill = if let Border::Value(value) = self.border { value } else { 0.0 };
        Ok(vec![Array::from_fn(&shape, |index| {
            let inside = (0..shape.len()).all(|axis| {
                let source = self.source(index[axis], self.widths[axis][0], x.shape()[axis]);
                from[axis] = source.unwrap_or(0);
                source.is_some()
            });
            if inside { x.at(&from) } else { fill }
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Border, Operator, Pad};
    use crate::fact::Fact;

    fn padded(border: Border) -> Vec<f32> {
        let x = Array::new(vec![3], vec![1.0, 2.0, 3.0]).unwrap();
        Pad { widths: vec![[2, 1]], border }.eval(&[&x]).unwrap()[0].data().to_vec()
    }

    #[test]
    fn borders() {
        assert_eq!(padded(Border::Value(7.0)), [7.0, 7.0, 1.0, 2.0, 3.0, 7.0]);
        assert_eq!(padded(Border::Edge), [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]);
        assert_eq!(padded(Border::Mirror), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    }

    #[test]
    fn a_border_is_no_part_of_the_axis() {
        let op = Pad { widths: vec![[0, 0], [2, 1]], border: Border::Value(0.0) };
        assert_eq!(op.axes(&[&Fact::fixed(&[4, 3])]).to_string(), "ab->a{CbD} c=2 d=1");
    }
}
