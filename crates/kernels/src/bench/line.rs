//! What is said of a case.
use super::case::Times;
use super::shapes::Shape;
use crate::limits::Limits;
use serde_json::{Value, json};

/// The figures of a case.
#[derive(Clone, Debug)]
pub struct Line {
    /// The shape.
    pub shape: Shape,
    /// Name of the format.
    pub format: &'static str,
    /// Part of the weights that is kept.
    pub density: f64,
    /// Name of the kernel that ran.
    pub chosen: &'static str,
    /// Threads that it ran on.
    pub threads: usize,
    /// Its times.
    pub ours: Times,
    /// The peer's times, dense.
    pub theirs: Option<Times>,
    limits: Limits,
}

impl Line {
    pub(super) fn new(
        shape: &Shape,
        (format, density, chosen): (&'static str, f64, &'static str),
        threads: usize,
        (ours, theirs): (Times, Option<Times>),
        limits: Limits,
    ) -> Self {
        Self { shape: shape.clone(), format, density, chosen, threads, ours, theirs, limits }
    }

    /// GFLOP/s of useful work, and the share of the limit: the time that the machine needs at least over the time taken, where every operand
    /// comes from memory once. A pass forward is one product, a pass backward two.
    fn rate(&self, passes: f64, milliseconds: f64) -> [f64; 2] {
        let flops = passes * self.density * self.shape.subject.flops();
        let bytes = passes * self.shape.subject.bytes(self.density);
        [flops / milliseconds / 1e6, 1e3 * self.limits.seconds(flops, bytes) / milliseconds]
    }

    /// GFLOP/s and share of the limit of the pass forward.
    pub fn forward(&self) -> [f64; 2] {
        self.rate(1.0, self.ours.forward)
    }

    /// GFLOP/s and share of the limit of the pass backward.
    pub fn backward(&self) -> [f64; 2] {
        self.rate(2.0, self.ours.backward)
    }

    /// The peer's time over ours, forward and backward.
    pub fn ratios(&self) -> Option<[f64; 2]> {
        self.theirs.map(|theirs| [theirs.forward / self.ours.forward, theirs.backward / self.ours.backward])
    }

    /// One JSON object.
    pub fn json(&self) -> Value {
        let ([forward, forward_share], [backward, backward_share]) = (self.forward(), self.backward());
        let [gflops, share] = self.rate(3.0, self.ours.forward + self.ours.backward);
        let mut line = json!({
            "peer": "supple", "version": env!("CARGO_PKG_VERSION"), "op": self.shape.op, "shape": self.shape.shape,
            "threads": self.threads, "format": self.format, "density": self.density,
            "forward_ms": self.ours.forward, "backward_ms": self.ours.backward, "gflops": gflops, "limit_share": share,
            "forward_gflops": forward, "backward_gflops": backward,
            "forward_limit_share": forward_share, "backward_limit_share": backward_share, "chosen": self.chosen,
        });
        if let (Some(theirs), Some([forward, backward])) = (self.theirs, self.ratios()) {
            line["against"] = json!({ "forward_ms": theirs.forward, "backward_ms": theirs.backward,
                "forward_ratio": forward, "backward_ratio": backward });
        }
        line
    }
}

/// The geometric mean of positive numbers; not a number where there are none.
pub fn geometric_mean(values: &[f64]) -> f64 {
    (values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp()
}
