//! One step of Adam on part of a weight tensor, in one pass over memory.
use crate::error::Error;
use crate::pool::for_each;
use crate::simd::dispatch;
use pulp::{Simd, WithSimd};

const NAME: &str = "adam";
/// Elements of a piece that one thread takes.
const PIECE: usize = 1 << 15;

/// Adam with decoupled weight decay (Kingma & Ba 2015, Loshchilov & Hutter 2019). Every element counts its own steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Step size.
    pub rate: f32,
    /// Decay of the mean of the gradients, and what the new gradient adds.
    pub mean: [f32; 2],
    /// Decay of the mean of their squares, and what the new square adds.
    pub square: [f32; 2],
    /// What is left of a weight after the decay of one step.
    pub kept: f32,
    /// What is added to the root of the mean square.
    pub epsilon: f32,
}

/// Neighbouring elements of a tensor that are neighbours in what is left of it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first in the whole tensor.
    pub whole: usize,
    /// The first among those that are left.
    pub kept: usize,
    /// How many.
    pub length: usize,
}

/// The weights and the optimizer's memory, each of the length of the whole tensor.
#[derive(Debug)]
pub struct Moving<'a> {
    /// Weights.
    pub weight: &'a mut [f32],
    /// Means of the gradients.
    pub mean: &'a mut [f32],
    /// Means of their squares.
    pub square: &'a mut [f32],
    /// Decays to the power of the steps that an element took part in: of the mean, of the square.
    pub powers: [&'a mut [f32]; 2],
}

impl Adam {
    /// Moves the weights of these stretches, which must rise and not overlap, by their gradients `[kept]`; of these only those that are `there`. Nothing
    /// else changes.
    ///
    /// # Errors
    /// When an operand does not fit, before memory is touched.
    pub fn step(
        &self,
        moving: Moving<'_>,
        gradient: &[f32],
        there: Option<&[bool]>,
        stretches: &[Stretch],
        threads: usize,
    ) -> Result<(), Error> {
        check(&moving, gradient, there, stretches)?;
        let threads = if gradient.len() < 2 * PIECE { 1 } else { threads };
        let pieces = pieces(moving, stretches);
        for_each(threads, pieces.into_iter(), |(kept, moving)| {
            let range = kept..kept + moving.weight.len();
            let there = there.map(|there| &there[range.clone()]);
            dispatch(Step { adam: self, moving, gradient: &gradient[range], there });
        });
        Ok(())
    }
}

fn check(moving: &Moving<'_>, gradient: &[f32], there: Option<&[bool]>, stretches: &[Stretch]) -> Result<(), Error> {
    let length = moving.weight.len();
    let others = [&*moving.mean, &*moving.square, &*moving.powers[0], &*moving.powers[1]];
    if others.iter().any(|other| other.len() != length) {
        return Err(Error::new(NAME, format!("the optimizer's memory is not of {length} elements")));
    }
    if there.is_some_and(|there| there.len() != gradient.len()) {
        return Err(Error::new(NAME, format!("not {} elements are there or not", gradient.len())));
    }
    let mut end = 0;
    for stretch in stretches {
        let last = [stretch.whole, stretch.kept].map(|first| first.checked_add(stretch.length));
        let fits = stretch.whole >= end && matches!(last, [Some(w), Some(k)] if w <= length && k <= gradient.len());
        if !fits {
            let sizes = format!("{length} elements, of which {} are left", gradient.len());
            return Err(Error::new(NAME, format!("{stretch:?} does not fit into {sizes}")));
        }
        end = stretch.whole + stretch.length;
    }
    Ok(())
}

/// The stretches cut into pieces, each with the first of its gradients.
fn pieces<'a>(moving: Moving<'a>, stretches: &[Stretch]) -> Vec<(usize, Moving<'a>)> {
    let Moving { weight, mean, square, powers: [first, second] } = moving;
    let mut rest = [weight, mean, square, first, second];
    let (mut done, mut pieces) = (0, Vec::new());
    for stretch in stretches {
        rest = rest.map(|slice| &mut slice[stretch.whole - done..]);
        for from in (0..stretch.length).step_by(PIECE) {
            let count = PIECE.min(stretch.length - from);
            let [weight, mean, square, first, second] =
                rest.each_mut().map(|slice| slice.split_off_mut(..count).unwrap_or_default());
            pieces.push((stretch.kept + from, Moving { weight, mean, square, powers: [first, second] }));
        }
        done = stretch.whole + stretch.length;
    }
    pieces
}

struct Step<'a> {
    adam: &'a Adam,
    moving: Moving<'a>,
    gradient: &'a [f32],
    there: Option<&'a [bool]>,
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.there {
            Some(there) => self.run(|i| there[i]),
            None => self.run(|_| true),
        }
    }
}

impl Step<'_> {
    #[inline(always)]
    fn run(self, moves: impl Fn(usize) -> bool) {
        let Adam { rate, mean: [keep, add], square: [keep2, add2], kept, epsilon } = *self.adam;
        let Moving { weight, mean, square, powers: [first, second] } = self.moving;
        let count = self.gradient.len();
        let (weight, mean, square) = (&mut weight[..count], &mut mean[..count], &mut square[..count]);
        let (first, second) = (&mut first[..count], &mut second[..count]);
        for (i, &g) in self.gradient.iter().enumerate() {
            let (m, s) = (keep * mean[i] + add * g, keep2 * square[i] + add2 * (g * g));
            let (p, q) = (keep * first[i], keep2 * second[i]);
            let w = kept * weight[i] - rate * ((m / (1.0 - p)) / ((s / (1.0 - q)).sqrt() + epsilon));
            let moves = moves(i);
            let choose = |old: &mut f32, new: f32| *old = if moves { new } else { *old };
            choose(&mut weight[i], w);
            choose(&mut mean[i], m);
            choose(&mut square[i], s);
            choose(&mut first[i], p);
            choose(&mut second[i], q);
        }
    }
}
