//! A training run step by step: which rung the next step takes, when to keep what was learnt, and what a loss costs. Live and simulated
//! runs share it.
use crate::ladder::Ladder;
use crate::plant::Outcome;
use crate::policy::{Completion, Observation, Policy};
use crate::request::Record;
use crate::time::Nanos;
use serde::{Deserialize, Serialize};

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stint {
    /// Make this step on this rung, and say when it is [`done`](Learner::done).
    Step {
        /// Its number, from zero.
        number: usize,
        /// The rung.
        rung: usize,
    },
    /// Keep what was learnt, and say when it is [`saved`](Learner::saved).
    Save,
    /// Nothing: all steps are made, or the deadline has come.
    Over,
}

/// A training run of so many steps until a deadline. The time left for a step is an equal part of the time left. A state without clock
/// and I/O: whoever runs it says what time it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learner {
    steps: usize,
    deadline: Nanos,
    /// Steps between checkpoints; zero for none.
    every: usize,
    made: usize,
    kept: usize,
    started: Nanos,
    rung: usize,
    finished: Option<Completion>,
}

impl Learner {
    /// A run on the dense rung, without checkpoints.
    pub fn new(steps: usize, deadline: Nanos) -> Self {
        Self { steps, deadline, ..Self::default() }
    }

    /// The same with a checkpoint after so many steps each; zero for none.
    #[must_use]
    pub fn with_checkpoints(self, every: usize) -> Self {
        Self { every, ..self }
    }

    /// Steps made and not lost.
    pub fn made(&self) -> usize {
        self.made
    }

    /// Whether all steps are made.
    pub fn complete(&self) -> bool {
        self.made >= self.steps
    }

    /// The rung that is set.
    pub fn rung(&self) -> usize {
        self.rung
    }

    /// What to do now.
    pub fn turn(&mut self, now: Nanos, ladder: &Ladder, policy: &mut dyn Policy) -> Stint {
        if self.complete() || now >= self.deadline {
            return Stint::Over;
        }
        if self.every > 0 && self.made - self.kept >= self.every {
            return Stint::Save;
        }
        let remaining = Nanos((self.deadline - now).0 / (self.steps - self.made) as u64);
        let finished = self.finished.take();
        let seen = Observation { now, remaining, queued: 0, remaining_of_last: remaining, finished };
        self.rung = policy.decide(&seen, ladder).rung.min(ladder.last());
        self.started = now;
        Stint::Step { number: self.made, rung: self.rung }
    }

    /// The step is made.
    pub fn done(&mut self, now: Nanos, outcome: Outcome) -> Record {
        self.made += 1;
        let (started, rung) = (self.started, self.rung);
        self.finished = Some(Completion { rung, took: now - started });
        Record { arrival: started, due: self.deadline, started, finished: Some(now), rung, outcome }
    }

    /// What was learnt so far is kept.
    pub fn saved(&mut self) {
        self.kept = self.made;
    }

    /// What was learnt since the last checkpoint is lost: so many steps, which are to be made again.
    pub fn interrupt(&mut self) -> usize {
        let lost = self.made - self.kept;
        self.made = self.kept;
        lost
    }
}
