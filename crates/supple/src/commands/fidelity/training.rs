//! Training steps made live and simulated.
use super::both::Pair;
use crate::commands::train_scenario::{SEED, deadline, step_ladder};
use crate::commands::{policy, read_json};
use crate::gauge::Gauge;
use crate::ladders::guide_trainer;
use crate::live::{Conditions, Replay, train_live};
use crate::machine::{Tid, processor_time};
use crate::model::Model;
use crate::options::Fidelity;
use crate::stop;
use crate::throttle::probe::phase_ms;
use crate::training::Batches;
use anyhow::{Context, Result};
use std::slice::from_ref;
use std::time::Instant;
use supple_executor::{AdamConfig, Backend, Batch, Trainer};
use supple_graph::Setting;
use supple_models::ModelName;
use supple_sim::fidelity::Observed;
use supple_sim::speeds::geometric_mean;
use supple_sim::timing::Cold;
use supple_sim::{Calibration, Look, Looks, Scenario, Stage, Timing, Trace, TrainingRun};
use supple_strategy::{Ladder, Nanos};

/// Turns of all rungs in one look, and steps of a rung in one turn.
const LOOK: [usize; 2] = [6, 3];

/// Each policy's training runs live, one in each scene, and simulated: on one thread, from fresh weights; the steps are timed before and after each live run.
///
/// # Errors
/// When the scenario has no training, data or calibration cannot be read, the share cannot be applied or a step fails.
pub(crate) fn both(options: &Fidelity, scenes: &[(Scenario, Trace)], names: &[String]) -> Result<Vec<Pair>> {
    let (scenario, _) = scenes.first().context("fidelity: expected a run")?;
    let wanted = scenario.training.as_ref().context("training: expected a table [training]")?;
    let name: ModelName = options.source.model.parse()?;
    let data = supple_models::load(name, options.source.data.as_deref(), SEED)?;
    let (model, backend) = (Model::fresh(name, &data, SEED)?, options.common.backend()?);
    let mut batches = Batches::new(&data.train, SEED, wanted.batch as usize);
    let input = batches.of_step(0);
    let stamp = model.stamp(backend, 1, wanted.batch as usize, &data.name);
    let ladder = step_ladder(fresh(&model, backend)?, &input, stamp)?;
    let gauge = Gauge::of_steps(&model, &data, backend)?;
    let timing = timing(options)?;
    let lesson = |run: usize| {
        let (scenario, trace) = &scenes[run];
        Lesson { scenario, trace, model: &model, backend, ladder: &ladder, input: &input, gauge: &gauge }
    };
    let mut all = Vec::new();
    for (run, name) in (0..scenes.len()).flat_map(|run| names.iter().map(move |name| (run, name))) {
        eprintln!("live {name}: {} steps by {:.1} s", wanted.steps, deadline(&scenes[run].0, &ladder));
        all.push((run, lesson(run).live(name, &mut batches)?));
        if stop::asked() {
            break;
        }
    }
    let powers = Looks::together(all.iter().map(|(_, live)| &live.looks)).powers(ladder.rungs().len());
    let timing = Timing { powers, ..timing };
    all.into_iter().map(|(run, live)| lesson(run).beside(run, live, &timing)).collect()
}

/// A live run, and the steps of all rungs before and after it.
struct Live {
    trained: TrainingRun,
    replay: Replay,
    looks: Looks,
}

/// What requests' calibration says of the machine: tick, waits, and what dense work takes more after a stop; of steps it measured nothing.
fn timing(options: &Fidelity) -> Result<Timing> {
    let Some(file) = &options.calibration else { return Ok(Timing::default()) };
    let timing = read_json::<Calibration>(file)?.timing;
    let mut cold = timing.cold;
    cold.added_s.truncate(1);
    Ok(Timing { bandwidth: Vec::new(), cold: Cold { changed_s: Vec::new(), ..cold }, ..timing })
}

fn fresh(model: &Model, backend: Backend) -> Result<Trainer> {
    model.trainer(AdamConfig::default(), backend)
}

/// What every policy trains alike.
struct Lesson<'a> {
    scenario: &'a Scenario,
    trace: &'a Trace,
    model: &'a Model,
    backend: Backend,
    ladder: &'a Ladder,
    input: &'a Batch,
    gauge: &'a Gauge,
}

impl Lesson<'_> {
    fn live(&self, name: &str, batches: &mut Batches<'_>) -> Result<Live> {
        let (mut looks, origin) = (Looks::default(), Instant::now());
        self.look(&mut looks, origin)?;
        let (scenario, trace, gauge) = (self.scenario, self.trace, Some(self.gauge));
        let conditions = Conditions { scenario, trace, workers: &[Tid::current()], gauge };
        let (mut guide, mut trainer) = (policy(name, scenario, self.ladder)?, fresh(self.model, self.backend)?);
        let batch = |step| batches.of_step(step);
        let (trained, replay) = train_live(&mut trainer, self.ladder, batch, conditions, (name, guide.as_mut()))?;
        self.look(&mut looks, origin)?;
        Ok(Live { trained, replay, looks })
    }

    /// The run with its twin: the steps that were looked at, on a machine as fast as the gauge found it.
    fn beside(&self, run: usize, Live { trained, replay, looks }: Live, timing: &Timing) -> Result<Pair> {
        let live = Observed::of_training(&trained, replay.service(trained.records.len()), replay.switches);
        let speed = replay.speeds.trace(looks.reference_beside(live.rungs()))?;
        let machine = self.ladder.with_services(looks.services(&timing.powers)?)?;
        let timing = Timing { phase_ms: phase_ms(&replay.probe, timing.tick_ms), ..timing.clone() };
        let stage = Stage::new(self.scenario, self.ladder, self.trace)?.on(&machine).timed(&timing).at_speed(&speed);
        let mut guide = policy(&trained.policy, self.scenario, self.ladder)?;
        let (_, simulated) = stage.gauged(replay.gauge).observe_training(guide.as_mut(), &trained.policy)?;
        Ok(Pair { run, live, simulated, given: None, speed })
    }

    /// Looks at the steps of all rungs.
    fn look(&self, looks: &mut Looks, origin: Instant) -> Result<()> {
        let [turns, steps] = LOOK;
        let mut trainer = fresh(self.model, self.backend)?;
        guide_trainer(&mut trainer, &self.ladder.layers);
        let settings: Vec<Setting> = self.ladder.rungs().iter().map(|rung| rung.setting.clone()).collect();
        for (rung, setting) in (0..turns).flat_map(|_| settings.iter().enumerate()) {
            let when = Nanos(origin.elapsed().as_nanos() as u64);
            let (mut times, mut gauges) = (Vec::new(), Vec::new());
            trainer.thin_anew();
            for _ in 0..=steps {
                let before = processor_time();
                trainer.step(self.input, from_ref(setting))?;
                times.push((processor_time() - before).seconds());
                gauges.push(self.gauge.seconds()?);
            }
            looks.0.push(Look {
                when,
                rung,
                changed: times[0],
                times: times.split_off(1),
                gauge: geometric_mean(&gauges),
            });
        }
        Ok(())
    }
}
