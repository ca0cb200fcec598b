//! The contract of what a policy drives: the live executor, or the simulated device.
use crate::time::Nanos;
use serde::{Deserialize, Serialize};
use supple_graph::Setting;

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Answer the request with this number.
    Request(usize),
    /// Do the training step with this number.
    Step(usize),
}

/// What came out of a piece of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Right answers.
    pub right: u32,
    /// Answers.
    pub of: u32,
}

/// Something that runs work under a setting while its resources move. It owns the clock.
pub trait Plant {
    /// Why it can fail.
    type Error;

    /// Time since the start of the run.
    fn now(&mut self) -> Nanos;

    /// Lets time pass until `when`; returns at once when that is past.
    ///
    /// # Errors
    /// When the plant fails.
    fn wait(&mut self, when: Nanos) -> Result<(), Self::Error>;

    /// Does what the plant itself has to do, before the loop looks at the clock for the next piece of work.
    ///
    /// # Errors
    /// When the plant fails.
    fn between(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Makes `setting`, one of the ladder's, the one that [`run`](Self::run) uses.
    ///
    /// # Errors
    /// When the plant cannot run this setting.
    fn apply(&mut self, setting: &Setting) -> Result<(), Self::Error>;

    /// Runs one piece of work to its end; time passes.
    ///
    /// # Errors
    /// When the plant fails.
    fn run(&mut self, job: Job) -> Result<Outcome, Self::Error>;

    /// Runs several pieces of work together to their end; one outcome each. Unless said otherwise, one after another.
    ///
    /// # Errors
    /// When the plant fails.
    fn run_batch(&mut self, jobs: &[Job]) -> Result<Vec<Outcome>, Self::Error> {
        jobs.iter().map(|&job| self.run(job)).collect()
    }

    /// Whether the run should end now (the user asked for it).
    fn stopped(&self) -> bool {
        false
    }
}
