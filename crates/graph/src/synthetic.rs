//! Graphs of any size, to measure and to try laws with.
use crate::error::Result;
use crate::fact::{Dim, Fact};
use crate::graph::{Graph, Value};
use crate::operators::{Binary, BinaryFunction, Conv, Op, Unary, UnaryFunction};

/// Channels between the blocks, and within one.
const CHANNELS: [usize; 2] = [16, 8];

/// Blocks after which the channels change, so that there are many sites and none couples everything.
const STAGE: usize = 8;

/// A chain of residual blocks (convolution, ReLU, convolution, sum, ReLU) with `operators` operators or a few more, as [`operators`] counts them.
///
/// # Errors
/// None, as long as convolutions take what they are given here.
pub fn residual_chain(operators: usize) -> Result<Graph> {
    let mut graph = Graph::new(format!("synthetic {operators}"));
    let shape = [Dim::Batch(1), Dim::Fixed(CHANNELS[0]), Dim::Fixed(8), Dim::Fixed(8)];
    let mut x = graph.input("input", Fact::f32(shape))?;
    let (mut block, mut made) = (0, 1);
    while made < operators {
        x = residual(&mut graph, x, block)?;
        made += 5;
        block += 1;
        if block % STAGE == 0 {
            x = conv(&mut graph, &format!("stage{block}"), x, CHANNELS)?;
            x = conv(&mut graph, &format!("back{block}"), x, [CHANNELS[1], CHANNELS[0]])?;
            made += 2;
        }
    }
    graph.set_outputs(vec![x]);
    Ok(graph)
}

/// How many operators compute something or bring data.
pub fn operators(graph: &Graph) -> usize {
    graph.ids().filter(|&id| !matches!(graph.node(id).op, Op::Parameter(_) | Op::Constant(_))).count()
}

fn residual(graph: &mut Graph, x: Value, block: usize) -> Result<Value> {
    let relu = Unary { function: UnaryFunction::Relu };
    let inner = conv(graph, &format!("block{block}.narrow"), x, CHANNELS)?;
    let inner = graph.add(format!("block{block}.relu1"), relu.clone(), &[inner])?;
    let back = conv(graph, &format!("block{block}.widen"), inner, [CHANNELS[1], CHANNELS[0]])?;
    let sum = graph.add(format!("block{block}.sum"), Binary { function: BinaryFunction::Add }, &[back, x])?;
    graph.add(format!("block{block}.relu2"), relu, &[sum])
}

fn conv(graph: &mut Graph, name: &str, x: Value, [inputs, outputs]: [usize; 2]) -> Result<Value> {
    let weight = graph.parameter(&format!("{name}.weight"), Fact::fixed(&[outputs, inputs, 3, 3]))?;
    graph.add(name, Conv::new(2).with_padding(1), &[x, weight])
}
