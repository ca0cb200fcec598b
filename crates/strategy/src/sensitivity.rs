//! What quality is lost by leaving out parts of each site: measured, and as cheap scores foretell it.
use crate::error::Error;
use crate::ladder::Stamp;
use serde::{Deserialize, Serialize};
use supple_graph::{Density, Kind, Setting, SiteId};

/// How good outputs are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Mean cross-entropy, in nats.
    pub nats: f64,
    /// The part of the answers that is right.
    pub accuracy: f64,
}

/// A cheap score that foretells the loss at a site, from weights and gradients of the dense model alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proxy {
    /// Sum of the magnitudes of the weights that are left out, as part of those of the site.
    Magnitude,
    /// First-order change of the loss: mean over batches of `|sum of w dL/dw|`, summed over the units left out (Molchanov et al. 2019).
    Taylor,
    /// Second-order change of the loss with the empirical Fisher information as curvature: mean over batches of half the square of
    /// `sum of w dL/dw`, summed over the units left out (Theis et al. 2018).
    Fisher,
}

impl Proxy {
    /// Every proxy.
    pub const ALL: [Self; 3] = [Self::Magnitude, Self::Taylor, Self::Fisher];
}

/// One site at one density, everything else dense.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alone {
    /// How something is left out; none for the first kind that fits at the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The part kept.
    pub density: Density,
    /// Rise of the cross-entropy against dense, in nats; below zero where sparser is better.
    pub nats: f64,
    /// Accuracy lost against dense, a fraction; below zero where sparser is better.
    pub accuracy: f64,
    /// The scores, in the order of [`Proxy::ALL`]; none where no weights leave.
    pub proxies: Option<[f64; 3]>,
}

/// What was measured at one site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteLosses {
    /// The site's name.
    pub site: String,
    /// Its units.
    pub units: usize,
    /// Kind after kind, for each densities below 1000, descending.
    pub alone: Vec<Alone>,
}

impl SiteLosses {
    /// The losses of one kind: where none is measured, those of the first kind that fits.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Alone> + Clone {
        let named = self.alone.iter().any(|alone| alone.kind == Some(kind)).then_some(kind);
        self.alone.iter().filter(move |alone| alone.kind == named)
    }
}

/// Two sites thinned out together, in the first way that fits at each: what that costs beyond what each costs alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The sites, the first before the second.
    pub sites: [SiteId; 2],
    /// The density of both.
    pub density: Density,
    /// Cross-entropy beyond the sum of both alone, in nats; below zero where one makes the other cheaper.
    pub nats: f64,
    /// Accuracy lost beyond the sum of both alone, a fraction.
    pub accuracy: f64,
}

/// What a setting that combines sites was measured to cost: expectations are held against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Combined {
    /// The setting.
    pub setting: Setting,
    /// Rise of the cross-entropy against dense, in nats.
    pub nats: f64,
    /// Accuracy lost against dense, a fraction.
    pub accuracy: f64,
}

/// How well expectations of the cross-entropy hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Spearman's rank correlation with what was measured; none where it is not defined.
    pub correlation: Option<f64>,
    /// Mean distance from what was measured, in nats.
    pub error: f64,
}

/// Measured losses of quality, with what they were measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// What it was measured on.
    pub stamp: Stamp,
    /// Seed of the data.
    pub seed: u64,
    /// Calibration rows.
    pub rows: usize,
    /// The dense model.
    pub dense: Quality,
    /// Losses at each site, in the order of the sites.
    pub sites: Vec<SiteLosses>,
    /// Corrections for pairs of sites, those that were measured.
    pub pairs: Vec<Pair>,
    /// Settings that combine sites, as far as they were measured.
    #[serde(default)]
    pub combined: Vec<Combined>,
}

