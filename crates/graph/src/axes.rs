//! Which axis goes where, as data with a text form.
use crate::error::{Error, Result};
use crate::fact::Dim;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One letter: an axis that several operands share, or a factor or part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Letter {
    /// Its number: 0 to 25 are `a` to `z`, 26 to 51 are `a'` to `z'`, and so on.
    pub id: u16,
    /// Zero is not absence on this axis: a softmax, a norm, a maximum, or a window runs over it.
    pub bound: bool,
}

/// What happens to an operator's result when a slice of an axis is zero, or missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The output shrinks with the input.
    Free,
    /// A zero slice adds nothing to the output.
    Summed,
    /// Zero is not absence.
    Bound,
}

/// What one axis of an operand is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Axis {
    /// `1`: an axis of length one, which is repeated where others are longer.
    One,
    /// `a`
    Letter(Letter),
    /// `(ab)`: two or more factors, outermost first.
    Product(Vec<Letter>),
    /// `{ab(cd)}`: two or more parts, one after the other; no part is a chain.
    Chain(Vec<Axis>),
}

impl Axis {
    /// The free letter with this number.
    pub const fn free(id: u16) -> Self {
        Self::Letter(Letter { id, bound: false })
    }

    /// The bound letter with this number.
    pub const fn bound(id: u16) -> Self {
        Self::Letter(Letter { id, bound: true })
    }

    /// The product of `factors`, outermost first: `1` of none, the letter itself of one.
    pub fn product(factors: Vec<Letter>) -> Self {
        match factors.as_slice() {
            [] => Self::One,
            [one] => Self::Letter(*one),
            _ => Self::Product(factors),
        }
    }

    /// `parts` one after the other; chains among them are taken apart.
    pub fn chain(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Chain(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::Chain(flat) }
    }

    /// Every letter in it, in order.
    pub fn letters(&self) -> impl Iterator<Item = Letter> + '_ {
        let parts = match self {
            Self::Chain(parts) => parts.as_slice(),
            other => std::slice::from_ref(other),
        };
        parts.iter().flat_map(Self::factors).copied()
    }

    /// The factors of a letter or product; none of the others.
    fn factors(&self) -> &[Letter] {
        match self {
            Self::Letter(letter) => std::slice::from_ref(letter),
            Self::Product(factors) => factors,
            Self::One | Self::Chain(_) => &[],
        }
    }
}

/// The axes of an operator's operands, in the notation of einsum: `"bmk,kn->bmn"`.
///
/// A capital letter is [`Role::Bound`]; `1` is an axis of length one that is broadcast; letters in parentheses are factors of one axis,
/// outermost first, so that flattening is `"bchw->b(chw)"`; letters in braces are parts of one axis, one after the other, so that
/// concatenation is `"bx,by->b{xy}"`, and a slice `"b{xyz}->by"`. Where the shapes alone do not say how long a factor or part is, its
/// length follows: `"b{xyz}->by x=2"`. An operand without axes is `()`. `?` promises nothing about any axis.
///
/// A letter in outputs is free, one in inputs alone is summed, and one in outputs alone is made by the operator, from nothing: to leave
/// out a slice of it is to make that slice zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Axes {
    inputs: Vec<Vec<Axis>>,
    outputs: Vec<Vec<Axis>>,
    stated: Vec<(u16, usize)>,
    opaque: bool,
}

impl Axes {
    /// Promises nothing.
    pub fn opaque() -> Self {
        Self { inputs: Vec::new(), outputs: Vec::new(), stated: Vec::new(), opaque: true }
    }

    /// From the axes of every operand.
    pub fn new(inputs: Vec<Vec<Axis>>, outputs: Vec<Vec<Axis>>) -> Self {
        Self { inputs, outputs, stated: Vec::new(), opaque: false }
    }

    /// One operand in, one out, both with the same axes.
    pub fn same(axes: Vec<Axis>) -> Self {
        Self::new(vec![axes.clone()], vec![axes])
    }

