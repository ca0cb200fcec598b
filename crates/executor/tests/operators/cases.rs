//! Random operators with operands that fit.
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use supple_graph::operators::{
    Adam, AdaptivePool, ArgMax, Attention, Backward, BatchNorm, Binary, BinaryFunction, Border, Cast, Clip, Concat,
    Conv, ConvTranspose, Coordinates, CrossEntropy, Dropout, Elu, Embedding, Expand, Gather, Gemm, GroupNorm,
    HardSigmoid, InstanceNorm, Interpolation, LayerNorm, LeakyRelu, Linear, LogSoftmax, Matmul, MeanSquare, Pad,
    Permute, Pool, PoolFunction, Reduce, Reduction, Reshape, Resize, RmsNorm, Scalar, Sgd, Slice, Softmax, Split, TopK,
    Unary, UnaryFunction, Where,
};
use supple_graph::window::Window;
use supple_graph::{Array, DType, Dim, Fact, Near, Op};

/// What an operand holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// Numbers between -2 and 2, no two of them near each other.
    Apart,
    /// The same between 0.2 and 2.2.
    Positive,
    /// Whole numbers below this.
    Words(usize),
    /// Whole numbers from one to this.
    Counts(usize),
    /// Truth values.
    Flags,
}

/// An operand.
#[derive(Clone, Debug)]
pub struct Operand {
    pub fact: Fact,
    pub fill: Fill,
}

/// An operator with its operands.
#[derive(Clone, Debug)]
pub struct Case {
    pub op: Op,
    pub operands: Vec<Operand>,
    pub seed: u64,
}

impl Operand {
    fn new(shape: &[usize], fill: Fill) -> Self {
        let dtype = match fill {
            Fill::Apart | Fill::Positive => DType::F32,
            Fill::Words(_) | Fill::Counts(_) => DType::I64,
            Fill::Flags => DType::Bool,
        };
        Self { fact: Fact { dtype, shape: shape.iter().map(|&n| Dim::Fixed(n)).collect() }, fill }
    }

    fn array(&self, seed: &mut u64) -> Array {
        let shape = self.fact.shape_at(1);
        let count: usize = shape.iter().product();
        let mut order: Vec<usize> = (0..count).collect();
        (1..count).rev().for_each(|i| order.swap(i, next(seed) as usize % (i + 1)));
        let mut places = order.into_iter();
        Array::from_fn(&shape, |_| {
            let part = (places.next().unwrap_or(0) as f32 + 0.5) / count as f32;
            match self.fill {
                Fill::Apart => 4.0 * part - 2.0,
                Fill::Positive => 2.0 * part + 0.2,
                Fill::Words(below) => (next(seed) as usize % below) as f32,
                Fill::Counts(most) => (1 + next(seed) as usize % most) as f32,
                Fill::Flags => (next(seed) % 2) as f32,
            }
        })
    }
}

/// Xorshift.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed >> 8
}

impl Case {
    /// An operator on numbers of these shapes.
    pub fn of(op: impl Into<Op>, shapes: &[&[usize]]) -> Self {
        let operands = shapes.iter().map(|shape| Operand::new(shape, Fill::Apart)).collect();
        Self { op: op.into(), operands, seed: 1 }
    }

    fn filled(mut self, at: usize, fill: Fill) -> Self {
        self.operands[at] = Operand::new(&self.operands[at].fact.shape_at(1), fill);
        self
    }

    /// The values of the operands.
    pub fn arrays(&self) -> Vec<Array> {
        let mut seed = self.seed | 1;
        (0..8).for_each(|_| {
            next(&mut seed);
        });
        self.operands.iter().map(|operand| operand.array(&mut seed)).collect()
    }
}

type Cases = BoxedStrategy<Case>;

fn seeded(case: impl Strategy<Value = Case> + 'static) -> Cases {
    (case, any::<u64>()).prop_map(|(case, seed)| Case { seed, ..case }).boxed()
}

fn shapes(ranks: std::ops::Range<usize>) -> impl Strategy<Value = Vec<usize>> {
    vec(1usize..4, ranks)
}

