//! The solvers, one file each; the one list of them.
mod exact;
mod greedy;

pub use exact::Exact;
pub use greedy::Greedy;

use crate::error::Error;
use crate::solver::Solver;

const NAMES: &[&str] = &["greedy", "exact"];
const MAKES: [fn() -> Box<dyn Solver>; NAMES.len()] = [|| Box::new(Greedy), || Box::new(Exact)];

/// The names of all solvers.
pub fn names() -> &'static [&'static str] {
    NAMES
}

/// A solver by its name.
///
/// # Errors
/// For an unknown name, with the known ones.
pub fn by_name(name: &str) -> Result<Box<dyn Solver>, Error> {
    match NAMES.iter().position(|known| *known == name) {
        Some(i) => Ok(MAKES[i]()),
        None => Err(Error::new(format!("solver = {name:?}"), format!("one of {}", NAMES.join(", ")))),
    }
}
