//! The resources, one file each; the one list of them.
mod fifo;
mod max_min;
mod quota;
mod shared;
mod thermal;

pub use fifo::Fifo;
pub use max_min::MaxMin;
pub use quota::Quota;
pub use shared::Shared;
pub use thermal::{Heat, Thermal};

use crate::resource::{Account, Capacity, JobId, Resource, Work};
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

macro_rules! resources {
    ($($name:ident($resource:ty),)*) => {
        /// One of the resources above: what a scenario can build.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum AnyResource {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($resource),
            )*
        }

        $(
            impl From<$resource> for AnyResource {
                fn from(resource: $resource) -> Self {
                    Self::$name(resource)
                }
            }
        )*

        impl Resource for AnyResource {
            fn set_capacity(&mut self, now: Nanos, capacity: Capacity) {
                match self { $(Self::$name(inner) => inner.set_capacity(now, capacity),)* }
            }

            fn begin(&mut self, now: Nanos, work: Work) -> JobId {
                match self { $(Self::$name(inner) => inner.begin(now, work),)* }
            }

            fn withdraw(&mut self, now: Nanos, job: JobId) -> Option<u64> {
                match self { $(Self::$name(inner) => inner.withdraw(now, job),)* }
            }

            fn next(&self) -> Option<Nanos> {
                match self { $(Self::$name(inner) => inner.next(),)* }
            }

            fn done(&mut self, now: Nanos) -> Option<JobId> {
                match self { $(Self::$name(inner) => inner.done(now),)* }
            }

            fn jobs(&self) -> usize {
                match self { $(Self::$name(inner) => inner.jobs(),)* }
            }

            fn account(&self) -> Account {
                match self { $(Self::$name(inner) => inner.account(),)* }
            }
        }
    };
}

resources! {
    Fifo(Fifo),
    MaxMin(MaxMin),
    Quota(Box<Quota<AnyResource>>),
    Shared(Shared),
    Thermal(Box<Thermal<AnyResource>>),
}
