//! The routers, one file each; the one list of them.
mod least_loaded;
mod round_robin;

pub use least_loaded::LeastLoaded;
pub use round_robin::RoundRobin;

use crate::router::{Load, Router};
use serde::{Deserialize, Serialize};

macro_rules! routers {
    ($($name:ident,)*) => {
        /// One of the routers above: what a scenario can name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum AnyRouter {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )*
        }

        /// The routers' names, as scenarios write them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum RouterName {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name,
            )*
        }

        impl RouterName {
            /// The router, at its beginning.
            pub fn router(self) -> AnyRouter {
                match self { $(Self::$name => $name::default().into(),)* }
            }
        }

        $(
            impl From<$name> for AnyRouter {
                fn from(router: $name) -> Self {
                    Self::$name(router)
                }
            }
        )*

        impl Router for AnyRouter {
            fn route(&mut self, loads: &[Load]) -> usize {
                match self { $(Self::$name(inner) => inner.route(loads),)* }
            }
        }
    };
}

routers! {
    LeastLoaded,
    RoundRobin,
}

#[expect(clippy::derivable_impls, reason = "the variants come from the list")]
impl Default for RouterName {
    fn default() -> Self {
        Self::LeastLoaded
    }
}

impl Default for AnyRouter {
    fn default() -> Self {
        RouterName::default().router()
    }
}