/// Functions of one element whose slope exists nearly everywhere.
fn smooth_unary() -> Cases {
    use UnaryFunction as F;
    let functions = [
        F::Relu,
        F::Gelu,
        F::GeluTanh,
        F::Silu,
        F::Sigmoid,
        F::HardSwish,
        F::Mish,
        F::Softplus,
        F::Softsign,
        F::Tanh,
        F::Exp,
        F::Log,
        F::Sqrt,
        F::Erf,
        F::Sin,
        F::Cos,
        F::Neg,
        F::Abs,
        F::Recip,
    ];
    seeded((select(functions.to_vec()), shapes(1..4)).prop_map(|(function, shape)| {
        let case = Case::of(Unary { function }, &[&shape]);
        let positive = matches!(function, F::Log | F::Sqrt | F::Recip);
        if positive { case.filled(0, Fill::Positive) } else { case }
    }))
}

fn stepped_unary() -> Cases {
    use UnaryFunction as F;
    let functions = [F::Floor, F::Ceil, F::Round, F::Sign, F::Not];
    seeded((select(functions.to_vec()), shapes(1..4)).prop_map(|(function, shape)| {
        let case = Case::of(Unary { function }, &[&shape]);
        if function == F::Not { case.filled(0, Fill::Flags) } else { case }
    }))
}

fn maps() -> Cases {
    let numbers = (0.1..1.5f64, -1.0..1.0f64, 0.5..2.0f64);
    seeded((0..6u8, shapes(1..4), numbers).prop_map(|(which, shape, (a, b, c))| {
        let op: Op = match which {
            0 => Scalar { scale: a, shift: b }.into(),
            1 => LeakyRelu { slope: b }.into(),
            2 => Elu { alpha: a, width: c, scale: c }.into(),
            3 => HardSigmoid { alpha: a, beta: 0.5 }.into(),
            4 => Clip { low: (b < 0.0).then_some(b), high: (a < 1.0).then_some(a) }.into(),
            _ => Dropout { ratio: 0.5 }.into(),
        };
        Case::of(op, &[&shape])
    }))
}

/// Two shapes that repeat to a common one: leading axes missing, axes of length one.
fn repeated() -> impl Strategy<Value = [Vec<usize>; 2]> {
    (shapes(1..4), vec(0..4u8, 8), any::<bool>()).prop_map(|(shape, thin, swapped)| {
        let skip = usize::from(thin[7]) % 2 * usize::from(shape.len() > 1);
        let other = shape[skip..].iter().zip(&thin).map(|(&n, &t)| if t == 0 { 1 } else { n }).collect();
        if swapped { [other, shape] } else { [shape, other] }
    })
}

fn smooth_binary() -> Cases {
    use BinaryFunction as F;
    let functions = [F::Add, F::Sub, F::Mul, F::Div, F::Pow, F::Prelu];
    seeded((select(functions.to_vec()), repeated()).prop_map(|(function, [a, b])| {
        let case = Case::of(Binary { function }, &[&a, &b]);
        match function {
            F::Div => case.filled(1, Fill::Positive),
            F::Pow => case.filled(0, Fill::Positive),
            _ => case,
        }
    }))
}

fn stepped_binary() -> Cases {
    use BinaryFunction as F;
    let compared = [F::Equal, F::Less, F::LessOrEqual, F::Greater, F::GreaterOrEqual];
    let floats = [F::Modulo, F::Min, F::Max].into_iter().chain(compared).map(|f| (f, Fill::Positive));
    let words = [F::Add, F::Sub, F::Mul, F::Equal, F::Less, F::GreaterOrEqual].map(|f| (f, Fill::Words(5)));
    let flags = [F::And, F::Or, F::Xor, F::Equal].map(|f| (f, Fill::Flags));
    let all: Vec<(F, Fill)> = floats.chain(words).chain(flags).collect();
    seeded((select(all), repeated()).prop_map(|((function, fill), [a, b])| {
        Case::of(Binary { function }, &[&a, &b]).filled(0, fill).filled(1, fill)
    }))
}

fn products() -> Cases {
    let sizes = vec(1usize..5, 5);
    seeded((0..3u8, sizes, any::<[bool; 4]>()).prop_map(|(which, n, [a, b, c, d])| {
        let pair = |m: usize, k: usize, turned: bool| if turned { vec![k, m] } else { vec![m, k] };
        match which {
            0 => {
                let (mut x, mut y) = (vec![n[0], n[1], n[2]], vec![n[0], n[2], n[3]]);
                if a && !b {
                    x.remove(0);
                }
                if b {
                    y[0] = 1;
                }
                if c && a {
                    y.remove(0);
                }
                Case::of(Matmul {}, &[&x, &y])
            }
            1 => {
                let op = Gemm { alpha: 0.5, beta: 2.0, transposed_a: a, transposed_b: b };
                let (x, y, z) = (pair(n[0], n[1], a), pair(n[1], n[2], b), [if d { 1 } else { n[0] }, n[2]]);
                if c { Case::of(op, &[&x, &y, &z[usize::from(d)..]]) } else { Case::of(op, &[&x, &y]) }
            }
            _ => {
                let (x, w) = ([n[0], n[1], n[2]], [n[2], n[3]]);
                let x = &x[usize::from(a)..];
                let op = Linear { active: c.then_some(n[2].div_ceil(2)) };
                if b { Case::of(op, &[x, &w, &[n[3]]]) } else { Case::of(op, &[x, &w]) }
            }
        }
    }))
}

