//! The combinators of traces, one file each.
use crate::combinator::{Combinator, Context};
use crate::error::Error;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};

mod bootstrap;
mod clip;
mod cut;
mod overlay;
mod resample;
mod scale;
mod splice;
mod stretch;
pub use bootstrap::Bootstrap;
pub use clip::Clip;
pub use cut::Cut;
pub use overlay::{By, Overlay};
pub use resample::Resample;
pub use scale::Scale;
pub use splice::Splice;
pub use stretch::Stretch;

/// One of the combinators, with its numbers. `T` is how other traces are told of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Combine<T> {
    /// Values times a number.
    Scale(Scale),
    /// Values pressed into a range.
    Clip(Clip),
    /// A part of the time.
    Cut(Cut),
    /// Time stretched.
    Stretch(Stretch),
    /// Another trace put in.
    Splice(Splice<T>),
    /// Two traces at once.
    Overlay(Overlay<T>),
    /// Blocks of the trace in random order.
    Bootstrap(Bootstrap),
    /// Means over equal steps.
    Resample(Resample),
}

impl<T> Combinator<T> for Combine<T> {
    fn apply(&self, trace: &Trace, context: &mut dyn Context<T>) -> Result<Trace, Error> {
        match self {
            Self::Scale(it) => it.apply(trace, context),
            Self::Clip(it) => it.apply(trace, context),
            Self::Cut(it) => it.apply(trace, context),
            Self::Stretch(it) => it.apply(trace, context),
            Self::Splice(it) => it.apply(trace, context),
            Self::Overlay(it) => it.apply(trace, context),
            Self::Bootstrap(it) => it.apply(trace, context),
            Self::Resample(it) => it.apply(trace, context),
        }
    }
}
