//! What settings cost on this machine.
use crate::blocks;
use crate::error::Result;
use crate::executor::Executor;
use crate::layers::MOST_ROWS;
use crate::loss::{Batch, Score};
use crate::trainer::Trainer;
use std::time::Instant;
use supple_graph::{Array, Blocked, Choice, Elastic, NodeId, Setting, SiteId, SparsityKind};
use supple_kernels::{Cut, Layer, Linear};

/// Service times in seconds of one run of `input` at each setting: `rounds` each, interleaved, after a warm-up. A run of the same setting goes before each
/// that is timed, as it mostly does where requests are served: the caches hold its weights.
///
/// # Errors
/// When a setting was not prepared or the input does not fit.
pub fn service_times(
    executor: &mut Executor,
    settings: &[Setting],
    input: &Array,
    rounds: usize,
) -> Result<Vec<Vec<f64>>> {
    let mut times = vec![Vec::with_capacity(rounds); settings.len()];
    for round in 0..=rounds {
        for (setting, times) in settings.iter().zip(&mut times) {
            executor.apply(setting)?;
            executor.run(input)?;
            let start = Instant::now();
            executor.run(input)?;
            if round > 0 {
                times.push(start.elapsed().as_secs_f64());
            }
        }
    }
    Ok(times)
}

/// Times in seconds of one training step at each setting, interleaved, after a warm-up. The trainer's weights move.
///
/// # Errors
/// When the batch does not fit.
pub fn step_times(trainer: &mut Trainer, settings: &[Setting], batch: &Batch, rounds: usize) -> Result<Vec<Vec<f64>>> {
    let mut times = vec![Vec::with_capacity(rounds); settings.len()];
    for round in 0..=rounds {
        for (setting, times) in settings.iter().zip(&mut times) {
            let start = Instant::now();
            trainer.step(batch, std::slice::from_ref(setting))?;
            if round > 0 {
                times.push(start.elapsed().as_secs_f64());
            }
        }
    }
    Ok(times)
}

/// Right answers of the current setting over all batches.
///
/// # Errors
/// When a batch does not fit.
pub fn score<'a>(executor: &Executor, batches: impl IntoIterator<Item = &'a Batch>) -> Result<Score> {
    let mut total = Score::default();
    for batch in batches {
        total += batch.score(&executor.run(&batch.input)?);
    }
    Ok(total)
}

/// Mean cross-entropy in nats and right answers of the current setting over all batches.
///
/// # Errors
/// When a batch does not fit.
pub fn quality<'a>(executor: &Executor, batches: impl IntoIterator<Item = &'a Batch>) -> Result<(f64, Score)> {
    let (mut sum, mut rows, mut total) = (0.0, 0, Score::default());
    for batch in batches {
        let logits = executor.run(&batch.input)?;
        let (nats, counted) = batch.cross_entropy(&logits)?;
        sum += nats;
        rows += counted;
        total += batch.score(&logits);
    }
    Ok((sum / rows.max(1) as f64, total))
}

/// The blocks of a layer that a choice within its weights leaves, as kernels see them.
pub fn cut(layer: &Layer, choice: Choice) -> Cut {
    blocks::cut(layer, choice)
}

/// How many outputs of a linear layer a choice of its gradients leaves.
pub fn count(layer: &Linear, Choice { kind, density }: Choice) -> usize {
    kind.kept(layer.outputs, density)
}

/// The linear layers whose gradients can be thinned out, as kernels see them for `batch` samples.
///
/// # Errors
/// When a layer is none that there are kernels for.
pub fn gradient_layers(elastic: &Elastic, batch: usize) -> Result<Vec<(SiteId, Linear)>> {
    let mut found = Vec::new();
    for &(layer, site) in elastic.analysis().gradients() {
        if let Layer::Linear(linear) = layer_of(elastic, layer, batch)? {
            found.push((site, linear));
        }
    }
    Ok(found)
}

/// The linear layers that may skip inputs that are zero, as kernels see them for `batch` samples: those of few rows. The site is that of their weights.
///
/// # Errors
/// When a layer is none that there are kernels for.
pub fn skipping_layers(elastic: &Elastic, batch: usize) -> Result<Vec<(SiteId, Linear)>> {
    let linear = |(site, layer)| match layer {
        Layer::Linear(linear) if linear.rows <= MOST_ROWS => Some((site, linear)),
        _ => None,
    };
    Ok(blocked_layers(elastic, batch)?.into_iter().filter_map(linear).collect())
}

/// The layers within whose weights something can be left out, as kernels see them for `batch` samples.
///
/// # Errors
/// When a layer is none that there are kernels for.
pub fn blocked_layers(elastic: &Elastic, batch: usize) -> Result<Vec<(SiteId, Layer)>> {
    let layer = |&(blocked, site): &(Blocked, SiteId)| Ok((site, layer_of(elastic, blocked.layer, batch)?));
    elastic.analysis().blocked().iter().map(layer).collect()
}

fn layer_of(elastic: &Elastic, id: NodeId, batch: usize) -> Result<Layer> {
    let facts = elastic.graph().input_facts(id);
    blocks::layer_at(&elastic.graph().node(id).op, &facts[0].shape_at(batch), &facts[1].shape_at(1))
}
