//! `supple serve`
use super::{End, Opened, demand_kept, policy, read_ladder, simulate};
use crate::calibration::{settings, turns};
use crate::gauge::Gauge;
use crate::live::{Conditions, Replay, serve_live};
use crate::machine::Tid;
use crate::options::Serve;
use crate::stop;
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};
use supple_executor::{Batch, Executor};
use supple_sim::fidelity::Observed;
use supple_sim::{Allowance, Looks, Report, Run, Scenario, Speeds, Stage, Timing, Trace};
use supple_strategy::Ladder;

/// Serves a scenario live, once a policy, and simulates the same where asked.
///
/// # Errors
/// When something cannot be read or written, the ladder is of another model or machine, or the share cannot be applied.
pub fn run(options: &Serve) -> Result<End> {
    let (scenario, trace) = options.play.scenario()?;
    let ladder = read_ladder(&options.ladder)?;
    let batch = scenario.request.batch as usize;
    let Opened { model, data, mut executor, batches, stamp } = options.source.open(&options.common, batch)?;
    ladder.stamp.matches(&stamp).with_context(|| options.ladder.display().to_string())?;
    if scenario.training.is_some() {
        bail!("{}: has a table [training]; use `supple train --scenario`", options.play.scenario);
    }
    let names = options.play.policies();
    for name in &names {
        policy(name, &scenario, &ladder)?;
    }
    let gauge = Gauge::of(&model, &data, executor.backend())?;
    let conditions = Conditions { scenario: &scenario, trace: &trace, workers: &[Tid::current()], gauge: Some(&gauge) };
    let live = runs(&mut executor, &ladder, &batches, conditions, &names)?;
    let report =
        if options.simulated { side_by_side(&scenario, &trace, &ladder, live)? } else { live_only(&scenario, live) };
    simulate::print(&report, options.common.json)?;
    options.play.write(&report, &trace)?;
    Ok(if stop::asked() { End::Interrupted } else { demand_kept(&report, &scenario) })
}

/// A live run with where its time went, the rungs and the gauge looked at before and after it, and the machine's speed meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub run: Run,
    pub observed: Observed,
    pub looks: Looks,
    pub speeds: Speeds,
    pub probe: Vec<Duration>,
    /// What the gauge took of the processor.
    pub gauge: Option<Allowance>,
}

fn live_only(scenario: &Scenario, live: Vec<Live>) -> Report {
    Report::new(scenario, live.into_iter().map(|live| live.run).collect())
}

/// The live runs, and each simulated with the service times that were measured just before and after it, at the machine's speed meanwhile.
pub(crate) fn side_by_side(scenario: &Scenario, trace: &Trace, ladder: &Ladder, live: Vec<Live>) -> Result<Report> {
    let mut simulated = Vec::with_capacity(live.len());
    let powers = Looks::together(live.iter().map(|live| &live.looks)).powers(ladder.rungs().len());
    for Live { run, observed, looks, speeds, gauge, .. } in &live {
        let mut policy = policy(&run.policy, scenario, ladder)?;
        let timing = Timing { tick_ms: scenario.device.tick_ms, powers: powers.clone(), ..Timing::default() };
        let machine = ladder.with_services(looks.services(&timing.powers)?)?;
        let speed = speeds.trace(looks.reference_beside(observed.rungs()))?;
        let stage = Stage::new(scenario, ladder, trace)?.on(&machine).timed(&timing).at_speed(&speed).gauged(*gauge);
        simulated.push(stage.serve(policy.as_mut(), &run.policy)?);
    }
    Ok(Report::new(scenario, live.into_iter().map(|live| live.run).chain(simulated).collect()))
}

/// How long the rungs are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// One live run a policy, the rungs looked at before and after; stops early when the user asks.
pub(crate) fn runs(
    executor: &mut Executor,
    ladder: &Ladder,
    batches: &[Batch],
    conditions: Conditions<'_>,
    names: &[String],
) -> Result<Vec<Live>> {
    let input = batches.first().context("held-out data: expected at least one row")?;
    let gauge = conditions.gauge.context("a live run: expected a gauge of the machine's speed")?;
    let settings = settings(executor, ladder)?;
    let mut runs = Vec::with_capacity(names.len());
    for name in names {
        let mut policy = policy(name, conditions.scenario, ladder)?;
        eprintln!("live {name}: {:.0} s", conditions.scenario.duration().seconds());
        let origin = Instant::now();
        let look = |executor: &mut Executor| {
            let begun = Instant::now();
            turns(executor, gauge, &settings, input, origin, |_| begun.elapsed() < LOOK)
        };
        let mut looks = look(executor)?;
        let (run, replay) = serve_live(executor, ladder, batches, conditions, (name, policy.as_mut()))?;
        looks.0.extend(look(executor)?.0);
        let lateness = 1e3 * replay.worst_lateness.as_secs_f64();
        eprintln!("  {}; latest change {lateness:.1} ms late", replay.mechanism);
        let service = replay.service(run.records.len());
        let observed = Observed::of_serving(&run, service, replay.switches.clone());
        let Replay { speeds, probe, gauge, .. } = replay;
        runs.push(Live { run, observed, looks, speeds, probe, gauge });
        if stop::asked() {
            break;
        }
    }
    Ok(runs)
}
