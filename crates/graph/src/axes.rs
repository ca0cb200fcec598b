//! Which axis goes where, as data with a text form.
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One letter: an axis that several operands share, or a factor of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Letter {
    /// `a` to `z`.
    pub name: char,
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

/// Factors of one axis, outermost first; none for an axis of length one that is broadcast.
pub type Factors = Vec<Letter>;

/// The axes of an operator's operands, in the notation of einsum: `"bmk,kn->bmn"`.
///
/// A capital letter is [`Role::Bound`]; `1` is an axis of length one that is broadcast; letters in parentheses are factors of one axis,
/// outermost first, so that flattening is `"bchw->b(chw)"`. An operand without axes is `()`. `?` promises nothing about any axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Axes {
    inputs: Vec<Vec<Factors>>,
    outputs: Vec<Vec<Factors>>,
    opaque: bool,
}

impl Axes {
    /// Promises nothing.
    pub fn opaque() -> Self {
        Self { inputs: Vec::new(), outputs: Vec::new(), opaque: true }
    }

    /// From the factors of every axis of every operand.
    pub fn new(inputs: Vec<Vec<Factors>>, outputs: Vec<Vec<Factors>>) -> Self {
        Self { inputs, outputs, opaque: false }
    }

    /// The axes that `text` describes, which must be well-formed.
    ///
    /// # Panics
    /// When it is not: for text that stands in an operator's source.
    pub fn of(text: &str) -> Self {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Whether nothing is promised.
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// Axes of the inputs.
    pub fn inputs(&self) -> &[Vec<Factors>] {
        &self.inputs
    }

    /// Axes of the outputs.
    pub fn outputs(&self) -> &[Vec<Factors>] {
        &self.outputs
    }

    /// Every letter once, in order.
    pub fn letters(&self) -> Vec<Letter> {
        let all = self.inputs.iter().chain(&self.outputs).flatten().flatten();
        let mut letters: Vec<Letter> = all.copied().collect();
        letters.sort();
        letters.dedup();
        letters
    }

    /// The role of a letter.
    pub fn role(&self, letter: Letter) -> Role {
        if letter.bound {
            Role::Bound
        } else if self.outputs.iter().flatten().flatten().any(|&l| l == letter) {
            Role::Free
        } else {
            Role::Summed
        }
    }
}

/// The letter with this name: a capital is bound.
fn letter(name: char) -> Letter {
    Letter { name: name.to_ascii_lowercase(), bound: name.is_ascii_uppercase() }
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.bound { self.name.to_ascii_uppercase() } else { self.name };
        write!(f, "{name}")
    }
}

fn print_operand(operand: &[Factors]) -> String {
    let axis = |factors: &Factors| match factors.as_slice() {
        [] => "1".to_owned(),
        [one] => one.to_string(),
        many => format!("({})", many.iter().map(Letter::to_string).collect::<String>()),
    };
    if operand.is_empty() { "()".to_owned() } else { operand.iter().map(axis).collect() }
}

impl fmt::Display for Axes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.opaque {
            return f.write_str("?");
        }
        let list = |side: &[Vec<Factors>]| side.iter().map(|o| print_operand(o)).collect::<Vec<_>>().join(",");
        write!(f, "{}->{}", list(&self.inputs), list(&self.outputs))
    }
}

fn parse_operand(text: &str) -> Result<Vec<Factors>> {
    let wrong = |what: &str| Error::new(format!("axes `{text}`"), what);
    match text {
        "()" => return Ok(Vec::new()),
        "" => return Err(wrong("expected an axis")),
        _ => {}
    }
    let mut axes: Vec<Factors> = Vec::new();
    let mut open: Option<Factors> = None;
    for c in text.chars() {
        match (c, &mut open) {
            ('(', None) => open = Some(Vec::new()),
            (')', Some(factors)) if factors.len() > 1 => {
                axes.push(std::mem::take(factors));
                open = None;
            }
            ('1', None) => axes.push(Vec::new()),
            (c, Some(factors)) if c.is_ascii_alphabetic() => factors.push(letter(c)),
            (c, None) if c.is_ascii_alphabetic() => axes.push(vec![letter(c)]),
            _ => return Err(wrong(&format!("unexpected `{c}`"))),
        }
    }
    if open.is_some() { Err(wrong("expected `)`")) } else { Ok(axes) }
}

impl FromStr for Axes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "?" {
            return Ok(Self::opaque());
        }
        let Some((inputs, outputs)) = text.split_once("->") else {
            return Err(Error::new(format!("axes `{text}`"), "expected `->`"));
        };
        let operands = |text: &str| text.split(',').map(parse_operand).collect::<Result<Vec<_>>>();
        let side = |text: &str| if text.is_empty() { Ok(Vec::new()) } else { operands(text) };
        Ok(Self::new(side(inputs)?, side(outputs)?))
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

/// The first `rank` letters of the alphabet, one an axis.
pub fn plain(rank: usize) -> Vec<Factors> {
    ('a'..='z').take(rank).map(|c| vec![letter(c)]).collect()
}

/// [`plain`] with the axes in `bound` bound.
pub fn plain_with_bound(rank: usize, bound: &[usize]) -> Vec<Factors> {
    let mut axes = plain(rank);
    for &axis in bound {
        axes[axis][0].bound = true;
    }
    axes
}
