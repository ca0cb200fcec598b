//! Operations that move, choose or compare elements of any type.
use super::{Recorded, Source, binary, filled, number, with_number};
use burn_ir::{BaseOperationIr as Base, FlipOpIr, SliceAssignOpIr, SliceOpIr, TensorIr};
use supple_graph::operators::{
    BinaryFunction, Cast, Concat, Constant, Cut, Expand, Gather, Permute, Reshape, Slice, Unary, UnaryFunction, Where,
};
use supple_graph::{Array, DType};

pub(super) fn operation(base: &Base) -> Option<Recorded<'_>> {
    Some(match base {
        Base::Reshape(ir) => Recorded::new(Reshape { to: Vec::new() }, [&ir.input], &ir.out),
        Base::Expand(ir) => Recorded::new(Expand { to: Vec::new() }, [&ir.input], &ir.out),
        Base::Permute(ir) => Recorded::new(Permute { order: ir.axes.clone() }, [&ir.input], &ir.out),
        Base::SwapDims(ir) => {
            let mut order: Vec<usize> = (0..ir.input.shape.len()).collect();
            order.swap(ir.dim1, ir.dim2);
            Recorded::new(Permute { order }, [&ir.input], &ir.out)
        }
        Base::Slice(ir) => return slice(ir),
        Base::SliceAssign(ir) => return assigned(ir),
        Base::Empty(ir) | Base::Zeros(ir) => filled(0.0, &ir.out),
        Base::Ones(ir) => filled(1.0, &ir.out),
        Base::Flip(ir) => return flipped(ir),
        Base::Cat(ir) => Recorded::new(Concat { axis: ir.dim }, &ir.tensors, &ir.out),
        Base::RepeatDim(ir) if ir.times <= 64 => {
            Recorded::new(Concat { axis: ir.dim }, std::iter::repeat_n(&ir.tensor, ir.times), &ir.out)
        }
        Base::Select(ir) => Recorded::new(Gather { axis: ir.dim }, [&ir.tensor, &ir.indices], &ir.out),
        Base::MaskWhere(ir) => Recorded::new(Where {}, [&ir.mask, &ir.value, &ir.tensor], &ir.out),
        Base::MaskFill(ir) => {
            let fill = Source::Number(number(ir.value), super::dtype(&ir.tensor), ir.tensor.shape.len());
            let mut where_op = Recorded::new(Where {}, [&ir.mask, &ir.tensor], &ir.out);
            where_op.inputs.insert(1, fill);
            where_op
        }
        Base::Cast(ir) => Recorded::new(Cast { to: super::dtype(&ir.out) }, [&ir.input], &ir.out),
        Base::Equal(ir) => binary(BinaryFunction::Equal, ir),
        Base::NotEqual(ir) => not(binary(BinaryFunction::Equal, ir)),
        Base::NotEqualElem(ir) => not(with_number(BinaryFunction::Equal, ir)),
        Base::EqualElem(ir) if is_flag(&ir.lhs) && number(ir.rhs) == 0.0 => {
            Recorded::new(Unary { function: UnaryFunction::Not }, [&ir.lhs], &ir.out)
        }
        Base::EqualElem(ir) => with_number(BinaryFunction::Equal, ir),
        _ => return None,
    })
}

fn is_flag(ir: &TensorIr) -> bool {
    super::dtype(ir) == DType::Bool
}

fn not(recorded: Recorded<'_>) -> Recorded<'_> {
    let Recorded { op, inputs, outputs } = recorded;
    let inputs = vec![Source::Made(Box::new(op), inputs)];
    Recorded { op: Unary { function: UnaryFunction::Not }.into(), inputs, outputs }
}

/// The part of each axis that goes forwards; `None` when one does not.
fn parts(ranges: &[burn::tensor::Slice], of: &TensorIr) -> Option<Vec<Cut>> {
    let part = |(axis, (range, &length)): (usize, (&burn::tensor::Slice, &usize))| {
        let at = |position: isize| if position < 0 { position + length as isize } else { position };
        let start = usize::try_from(at(range.start)).ok()?;
        let end = usize::try_from(range.end.map_or(length as isize, at)).ok()?.min(length);
        let step = usize::try_from(range.step).ok().filter(|&step| step > 0)?;
        Some(Cut { axis, start, end, step })
    };
    ranges.iter().zip(of.shape.iter()).enumerate().map(part).collect()
}

fn is_whole(cut: &Cut, of: &TensorIr) -> bool {
    (cut.start, cut.end, cut.step) == (0, of.shape[cut.axis], 1)
}

/// Ranges that go forwards; axes that stay whole are no cuts, so that they may follow the batch.
fn slice(ir: &SliceOpIr) -> Option<Recorded<'_>> {
    let mut cuts = parts(&ir.ranges, &ir.tensor)?;
    cuts.retain(|cut| !is_whole(cut, &ir.tensor));
    Some(Recorded::new(Slice { cuts }, [&ir.tensor], &ir.out))
}

/// A part that others take the place of, as what stands before it, the others, and what stands behind it.
fn assigned(ir: &SliceAssignOpIr) -> Option<Recorded<'_>> {
    let mut cuts = parts(&ir.ranges, &ir.tensor)?;
    cuts.retain(|cut| !is_whole(cut, &ir.tensor));
    let dense = cuts.iter().all(|cut| cut.step == 1 && cut.start < cut.end);
    dense.then(|| match placed(Source::of(&ir.tensor), &cuts, &ir.tensor, Source::of(&ir.value)) {
        Source::Made(op, inputs) => Recorded::from(*op, inputs, &ir.out),
        whole => Recorded::from(Reshape { to: Vec::new() }, [whole], &ir.out),
    })
}

/// `tensor` with `value` in the part that the cuts name.
fn placed(tensor: Source, cuts: &[Cut], of: &TensorIr, value: Source) -> Source {
    let Some((&Cut { axis, start, end, .. }, rest)) = cuts.split_first() else { return value };
    let length = of.shape[axis];
    let part =
        |start: usize, end: usize| tensor.clone().through(Slice { cuts: vec![Cut { axis, start, end, step: 1 }] });
    let before = (start > 0).then(|| part(0, start));
    let behind = (end < length).then(|| part(end, length));
    let inner = placed(part(start, end), rest, of, value);
    let all = before.into_iter().chain([inner]).chain(behind).collect();
    Source::Made(Box::new(Concat { axis }.into()), all)
}

/// Axes in the other direction, by the indices of their elements.
fn flipped(ir: &FlipOpIr) -> Option<Recorded<'_>> {
    let (&last, rest) = ir.axes.split_last()?;
    let turned = |source: Source, axis: usize| {
        let length = ir.input.shape[axis];
        let indices = Array::new(vec![length], (0..length).rev().map(|at| at as f32).collect()).ok()?;
        let indices = Source::Made(Box::new(Constant { value: indices, dtype: DType::I64 }.into()), Vec::new());
        Some((Gather { axis }, [source, indices]))
    };
    let mut source = Source::of(&ir.input);
    for &axis in rest {
        let (gather, inputs) = turned(source, axis)?;
        source = Source::Made(Box::new(gather.into()), inputs.into());
    }
    let (gather, inputs) = turned(source, last)?;
    Some(Recorded::from(gather, inputs, &ir.out))
}
