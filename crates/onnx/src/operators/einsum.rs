//! Sums of products over named axes.
use super::List;
use crate::call::{Call, Operand};
use crate::error::{Error, Result};
use crate::number::Number;
use crate::tensor::MOST_AXES;
use supple_graph::operators::{Binary, BinaryFunction, Linear, Matmul, Permute, Reduce, Reduction};
use supple_graph::{Dim, Value};

pub(super) const LIST: List = &[("Einsum", einsum)];

/// Names of axes; those that an ellipsis stands for have names behind all letters.
type Labels = Vec<char>;

/// First name of the axes that an ellipsis stands for.
const DOTS: u32 = 0xE000;
/// Most operands of one product.
const MOST_OPERANDS: usize = 64;

/// A value with the names of its axes.
struct Named {
    value: Value,
    labels: Labels,
    /// Whether it is known weights.
    weights: bool,
}

/// Operands are multiplied from left to right, and summed over an axis as soon as nothing behind reads it.
fn einsum<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let equation: String = call.text("equation", "")?.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = equation.split_once("->").map_or((&*equation, None), |(left, right)| (left, Some(right)));
    let count = left.split(',').count();
    if count != call.count() || count > MOST_OPERANDS {
        return Err(Error::malformed(format!("{} operands of {count}", call.count())));
    }
    let mut operands = Vec::new();
    for (i, text) in left.split(',').enumerate() {
        let weights = call.known(i).is_some_and(|tensor| tensor.weights.is_some());
        let value = call.value(i)?;
        let labels = labels(text, call.fact(value).rank())?;
        operands.push(Named { value, labels, weights });
    }
    let output = output(right, &operands)?;
    let mut rest = operands.into_iter();
    let mut made = rest.next().ok_or_else(|| Error::malformed("no operands"))?;
    while let Some(next) = rest.next() {
        let later = rest.as_slice().iter().flat_map(|operand| operand.labels.iter().copied());
        let keep: Labels = output.iter().copied().chain(later).collect();
        made = product(call, made, next, &keep)?;
    }
    let made = summed(call, made, |label| output.contains(&label))?;
    if let Some(label) = output.iter().find(|label| !made.labels.contains(label)) {
        return Err(Error::malformed(format!("`{label}` of the result stands in no operand")));
    }
    Ok(vec![ordered(call, made, &output)?.value.into()])
}

/// The names of as many axes; an ellipsis takes those that are left, and names them from the last.
fn labels(text: &str, rank: usize) -> Result<Labels> {
    if rank > MOST_AXES || text.len() > MOST_AXES + "...".len() {
        return Err(Error::too_large(format!("{rank} axes, expected at most {MOST_AXES}")));
    }
    let wrong = || Error::malformed(format!("axes {text} of {rank}"));
    let (before, after) = text.split_once("...").unwrap_or((text, ""));
    let named = before.chars().count() + after.chars().count();
    let open = rank.checked_sub(named).filter(|&open| open == 0 || text.contains("...")).ok_or_else(wrong)?;
    let dots = (0..open as u32).rev().filter_map(|at| char::from_u32(DOTS + at));
    let labels: Labels = before.chars().chain(dots).chain(after.chars()).collect();
    let twice = labels.iter().enumerate().any(|(at, label)| labels[..at].contains(label));
    if twice {
        return Err(Error::unsupported(format!("a diagonal, {text}")));
    }
    let fits = before.chars().chain(after.chars()).all(|c| c.is_ascii_alphabetic());
    if fits { Ok(labels) } else { Err(wrong()) }
}

/// The names of the result: stated, or those that stand in one operand alone, in order, behind those of ellipses.
fn output(stated: Option<&str>, operands: &[Named]) -> Result<Labels> {
    let all = || operands.iter().flat_map(|operand| operand.labels.iter().copied());
    let mut dots: Labels = all().filter(|&label| label as u32 >= DOTS).collect();
    dots.sort_unstable_by(|a, b| b.cmp(a));
    dots.dedup();
    if let Some(text) = stated {
        let open = if text.contains("...") { dots.len() } else { 0 };
        return labels(text, text.chars().filter(|&c| c != '.').count() + open);
    }
    let mut once: Labels =
        all().filter(|&label| (label as u32) < DOTS && all().filter(|&l| l == label).count() == 1).collect();
    once.sort_unstable();
    Ok(dots.into_iter().chain(once).collect())
}

/// The sum over the axes that do not stay.
fn summed(call: &mut Call<'_, '_>, of: Named, stays: impl Fn(char) -> bool) -> Result<Named> {
    let axes: Vec<usize> = (0..of.labels.len()).filter(|&axis| !stays(of.labels[axis])).collect();
    if axes.is_empty() {
        return Ok(of);
    }
    let value = call.helper("sum", Reduce { reduction: Reduction::Sum, axes, keep: false }, &[of.value])?;
    let labels = of.labels.into_iter().filter(|&label| stays(label)).collect();
    Ok(Named { value, labels, weights: false })
}