impl Sensitivity {
    /// Whether all numbers are finite, densities of a kind descend, and pairs and settings name sites; call it after reading one from a file.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self) -> Result<(), Error> {
        for (i, site) in self.sites.iter().enumerate() {
            let falls = site.alone.windows(2).all(|pair| pair[0].kind < pair[1].kind || is_below(pair));
            if !falls {
                return Err(Error::new(format!("sites[{i}].alone"), "descending densities"));
            }
            let numbers =
                |alone: &Alone| [alone.nats, alone.accuracy].into_iter().chain(alone.proxies.into_iter().flatten());
            check_finite(&format!("sites[{i}]"), site.alone.iter().flat_map(numbers))?;
        }
        for (i, pair) in self.pairs.iter().enumerate() {
            let [first, second] = pair.sites;
            if first >= second || second.0 >= self.sites.len() || pair.density == Density::FULL {
                return Err(Error::new(format!("pairs[{i}]"), "two sites, ascending, below density 1000"));
            }
            check_finite(&format!("pairs[{i}]"), [pair.nats, pair.accuracy])?;
        }
        for (i, combined) in self.combined.iter().enumerate() {
            if combined.setting.choices().len() != self.sites.len() {
                return Err(Error::new(format!("combined[{i}]"), "a choice for every site"));
            }
            check_finite(&format!("combined[{i}]"), [combined.nats, combined.accuracy])?;
        }
        check_finite("dense", [self.dense.nats, self.dense.accuracy])
    }

    /// The rise of the cross-entropy that a setting is expected to cost, in nats: every site's loss alone, interpolated between the densities that
    /// were measured, and for every measured pair the second-order term, its correction scaled down by the parts left
    /// out of both. Less than what was measured together, and other kinds, are not extrapolated to.
    pub fn nats(&self, setting: &Setting) -> f64 {
        self.expect(setting, |alone| alone.nats, |pair| pair.nats)
    }

    /// The accuracy that a setting is expected to lose, a fraction; as [`nats`](Self::nats).
    pub fn accuracy(&self, setting: &Setting) -> f64 {
        self.expect(setting, |alone| alone.accuracy, |pair| pair.accuracy)
    }

    /// As [`nats`](Self::nats), without what pairs cost beyond both sites alone.
    pub fn nats_alone(&self, setting: &Setting) -> f64 {
        self.alone(setting, |alone| alone.nats)
    }

    /// How well expectations hold for the settings that were measured, with the second-order terms of pairs or without; `None` of no settings.
    pub fn fit(&self, with_pairs: bool) -> Option<Fit> {
        let expect = |one: &Combined| if with_pairs { self.nats(&one.setting) } else { self.nats_alone(&one.setting) };
        let expected: Vec<f64> = self.combined.iter().map(expect).collect();
        let measured: Vec<f64> = self.combined.iter().map(|one| one.nats).collect();
        let error: f64 = expected.iter().zip(&measured).map(|(a, b)| (a - b).abs()).sum();
        let correlation = rank_correlation(&expected, &measured);
        (!measured.is_empty()).then(|| Fit { correlation, error: error / measured.len() as f64 })
    }

    fn expect(&self, setting: &Setting, alone: fn(&Alone) -> f64, pair: fn(&Pair) -> f64) -> f64 {
        let part = |site: SiteId, at: Density| {
            let losses = self.sites.get(site.0);
            let first = |kind: Kind| losses.is_some_and(|losses| losses.of(kind).any(|alone| alone.kind.is_none()));
            let choice = setting.choice(site).filter(|choice| first(choice.kind));
            choice.map_or(0.0, |choice| (1.0 - choice.density.fraction()) / (1.0 - at.fraction())).min(1.0)
        };
        let cross = |measured: &Pair| {
            let [a, b] = measured.sites.map(|site| part(site, measured.density));
            pair(measured) * a * b
        };
        self.alone(setting, alone) + self.pairs.iter().map(cross).sum::<f64>()
    }

    fn alone(&self, setting: &Setting, loss: fn(&Alone) -> f64) -> f64 {
        let single = |(i, site): (usize, &SiteLosses)| {
            setting.choice(SiteId(i)).map_or(0.0, |choice| interpolate(site.of(choice.kind), choice.density, loss))
        };
        self.sites.iter().enumerate().map(single).sum()
    }

    /// Spearman's rank correlation between a proxy and the measured cross-entropy, over all sites that have
    /// one, and densities; `None` where it is not defined.
    pub fn correlation(&self, proxy: Proxy) -> Option<f64> {
        let points = self.sites.iter().flat_map(|site| &site.alone);
        let scored = points.filter_map(|alone| Some((alone.proxies?[proxy as usize], alone.nats)));
        let (scores, nats): (Vec<f64>, Vec<f64>) = scored.unzip();
        rank_correlation(&scores, &nats)
    }
}

/// Whether the second of two is of the same kind and of less density.
fn is_below(pair: &[Alone]) -> bool {
    pair[0].kind == pair[1].kind && pair[0].density > pair[1].density
}

fn check_finite(field: &str, numbers: impl IntoIterator<Item = f64>) -> Result<(), Error> {
    match numbers.into_iter().find(|number| !number.is_finite()) {
        Some(number) => Err(Error::new(format!("{field}: {number}"), "finite numbers")),
        None => Ok(()),
    }
}

/// A site's loss at a density: zero when dense, linear between the measured ones, the last one below them.
fn interpolate<'a>(alone: impl Iterator<Item = &'a Alone>, density: Density, loss: fn(&Alone) -> f64) -> f64 {
    let (mut above, mut at_above) = (Density::FULL, 0.0);
    for measured in alone {
        if density >= measured.density {
            let width = above.fraction() - measured.density.fraction();
            let part = if width > 0.0 { (above.fraction() - density.fraction()) / width } else { 1.0 };
            return at_above + (loss(measured) - at_above) * part;
        }
        (above, at_above) = (measured.density, loss(measured));
    }
    at_above
}

/// Spearman's rank correlation: Pearson's of the ranks, equal values sharing the mean of theirs. `None` when one list has fewer than two different
/// values, or their lengths differ.
pub fn rank_correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() {
        return None;
    }
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    let norm = (product(&a, &a) * product(&b, &b)).sqrt();
    (norm > 0.0).then(|| product(&a, &b) / norm)
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equal in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let rank = first as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&i| ranks[i] = rank);
        first += equal.len();
    }
    ranks
}
