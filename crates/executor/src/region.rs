//! The elements of a tensor that a setting keeps.
use crate::tensor::{Any, concat, lengths, slice, slice_assign};
use burn::tensor::Slice;
use std::ops::Range;
use supple_graph::Extent;
use supple_kernels::adam::Stretch;

/// Elements of a tensor, as ranges of every axis, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Region(Vec<Vec<Range<usize>>>);

impl Region {
    /// What is left of a value without batch.
    pub fn of(extent: &Extent) -> Self {
        Self(extent.kept.iter().map(|kept| kept.ranges().to_vec()).collect())
    }

    /// Lengths of the axes that are left.
    pub fn lengths(&self) -> Vec<usize> {
        self.0.iter().map(|ranges| ranges.iter().map(ExactSizeIterator::len).sum()).collect()
    }

    /// The elements alone: a view where each axis keeps one range and the backend can, else a copy.
    pub fn keep(&self, tensor: Any) -> Any {
        if lengths(&tensor) == self.lengths() {
            return tensor;
        }
        let scattered = |(_, ranges): &(usize, &Vec<Range<usize>>)| ranges.len() > 1;
        let whole = |ranges: &Vec<Range<usize>>| match ranges.as_slice() {
            [one] => span(one),
            _ => Slice::full(),
        };
        let tensor = slice(tensor, &self.0.iter().map(whole).collect::<Vec<_>>());
        self.0.iter().enumerate().filter(scattered).fold(tensor, |tensor, (axis, ranges)| {
            let part = |range: &Range<usize>| {
                let mut cuts = vec![Slice::full(); axis + 1];
                cuts[axis] = span(range);
                slice(tensor.clone(), &cuts)
            };
            concat(ranges.iter().map(part).collect(), axis)
        })
    }

    /// `tensor` with the elements replaced by those of `value`.
    pub fn put(&self, tensor: Any, value: Any) -> Any {
        if lengths(&tensor) == self.lengths() {
            return value;
        }
        let mut tensor = tensor;
        for block in self.blocks() {
            let [to, from] = [0, 1].map(|side| block.iter().map(|pair| span(&pair[side])).collect::<Vec<_>>());
            tensor = slice_assign(tensor, &to, slice(value.clone(), &from));
        }
        tensor
    }

    /// The elements as stretches that are neighbours in a dense tensor of this shape, in order.
    pub fn stretches(&self, shape: &[usize]) -> Vec<Stretch> {
        let mut inner = vec![Stretch { whole: 0, kept: 0, length: 1 }];
        let [mut whole, mut kept] = [1, 1];
        for (ranges, &length) in self.0.iter().zip(shape).rev() {
            let is_whole = inner == [Stretch { whole: 0, kept: 0, length: whole }];
            let (mut outer, mut own) = (Vec::new(), 0);
            for range in ranges {
                if is_whole {
                    let length = range.len() * whole;
                    outer.push(Stretch { whole: range.start * whole, kept: own * kept, length });
                } else {
                    let moved = |(i, at)| {
                        let moved = move |s: &Stretch| Stretch {
                            whole: at * whole + s.whole,
                            kept: (own + i) * kept + s.kept,
                            ..*s
                        };
                        inner.iter().map(moved)
                    };
                    outer.extend(range.clone().enumerate().flat_map(moved));
                }
                own += range.len();
            }
            (inner, whole, kept) = (outer, whole * length, kept * own);
        }
        inner
    }

    /// Every block of one range an axis: where it stands in the whole, and where in what is kept.
    fn blocks(&self) -> Vec<Vec<[Range<usize>; 2]>> {
        let mut blocks = vec![Vec::new()];
        for ranges in &self.0 {
            let mut start = 0;
            let pair = |range: &Range<usize>| {
                let own = start..start + range.len();
                start = own.end;
                [range.clone(), own]
            };
            let pairs: Vec<[Range<usize>; 2]> = ranges.iter().map(pair).collect();
            let grown = |block: Vec<[Range<usize>; 2]>| {
                pairs.iter().map(move |pair| [&block[..], std::slice::from_ref(pair)].concat()).collect::<Vec<_>>()
            };
            blocks = blocks.into_iter().flat_map(grown).collect();
        }
        blocks
    }

    /// The same elements, counted among those of `larger`, which holds them all.
    pub fn within(&self, larger: &Self) -> Self {
        let below = |ranges: &[Range<usize>], at: usize| -> usize {
            ranges.iter().map(|range| range.end.min(at).saturating_sub(range.start)).sum()
        };
        let moved = |(own, all): (&Vec<Range<usize>>, &Vec<Range<usize>>)| {
            own.iter().map(|range| below(all, range.start)..below(all, range.end)).collect()
        };
        Self(self.0.iter().zip(&larger.0).map(moved).collect())
    }
}

fn span(range: &Range<usize>) -> Slice {
    Slice::from(range.start as isize..range.end as isize)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::tensor::{download, upload};
    use burn::tensor::Device;
    use supple_graph::{Array, DType};

    fn scattered() -> Region {
        Region(vec![vec![0..1, 2..3], vec![1..3]])
    }

    #[test]
    fn what_is_put_is_what_is_kept() {
        let device = Device::flex();
        let upload = |array: &Array| upload(array, DType::F32, device.as_dispatch());
        let all = Array::from_fn(&[3, 4], |at| (at[0] * 4 + at[1]) as f32);
        let kept = download(scattered().keep(upload(&all))).unwrap();
        assert_eq!((kept.shape(), kept.data()), (&[2, 2][..], &[1.0, 2.0, 9.0, 10.0][..]));
        let value = Array::full(&[2, 2], -1.0);
        let put = scattered().put(upload(&all), upload(&value));
        assert_eq!(download(scattered().keep(put.clone())).unwrap(), value);
        let untouched = |at: &[usize]| at[0] == 1 || at[1] == 0 || at[1] == 3;
        let put = download(put).unwrap();
        assert_eq!(put, Array::from_fn(&[3, 4], |at| if untouched(at) { all.at(at) } else { -1.0 }));
    }

    #[test]
    fn stretches_are_what_is_kept() {
        let stretch = |whole, kept, length| Stretch { whole, kept, length };
        assert_eq!(scattered().stretches(&[3, 4]), [stretch(1, 0, 2), stretch(9, 2, 2)]);
        assert_eq!(Region(vec![vec![0..1, 2..3], vec![0..4]]).stretches(&[3, 4]), [stretch(0, 0, 4), stretch(8, 4, 4)]);
        assert_eq!(Region(vec![vec![0..3], vec![0..4]]).stretches(&[3, 4]), [stretch(0, 0, 12)]);
        assert_eq!(Region(vec![]).stretches(&[]), [stretch(0, 0, 1)]);
    }

    #[test]
    fn a_part_of_a_part_is_a_part() {
        let part = Region(vec![vec![2..3], vec![1..2]]);
        assert_eq!(part.within(&scattered()), Region(vec![vec![1..2], vec![0..1]]));
    }
}