/// The same with its axes in another order.
fn ordered(call: &mut Call<'_, '_>, of: Named, labels: &[char]) -> Result<Named> {
    let order: Vec<usize> = labels.iter().filter_map(|label| of.labels.iter().position(|l| l == label)).collect();
    let value = if order.is_sorted() { of.value } else { call.helper("order", Permute { order }, &[of.value])? };
    Ok(Named { value, labels: labels.to_vec(), weights: of.weights })
}

/// The product of two, summed over the axes that both have and nothing else keeps.
fn product(call: &mut Call<'_, '_>, a: Named, b: Named, keep: &[char]) -> Result<Named> {
    let a = summed(call, a, |label| b.labels.contains(&label) || keep.contains(&label))?;
    let b = summed(call, b, |label| a.labels.contains(&label) || keep.contains(&label))?;
    let pick =
        |of: &Named, wanted: &dyn Fn(&char) -> bool| of.labels.iter().copied().filter(wanted).collect::<Labels>();
    let both = pick(&a, &|label| b.labels.contains(label));
    let (lead, inner): (Labels, Labels) = both.into_iter().partition(|label| keep.contains(label));
    let rows = pick(&a, &|label| !b.labels.contains(label));
    let columns = pick(&b, &|label| !a.labels.contains(label));
    let labels = [&*lead, &rows, &columns].concat();
    let shape: Vec<Dim> = labels.iter().map(|&label| length(call, [&a, &b], label)).collect::<Result<_>>()?;
    if inner.is_empty() {
        let [a, b] = [aligned(call, a, &labels)?, aligned(call, b, &labels)?];
        let value = call.helper("product", Binary { function: BinaryFunction::Mul }, &[a, b])?;
        return Ok(Named { value, labels, weights: false });
    }
    let is_layer = lead.is_empty() && b.weights;
    let right = grouped(call, b, [&lead, &inner, &columns])?;
    let value = if is_layer {
        let groups: Vec<&[char]> = rows.chunks(1).chain([&*inner]).collect();
        let left = joined(call, a, &groups)?;
        call.helper("product", Linear::default(), &[left, right])?
    } else {
        let left = grouped(call, a, [&lead, &rows, &inner])?;
        call.helper("product", Matmul {}, &[left, right])?
    };
    Ok(Named { value: call.reshaped(value, shape)?, labels, weights: false })
}

/// The length of an axis, the longer one where it is repeated.
fn length(call: &Call<'_, '_>, operands: [&Named; 2], label: char) -> Result<Dim> {
    let of = |named: &Named| Some(call.fact(named.value).shape[named.labels.iter().position(|&l| l == label)?]);
    let mut lengths = operands.into_iter().filter_map(of);
    let first = lengths.next().ok_or_else(|| Error::malformed(format!("`{label}` stands in no operand")))?;
    Ok(if first == Dim::Fixed(1) { lengths.next().unwrap_or(first) } else { first })
}

/// A factor with an axis for each of `labels`, of length one where it has none.
fn aligned(call: &mut Call<'_, '_>, of: Named, labels: &[char]) -> Result<Value> {
    let own: Labels = labels.iter().copied().filter(|label| of.labels.contains(label)).collect();
    let of = ordered(call, of, &own)?;
    let mut lengths = call.shape(of.value).into_iter();
    let one = |label| if own.contains(label) { lengths.next().unwrap_or(Dim::Fixed(1)) } else { Dim::Fixed(1) };
    let to = labels.iter().map(one).collect();
    call.reshaped(of.value, to)
}

/// A factor of a matrix product: the leading axes as they are, then two of all the others.
fn grouped(call: &mut Call<'_, '_>, of: Named, [lead, rows, columns]: [&[char]; 3]) -> Result<Value> {
    let groups: Vec<&[char]> = lead.chunks(1).chain([rows, columns]).collect();
    joined(call, of, &groups)
}

/// The axes in the order of `groups`, those of each as one.
fn joined(call: &mut Call<'_, '_>, of: Named, groups: &[&[char]]) -> Result<Value> {
    let of = ordered(call, of, &groups.concat())?;
    let mut lengths = call.shape(of.value).into_iter().map(Number::from);
    let one = |group: &&[char]| {
        let all = lengths.by_ref().take(group.len()).try_fold(Number::from(1), Number::mul);
        all.and_then(Number::dim).ok_or_else(|| Error::unsupported("axes that both follow the batch as one"))
    };
    let to = groups.iter().map(one).collect::<Result<_>>()?;
    call.reshaped(of.value, to)
}
