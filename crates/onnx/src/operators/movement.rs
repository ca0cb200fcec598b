//! Elements move; nothing is computed.
use super::List;
use crate::call::{Call, Operand, count};
use crate::error::{Error, Result};
use crate::number::Number;
use supple_graph::operators::{Border, Concat, Cut, Embedding, Expand, Gather, Pad, Permute, Reshape, Slice, Split};
use supple_graph::{Array, DType, Dim, Value};

pub(super) const LIST: List = &[
    ("Concat", concat),
    ("Split", split),
    ("Slice", slice),
    ("Pad", pad),
    ("Expand", expand),
    ("Tile", tile),
    ("Gather", gather),
    ("DepthToSpace", depth_to_space),
    ("SpaceToDepth", space_to_depth),
];

type Outputs<'a> = Result<Vec<Operand<'a>>>;

fn concat<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let inputs = (0..call.count()).map(|i| call.value(i)).collect::<Result<Vec<_>>>()?;
    let &first = inputs.first().ok_or_else(|| Error::malformed("no inputs"))?;
    let default = if call.opset < 4 { 1 } else { 0 };
    let axis = call.axis(call.int("axis", default)?, call.fact(first).rank())?;
    if inputs.len() == 1 {
        return Ok(vec![first.into()]);
    }
    Ok(vec![call.finish(Concat { axis }, &inputs)?.into()])
}

/// Lengths are an attribute before opset 13, an input since; if not said, the parts are equal, the last one shorter where they must be.
fn split<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let x = call.value(0)?;
    let axis = call.axis(call.int("axis", 0)?, call.fact(x).rank())?;
    let stated = match call.ints("split") {
        Some(ints) => Some(ints),
        None => call.numbers(1)?,
    };
    let lengths = match stated {
        Some(stated) => stated.into_iter().map(count).collect::<Option<Vec<_>>>(),
        None => equal_parts(call.fact(x).shape[axis].count(), call.node.outputs.len()),
    };
    let lengths = lengths.ok_or_else(|| Error::malformed("parts without lengths"))?;
    let parts = lengths.len();
    let first = call.finish(Split { axis, lengths }, &[x])?;
    Ok((0..parts).map(|slot| Value { slot, ..first }.into()).collect())
}

fn equal_parts(length: usize, parts: usize) -> Option<Vec<usize>> {
    let each = length.checked_add(parts.checked_sub(1)?)? / parts;
    let rest = length.checked_sub(each.checked_mul(parts - 1)?)?;
    Some((1..parts).map(|_| each).chain([rest]).collect())
}

/// One axis of a slice, as ONNX states it.
struct Part {
    axis: usize,
    start: i64,
    /// `None` where it follows the batch.
    end: Option<i64>,
    step: i64,
}

/// One axis of a slice, its bounds where there are elements.
struct Settled {
    start: i64,
    end: i64,
}

impl Part {
    /// Indices from the end are counted from it, and bounds moved to where there are elements.
    fn settled(&self, length: i64) -> Result<Settled> {
        let stated = self.end.ok_or_else(|| Error::unsupported("an end that depends on the batch"))?;
        let from_start = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
        let (low, high) = if self.step > 0 { (0, length) } else { (-1, length - 1) };
        let (start, end) = (from_start(self.start).clamp(low.max(0), high.max(0)), from_start(stated).clamp(low, high));
        if self.step == 0 { Err(Error::malformed("a slice without steps")) } else { Ok(Settled { start, end }) }
    }

    /// Whether it takes all of the batch.
    fn is_whole_batch(&self) -> bool {
        (self.start, self.step) == (0, 1) && self.end.is_none_or(|end| end >= i64::from(i32::MAX))
    }
}

