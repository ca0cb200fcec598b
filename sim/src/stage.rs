//! A scenario made ready: what every policy that runs in it meets alike.
use crate::device::SimulatedDevice;
use crate::error::Error;
use crate::fidelity::Observed;
use crate::mechanism::{Mechanism, Pace};
use crate::report::{PlantName, Run, TrainingRun};
use crate::scenario::Scenario;
use crate::tables::Training;
use crate::timing::Timing;
use crate::trace::Trace;
use crate::watch::{Allowance, Watch};
use crate::watched::Watched;
use crate::workload::Arrival;
use crate::world::StopReason;
use std::borrow::Cow;
use supple_strategy::drive::{serve, train};
use supple_strategy::{Changing, Ladder, Nanos, Plant, Policy, Record, Request};

/// A scenario on a simulated machine.
#[derive(Clone, Debug)]
pub struct Stage<'a> {
    scenario: &'a Scenario,
    ladder: &'a Ladder,
    machine: &'a Ladder,
    timing: Option<&'a Timing>,
    trace: &'a Trace,
    bandwidth: Option<Trace>,
    /// The machine's own speed; `None` when always the one that it was measured at.
    speed: Option<Cow<'a, Trace>>,
    /// What a gauge takes of the processor, where there is one.
    gauge: Option<Allowance>,
    arrivals: Vec<Arrival>,
    /// How much work each request is.
    sizes: Vec<f64>,
}

impl<'a> Stage<'a> {
    /// A scenario on the machine that `ladder` was measured on.
    ///
    /// # Errors
    /// When the ladder was measured with another batch than the scenario's, or the arrivals cannot be made.
    pub fn new(scenario: &'a Scenario, ladder: &'a Ladder, trace: &'a Trace) -> Result<Self, Error> {
        let (field, batch) = match &scenario.training {
            Some(training) => ("training.batch", training.batch),
            None => ("request.batch", scenario.request.batch),
        };
        check_batch(field, batch, ladder).map_err(|error| error.within(scenario.origin().display()))?;
        let bandwidth = scenario.bandwidth_trace()?;
        let speed = scenario.speed_trace()?.map(Cow::Owned);
        let mut arrivals = if scenario.training.is_some() { Vec::new() } else { scenario.arrivals(ladder)? };
        arrivals.retain(|arrival| trace.stops_at().is_none_or(|end| arrival.at < end));
        let sizes = arrivals.iter().map(|arrival| arrival.size).collect();
        Ok(Self {
            scenario,
            ladder,
            machine: ladder,
            timing: None,
            trace,
            bandwidth,
            speed,
            gauge: None,
            arrivals,
            sizes,
        })
    }

    /// The same with service times and quality of `machine`, while demands, load and policies go by the ladder: what a ladder measured at one
    /// moment does at another.
    #[must_use]
    pub fn on(self, machine: &'a Ladder) -> Self {
        Self { machine, ..self }
    }

    /// The same with a timing model.
    #[must_use]
    pub fn timed(self, timing: &'a Timing) -> Self {
        Self { timing: Some(timing), ..self }
    }

    /// The same on a machine whose own speed moves so, beside its share, whatever the scenario says: 1 where work takes as long as was measured.
    #[must_use]
    pub fn at_speed(self, speed: &'a Trace) -> Self {
        Self { speed: Some(Cow::Borrowed(speed)), ..self }
    }

    /// The same with a gauge beside the work, as a live run may have it.
    #[must_use]
    pub fn gauged(self, gauge: Option<Allowance>) -> Self {
        Self { gauge, ..self }
    }

    /// The requests offered, ascending. With a trace that stops, those that would arrive later are not.
    pub fn requests(&self) -> Vec<Request> {
        self.scenario.due(&self.arrivals, self.ladder)
    }

