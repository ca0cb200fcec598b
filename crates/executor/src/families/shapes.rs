//! Operators that only move elements.
use super::Runner;
use crate::tensor::{concat, expand, pad, permute, reshape, slice};
use burn::tensor::Slice as Range;
use burn::tensor::ops::PadMode;
use supple_graph::operators::{Border, Pad, Slice, Split};
use supple_graph::{DType, Fact, Op};

pub(super) fn find(op: &Op, inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    match op {
        Op::Reshape(_) => Some(Runner::of(|mut operands, call| Ok(reshape(operands.take()?, call.shape())))),
        Op::Expand(_) => Some(Runner::of(|mut operands, call| Ok(expand(operands.take()?, &call.shape())))),
        Op::Permute(op) => {
            let order = op.order.clone();
            Some(Runner::map(move |x| permute(x, &order)))
        }
        Op::Concat(op) => {
            let axis = op.axis;
            Some(Runner::of(move |operands, _| Ok(concat(operands.rest(), axis))))
        }
        Op::Slice(op) => Some(cut(op)),
        Op::Split(op) => Some(split(op)),
        Op::Pad(op) if inputs.first()?.dtype != DType::Bool => Some(border(op)),
        _ => None,
    }
}

fn cut(op: &Slice) -> Runner {
    let cuts = op.cuts.clone();
    Runner::map(move |x| {
        let axes = cuts.iter().map(|cut| cut.axis + 1).max().unwrap_or(0);
        let mut ranges = vec![Range::full(); axes];
        for cut in &cuts {
            ranges[cut.axis] = Range::new(cut.start as isize, Some(cut.end as isize), cut.step as isize);
        }
        slice(x, &ranges)
    })
}

fn split(op: &Split) -> Runner {
    let op = op.clone();
    Runner::new(move |mut operands, _| {
        let x = operands.take()?;
        let mut start = 0;
        let part = |&length: &usize| {
            let mut ranges = vec![Range::full(); op.axis + 1];
            ranges[op.axis] = Range::from(start..start + length as isize);
            start += length as isize;
            slice(x.clone(), &ranges)
        };
        Ok(op.lengths.iter().map(part).collect())
    })
}

fn border(op: &Pad) -> Runner {
    let widths: Vec<(usize, usize)> = op.widths.iter().map(|&[before, after]| (before, after)).collect();
    let mode = match op.border {
        Border::Value(value) => PadMode::Constant(value),
        Border::Edge => PadMode::Edge,
        Border::Mirror => PadMode::Reflect,
    };
    Runner::map(move |x| pad(x, &widths, mode))
}
