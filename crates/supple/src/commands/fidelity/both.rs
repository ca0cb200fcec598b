//! Both sides of a comparison, and what is written of them.
use anyhow::Result;
use std::path::Path;
use supple_sim::fidelity::Observed;
use supple_sim::trace::file::trace_csv;
use supple_sim::{Trace, write_atomically};
use supple_strategy::Nanos;

/// A live run with its twins.
pub(crate) struct Pair {
    /// Which of the runs of its policy it is, from 0.
    pub run: usize,
    /// Live.
    pub live: Observed,
    /// Simulated.
    pub simulated: Observed,
    /// Simulated with the service times of the live run itself, where there is such a twin.
    pub given: Option<Observed>,
    /// The machine's speed during the live run.
    pub speed: Trace,
}

/// Writes `records.csv`, each piece of work of both sides, and for each policy and run `POLICY.RUN.speed.csv`, a trace of the machine's speed in that live run.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write(pairs: &[Pair], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    write_atomically(&folder.join("records.csv"), records(pairs).as_bytes())?;
    for Pair { run, live, speed, .. } in pairs {
        let file = folder.join(format!("{}.{run}.speed.csv", live.policy));
        write_atomically(&file, trace_csv(speed).as_bytes())?;
    }
    Ok(())
}

/// Each piece of work of each run, live and simulated: times in seconds from the start of the run, what it took of the processor in milliseconds. What was
/// dropped has no end.
fn records(pairs: &[Pair]) -> String {
    let mut text = "policy,run,side,number,arrival_s,due_s,started_s,finished_s,rung,service_ms\n".to_owned();
    for pair in pairs {
        let sides =
            [("live", Some(&pair.live)), ("sim", Some(&pair.simulated)), ("given_service", pair.given.as_ref())];
        for (side, observed) in sides {
            observed.into_iter().for_each(|observed| text += &lines(observed, pair.run, side));
        }
    }
    text
}

fn lines(observed: &Observed, run: usize, side: &str) -> String {
    let pieces = observed.records.iter().zip(&observed.service).enumerate();
    let line = |(number, (record, service)): (usize, (&supple_strategy::Record, &Nanos))| {
        let [arrival, due, started] = [record.arrival, record.due, record.started].map(Nanos::seconds);
        let end = record.finished.map_or(String::new(), |end| end.seconds().to_string());
        let (policy, rung, service) = (&observed.policy, record.rung, service.millis());
        format!("{policy},{run},{side},{number},{arrival},{due},{started},{end},{rung},{service}\n")
    };
    pieces.map(line).collect()
}
