//! Attention, as opset 23 has it in one operator.
use super::List;
use crate::call::{Call, Operand, count};
use crate::error::{Error, Result};
use supple_graph::operators::{Attention, Expand, Permute, Where};
use supple_graph::{Array, DType, Dim, Value};

pub(super) const LIST: List = &[("Attention", attention)];

/// Axes: batch, heads, tokens, width.
type Shape = [Dim; 4];

/// Queries, keys and values of `[batch, heads, tokens, width]`, or of `[batch, tokens, heads * width]`; fewer heads of keys and values are shared by
/// neighbouring heads of queries. Not with a cache of earlier keys, a limit of the scores, or scores as a result.
fn attention<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let is_plain = call.float("softcap", 0.0) == 0.0 && (4..7).all(|i| !call.has(i));
    if !is_plain || call.node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
        return Err(Error::unsupported("a cache, a limit of the scores, or scores as a result"));
    }
    let query = heads(call, 0, "q_num_heads")?;
    let [_, all, _, width] = shape(call, query)?;
    let [key, value] = [1, 2].map(|i| shared(call, i, all));
    let scale = call.float("scale", (width.count() as f32).sqrt().recip());
    let op = Attention::new(scale, call.int("is_causal", 0)? != 0);
    let operands: Vec<Value> = [query, key?, value?].into_iter().chain(mask(call)?).collect();
    let made = call.helper("heads", op, &operands)?;
    joined(call, made)
}

fn shape(call: &Call<'_, '_>, x: Value) -> Result<Shape> {
    let shape = call.fact(x).shape.as_slice();
    shape.try_into().map_err(|_| Error::malformed(format!("{shape:?}, expected batch, heads, tokens and width")))
}

/// Input `i` with an axis of its heads, which an attribute counts if there is none.
fn heads(call: &mut Call<'_, '_>, i: usize, attribute: &str) -> Result<Value> {
    let x = call.value(i)?;
    let &[batch, tokens, width] = call.fact(x).shape.as_slice() else { return Ok(x) };
    let heads = count(call.int(attribute, 0)?).filter(|&heads| heads > 0 && width.count().is_multiple_of(heads));
    let heads = heads.ok_or_else(|| Error::malformed(format!("{attribute} does not divide {width:?}")))?;
    let apart = vec![batch, tokens, Dim::Fixed(heads), Dim::Fixed(width.count() / heads)];
    let x = call.reshaped(x, apart)?;
    call.helper("turned", Permute { order: vec![0, 2, 1, 3] }, &[x])
}

/// Keys or values, repeated for as many heads as there are of queries.
fn shared(call: &mut Call<'_, '_>, i: usize, all: Dim) -> Result<Value> {
    let x = heads(call, i, "kv_num_heads")?;
    let [batch, groups, tokens, width] = shape(call, x)?;
    let times = all.count().checked_div(groups.count()).filter(|times| times * groups.count() == all.count());
    let times = times.ok_or_else(|| Error::malformed(format!("{groups:?} heads of keys for {all:?} of queries")))?;
    if times == 1 {
        return Ok(x);
    }
    let x = call.reshaped(x, vec![batch, groups, Dim::Fixed(1), tokens, width])?;
    let x = call.helper("shared", Expand { to: vec![batch, groups, Dim::Fixed(times), tokens, width] }, &[x])?;
    call.reshaped(x, vec![batch, all, tokens, width])
}

/// What is added to scores; truth values say where tokens are seen.
fn mask(call: &mut Call<'_, '_>) -> Result<Option<Value>> {
    let Some(mask) = call.optional(3)? else { return Ok(None) };
    if call.fact(mask).dtype != DType::Bool {
        return Ok(Some(mask));
    }
    let [seen, hidden] = [0.0, f32::NEG_INFINITY].map(|v| Array::full(&[], v));
    let seen = call.builder.constant("seen", seen, DType::F32)?;
    let hidden = call.builder.constant("hidden", hidden, DType::F32)?;
    call.helper("mask", Where {}, &[mask, seen, hidden]).map(Some)
}

/// The result in the form of the queries.
fn joined<'a>(call: &mut Call<'a, '_>, made: Value) -> Result<Vec<Operand<'a>>> {
    let query = call.value(0)?;
    if call.fact(query).rank() == 4 {
        return Ok(vec![made.into()]);
    }
    let [batch, heads, tokens, width] = shape(call, made)?;
    let all = heads.count().checked_mul(width.count()).ok_or_else(|| Error::too_large("heads"))?;
    let turned = call.helper("joined", Permute { order: vec![0, 2, 1, 3] }, &[made])?;
    Ok(vec![call.reshaped(turned, vec![batch, tokens, Dim::Fixed(all)])?.into()])
}
