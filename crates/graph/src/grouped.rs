//! Axes of convolutions, whose channels may stand in groups.
use crate::axes::{Axes, Axis, Letter};

/// Letters: batch, groups, channels in and out of a group, then the sides of input, window and output.
pub(crate) const N: u16 = 0;
const G: u16 = 1;
pub(crate) const I: u16 = 2;
pub(crate) const O: u16 = 3;
pub(crate) const SIDES: u16 = 4;

/// The channels of all groups: the product of the groups and a letter, or this letter alone in one group.
pub(crate) fn channels(groups: usize, letter: u16) -> Axis {
    let free = |id| Letter { id, bound: false };
    if groups == 1 { Axis::free(letter) } else { Axis::Product(vec![free(G), free(letter)]) }
}

/// Axes of a convolution from those of input, weights and output; a bias has one element for each output channel.
pub(crate) fn axes(groups: usize, [x, w, y]: [Vec<Axis>; 3], biased: bool) -> Axes {
    let bias = biased.then(|| vec![channels(groups, O)]);
    let axes = Axes::new([x, w].into_iter().chain(bias).collect(), vec![y]);
    if groups == 1 { axes } else { axes.with_length(G, groups) }
}
