//! The executor as a plant, under a CPU share that really moves.
use crate::gauge::{Gauge, Watching};
use crate::hog::Hog;
use crate::ladders::{guide_executor, guide_trainer};
use crate::machine::{Tid, processor_time};
use crate::stop;
use crate::throttle::{Player, Throttle, probe};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use supple_executor::{Batch, Executor, Score, Trainer};
use supple_graph::Setting;
use supple_sim::{Allowance, PlantName, Run, Scenario, Speeds, Trace, TrainingRun};
use supple_strategy::drive::{serve, train};
use supple_strategy::{Changing, Job, Ladder, Nanos, Outcome, Plant, Policy};

/// What runs a piece of work: an executor or a trainer.
trait Engine {
    fn apply(&mut self, setting: &Setting) -> Result<()>;
    fn run(&mut self, job: Job) -> Result<Score>;
}

/// An engine with a real clock. It notes the processor time of each piece of work, how long each change of the setting took, and how fast the machine is.
struct LivePlant<'a, E> {
    engine: E,
    watch: Option<Watching<'a>>,
    origin: Instant,
    end: Option<Nanos>,
    service: BTreeMap<usize, Nanos>,
    setting: Option<Setting>,
    switches: Vec<Nanos>,
}

impl<E: Engine> Plant for LivePlant<'_, E> {
    type Error = anyhow::Error;

    fn now(&mut self) -> Nanos {
        Nanos(self.origin.elapsed().as_nanos() as u64)
    }

    fn between(&mut self) -> Result<()> {
        let now = self.now();
        self.watch.as_mut().map_or(Ok(()), |watch| watch.busy(now))
    }

    fn wait(&mut self, when: Nanos) -> Result<()> {
        let now = self.now();
        self.watch.as_mut().map_or(Ok(()), |watch| watch.idle(now, when.since(now)))?;
        while !stop::asked() {
            let left = when.since(self.now());
            if left == Nanos::ZERO {
                break;
            }
            std::thread::sleep(Duration::from_nanos(left.0).min(Duration::from_millis(100)));
        }
        let now = self.now();
        if let Some(watch) = &mut self.watch {
            watch.waited(now);
        }
        Ok(())
    }

    fn apply(&mut self, setting: &Setting) -> Result<()> {
        let start = self.now();
        self.engine.apply(setting)?;
        let took = self.now() - start;
        if self.setting.as_ref().is_some_and(|before| before != setting) {
            self.switches.push(took);
        }
        self.setting = Some(setting.clone());
        Ok(())
    }

    fn run(&mut self, job: Job) -> Result<Outcome> {
        let (begun, start) = (self.now(), processor_time());
        let score = self.engine.run(job)?;
        let took = processor_time() - start;
        let wall = self.now() - begun;
        if let Some(watch) = &mut self.watch {
            watch.worked(wall, took);
        }
        let (Job::Request(number) | Job::Step(number)) = job;
        self.service.insert(number, took);
        Ok(Outcome { right: score.right, of: score.of })
    }

    fn stopped(&self) -> bool {
        stop::asked() || self.end.is_some_and(|end| self.origin.elapsed().as_nanos() as u64 >= end.0)
    }
}

/// Answers requests, each about the next batch of fresh rows.
struct Server<'a> {
    executor: &'a mut Executor,
    batches: &'a [Batch],
}

impl Engine for Server<'_> {
    fn apply(&mut self, setting: &Setting) -> Result<()> {
        Ok(self.executor.apply(setting)?)
    }

    fn run(&mut self, job: Job) -> Result<Score> {
        let (Job::Request(i) | Job::Step(i)) = job;
        let batch = &self.batches[i % self.batches.len()];
        Ok(batch.score(&self.executor.run(&batch.input)?))
    }
}

/// Makes training steps at one setting each.
struct Learner<'a, F> {
    trainer: &'a mut Trainer,
    batch: F,
    setting: Setting,
}

impl<F: FnMut(usize) -> Batch> Engine for Learner<'_, F> {
    fn apply(&mut self, setting: &Setting) -> Result<()> {
        self.setting = setting.clone();
        Ok(())
    }

    fn run(&mut self, job: Job) -> Result<Score> {
        let (Job::Request(i) | Job::Step(i)) = job;
        self.trainer.step(&(self.batch)(i), std::slice::from_ref(&self.setting))?;
        Ok(Score::default())
    }
}

/// What was done to the machine during a live run, and where the time went.
#[derive(Clone, Debug)]
pub struct Replay {
    /// How the share was applied.
    pub mechanism: String,
    /// By how much the latest change came too late.
    pub worst_lateness: Duration,
    /// What the quota did to this thread when it spun just before: runs from refill to tick.
    pub probe: Vec<Duration>,
    /// Processor time of the pieces of work of this thread, by number.
    service: BTreeMap<usize, Nanos>,
    /// Time of each change of the rung.
    pub switches: Vec<Nanos>,
    /// What the gauge took beside the work of this thread; nothing without one.
    pub speeds: Speeds,
    /// What the gauge takes of the processor, where there is one.
    pub gauge: Option<Allowance>,
}

/// What a live run is made under.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The share over time.
    pub trace: &'a Trace,
    /// The threads that it is applied to.
    pub workers: &'a [Tid],
    /// What tells the machine's speed meanwhile, on this thread.
    pub gauge: Option<&'a Gauge>,
}