/// Bounds are attributes before opset 10, inputs since.
fn parts(call: &Call<'_, '_>, rank: usize) -> Result<Vec<Part>> {
    let (starts, ends) = match (call.ints("starts"), call.ints("ends")) {
        (Some(starts), Some(ends)) => (starts, ends.into_iter().map(Some).collect()),
        _ => (call.numbers(1)?.unwrap_or_default(), open_ends(call)?),
    };
    let axes = match call.axes(3, rank)? {
        Some(axes) => axes,
        None => (0..starts.len()).collect(),
    };
    let steps = call.numbers(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [starts.len(), ends.len(), steps.len()] != [axes.len(); 3] || axes.iter().any(|&axis| axis >= rank) {
        return Err(Error::malformed(format!(
            "{} starts, {} ends, {} axes of {rank}",
            starts.len(),
            ends.len(),
            axes.len()
        )));
    }
    let bounds = starts.into_iter().zip(ends).zip(steps);
    Ok(axes.into_iter().zip(bounds).map(|(axis, ((start, end), step))| Part { axis, start, end, step }).collect())
}

/// The ends of a slice; `None` for one that follows the batch.
fn open_ends(call: &Call<'_, '_>) -> Result<Vec<Option<i64>>> {
    let ends = call.sizes(2)?.unwrap_or_default();
    let end = |end: &Number| match (end.known(), end.dim()) {
        (Some(end), _) => Ok(Some(end)),
        (None, Some(Dim::Batch(1))) => Ok(None),
        _ => Err(Error::unsupported("an end that depends on the batch")),
    };
    ends.iter().map(end).collect()
}

fn slice<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let mut x = call.value(0)?;
    let mut cuts = Vec::new();
    for part in parts(call, call.fact(x).rank())? {
        let dim = call.fact(x).shape[part.axis];
        let length = dim.count() as i64;
        if dim.is_batch() {
            if part.is_whole_batch() {
                continue;
            }
            return Err(Error::unsupported("a part of the batch"));
        }
        let Settled { start, end } = part.settled(length)?;
        if part.step < 0 {
            x = backwards(call, x, part.axis, (start, end, part.step))?;
        } else if (start, end, part.step) != (0, length, 1) {
            let (start, end) = (start as usize, end.max(start) as usize);
            cuts.push(Cut { axis: part.axis, start, end, step: part.step as usize });
        }
    }
    if cuts.is_empty() { Ok(vec![x.into()]) } else { Ok(vec![call.finish(Slice { cuts }, &[x])?.into()]) }
}

/// A slice with falling indices.
fn backwards(call: &mut Call<'_, '_>, x: Value, axis: usize, (start, end, step): (i64, i64, i64)) -> Result<Value> {
    let indices = std::iter::successors(Some(start), |at| at.checked_add(step)).take_while(|&at| at > end);
    let indices: Vec<f32> = indices.map(|at| at as f32).collect();
    if !call.builder.spend(indices.len() as f64) {
        return Err(Error::too_large(format!("{} indices", indices.len())));
    }
    let at = call.builder.constant("indices", Array::new(vec![indices.len()], indices)?, DType::I64)?;
    call.finish(Gather { axis }, &[x, at])
}

/// Widths are an attribute before opset 11, an input since; negative ones cut off.
fn pad<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let x = call.value(0)?;
    let rank = call.fact(x).rank();
    let stated = call.ints("pads").or_else(|| call.ints("paddings"));
    let widths = match stated {
        Some(widths) => widths,
        None => call.numbers(1)?.ok_or_else(|| Error::malformed("no widths"))?,
    };
    let axes = match call.axes(3, rank)? {
        Some(axes) => axes,
        None => (0..rank).collect(),
    };
    if widths.len() != 2 * axes.len() {
        return Err(Error::malformed(format!("{} widths of {} axes", widths.len(), axes.len())));
    }
    let mut all = vec![[0, 0]; rank];
    for (i, &axis) in axes.iter().enumerate() {
        all[axis] = [widths[i], widths[axes.len() + i]];
    }
    let x = cropped(call, x, &all)?;
    let width = |&n: &i64| count(n.max(0)).ok_or_else(|| Error::too_large(format!("{n} elements added")));
    let widths = all.iter().map(|[before, after]| Ok([width(before)?, width(after)?])).collect::<Result<Vec<_>>>()?;
    if widths.iter().all(|width| *width == [0, 0]) {
        return Ok(vec![x.into()]);
    }
    let border = border(call)?;
    Ok(vec![call.finish(Pad { widths, border }, &[x])?.into()])
}

fn border(call: &Call<'_, '_>) -> Result<Border> {
    let value = match call.scalar(2)? {
        Some(value) => value,
        None => call.float("value", 0.0),
    };
    match call.text("mode", "constant")? {
        "constant" => Ok(Border::Value(value as f32)),
        "reflect" => Ok(Border::Mirror),
        "edge" => Ok(Border::Edge),
        other => Err(Error::unsupported(format!("mode = {other}"))),
    }
}

