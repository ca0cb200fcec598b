//! `supple fidelity`
use super::serve::{Live, runs};
use super::{End, Opened, policy, read_json, read_ladder, table};
use crate::calibration::calibrate;
use crate::options::Fidelity;
use crate::stop;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::time::Duration;
use supple_sim::fidelity::{Deviation, Observed, deviations, kendall_tau};
use supple_sim::{Calibration, Scenario, Stage, Trace};
use supple_strategy::Ladder;

/// Runs a scenario live and simulated, and tells how far they are from each other, component by component.
///
/// # Errors
/// When something cannot be read, the ladder is of another model or machine, or the share cannot be applied.
pub fn run(options: &Fidelity) -> Result<End> {
    let (mut scenario, mut trace) = options.play.scenario()?;
    if let Some(seconds) = options.duration {
        scenario = scenario.lasting(seconds)?;
        trace = scenario.trace(options.play.traces.as_deref())?;
    }
    let names = options.play.policies();
    let (live, simulated) = if scenario.training.is_some() {
        super::train_scenario::observed(options, &scenario, &trace, &names)?
    } else {
        serving(options, &scenario, &trace, &names)?
    };
    print(options, &live, &simulated)?;
    Ok(if stop::asked() { End::Interrupted } else { End::Done })
}

/// What is seen live, and simulated.
pub(crate) type BothSides = (Vec<Observed>, Vec<Observed>);

fn serving(options: &Fidelity, scenario: &Scenario, trace: &Trace, names: &[String]) -> Result<BothSides> {
    let ladder = read_ladder(&options.ladder)?;
    let batch = scenario.request.batch as usize;
    let Opened { mut executor, batches, stamp, .. } = options.source.open(&options.common, batch)?;
    ladder.stamp.matches(&stamp).with_context(|| options.ladder.display().to_string())?;
    let calibration = match &options.calibration {
        Some(file) => read_json::<Calibration>(file)?,
        None => {
            let period = Duration::from_secs_f64(scenario.device.period_ms / 1e3);
            calibrate(&mut executor, &ladder, &batches, stamp, period)?
        }
    };
    let live = runs(&mut executor, &ladder, &batches, scenario, trace, names)?;
    let simulated =
        live.iter().map(|live| simulated(scenario, trace, &ladder, &calibration, live)).collect::<Result<_>>()?;
    Ok((live.into_iter().map(|live| live.observed).collect(), simulated))
}

/// The simulated twin of a live run: timing and quality of the calibration, service times as the machine had them just before and after the run.
fn simulated(
    scenario: &Scenario,
    trace: &Trace,
    ladder: &Ladder,
    calibration: &Calibration,
    live: &Live,
) -> Result<Observed> {
    let services = live.machine.rungs().iter().map(|rung| rung.service.clone()).collect();
    let machine = calibration.machine(ladder)?.with_services(services)?;
    let stage = Stage::new(scenario, ladder, trace)?.on(&machine).timed(&calibration.timing);
    let mut policy = policy(&live.run.policy, scenario, ladder)?;
    Ok(stage.observe(policy.as_mut(), &live.run.policy)?.1)
}

fn print(options: &Fidelity, live: &[Observed], simulated: &[Observed]) -> Result<()> {
    if live.is_empty() || live.len() != simulated.len() {
        bail!("fidelity: expected a run of each policy live and simulated");
    }
    let all: Vec<Deviation> = live.iter().zip(simulated).flat_map(|(live, sim)| deviations(live, sim)).collect();
    let worth = |runs: &[Observed]| runs.iter().map(Observed::worth).collect::<Vec<_>>();
    let tau = kendall_tau(&worth(live), &worth(simulated));
    if options.common.json {
        for deviation in &all {
            println!("{}", serde_json::to_string(deviation)?);
        }
        println!("{}", json!({ "kendall_tau": tau }));
        return Ok(());
    }
    let row = |deviation: &Deviation| {
        let points = matches!(&*deviation.metric, "miss_rate" | "accuracy" | "right_in_time");
        let (scale, unit) = if points { (1.0, "points") } else { (100.0, "%") };
        vec![
            deviation.policy.clone(),
            deviation.component.clone(),
            deviation.metric.clone(),
            format!("{:.4}", deviation.live),
            format!("{:.4}", deviation.sim),
            format!("{:+.2}", scale * deviation.signed_error),
            unit.to_owned(),
        ]
    };
    println!("{}", table(&["policy", "component", "metric", "live", "sim", "error", ""], all.iter().map(row)));
    println!(
        "\nKendall's tau of the policies: {}",
        tau.map_or("none (nothing to order)".to_owned(), |tau| format!("{tau:.2}"))
    );
    Ok(())
}
