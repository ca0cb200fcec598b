//! `supple fidelity`
mod both;
mod serving;
mod training;

use super::{End, table};
use crate::options::Fidelity;
use crate::stop;
use anyhow::Result;
use both::Pair;
use serde_json::json;
use supple_sim::fidelity::{Deviation, Observed, deviations, kendall_tau};
use supple_sim::{Scenario, Trace};

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
    let scenes = scenes(scenario, trace, options.runs)?;
    let pairs = if scenes.iter().any(|(scenario, _)| scenario.training.is_some()) {
        training::both(options, &scenes, &names)?
    } else {
        serving::both(options, &scenes, &names)?
    };
    if let Some(folder) = &options.records {
        both::write(&pairs, folder)?;
    }
    print(options, &pairs)?;
    Ok(if stop::asked() { End::Interrupted } else { End::Done })
}

/// The scenario as it is, and again with the seeds that follow its own.
fn scenes(scenario: Scenario, trace: Trace, runs: u32) -> Result<Vec<(Scenario, Trace)>> {
    let again = |run: u32| {
        let mut scenario = scenario.clone();
        scenario.seed = scenario.seed.wrapping_add(u64::from(run));
        let trace = scenario.trace()?;
        Ok((scenario, trace))
    };
    let others: Vec<_> = (1..runs).map(again).collect::<Result<_>>()?;
    Ok([(scenario, trace)].into_iter().chain(others).collect())
}

/// The runs of one policy on each side.
struct Sides {
    live: Vec<Observed>,
    simulated: Vec<Observed>,
    given: Vec<Observed>,
}

impl Sides {
    fn of(pairs: &[Pair], policy: &str) -> Self {
        let of = |side: fn(&Pair) -> Option<Observed>| {
            pairs.iter().filter(|pair| pair.live.policy == policy).filter_map(side).collect()
        };
        let (live, simulated) = (of(|pair| Some(pair.live.clone())), of(|pair| Some(pair.simulated.clone())));
        Self { live, simulated, given: of(|pair| pair.given.clone()) }
    }

    /// What each side is worth, all its runs together.
    fn worth(&self) -> Option<(f64, f64)> {
        Some((Observed::together(&self.live)?.worth(), Observed::together(&self.simulated)?.worth()))
    }
}

fn print(options: &Fidelity, pairs: &[Pair]) -> Result<()> {
    let policies = pairs.iter().filter(|pair| pair.run == 0).map(|pair| &*pair.live.policy);
    let sides: Vec<Sides> = policies.map(|policy| Sides::of(pairs, policy)).collect();
    let mut all: Vec<Deviation> = sides.iter().flat_map(|sides| deviations(&sides.live, &sides.simulated)).collect();
    let apart = sides.iter().flat_map(|sides| deviations(&sides.live, &sides.given));
    all.extend(
        apart
            .filter(|found| found.component != "service")
            .map(|found| Deviation { component: format!("{}_given_service", found.component), ..found }),
    );
    let (live, simulated): (Vec<f64>, Vec<f64>) = sides.iter().filter_map(Sides::worth).unzip();
    let tau = kendall_tau(&live, &simulated);
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
            deviation.live_error.map_or(String::new(), |error| format!("{:.2}", scale * error.abs())),
            unit.to_owned(),
        ]
    };
    println!(
        "{}",
        table(&["policy", "component", "metric", "live", "sim", "error", "of live", ""], all.iter().map(row))
    );
    println!(
        "\nKendall's tau of the policies: {}",
        tau.map_or("none (nothing to order)".to_owned(), |tau| format!("{tau:.2}"))
    );
    Ok(())
}
