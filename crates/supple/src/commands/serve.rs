//! `supple serve`
use super::{End, Opened, demand_kept, policy, read_ladder, simulate};
use crate::live::serve_live;
use crate::options::Serve;
use crate::stop;
use anyhow::{Context, Result, bail};
use std::time::Duration;
use supple_executor::{Batch, Executor, measure};
use supple_graph::Setting;
use supple_sim::fidelity::Observed;
use supple_sim::{Report, Run, Scenario, Stage, Trace};
use supple_strategy::{Ladder, Spread};

/// Serves a scenario live, once a policy, and simulates the same where asked.
///
/// # Errors
/// When something cannot be read or written, the ladder is of another model or machine, or the share cannot be applied.
pub fn run(options: &Serve) -> Result<End> {
    let (scenario, trace) = options.play.scenario()?;
    let ladder = read_ladder(&options.ladder)?;
    let batch = scenario.request.batch as usize;
    let Opened { mut executor, batches, stamp, .. } = options.source.open(&options.common, batch)?;
    ladder.stamp.matches(&stamp).with_context(|| options.ladder.display().to_string())?;
    if scenario.training.is_some() {
        bail!("{}: has a table [training]; use `supple train --scenario`", options.play.scenario);
    }
    let names = options.play.policies();
    for name in &names {
        policy(name, &scenario, &ladder)?;
    }
    let live = runs(&mut executor, &ladder, &batches, &scenario, &trace, &names)?;
    let report =
        if options.simulated { side_by_side(&scenario, &trace, &ladder, live)? } else { live_only(&scenario, live) };
    simulate::print(&report, options.common.json)?;
    options.play.write(&report, &trace)?;
    Ok(if stop::asked() { End::Interrupted } else { demand_kept(&report, &scenario) })
}

/// A live run with where its time went, and the service times that the machine had around it.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub run: Run,
    pub observed: Observed,
    pub machine: Ladder,
    pub probe: Vec<Duration>,
}

fn live_only(scenario: &Scenario, live: Vec<Live>) -> Report {
    Report::new(scenario, live.into_iter().map(|live| live.run).collect())
}

/// The live runs, and each simulated with the service times that were measured just before and after it.
pub(crate) fn side_by_side(scenario: &Scenario, trace: &Trace, ladder: &Ladder, live: Vec<Live>) -> Result<Report> {
    let mut simulated = Vec::with_capacity(live.len());
    for Live { run, machine, .. } in &live {
        let mut policy = policy(&run.policy, scenario, ladder)?;
        let stage = Stage::new(scenario, ladder, trace)?.on(machine);
        simulated.push(stage.serve(policy.as_mut(), &run.policy)?);
    }
    Ok(Report::new(scenario, live.into_iter().map(|live| live.run).chain(simulated).collect()))
}

/// Runs of each rung in one look at the machine's speed.
const LOOK: usize = 60;

/// Service times of the rungs now.
fn look(executor: &mut Executor, ladder: &Ladder, input: &Batch) -> Result<Vec<Vec<f64>>> {
    let settings: Vec<Setting> = ladder.rungs().iter().map(|rung| rung.setting.clone()).collect();
    settings.iter().try_for_each(|setting| executor.prepare(setting))?;
    Ok(measure::service_times(executor, &settings, &input.input, LOOK)?)
}

/// One live run a policy, the machine's speed looked at before and after; stops early when the user asks.
pub(crate) fn runs(
    executor: &mut Executor,
    ladder: &Ladder,
    batches: &[Batch],
    scenario: &Scenario,
    trace: &Trace,
    names: &[String],
) -> Result<Vec<Live>> {
    let input = batches.first().context("held-out data: expected at least one row")?;
    let mut runs = Vec::with_capacity(names.len());
    for name in names {
        let mut policy = policy(name, scenario, ladder)?;
        eprintln!("live {name}: {:.0} s", scenario.duration().seconds());
        let mut services = look(executor, ladder, input)?;
        let (run, replay) = serve_live(executor, ladder, batches, scenario, trace, (name, policy.as_mut()))?;
        let after = look(executor, ladder, input)?;
        services.iter_mut().zip(after).for_each(|(times, after)| times.extend(after));
        let lateness = 1e3 * replay.worst_lateness.as_secs_f64();
        eprintln!("  {}; latest change {lateness:.1} ms late", replay.mechanism);
        let spreads = services.into_iter().map(Spread::of).collect::<Result<_, _>>()?;
        let probe = replay.probe.clone();
        let observed = Observed::of_serving(&run, replay.service(run.records.len()), replay.switches);
        runs.push(Live { run, observed, machine: ladder.with_services(spreads)?, probe });
        if stop::asked() {
            break;
        }
    }
    Ok(runs)
}
