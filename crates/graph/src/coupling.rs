//! What axes are made of: the parts that must thin out together, found by unification.
use petgraph::unionfind::UnionFind;
use std::mem::take;

/// Part of an axis, or all of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Part(u32);

impl Part {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a part is made up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Of units that nothing tells apart yet.
    #[default]
    Leaf,
    /// Of parts one after the other.
    Chain(Vec<Part>),
    /// Of factors, outermost first.
    Product(Vec<Part>),
}

/// What is known of a part that stands for all that is joined with it.
#[derive(Clone, Copy, Debug)]
struct Entry<R> {
    /// Place among the shapes; 0 for a leaf.
    shape: u32,
    length: usize,
    reason: Option<R>,
    mark: bool,
}

/// More parts of one axis than this are not told apart.
const MOST_PARTS: usize = 4096;

/// Parts that must be joined.
type Pairs = Vec<(Part, Part)>;

/// Two parts do not split evenly into each other.
struct Uneven;

/// Parts of axes, joined where they must thin out together. Every leaf that is left is one set of units: a join of an axis of `abc` with a
/// chain or product makes the leaf a chain or product, and cuts run through all that is joined with it.
///
/// A leaf has a reason not to be thinned out, the least of all that were given, and a mark.
#[derive(Clone, Debug)]
pub(crate) struct Coupling<R> {
    joined: UnionFind<u32>,
    entries: Vec<Entry<R>>,
    shapes: Vec<Shape>,
}

impl<R: Copy + Ord> Coupling<R> {
    pub fn with_capacity(parts: usize) -> Self {
        let joined = UnionFind::with_capacity(parts);
        Self { joined, entries: Vec::with_capacity(parts), shapes: vec![Shape::Leaf] }
    }

    /// Number of parts made so far.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// A new part of `length` units.
    pub fn leaf(&mut self, length: usize) -> Part {
        self.entries.push(Entry { shape: 0, length, reason: None, mark: false });
        Part(self.joined.new_set())
    }

    fn composed(&mut self, length: usize, shape: Shape) -> Part {
        let part = self.leaf(length);
        self.set_shape(part, shape);
        part
    }

    fn set_shape(&mut self, root: Part, shape: Shape) {
        self.entries[root.index()].shape = self.shapes.len() as u32;
        self.shapes.push(shape);
    }

    /// Parts one after the other.
    pub fn chain(&mut self, mut parts: Vec<Part>) -> Part {
        parts.retain(|&part| self.length(part) > 0);
        match parts.as_slice() {
            [one] => *one,
            _ => {
                let length = parts.iter().map(|&part| self.length(part)).sum();
                self.composed(length, Shape::Chain(parts))
            }
        }
    }

    /// The product of factors, outermost first.
    pub fn product(&mut self, mut factors: Vec<Part>) -> Part {
        factors.retain(|&part| self.length(part) != 1);
        match factors.as_slice() {
            [] => self.leaf(1),
            [one] => *one,
            _ => {
                let length = factors.iter().map(|&part| self.length(part)).product();
                self.composed(length, Shape::Product(factors))
            }
        }
    }

    /// What stands for all that is joined with a part.
    pub fn find(&mut self, part: Part) -> Part {
        Part(self.joined.find_mut(part.0))
    }

    pub fn length(&self, part: Part) -> usize {
        self.entries[part.index()].length
    }

    /// How what stands for others is made up.
    pub fn shape(&self, root: Part) -> &Shape {
        &self.shapes[self.entries[root.index()].shape as usize]
    }

    pub fn reason(&self, root: Part) -> Option<R> {
        self.entries[root.index()].reason
    }

    pub fn is_marked(&self, root: Part) -> bool {
        self.entries[root.index()].mark
    }