/// The tensor without what negative widths cut off.
fn cropped(call: &mut Call<'_, '_>, x: Value, widths: &[[i64; 2]]) -> Result<Value> {
    let mut cuts = Vec::new();
    for (axis, [before, after]) in widths.iter().enumerate().filter(|(_, width)| width.iter().any(|&n| n < 0)) {
        let length = call.fact(x).shape[axis].count() as i64;
        let (start, end) = (0.max(before.saturating_neg()), length.saturating_add(0.min(*after)));
        let bounds = (usize::try_from(start), usize::try_from(end));
        let (Ok(start), Ok(end)) = bounds else { return Err(Error::malformed("more cut off than there is")) };
        cuts.push(Cut { axis, start, end, step: 1 });
    }
    if cuts.is_empty() { Ok(x) } else { call.helper("cropped", Slice { cuts }, &[x]) }
}

/// To the joint shape of the tensor and the lengths that are named.
fn expand<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let x = call.value(0)?;
    let named = call.sizes(1)?.ok_or_else(|| Error::malformed("no shape"))?;
    let from = call.shape(x);
    let rank = from.len().max(named.len());
    let to = (0..rank)
        .map(|axis| joint(behind(&from, rank, axis), behind(&named, rank, axis)))
        .collect::<Result<Vec<Dim>>>()?;
    if to == from {
        return Ok(vec![x.into()]);
    }
    Ok(vec![call.finish(Expand { to }, &[x])?.into()])
}

/// The element that stands on `axis` of `rank` when a list is aligned at its end.
fn behind<T: Copy>(list: &[T], rank: usize, axis: usize) -> Option<T> {
    axis.checked_sub(rank - list.len()).and_then(|at| list.get(at)).copied()
}

fn joint(from: Option<Dim>, named: Option<Number>) -> Result<Dim> {
    let from = from.unwrap_or(Dim::Fixed(1));
    let Some(named) = named else { return Ok(from) };
    let named = named.dim().ok_or_else(|| Error::malformed(format!("a length of {named:?}")))?;
    Ok(if named == Dim::Fixed(1) { from } else { named })
}

/// Repeats whole tensors: every axis gets a new one before it, which is expanded and joined with it.
fn tile<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let x = call.value(0)?;
    let shape = call.shape(x);
    let repeats = call.numbers(1)?.unwrap_or_default();
    let repeats: Option<Vec<usize>> = repeats.into_iter().map(count).collect();
    let repeats = repeats.filter(|repeats| repeats.len() == shape.len());
    let repeats = repeats.ok_or_else(|| Error::malformed(format!("repeats that do not fit {} axes", shape.len())))?;
    if 2 * shape.len() > crate::tensor::MOST_AXES {
        return Err(Error::too_large(format!("a tensor of {} axes", shape.len())));
    }
    let apart = shape.iter().flat_map(|&dim| [Dim::Fixed(1), dim]).collect();
    let spread = shape.iter().zip(&repeats).flat_map(|(&dim, &n)| [Dim::Fixed(n), dim]).collect();
    let times = |(dim, &n): (&Dim, &usize)| dim.count().checked_mul(n).map(|count| dim.with_count(count));
    let to: Option<Vec<Dim>> = shape.iter().zip(&repeats).map(times).collect();
    let to = to.ok_or_else(|| Error::too_large("a tensor"))?;
    let x = call.helper("apart", Reshape { to: apart }, &[x])?;
    let x = call.helper("repeated", Expand { to: spread }, &[x])?;
    Ok(vec![call.finish(Reshape { to }, &[x])?.into()])
}

/// One known index, or neighbouring ones, are a slice; rows of a matrix of weights an embedding.
fn gather<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let x = call.value(0)?;
    let rank = call.fact(x).rank();
    let axis = call.axis(call.int("axis", 0)?, rank)?;
    if let Some(cut) = neighbours(call, x, axis)? {
        return picked(call, x, cut);
    }
    let at = call.indices(1)?;
    let is_table = axis == 0 && rank == 2 && call.known(0).is_some_and(|table| table.weights.is_some());
    if is_table && call.positions.is_none() {
        return Ok(vec![call.finish(Embedding {}, &[x, at])?.into()]);
    }
    Ok(vec![call.finish(Gather { axis }, &[x, at])?.into()])
}

