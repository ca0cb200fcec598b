//! Where the units of sites lie.
use super::Member;
use super::joined::{Joined, Reason};
use crate::coupling::{Part, Shape};
use crate::graph::Value;

/// More pieces of one axis than this are not told apart.
const MOST_PIECES: usize = 4096;

/// A leaf where it lies in an axis; in `nested`, units lie in places that no [`Member`] describes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub leaf: Part,
    pub member: Member,
    pub nested: bool,
}

impl Piece {
    /// The first element, and the first behind the last.
    pub fn span(&self, units: usize) -> (usize, usize) {
        let Member { start, block, repeats, stride, .. } = self.member;
        (start, start + (repeats - 1) * stride + units * block)
    }
}

/// The leaves of one axis. An axis of too many of them is forbidden, and has none.
pub(super) fn pieces(joined: &mut Joined<'_>, value: Value, axis: usize, found: &mut Vec<Piece>) {
    found.clear();
    let part = joined.part(value, axis);
    let member = Member { value, axis, start: 0, block: 1, repeats: 1, stride: 0 };
    let all = Piece { leaf: joined.coupling.find(part), member, nested: false };
    if let Shape::Leaf = joined.coupling.shape(all.leaf) {
        found.extend((joined.coupling.length(all.leaf) > 0).then_some(all));
        return;
    }
    let mut open = vec![all];
    while let Some(piece) = open.pop() {
        let root = joined.coupling.find(piece.leaf);
        if joined.coupling.length(root) == 0 {
            continue;
        }
        match joined.coupling.shape(root) {
            Shape::Leaf => found.push(Piece { leaf: root, ..piece }),
            Shape::Chain(parts) => {
                let mut start = piece.member.start;
                for &part in parts {
                    open.push(Piece { leaf: part, member: Member { start, ..piece.member }, ..piece });
                    start += joined.coupling.length(part) * piece.member.block;
                }
            }
            Shape::Product(_) => {
                let factors = joined.coupling.factors(root);
                let lengths = factors.iter().map(|&factor| joined.coupling.length(factor)).collect::<Vec<_>>();
                open.extend(factors.iter().enumerate().map(|(at, &factor)| inner(piece, factor, at, &lengths)));
            }
        }
        if found.len() + open.len() > MOST_PIECES {
            joined.coupling.forbid(part, Reason::Crowded);
            found.clear();
            return;
        }
    }
}

/// A factor of a product of these lengths, at `at` among them.
fn inner(piece: Piece, factor: Part, at: usize, lengths: &[usize]) -> Piece {
    let outer: usize = lengths[..at].iter().product();
    let block = piece.member.block * lengths[at + 1..].iter().product::<usize>();
    let step = block * lengths[at];
    let (repeats, stride, nested) = match (piece.member.repeats, outer) {
        (_, 1) => (piece.member.repeats, piece.member.stride, false),
        (1, _) => (outer, step, false),
        (before, _) => (before * outer, step, piece.member.stride != outer * step),
    };
    let member = Member { block, repeats, stride, ..piece.member };
    Piece { leaf: factor, member, nested: piece.nested || nested }
}
