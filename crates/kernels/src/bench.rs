//! Measuring: shapes from a file, a case for each format, and a peer that is asked in turn.
mod attention_case;
mod case;
pub mod cases;
mod error;
mod line;
mod operands;
mod peer;
mod shapes;
mod subject;
mod versus;

pub use case::{Case, Times};
pub use error::Error;
pub use line::{Line, geometric_mean};
pub use peer::Peer;
pub use shapes::{Shape, Shapes};
pub use subject::Subject;
pub use versus::{Trial, active_against_dense, cuts_against_dense, tops_against_dense};

use crate::limits::Limits;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The shapes and densities.
    pub shapes: Shapes,
    /// Only this operator.
    pub only: Option<String>,
    /// Names of formats.
    pub formats: Vec<String>,
    /// Numbers of threads, one after the other.
    pub threads: Vec<usize>,
    /// Turns for each case; a figure is the median over its turns.
    pub rounds: usize,
    /// Who is asked in turn.
    pub peer: Option<Peer>,
}

/// Measures every shape in every format at every density, and hands over a line for each; `started` learns the limits first.
///
/// The dense case and the peer come first in each turn, so that every ratio is of one run.
///
/// # Errors
/// When a format has no such name, a kernel refuses its operands, or the peer does not run.
pub fn run(plan: &Plan, mut started: impl FnMut(usize, Limits), mut each: impl FnMut(&Line)) -> Result<(), Error> {
    let formats = plan.formats.iter().map(|name| cases::find(name).ok_or_else(|| Error::Format(name.clone())));
    let formats = formats.collect::<Result<Vec<_>, _>>()?;
    let shapes = plan.shapes.all()?;
    for &threads in &plan.threads {
        let threads = threads.max(1);
        let limits = Limits::measure(threads);
        started(threads, limits);
        for shape in shapes.iter().filter(|shape| plan.only.as_deref().is_none_or(|only| only == shape.op)) {
            for line in lines(plan, &formats, shape, threads, limits)? {
                each(&line);
            }
        }
    }
    Ok(())
}

/// The figures of one shape.
fn lines(
    plan: &Plan,
    formats: &[&'static cases::Format],
    shape: &Shape,
    threads: usize,
    limits: Limits,
) -> Result<Vec<Line>, Error> {
    let mut found = Vec::new();
    for format in formats {
        for &density in plan.shapes.densities() {
            found.extend((format.make)(&shape.subject, density).map(|case| (format.name, density, case, Vec::new())));
        }
    }
    let mut peers = Vec::new();
    for _ in 0..plan.rounds.max(1) {
        if let Some(peer) = plan.peer.as_ref().filter(|_| shape.peers_know) {
            peers.push(peer.ask(shape, threads)?);
        }
        for (.., case, times) in &mut found {
            times.push(Times::of(&mut **case, threads)?);
        }
    }
    let theirs = (!peers.is_empty()).then(|| Times::median(&peers));
    let line = |(format, density, case, times): (_, _, Box<dyn Case>, Vec<Times>)| {
        let times = Times::median(&times);
        Line::new(shape, (format, density, case.chosen()), threads, (times, theirs), limits)
    };
    Ok(found.into_iter().map(line).collect())
}
