//! `supple scenario`
use super::{End, any_scenario, say, table};
use crate::options::ScenarioCommand;
use anyhow::{Context, Result, bail};
use std::path::Path;
use supple_sim::{AnyScenario, FleetStage, library};

/// Checks, lists and shows scenarios, and prints their schema.
///
/// # Errors
/// When a scenario is not as it must be; every one that is not has been named on stderr by then.
pub fn run(command: &ScenarioCommand) -> Result<End> {
    match command {
        ScenarioCommand::Check { scenarios, traces } => return check(scenarios, traces.as_deref()),
        ScenarioCommand::Schema => println!("{}", serde_json::to_string_pretty(&AnyScenario::schema())?),
        ScenarioCommand::List { json } => list(*json)?,
        ScenarioCommand::Show { name } => {
            let names = || library::ALL.iter().map(|shipped| shipped.name).collect::<Vec<_>>().join(", ");
            print!("{}", library::by_name(name).with_context(|| format!("{name}: expected one of {}", names()))?.text);
        }
    }
    Ok(End::Done)
}

fn check(scenarios: &[String], traces: Option<&Path>) -> Result<End> {
    let wrong: Vec<anyhow::Error> = scenarios.iter().filter_map(|name| whole(name, traces).err()).collect();
    match wrong.split_last() {
        None => Ok(End::Done),
        Some((last, others)) => {
            others.iter().for_each(|error| eprintln!("error: {error:#}"));
            bail!("{last:#}")
        }
    }
}

/// Reads a scenario and, unless it names files that nobody told the folder of, its traces and loads.
fn whole(name: &str, traces: Option<&Path>) -> Result<()> {
    let scenario = any_scenario(name)?.with_files_in(traces);
    if scenario.needs_files() && traces.is_none() {
        println!("{name}: good, without its files; say --traces DIR to have them read");
        return Ok(());
    }
    let ladder = library::ladder()?;
    match scenario {
        AnyScenario::Plain(scenario) => {
            say(&scenario.noted_trace()?.notes);
            scenario.noted_speed_trace()?.iter().for_each(|noted| say(&noted.notes));
            scenario.requests(&ladder)?;
        }
        AnyScenario::Fleet(scenario) => drop(FleetStage::new(&scenario, &ladder)?),
    }
    println!("{name}: good");
    Ok(())
}

fn list(json: bool) -> Result<()> {
    let about = |text: &str| {
        let lines = text.lines().map_while(|line| line.strip_prefix('#')).filter(|line| !line.starts_with(':'));
        lines.map(str::trim).collect::<Vec<_>>().join(" ")
    };
    if json {
        for shipped in library::ALL {
            println!("{}", serde_json::json!({"name": shipped.name, "about": about(shipped.text)}));
        }
        return Ok(());
    }
    let first = |text: &str| about(text).split_inclusive(". ").next().unwrap_or_default().trim().to_owned();
    println!("{}", table(&["scenario", "about"], library::ALL.iter().map(|s| vec![s.name.to_owned(), first(s.text)])));
    Ok(())
}