fn attention() -> Cases {
    seeded((vec(1usize..4, 7), 0.2..2.0f64, any::<[bool; 4]>()).prop_map(|(n, scale, [causal, masked, flat, some])| {
        let tokens = if causal { n[1] } else { n[2] };
        let lead: &[usize] = if flat { &[2] } else { &[2, 3] };
        let with = |rest: [usize; 2]| [lead, &rest].concat();
        let (q, k, v) = (with([n[1], n[3]]), with([tokens, n[3]]), with([tokens, n[4]]));
        let near = some.then_some(Near { side: n[5], count: n[6] });
        let op = Attention { near, ..Attention::new(scale, causal) };
        if masked { Case::of(op, &[&q, &k, &v, &[n[1], tokens]]) } else { Case::of(op, &[&q, &k, &v]) }
    }))
}

/// Sizes of a convolution.
fn conv() -> Cases {
    let sizes = (1..4usize, 1..3usize, vec(1usize..3, 4), vec(0usize..3, 6), vec(1usize..3, 6));
    seeded((sizes, 1..3usize, any::<[bool; 2]>()).prop_map(
        |((rank, groups, n, padding, numbers), even, [bias, depth])| {
            let (groups, per) = if depth { (n[0] * 2, 1) } else { (groups, n[0]) };
            let out = groups * n[1];
            let widths = (0..rank).map(|i| [padding[i], if even == 1 { padding[i] } else { padding[3 + i] }]).collect();
            let op = Conv {
                stride: numbers[..rank].to_vec(),
                padding: widths,
                dilation: numbers[3..3 + rank].to_vec(),
                groups,
            };
            let x = [vec![n[2], groups * per], vec![5; rank]].concat();
            let w = [vec![out, per], (0..rank).map(|i| 1 + padding[i]).collect()].concat();
            if bias { Case::of(op, &[&x, &w, &[out]]) } else { Case::of(op, &[&x, &w]) }
        },
    ))
}

fn conv_transpose() -> Cases {
    let sizes = (1..4usize, 1..3usize, vec(1usize..3, 4), vec(0usize..2, 6), vec(1usize..3, 6));
    seeded((sizes, any::<[bool; 3]>()).prop_map(|((rank, groups, n, padding, numbers), [bias, even, longer])| {
        let widths = (0..rank).map(|i| [padding[i], if even { padding[i] } else { padding[3 + i] }]).collect();
        let stride: Vec<usize> = numbers[..rank].to_vec();
        let output_padding = stride.iter().map(|&s| usize::from(longer && s > 1)).collect();
        let dilation = numbers[3..3 + rank].to_vec();
        let op = ConvTranspose { stride, padding: widths, output_padding, dilation, groups };
        let x = [vec![n[2], groups * n[0]], vec![3; rank]].concat();
        let w = [vec![groups * n[0], n[1]], vec![2; rank]].concat();
        if bias { Case::of(op, &[&x, &w, &[groups * n[1]]]) } else { Case::of(op, &[&x, &w]) }
    }))
}

fn pools() -> Cases {
    let functions = select(vec![PoolFunction::Max, PoolFunction::Average, PoolFunction::PaddedAverage]);
    let sizes = (1..4usize, vec(2usize..4, 3), vec(1usize..4, 3), vec(0usize..2, 6), vec(1usize..3, 3));
    seeded((functions, sizes, any::<[bool; 2]>()).prop_map(
        |(function, (rank, kernel, stride, padding, dilation), [even, ceil])| {
            let mut window = Window::new(&kernel[..rank], &stride[..rank]).padded(&padding[..rank]);
            if function == PoolFunction::Max {
                window.dilation = dilation[..rank].to_vec();
            }
            window.ceil = ceil && even;
            if !even {
                (0..rank).for_each(|i| window.padding[i][1] = padding[3 + i]);
            }
            Case::of(Pool { function, window }, &[&[vec![2, 2], vec![6; rank]].concat()])
        },
    ))
}