    /// The axes that `text` describes, which must be well-formed.
    ///
    /// # Panics
    /// When it is not: for text that stands in an operator's source.
    pub fn of(text: &str) -> Self {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same with the length of a letter stated.
    #[must_use]
    pub fn with_length(mut self, letter: u16, length: usize) -> Self {
        self.stated.push((letter, length));
        self.stated.sort_unstable();
        self.stated.dedup_by_key(|&mut (letter, _)| letter);
        self
    }

    /// The axes of the gradient by one input, from the inputs and the gradients by the outputs.
    #[must_use]
    pub fn backward(self, input: usize) -> Self {
        let outputs = self.inputs.get(input).into_iter().cloned().collect();
        Self { inputs: [self.inputs, self.outputs].concat(), outputs, ..self }
    }

    /// Whether nothing is promised.
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// Axes of the inputs.
    pub fn inputs(&self) -> &[Vec<Axis>] {
        &self.inputs
    }

    /// Axes of the outputs.
    pub fn outputs(&self) -> &[Vec<Axis>] {
        &self.outputs
    }

    /// Every letter once, in order.
    pub fn letters(&self) -> Vec<Letter> {
        let all = self.inputs.iter().chain(&self.outputs).flatten();
        let mut letters: Vec<Letter> = all.flat_map(Axis::letters).collect();
        letters.sort_unstable();
        letters.dedup();
        letters
    }

    /// The role of a letter.
    pub fn role(&self, letter: Letter) -> Role {
        if letter.bound {
            Role::Bound
        } else if self.outputs.iter().flatten().flat_map(Axis::letters).any(|l| l == letter) {
            Role::Free
        } else {
            Role::Summed
        }
    }

    /// The length of every letter, by number, when the operands (inputs, then outputs) have these shapes; a batch axis counts for one
    /// sample. `None` when the shapes do not fit the axes, or do not say how long a letter is.
    pub fn lengths(&self, shapes: &[&[Dim]]) -> Option<Vec<usize>> {
        let operands = || self.inputs.iter().chain(&self.outputs).zip(shapes);
        let fits = self.inputs.len() + self.outputs.len() == shapes.len();
        if !fits || operands().any(|(axes, shape)| axes.len() != shape.len()) {
            return None;
        }
        let mut table = Lengths::default();
        self.stated.iter().all(|&(letter, length)| table.state(letter, length)).then_some(())?;
        let mut open: Vec<(&Axis, usize)> = Vec::new();
        for (axis, dim) in operands().flat_map(|(axes, shape)| axes.iter().zip(shape.iter())) {
            match axis {
                Axis::One => (dim.count() == 1).then_some(())?,
                Axis::Letter(letter) => table.state(letter.id, dim.count()).then_some(())?,
                composed => open.push((composed, dim.count())),
            }
        }
        table.solve(open)
    }
}

/// Lengths of letters as far as they are known.
#[derive(Default)]
struct Lengths(Vec<usize>);

const UNKNOWN: usize = usize::MAX;

impl Lengths {
    fn of(&self, letter: Letter) -> Option<usize> {
        self.0.get(usize::from(letter.id)).copied().filter(|&length| length != UNKNOWN)
    }

    /// Whether a length agrees with what is known; it is known from now on.
    fn state(&mut self, letter: u16, length: usize) -> bool {
        let at = usize::from(letter);
        if self.0.len() <= at {
            self.0.resize(at + 1, UNKNOWN);
        }
        if self.0[at] == UNKNOWN {
            self.0[at] = length;
        }
        self.0[at] == length
    }

    /// The table once every composed axis is as long as it should be.
    fn solve(mut self, mut open: Vec<(&Axis, usize)>) -> Option<Vec<usize>> {
        while !open.is_empty() {
            let before = open.len();
            let mut wrong = false;
            open.retain(|&(axis, length)| match self.step(axis, length) {
                Some(done) => !done,
                None => {
                    wrong = true;
                    true
                }
            });
            if wrong || open.len() == before {
                return None;
            }
        }
        Some(self.0)
    }

    /// Whether an axis is settled: all its letters are known, or the last one follows. `None` when it has another length.
    fn step(&mut self, axis: &Axis, length: usize) -> Option<bool> {
        let parts = match axis {
            Axis::Chain(parts) => parts.as_slice(),
            other => std::slice::from_ref(other),
        };
        let mut sum = 0usize;
        let mut missing: Option<(Letter, usize)> = None;
        for part in parts {
            let mut product = 1usize;
            let mut gap = None;
            for &factor in part.factors() {
                match (self.of(factor), gap) {
                    (Some(known), _) => product = product.checked_mul(known)?,
                    (None, None) => gap = Some(factor),
                    (None, Some(_)) => return Some(false),
                }
            }
            match (gap, missing) {
                (None, _) => sum = sum.checked_add(product)?,
                (Some(letter), None) => missing = Some((letter, product)),
                (Some(_), Some(_)) => return Some(false),
            }
        }
        match missing {
            None => (sum == length).then_some(true),
            Some((letter, times)) => {
                let rest = length.checked_sub(sum)?;
                let fits = times > 0 && rest % times == 0 && self.state(letter.id, rest / times);
                fits.then_some(true)
            }
        }
    }
}

const ALPHABET: u16 = 26;

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = if self.bound { b'A' } else { b'a' };
        write!(f, "{}", char::from(first + (self.id % ALPHABET) as u8))?;
        (0..self.id / ALPHABET).try_for_each(|_| f.write_str("'"))
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("1"),
            Self::Letter(letter) => write!(f, "{letter}"),
            Self::Product(factors) => {
                f.write_str("(")?;
                factors.iter().try_for_each(|letter| write!(f, "{letter}"))?;
                f.write_str(")")
            }
            Self::Chain(parts) => {
                f.write_str("{")?;
                parts.iter().try_for_each(|part| write!(f, "{part}"))?;
                f.write_str("}")
            }
        }
    }
}

