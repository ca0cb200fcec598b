//! Random graphs of all operators.
use crate::mix::{Draw, Mix, of};
use crate::structures::{MAP_STRUCTURES, ROW_STRUCTURES};
use proptest::collection::vec;
use proptest::prelude::*;
use supple_graph::operators::{
    AdaptivePool, ArgMax, BatchNorm, BinaryFunction, Cast, Clip, Coordinates, Dropout, Elu, GroupNorm, Gru,
    HardSigmoid, InstanceNorm, Interpolation, LayerNorm, LeakyRelu, LogSoftmax, Lstm, Op, Pool, PoolFunction, Reduce,
    Reduction, Resize, RmsNorm, Softmax, TopK, UnaryFunction,
};
use supple_graph::recurrence::{Direction, Recurrence};
use supple_graph::window::Window;
use supple_graph::{DType, Dim, Fact, Graph, Result, Value};

const CLASSES: usize = 3;

/// Small random well-formed graphs with one input and one output, in which every operator occurs: on images and on sequences.
pub fn mixtures() -> impl Strategy<Value = Graph> {
    let draws = || vec(prop::array::uniform3(0usize..1000), 1..6);
    let sizes = || prop::array::uniform3(1usize..5);
    prop_oneof![(draws(), sizes()).prop_map(images), (draws(), sizes()).prop_map(sequences)]
}

fn images((draws, [colours, channels, side]): (Vec<Draw>, Draw)) -> Graph {
    let mut mix = Mix::new("mixture on images");
    let made = (|| {
        let shape = [Dim::Batch(1), Dim::Fixed(colours), Dim::Fixed(side + 1), Dim::Fixed(side + 2)];
        let input = mix.tape.input("x", Fact::f32(shape))?;
        let mut x = mix.conv(input, 2 * channels)?;
        for draw in draws {
            x = mix.map_step(x, draw)?;
        }
        let pooled = mix.tape.add(Reduce { reduction: Reduction::Mean, axes: vec![2, 3], keep: false }, &[x])?;
        mix.linear(pooled, CLASSES)
    })();
    mix.finish(made)
}

fn sequences((draws, [width, hidden, tokens]): (Vec<Draw>, Draw)) -> Graph {
    let mut mix = Mix::new("mixture on sequences");
    let made = (|| {
        let shape = [Dim::Batch(1), Dim::Fixed(tokens), Dim::Fixed(width)];
        let input = mix.tape.input("x", Fact::f32(shape))?;
        let mut x = mix.linear(input, 2 * hidden)?;
        for draw in draws {
            x = mix.row_step(x, draw)?;
        }
        mix.linear(x, CLASSES)
    })();
    mix.finish(made)
}

/// Functions that are smooth and small where the values are.
const SAFE: [UnaryFunction; 16] = [
    UnaryFunction::Relu,
    UnaryFunction::Gelu,
    UnaryFunction::GeluTanh,
    UnaryFunction::Silu,
    UnaryFunction::Sigmoid,
    UnaryFunction::HardSwish,
    UnaryFunction::Mish,
    UnaryFunction::Softplus,
    UnaryFunction::Softsign,
    UnaryFunction::Tanh,
    UnaryFunction::Erf,
    UnaryFunction::Sin,
    UnaryFunction::Cos,
    UnaryFunction::Neg,
    UnaryFunction::Abs,
    UnaryFunction::Sign,
];

/// Functions of what lies between 0 and 1.
const OF_PARTS: [UnaryFunction; 7] = [
    UnaryFunction::Exp,
    UnaryFunction::Log,
    UnaryFunction::Sqrt,
    UnaryFunction::Recip,
    UnaryFunction::Floor,
    UnaryFunction::Ceil,
    UnaryFunction::Round,
];

const PAIRS: [BinaryFunction; 8] = [
    BinaryFunction::Add,
    BinaryFunction::Sub,
    BinaryFunction::Mul,
    BinaryFunction::Div,
    BinaryFunction::Min,
    BinaryFunction::Max,
    BinaryFunction::Prelu,
    BinaryFunction::Modulo,
];

const PREDICATES: [BinaryFunction; 4] =
    [BinaryFunction::Less, BinaryFunction::LessOrEqual, BinaryFunction::Greater, BinaryFunction::GreaterOrEqual];

const REDUCTIONS: [Reduction; 8] = [
    Reduction::Sum,
    Reduction::Mean,
    Reduction::Max,
    Reduction::Min,
    Reduction::Prod,
    Reduction::L1,
    Reduction::L2,
    Reduction::SumSquare,
];

const INTERPOLATIONS: [Interpolation; 4] =
    [Interpolation::Floor, Interpolation::RoundPreferCeil, Interpolation::Linear, Interpolation::Cubic];

