//! Modules of `burn::nn` are captured with all that they compute: the graph's slow truth and the executor give what the module gives.
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::attention::{
    CrossAttentionConfig, MhaInput, MultiHeadAttention, MultiHeadAttentionConfig, generate_autoregressive_mask,
};
use burn::nn::conv::{
    Conv1dConfig, Conv2dConfig, Conv3dConfig, ConvTranspose1dConfig, ConvTranspose2dConfig, ConvTranspose3dConfig,
};
use burn::nn::interpolate::{Interpolate1dConfig, Interpolate2dConfig, InterpolateMode};
use burn::nn::pool::{
    AdaptiveAvgPool1dConfig, AdaptiveAvgPool2dConfig, AdaptiveAvgPool3dConfig, AvgPool1dConfig, AvgPool2dConfig,
    MaxPool1dConfig, MaxPool2dConfig,
};
use burn::nn::transformer::{
    TransformerDecoderConfig, TransformerDecoderInput, TransformerEncoder, TransformerEncoderConfig,
    TransformerEncoderInput,
};
use burn::nn::{
    BatchNormConfig, BiGruConfig, BiLstmConfig, EmbeddingConfig, GroupNormConfig, GruConfig, InstanceNormConfig,
    LayerNormConfig, LinearConfig, LocalResponseNormConfig, LstmConfig, PReluConfig, PixelShuffleConfig,
    PositionalEncodingConfig, RmsNormConfig, RnnConfig, RotaryEncodingConfig, SwiGluConfig,
};
use burn::tensor::kind::Numeric;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use std::sync::Arc;
use supple_executor::capture::Recorded;
use supple_executor::{Backend, Executor, capture};
use supple_graph::{Array, Density, Elastic, Op};

const TOLERANCE: f64 = 1e-4;

/// A number in [-1, 1) for every index (splitmix64).
fn noise(index: usize) -> f32 {
    let z = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((z >> 40) as f64 / f64::from(1u32 << 23) - 1.0) as f32
}

fn noisy(shape: &[usize], from: usize) -> Array {
    let count = shape.iter().product::<usize>();
    Array::new(shape.to_vec(), (from..from + count).map(noise).collect()).unwrap()
}

fn floats<const D: usize>(array: &Array, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(array.data().to_vec(), array.shape().to_vec()), device)
}

fn words<const D: usize>(array: &Array, device: &Device) -> Tensor<D, Int> {
    let words: Vec<i64> = array.data().iter().map(|&v| v as i64).collect();
    Tensor::from_data(TensorData::new(words, array.shape().to_vec()), device)
}

/// Draws every parameter: fresh ones are all ones and zeros here and there, and come from the process's own random numbers.
struct Draw(usize);

impl ModuleMapper for Draw {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let shape = tensor.dims();
            let drawn = noisy(&shape, self.0);
            self.0 += drawn.data().len();
            floats::<D>(&drawn, &tensor.device()) * 0.5 + 0.1
        })
    }
}

