//! `supple analyze`
use super::{End, table};
use crate::model::Model;
use crate::options::Analyze;
use anyhow::Result;
use std::path::Path;
use supple_graph::{Phase, Site, Verdict};
use supple_models::ModelName;

/// Prints the sites of a model with their verdicts.
///
/// # Errors
/// When there is no such model.
pub fn run(options: &Analyze) -> Result<End> {
    let model = match options.model.parse::<ModelName>() {
        Ok(name) => Model::fresh(name, &supple_models::load(name, None, 1)?, 1)?,
        Err(_) if Path::new(&options.model).exists() => Model::read(Path::new(&options.model))?,
        Err(error) => anyhow::bail!("{error}, nor is there such a file"),
    };
    let analysis = model.elastic().analysis();
    if options.json {
        println!("{}", serde_json::to_string_pretty(analysis)?);
        return Ok(End::Done);
    }
    let sites = analysis.sites.iter().chain(&analysis.fixed);
    println!("{}", table(&["site", "units", "level", "FLOPs %", "verdict"], sites.map(|site| row(&model, site))));
    let work = model.elastic().graph().work(1, Phase::Forward);
    println!("\n{:.2} million FLOPs a sample, {} operators", work.flops / 1e6, model.elastic().graph().len());
    Ok(End::Done)
}

/// A site with the part of the forward FLOPs that the operators reading or making its weights spend.
fn row(model: &Model, site: &Site) -> Vec<String> {
    let graph = model.elastic().graph();
    let touched = graph.ids().filter(|&id| {
        graph.inputs_of(id).iter().any(|input| {
            site.members.iter().any(|member| member.value == *input && graph.parameter_ids().contains(&input.node))
        })
    });
    let flops: f64 = touched.map(|id| graph.work_of(id, 1, Phase::Forward).flops).sum();
    let share = 100.0 * flops / graph.work(1, Phase::Forward).flops;
    let verdict = match &site.verdict {
        Verdict::Sparsifiable(why) => why.clone(),
        Verdict::NotSparsifiable(why) => format!("not sparsifiable: {why}"),
    };
    vec![site.name.clone(), site.units.to_string(), site.level.clone(), format!("{share:.1}"), verdict]
}
