//! Nested training with a resumable state.
use crate::model::Model;
use crate::stop;
use anyhow::{Context, Result, ensure};
use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use supple_executor::{AdamConfig, Backend, Batch, Executor, ModelFile, Score, Trainer, measure};
use supple_graph::kinds::{Block, Token};
use supple_graph::{Choice, Density, Elastic, Kind, Phase, Setting, SiteId};
use supple_models::{Data, Split};
use supple_sim::random::{Stream, stream};

/// Densities that accuracy is reported at, in thousandths.
pub const REPORTED: [u16; 4] = [1000, 500, 250, 125];

/// The least density that is trained, in thousandths.
const LEAST: u16 = 125;

/// What a training run was asked to do; kept in its checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Steps in all.
    pub steps: usize,
    /// Samples a step.
    pub batch: usize,
    /// Step size at its highest.
    pub rate: f64,
    /// Whether every step trains the largest, the smallest and two random settings; else the dense one alone.
    pub elastic: bool,
}

/// Batches step by step, without drawing the order of a pass again at each step.
#[derive(Debug)]
pub struct Batches<'a> {
    split: &'a Split,
    seed: u64,
    size: usize,
    pass: Option<(usize, Vec<usize>)>,
}

impl<'a> Batches<'a> {
    /// Batches of `size` rows of `split`.
    pub fn new(split: &'a Split, seed: u64, size: usize) -> Self {
        Self { split, seed, size: size.min(split.len()).max(1), pass: None }
    }

    /// The batch of step `step`: the same whatever came before.
    pub fn of_step(&mut self, step: usize) -> Batch {
        let per_pass = (self.split.len() / self.size).max(1);
        let pass = step / per_pass;
        if self.pass.as_ref().is_none_or(|(drawn, _)| *drawn != pass) {
            let mut order: Vec<usize> = (0..self.split.len()).collect();
            order.shuffle(&mut stream(self.seed, format_args!("pass {pass}"), "order"));
            self.pass = Some((pass, order));
        }
        let start = step % per_pass * self.size;
        let order = self.pass.as_ref().map_or(&[][..], |(_, order)| order);
        self.split.batch(&order[start..start + self.size])
    }
}

/// The settings of step `step`: the largest, the smallest, one random density everywhere and one at about half of the sites (the sandwich rule of Yu & Huang 2019,
/// with mixed settings so that a solver may mix them). What is thinned out everywhere is in turn axes, in blocks the weights of layers, and tokens where
/// these can leave; a site of the mixed setting takes any way that fits there.
pub fn settings_of_step(elastic: &Elastic, seed: u64, step: usize) -> Vec<Setting> {
    let analysis = elastic.analysis();
    let mut random = stream(seed, format_args!("step {step}"), "settings");
    let draw = |random: &mut Stream| Density::new(random.random_range(LEAST..=1000)).unwrap_or_default();
    let ways = if analysis.tokens().is_empty() { 2 } else { 3 };
    let everywhere = |density| match step % ways {
        0 => analysis.uniform(density),
        1 => analysis.uniform_within(Kind::Block(Block), density),
        _ => analysis.uniform_within(Kind::Token(Token), density),
    };
    let uniform = everywhere(draw(&mut random));
    let least = everywhere(Density::new(LEAST).unwrap_or_default());
    let lossy = analysis.sites.iter().enumerate().filter(|(_, site)| site.saves(Phase::Forward));
    let mixed = lossy.fold(analysis.dense(), |setting, (at, site)| {
        let density = draw(&mut random);
        let kind = site.kinds[random.random_range(0..site.kinds.len())];
        if random.random() { setting.with_choice(SiteId(at), Choice { kind, density }) } else { setting }
    });
    vec![analysis.dense(), least, uniform, mixed]
}

/// One training run.
#[derive(Debug)]
pub struct Training<'a> {
    model: Model,
    data: &'a Data,
    options: Options,
    backend: Backend,
    trainer: Trainer,
    step: usize,
    checkpoint: PathBuf,
}

/// The file that keeps the state of a run whose model goes to `out`.
pub fn checkpoint_of(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".checkpoint");
    PathBuf::from(name)
}

impl<'a> Training<'a> {
    /// A run from the model's weights. What is left within layers is chosen anew at each step: settings drawn at random are hardly met twice, and a run
    /// that goes on equals one that never stopped.
    ///
    /// # Errors
    /// When the weights do not fit the graph.
    pub fn new(model: Model, data: &'a Data, options: Options, out: &Path, backend: Backend) -> Result<Self> {
        let adam = AdamConfig { rate: options.rate, ..AdamConfig::default() };
        let trainer = model.trainer(adam, backend)?.with_thinning_every(1);
        Ok(Self { model, data, options, backend, trainer, step: 0, checkpoint: checkpoint_of(out) })
    }

