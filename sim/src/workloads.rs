//! The workloads, one file each; the one list of them.
mod modulated;
mod periodic;
mod poisson;
mod replayed;

pub use modulated::{Modulated, Phase};
pub use periodic::Periodic;
pub use poisson::Poisson;
pub use replayed::Replayed;

use crate::workload::{Arrival, Workload};
use serde::{Deserialize, Serialize};

macro_rules! workloads {
    ($($name:ident,)*) => {
        /// One of the workloads above: what a scenario can name.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum AnyWorkload {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )*
        }

        $(
            impl From<$name> for AnyWorkload {
                fn from(workload: $name) -> Self {
                    Self::$name(workload)
                }
            }
        )*

        impl Workload for AnyWorkload {
            fn next(&mut self) -> Option<Arrival> {
                match self { $(Self::$name(inner) => inner.next(),)* }
            }
        }
    };
}

workloads! {
    Modulated,
    Periodic,
    Poisson,
    Replayed,
}