    /// Gives every leaf in a part a reason not to be thinned out.
    pub fn forbid(&mut self, part: Part, reason: R) {
        let mut open = vec![part];
        while let Some(part) = open.pop() {
            let root = self.find(part);
            let entry = &mut self.entries[root.index()];
            if entry.reason.is_some_and(|before| before <= reason) {
                continue;
            }
            entry.reason = Some(reason);
            if let Shape::Chain(inner) | Shape::Product(inner) = &self.shapes[entry.shape as usize] {
                open.extend_from_slice(inner);
            }
        }
    }

    /// Marks every leaf in a part.
    pub fn mark(&mut self, part: Part) {
        let mut open = vec![part];
        while let Some(part) = open.pop() {
            let root = self.find(part);
            let entry = &mut self.entries[root.index()];
            if take(&mut entry.mark) {
                entry.mark = true;
                continue;
            }
            entry.mark = true;
            if let Shape::Chain(inner) | Shape::Product(inner) = &self.shapes[entry.shape as usize] {
                open.extend_from_slice(inner);
            }
        }
    }

    /// Lets two parts thin out together, unit by unit; where they do not split evenly, forbids both for the reason `uneven`.
    pub fn join(&mut self, a: Part, b: Part, uneven: R) {
        let mut open = vec![(a, b)];
        while let Some((a, b)) = open.pop() {
            let (a, b) = (self.find(a), self.find(b));
            if a == b {
                continue;
            }
            if self.align(a, b, &mut open).is_err() {
                self.forbid(a, uneven);
                self.forbid(b, uneven);
            }
        }
    }

    /// Joins two parts that stand for others; pairs inside of them that must be joined too go to `open`.
    fn align(&mut self, a: Part, b: Part, open: &mut Pairs) -> Result<(), Uneven> {
        if self.length(a) != self.length(b) || self.length(a) == 0 {
            return Err(Uneven);
        }
        match (self.shape(a), self.shape(b)) {
            (Shape::Leaf, _) => {}
            (_, Shape::Leaf) => return self.align(b, a, open),
            (Shape::Product(_), Shape::Product(_)) => self.align_factors(a, b, open)?,
            (Shape::Product(_), Shape::Chain(_)) | (Shape::Chain(_), Shape::Chain(_)) => {
                self.align_parts(a, b, open)?
            }
            (Shape::Chain(_), Shape::Product(_)) => return self.align(b, a, open),
        }
        self.link(a, b);
        Ok(())
    }

    /// Both are what `b` is, from now on.
    fn link(&mut self, a: Part, b: Part) {
        let [Entry { reason, mark, .. }, entry] = [a, b].map(|part| self.entries[part.index()]);
        self.joined.union(a.0, b.0);
        let root = self.find(b);
        self.entries[root.index()] = entry;
        if let Some(reason) = reason {
            self.forbid(root, reason);
        }
        if mark {
            self.mark(root);
        }
    }

    fn align_parts(&mut self, a: Part, b: Part, open: &mut Pairs) -> Result<(), Uneven> {
        let sides = [self.parts(a)?, self.parts(b)?];
        self.pair(sides, open, |this, part, at, _| this.cut(part, at))
    }

    fn align_factors(&mut self, a: Part, b: Part, open: &mut Pairs) -> Result<(), Uneven> {
        let sides = [self.factors(a), self.factors(b)];
        self.pair(sides, open, Self::factor)
    }

    /// Pairs what two parts are made of, cutting the longer of two pieces each time.
    fn pair(
        &mut self,
        [mut left, mut right]: [Vec<Part>; 2],
        open: &mut Pairs,
        cut: impl Fn(&mut Self, Part, usize, &mut Pairs) -> Result<(Part, Part), Uneven>,
    ) -> Result<(), Uneven> {
        left.reverse();
        right.reverse();
        while let (Some(mut x), Some(mut y)) = (left.pop(), right.pop()) {
            let (m, n) = (self.length(x), self.length(y));
            let (long, rest, at) = if m > n { (&mut x, &mut left, n) } else { (&mut y, &mut right, m) };
            if m != n {
                let (first, others) = cut(self, *long, at, open)?;
                *long = first;
                rest.push(others);
            }
            open.push((x, y));
        }
        Ok(())
    }