    /// The run that a checkpoint keeps.
    ///
    /// # Errors
    /// When there is none, or it belongs to other data.
    pub fn resume(data: &'a Data, out: &Path, backend: Backend) -> Result<Self> {
        let path = checkpoint_of(out);
        let model = Model::read(&path)?;
        let about = model.about().clone();
        ensure!(about.data == data.name, "{}: data = {}, expected {}", path.display(), data.name, about.data);
        let options: Options =
            serde_json::from_str(&about.options).with_context(|| format!("{}: options", path.display()))?;
        let slots = model.file().slots.clone();
        let mut this = Self::new(model, data, options, out, backend)?;
        this.trainer.restore_slots(&slots).with_context(|| path.display().to_string())?;
        this.step = about.steps;
        Ok(this)
    }

    /// What was asked for.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Steps done.
    pub fn done(&self) -> usize {
        self.step
    }

    /// Trains to the end, or until the user asks to stop; `after` is told the step and the loss of the dense setting after each step.
    ///
    /// # Errors
    /// When a step fails.
    pub fn run(&mut self, mut after: impl FnMut(&Self, f64) -> Result<()>) -> Result<()> {
        let data = self.data;
        let seed = self.model.about().seed;
        let mut batches = Batches::new(&data.train, seed, self.options.batch);
        while self.step < self.options.steps && !stop::asked() {
            self.trainer.set_rate(self.rate());
            let batch = batches.of_step(self.step);
            let settings = if self.options.elastic {
                settings_of_step(self.model.elastic(), seed, self.step)
            } else {
                vec![self.model.elastic().analysis().dense()]
            };
            let losses = self.trainer.step(&batch, &settings)?;
            self.step += 1;
            after(self, losses.first().copied().unwrap_or(f64::NAN))?;
        }
        Ok(())
    }

    /// Half a cosine after a short warm-up (Loshchilov & Hutter 2017).
    fn rate(&self) -> f64 {
        let progress = self.step as f64 / self.options.steps.max(1) as f64;
        let warm = ((self.step + 1) as f64 / 50.0).min(1.0);
        self.options.rate * warm * (0.5 * (1.0 + (std::f64::consts::PI * progress).cos())).max(0.01)
    }

    /// Accuracy at each reported density, on at most `rows` held-out rows.
    ///
    /// # Errors
    /// When a batch does not fit the model.
    pub fn accuracies(&self, rows: usize) -> Result<Vec<(u16, Score)>> {
        let executor = self.executor()?;
        let split = self.data.held_out.take(rows);
        accuracies(executor, &split)
    }

    fn executor(&self) -> Result<Executor> {
        Ok(Executor::new(self.model.elastic().clone(), &self.trainer.weights()?, self.backend)?)
    }

    /// The model as it is now, without the optimizer's memory.
    ///
    /// # Errors
    /// When the backend fails to read the weights back.
    pub fn model(&self) -> Result<Model> {
        self.state(false)
    }

    fn state(&self, with_slots: bool) -> Result<Model> {
        let mut about = self.model.about().clone();
        about.steps = self.step;
        about.options = serde_json::to_string(&self.options)?;
        let slots = if with_slots { self.trainer.slots()? } else { Default::default() };
        let graph = self.model.file().graph.clone();
        Model::of(ModelFile { about, graph, weights: self.trainer.weights()?, slots })
    }

    /// Writes the state of the run.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn checkpoint(&self) -> Result<&Path> {
        self.state(true)?.write(&self.checkpoint, false)?;
        Ok(&self.checkpoint)
    }

    /// Removes the state of a run that is done.
    pub fn forget_checkpoint(&self) {
        if let Err(error) = std::fs::remove_file(&self.checkpoint)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            log::warn!("{}: {error}", self.checkpoint.display());
        }
    }
}

/// Accuracy of an executor's weights at each reported density.
///
/// # Errors
/// When a batch does not fit the model.
pub fn accuracies(mut executor: Executor, split: &Split) -> Result<Vec<(u16, Score)>> {
    let rows: Vec<usize> = (0..split.len()).collect();
    let batches: Vec<Batch> = rows.chunks(100).map(|rows| split.batch(rows)).collect();
    let settings = REPORTED.into_iter().filter_map(Density::new);
    settings
        .map(|density| {
            let setting = executor.elastic().analysis().uniform(density);
            executor.prepare(&setting)?;
            executor.apply(&setting)?;
            Ok((density.per_mille(), measure::score(&executor, &batches)?))
        })
        .collect()
}
