//! `supple train`
use super::{End, table, train_scenario};
use crate::model::Model;
use crate::options::Train;
use crate::stop;
use crate::training::{Options, Training};
use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use supple_executor::Score;

/// Steps between two checkpoints, and between two looks at accuracy.
const PAUSE: usize = 100;

/// Held-out rows of a look at accuracy.
const GLANCE: usize = 500;

/// Trains a model.
///
/// # Errors
/// When data or checkpoint cannot be read, a step fails, or the model cannot be written.
pub fn run(options: &Train) -> Result<End> {
    if options.scenario.is_some() {
        return train_scenario::run(options);
    }
    check(options)?;
    let data = supple_models::load(options.model.parse()?, options.data.as_deref(), options.seed)?;
    let backend = options.common.backend()?;
    let mut training = if options.resume {
        Training::resume(&data, &options.out, backend)?
    } else {
        let model = Model::fresh(options.model.parse()?, &data, options.seed)?;
        let wanted =
            Options { steps: options.steps, batch: options.batch, rate: options.rate, elastic: options.elastic };
        Training::new(model, &data, wanted, &options.out, backend)?
    };
    let bar = progress_bar(training.options().steps as u64, training.done() as u64);
    training.run(|training, loss| {
        bar.inc(1);
        bar.set_message(format!("loss {loss:.3}"));
        if training.done().is_multiple_of(PAUSE) {
            bar.println(format!(
                "step {:>5}  loss {loss:.3}  {}",
                training.done(),
                glance(&training.accuracies(GLANCE)?)
            ));
            training.checkpoint()?;
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    if training.done() < training.options().steps {
        let path = training.checkpoint()?;
        eprintln!("stopped at step {}; go on with --resume (state: {})", training.done(), path.display());
        return Ok(End::Interrupted);
    }
    training.model()?.write(&options.out, options.half)?;
    training.forget_checkpoint();
    print(&training.accuracies(usize::MAX)?, options.common.json)?;
    eprintln!("model: {}", options.out.display());
    Ok(if stop::asked() { End::Interrupted } else { End::Done })
}

fn check(options: &Train) -> Result<()> {
    ensure!(options.steps > 0, "--steps 0: expected at least 1");
    ensure!(options.batch > 0, "--batch 0: expected at least 1");
    let good = options.rate.is_finite() && options.rate > 0.0;
    ensure!(good, "--rate {}: expected a finite number above 0", options.rate);
    Ok(())
}

/// A bar with the time left, on standard error.
pub(crate) fn progress_bar(steps: u64, done: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {elapsed} passed, {eta} left  {msg}");
    let bar = ProgressBar::new(steps).with_position(done);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn glance(accuracies: &[(u16, Score)]) -> String {
    let one = |(density, score): &(u16, Score)| format!("{density}: {:.1} %", 100.0 * score.accuracy());
    accuracies.iter().map(one).collect::<Vec<_>>().join("  ")
}

fn print(accuracies: &[(u16, Score)], json: bool) -> Result<()> {
    if json {
        let rows: Vec<_> = accuracies
            .iter()
            .map(|(density, score)| serde_json::json!({ "density": density, "accuracy": score.accuracy() }))
            .collect();
        println!("{}", serde_json::to_string(&rows)?);
        return Ok(());
    }
    let rows = accuracies.iter().map(|(d, s)| vec![d.to_string(), format!("{:.2}", 100.0 * s.accuracy())]);
    println!("{}", table(&["density", "accuracy %"], rows));
    Ok(())
}
