//! Two traces at once.
use crate::combinator::{Combinator, Context, remade};
use crate::error::Error;
use crate::generator::MOST_POINTS;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// How two values at one time become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The smaller: two limits at once.
    #[default]
    Min,
    /// The product: a share of a share.
    Product,
    /// The sum: two loads.
    Sum,
}

/// The trace and another at each instant. The other's end policy counts beyond its end; the result is as long as the trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Overlay<T> {
    /// How two values become one.
    #[serde(default)]
    pub by: By,
    /// The other trace.
    pub with: T,
}

impl<T> Combinator<T> for Overlay<T> {
    fn apply(&self, trace: &Trace, context: &mut dyn Context<T>) -> Result<Trace, Error> {
        let other = context.other(&self.with)?;
        if other.unit() != trace.unit() && self.by != By::Product {
            return Err(Error::field(
                format!("overlay.with in {}", other.unit()),
                format!("a trace in {}", trace.unit()),
            ));
        }
        let last = |trace: &Trace| trace.points().last().map_or(Nanos::ZERO, |point| point.0);
        let until =
            if trace.length() > last(trace) { trace.length() } else { last(trace).max(last(&other)) + Nanos(1) };
        let value = |time: Nanos| match self.by {
            By::Min => trace.at(time).min(other.at(time)),
            By::Product => trace.at(time) * other.at(time),
            By::Sum => trace.at(time) + other.at(time),
        };
        let first_pass = |time: Nanos| trace.points().get(trace.points().partition_point(|point| point.0 <= time));
        let mut points = vec![(Nanos::ZERO, value(Nanos::ZERO))];
        let mut now = Nanos::ZERO;
        loop {
            let changes = [first_pass(now).map(|point| point.0), other.next_change(now)];
            match changes.into_iter().flatten().min().filter(|next| *next < until && *next > now) {
                Some(next) => now = next,
                None => break,
            }
            points.push((now, value(now)));
            if points.len() > MOST_POINTS {
                return Err(Error::field("overlay", format!("at most {MOST_POINTS} pieces")));
            }
        }
        remade(trace, points, trace.length())
    }
}
