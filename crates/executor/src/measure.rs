//! What settings cost on this machine.
use crate::blocks;
use crate::bridge::learning;
use crate::error::Result;
use crate::executor::Executor;
use crate::loss::{Batch, Score};
use crate::trainer::Trainer;
use std::time::Instant;
use supple_graph::{Array, Choice, Elastic, NodeId, Setting, SiteId, SparsityKind};
use supple_kernels::{Cut, Layer, Linear, top};

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

/// Times in seconds of training steps at each setting: `turns`, interleaved, of `steps` in a row, as training runs them, after a warm-up. The trainer's
/// weights move. Every [`THINNING_STEPS`](crate::trainer::THINNING_STEPS) in a row hold one in which weights are chosen anew.
///
/// # Errors
/// When the batch does not fit.
pub fn step_times(
    trainer: &mut Trainer,
    settings: &[Setting],
    batch: &Batch,
    [turns, steps]: [usize; 2],
) -> Result<Vec<Vec<f64>>> {
    let mut times = vec![Vec::with_capacity(turns * steps); settings.len()];
    for turn in 0..=turns {
        for (setting, times) in settings.iter().zip(&mut times) {
            trainer.thin_anew();
            for _ in 0..if turn > 0 { steps } else { 1 } {
                let start = Instant::now();
                trainer.step(batch, std::slice::from_ref(setting))?;
                if turn > 0 {
                    times.push(start.elapsed().as_secs_f64());
                }
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

/// How many outputs of a layer a choice of its gradients leaves.
pub fn count(layer: &Layer, Choice { kind, density }: Choice) -> usize {
    kind.kept(top::planes(layer)[0], density)
}

/// A layer as kernels see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen<L> {
    /// The site within it.
    pub site: SiteId,
    /// Its shapes.
    pub layer: L,
    /// Whether something before it learns, so that training asks for the gradient of its input.
    pub learns: bool,
}

/// The layers whose gradients can be thinned out, for `batch` samples.
///
/// # Errors
/// When a layer is none that there are kernels for.
pub fn gradient_layers(elastic: &Elastic, batch: usize) -> Result<Vec<Seen<Layer>>> {
    seen(elastic, elastic.analysis().gradients().iter().copied(), batch)
}

/// The linear layers of whose inputs some can be left out, for `batch` samples.
///
/// # Errors
/// When a layer is none that there are kernels for.
pub fn input_layers(elastic: &Elastic, batch: usize) -> Result<Vec<Seen<Linear>>> {
    let layers = elastic.analysis().inputs().iter().copied();
    Ok(seen(elastic, layers, batch)?.into_iter().filter_map(linear).collect())
}

/// The layers within whose weights something can be left out, for `batch` samples.
///
/// # Errors
/// When a layer is none that there are kernels for.
pub fn blocked_layers(elastic: &Elastic, batch: usize) -> Result<Vec<Seen<Layer>>> {
    let layers = elastic.analysis().blocked().iter().map(|&(blocked, site)| (blocked.layer, site));
    seen(elastic, layers, batch)
}

fn seen(elastic: &Elastic, layers: impl Iterator<Item = (NodeId, SiteId)>, batch: usize) -> Result<Vec<Seen<Layer>>> {
    let graph = elastic.graph();
    let learning = learning(graph);
    let see = |(id, site): (NodeId, SiteId)| {
        let facts = graph.input_facts(id);
        let layer = blocks::layer_at(&graph.node(id).op, &facts[0].shape_at(batch), &facts[1].shape_at(1))?;
        Ok(Seen { site, layer, learns: learning[graph.inputs_of(id)[0].node.0] })
    };
    layers.map(see).collect()
}

fn linear(Seen { site, layer, learns }: Seen<Layer>) -> Option<Seen<Linear>> {
    match layer {
        Layer::Linear(layer) => Some(Seen { site, layer, learns }),
        Layer::Conv2d(_) => None,
    }
}
