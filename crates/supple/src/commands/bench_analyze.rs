//! `supple bench analyze`
use super::{End, analyze, table};
use crate::options::AnalyzeBench;
use crate::peak;
use anyhow::{Context, Result};
use log::warn;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;
use supple_graph::{Analysis, Graph, Report, synthetic};

/// Operators of the synthetic graphs.
const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Turns of a graph of at most [`SMALL`] operators, and of a larger one; the figure is the least of them.
const TURNS: [usize; 2] = [20, 3];
const SMALL: usize = 10_000;

/// What one graph cost.
struct Cost {
    model: String,
    operators: usize,
    ms: f64,
    report_ms: f64,
    peak_bytes: usize,
}

/// Measures what an analysis costs, for synthetic graphs of growing size and the ONNX files of a folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn run(options: &AnalyzeBench) -> Result<End> {
    let mut costs = Vec::new();
    for size in SIZES.into_iter().filter(|&size| size <= options.largest) {
        costs.push(cost(synthetic::residual_chain(size)?, options.json)?);
    }
    for file in options.models.iter().map(|folder| files(folder)).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
        match analyze::graph(&file.to_string_lossy(), &[]) {
            Ok(graph) => costs.push(cost(graph, options.json)?),
            Err(error) => warn!("left out: {error:#}"),
        }
    }
    if !options.json {
        let head = ["graph", "operators", "analysis ms", "report ms", "peak MiB"];
        println!("{}", table(&head, costs.iter().map(Cost::row)));
    }
    Ok(End::Done)
}

/// The ONNX files of a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut found = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    found.retain(|path| [".onnx", ".onnx.gz"].iter().any(|end| path.to_string_lossy().ends_with(end)));
    found.sort();
    Ok(found)
}

/// What a graph costs; printed at once as a line of JSON, if asked for.
fn cost(graph: Graph, json: bool) -> Result<Cost> {
    let operators = synthetic::operators(&graph);
    let (mut ms, mut report_ms) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..TURNS[usize::from(operators > SMALL)] {
        let start = Instant::now();
        let analysis = black_box(Analysis::of(&graph)?);
        ms = ms.min(1e3 * start.elapsed().as_secs_f64());
        let start = Instant::now();
        drop(black_box(Report::of(&graph, &analysis)));
        report_ms = report_ms.min(1e3 * start.elapsed().as_secs_f64());
    }
    let (analysis, peak_bytes) = peak::of(|| Analysis::of(&graph));
    drop(analysis?);
    let cost = Cost { model: graph.name().to_owned(), operators, ms, report_ms, peak_bytes };
    if json {
        println!("{}", cost.json());
    }
    Ok(cost)
}

impl Cost {
    fn json(&self) -> serde_json::Value {
        let Self { model, operators, ms, report_ms, peak_bytes } = self;
        serde_json::json!({ "model": model, "operators": operators, "ms": ms, "report_ms": report_ms, "peak_bytes": peak_bytes })
    }

    fn row(&self) -> Vec<String> {
        let mebibytes = self.peak_bytes as f64 / f64::from(1 << 20);
        let numbers = [self.ms, self.report_ms, mebibytes].map(|number| format!("{number:.2}"));
        [vec![self.model.clone(), self.operators.to_string()], numbers.to_vec()].concat()
    }
}