fn adaptive() -> Cases {
    seeded((1..4usize, vec(1usize..6, 3)).prop_map(|(rank, to)| {
        let x = [vec![2, 3], vec![5; rank]].concat();
        Case::of(AdaptivePool { max: false, to: to[..rank].to_vec() }, &[&x])
    }))
}

fn resize() -> Cases {
    let ways = [
        (Interpolation::Linear, Coordinates::HalfPixel),
        (Interpolation::Linear, Coordinates::AlignCorners),
        (Interpolation::Cubic, Coordinates::HalfPixel),
        (Interpolation::Floor, Coordinates::Asymmetric),
    ];
    seeded((select(ways.to_vec()), vec(2usize..9, 2)).prop_map(|((interpolation, coordinates), to)| {
        let scale = vec![to[0] as f64 / 4.0, to[1] as f64 / 4.0];
        Case::of(Resize { to, scale, interpolation, coordinates }, &[&[2, 2, 4, 4]])
    }))
}

fn norms() -> Cases {
    seeded((0..7u8, vec(2usize..4, 3), 1..3usize).prop_map(|(which, n, size)| {
        let channels = size * 2;
        let x = [n[0], channels, n[1], n[2]];
        let (epsilon, axis) = (1e-2, n[0] % 3);
        match which {
            0 => Case::of(Softmax { axis }, &[&x]),
            1 => Case::of(LogSoftmax { axis }, &[&x]),
            2 => {
                let w = [channels];
                Case::of(BatchNorm { epsilon }, &[&x, &w, &w, &w, &w]).filled(4, Fill::Positive)
            }
            3 => Case::of(LayerNorm { epsilon }, &[&x, &x[2..], &x[2..]]),
            4 => Case::of(GroupNorm { size, epsilon }, &[&x, &[channels], &[channels]]),
            5 => Case::of(InstanceNorm { epsilon }, &[&x, &[channels], &[channels]]),
            _ => Case::of(RmsNorm { epsilon }, &[&x, &x[3..]]),
        }
    }))
}

fn reductions() -> Cases {
    use Reduction as R;
    let all = [R::Sum, R::Mean, R::Max, R::Min, R::Prod, R::L1, R::L2, R::SumSquare];
    let axes = select(vec![vec![0], vec![1], vec![1, 2], vec![0, 2], vec![3, 2], vec![0, 1, 2, 3]]);
    seeded((select(all.to_vec()), axes, any::<bool>(), vec(1usize..4, 4)).prop_map(|(reduction, axes, keep, shape)| {
        Case::of(Reduce { reduction, axes, keep }, &[&shape]).filled(0, Fill::Positive)
    }))
}

fn moves() -> Cases {
    seeded((0..8u8, vec(1usize..4, 4), vec(0usize..2, 6)).prop_map(|(which, n, extra)| {
        let x = [n[0], n[1] + 1, n[2]];
        let fixed = |shape: &[usize]| shape.iter().map(|&n| Dim::Fixed(n)).collect::<Vec<_>>();
        match which {
            0 => Case::of(Reshape { to: fixed(&[x[0] * x[1], x[2]]) }, &[&x]),
            1 => Case::of(Permute { order: vec![2, 0, 1] }, &[&x]),
            2 => Case::of(Expand { to: fixed(&[n[3], x[0], x[1], x[2]]) }, &[&[x[0], 1, x[2]]]),
            3 => Case::of(Concat { axis: 1 }, &[&x, &[x[0], n[3], x[2]], &x]),
            4 => {
                let cut = supple_graph::operators::Cut { axis: 1, start: extra[0], end: x[1], step: 1 + extra[1] };
                Case::of(Slice { cuts: vec![cut] }, &[&x])
            }
            5 => Case::of(Split { axis: 1, lengths: vec![1, x[1] - 1] }, &[&x]),
            6 => {
                let widths = vec![[0, 0], [extra[0], extra[1]], [extra[2], extra[3]]];
                let borders = [Border::Value(0.5), Border::Edge, Border::Mirror];
                let border = if n[2] > 1 { borders[n[3] % 3] } else { borders[n[3] % 2] };
                Case::of(Pad { widths, border }, &[&x])
            }
            _ => Case::of(Gather { axis: 1 }, &[&x, &[n[3], 2]]).filled(1, Fill::Words(x[1])),
        }
    }))
}

