//! `supple trace`
use super::{End, named_scenario, say, table};
use crate::gauge::Gauge;
use crate::options::TraceCommand;
use crate::stop;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use supple_sim::format::{Content, Gaps, ReadOptions, Times};
use supple_sim::trace::file::{events_csv, measurements_csv, trace_csv, trace_parquet};
use supple_sim::{Trace, formats, write_atomically};
use supple_strategy::Nanos;

/// Shows what trace files hold, converts them to Supple's own form, and writes the traces of scenarios.
///
/// # Errors
/// When a file or scenario is not as it must be, or the result cannot be written.
pub fn run(command: &TraceCommand) -> Result<End> {
    match command {
        TraceCommand::Formats => println!(
            "{}",
            table(
                &["format", "what"],
                formats::ALL.iter().map(|format| { vec![format.name().to_owned(), format.about().to_owned()] })
            )
        ),
        TraceCommand::Info { file, format, lenient, json } => {
            let noted = formats::read(file, &options(format.as_deref(), None, *lenient))?;
            say(&noted.notes);
            info(&noted.value, *json);
        }
        TraceCommand::Convert { file, to, format, series, lenient } => {
            let noted = formats::read(file, &options(format.as_deref(), series.as_deref(), *lenient))?;
            say(&noted.notes);
            write(to, noted.value)?;
        }
        TraceCommand::Generate { spec, out, traces, seed } => {
            let mut scenario = named_scenario(spec)?.with_files_in(traces.as_deref());
            scenario.seed = seed.unwrap_or(scenario.seed);
            let noted = scenario.noted_trace()?;
            say(&noted.notes);
            write(out, Content::Traces(vec![(scenario.name, noted.value)]))?;
        }
        TraceCommand::Speed { out, duration, source, common } => {
            let model = source.model()?;
            let gauge = Gauge::of(&model, &source.data(&model)?, common.backend()?)?;
            let length = Duration::try_from_secs_f64(*duration).context("--duration: expected seconds")?;
            let speeds = gauge.alone(length, stop::asked)?;
            let trace = speeds.trace(speeds.mean().context("the gauge never ran undisturbed")?)?;
            write(out, Content::Traces(vec![("speed".to_owned(), trace.clone())]))?;
            info(&Content::Traces(vec![("speed".to_owned(), trace)]), common.json);
        }
    }
    Ok(End::Done)
}

fn options(format: Option<&str>, series: Option<&str>, lenient: bool) -> ReadOptions {
    let (times, gaps) = if lenient { (Times::Sort, Gaps::Hold) } else { (Times::Strict, Gaps::Refuse) };
    let owned = |text: Option<&str>| text.map(str::to_owned);
    ReadOptions { format: owned(format), series: owned(series), times, gaps, ..ReadOptions::default() }
}

fn info(content: &Content, json: bool) {
    let rows = rows(content);
    if json {
        for [name, unit, count, length_s, mean] in rows {
            let what = content.what();
            println!(
                "{}",
                json!({"what": what, "name": name, "unit": unit, "count": count, "length_s": length_s, "mean": mean})
            );
        }
        return;
    }
    println!("{}", content.what());
    println!("{}", table(&["name", "unit", "count", "length s", "mean"], rows.into_iter().map(Vec::from)));
}

/// Name, unit, count, length in seconds and mean of each thing that a file holds, as far as it has them.
fn rows(content: &Content) -> Vec<[String; 5]> {
    let row = |name: &str, unit: &str, count: usize, length: Option<Nanos>, mean: Option<f64>| {
        let number = |number: f64| format!("{number:.6}");
        let length = length.map_or(String::new(), |length| number(length.seconds()));
        [name.to_owned(), unit.to_owned(), count.to_string(), length, mean.map_or(String::new(), number)]
    };
    let columns = |table: &supple_sim::Measurements| -> Vec<[String; 5]> {
        let columns = table.columns().iter();
        columns.map(|column| row(&column.name, column.unit.text(), column.cells.len(), None, None)).collect()
    };
    match content {
        Content::Traces(traces) => traces
            .iter()
            .map(|(name, trace)| {
                let mean = trace.mean(Nanos::ZERO, trace.length());
                row(name, trace.unit().text(), trace.points().len(), Some(trace.length()), Some(mean))
            })
            .collect(),
        Content::Events(events) => {
            let mut rows = vec![row("(times)", "s", events.len(), Some(events.span()), None)];
            rows.extend(columns(events.marks()));
            rows
        }
        Content::Measurements(measured) => columns(measured),
        Content::Quantiles(all) => {
            let each = all.iter();
            each.map(|(name, it)| row(name, it.unit().text(), it.points().len(), None, None)).collect()
        }
    }
}

fn write(path: &Path, content: Content) -> Result<()> {
    let parquet = match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => false,
        Some("parquet") => true,
        _ => bail!("{}: expected a name that ends with .csv or .parquet", path.display()),
    };
    let one = |trace: &Trace| match parquet {
        true => trace_parquet(trace),
        false => Ok(trace_csv(trace).into_bytes()),
    };
    let bytes = match content {
        Content::Events(events) if !parquet => events_csv(&events).into_bytes(),
        Content::Measurements(measured) if !parquet => measurements_csv(&measured).into_bytes(),
        content => one(&content.into_trace(None).context("one trace at a time can be written (--series)")?)?,
    };
    Ok(write_atomically(path, &bytes)?)
}
