//! `supple analyze`
use super::{End, table};
use crate::drawing::page::{ShownSite, page};
use crate::drawing::{Drawing, LIMIT, dot};
use crate::model::Model;
use crate::options::Analyze;
use crate::shares::Shares;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use supple_graph::{Analysis, Graph, Phase, Report, Site, SparsityKind, Verdict};
use supple_models::ModelName;

/// Says what can be left out of a model: as a table of its sites, in full as JSON, or drawn.
///
/// # Errors
/// When there is no such model, its file is broken, or the graph is too large to be drawn.
pub fn run(options: &Analyze) -> Result<End> {
    let graph = graph(&options.model, &options.lengths)?;
    let analysis = Analysis::of(&graph)?;
    if options.json {
        println!("{}", Report::of(&graph, &analysis).to_json());
    } else if options.dot || options.html {
        println!("{}", drawn(&graph, &analysis, options)?);
    } else {
        print_table(&graph, &analysis);
    }
    Ok(End::Done)
}

/// The graph of a built-in model, an ONNX file, a graph as JSON, or a model file of Supple.
pub(super) fn graph(model: &str, lengths: &[(String, usize)]) -> Result<Graph> {
    let path = Path::new(model);
    let ends = |end: &str| model.ends_with(end);
    if let Ok(name) = model.parse::<ModelName>() {
        return Ok(Model::fresh(name, &supple_models::load(name, None, 1)?, 1)?.elastic().graph().clone());
    }
    ensure!(path.exists(), "`{model}` is neither a built-in model (mlp, cnn, chars, patches) nor a file");
    if ends(".onnx") || ends(".onnx.gz") {
        let lengths = lengths.iter().cloned().collect();
        let (graph, _) = supple_onnx::read(path, &supple_onnx::Options { lengths, ..supple_onnx::Options::default() })?;
        return Ok(graph);
    }
    if ends(".json") {
        let text = std::fs::read_to_string(path).with_context(|| model.to_owned())?;
        return Graph::from_json(&text).with_context(|| model.to_owned());
    }
    Ok(Model::read(path)?.elastic().graph().clone())
}

fn drawn(graph: &Graph, analysis: &Analysis, options: &Analyze) -> Result<String> {
    ensure!(graph.len() <= LIMIT, "{} operators: no more than {LIMIT} are drawn", graph.len());
    let shares = Shares::of(graph);
    let drawing = Drawing::of(graph, analysis, |id| shares.of_node(id));
    if options.dot {
        return Ok(dot::dot(graph.name(), &drawing));
    }
    let shown = |site: &Site| ShownSite {
        name: site.name.clone(),
        level: site.level,
        units: site.units,
        kinds: kinds(site),
        reason: verdict(site),
        share: shares.of_site(site)[0],
    };
    let sites: Vec<ShownSite> = analysis.sites.iter().map(shown).collect();
    Ok(page(&drawing, &sites, &Report::of(graph, analysis))?)
}

fn print_table(graph: &Graph, analysis: &Analysis) {
    let shares = Shares::of(graph);
    let row = |site: &Site| {
        let [forward, input, weight, _] = shares.of_site(site).map(|share| format!("{:.1}", 100.0 * share));
        let kinds = kinds(site).join(", ");
        vec![
            site.name.clone(),
            site.units.to_string(),
            site.level.to_owned(),
            kinds,
            forward,
            input,
            weight,
            verdict(site),
        ]
    };
    let head = ["site", "width", "level", "kinds", "forward %", "dx %", "dW %", "verdict"];
    println!("{}", table(&head, analysis.sites.iter().chain(&analysis.fixed).map(row)));
    let report = Report::of(graph, analysis);
    let flops = shares.total(Phase::Forward) / 1e6;
    println!(
        "\n{flops:.2} million FLOPs and {:.2} million multiply-adds a sample, {} weights, {} operators",
        report.macs as f64 / 1e6,
        report.params,
        report.operators.len()
    );
}

fn kinds(site: &Site) -> Vec<String> {
    site.kinds.iter().map(|kind| kind.name().to_owned()).collect()
}

fn verdict(site: &Site) -> String {
    match &site.verdict {
        Verdict::Sparsifiable(why) => why.clone(),
        Verdict::NotSparsifiable(why) => format!("not sparsifiable: {why}"),
    }
}
