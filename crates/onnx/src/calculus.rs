//! Arithmetic on whole numbers that are known, or known up to the batch: what exporters write to compute shapes.
use crate::error::{Error, Result};
use crate::number::Number;
use crate::tensor::Tensor;
use supple_graph::array::each_index;

/// The result of an operator on whole numbers; `None` when it is not one of these, or the result cannot be told before the batch is known.
pub(crate) fn compute<'a>(operator: &str, inputs: &[&Tensor<'a>]) -> Result<Option<Tensor<'a>>> {
    if let Some(f) = binary(operator) {
        let [a, b] = inputs else { return Ok(None) };
        return element_wise(a, b, f);
    }
    match (operator, inputs) {
        ("Not", [x]) => map(x, |v| Some(Number::from(i64::from(v.known()? == 0)))),
        ("Neg", [x]) => map(x, |v| Number::from(0).sub(v)),
        ("Abs", [x]) => map(x, |v| Some(v.known()?.checked_abs()?.into())),
        ("Where", [condition, a, b]) => choose(condition, a, b),
        ("Range", [start, limit, delta]) => range(start, limit, delta),
        _ => Ok(None),
    }
}

type Function = fn(Number, Number) -> Option<Number>;

fn truth(value: bool) -> Option<Number> {
    Some(i64::from(value).into())
}

fn binary(operator: &str) -> Option<Function> {
    Some(match operator {
        "Add" | "Sum" => Number::add,
        "Sub" => Number::sub,
        "Mul" => Number::mul,
        "Div" => Number::div,
        "Mod" => Number::rem,
        "Min" => Number::min,
        "Max" => Number::max,
        "Equal" => |a, b| truth(a.equals(b)?),
        "Less" => |a, b| truth(a.order(b)?.is_lt()),
        "LessOrEqual" => |a, b| truth(a.order(b)?.is_le()),
        "Greater" => |a, b| truth(a.order(b)?.is_gt()),
        "GreaterOrEqual" => |a, b| truth(a.order(b)?.is_ge()),
        "And" => |a, b| truth(a.known()? != 0 && b.known()? != 0),
        "Or" => |a, b| truth(a.known()? != 0 || b.known()? != 0),
        "Xor" => |a, b| truth((a.known()? != 0) != (b.known()? != 0)),
        _ => return None,
    })
}

fn map<'a>(x: &Tensor<'a>, f: impl Fn(Number) -> Option<Number>) -> Result<Option<Tensor<'a>>> {
    let made: Option<Vec<Number>> = x.ints()?.iter().map(|&v| f(v)).collect();
    Ok(made.map(|data| Tensor::numbers(x.shape.clone(), data)))
}

/// The element at a multi-index, with broadcasting.
fn at(x: &Tensor<'_>, data: &[Number], index: &[usize]) -> Number {
    let index = &index[index.len() - x.shape.len()..];
    data[x.shape.iter().zip(index).fold(0, |at, (&n, &i)| at * n + if n == 1 { 0 } else { i })]
}

/// The shape that operands of these shapes are repeated to.
fn joint(inputs: &[&Tensor<'_>]) -> Result<Vec<usize>> {
    let rank = inputs.iter().map(|x| x.shape.len()).max().unwrap_or(0);
    let mut joint = vec![1; rank];
    for x in inputs {
        for (joint, &n) in joint[rank - x.shape.len()..].iter_mut().zip(&x.shape) {
            if *joint != n && *joint != 1 && n != 1 {
                return Err(Error::malformed(format!("shape {:?} does not fit the other operands", x.shape)));
            }
            *joint = if *joint == 1 { n } else { *joint };
        }
    }
    let elements = joint.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    elements.filter(|&n| n <= 1 << 16).ok_or_else(|| Error::too_large(format!("a tensor of {joint:?}")))?;
    Ok(joint)
}

fn element_wise<'a>(a: &Tensor<'a>, b: &Tensor<'a>, f: Function) -> Result<Option<Tensor<'a>>> {
    let shape = joint(&[a, b])?;
    let (left, right) = (a.ints()?, b.ints()?);
    let mut made = Vec::new();
    each_index(&shape, |index| made.push(f(at(a, &left, index), at(b, &right, index))));
    let made: Option<Vec<Number>> = made.into_iter().collect();
    Ok(made.map(|data| Tensor::numbers(shape, data)))
}

fn choose<'a>(condition: &Tensor<'a>, a: &Tensor<'a>, b: &Tensor<'a>) -> Result<Option<Tensor<'a>>> {
    let shape = joint(&[condition, a, b])?;
    let (truths, left, right) = (condition.ints()?, a.ints()?, b.ints()?);
    let mut made = Vec::new();
    each_index(&shape, |index| {
        let truth = at(condition, &truths, index).known();
        made.push(truth.map(|truth| if truth != 0 { at(a, &left, index) } else { at(b, &right, index) }));
    });
    let made: Option<Vec<Number>> = made.into_iter().collect();
    Ok(made.map(|data| Tensor::numbers(shape, data)))
}

fn range<'a>(start: &Tensor<'a>, limit: &Tensor<'a>, delta: &Tensor<'a>) -> Result<Option<Tensor<'a>>> {
    let one = |x: &Tensor<'a>| Ok::<_, Error>(x.ints()?.first().and_then(|v| v.known()));
    let (Some(start), Some(limit), Some(delta)) = (one(start)?, one(limit)?, one(delta)?) else { return Ok(None) };
    let numbers = std::iter::successors(Some(start), |&v| v.checked_add(delta));
    let inside = numbers.take_while(|&v| if delta > 0 { v < limit } else { v > limit });
    let made: Vec<Number> = inside.take((1 << 16) + 1).map(Number::from).collect();
    if delta == 0 || made.len() > 1 << 16 {
        return Err(Error::too_large(format!("a range from {start} to {limit} by {delta}")));
    }
    Ok(Some(Tensor::numbers(vec![made.len()], made)))
}
