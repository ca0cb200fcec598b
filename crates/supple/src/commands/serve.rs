//! `supple serve`
use super::{End, demand_kept, policy, read_ladder, simulate};
use crate::live::serve_live;
use crate::options::Serve;
use crate::{samples, stop};
use anyhow::{Context, Result, bail};
use supple_executor::{Batch, Executor};
use supple_sim::{Report, Run, Scenario, Trace};
use supple_strategy::Ladder;

/// Serves a scenario live, once a policy, and simulates the same where asked.
///
/// # Errors
/// When something cannot be read or written, the ladder is of another model or machine, or the share cannot be applied.
pub fn run(options: &Serve) -> Result<End> {
    let (scenario, trace) = options.play.scenario()?;
    let ladder = read_ladder(&options.ladder)?;
    let model = options.source.model()?;
    let data = options.source.data(&model)?;
    let backend = options.common.backend()?;
    let threads = usize::from(options.source.threads);
    let batch = scenario.request.batch as usize;
    let here = model.stamp(backend, threads, batch, &data.name);
    ladder.stamp.matches(&here).with_context(|| options.ladder.display().to_string())?;
    if scenario.training.is_some() {
        bail!("{}: has a table [training]; use `supple train --scenario`", options.play.scenario);
    }
    let names = options.play.policies();
    for name in &names {
        policy(name, &scenario, &ladder)?;
    }
    let mut executor = model.executor(backend)?.with_threads(threads);
    let batches = samples::fresh(&data.held_out, batch);
    let mut all = runs(&mut executor, &ladder, &batches, &scenario, &trace, &names)?;
    if options.simulated {
        all.extend(simulate::runs(&scenario, &trace, &ladder, &names)?);
    }
    let report = Report::new(&scenario, all);
    simulate::print(&report, options.common.json)?;
    options.play.write(&report, &trace)?;
    Ok(if stop::asked() { End::Interrupted } else { demand_kept(&report, &scenario) })
}

/// One live run a policy; stops early when the user asks.
pub(crate) fn runs(
    executor: &mut Executor,
    ladder: &Ladder,
    batches: &[Batch],
    scenario: &Scenario,
    trace: &Trace,
    names: &[String],
) -> Result<Vec<Run>> {
    let mut runs = Vec::with_capacity(names.len());
    for name in names {
        let mut policy = policy(name, scenario, ladder)?;
        eprintln!("live {name}: {:.0} s", scenario.duration().seconds());
        let (run, replay) = serve_live(executor, ladder, batches, scenario, trace, (name, policy.as_mut()))?;
        eprintln!("  {}; latest change {:.1} ms late", replay.mechanism, 1e3 * replay.worst_lateness.as_secs_f64());
        runs.push(run);
        if stop::asked() {
            break;
        }
    }
    Ok(runs)
}
