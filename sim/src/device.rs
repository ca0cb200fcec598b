//! The simulated device: a plant in virtual time.
use crate::error::Error;
use crate::mechanism::{Mechanism, Processor, Starved};
use crate::random::stream;
use crate::trace::Trace;
use rand::RngExt;
use supple_graph::Setting;
use supple_strategy::{Job, Ladder, Nanos, Outcome, Plant};

/// Why a simulated run ended before its work did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The trace is over, and says that the run then stops.
    TraceEnded,
    /// No share of the processor ever comes again.
    Starved,
}

/// A plant in virtual time: it runs work as the ladder's measurements say, on a processor whose share moves along a trace.
///
/// The processor time of a job is drawn from the [`Spread`](supple_strategy::Spread) of the rung that is set, the number of right
/// answers from Binomial(batch, quality). Both depend only on seed, job and rung, never on what was run before, and use the same
/// uniform numbers on every rung: policies meet the same randomness, and a cheaper rung is never slower for want of luck.
///
/// Work that starves ends at [`Nanos::MAX`] without answers, and the device is [`stopped`](Plant::stopped).
#[derive(Clone, Debug)]
pub struct SimulatedDevice<'a> {
    ladder: &'a Ladder,
    trace: &'a Trace,
    processor: Processor<'a>,
    seed: u64,
    batch: u32,
    rung: usize,
    starved: bool,
}

impl<'a> SimulatedDevice<'a> {
    /// A device at time zero that answers one sample a job until [`with_batch`](Self::with_batch) says otherwise.
    pub fn new(ladder: &'a Ladder, trace: &'a Trace, mechanism: Mechanism, seed: u64) -> Self {
        let processor = Processor::new(trace, mechanism);
        Self { ladder, trace, processor, seed, batch: 1, rung: 0, starved: false }
    }

    /// The same device with this many samples in a job.
    #[must_use]
    pub fn with_batch(self, batch: u32) -> Self {
        Self { batch, ..self }
    }

    /// Processor time that a job takes on a rung; the cheapest rung when the ladder has not that many.
    pub fn demand(&self, job: Job, rung: usize) -> Nanos {
        let q = stream(self.seed, &entity(job), "service").random::<f64>();
        Nanos::from_seconds(self.ladder.rungs()[rung.min(self.ladder.last())].service.quantile(q))
    }

    /// Processor time given so far.
    pub fn served(&self) -> Nanos {
        self.processor.served()
    }

    /// Why the device has stopped, if it has.
    pub fn stop_reason(&self) -> Option<StopReason> {
        if self.starved {
            return Some(StopReason::Starved);
        }
        let ended = self.trace.stops_at().is_some_and(|end| self.processor.now() >= end);
        ended.then_some(StopReason::TraceEnded)
    }

    fn answers(&self, job: Job) -> Outcome {
        let quality = self.ladder.rungs()[self.rung].quality;
        let mut random = stream(self.seed, &entity(job), "answers");
        let right = (0..self.batch).filter(|_| random.random::<f64>() < quality).count();
        Outcome { right: right as u32, of: self.batch }
    }
}

fn entity(job: Job) -> String {
    match job {
        Job::Request(number) => format!("request {number}"),
        Job::Step(number) => format!("step {number}"),
    }
}

impl Plant for SimulatedDevice<'_> {
    type Error = Error;

    fn now(&mut self) -> Nanos {
        self.processor.now()
    }

    fn wait(&mut self, when: Nanos) -> Result<(), Error> {
        self.processor.wait(when);
        Ok(())
    }

    fn apply(&mut self, setting: &Setting) -> Result<(), Error> {
        let rung = self.ladder.rungs().iter().position(|rung| rung.setting == *setting);
        self.rung = rung.ok_or_else(|| Error::field("setting", "one of the ladder's"))?;
        Ok(())
    }

    fn run(&mut self, job: Job) -> Result<Outcome, Error> {
        match self.processor.work(self.demand(job, self.rung)) {
            Ok(()) => Ok(self.answers(job)),
            Err(Starved) => {
                self.starved = true;
                Ok(Outcome::default())
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop_reason().is_some()
    }
}