    /// The device at time zero.
    pub fn device(&self) -> SimulatedDevice<'_> {
        let batch = self.scenario.training.as_ref().map_or(self.scenario.request.batch, |training| training.batch);
        let device = SimulatedDevice::new(self.machine, self.trace, self.mechanism(), self.scenario.seed);
        let sensitivity = self.scenario.bandwidth.as_ref().map_or(0.0, |bandwidth| bandwidth.sensitivity);
        let device = device.with_batch(batch).with_sizes(&self.sizes).with_pace(Pace {
            free: self.bandwidth.as_ref(),
            sensitivity,
            machine: self.speed.as_deref(),
            ..Pace::default()
        });
        let device = match self.gauge {
            Some(allowance) => device.with_watch(Watch::new(self.trace, allowance)),
            None => device,
        };
        match self.timing {
            Some(timing) => device.with_timing(timing),
            None => device,
        }
    }

    /// The scenario's, with the tick of the timing model.
    fn mechanism(&self) -> Mechanism {
        match (self.scenario.mechanism(), self.timing) {
            (Mechanism::Quota { period, .. }, Some(timing)) => {
                Mechanism::Quota { period, tick: Nanos::from_seconds(timing.tick_ms / 1e3) }
            }
            (mechanism, _) => mechanism,
        }
    }

    /// Lets a policy serve the requests.
    ///
    /// # Errors
    /// None of a simulated device.
    pub fn serve(&self, policy: &mut dyn Policy, name: &str) -> Result<Run, Error> {
        let requests = self.requests();
        let mut device = self.device();
        let records = self.serve_on(&mut device, &requests, policy)?;
        Ok(Run::of(name, PlantName::Sim, requests.len(), records, self.ladder).ended(reason(&device)))
    }

    /// [`serve`](Self::serve), and where the time went.
    ///
    /// # Errors
    /// As there.
    pub fn observe(&self, policy: &mut dyn Policy, name: &str) -> Result<(Run, Observed), Error> {
        let requests = self.requests();
        let mut watched = self.watched();
        let records = self.serve_on(&mut watched, &requests, policy)?;
        let (service, switches) = watched.noted(records.len());
        let run = Run::of(name, PlantName::Sim, requests.len(), records, self.ladder);
        let observed = Observed::of_serving(&run, service, switches);
        Ok((run, observed))
    }

    /// Lets a policy make the training steps.
    ///
    /// # Errors
    /// When the scenario has no `[training]`.
    pub fn train(&self, policy: &mut dyn Policy, name: &str) -> Result<TrainingRun, Error> {
        let training = self.training()?;
        let mut device = self.device();
        let (deadline, records) = self.train_on(&mut device, training, policy)?;
        let run = TrainingRun::of(name, PlantName::Sim, training.steps, deadline, records, self.ladder);
        Ok(run.ended(reason(&device)))
    }

    /// [`train`](Self::train), and where the time went.
    ///
    /// # Errors
    /// As there.
    pub fn observe_training(&self, policy: &mut dyn Policy, name: &str) -> Result<(TrainingRun, Observed), Error> {
        let training = self.training()?;
        let mut watched = self.watched();
        let (deadline, records) = self.train_on(&mut watched, training, policy)?;
        let (service, switches) = watched.noted(records.len());
        let run = TrainingRun::of(name, PlantName::Sim, training.steps, deadline, records, self.ladder);
        let observed = Observed::of_training(&run, service, switches);
        Ok((run, observed))
    }

    fn watched(&self) -> Watched<'_> {
        Watched::new(self.device(), Nanos::from_seconds(self.timing.map_or(0.0, |timing| timing.switch_s)))
    }

    /// The table `[training]`.
    pub(crate) fn training(&self) -> Result<&'a Training, Error> {
        let missing = || Error::field("training", "a table [training]").within(self.scenario.origin().display());
        self.scenario.training.as_ref().ok_or_else(missing)
    }

    fn serve_on<P: Plant<Error = Error>>(
        &self,
        plant: &mut P,
        requests: &[Request],
        policy: &mut dyn Policy,
    ) -> Result<Vec<Record>, Error> {
        let mut policy = Changing::new(policy, self.scenario.changes(self.ladder));
        serve(plant, requests, self.ladder, &mut policy).map(ended)
    }

    fn train_on<P: Plant<Error = Error>>(
        &self,
        plant: &mut P,
        training: &Training,
        policy: &mut dyn Policy,
    ) -> Result<(Nanos, Vec<Record>), Error> {
        let deadline = training.deadline(self.ladder.rungs()[0].service.median());
        let mut policy = Changing::new(policy, self.scenario.changes(self.ladder));
        let records = train(plant, training.steps, deadline, self.ladder, &mut policy)?;
        Ok((deadline, ended(records)))
    }
}

/// Service times hold for the batch that they were measured with. A ladder that does not say which (batch 0) fits all.
pub(crate) fn check_batch(field: &str, batch: u32, ladder: &Ladder) -> Result<(), Error> {
    let measured = ladder.stamp.batch;
    if measured == 0 || measured == batch as usize {
        return Ok(());
    }
    let expected = format!("{measured}, the batch that the ladder was measured with");
    Err(Error::field(format!("{field} = {batch}"), expected))
}

/// Why a run on this device ended.
fn reason(device: &SimulatedDevice<'_>) -> StopReason {
    device.stop_reason().unwrap_or(StopReason::Finished)
}

/// Work that starved has no end.
fn ended(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        record.finished = record.finished.filter(|end| *end < Nanos::MAX);
    }
    records
}