impl Mix {
    /// A step that any shape can take; `axis` is that of the features.
    fn step(&mut self, x: Value, axis: usize, [kind, a, b]: Draw) -> Result<Value> {
        let features = self.length(x, axis);
        let beside = [&[features][..], &vec![1; self.last(x) - axis]].concat();
        match kind {
            0 => self.tape.map(of(&SAFE, a), x),
            1 => {
                let open = self.tape.map(UnaryFunction::Sigmoid, x)?;
                let open = self.tape.line(0.9, 0.05, open)?;
                self.tape.map(of(&OF_PARTS, a), open)
            }
            2 => self.tape.add(of_numbers(a, b), &[x]),
            3 => {
                let other = self.positive(&beside)?;
                self.tape.join(of(&PAIRS, a), x, other)
            }
            4 => {
                let base = self.positive(&beside)?;
                let small = self.tape.map(UnaryFunction::Tanh, x)?;
                self.tape.join(BinaryFunction::Pow, base, small)
            }
            5 => {
                let (bound, other) = (self.weight(&beside)?, self.weight(&beside)?);
                let holds = self.tape.join(of(&PREDICATES, a), x, bound)?;
                self.tape.choose(holds, x, other)
            }
            6 => {
                let (low, high) = (self.tape.number(-0.5)?, self.tape.number(0.5)?);
                let (above, below) =
                    (self.tape.join(of(&PREDICATES, a), x, low)?, self.tape.join(of(&PREDICATES, b), x, high)?);
                let function =
                    of(&[BinaryFunction::And, BinaryFunction::Or, BinaryFunction::Xor, BinaryFunction::Equal], a + b);
                let both = self.tape.join(function, above, below)?;
                let neither = self.tape.map(UnaryFunction::Not, both)?;
                self.tape.floats(neither)
            }
            7 => {
                let along = b % (self.last(x) + 1);
                let op = Reduce { reduction: of(&REDUCTIONS, a), axes: vec![along.max(1)], keep: true };
                let reduced = self.tape.add(op, &[x])?;
                let reduced = self.tape.map(UnaryFunction::Tanh, reduced)?;
                self.tape.sum(x, reduced)
            }
            8 => {
                let along = 1 + b % self.last(x);
                self.tape.add(
                    if a.is_multiple_of(2) {
                        Op::from(Softmax { axis: along })
                    } else {
                        LogSoftmax { axis: along }.into()
                    },
                    &[x],
                )
            }
            9 => {
                let along = 1 + b % self.last(x);
                self.tape.add(TopK { k: self.length(x, along), axis: along, least: a.is_multiple_of(2) }, &[x])
            }
            10 => {
                let along = 1 + b % self.last(x);
                let place = self.tape.add(
                    ArgMax { axis: along, keep: true, least: a.is_multiple_of(2), last: b.is_multiple_of(2) },
                    &[x],
                )?;
                let place = self.tape.floats(place)?;
                self.tape.sum(x, place)
            }
            _ => {
                let whole = self.tape.line(2.0, 0.0, x)?;
                let whole = self.tape.add(Cast { to: DType::I64 }, &[whole])?;
                let whole = self.tape.floats(whole)?;
                let two = self.tape.number(2.0)?;
                self.tape.join(BinaryFunction::Quotient, whole, two)
            }
        }
    }

