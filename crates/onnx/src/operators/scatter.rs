//! Elements that take the place of others.
use super::List;
use crate::call::{Call, Operand};
use crate::error::{Error, Result};
use supple_graph::array::each_index;
use supple_graph::operators::{Concat, Gather, Where};
use supple_graph::{Array, DType, Dim, Value};

pub(super) const LIST: List = &[("ScatterND", scatter_nd), ("ScatterElements", scatter_elements), ("Trilu", trilu)];

type Outputs<'a> = Result<Vec<Operand<'a>>>;

/// Slices at known places: the last axis of the indices counts along the first axes of the data.
fn scatter_nd<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let scatter = Scatter::of(call)?;
    let (lengths, at) = (&scatter.lengths, &scatter.at);
    let depth = at.last().copied().filter(|&depth| (1..=lengths.len()).contains(&depth));
    let (outer, slice) = lengths.split_at(depth.ok_or_else(|| scatter.misfit())?);
    let size = elements(slice)?;
    let starts = scatter.indices.chunks(outer.len()).map(|index| Ok(position(index, outer)? * size));
    let starts = starts.collect::<Result<Vec<usize>>>()?;
    scatter.fits(starts.len() as f64 * size as f64)?;
    scatter.replace(call, starts.into_iter().flat_map(|start| start..start + size))
}

/// Single elements: each index counts along one axis, the others are those of the update.
fn scatter_elements<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let scatter = Scatter::of(call)?;
    let axis = call.axis(call.int("axis", 0)?, scatter.lengths.len())?;
    if scatter.at.len() != scatter.lengths.len() {
        return Err(scatter.misfit());
    }
    let mut targets = Vec::with_capacity(scatter.indices.len());
    each_index(&scatter.at, |index| {
        let mut place: Vec<i64> = index.iter().map(|&i| i as i64).collect();
        place[axis] = scatter.indices[targets.len()];
        targets.push(position(&place, &scatter.lengths));
    });
    let targets = targets.into_iter().collect::<Result<Vec<usize>>>()?;
    scatter.fits(targets.len() as f64)?;
    scatter.replace(call, targets.into_iter())
}

/// Elements of a tensor that others replace.
struct Scatter {
    data: Value,
    lengths: Vec<usize>,
    updates: Value,
    /// How many updates there are.
    count: usize,
    /// Shape of the indices.
    at: Vec<usize>,
    indices: Vec<i64>,
}

impl Scatter {
    fn of(call: &mut Call<'_, '_>) -> Result<Self> {
        match call.text("reduction", "none")? {
            "none" => {}
            other => return Err(Error::unsupported(format!("reduction = {other}"))),
        }
        let indices = call.numbers(1)?.ok_or_else(|| Error::malformed("no indices"))?;
        let at = call.known(1).map(|indices| indices.shape.clone()).unwrap_or_default();
        let (data, updates) = (call.value(0)?, call.value(2)?);
        let (lengths, count) = (fixed(call, data)?, elements(&fixed(call, updates)?)?);
        Ok(Self { data, lengths, updates, count, at, indices })
    }

    fn misfit(&self) -> Error {
        Error::malformed(format!("indices of shape {:?} for {:?}", self.at, self.lengths))
    }

    fn fits(&self, targets: f64) -> Result<()> {
        let wrong = || Error::malformed(format!("{} updates of {targets} elements", self.count));
        if self.count as f64 == targets { Ok(()) } else { Err(wrong()) }
    }

    /// The tensor with the elements at `targets` replaced, the later ones last.
    fn replace<'a>(&self, call: &mut Call<'a, '_>, targets: impl Iterator<Item = usize>) -> Outputs<'a> {
        let length = elements(&self.lengths)?;
        if !call.builder.spend(length as f64 + self.count as f64) {
            return Err(Error::too_large(format!("{length} indices")));
        }
        let mut from: Vec<f32> = (0..length).map(|at| at as f32).collect();
        targets.enumerate().for_each(|(at, target)| from[target] = (length + at) as f32);
        let data = call.reshaped(self.data, vec![Dim::Fixed(length)])?;
        let updates = call.reshaped(self.updates, vec![Dim::Fixed(self.count)])?;
        let all = call.helper("all", Concat { axis: 0 }, &[data, updates])?;
        let from = call.builder.constant("from", Array::new(self.lengths.clone(), from)?, DType::I64)?;
        Ok(vec![call.finish(Gather { axis: 0 }, &[all, from])?.into()])
    }
}

/// Lengths that do not follow the batch.
fn fixed(call: &Call<'_, '_>, x: Value) -> Result<Vec<usize>> {
    let length = |dim: &Dim| (!dim.is_batch()).then_some(dim.count());
    let lengths: Option<Vec<usize>> = call.fact(x).shape.iter().map(length).collect();
    lengths.ok_or_else(|| Error::unsupported("elements of the batch in the place of others"))
}

fn elements(lengths: &[usize]) -> Result<usize> {
    let all = lengths.iter().try_fold(1_usize, |all, &n| all.checked_mul(n));
    all.ok_or_else(|| Error::too_large(format!("a tensor of {lengths:?}")))
}

/// Where an index, which may count from the end, stands in a tensor.
fn position(index: &[i64], lengths: &[usize]) -> Result<usize> {
    index.iter().zip(lengths).try_fold(0, |before, (&at, &length)| {
        let from_start = if at < 0 { at.saturating_add(length as i64) } else { at };
        let at = usize::try_from(from_start).ok().filter(|&at| at < length);
        at.map(|at| before * length + at).ok_or_else(|| Error::malformed(format!("index {index:?} of {lengths:?}")))
    })
}

/// Matrices of which one side of a diagonal stays, and the other becomes zero.
fn trilu<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let x = call.value(0)?;
    let (upper, offset) = (call.int("upper", 1)? != 0, call.scalar(1)?.unwrap_or(0.0));
    let &[.., rows, columns] = call.fact(x).shape.as_slice() else { return Err(Error::malformed("no matrix")) };
    if rows.is_batch() || columns.is_batch() {
        return Err(Error::unsupported("a matrix whose sides follow the batch"));
    }
    let sides @ [rows, columns] = [rows, columns].map(|dim| dim.count());
    if !call.builder.spend(rows as f64 * columns as f64) {
        return Err(Error::too_large(format!("a matrix of {rows} x {columns}")));
    }
    let stays = Array::from_fn(&sides, |index| {
        let behind = index[1] as f64 - index[0] as f64 - offset;
        if (if upper { behind } else { -behind }) >= 0.0 { 1.0 } else { 0.0 }
    });
    let dtype = call.fact(x).dtype;
    let stays = call.builder.constant("stays", stays, DType::Bool)?;
    let zero = call.builder.constant("zero", Array::full(&[], 0.0), dtype)?;
    Ok(vec![call.finish(Where {}, &[stays, x, zero])?.into()])
}
