//! The generators of traces, one file each.
use crate::error::Error;
use crate::generator::Generator;
use crate::random::Stream;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

macro_rules! generators {
    ($($(#[$about:meta])* $file:ident: $generator:ident,)*) => {
        $(mod $file;)*
        $(pub use $file::$generator;)*

        /// One of the generators, with its numbers.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Generate {
            $($(#[$about])* $generator($generator),)*
        }

        impl Generator for Generate {
            fn points(&self, length: Nanos, random: &mut Stream) -> Result<Vec<(Nanos, f64)>, Error> {
                match self { $(Self::$generator(it) => it.points(length, random),)* }
            }
        }
    };
}

generators! {
    /// Levels that follow each other by chance, each for an exponential time.
    markov: Markov,
    /// A wave, as of day and night, with noise.
    diurnal: Diurnal,
    /// A base, and bursts at random times.
    bursts: Bursts,
    /// Ramps.
    sawtooth: Sawtooth,
    /// Levels one after the other, each for the same time.
    steps: Steps,
}
