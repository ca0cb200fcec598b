//! Small captured models beside what plain Burn computes with them.
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::kind::Numeric;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use supple_executor::capture::Recorded;
use supple_executor::{About, AdamConfig, Backend, Batch, Executor, IGNORED, ModelFile, Trainer, capture};
use supple_graph::blocks::WITHIN;
use supple_graph::kinds::{Score, Token};
use supple_graph::{Array, Choice, Density, Elastic, Kind, NodeId, Phase, Setting, SiteId, Value, Weights};
use supple_models::{
    CharTransformer, CharTransformerConfig, Cnn, CnnConfig, Mlp, MlpConfig, PatchTransformer, PatchTransformerConfig,
};

pub const CLASSES: usize = 5;
pub const CONTEXT: usize = 4;

/// Arrays by the names of the parameters.
type Named = BTreeMap<String, Array>;

/// Output of plain Burn on a backend.
pub type Forward = Box<dyn Fn(&Array, Backend) -> Array>;

/// Loss and gradients of plain Burn on a backend.
pub type Derivative = Box<dyn Fn(&Batch, Backend) -> (f64, Named)>;

/// A captured module beside what plain Burn computes with it.
pub struct Model {
    pub name: &'static str,
    pub elastic: Arc<Elastic>,
    pub weights: Weights,
    pub batch: Batch,
    pub forward: Forward,
    pub gradients: Derivative,
}

/// A number in [-1, 1) for every index (splitmix64).
fn noise(index: usize) -> f32 {
    let z = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z >> 40) as f64 / f64::from(1u32 << 23) - 1.0) as f32
}

pub fn noisy(shape: &[usize]) -> Array {
    let mut index = 0;
    Array::from_fn(shape, |_| {
        index += 1;
        noise(index)
    })
}

fn floats<const D: usize>(array: &Array, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(array.data().to_vec(), array.shape().to_vec()), device)
}

fn words<const D: usize>(array: &Array, device: &Device) -> Tensor<D, Int> {
    let words: Vec<i64> = array.data().iter().map(|&v| v as i64).collect();
    Tensor::from_data(TensorData::new(words, array.shape().to_vec()), device)
}

fn array<const D: usize>(tensor: Tensor<D>) -> Array {
    let shape = tensor.dims().to_vec();
    let data = tensor.into_data().convert::<f32>().try_into_vec::<f32>().unwrap();
    Array::new(shape, data).unwrap()
}

/// Adds noise to every parameter: fresh norms and biases are all ones and zeros.
struct Shake(usize);

impl ModuleMapper for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let shape = tensor.dims();
            let start = self.0;
            self.0 += shape.iter().product::<usize>();
            let mut index = start;
            let noise = Array::from_fn(&shape, |_| {
                index += 1;
                0.2 * noise(index)
            });
            let noise = floats(&noise, &tensor.device());
            tensor + noise
        })
    }
}

/// Reads the gradients of a module's parameters.
struct Read<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    found: Named,
}

impl ModuleVisitor for Read<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            self.found.insert(self.path.join("."), array(gradient));
        }
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

/// Mean cross-entropy over the rows that count, by Burn's own loss.
fn loss<const E: usize>(logits: Tensor<E>, targets: &[u32]) -> Tensor<1> {
    let device = logits.device();
    let rows = targets.len();
    let classes = logits.dims()[E - 1];
    let counted: Vec<usize> = (0..rows).filter(|&row| targets[row] != IGNORED).collect();
    let int = |values: Vec<i64>| Tensor::<1, Int>::from_data(TensorData::new(values, vec![counted.len()]), &device);
    let at = int(counted.iter().map(|&row| row as i64).collect());
    let classes_of = int(counted.iter().map(|&row| i64::from(targets[row])).collect());
    CrossEntropyLossConfig::new().init(&device).forward(logits.reshape([rows, classes]).select(0, at), classes_of)
}

/// Captures a module, shaken, and keeps it.
fn model<M, K, const D: usize, const E: usize>(
    name: &'static str,
    module: M,
    batch: Batch,
    load: fn(&Array, &Device) -> Tensor<D, K>,
    forward: fn(&M, Tensor<D, K>) -> Tensor<E>,
) -> Model
where
    M: Module + Clone + 'static,
    K: Numeric + 'static,
    Tensor<D, K>: Recorded,
{
    let module = module.map(&mut Shake(0));
    let (graph, weights) = capture(name, &module, &batch.input.shape()[1..], forward).unwrap();
    let learner = module.clone();
    Model {
        name,
        elastic: Arc::new(Elastic::new(graph).unwrap()),
        weights,
        batch,
        forward: Box::new(move |input, backend| {
            let device = backend.device();
            array(forward(&module.clone().fork(&device), load(input, &device)))
        }),
        gradients: Box::new(move |batch, backend| {
            let device = backend.device().autodiff();
            let module = learner.clone().fork(&device).set_require_grad(true).train();
            let loss = loss(forward(&module, load(&batch.input, &device)), &batch.targets);
            let mut read = Read { gradients: &loss.backward(), path: Vec::new(), found: Named::new() };
            module.visit(&mut read);
            (f64::from(loss.into_scalar::<f32>()), read.found)
        }),
    }
}

fn images(shape: [usize; 4]) -> Batch {
    let targets = (0..shape[0]).map(|i| (i * 3 + 1) as u32 % CLASSES as u32).collect();
    Batch { input: noisy(&shape), targets, per_row: 1, exact: false }
}

