//! Estimates of like things, each drawn to what all of them say as far as it is uncertain itself.

/// A variance that counts as none.
const NONE: f64 = 1e-60;

/// A number that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// What was found.
    pub value: f64,
    /// The variance of its error; infinite where nothing was found.
    pub variance: f64,
}

impl Estimate {
    /// The mean of some numbers; with fewer than two nothing is known of its error.
    pub fn mean(numbers: &[f64]) -> Self {
        let count = numbers.len() as f64;
        let value = numbers.iter().sum::<f64>() / count.max(1.0);
        let squares: f64 = numbers.iter().map(|number| (number - value).powi(2)).sum();
        let variance = if count < 2.0 { f64::INFINITY } else { squares / (count - 1.0) / count };
        Self { value, variance }
    }
}

/// Each estimate, drawn to their common mean: the less, the more they differ beyond their own errors (random effects by moments; DerSimonian and Laird,
/// "Meta-analysis in clinical trials", 1986). The common mean is drawn to what was known before.
pub fn shrunk(estimates: &[Estimate], before: Estimate) -> Vec<f64> {
    let between = between(estimates);
    let common = common(estimates, between, before);
    let one = |estimate: &Estimate| match estimate.variance {
        variance if variance.is_infinite() || variance + between == 0.0 => common,
        variance => (between * estimate.value + variance * common) / (variance + between),
    };
    estimates.iter().map(one).collect()
}

/// The variance of what is estimated, beside that of the errors.
fn between(estimates: &[Estimate]) -> f64 {
    let known: Vec<(f64, f64)> = estimates
        .iter()
        .filter(|estimate| estimate.variance.is_finite())
        .map(|estimate| (1.0 / estimate.variance.max(NONE), estimate.value))
        .collect();
    let sum = |of: fn(&(f64, f64)) -> f64| known.iter().map(of).sum::<f64>();
    let (weights, squares) = (sum(|(weight, _)| *weight), sum(|(weight, _)| weight * weight));
    let mean = sum(|(weight, value)| weight * value) / weights;
    let spread: f64 = known.iter().map(|(weight, value)| weight * (value - mean).powi(2)).sum();
    let excess = (spread - (known.len() as f64 - 1.0)) / (weights - squares / weights);
    if excess.is_finite() { excess.max(0.0) } else { 0.0 }
}

/// The mean of what is estimated.
fn common(estimates: &[Estimate], between: f64, before: Estimate) -> f64 {
    let known = estimates.iter().map(|estimate| Estimate { variance: estimate.variance + between, ..*estimate });
    let weighted = known.chain([before]).map(|estimate| (1.0 / estimate.variance.max(NONE), estimate.value));
    let (weights, values) =
        weighted.fold((0.0, 0.0), |(weights, values), (weight, value)| (weights + weight, values + weight * value));
    if weights > 0.0 { values / weights } else { before.value }
}
