//! `supple train --scenario`: training by a deadline under a moving CPU share.
use super::{End, names_or_compared, policy, read_scenario, simulate};
use crate::ladders::{self, guide_trainer, layer_times};
use crate::live::{Conditions, train_live};
use crate::machine::Tid;
use crate::model::Model;
use crate::options::Train;
use crate::training::Batches;
use crate::{samples, stop};
use anyhow::{Context, Result};
use supple_executor::{AdamConfig, Backend, Batch, Executor, Trainer, measure};
use supple_graph::{Phase, Setting};
use supple_models::Data;
use supple_sim::{Report, Scenario};
use supple_strategy::ladder::pareto;
use supple_strategy::{Amounts, Ladder, Rung, Spread};

/// Seed of weights and order where none can be given.
pub(crate) const SEED: u64 = 1;

/// Turns at each density, and steps of one, that are measured.
const STEPS: [usize; 2] = [2, 3];

/// Rounds of each layer alone.
const LAYER_ROUNDS: usize = 9;

/// Trains from the same weights once a policy, and tells the final accuracy of each.
///
/// # Errors
/// When scenario or data cannot be read, the share cannot be applied, a step fails, or the report cannot be written.
pub fn run(options: &Train) -> Result<End> {
    let name = options.scenario.as_deref().unwrap_or_default();
    let (scenario, trace) = read_scenario(name, options.traces.as_deref(), None)?;
    let wanted =
        scenario.training.as_ref().with_context(|| format!("{name}: training: expected a table [training]"))?;
    let data = supple_models::load(options.model.parse()?, options.data.as_deref(), options.seed)?;
    let model = Model::fresh(options.model.parse()?, &data, options.seed)?;
    let backend = options.common.backend()?;
    let adam = AdamConfig { rate: options.rate, ..AdamConfig::default() };
    let fresh = || model.trainer(adam, backend);
    let threads = rayon::current_num_threads();
    let stamp = model.stamp(backend, threads, wanted.batch as usize, &data.name);
    let mut batches = Batches::new(&data.train, options.seed, wanted.batch as usize);
    let ladder = step_ladder(fresh()?, &batches.of_step(0), stamp)?;
    let workers = rayon::broadcast(|_| Tid::current());
    let conditions = Conditions { scenario: &scenario, trace: &trace, workers: &workers, gauge: None };
    let mut runs = Vec::new();
    for name in names_or_compared(&options.policy) {
        let mut policy = policy(&name, &scenario, &ladder)?;
        let mut trainer = fresh()?;
        eprintln!("live {name}: {} steps by {:.1} s", wanted.steps, deadline(&scenario, &ladder));
        let (run, replay) =
            train_live(&mut trainer, &ladder, |step| batches.of_step(step), conditions, (&name, policy.as_mut()))?;
        eprintln!("  {}", replay.mechanism);
        runs.push(run.with_final_accuracy(best_accuracy(&trainer, &ladder, &data, backend)?));
        if stop::asked() {
            break;
        }
    }
    let kept = runs.iter().filter(|run| run.policy != "hold").all(supple_sim::TrainingRun::in_time);
    let report = Report::new(&scenario, Vec::new()).with_training(runs);
    simulate::print(&report, options.common.json)?;
    if let Some(folder) = &options.report {
        report.write(folder, &trace)?;
        eprintln!("report: {}", folder.join("report.html").display());
    }
    Ok(match (stop::asked(), kept) {
        (true, _) => End::Interrupted,
        (false, true) => End::Done,
        (false, false) => End::DemandNotKept,
    })
}

/// The deadline of a scenario of training, in seconds.
pub(crate) fn deadline(scenario: &Scenario, ladder: &Ladder) -> f64 {
    scenario.training.as_ref().map_or(0.0, |t| t.deadline(ladder.rungs()[0].service.median()).seconds())
}

/// What a step costs at each density. Its quality is not measured: the part of the dense work that is done ranks the settings, the most first.
pub(crate) fn step_ladder(mut trainer: Trainer, batch: &Batch, stamp: supple_strategy::Stamp) -> Result<Ladder> {
    let elastic = trainer.elastic().clone();
    let layers = match trainer.kernel_threads() {
        Some(threads) => layer_times(&elastic, batch, threads, LAYER_ROUNDS)?,
        None => Vec::new(),
    };
    guide_trainer(&mut trainer, &layers);
    let phases = &Phase::ALL[..3];
    let settings = ladders::everywhere(&elastic, phases);
    let times = measure::step_times(&mut trainer, &settings, batch, STEPS)?;
    let flops = |setting: &Setting| -> Result<f64> {
        phases.iter().map(|&phase| Ok(elastic.work(setting, 1, phase)?.flops)).sum()
    };
    let dense = flops(&elastic.analysis().dense())?;
    let rung = |(setting, times): (Setting, Vec<f64>)| {
        let service = Spread::of(times)?;
        let cost = Amounts::of_seconds(service.median());
        Ok(Rung { quality: flops(&setting)? / dense, cost, service, setting })
    };
    let rungs = settings.into_iter().zip(times).map(rung).collect::<Result<Vec<_>>>()?;
    Ok(Ladder::new(stamp, pareto(rungs))?.with_layers(layers))
}

/// Accuracy on fresh rows of the width that is best on calibration rows.
fn best_accuracy(trainer: &Trainer, ladder: &Ladder, data: &Data, backend: Backend) -> Result<f64> {
    let mut executor = Executor::new(trainer.elastic().clone(), &trainer.weights()?, backend)?;
    let calibration = samples::calibration(&data.held_out, 1000, 100);
    let mut best = (f64::NEG_INFINITY, 0);
    for (i, rung) in ladder.rungs().iter().enumerate() {
        executor.prepare(&rung.setting)?;
        executor.apply(&rung.setting)?;
        let accuracy = measure::score(&executor, &calibration)?.accuracy();
        if accuracy > best.0 {
            best = (accuracy, i);
        }
    }
    executor.apply(&ladder.rungs()[best.1].setting)?;
    Ok(measure::score(&executor, &samples::fresh(&data.held_out, 100))?.accuracy())
}
