//! Operators that look elements up.
use super::Runner;
use burn::backend::Dispatch;
use burn::backend::ops::ModuleOps;
use supple_graph::{Fact, Op};

pub(super) fn find(op: &Op, _inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    match op {
        Op::Embedding(_) => Some(Runner::join(Dispatch::embedding)),
        _ => None,
    }
}
