//! Layers, pooling, norms and activations.
use super::{Recorded, Source, number};
use burn_ir::{
    ActivationOperationIr as Activation, AttentionOpIr, InterpolateModeIr, InterpolateOpIr,
    ModuleOperationIr as Module, TensorIr,
};
use supple_graph::operators::{
    AdaptivePool, Attention, BatchNorm, Binary, BinaryFunction, Conv, ConvTranspose, Coordinates, Embedding,
    HardSigmoid, Interpolation, LayerNorm, LeakyRelu, Linear, LogSoftmax, Pool, PoolFunction, Resize, Softmax, Unary,
    UnaryFunction,
};
use supple_graph::window::Window;

/// A convolution, whatever its rank: the records differ in the lengths of their arrays alone, and that over three axes in its padding.
macro_rules! conv {
    ($ir:expr, $padding:expr) => {{
        let (ir, options) = ($ir, &$ir.options);
        let op = Conv {
            stride: options.stride.to_vec(),
            padding: options.padding.iter().map($padding).collect(),
            dilation: options.dilation.to_vec(),
            groups: options.groups,
        };
        Recorded::new(op, [&ir.x, &ir.weight].into_iter().chain(&ir.bias), &ir.out)
    }};
}

macro_rules! conv_transpose {
    ($ir:expr) => {{
        let (ir, options) = ($ir, &$ir.options);
        let op = ConvTranspose {
            stride: options.stride.to_vec(),
            padding: options.padding.iter().map(|&width| [width, width]).collect(),
            output_padding: options.padding_out.to_vec(),
            dilation: options.dilation.to_vec(),
            groups: options.groups,
        };
        Recorded::new(op, [&ir.x, &ir.weight].into_iter().chain(&ir.bias), &ir.out)
    }};
}

pub(super) fn module(module: &Module) -> Option<Recorded<'_>> {
    Some(match module {
        Module::Linear(ir) => {
            Recorded::new(Linear::default(), [&ir.x, &ir.weight].into_iter().chain(&ir.bias), &ir.out)
        }
        Module::Conv1d(ir) => conv!(ir, |&(before, after)| [before, after]),
        Module::Conv2d(ir) => conv!(ir, |&(before, after)| [before, after]),
        Module::Conv3d(ir) => conv!(ir, |&width| [width, width]),
        Module::ConvTranspose1d(ir) => conv_transpose!(ir),
        Module::ConvTranspose2d(ir) => conv_transpose!(ir),
        Module::ConvTranspose3d(ir) => conv_transpose!(ir),
        Module::Embedding(ir) => Recorded::new(Embedding {}, [&ir.weights, &ir.indices], &ir.out),
        Module::LayerNorm(ir) => {
            let op = LayerNorm { epsilon: number(ir.epsilon) };
            Recorded::new(op, [&ir.input, &ir.gamma].into_iter().chain(&ir.beta), &ir.out)
        }
        Module::BatchNorm(ir) => {
            let op = BatchNorm { epsilon: number(ir.epsilon) };
            Recorded::new(op, [&ir.x, &ir.gamma, &ir.beta, &ir.mean, &ir.variance], &ir.out)
        }
        Module::Interpolate(ir) => return resize(ir),
        Module::Attention(ir) => return attention(ir),
        other => return pool(other),
    })
}

fn pool(module: &Module) -> Option<Recorded<'_>> {
    let average = |padded: bool| if padded { PoolFunction::PaddedAverage } else { PoolFunction::Average };
    Some(match module {
        Module::MaxPool1d(ir) => {
            let window = window(&[ir.kernel_size], &[ir.stride], &[ir.padding], &[ir.dilation], ir.ceil_mode);
            pooled(PoolFunction::Max, window, &ir.x, &ir.out)
        }
        Module::MaxPool2d(ir) => {
            let window = window(&ir.kernel_size, &ir.stride, &ir.padding, &ir.dilation, ir.ceil_mode);
            pooled(PoolFunction::Max, window, &ir.x, &ir.out)
        }
        Module::AvgPool1d(ir) => {
            let window = window(&[ir.kernel_size], &[ir.stride], &[ir.padding], &[1], ir.ceil_mode);
            pooled(average(ir.count_include_pad), window, &ir.x, &ir.out)
        }
        Module::AvgPool2d(ir) => {
            let window = window(&ir.kernel_size, &ir.stride, &ir.padding, &[1, 1], ir.ceil_mode);
            pooled(average(ir.count_include_pad), window, &ir.x, &ir.out)
        }
        Module::AdaptiveAvgPool1d(ir) => adaptive(&[ir.output_size], &ir.x, &ir.out),
        Module::AdaptiveAvgPool2d(ir) => adaptive(&ir.output_size, &ir.x, &ir.out),
        Module::AdaptiveAvgPool3d(ir) => adaptive(&ir.output_size, &ir.x, &ir.out),
        _ => return None,
    })
}