fn tables() -> Cases {
    seeded((0..4u8, vec(1usize..4, 3), any::<[bool; 2]>()).prop_map(|(which, n, [keep, least])| {
        let x = [n[0], n[1] + 1];
        match which {
            0 => Case::of(Where {}, &[&[x[1]], &x, &[n[0], 1]]).filled(0, Fill::Flags),
            1 => Case::of(ArgMax { axis: 1, keep, least, last: false }, &[&x]),
            2 => Case::of(TopK { k: n[1], axis: 1, least }, &[&x]),
            _ => {
                let kinds = [
                    (Fill::Apart, DType::I64),
                    (Fill::Words(3), DType::F32),
                    (Fill::Flags, DType::F32),
                    (Fill::Words(2), DType::Bool),
                ];
                let (fill, to) = kinds[n[2] % 4];
                Case::of(Cast { to }, &[&x]).filled(0, fill)
            }
        }
    }))
}

fn learned_tables() -> Cases {
    seeded((0..3u8, vec(1usize..4, 3)).prop_map(|(which, n)| match which {
        0 => Case::of(Embedding {}, &[&[5, n[0]], &[n[1], n[2]]]).filled(1, Fill::Words(5)),
        1 => Case::of(CrossEntropy {}, &[&[n[0], 4], &[n[0]]]).filled(1, Fill::Words(4)),
        _ => Case::of(MeanSquare {}, &[&n, &n]),
    }))
}

fn optimizers() -> Cases {
    seeded((shapes(1..3), any::<[bool; 2]>()).prop_map(|(shape, [adam, other])| {
        if adam {
            let op = Adam { betas: [0.9, 0.99], epsilon: 1e-3, decay: 0.1, decoupled: other };
            Case::of(op, &[&shape, &shape, &shape, &shape, &[], &[]])
                .filled(3, Fill::Positive)
                .filled(4, Fill::Positive)
                .filled(5, Fill::Positive)
        } else {
            let op = Sgd { momentum: 0.9, decay: 0.1, nesterov: other };
            Case::of(op, &[&shape, &shape, &shape, &[]]).filled(3, Fill::Positive)
        }
    }))
}

/// What goes back through an operator that has a gradient of its own, by its first operand.
fn backward() -> Cases {
    let of = prop_oneof![conv(), conv_transpose()];
    of.prop_map(|case| {
        let facts: Vec<&Fact> = case.operands.iter().map(|operand| &operand.fact).collect();
        let y = supple_graph::Operator::infer(&case.op, &facts).expect("operands fit").remove(0);
        let mut operands = case.operands.clone();
        operands.push(Operand { fact: y, fill: Fill::Apart });
        Case { op: Backward { of: Box::new(case.op), input: 0 }.into(), operands, seed: case.seed }
    })
    .boxed()
}

/// Operators that Burn computes.
pub fn native() -> impl Strategy<Value = Case> {
    prop_oneof![
        1 => learning(),
        1 => prop_oneof![stepped_unary(), stepped_binary(), tables(), optimizers(), backward()],
    ]
}

/// Those among them that gradients go through.
pub fn learning() -> impl Strategy<Value = Case> {
    prop_oneof![
        2 => prop_oneof![smooth_unary(), maps(), smooth_binary()],
        3 => prop_oneof![products(), attention(), conv(), conv_transpose()],
        3 => prop_oneof![pools(), adaptive(), resize(), norms(), reductions()],
        1 => prop_oneof![moves(), learned_tables()],
    ]
}

/// Operators that Burn has not.
pub fn slow() -> impl Strategy<Value = Case> {
    let arg_max = Case::of(ArgMax { axis: 0, keep: true, least: false, last: true }, &[&[3, 2]]);
    let adaptive = Case::of(AdaptivePool { max: true, to: vec![2, 3] }, &[&[1, 2, 5, 5]]);
    let quotient = Case::of(Binary { function: BinaryFunction::Quotient }, &[&[4], &[4]])
        .filled(0, Fill::Words(9))
        .filled(1, Fill::Counts(4));
    let nearest = Resize {
        to: vec![3],
        scale: vec![1.5],
        interpolation: Interpolation::RoundPreferFloor,
        coordinates: Coordinates::HalfPixel,
    };
    let cases = vec![arg_max, adaptive, quotient, Case::of(nearest, &[&[2, 2]])];
    seeded(select(cases))
}
