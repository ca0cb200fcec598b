//! `supple demo`
use super::{End, ladder_table, read_scenario, serve, simulate};
use crate::gauge::Gauge;
use crate::ladders::{self, Effort, Known};
use crate::live::Conditions;
use crate::machine::Tid;
use crate::model::Model;
use crate::options::Demo;
use crate::{samples, stop};
use anyhow::{Context, Result};

/// The shipped model, profiled here, serves the demo scenario dense and guided, live and simulated.
///
/// # Errors
/// When the share cannot be applied or the report not be written.
pub fn run(options: &Demo) -> Result<End> {
    let backend = options.common.backend()?;
    let (scenario, trace) = read_scenario("demo", None, None)?;
    let model = Model::demo()?;
    eprintln!("drawing glyphs, measuring what each density costs and is worth on this machine ...");
    let data = supple_models::load(model.name()?, None, model.about().seed)?;
    let batch = scenario.request.batch as usize;
    let batches = samples::fresh(&data.held_out, batch);
    let input = batches.first().context("held-out data: expected at least one row")?;
    let mut executor = model.executor(backend)?;
    let stamp = model.stamp(backend, 1, batch, &data.name);
    let profile = ladders::profile(&mut executor, stamp, input, Effort::QUICK.rounds)?;
    let calibration = samples::calibration(&data.held_out, Effort::QUICK.rows, 100);
    let known = Known { profile: &profile, sensitivity: None };
    let ladder = ladders::ladder(&model, &mut executor, known, &calibration, input, Effort::QUICK)?;
    if !options.common.json {
        println!("{}\n", ladder_table(&ladder));
    }
    let names = super::COMPARED.map(str::to_owned);
    let gauge = Gauge::of(&model, &data, backend)?;
    let conditions = Conditions { scenario: &scenario, trace: &trace, workers: &[Tid::current()], gauge: Some(&gauge) };
    let live = serve::runs(&mut executor, &ladder, &batches, conditions, &names)?;
    let report = serve::side_by_side(&scenario, &trace, &ladder, live)?;
    simulate::print(&report, options.common.json)?;
    report.write(&options.report, &trace)?;
    eprintln!("report: {}", options.report.join("report.html").display());
    Ok(if stop::asked() { End::Interrupted } else { End::Done })
}