impl Replay {
    /// Processor time of each of so many pieces of work; zero for those that never ran.
    pub fn service(&self, pieces: usize) -> Vec<Nanos> {
        (0..pieces).map(|number| self.service.get(&number).copied().unwrap_or_default()).collect()
    }
}

/// The changes of a trace until `length`, as spans from its start.
fn changes(trace: &Trace, length: Nanos) -> Vec<(Duration, f64)> {
    let mut changes = vec![(Duration::ZERO, trace.at(Nanos::ZERO))];
    let mut at = Nanos::ZERO;
    while let Some(next) = trace.next_change(at).filter(|next| *next <= length) {
        changes.push((Duration::from_nanos(next.0), trace.at(next)));
        at = next;
    }
    changes
}

/// Runs `drive` on a plant while the trace's share is applied to the threads that compute.
fn under_trace<'a, E: Engine, T>(
    engine: E,
    Conditions { scenario, trace, workers, gauge }: Conditions<'a>,
    length: Nanos,
    drive: impl FnOnce(&mut LivePlant<'a, E>) -> Result<T>,
) -> Result<(T, Replay)> {
    let watch = gauge.map(|gauge| Watching::new(gauge, trace)).transpose()?;
    let period = Duration::from_secs_f64(scenario.device.period_ms / 1e3);
    let player = Player::waiting()?;
    let hog = scenario.bandwidth_trace()?.map(|_| Hog::waiting()).transpose()?;
    let mut throttle = Throttle::open(workers, period).context("applying the CPU share")?;
    let mechanism = throttle.describe();
    let probe = if workers == [Tid::current()] { probe::runs(&mut throttle)? } else { Vec::new() };
    log::info!("{mechanism}");
    let origin = Instant::now();
    let player = player.start(throttle, changes(trace, length), origin)?;
    let (service, switches) = (BTreeMap::new(), Vec::new());
    let mut plant = LivePlant { engine, watch, origin, end: trace.stops_at(), service, setting: None, switches };
    if let (Some(hog), Some(free)) = (&hog, scenario.bandwidth_trace()?) {
        hog.start(changes(&free, length), origin)?;
    }
    let made = drive(&mut plant);
    drop(hog);
    let played = player.stop()?;
    let worst_lateness = played.worst_lateness();
    if let Some(failure) = &played.failure {
        log::warn!("the CPU share could not be applied throughout: {failure}");
    }
    drop(played);
    let LivePlant { service, switches, watch, .. } = plant;
    let gauge = watch.as_ref().map(Watching::allowance);
    let speeds = watch.map(|watch| watch.speeds).unwrap_or_default();
    Ok((made?, Replay { mechanism, worst_lateness, probe, service, switches, speeds, gauge }))
}

/// Serves the scenario's requests live, on this thread.
///
/// # Errors
/// When the share cannot be applied or a request cannot be run; when requests are to be of several sizes.
pub fn serve_live(
    executor: &mut Executor,
    ladder: &Ladder,
    batches: &[Batch],
    conditions: Conditions<'_>,
    policy: (&str, &mut dyn Policy),
) -> Result<(Run, Replay)> {
    let Conditions { scenario, trace, .. } = conditions;
    let origin = scenario.origin().display();
    ensure!(
        scenario.load.size.is_none(),
        "{origin}: load.size: expected none live, where every request is a batch of its model"
    );
    let mut requests = scenario.requests(ladder)?;
    requests.retain(|request| trace.stops_at().is_none_or(|end| request.arrival < end));
    guide_executor(executor, &ladder.layers);
    for rung in ladder.rungs() {
        executor.prepare(&rung.setting)?;
        executor.apply(&rung.setting)?;
        executor.run(&batches[0].input)?;
    }
    let length = scenario.duration() + scenario.duration();
    let server = Server { executor, batches };
    let (name, policy) = policy;
    let mut policy = Changing::new(policy, scenario.changes(ladder));
    let (records, replay) =
        under_trace(server, conditions, length, |plant| serve(plant, &requests, ladder, &mut policy))?;
    Ok((Run::of(name, PlantName::Live, requests.len(), records, ladder), replay))
}

/// Makes the scenario's training steps live.
///
/// # Errors
/// When the scenario has no training, the share cannot be applied or a step fails.
pub fn train_live(
    trainer: &mut Trainer,
    ladder: &Ladder,
    batch: impl FnMut(usize) -> Batch,
    conditions: Conditions<'_>,
    policy: (&str, &mut dyn Policy),
) -> Result<(TrainingRun, Replay)> {
    let scenario = conditions.scenario;
    let training = scenario.training.as_ref().context("scenario: expected a table [training]")?;
    let deadline = training.deadline(ladder.rungs()[0].service.median());
    guide_trainer(trainer, &ladder.layers);
    let learner = Learner { trainer, batch, setting: ladder.rungs()[0].setting.clone() };
    let (name, policy) = policy;
    let mut policy = Changing::new(policy, scenario.changes(ladder));
    let (records, replay) = under_trace(learner, conditions, deadline, |plant| {
        train(plant, training.steps, deadline, ladder, &mut policy)
    })?;
    Ok((TrainingRun::of(name, PlantName::Live, training.steps, deadline, records, ladder), replay))
}
