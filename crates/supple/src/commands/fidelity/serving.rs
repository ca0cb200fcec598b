//! Requests served live and simulated.
use super::both::Pair;
use crate::calibration::{LEAST_SHARE, calibrate};
use crate::commands::serve::{Live, runs};
use crate::commands::{Opened, policy, read_json, read_ladder};
use crate::gauge::Gauge;
use crate::live::Conditions;
use crate::machine::Tid;
use crate::options::Fidelity;
use crate::stop;
use crate::throttle::probe::phase_ms;
use anyhow::{Context, Result};
use std::time::Duration;
use supple_sim::fidelity::Observed;
use supple_sim::timing::Cold;
use supple_sim::{Calibration, Looks, Scenario, Stage, Timing, Trace};
use supple_strategy::{Ladder, Spread};

/// Each policy's runs live, one in each scene, and their twins: one on the machine as it was calibrated, with the rungs' times just before and after the run, as fast as the gauge found it, and with the powers of its speed that the
/// looks at all runs tell; one with the service times of the run itself, so that what is left is not the machine's.
///
/// # Errors
/// When something cannot be read, the ladder is of another model or machine, or the share cannot be applied.
pub(crate) fn both(options: &Fidelity, scenes: &[(Scenario, Trace)], names: &[String]) -> Result<Vec<Pair>> {
    let (scenario, _) = scenes.first().context("fidelity: expected a run")?;
    let ladder = read_ladder(&options.ladder)?;
    let batch = scenario.request.batch as usize;
    let Opened { model, data, mut executor, batches, stamp } = options.source.open(&options.common, batch)?;
    ladder.stamp.matches(&stamp).with_context(|| options.ladder.display().to_string())?;
    let gauge = Gauge::of(&model, &data, executor.backend())?;
    let mut calibration = match &options.calibration {
        Some(file) => read_json::<Calibration>(file)?,
        None => {
            let period = Duration::from_secs_f64(scenario.device.period_ms / 1e3);
            calibrate(&mut executor, &gauge, &ladder, &batches, period)?
        }
    };
    if scenes.iter().flat_map(|(_, trace)| trace.points()).any(|(_, share)| *share < LEAST_SHARE) {
        eprintln!(
            "note: the trace has shares below {LEAST_SHARE}, which calibration does not try: the twins' stalls there are not validated"
        );
    }
    let mut all = Vec::new();
    for (run, (scenario, trace)) in scenes.iter().enumerate() {
        let conditions = Conditions { scenario, trace, workers: &[Tid::current()], gauge: Some(&gauge) };
        let live = runs(&mut executor, &ladder, &batches, conditions, names)?;
        all.extend(live.into_iter().map(|live| (run, live)));
        if stop::asked() {
            break;
        }
    }
    let looks = Looks::together(all.iter().map(|(_, live)| &live.looks));
    calibration.timing.powers = looks.powers(ladder.rungs().len());
    let pair = |(run, live): (usize, Live)| {
        let (scenario, trace) = &scenes[run];
        let calibration = calibration.renewed(&live.looks, live.observed.rungs())?;
        Twins { scenario, trace, ladder: &ladder, calibration }.beside(run, live)
    };
    all.into_iter().map(pair).collect()
}

/// What the twins of a live run are made of.
struct Twins<'a> {
    scenario: &'a Scenario,
    trace: &'a Trace,
    ladder: &'a Ladder,
    calibration: Calibration,
}

impl Twins<'_> {
    fn beside(&self, run: usize, live: Live) -> Result<Pair> {
        let speed = self.speed(&live)?;
        let (simulated, given) = (self.of(&live, &speed)?, Some(self.given(&live)?));
        Ok(Pair { run, live: live.observed, simulated, given, speed })
    }

    /// The machine's speed in a live run: without what missing memory bandwidth did to the gauge, since the twin knows that by itself.
    fn speed(&self, live: &Live) -> Result<Trace> {
        let gauge = self.calibration.gauge;
        let speeds = match self.scenario.bandwidth_trace()? {
            Some(free) => live.speeds.clone().without(&free, gauge.bandwidth),
            None => live.speeds.clone(),
        };
        Ok(speeds.trace(gauge.seconds)?)
    }

    /// As calibrated, at this speed.
    fn of(&self, live: &Live, speed: &Trace) -> Result<Observed> {
        let machine = self.calibration.machine(self.ladder)?;
        self.observe(live, &machine, &self.timing(live), speed)
    }

    /// With the service times of the run.
    fn given(&self, live: &Live) -> Result<Observed> {
        let machine = self.calibration.machine(self.ladder)?;
        let rungs = machine.rungs().iter().enumerate();
        let services = rungs.map(|(number, rung)| of_run(live, number, &rung.service)).collect();
        let timing = Timing { cold: Cold::default(), bandwidth: vec![0.0], ..self.timing(live) };
        self.observe(live, &machine.with_services(services)?, &timing, &Trace::constant(1.0)?)
    }

    /// As calibrated, with the ticks where they were just before the run.
    fn timing(&self, live: &Live) -> Timing {
        let timing = &self.calibration.timing;
        Timing { phase_ms: phase_ms(&live.probe, timing.tick_ms), ..timing.clone() }
    }

    fn observe(&self, live: &Live, machine: &Ladder, timing: &Timing, speed: &Trace) -> Result<Observed> {
        let stage = Stage::new(self.scenario, self.ladder, self.trace)?.on(machine).timed(timing).at_speed(speed);
        let stage = stage.gauged(live.gauge);
        let mut policy = policy(&live.run.policy, self.scenario, self.ladder)?;
        Ok(stage.observe(policy.as_mut(), &live.run.policy)?.1)
    }
}

/// Runs of a rung that make its own service times better than those calibrated.
const ENOUGH: usize = 30;

/// What a rung took in the run itself, where it ran often enough.
fn of_run(live: &Live, rung: usize, calibrated: &Spread) -> Spread {
    let Observed { records, service, .. } = &live.observed;
    let ran = records.iter().zip(service).filter(|(record, _)| record.rung == rung && record.finished.is_some());
    let seconds: Vec<f64> = ran.map(|(_, service)| service.seconds()).collect();
    let own = if seconds.len() < ENOUGH { None } else { Spread::of(seconds).ok() };
    own.unwrap_or_else(|| calibrated.clone())
}
