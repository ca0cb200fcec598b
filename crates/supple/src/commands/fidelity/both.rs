//! Both sides of a comparison, and what is written of them.
use anyhow::Result;
use std::path::Path;
use supple_sim::fidelity::Observed;
use supple_sim::{Trace, trace_file, write_atomically};
use supple_strategy::Nanos;

/// What is seen live and simulated, policy by policy; simulated with the service times of the live run itself, where there is such a run; and the machine's
/// speed during each live run.
#[derive(Default)]
pub(crate) struct BothSides {
    pub live: Vec<Observed>,
    pub simulated: Vec<Observed>,
    pub given: Vec<Observed>,
    pub speeds: Vec<Trace>,
}

impl BothSides {
    /// Writes `records.csv`, each piece of work of both sides, and for each policy `POLICY.speed.csv`, a trace of the machine's speed in its live run.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        write_atomically(&folder.join("records.csv"), self.records().as_bytes())?;
        for (run, speed) in self.live.iter().zip(&self.speeds) {
            let file = folder.join(format!("{}.speed.csv", run.policy));
            write_atomically(&file, trace_file::trace_csv(speed).as_bytes())?;
        }
        Ok(())
    }

    /// Each piece of work of each run, live and simulated: times in seconds from the start of the run, what it took of the processor in milliseconds. What was
    /// dropped has no end.
    fn records(&self) -> String {
        let mut text = "policy,side,number,arrival_s,due_s,started_s,finished_s,rung,service_ms\n".to_owned();
        for (side, runs) in [("live", &self.live), ("sim", &self.simulated), ("given_service", &self.given)] {
            for run in runs {
                for (number, (record, service)) in run.records.iter().zip(&run.service).enumerate() {
                    let [arrival, due, started] = [record.arrival, record.due, record.started].map(Nanos::seconds);
                    let end = record.finished.map_or(String::new(), |end| end.seconds().to_string());
                    let (rung, service) = (record.rung, service.millis());
                    text +=
                        &format!("{},{side},{number},{arrival},{due},{started},{end},{rung},{service}\n", run.policy);
                }
            }
        }
        text
    }
}
