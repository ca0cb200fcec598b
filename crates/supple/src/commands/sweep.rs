//! `supple sweep`
use super::{End, any_scenario, names_or_compared, read_ladder};
use crate::options::{Sweep as Options, SweepCommand};
use crate::stop;
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use supple_sim::library;
use supple_sim::sweep::{Folder, Results, Shard, Sweep};

/// Runs a sweep, or a part of one, or puts parts together.
///
/// # Errors
/// When something cannot be read or written, a run fails, or parts are missing.
pub fn run(options: &Options) -> Result<End> {
    match &options.command {
        Some(SweepCommand::Merge { parts, out, json }) => merge(parts, out, *json),
        None => sweep(options),
    }
}

fn sweep(options: &Options) -> Result<End> {
    let sweep = of(options)?;
    let folder = Folder::open(&options.out, sweep.manifest()?)?;
    let bar = bar(folder.manifest().chunks() as u64);
    let tell = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
        !stop::asked()
    };
    let whole = sweep.run(&folder, options.shard.unwrap_or(Shard::WHOLE), &tell)?;
    bar.finish_and_clear();
    match folder.results()? {
        Some(results) => finish(&results, &options.out, options.json)?,
        None => eprintln!("{}: {} of {} chunks", options.out.display(), folder.done(), folder.manifest().chunks()),
    }
    Ok(if whole { End::Done } else { End::Interrupted })
}

/// The sweep that the options ask for.
fn of(options: &Options) -> Result<Sweep> {
    let named = |name: &String| {
        let mut scenario = any_scenario(name)?.with_files_in(options.traces.as_deref());
        if let Some(seconds) = options.duration {
            scenario = scenario.lasting(seconds)?;
        }
        anyhow::Ok(scenario)
    };
    let scenarios = scenario_names(&options.scenarios)?.iter().map(named).collect::<Result<_>>()?;
    Ok(Sweep {
        scenarios,
        policies: names_or_compared(&options.policies),
        seeds: options.seeds.clone(),
        ladder: read_ladder(&options.ladder)?,
        regret: options.regret,
        events: options.events,
    })
}

/// Those asked for; without any, the built-in ones that need no file.
fn scenario_names(asked: &[String]) -> Result<Vec<String>> {
    if !asked.is_empty() {
        return Ok(asked.to_vec());
    }
    let mut names = Vec::new();
    for shipped in library::ALL {
        if !any_scenario(shipped.name)?.needs_files() {
            names.push(shipped.name.to_owned());
        }
    }
    Ok(names)
}

fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} chunks, {elapsed} gone, {eta} left");
    let bar = ProgressBar::new(length);
    if let Ok(style) = style { bar.with_style(style) } else { bar }
}

fn merge(parts: &[PathBuf], out: &Path, json: bool) -> Result<End> {
    let parts = parts.iter().map(|part| Ok(Folder::read(part)?)).collect::<Result<Vec<_>>>()?;
    let first = parts.first().context("expected at least one folder")?;
    let whole = Folder::open(out, first.manifest().clone())?;
    parts.iter().try_for_each(|part| whole.take(part))?;
    let Some(results) = whole.results()? else {
        let (done, chunks) = (whole.done(), whole.manifest().chunks());
        bail!("{}: {done} of {chunks} chunks: expected all; run the other shards and merge again", out.display());
    };
    finish(&results, out, json)?;
    Ok(End::Done)
}

/// Writes the results and prints them.
fn finish(results: &Results, out: &Path, json: bool) -> Result<()> {
    results.write(out)?;
    if json {
        print!("{}", std::fs::read_to_string(out.join("comparison.json"))?);
    } else {
        print!("{}", results.table());
    }
    eprintln!("report: {}", out.join("report.html").display());
    Ok(())
}
