//! The operators of ONNX that have a counterpart in the graph, one family a file.
use crate::call::Convert;

mod attention;
mod einsum;
mod element_wise;
mod indexed;
mod movement;
mod norm;
mod pool;
mod product;
mod recurrent;
mod reduce;
mod resize;
mod scatter;
mod shape;

/// What stands in a family: the operator's name in ONNX and what makes it.
type List = &'static [(&'static str, Convert)];

const FAMILIES: [List; 13] = [
    attention::LIST,
    einsum::LIST,
    element_wise::LIST,
    indexed::LIST,
    movement::LIST,
    norm::LIST,
    pool::LIST,
    product::LIST,
    recurrent::LIST,
    reduce::LIST,
    resize::LIST,
    scatter::LIST,
    shape::LIST,
];

/// What turns nodes of this operator into operators of the graph, if it is known.
pub(crate) fn find(domain: &str, operator: &str) -> Option<Convert> {
    let mut known = FAMILIES.into_iter().flatten();
    let found = known.find(|(name, _)| *name == operator).map(|&(_, convert)| convert);
    found.filter(|_| matches!(domain, "" | "ai.onnx"))
}
