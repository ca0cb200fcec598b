//! Every backend of this build, against plain Burn and against the graph's own slow truth.
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::kind::Numeric;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use std::collections::BTreeMap;
use std::sync::Arc;
use supple_executor::capture::Recorded;
use supple_executor::{About, AdamConfig, Backend, Batch, Executor, IGNORED, ModelFile, Trainer, capture};
use supple_graph::{Array, Density, Elastic, NodeId, Setting, SiteId, Value, Weights};
use supple_models::{CharTransformer, CharTransformerConfig, Cnn, CnnConfig, Mlp, MlpConfig};

const CLASSES: usize = 5;
const CONTEXT: usize = 4;

/// Arrays by the names of the parameters.
type Named = BTreeMap<String, Array>;

/// A captured module beside what plain Burn computes with it.
struct Model {
    name: &'static str,
    elastic: Arc<Elastic>,
    weights: Weights,
    batch: Batch,
    forward: Box<dyn Fn(&Array) -> Array>,
    gradients: Box<dyn Fn(&Batch) -> (f64, Named)>,
}

/// A number in [-1, 1) for every index (splitmix64).
fn noise(index: usize) -> f32 {
    let z = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z >> 40) as f64 / f64::from(1u32 << 23) - 1.0) as f32
}

fn noisy(shape: &[usize]) -> Array {
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
        forward: Box::new(move |input| array(forward(&module, load(input, &Device::default())))),
        gradients: Box::new(move |batch| {
            let device = Device::default().autodiff();
            let module = learner.clone().fork(&device);
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

fn sentences(samples: usize) -> Batch {
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

/// One small model of each architecture.
fn models() -> Vec<Model> {
    let device = Device::default();
    let mlp = MlpConfig::new().with_widths(vec![12, 9, 7, CLASSES]).init(&device);
    let sizes = CharTransformerConfig::new(CLASSES, CONTEXT).with_layers(2).with_heads(2);
    let chars = sizes.with_head_width(3).with_expansion(2).init(&device);
    vec![
        model("mlp", mlp, images([2, 1, 3, 4]), floats::<4>, Mlp::forward),
        cnn("cnn", None),
        cnn("cnn with group norm", Some(2)),
        model("chars", chars, sentences(2), words::<2>, CharTransformer::forward),
    ]
}

/// Runs a law for every model on every backend of this build.
fn for_each(law: impl Fn(&Model, Backend)) {
    assert!(!Backend::ALL.is_empty());
    for model in models() {
        for &backend in Backend::ALL {
            law(&model, backend);
        }
    }
}

impl Model {
    fn executor(&self, backend: Backend, kernels: bool) -> Executor {
        Executor::new(self.elastic.clone(), &self.weights, backend).unwrap().with_kernels(kernels)
    }

    fn trainer(&self, backend: Backend) -> Trainer {
        self.trainer_from(&self.weights, backend)
    }

    fn trainer_from(&self, weights: &Weights, backend: Backend) -> Trainer {
        let config = AdamConfig { rate: 0.01, decay: 0.1, ..AdamConfig::default() };
        Trainer::new(self.elastic.clone(), weights, config, backend).unwrap()
    }

    fn uniform(&self, per_mille: u16) -> Setting {
        self.elastic.analysis().uniform(Density::new(per_mille).unwrap())
    }

    /// A density of its own at every site.
    fn mixed(&self) -> Setting {
        let densities = [750, 125, 1000, 375].into_iter().cycle().enumerate();
        let sites = self.elastic.analysis().sites.len();
        densities.take(sites).fold(self.uniform(1000), |setting, (site, per_mille)| {
            setting.with(SiteId(site), Density::new(per_mille).unwrap())
        })
    }

    fn settings(&self) -> Vec<Setting> {
        [1, 250, 500, 750, 1000].map(|per_mille| self.uniform(per_mille)).into_iter().chain([self.mixed()]).collect()
    }

    fn kept(&self, node: NodeId, setting: &Setting) -> Vec<usize> {
        self.elastic.kept_shape(Value { node, slot: 0 }, setting).unwrap().shape_at(1)
    }

    fn parameter(&self, node: NodeId) -> &str {
        &self.elastic.graph().node(node).name
    }

    fn file(&self, trainer: &Trainer) -> ModelFile {
        let about = About { model: self.name.to_owned(), seed: 7, steps: 3, ..About::default() };
        let (weights, slots) = (trainer.weights().unwrap(), trainer.slots().unwrap());
        ModelFile { about, graph: self.elastic.graph().clone(), weights, slots }
    }
}

fn run_at(executor: &mut Executor, setting: &Setting, input: &Array) -> Array {
    executor.prepare(setting).unwrap();
    executor.apply(setting).unwrap();
    assert_eq!(executor.setting(), setting);
    executor.run(input).unwrap()
}

/// Asserts that two arrays differ by less than `tolerance` of their largest element, or of one.
fn assert_close(found: &Array, expected: &Array, tolerance: f64, place: &str) {
    let largest = expected.data().iter().fold(1.0, |most: f64, v| most.max(f64::from(v.abs())));
    let distance = found.distance(expected);
    assert!(found.data().iter().all(|v| v.is_finite()), "{place}: not finite");
    assert!(distance <= tolerance * largest, "{place}: {distance} apart, of {largest}");
}

fn bits(array: &Array) -> Vec<u32> {
    array.data().iter().map(|v| v.to_bits()).collect()
}

/// The bits of what lies outside the prefix `kept`, in order.
fn outside(array: &Array, kept: &[usize]) -> Vec<u32> {
    let mut found = Vec::new();
    let mut data = array.data().iter();
    Array::from_fn(array.shape(), |index| {
        let bits = data.next().map(|v| v.to_bits());
        found.extend(bits.filter(|_| index.iter().zip(kept).any(|(i, kept)| i >= kept)));
        0.0
    });
    found
}

#[test]
fn every_model_has_sites_of_its_own_kind() {
    let levels =
        |model: &Model| model.elastic.analysis().sites.iter().map(|site| site.level.clone()).collect::<Vec<_>>();
    let [mlp, cnn, normed, chars] = models().try_into().ok().unwrap();
    assert_eq!(levels(&mlp), ["neuron"; 2]);
    assert_eq!(levels(&cnn), ["channel", "channel", "channel", "neuron"]);
    assert_eq!(levels(&normed), levels(&cnn));
    assert_eq!(normed.elastic.analysis().sites[0].units, 2);
    assert_eq!(levels(&chars), ["head", "neuron", "head", "neuron"]);
}

#[test]
fn dense_outputs_equal_plain_burn_at_any_batch() {
    for_each(|model, backend| {
        for kernels in [true, false] {
            let executor = model.executor(backend, kernels);
            for samples in [1, 2, 5] {
                let mut shape = model.batch.input.shape().to_vec();
                shape[0] = samples;
                let input = if shape.len() == 4 { noisy(&shape) } else { sentences(samples).input };
                let place = format!("{} on {backend}, kernels {kernels}, {samples} samples", model.name);
                assert_close(&executor.run(&input).unwrap(), &(model.forward)(&input), 1e-4, &place);
            }
        }
    });
}

#[test]
fn at_every_setting_outputs_equal_the_masked_graph() {
    for_each(|model, backend| {
        for setting in model.settings() {
            let inputs = std::slice::from_ref(&model.batch.input);
            let truth = model.elastic.eval_masked(&model.weights, inputs, &setting).unwrap();
            for kernels in [true, false] {
                let found = run_at(&mut model.executor(backend, kernels), &setting, &model.batch.input);
                let place = format!("{} on {backend}, kernels {kernels}, {setting:?}", model.name);
                assert_close(&found, &truth[0], 1e-4, &place);
            }
        }
    });
}

#[test]
fn the_order_of_importance_keeps_dense_outputs() {
    for_each(|model, backend| {
        assert!(!model.elastic.has_sparse_constants());
        let ordered = model.elastic.in_order_of_importance(&model.weights);
        let executor = Executor::new(model.elastic.clone(), &ordered, backend).unwrap();
        let (found, expected) = (executor.run(&model.batch.input).unwrap(), (model.forward)(&model.batch.input));
        assert_close(&found, &expected, 1e-4, &format!("{} on {backend}", model.name));
    });
}

#[test]
fn switching_away_and_back_gives_the_same_bits() {
    for_each(|model, backend| {
        let mut executor = model.executor(backend, true);
        let settings = model.settings();
        let first: Vec<Vec<u32>> =
            settings.iter().map(|setting| bits(&run_at(&mut executor, setting, &model.batch.input))).collect();
        for (setting, before) in settings.iter().zip(&first).rev() {
            let after = bits(&run_at(&mut executor, setting, &model.batch.input));
            assert_eq!(&after, before, "{} on {backend}, {setting:?}", model.name);
        }
    });
}

#[test]
fn dense_gradients_equal_plain_burn() {
    for_each(|model, backend| {
        let (loss, found) = model.trainer(backend).gradients(&model.batch, &model.uniform(1000)).unwrap();
        let (expected_loss, expected) = (model.gradients)(&model.batch);
        assert!((loss - expected_loss).abs() < 1e-4, "{} on {backend}: {loss}, not {expected_loss}", model.name);
        assert_eq!(found.len(), expected.len(), "{} on {backend}", model.name);
        for (node, gradient) in &found {
            let name = model.parameter(*node);
            assert_close(gradient, &expected[name], 1e-4, &format!("{} on {backend}, {name}", model.name));
        }
    });
}

#[test]
fn gradients_at_a_sparse_setting_equal_finite_differences() {
    const STEP: f32 = 1e-2;
    for_each(|model, backend| {
        let setting = model.mixed();
        let (_, gradients) = model.trainer(backend).gradients(&model.batch, &setting).unwrap();
        assert_eq!(gradients.len(), model.weights.len(), "{} on {backend}", model.name);
        for (&node, gradient) in &gradients {
            assert_eq!(gradient.shape(), model.kept(node, &setting));
            let largest = gradient.data().iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap().0;
            let at = index_of(largest, gradient.shape());
            let loss = |step: f32| {
                let mut weights = model.weights.clone();
                let moved = |i: &[usize], old: f32| if i == at { old + step } else { old };
                let old = &model.weights[&node];
                weights.insert(node, Array::from_fn(old.shape(), |i| moved(i, old.at(i))));
                model.trainer_from(&weights, backend).gradients(&model.batch, &setting).unwrap().0
            };
            let slope = (loss(STEP) - loss(-STEP)) / f64::from(2.0 * STEP);
            let gradient = f64::from(gradient.data()[largest]);
            let place = format!("{} on {backend}, {} {at:?}", model.name, model.parameter(node));
            assert!((slope - gradient).abs() < 2e-3 + 0.05 * gradient.abs(), "{place}: slope {slope}, not {gradient}");
        }
    });
}

/// The multi-index of a row-major offset.
fn index_of(mut offset: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &length) in index.iter_mut().zip(shape).rev() {
        *i = offset % length;
        offset /= length;
    }
    index
}

#[test]
fn a_sparse_step_touches_nothing_outside_the_prefix() {
    for_each(|model, backend| {
        let setting = model.mixed();
        let mut trainer = model.trainer(backend);
        trainer.step(&model.batch, &[model.uniform(1000)]).unwrap();
        let before = (trainer.weights().unwrap(), trainer.slots().unwrap());
        trainer.step(&model.batch, &[setting.clone(), model.uniform(125)]).unwrap();
        let after = (trainer.weights().unwrap(), trainer.slots().unwrap());
        for node in model.elastic.graph().parameter_ids() {
            let (kept, name) = (model.kept(node, &setting), model.parameter(node));
            let place = format!("{} on {backend}, {name}", model.name);
            let kept = [kept, model.kept(node, &model.uniform(125))].into_iter().reduce(widest).unwrap();
            assert_eq!(outside(&before.0[&node], &kept), outside(&after.0[&node], &kept), "{place}");
            assert_ne!(bits(&before.0[&node]), bits(&after.0[&node]), "{place} did not learn");
            for slot in before.1.keys().filter(|slot| slot.starts_with(&format!("{name}#"))) {
                assert_eq!(outside(&before.1[slot], &kept), outside(&after.1[slot], &kept), "{place}, {slot}");
            }
        }
    });
}

fn widest(a: Vec<usize>, b: Vec<usize>) -> Vec<usize> {
    a.into_iter().zip(b).map(|(a, b)| a.max(b)).collect()
}

#[test]
fn the_memory_of_weights_that_never_learnt_is_fresh() {
    for_each(|model, backend| {
        let setting = model.uniform(250);
        let mut trainer = model.trainer(backend);
        let fresh = trainer.slots().unwrap();
        (0..3).for_each(|_| drop(trainer.step(&model.batch, std::slice::from_ref(&setting)).unwrap()));
        let slots = trainer.slots().unwrap();
        for node in model.elastic.graph().parameter_ids() {
            let (kept, name) = (model.kept(node, &setting), model.parameter(node));
            for slot in ["mean", "square", "bias1", "bias2"].map(|slot| format!("{name}#{slot}")) {
                let left = outside(&slots[&slot], &kept);
                assert_eq!(left, outside(&fresh[&slot], &kept), "{} on {backend}, {slot}", model.name);
                let start: f32 = if slot.contains("#bias") { 1.0 } else { 0.0 };
                assert!(left.iter().all(|&bits| bits == start.to_bits()), "{} on {backend}, {slot}", model.name);
            }
        }
    });
}

#[test]
fn a_trainer_that_goes_on_equals_one_that_never_stopped() {
    for_each(|model, backend| {
        let settings = [model.uniform(1000), model.uniform(125), model.mixed()];
        let steps = |trainer: &mut Trainer, count: usize| {
            (0..count).map(|_| trainer.step(&model.batch, &settings).unwrap()).last().unwrap()
        };
        let mut through = model.trainer(backend);
        steps(&mut through, 2);
        let stored = ModelFile::from_bytes(&model.file(&through).to_bytes(false).unwrap()).unwrap();
        let mut resumed = model.trainer_from(&stored.weights, backend);
        resumed.restore_slots(&stored.slots).unwrap();
        assert_eq!(steps(&mut through, 3), steps(&mut resumed, 3), "{} on {backend}", model.name);
        assert_eq!(through.weights().unwrap(), resumed.weights().unwrap(), "{} on {backend}", model.name);
        assert_eq!(through.slots().unwrap(), resumed.slots().unwrap(), "{} on {backend}", model.name);
    });
}

#[test]
fn nested_steps_lower_the_loss_at_every_setting() {
    for_each(|model, backend| {
        let settings = [model.uniform(1000), model.uniform(250), model.uniform(500)];
        let mut trainer = model.trainer(backend);
        let losses =
            |trainer: &Trainer| settings.each_ref().map(|setting| trainer.gradients(&model.batch, setting).unwrap().0);
        let before = losses(&trainer);
        for _ in 0..30 {
            assert_eq!(trainer.step(&model.batch, &settings).unwrap().len(), settings.len());
        }
        let after = losses(&trainer);
        assert!(
            after.iter().zip(&before).all(|(after, before)| after < before),
            "{}: {before:?}, {after:?}",
            model.name
        );
    });
}

#[test]
fn a_model_survives_its_file() {
    for_each(|model, backend| {
        let file = model.file(&model.trainer(backend));
        let read = ModelFile::from_bytes(&file.to_bytes(false).unwrap()).unwrap();
        assert_eq!(read, file, "{}", model.name);
        assert_eq!(read.fingerprint(), file.fingerprint());
        let half = ModelFile::from_bytes(&file.to_bytes(true).unwrap()).unwrap();
        for (node, weights) in &file.weights {
            assert_close(&half.weights[node], weights, 1e-3, &format!("{}, {}", model.name, model.parameter(*node)));
        }
    });
}

/// A safetensors file of nothing but this header.
fn header(text: &str) -> Vec<u8> {
    (text.len() as u64).to_le_bytes().into_iter().chain(text.bytes()).collect()
}

fn assert_refused(bytes: &[u8], place: &str) -> String {
    let error = ModelFile::from_bytes(bytes).err().unwrap_or_else(|| panic!("{place} was read")).to_string();
    assert!(!error.is_empty() && !error.contains('\n'), "{place}: {error:?}");
    error
}

#[test]
fn files_that_are_no_model_are_refused_in_one_line() {
    let model = models().remove(0);
    let bytes = model.file(&model.trainer(Backend::ALL[0])).to_bytes(false).unwrap();
    for part in 0..50 {
        assert_refused(&bytes[..bytes.len() * part / 50], &format!("the first {part} fiftieths"));
    }
    assert_refused(b"GIF89a, not a model at all", "a picture");
    assert!(assert_refused(&header("{}"), "no metadata").contains("`supple`"));
    let about = r#"{"__metadata__":{"supple":"{}"}}"#;
    assert!(assert_refused(&header(about), "no graph").contains("`graph`"));
    let broken = r#"{"__metadata__":{"supple":"{}","graph":"{\"nodes\":3}"}}"#;
    assert!(assert_refused(&header(broken), "a broken graph").contains("graph"));
}

#[test]
fn what_does_not_fit_is_an_error_in_one_line() {
    for_each(|model, backend| {
        let one_line = |error: String| assert!(!error.is_empty() && !error.contains('\n'), "{error:?}");
        let mut executor = model.executor(backend, true);
        one_line(executor.run(&Array::full(&[2, 1, 1, 1], 0.0)).unwrap_err().to_string());
        one_line(executor.apply(&model.mixed()).unwrap_err().to_string());
        one_line(executor.prepare(&Setting::default()).unwrap_err().to_string());
        let mut missing = model.weights.clone();
        missing.pop_first();
        one_line(Executor::new(model.elastic.clone(), &missing, backend).unwrap_err().to_string());
        one_line(model.trainer(backend).restore_slots(&BTreeMap::new()).unwrap_err().to_string());
        let short = Batch { targets: vec![0], ..model.batch.clone() };
        one_line(model.trainer(backend).gradients(&short, &model.mixed()).unwrap_err().to_string());
        let foreign = Batch { targets: vec![77; model.batch.targets.len()], ..model.batch.clone() };
        one_line(model.trainer(backend).gradients(&foreign, &model.mixed()).unwrap_err().to_string());
        let misshapen = Batch { input: Array::full(&[2, 3], 0.0), ..model.batch.clone() };
        one_line(model.trainer(backend).gradients(&misshapen, &model.mixed()).unwrap_err().to_string());
    });
}