    /// What stands for the parts of a chain, none of them a chain; another part is its own only one.
    fn parts(&mut self, part: Part) -> Result<Vec<Part>, Uneven> {
        let mut found = Vec::new();
        let mut open = vec![part];
        while let Some(part) = open.pop() {
            let root = self.find(part);
            match self.shape(root) {
                Shape::Chain(inner) => open.extend(inner.iter().rev()),
                _ => found.push(root),
            }
            if found.len() + open.len() > MOST_PARTS {
                return Err(Uneven);
            }
        }
        Ok(found)
    }

    /// What stands for the factors of a product, none of them a product; another part is its own only one.
    pub fn factors(&mut self, part: Part) -> Vec<Part> {
        let mut found = Vec::new();
        let mut open = vec![part];
        while let Some(part) = open.pop() {
            let root = self.find(part);
            match self.shape(root) {
                Shape::Product(inner) => open.extend(inner.iter().rev()),
                _ => found.push(root),
            }
        }
        found
    }

    /// A leaf like another, with fewer units.
    fn piece(&mut self, of: Part, length: usize) -> Part {
        let piece = self.leaf(length);
        let Entry { reason, mark, .. } = self.entries[of.index()];
        let entry = &mut self.entries[piece.index()];
        (entry.reason, entry.mark) = (reason, mark);
        piece
    }

    /// The first `at` units of a part that is no chain, and the rest.
    fn cut(&mut self, part: Part, at: usize) -> Result<(Part, Part), Uneven> {
        let root = self.find(part);
        if let Shape::Product(_) = self.shape(root) {
            let factors = self.factors(root);
            let (outer, inner) = (factors[0], &factors[1..]);
            let size = self.length(root) / self.length(outer);
            if !at.is_multiple_of(size) {
                return Err(Uneven);
            }
            let pair = self.split(outer, at / size)?;
            let mut with = |outer| self.product([&[outer], inner].concat());
            return Ok((with(pair.0), with(pair.1)));
        }
        self.split(root, at)
    }

    /// [`cut`](Self::cut) of any part.
    fn split(&mut self, part: Part, at: usize) -> Result<(Part, Part), Uneven> {
        let root = self.find(part);
        match self.shape(root) {
            Shape::Leaf => {
                let pair = (self.piece(root, at), self.piece(root, self.length(root) - at));
                self.set_shape(root, Shape::Chain(vec![pair.0, pair.1]));
                Ok(pair)
            }
            Shape::Product(_) => self.cut(root, at),
            Shape::Chain(_) => {
                let (mut first, mut rest) = (Vec::new(), self.parts(root)?);
                rest.reverse();
                let mut left = at;
                while let Some(part) = rest.pop() {
                    let length = self.length(part);
                    if left >= length {
                        first.push(part);
                        left -= length;
                        continue;
                    }
                    if left > 0 {
                        let (before, after) = self.cut(part, left)?;
                        first.push(before);
                        rest.push(after);
                    } else {
                        rest.push(part);
                    }
                    break;
                }
                rest.reverse();
                Ok((self.chain(first), self.chain(rest)))
            }
        }
    }

    /// A part that is no product as one of `outer` units of as many units each.
    fn factor(&mut self, part: Part, outer: usize, open: &mut Pairs) -> Result<(Part, Part), Uneven> {
        let root = self.find(part);
        let length = self.length(root);
        if outer == 0 || !length.is_multiple_of(outer) {
            return Err(Uneven);
        }
        let size = length / outer;
        let pair = if let Shape::Chain(_) = self.shape(root) {
            self.factor_chain(root, size, open)?
        } else {
            (self.piece(root, outer), self.piece(root, size))
        };
        self.set_shape(root, Shape::Product(vec![pair.0, pair.1]));
        Ok(pair)
    }