fn window(kernel: &[usize], stride: &[usize], padding: &[usize], dilation: &[usize], ceil: bool) -> Window {
    Window { dilation: dilation.to_vec(), ceil, ..Window::new(kernel, stride).padded(padding) }
}

fn pooled<'a>(function: PoolFunction, window: Window, x: &'a TensorIr, y: &'a TensorIr) -> Recorded<'a> {
    Recorded::new(Pool { function, window }, [x], y)
}

fn adaptive<'a>(to: &[usize], x: &'a TensorIr, y: &'a TensorIr) -> Recorded<'a> {
    Recorded::new(AdaptivePool { max: false, to: to.to_vec() }, [x], y)
}

fn resize(ir: &InterpolateOpIr) -> Option<Recorded<'_>> {
    let half = if ir.options.align_corners { Coordinates::AlignCorners } else { Coordinates::HalfPixel };
    let (interpolation, coordinates) = match ir.options.mode {
        InterpolateModeIr::Nearest => (Interpolation::Floor, Coordinates::Asymmetric),
        InterpolateModeIr::Bilinear => (Interpolation::Linear, half),
        InterpolateModeIr::Bicubic => (Interpolation::Cubic, half),
        InterpolateModeIr::NearestExact | InterpolateModeIr::Lanczos3 => return None,
    };
    let from = ir.x.shape.iter().skip(2);
    let scale = ir.output_size.iter().zip(from).map(|(&to, &from)| to as f64 / from as f64).collect();
    let op = Resize { to: ir.output_size.to_vec(), scale, interpolation, coordinates };
    Some(Recorded::new(op, [&ir.x], &ir.out))
}

/// Attention without a soft cap, whose mask is added and not of truth values.
fn attention(ir: &AttentionOpIr) -> Option<Recorded<'_>> {
    let plain = ir.mask.is_none() && ir.options.softcap.is_none();
    let width = ir.query.shape.iter().last().copied().unwrap_or(1) as f64;
    let scale = ir.options.scale.map_or(width.sqrt().recip(), number);
    let op = Attention::new(scale, ir.options.is_causal);
    let operands = [&ir.query, &ir.key, &ir.value].into_iter().chain(&ir.attn_bias);
    plain.then(|| Recorded::new(op, operands, &ir.out))
}

pub(super) fn activation(activation: &Activation) -> Option<Recorded<'_>> {
    Some(match activation {
        Activation::Relu(ir) => Recorded::new(Unary { function: UnaryFunction::Relu }, [&ir.input], &ir.out),
        Activation::Gelu(ir) => Recorded::new(Unary { function: UnaryFunction::Gelu }, [&ir.input], &ir.out),
        Activation::Sigmoid(ir) => Recorded::new(Unary { function: UnaryFunction::Sigmoid }, [&ir.input], &ir.out),
        Activation::LeakyRelu(ir) => Recorded::new(LeakyRelu { slope: number(ir.rhs) }, [&ir.lhs], &ir.out),
        Activation::PRelu(ir) if ir.rhs.shape.len() == ir.lhs.shape.len() || ir.rhs.shape.iter().all(|&n| n == 1) => {
            Recorded::new(Binary { function: BinaryFunction::Prelu }, [&ir.lhs, &ir.rhs], &ir.out)
        }
        Activation::HardSigmoid(ir) => {
            let op = HardSigmoid { alpha: number(ir.alpha), beta: number(ir.beta) };
            Recorded::new(op, [&ir.tensor], &ir.out)
        }
        Activation::Softmax(ir) => Recorded::new(Softmax { axis: ir.axis }, [&ir.input], &ir.out),
        Activation::LogSigmoid(ir) => {
            let turned = Source::of(&ir.input).through(Unary { function: UnaryFunction::Neg });
            let softplus = turned.through(Unary { function: UnaryFunction::Softplus });
            Recorded::from(Unary { function: UnaryFunction::Neg }, [softplus], &ir.out)
        }
        Activation::Softmin(ir) => {
            let turned = Source::of(&ir.input).through(Unary { function: UnaryFunction::Neg });
            Recorded::from(Softmax { axis: ir.axis }, [turned], &ir.out)
        }
        Activation::LogSoftmax(ir) => Recorded::new(LogSoftmax { axis: ir.axis }, [&ir.input], &ir.out),
        _ => return None,
    })
}
