//! Computation graph, sparsifiability analysis and settings: the nouns of Supple.
pub mod density;
pub mod kind;
pub mod kinds;
pub mod phase;
pub mod setting;
pub mod work;

pub use density::Density;
pub use kind::{Mask, SparsityKind};
pub use kinds::Kind;
pub use phase::Phase;
pub use setting::{Choice, Setting, SiteId};
pub use work::Work;