    /// A chain as units of `size`, when its parts are made of them.
    fn factor_chain(&mut self, root: Part, size: usize, open: &mut Pairs) -> Result<(Part, Part), Uneven> {
        let parts = self.parts(root)?;
        if parts.iter().any(|&part| !self.length(part).is_multiple_of(size)) {
            return Err(Uneven);
        }
        let inner = self.piece(root, size);
        let mut outer = Vec::new();
        for part in parts {
            let count = self.piece(root, self.length(part) / size);
            let made = self.product(vec![count, inner]);
            outer.push(count);
            open.push((part, made));
        }
        Ok((self.chain(outer), inner))
    }
}

#[cfg(test)]
mod tests {
    use super::{Coupling, Part, Shape};

    fn leaves(coupling: &mut Coupling<u8>, part: Part) -> Vec<(Part, usize)> {
        let root = coupling.find(part);
        match coupling.shape(root).clone() {
            Shape::Leaf => vec![(root, coupling.length(root))],
            Shape::Chain(inner) | Shape::Product(inner) => {
                inner.into_iter().flat_map(|part| leaves(coupling, part)).collect()
            }
        }
    }

    #[test]
    fn cuts_run_through_all_that_is_joined() {
        let mut coupling = Coupling::with_capacity(0);
        let [x, y, a, b, c, d] = [6, 6, 2, 4, 3, 3].map(|length| coupling.leaf(length));
        coupling.join(x, y, 0);
        let first = coupling.chain(vec![a, b]);
        coupling.join(x, first, 0);
        let second = coupling.chain(vec![c, d]);
        coupling.join(y, second, 0);
        let lengths: Vec<usize> = leaves(&mut coupling, x).into_iter().map(|(_, length)| length).collect();
        assert_eq!(lengths, [2, 1, 3]);
        assert_eq!(leaves(&mut coupling, b)[0], leaves(&mut coupling, c)[1]);
    }

    #[test]
    fn products_are_refined() {
        let mut coupling = Coupling::with_capacity(0);
        let [x, heads, width, a, b] = [12, 6, 2, 2, 6].map(|length| coupling.leaf(length));
        let (one, two) = (coupling.product(vec![heads, width]), coupling.product(vec![a, b]));
        coupling.join(x, one, 0);
        coupling.join(x, two, 0);
        let lengths: Vec<usize> = leaves(&mut coupling, x).into_iter().map(|(_, length)| length).collect();
        assert_eq!(lengths, [2, 3, 2]);
    }

    #[test]
    fn a_product_is_cut_between_its_outer_units() {
        let mut coupling = Coupling::with_capacity(0);
        let [x, outer, inner, a, b] = [6, 3, 2, 4, 2].map(|length| coupling.leaf(length));
        let product = coupling.product(vec![outer, inner]);
        coupling.join(x, product, 0);
        let chain = coupling.chain(vec![a, b]);
        coupling.join(x, chain, 0);
        assert_eq!(leaves(&mut coupling, outer).len(), 2);
        let root = coupling.find(a);
        assert!(coupling.reason(root).is_none());
    }

    #[test]
    fn what_does_not_split_evenly_is_forbidden() {
        let mut coupling = Coupling::with_capacity(0);
        let [x, outer, inner, a, b] = [6, 3, 2, 3, 3].map(|length| coupling.leaf(length));
        let product = coupling.product(vec![outer, inner]);
        coupling.join(x, product, 7);
        let chain = coupling.chain(vec![a, b]);
        coupling.join(x, chain, 7);
        let all = [leaves(&mut coupling, outer), leaves(&mut coupling, a)].concat();
        assert!(all.into_iter().all(|(leaf, _)| coupling.reason(leaf) == Some(7)));
    }
}
