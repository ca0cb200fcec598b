//! `supple fidelity`
use super::serve::{Live, runs};
use super::{End, Opened, policy, read_json, read_ladder, table};
use crate::calibration::calibrate;
use crate::options::Fidelity;
use crate::stop;
use crate::throttle::probe::phase_ms;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::time::Duration;
use supple_sim::fidelity::{Deviation, Observed, deviations, kendall_tau};
use supple_sim::timing::Cold;
use supple_sim::{Calibration, Scenario, Stage, Timing, Trace, write_atomically};
use supple_strategy::{Ladder, Nanos, Spread};

/// Runs a scenario live and simulated, and tells how far they are from each other, component by component.
///
/// # Errors
/// When something cannot be read, the ladder is of another model or machine, or the share cannot be applied.
pub fn run(options: &Fidelity) -> Result<End> {
    let (mut scenario, mut trace) = options.play.scenario()?;
    if let Some(seconds) = options.duration {
        scenario = scenario.lasting(seconds)?;
        trace = scenario.trace()?;
    }
    let names = options.play.policies();
    let sides = if scenario.training.is_some() {
        super::train_scenario::observed(options, &scenario, &trace, &names)?
    } else {
        serving(options, &scenario, &trace, &names)?
    };
    if let Some(file) = &options.records {
        write_atomically(file, records_csv(&sides).as_bytes())?;
    }
    print(options, &sides)?;
    Ok(if stop::asked() { End::Interrupted } else { End::Done })
}

/// What is seen live and simulated, policy by policy; and simulated with the service times of the live run itself, where there is such a run.
pub(crate) struct BothSides {
    pub live: Vec<Observed>,
    pub simulated: Vec<Observed>,
    pub given: Vec<Observed>,
}

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
    let twin = |given| -> Result<Vec<Observed>> {
        live.iter().map(|live| simulated(scenario, trace, &ladder, &calibration, live, given)).collect()
    };
    let (simulated, given) = (twin(false)?, twin(true)?);
    let live = live.into_iter().map(|live| live.observed).collect();
    Ok(BothSides { live, simulated, given })
}

/// The simulated twin of a live run: timing and quality of the calibration, service times as the machine had them just before and after the run, the phase
/// of the ticks as it was just before. With `given`, the service times are those of the run itself, so that what is left is not the machine's drift.
fn simulated(
    scenario: &Scenario,
    trace: &Trace,
    ladder: &Ladder,
    calibration: &Calibration,
    live: &Live,
    given: bool,
) -> Result<Observed> {
    let around = live.machine.rungs().iter().map(|rung| rung.service.clone());
    let services = around.enumerate().map(|(rung, around)| if given { of_run(live, rung, around) } else { around });
    let machine = calibration.machine(ladder)?.with_services(services.collect())?;
    let timing = Timing {
        phase_ms: phase_ms(&live.probe, calibration.timing.tick_ms),
        cold: if given { Cold::default() } else { calibration.timing.cold.clone() },
        bandwidth: if given { vec![0.0] } else { calibration.timing.bandwidth.clone() },
        ..calibration.timing.clone()
    };
    let stage = Stage::new(scenario, ladder, trace)?.on(&machine).timed(&timing);
    let mut policy = policy(&live.run.policy, scenario, ladder)?;
    Ok(stage.observe(policy.as_mut(), &live.run.policy)?.1)
}

/// Runs of a rung that make its own service times better than those around the run.
const ENOUGH: usize = 30;

/// What a rung took in the run itself, where it ran often enough.
fn of_run(live: &Live, rung: usize, around: Spread) -> Spread {
    let Observed { records, service, .. } = &live.observed;
    let ran = records.iter().zip(service).filter(|(record, _)| record.rung == rung && record.finished.is_some());
    let seconds: Vec<f64> = ran.map(|(_, service)| service.seconds()).collect();
    if seconds.len() < ENOUGH { around } else { Spread::of(seconds).unwrap_or(around) }
}

/// Each piece of work of each run, live and simulated: times in seconds from the start of the run, what it took of the processor in milliseconds. What was
/// dropped has no end.
fn records_csv(BothSides { live, simulated, given }: &BothSides) -> String {
    let mut text = "policy,side,number,arrival_s,due_s,started_s,finished_s,rung,service_ms\n".to_owned();
    for (side, runs) in [("live", live), ("sim", simulated), ("given_service", given)] {
        for run in runs {
            for (number, (record, service)) in run.records.iter().zip(&run.service).enumerate() {
                let [arrival, due, started] = [record.arrival, record.due, record.started].map(Nanos::seconds);
                let end = record.finished.map_or(String::new(), |end| end.seconds().to_string());
                let (rung, service) = (record.rung, service.millis());
                text += &format!("{},{side},{number},{arrival},{due},{started},{end},{rung},{service}\n", run.policy);
            }
        }
    }
    text
}

fn print(options: &Fidelity, BothSides { live, simulated, given }: &BothSides) -> Result<()> {
    if live.is_empty() || live.len() != simulated.len() {
        bail!("fidelity: expected a run of each policy live and simulated");
    }
    let mut all: Vec<Deviation> = live.iter().zip(simulated).flat_map(|(live, sim)| deviations(live, sim)).collect();
    let apart = live.iter().zip(given).flat_map(|(live, sim)| deviations(live, sim));
    all.extend(
        apart
            .filter(|found| found.component != "service")
            .map(|found| Deviation { component: format!("{}_given_service", found.component), ..found }),
    );
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