/// What plain Burn computes, and the captured graph; says so when any of the two plants of the graph differs.
fn check<M, K, const D: usize, const E: usize>(
    name: &str,
    module: M,
    input: &Array,
    load: fn(&Array, &Device) -> Tensor<D, K>,
    forward: impl Fn(&M, Tensor<D, K>) -> Tensor<E>,
) -> Elastic
where
    M: Module + Clone,
    K: Numeric,
    Tensor<D, K>: Recorded,
{
    let module = module.map(&mut Draw(0));
    let device = Backend::ALL[0].device();
    let plain = forward(&module.clone().fork(&device), load(input, &device));
    let shape = plain.dims().to_vec();
    let plain = Array::new(shape, plain.into_data().convert::<f32>().try_into_vec::<f32>().unwrap()).unwrap();
    let captured = capture(name, &module, &input.shape()[1..], forward);
    let (graph, weights) = captured.unwrap_or_else(|error| panic!("{name}: {error}"));
    graph.check().unwrap();
    let elastic = Arc::new(Elastic::new(graph).unwrap());
    let inputs = std::slice::from_ref(input);
    let truth = elastic.graph().eval(&weights, inputs).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(truth[0].distance(&plain) < TOLERANCE, "{name}: {:?}, not {plain:?}", truth[0]);
    let mut executor = Executor::new(elastic.clone(), &weights, Backend::ALL[0]).unwrap();
    assert!(executor.run(input).unwrap().distance(&plain) < TOLERANCE, "{name}: the executor differs");
    let half = elastic.analysis().uniform(Density::new(500).unwrap());
    executor.prepare(&half).unwrap();
    executor.apply(&half).unwrap();
    let masked = elastic.eval_masked(&weights, inputs, &half).unwrap();
    assert!(executor.run(input).unwrap().distance(&masked[0]) < TOLERANCE, "{name}: the executor differs at a half");
    drop(executor);
    Arc::into_inner(elastic).unwrap()
}

/// Tokens of width 8.
fn sequence() -> Array {
    noisy(&[2, 5, 8], 7)
}

fn image() -> Array {
    noisy(&[2, 4, 6, 6], 7)
}

fn device() -> Device {
    Device::default()
}

fn count(elastic: &Elastic, is: fn(&Op) -> bool) -> usize {
    let graph = elastic.graph();
    graph.ids().filter(|&id| is(&graph.node(id).op)).count()
}

/// That attention stands `times` in a graph, is nowhere written out, and thins out by heads.
fn attends(elastic: &Elastic, times: usize) {
    assert_eq!(count(elastic, |op| matches!(op, Op::Attention(_))), times);
    assert_eq!(count(elastic, |op| matches!(op, Op::Softmax(_))), 0);
    assert!(elastic.analysis().sites.iter().filter(|site| site.level == "head" && site.units == 2).count() >= times);
}

#[test]
fn attention_is_one_operator() {
    let attention = || MultiHeadAttentionConfig::new(8, 2).with_dropout(0.0).init(&device());
    let plain = |module: &MultiHeadAttention, x: Tensor<3>| module.forward(MhaInput::self_attn(x)).context;
    attends(&check("attention", attention(), &sequence(), floats::<3>, plain), 1);
    let causal = |module: &MultiHeadAttention, x: Tensor<3>| {
        let mask = generate_autoregressive_mask(x.dims()[0], 5, &x.device());
        module.forward(MhaInput::self_attn(x).mask_attn(mask)).context
    };
    attends(&check("causal attention", attention(), &sequence(), floats::<3>, causal), 1);
}

#[test]
fn layers_of_transformers_attend() {
    let forward = |module: &TransformerEncoder, x: Tensor<3>| module.forward(TransformerEncoderInput::new(x));
    for first in [false, true] {
        let encoder = TransformerEncoderConfig::new(8, 12, 2, 2).with_norm_first(first).with_dropout(0.0);
        let elastic = check("encoder", encoder.init(&device()), &sequence(), floats::<3>, forward);
        attends(&elastic, 2);
        let widths = elastic.analysis().sites.iter().filter(|site| site.level == "neuron" && site.units == 12);
        assert_eq!(widths.count(), 2);
    }
    let decoder = TransformerDecoderConfig::new(8, 12, 2, 1).with_dropout(0.0).init(&device());
    let elastic = check("decoder", decoder, &sequence(), floats::<3>, |module, x| {
        let mask = generate_autoregressive_mask(x.dims()[0], 5, &x.device());
        module.forward(TransformerDecoderInput::new(x.clone(), x).target_mask_attn(mask))
    });
    attends(&elastic, 2);
    let cross = CrossAttentionConfig::new(8, 8, 2, 2, 4).with_dropout(0.0).init(&device());
    attends(&check("cross", cross, &sequence(), floats::<3>, |module, x| module.forward(x.clone(), x, None)), 1);
}