/// The part that known indices take, if they rise by one.
fn neighbours(call: &Call<'_, '_>, x: Value, axis: usize) -> Result<Option<Cut>> {
    let dim = call.fact(x).shape[axis];
    let Some(at) = call.known(1).filter(|at| !dim.is_batch() && at.len() > 0) else { return Ok(None) };
    let numbers: Option<Vec<i64>> = at.ints()?.iter().map(|number| number.known()).collect();
    let length = dim.count() as i64;
    let wrapped = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
    let numbers: Vec<i64> = numbers.unwrap_or_default().into_iter().map(wrapped).collect();
    let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else { return Ok(None) };
    let inside = (0..length).contains(&first) && (0..length).contains(&last);
    let rises = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
    Ok((inside && rises).then(|| Cut { axis, start: first as usize, end: last as usize + 1, step: 1 }))
}

fn picked<'a>(call: &mut Call<'a, '_>, x: Value, cut: Cut) -> Outputs<'a> {
    let is_all = cut.start == 0 && cut.end == call.fact(x).shape[cut.axis].count();
    let mut y = if is_all { x } else { call.finish(Slice { cuts: vec![cut] }, &[x])? };
    if let Some(at) = call.known(1).filter(|at| at.shape.len() != 1) {
        let mut to = call.shape(y);
        to.splice(cut.axis..=cut.axis, at.shape.iter().map(|&length| Dim::Fixed(length)));
        y = call.reshaped(y, to)?;
    }
    Ok(vec![y.into()])
}

/// Lengths of `[batch, channel, rows, columns]`, and the side of the blocks.
fn blocks(call: &Call<'_, '_>, x: Value) -> Result<([Dim; 2], [usize; 3])> {
    let side = count(call.int("blocksize", 0)?).filter(|&side| side > 0);
    let (&[batch, channels, rows, columns], Some(side)) = (call.fact(x).shape.as_slice(), side) else {
        return Err(Error::malformed("blocks of a tensor without rows and columns"));
    };
    Ok(([batch, channels], [rows.count(), columns.count(), side]))
}

fn rearranged<'a>(call: &mut Call<'a, '_>, x: Value, apart: Vec<Dim>, order: Vec<usize>, to: Vec<Dim>) -> Outputs<'a> {
    let x = call.helper("apart", Reshape { to: apart }, &[x])?;
    let x = call.helper("order", Permute { order }, &[x])?;
    Ok(vec![call.finish(Reshape { to }, &[x])?.into()])
}

fn depth_to_space<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let x = call.value(0)?;
    let ([batch, channels], [rows, columns, side]) = blocks(call, x)?;
    let left = Dim::Fixed(channels.count() / side / side);
    let [h, w, s] = [rows, columns, side].map(Dim::Fixed);
    let to = vec![batch, left, Dim::Fixed(rows.saturating_mul(side)), Dim::Fixed(columns.saturating_mul(side))];
    match call.text("mode", "DCR")? {
        "DCR" => rearranged(call, x, vec![batch, s, s, left, h, w], vec![0, 3, 4, 1, 5, 2], to),
        "CRD" => rearranged(call, x, vec![batch, left, s, s, h, w], vec![0, 1, 4, 2, 5, 3], to),
        other => Err(Error::malformed(format!("mode = {other}"))),
    }
}

fn space_to_depth<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let x = call.value(0)?;
    let ([batch, channels], [rows, columns, side]) = blocks(call, x)?;
    let [h, w, s] = [rows / side, columns / side, side].map(Dim::Fixed);
    let deep = Dim::Fixed(channels.count().saturating_mul(side).saturating_mul(side));
    let apart = vec![batch, channels, h, s, w, s];
    rearranged(call, x, apart, vec![0, 3, 5, 1, 2, 4], vec![batch, deep, h, w])
}

#[cfg(test)]
mod tests {
    use super::{Part, equal_parts};

    #[test]
    fn parts_are_equal_but_for_the_last() {
        assert_eq!(equal_parts(7, 3), Some(vec![3, 3, 1]));
        assert_eq!(equal_parts(6, 3), Some(vec![2, 2, 2]));
        assert_eq!((equal_parts(1, 0), equal_parts(2, 5)), (None, None));
    }

    #[test]
    fn bounds_move_to_where_there_are_elements() {
        let settled = |start, end, step| {
            let part = Part { axis: 0, start, end: Some(end), step }.settled(5).unwrap();
            (part.start, part.end)
        };
        assert_eq!(settled(-2, i64::MAX, 1), (3, 5));
        assert_eq!(settled(-9, -1, 1), (0, 4));
        assert_eq!(settled(-1, i64::MIN, -1), (4, -1));
        assert_eq!(settled(9, 1, -2), (4, 1));
    }
}
