#![doc = include_str!("../README.md")]
#[cfg(feature = "full")]
pub mod analysis;
#[cfg(feature = "full")]
pub mod array;
#[cfg(feature = "full")]
pub mod axes;
#[cfg(feature = "full")]
pub mod blocks;
#[cfg(feature = "full")]
pub mod broadcast;
#[cfg(feature = "full")]
mod coupling;
pub mod density;
#[cfg(feature = "full")]
pub mod error;
#[cfg(feature = "full")]
pub mod extent;
#[cfg(feature = "full")]
pub mod fact;
#[cfg(feature = "full")]
pub mod gradient;
#[cfg(feature = "full")]
pub mod gradients;
#[cfg(feature = "full")]
pub mod graph;
#[cfg(feature = "full")]
mod grouped;
pub mod kind;
pub mod kinds;
pub mod near;
#[cfg(feature = "full")]
pub mod operator;
#[cfg(feature = "full")]
pub mod operators;
#[cfg(feature = "full")]
mod order;
#[cfg(feature = "full")]
pub mod patch;
pub mod phase;
#[cfg(feature = "full")]
pub mod recurrence;
#[cfg(feature = "full")]
pub mod report;
#[cfg(feature = "full")]
pub mod rewrites;
pub mod setting;
#[cfg(feature = "full")]
pub mod shrink;
#[cfg(feature = "full")]
pub mod synthetic;
#[cfg(feature = "full")]
pub mod tape;
#[cfg(feature = "full")]
pub mod training;
#[cfg(feature = "full")]
pub mod window;
#[cfg(feature = "full")]
pub mod wiring;
pub mod work;

#[cfg(feature = "full")]
pub use analysis::{Analysis, Group, Member, Site, Verdict, Within};
#[cfg(feature = "full")]
pub use array::Array;
#[cfg(feature = "full")]
pub use axes::{Axes, Axis, Role};
#[cfg(feature = "full")]
pub use blocks::Blocked;
pub use density::Density;
#[cfg(feature = "full")]
pub use error::{Error, Result};
#[cfg(feature = "full")]
pub use extent::{Extent, Kept};
#[cfg(feature = "full")]
pub use fact::{DType, Dim, Fact};
#[cfg(feature = "full")]
pub use graph::{Graph, Node, NodeId, Value, Weights};
pub use kind::{Level, Mask, Operand, SparsityKind};
pub use kinds::Kind;
pub use near::Near;
#[cfg(feature = "full")]
pub use operator::{Family, Operator};
#[cfg(feature = "full")]
pub use operators::Op;
#[cfg(feature = "full")]
pub use patch::{Patch, Patched};
pub use phase::Phase;
#[cfg(feature = "full")]
pub use report::Report;
pub use setting::{Choice, Setting, SiteId};
#[cfg(feature = "full")]
pub use shrink::Elastic;
#[cfg(feature = "full")]
pub use training::Training;
pub use work::Work;
