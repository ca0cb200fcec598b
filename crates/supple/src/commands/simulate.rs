//! `supple simulate`
use super::{End, demand_kept, fleet_kept, policy, read_ladder};
use crate::options::Simulate;
use anyhow::Result;
use supple_sim::{
    AnyScenario, FleetScenario, FleetStage, Report, Run, Scenario, Trace, best_found, hindsight, hindsight_training,
    simulate, simulate_training,
};
use supple_strategy::Ladder;

/// Simulates a scenario once a policy.
///
/// # Errors
/// When the scenario, its trace or the ladder cannot be read, or the report not be written.
pub fn run(options: &Simulate) -> Result<End> {
    match options.play.any_scenario()? {
        AnyScenario::Plain(scenario) => plain(options, &scenario),
        AnyScenario::Fleet(scenario) => fleet(options, &scenario),
    }
}

fn plain(options: &Simulate, scenario: &Scenario) -> Result<End> {
    let trace = scenario.trace()?;
    let ladder = &read_ladder(&options.ladder)?;
    let names = options.play.policies();
    let report = if scenario.training.is_some() {
        let mut runs = Vec::new();
        for name in &names {
            let mut policy = policy(name, scenario, ladder)?;
            runs.push(simulate_training(scenario, ladder, &trace, policy.as_mut(), name)?);
        }
        if options.regret {
            runs.push(hindsight_training(scenario, ladder, &trace)?);
        }
        Report::new(scenario, Vec::new()).with_training(runs)
    } else {
        let mut runs = runs(scenario, &trace, ladder, &names)?;
        if options.regret {
            runs.push(hindsight(scenario, ladder, &trace)?);
        }
        Report::new(scenario, runs)
    };
    print(&report, options.json)?;
    options.play.write(&report, &trace)?;
    Ok(demand_kept(&report, scenario))
}

fn fleet(options: &Simulate, scenario: &FleetScenario) -> Result<End> {
    let ladder = read_ladder(&options.ladder)?;
    let stage = FleetStage::new(scenario, &ladder)?;
    let mut runs = options.play.policies().iter().map(|name| stage.run(name)).collect::<Result<Vec<_>, _>>()?;
    if options.regret {
        runs.push(best_found(&stage)?);
    }
    let report = Report::of_fleet(scenario, runs);
    print(&report, options.json)?;
    options.play.write(&report, None)?;
    Ok(fleet_kept(&report, scenario))
}

/// One simulated run a policy.
fn runs(scenario: &Scenario, trace: &Trace, ladder: &Ladder, names: &[String]) -> Result<Vec<Run>> {
    let run = |name: &String| {
        let mut policy = policy(name, scenario, ladder)?;
        Ok(simulate(scenario, ladder, trace, policy.as_mut(), name)?)
    };
    names.iter().map(run).collect()
}

/// Prints a report to standard output.
pub(crate) fn print(report: &Report, json: bool) -> Result<()> {
    if json {
        print!("{}", report.json()?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}
