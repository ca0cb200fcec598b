//! The simulated device: a plant in virtual time.
use crate::chance::Chance;
use crate::error::Error;
use crate::mechanism::{Mechanism, Pace, Processor, Starved};
use crate::timing::Timing;
use crate::trace::Trace;
use crate::watch::Watch;
use crate::world::StopReason;
use supple_graph::Setting;
use supple_strategy::{Job, Ladder, Nanos, Outcome, Plant};

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
    timing: Option<&'a Timing>,
    pace: Pace<'a>,
    /// How much work each request is; one where there is none.
    sizes: &'a [f64],
    /// Whether the rung was changed since the last work.
    switched: bool,
    /// A gauge that runs beside the work.
    watch: Option<Watch<'a>>,
}

impl<'a> SimulatedDevice<'a> {
    /// A device at time zero that answers one sample a job until [`with_batch`](Self::with_batch) says otherwise.
    pub fn new(ladder: &'a Ladder, trace: &'a Trace, mechanism: Mechanism, seed: u64) -> Self {
        let processor = Processor::new(trace, mechanism);
        Self {
            ladder,
            trace,
            processor,
            seed,
            batch: 1,
            rung: 0,
            starved: false,
            timing: None,
            pace: Pace::default(),
            sizes: &[],
            switched: false,
            watch: None,
        }
    }

    /// The same device with this many samples in a job.
    #[must_use]
    pub fn with_batch(self, batch: u32) -> Self {
        Self { batch, ..self }
    }

    /// The same device with a timing model.
    #[must_use]
    pub fn with_timing(self, timing: &'a Timing) -> Self {
        let phase = timing.phase_ms.map(|ms| Nanos::from_seconds(ms / 1e3));
        let processor = match phase {
            Some(phase) => self.processor.with_phase(phase),
            None => self.processor,
        };
        Self { processor, timing: Some(timing), ..self }
    }

    /// The same device with memory bandwidth, or a speed of the machine, that moves; the timing model's sensitivity, where it has one, goes before that
    /// of `pace`, and its powers and what it adds to cold work always do.
    #[must_use]
    pub fn with_pace(self, pace: Pace<'a>) -> Self {
        Self { pace, ..self }
    }

    /// The same device with requests of so much work each, by their numbers; those without a size are one.
    #[must_use]
    pub fn with_sizes(self, sizes: &'a [f64]) -> Self {
        Self { sizes, ..self }
    }

    /// The same device with a gauge beside the work: what it takes, the work does not get.
    #[must_use]
    pub fn with_watch(self, watch: Watch<'a>) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// Runs the gauge so often.
    fn gauge(&mut self, count: u64) {
        let cost = self.watch.as_ref().map_or(Nanos::ZERO, |watch| watch.allowance().cost);
        if count > 0 {
            self.starved |= self.processor.work(Nanos(cost.0 * count)).is_err();
        }
    }

    /// Processor time that a job takes on a rung at full speed, undisturbed; the cheapest rung when the ladder has not that many.
    pub fn demand(&self, job: Job, rung: usize) -> Nanos {
        let time = self.chance().service(job, self.ladder, rung);
        match job {
            Job::Request(number) => match self.sizes.get(number) {
                Some(size) => Nanos((time.0 as f64 * size).round() as u64),
                None => time,
            },
            Job::Step(_) => time,
        }
    }

    fn chance(&self) -> Chance<'static> {
        Chance { seed: self.seed, owner: "" }
    }

    /// Time since the start of the run.
    pub fn time(&self) -> Nanos {
        self.processor.now()
    }

    /// Makes the rung of this index the one that work runs on; the cheapest when the ladder has not that many.
    pub fn set_rung(&mut self, rung: usize) {
        self.rung = rung.min(self.ladder.last());
    }

    /// Whether, of two forks of one device, this one would end all work that may come no later than the other.
    pub fn ahead_of(&self, other: &Self) -> bool {
        let cold = self.timing.is_some_and(|timing| !timing.cold.away_s.is_empty());
        let warm = !cold || self.processor.ran() == other.processor.ran();
        let free = self.timing.is_none_or(|timing| timing.wait_s == 0.0);
        let together = free || self.processor.now() == other.processor.now();
        self.watch.is_none() && warm && together && self.processor.ahead_of(&other.processor)
    }

    /// When the trace stops the run, if it does.
    pub(crate) fn stops_at(&self) -> Option<Nanos> {
        self.trace.stops_at()
    }

    /// How much processor time, up to `most`, work without a pause may ask for from now on and end by `when`: by forks of the processor that try it.
    pub(crate) fn room(&self, when: Nanos, most: Nanos) -> Nanos {
        let fits = |work: u64| {
            let after = Nanos(when.0.saturating_add(1));
            self.processor.clone().work_before(Nanos(work), self.pace(), after).is_ok()
        };
        let (mut low, mut high) = (0, most.0);
        if fits(high) {
            return most;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fits(middle) { low = middle } else { high = middle }
        }
        Nanos(low)
    }

    /// The rung that work runs on.
    pub fn rung(&self) -> usize {
        self.rung
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

    /// Processor time of a job on the rung that is set, now, at full speed: with what a change of the rung adds to it.
    fn work(&mut self, job: Job) -> Nanos {
        let demand = self.demand(job, self.rung);
        let Some(timing) = self.timing else { return demand };
        if !std::mem::take(&mut self.switched) {
            return demand;
        }
        let away = self.processor.now().since(self.processor.ran());
        demand + Nanos::from_seconds(timing.switch_s) + timing.cold.changed(self.rung, away)
    }

    fn pace(&self) -> Pace<'a> {
        let measured = self.timing.and_then(|timing| timing.sensitivity(self.rung));
        let sensitivity = measured.unwrap_or(self.pace.sensitivity);
        let power = self.timing.map_or(1.0, |timing| timing.power(self.rung));
        let cold = self.timing.map(|timing| (&timing.cold, self.rung));
        Pace { sensitivity, power, cold, ..self.pace }
    }
}

impl Plant for SimulatedDevice<'_> {
    type Error = Error;

    fn now(&mut self) -> Nanos {
        self.processor.now()
    }

    fn between(&mut self) -> Result<(), Error> {
        let now = self.processor.now();
        let owed = self.watch.as_mut().map_or(0, |watch| watch.busy(now));
        self.gauge(owed);
        Ok(())
    }

    fn wait(&mut self, when: Nanos) -> Result<(), Error> {
        let now = self.processor.now();
        let fits = self.watch.as_mut().map_or(0, |watch| watch.idle(now, when.since(now)));
        self.gauge(fits);
        if when > self.processor.now() {
            let late = self.timing.map_or(Nanos::ZERO, |timing| timing.lateness(self.seed, when));
            self.processor.wait(when + late);
            self.processor.spend(self.timing.map_or(Nanos::ZERO, |timing| Nanos::from_seconds(timing.wait_s)));
        }
        if let Some(watch) = &mut self.watch {
            watch.waited(self.processor.now());
        }
        Ok(())
    }

    fn apply(&mut self, setting: &Setting) -> Result<(), Error> {
        let rung = self.ladder.rungs().iter().position(|rung| rung.setting == *setting);
        let rung = rung.ok_or_else(|| Error::field("setting", "one of the ladder's"))?;
        self.switched |= rung != self.rung;
        self.rung = rung;
        Ok(())
    }

    fn run(&mut self, job: Job) -> Result<Outcome, Error> {
        let work = self.work(job);
        match self.processor.work_at(work, self.pace()) {
            Ok(()) => Ok(self.chance().answers(job, self.ladder, self.rung, self.batch)),
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