pub fn sentences(samples: usize) -> Batch {
    let mut index = 0;
    let input = Array::from_fn(&[samples, CONTEXT], |_| {
        index += 1;
        (index * 7 % CLASSES) as f32
    });
    let target = |i: usize| if i == 2 { IGNORED } else { (i * 2 % CLASSES) as u32 };
    Batch { input, targets: (0..samples * CONTEXT).map(target).collect(), per_row: CONTEXT, exact: false }
}

fn cnn(name: &'static str, groups: Option<usize>) -> Model {
    let config = CnnConfig::new().with_channels([4, 6, 8]).with_hidden(7).with_classes(CLASSES).with_groups(groups);
    model(name, config.init(&Device::default()), images([2, 1, 28, 28]), floats::<4>, Cnn::forward)
}

/// Burn's random numbers are the process's: models are made by one test at a time, from one seed.
static TURN: Mutex<()> = Mutex::new(());

/// One small model of each architecture, the same in every test.
pub fn models() -> Vec<Model> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::default();
    device.seed(7);
    let mlp = MlpConfig::new().with_widths(vec![12, 9, 7, CLASSES]).init(&device);
    let sizes = CharTransformerConfig::new(CLASSES, CONTEXT).with_layers(2).with_heads(2);
    let chars = sizes.with_head_width(3).with_expansion(2).init(&device);
    let sizes = PatchTransformerConfig::new(CLASSES).with_side(9).with_patch(3).with_layers(2).with_heads(2);
    let patches = sizes.with_head_width(3).init(&device);
    vec![
        model("mlp", mlp, images([2, 1, 3, 4]), floats::<4>, Mlp::forward),
        cnn("cnn", None),
        cnn("cnn with group norm", Some(2)),
        model("chars", chars, sentences(2), words::<2>, CharTransformer::forward),
        model("patches", patches, images([2, 1, 9, 9]), floats::<4>, PatchTransformer::forward),
    ]
}

/// Runs a law for every model on every backend of this build.
pub fn for_each(law: impl Fn(&Model, Backend)) {
    assert!(!Backend::ALL.is_empty());
    for model in models() {
        for &backend in Backend::ALL {
            law(&model, backend);
        }
    }
}

impl Model {
    pub fn executor(&self, backend: Backend, kernels: bool) -> Executor {
        Executor::new(self.elastic.clone(), &self.weights, backend).unwrap().with_kernels(kernels)
    }

    pub fn trainer(&self, backend: Backend) -> Trainer {
        self.trainer_from(&self.weights, backend)
    }

    pub fn trainer_from(&self, weights: &Weights, backend: Backend) -> Trainer {
        let config = AdamConfig { rate: 0.01, decay: 0.1, ..AdamConfig::default() };
        Trainer::new(self.elastic.clone(), weights, config, backend).unwrap()
    }

    pub fn uniform(&self, per_mille: u16) -> Setting {
        self.elastic.analysis().uniform(Density::new(per_mille).unwrap())
    }

    /// A density of its own at every site, of this kind within weights.
    pub fn mixed(&self, within: Kind) -> Setting {
        let densities = [750, 125, 1000, 375].into_iter().cycle().enumerate();
        let sites = &self.elastic.analysis().sites;
        let lossy = densities.take(sites.len()).filter(|&(site, _)| sites[site].saves(Phase::Forward));
        lossy.fold(self.uniform(1000), |setting, (site, per_mille)| {
            let kinds = &sites[site].kinds;
            let kind = if kinds.contains(&within) { within } else { kinds[0] };
            setting.with_choice(SiteId(site), Choice { kind, density: Density::new(per_mille).unwrap() })
        })
    }

    /// A density of a kind within the weights of every layer that it fits.
    pub fn within(&self, kind: Kind, per_mille: u16) -> Setting {
        self.elastic.analysis().uniform_within(kind, Density::new(per_mille).unwrap())
    }

    /// Whether a kind fits somewhere.
    pub fn has(&self, kind: Kind) -> bool {
        self.elastic.analysis().sites.iter().any(|site| site.kinds.contains(&kind))
    }

    pub fn settings(&self) -> Vec<Setting> {
        let axes = [1, 250, 500, 750, 1000].map(|per_mille| self.uniform(per_mille));
        let within = WITHIN.into_iter().flat_map(|kind| [1, 250, 750].map(|per_mille| self.within(kind, per_mille)));
        let kinds = [Kind::Score(Score), Kind::Token(Token)].into_iter().filter(|&kind| self.has(kind));
        let others = kinds.flat_map(|kind| [1, 250, 750].map(|per_mille| self.within(kind, per_mille)));
        axes.into_iter().chain(within).chain(others).chain(WITHIN.map(|kind| self.mixed(kind))).collect()
    }

    pub fn kept(&self, node: NodeId, setting: &Setting) -> Vec<usize> {
        self.elastic.kept_shape(Value { node, slot: 0 }, setting).unwrap().shape_at(1)
    }

    pub fn parameter(&self, node: NodeId) -> &str {
        &self.elastic.graph().node(node).name
    }

    pub fn file(&self, trainer: &Trainer) -> ModelFile {
        let about = About { model: self.name.to_owned(), seed: 7, steps: 3, ..About::default() };
        let (weights, slots) = (trainer.weights().unwrap(), trainer.slots().unwrap());
        ModelFile { about, graph: self.elastic.graph().clone(), weights, slots }
    }
}