#[test]
fn positions() {
    let encoding = PositionalEncodingConfig::new(8).with_max_sequence_size(9).init(&device());
    check("positions", encoding, &sequence(), floats::<3>, |module, x| module.forward(x));
    let rotary = RotaryEncodingConfig::new(9, 8).init(&device());
    check("rotary", rotary, &sequence(), floats::<3>, |module, x| module.forward(x));
    let table = EmbeddingConfig::new(5, 6).init(&device());
    let tokens = Array::new(vec![2, 3], vec![0.0, 4.0, 2.0, 1.0, 1.0, 3.0]).unwrap();
    check("embedding", table, &tokens, words::<2>, |module, x| module.forward(x));
}

#[test]
fn recurrent_layers() {
    let x = sequence();
    let x = &x;
    let lstm = LstmConfig::new(8, 6, true).init(&device());
    check("lstm", lstm, x, floats::<3>, |module, x| module.forward(x, None).0);
    let lstm = BiLstmConfig::new(8, 6, true).init(&device());
    check("bidirectional lstm", lstm, x, floats::<3>, |module, x| module.forward(x, None).0);
    for reset_after in [false, true] {
        let gru = GruConfig::new(8, 6, true).with_reset_after(reset_after).init(&device());
        check("gru", gru, x, floats::<3>, |module, x| module.forward(x, None));
    }
    let gru = BiGruConfig::new(8, 6, true).init(&device());
    check("bidirectional gru", gru, x, floats::<3>, |module, x| module.forward(x, None).0);
    let rnn = RnnConfig::new(8, 6, true).init(&device());
    check("rnn", rnn, x, floats::<3>, |module, x| module.forward(x, None).0);
}

#[test]
fn convolutions() {
    let (row, plane, solid) = (noisy(&[2, 4, 7], 7), image(), noisy(&[2, 4, 3, 4, 4], 7));
    let conv = Conv1dConfig::new(4, 6, 3).with_stride(2).with_dilation(2).init(&device());
    check("conv1d", conv, &row, floats::<3>, |module, x| module.forward(x));
    let conv = Conv2dConfig::new([4, 6], [3, 2]).with_groups(2).init(&device());
    check("conv2d", conv, &plane, floats::<4>, |module, x| module.forward(x));
    let conv = Conv3dConfig::new([4, 6], [2, 3, 3]).with_bias(false).init(&device());
    check("conv3d", conv, &solid, floats::<5>, |module, x| module.forward(x));
    let conv = ConvTranspose1dConfig::new([4, 6], 3).with_stride(2).with_groups(2).init(&device());
    check("transposed conv1d", conv, &row, floats::<3>, |module, x| module.forward(x));
    let conv = ConvTranspose2dConfig::new([4, 6], [3, 3]).with_stride([2, 2]).with_padding([1, 1]);
    let conv = conv.with_padding_out([1, 1]).init(&device());
    check("transposed conv2d", conv, &plane, floats::<4>, |module, x| module.forward(x));
    let conv = ConvTranspose3dConfig::new([4, 2], [2, 2, 2]).init(&device());
    check("transposed conv3d", conv, &solid, floats::<5>, |module, x| module.forward(x));
}

#[test]
fn norms() {
    let x = image();
    let x = &x;
    check("group norm", GroupNormConfig::new(2, 4).init(&device()), x, floats::<4>, |module, x| module.forward(x));
    check("instance norm", InstanceNormConfig::new(4).init(&device()), x, floats::<4>, |module, x| module.forward(x));
    check("batch norm", BatchNormConfig::new(4).init(&device()), x, floats::<4>, |module, x| module.forward(x));
    check("rms norm", RmsNormConfig::new(6).init(&device()), x, floats::<4>, |module, x| module.forward(x));
    check("layer norm", LayerNormConfig::new(6).init(&device()), x, floats::<4>, |module, x| module.forward(x));
    check("response norm", LocalResponseNormConfig::new(3).init(), x, floats::<4>, |module, x| module.forward(x));
}

