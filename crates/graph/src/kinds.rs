//! The ways to be sparse, one file each.
use crate::density::Density;
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($module:ident :: $name:ident),* $(,)?) => {
        $(mod $module; pub use $module::$name;)*

        /// Every way to be sparse that Supple knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        impl Kind {
            /// One of each, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$name($name)),*];

            fn as_dyn(&self) -> &dyn SparsityKind {
                match self { $(Self::$name(kind) => kind),* }
            }
        }
    };
}

kinds! {
    channel::Channel,
    head::Head,
    unstructured::Unstructured,
    block::Block,
    pattern::Pattern,
    threshold::Threshold,
    score::Score,
    top_k::TopK,
    layer::Layer,
    freeze::Freeze,
    branch::Branch,
    token::Token,
    sample::Sample,
    step::Step,
}

impl SparsityKind for Kind {
    fn name(&self) -> &'static str {
        self.as_dyn().name()
    }
    fn level(&self) -> Level {
        self.as_dyn().level()
    }
    fn operands(&self) -> &'static [Operand] {
        self.as_dyn().operands()
    }
    fn phases(&self) -> &'static [Phase] {
        self.as_dyn().phases()
    }
    fn fits(&self, units: usize, block: usize) -> bool {
        self.as_dyn().fits(units, block)
    }
    fn kept(&self, units: usize, keep: Density) -> usize {
        self.as_dyn().kept(units, keep)
    }
    fn order(&self, scores: &[f64]) -> Vec<usize> {
        self.as_dyn().order(scores)
    }
    fn settled(&self, keep: Density) -> Density {
        self.as_dyn().settled(keep)
    }
    fn work(&self, dense: Work, keep: Density, phase: Phase) -> Work {
        self.as_dyn().work(dense, keep, phase)
    }
}
