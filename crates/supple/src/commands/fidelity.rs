//! `supple fidelity`
mod both;
mod serving;
mod training;

use super::{End, table};
use crate::options::Fidelity;
use crate::stop;
use anyhow::{Result, bail};
use both::BothSides;
use serde_json::json;
use supple_sim::fidelity::{Deviation, Observed, deviations, kendall_tau};

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
        training::both(options, &scenario, &trace, &names)?
    } else {
        serving::both(options, &scenario, &trace, &names)?
    };
    if let Some(folder) = &options.records {
        sides.write(folder)?;
    }
    print(options, &sides)?;
    Ok(if stop::asked() { End::Interrupted } else { End::Done })
}

fn print(options: &Fidelity, BothSides { live, simulated, given, .. }: &BothSides) -> Result<()> {
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