impl fmt::Display for Axes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.opaque {
            return f.write_str("?");
        }
        let operand = |axes: &Vec<Axis>| match axes.as_slice() {
            [] => "()".to_owned(),
            axes => axes.iter().map(Axis::to_string).collect(),
        };
        let side = |side: &[Vec<Axis>]| side.iter().map(operand).collect::<Vec<String>>().join(",");
        write!(f, "{}->{}", side(&self.inputs), side(&self.outputs))?;
        self.stated.iter().try_for_each(|&(id, length)| write!(f, " {}={length}", Letter { id, bound: false }))
    }
}

/// Reads one operand, character by character.
struct Reader<'a> {
    text: &'a str,
    rest: std::iter::Peekable<std::str::Chars<'a>>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, rest: text.chars().peekable() }
    }

    fn wrong(&self, what: impl Into<String>) -> Error {
        Error::new(format!("axes `{}`", self.text), what)
    }

    fn operand(mut self) -> Result<Vec<Axis>> {
        match self.text {
            "()" => return Ok(Vec::new()),
            "" => return Err(self.wrong("expected an axis")),
            _ => {}
        }
        let mut axes = Vec::new();
        while let Some(&next) = self.rest.peek() {
            axes.push(if next == '{' { self.chain()? } else { self.part()? });
        }
        Ok(axes)
    }

    fn chain(&mut self) -> Result<Axis> {
        self.rest.next();
        let mut parts = Vec::new();
        while self.rest.peek() != Some(&'}') {
            parts.push(self.part()?);
        }
        self.rest.next();
        if parts.len() < 2 { Err(self.wrong("expected two parts or more in `{}`")) } else { Ok(Axis::Chain(parts)) }
    }

    fn part(&mut self) -> Result<Axis> {
        match self.rest.peek() {
            Some('1') => {
                self.rest.next();
                Ok(Axis::One)
            }
            Some('(') => self.product(),
            _ => self.letter().map(Axis::Letter),
        }
    }

    fn product(&mut self) -> Result<Axis> {
        self.rest.next();
        let mut factors = Vec::new();
        while self.rest.peek() != Some(&')') {
            factors.push(self.letter()?);
        }
        self.rest.next();
        if factors.len() < 2 {
            Err(self.wrong("expected two factors or more in `()`"))
        } else {
            Ok(Axis::Product(factors))
        }
    }

    fn letter(&mut self) -> Result<Letter> {
        match self.rest.next() {
            Some(c) if c.is_ascii_alphabetic() => {
                let mut id = c.to_ascii_lowercase() as u16 - u16::from(b'a');
                while self.rest.next_if_eq(&'\'').is_some() {
                    id = id.checked_add(ALPHABET).ok_or_else(|| self.wrong("too many primes"))?;
                }
                Ok(Letter { id, bound: c.is_ascii_uppercase() })
            }
            Some(c) => Err(self.wrong(format!("unexpected `{c}`"))),
            None => Err(self.wrong("expected a letter")),
        }
    }
}

/// A stated length, `b=4`.
fn stated(text: &str) -> Result<(u16, usize)> {
    let wrong = || Error::new(format!("length `{text}`"), "expected a letter, `=` and a number");
    let (name, length) = text.split_once('=').ok_or_else(wrong)?;
    let mut reader = Reader::new(name);
    let letter = reader.letter()?;
    let number: usize = length.parse().map_err(|_| wrong())?;
    let plain = reader.rest.next().is_none() && !letter.bound && number.to_string() == length;
    if plain { Ok((letter.id, number)) } else { Err(wrong()) }
}

impl FromStr for Axes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "?" {
            return Ok(Self::opaque());
        }
        let mut words = text.split(' ');
        let Some((inputs, outputs)) = words.next().unwrap_or_default().split_once("->") else {
            return Err(Error::new(format!("axes `{text}`"), "expected `->`"));
        };
        let operands = |text: &str| text.split(',').map(|one| Reader::new(one).operand()).collect::<Result<Vec<_>>>();
        let side = |text: &str| if text.is_empty() { Ok(Vec::new()) } else { operands(text) };
        let mut axes = Self::new(side(inputs)?, side(outputs)?);
        axes.stated = words.map(stated).collect::<Result<_>>()?;
        if axes.stated.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(Error::new(format!("axes `{text}`"), "expected lengths in the order of the letters"));
        }
        Ok(axes)
    }
}

impl TryFrom<String> for Axes {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Axes> for String {
    fn from(axes: Axes) -> Self {
        axes.to_string()
    }
}

/// `rank` axes of a letter each, in order: `abc`.
pub fn plain(rank: usize) -> Vec<Axis> {
    (0..rank).map(|id| Axis::free(id as u16)).collect()
}

/// [`plain`] with the axes in `bound` bound: `aBc`.
pub fn plain_with_bound(rank: usize, bound: &[usize]) -> Vec<Axis> {
    let letter = |id: usize| if bound.contains(&id) { Axis::bound(id as u16) } else { Axis::free(id as u16) };
    (0..rank).map(letter).collect()
}