    /// A step on `[batch, channel, h, w]`.
    fn map_step(&mut self, x: Value, [kind, a, b]: Draw) -> Result<Value> {
        let channels = self.length(x, 1);
        match kind % (20 + MAP_STRUCTURES) {
            12 => {
                let (gamma, beta, mean) =
                    (self.weight(&[channels])?, self.weight(&[channels])?, self.weight(&[channels])?);
                let variance = self.positive(&[channels])?;
                self.tape.add(BatchNorm { epsilon: 1e-3 }, &[x, gamma, beta, mean, variance])
            }
            13 => {
                let size = if channels.is_multiple_of(2) { of(&[1, 2, channels], a) } else { channels };
                let (gamma, beta) = (self.weight(&[channels])?, self.weight(&[channels])?);
                self.tape.add(GroupNorm { size, epsilon: 1e-3 }, &[x, gamma, beta])
            }
            14 => {
                let (gamma, beta) = (self.weight(&[channels])?, self.weight(&[channels])?);
                self.tape.add(InstanceNorm { epsilon: 1e-3 }, &[x, gamma, beta])
            }
            15 => {
                let function = of(&[PoolFunction::Max, PoolFunction::Average, PoolFunction::PaddedAverage], a);
                let taps = self.length(x, 2).min(2);
                let plain = Window::new(&[taps, 1], &[1, 2]).padded(&[b % taps, 0]);
                self.tape.add(Pool { function, window: Window { ceil: a.is_multiple_of(2), ..plain } }, &[x])
            }
            16 => self.tape.add(AdaptivePool { max: a.is_multiple_of(2), to: vec![1 + a % 3, 1 + b % 3] }, &[x]),
            17 => {
                let to = [1 + a % 4, 1 + b % 4];
                let scale = [0, 1].map(|side| to[side] as f64 / self.length(x, 2 + side) as f64);
                let coordinates =
                    of(&[Coordinates::HalfPixel, Coordinates::AlignCorners, Coordinates::Asymmetric], a + b);
                let op = Resize {
                    to: to.to_vec(),
                    scale: scale.to_vec(),
                    interpolation: of(&INTERPOLATIONS, a),
                    coordinates,
                };
                self.tape.add(op, &[x])
            }
            18 => {
                let squeezed =
                    self.tape.add(Reduce { reduction: Reduction::Mean, axes: vec![3, 2], keep: true }, &[x])?;
                let wide = self.conv(squeezed, 1 + a % 4)?;
                let back = self.conv(wide, channels)?;
                let open = self.tape.add(HardSigmoid { alpha: 0.2, beta: 0.5 }, &[back])?;
                self.tape.times(x, open)
            }
            19 => {
                let through = self.conv(x, channels)?;
                self.tape.sum(x, through)
            }
            kind @ 0..12 => self.step(x, 1, [kind, a, b]),
            kind => self.map_structure(x, [kind - 20, a, b]),
        }
    }

    /// A step on `[batch, token, feature]`.
    fn row_step(&mut self, x: Value, [kind, a, b]: Draw) -> Result<Value> {
        let width = self.length(x, 2);
        match kind % (18 + ROW_STRUCTURES) {
            12 => {
                let shape = [self.length(x, 1), width];
                let shape = &shape[a % 2..];
                let (gamma, beta) = (self.weight(shape)?, self.weight(shape)?);
                self.tape.add(LayerNorm { epsilon: 1e-3 }, &[x, gamma, beta])
            }
            13 => {
                let gamma = self.weight(&[width])?;
                self.tape.add(RmsNorm { epsilon: 1e-3 }, &[x, gamma])
            }
            14 => self.linear(x, 1 + a % 6),
            15 => {
                let wide = self.linear(x, 1 + a % 6)?;
                let wide = self.tape.map(UnaryFunction::Silu, wide)?;
                let narrow = self.linear(wide, width)?;
                self.tape.sum(x, narrow)
            }
            16 => self.recurrent(x, 4, a, b),
            17 => self.recurrent(x, 3, a, b),
            kind @ 0..12 => self.step(x, 2, [kind, a, b]),
            kind => self.row_structure(x, [kind - 18, a, b]),
        }
    }

    /// An LSTM (four gates) or GRU (three) that starts from a state made of the mean token.
    fn recurrent(&mut self, x: Value, gates: usize, a: usize, b: usize) -> Result<Value> {
        let (tokens, width, hidden) = (self.length(x, 1), self.length(x, 2), 1 + a % 3);
        let initial = b.is_multiple_of(2);
        let direction = of(&[Direction::Forward, Direction::Reverse], b);
        let recurrence = Recurrence { direction, bias: a.is_multiple_of(2), initial, batch_first: true };
        let mut operands =
            vec![x, self.weight(&[1, gates * hidden, width])?, self.weight(&[1, gates * hidden, hidden])?];
        if recurrence.bias {
            operands.push(self.weight(&[1, 2 * gates * hidden])?);
        }
        for _ in 0..if initial { gates - 2 } else { 0 } {
            let mean = self.tape.add(Reduce { reduction: Reduction::Mean, axes: vec![1], keep: true }, &[x])?;
            operands.push(self.linear(mean, hidden)?);
        }
        let op = if gates == 4 {
            Op::from(Lstm { recurrence })
        } else {
            Gru { recurrence, reset_after: b.is_multiple_of(3) }.into()
        };
        let y = self.tape.add(op, &operands)?;
        self.tape.reshape(y, &[Dim::Batch(1), Dim::Fixed(tokens), Dim::Fixed(hidden)])
    }
}

/// An operator with settings, on elements.
fn of_numbers(a: usize, b: usize) -> Op {
    let number = (b % 5) as f64 * 0.2 + 0.1;
    match a % 6 {
        0 => LeakyRelu { slope: number }.into(),
        1 => Elu { alpha: number, width: 1.0, scale: 1.5 }.into(),
        2 => HardSigmoid { alpha: number, beta: 0.5 }.into(),
        3 => Clip { low: Some(-number), high: None }.into(),
        4 => Clip { low: Some(0.0), high: Some(number) }.into(),
        _ => Dropout { ratio: 0.5 }.into(),
    }
}
