//! Operations that move, choose or compare elements of any type.
use super::elements::{binary, with_number};
use super::{Recorded, Source, number};
use burn_ir::{BaseOperationIr as Base, SliceOpIr, TensorIr};
use supple_graph::operators::{
    BinaryFunction, Cast, Concat, Cut, Expand, Gather, Permute, Reshape, Slice, Unary, UnaryFunction, Where,
};

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
        Base::EqualElem(ir) if is_flag(&ir.lhs) && number(ir.rhs) == 0.0 => {
            Recorded::new(Unary { function: UnaryFunction::Not }, [&ir.lhs], &ir.out)
        }
        Base::EqualElem(ir) => with_number(BinaryFunction::Equal, ir),
        _ => return None,
    })
}

fn is_flag(ir: &TensorIr) -> bool {
    super::dtype(ir) == supple_graph::DType::Bool
}

/// Ranges that go forwards; axes that stay whole are no cuts, so that they may follow the batch.
fn slice(ir: &SliceOpIr) -> Option<Recorded<'_>> {
    let mut cuts = Vec::new();
    for (axis, (range, &length)) in ir.ranges.iter().zip(ir.tensor.shape.iter()).enumerate() {
        let at = |position: isize| if position < 0 { position + length as isize } else { position };
        let start = usize::try_from(at(range.start)).ok()?;
        let end = usize::try_from(range.end.map_or(length as isize, at)).ok()?.min(length);
        let step = usize::try_from(range.step).ok().filter(|&step| step > 0)?;
        if (start, end, step) != (0, length, 1) {
            cuts.push(Cut { axis, start, end, step });
        }
    }
    Some(Recorded::new(Slice { cuts }, [&ir.tensor], &ir.out))
}