#[test]
fn pooling_and_resizing() {
    let (row, plane, solid) = (noisy(&[2, 4, 7], 7), image(), noisy(&[2, 4, 3, 4, 4], 7));
    let pool = AdaptiveAvgPool1dConfig::new(3).init();
    check("adaptive pool1d", pool, &row, floats::<3>, |module, x| module.forward(x));
    let pool = AdaptiveAvgPool2dConfig::new([1, 4]).init();
    check("adaptive pool2d", pool, &plane, floats::<4>, |module, x| module.forward(x));
    let pool = AdaptiveAvgPool3dConfig::new([1, 2, 3]).init();
    check("adaptive pool3d", pool, &solid, floats::<5>, |module, x| module.forward(x));
    let pool = AvgPool1dConfig::new(3).with_stride(2).init();
    check("average pool1d", pool, &row, floats::<3>, |module, x| module.forward(x));
    let pool = AvgPool2dConfig::new([2, 3]).with_count_include_pad(false).init();
    check("average pool2d", pool, &plane, floats::<4>, |module, x| module.forward(x));
    check("max pool1d", MaxPool1dConfig::new(3).init(), &row, floats::<3>, |module, x| module.forward(x));
    check("max pool2d", MaxPool2dConfig::new([2, 2]).init(), &plane, floats::<4>, |module, x| module.forward(x));
    for mode in [InterpolateMode::Nearest, InterpolateMode::Linear, InterpolateMode::Cubic] {
        for corners in [true, false] {
            let resize = Interpolate2dConfig::new().with_output_size(Some([9, 4])).with_align_corners(corners);
            let resize = resize.with_mode(mode.clone()).init();
            check("resize", resize, &plane, floats::<4>, |module, x| module.forward(x));
        }
    }
    let resize = Interpolate1dConfig::new().with_scale_factor(Some(2.0)).with_mode(InterpolateMode::Linear).init();
    check("resize row", resize, &row, floats::<3>, |module, x| module.forward(x));
    check("shuffle", PixelShuffleConfig::new(2).init(), &plane, floats::<4>, |module, x| module.forward(x));
}

/// Of every element, or along the last axis.
type Function = fn(Tensor<3>) -> Tensor<3>;

#[test]
fn activations() {
    let x = sequence();
    check("swiglu", SwiGluConfig::new(8, 6).init(&device()), &x, floats::<3>, |module, x| module.forward(x));
    check("prelu", PReluConfig::new().init(&device()), &x, floats::<3>, |module, x| module.forward(x));
    let functions: [(&str, Function); 18] = [
        ("relu", |x| activation::relu(x)),
        ("gelu", |x| activation::gelu(x)),
        ("gelu tanh", |x| activation::gelu_approximate(x)),
        ("silu", |x| activation::silu(x)),
        ("mish", |x| activation::mish(x)),
        ("softplus", |x| activation::softplus(x, 1.5)),
        ("sigmoid", |x| activation::sigmoid(x)),
        ("log sigmoid", |x| activation::log_sigmoid(x)),
        ("hard sigmoid", |x| activation::hard_sigmoid(x, 0.3, 0.4)),
        ("hard swish", |x| activation::hard_swish(x)),
        ("leaky relu", |x| activation::leaky_relu(x, 0.2)),
        ("tanh", |x| activation::tanh(x)),
        ("elu", |x| activation::elu(x, 0.7)),
        ("celu", |x| activation::celu(x, 0.7)),
        ("selu", |x| activation::selu(x)),
        ("glu", |x| activation::glu(x, 2)),
        ("softmax", |x| activation::softmax(x, 2)),
        ("quiet softmax", |x| activation::quiet_softmax(x, 2)),
    ];
    for (name, function) in functions {
        let layer = LinearConfig::new(8, 6).init(&device());
        check(name, layer, &x, floats::<3>, |layer, x| function(layer.forward(x)));
    }
}
