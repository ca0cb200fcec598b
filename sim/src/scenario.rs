//! Trace, load, demand, policy and seed of a run, in TOML.
use crate::arrivals::{MOST, Source, arrivals};
use crate::error::Error;
use crate::load_table::Load;
use crate::mechanism::Mechanism;
use crate::note::Noted;
use crate::origin::Origin;
use crate::place::line_column;
use crate::tables::{Bandwidth, Device, Request as RequestTable, Training, Wants, positive};
use crate::trace::Trace;
use crate::trace::table::TraceTable;
use crate::unit::Unit;
use crate::workload::Arrival;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use supple_strategy::policies::PolicyOptions;
use supple_strategy::{Demand, Ladder, Nanos, Request, Spread};

/// A run to be made, live or simulated. A scenario with `[training]` is a training run; its `[load]` and `[request]` are not used.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Name, as in reports.
    pub name: String,
    /// Seed of everything random.
    #[serde(default)]
    pub seed: u64,
    /// Requests arrive for this long, in seconds.
    pub duration_s: f64,
    /// The share of the processor over time.
    pub trace: TraceTable,
    /// When requests arrive.
    #[serde(default)]
    pub load: Load,
    /// What a request is.
    #[serde(default)]
    pub request: RequestTable,
    /// What the user wants.
    #[serde(default)]
    pub demand: Wants,
    /// How cautious policies are.
    #[serde(default)]
    pub policy: PolicyOptions,
    /// How the device turns its share into progress.
    #[serde(default)]
    pub device: Device,
    /// Memory bandwidth, for a scenario where it moves.
    #[serde(default)]
    pub bandwidth: Option<Bandwidth>,
    /// The machine's own speed, where it moves beside the share, with `map = "raw"`: 1 as fast as service times were measured. A live machine has its own.
    #[serde(default)]
    pub speed: Option<TraceTable>,
    /// The training run, for a scenario that trains.
    #[serde(default)]
    pub training: Option<Training>,
    #[serde(skip)]
    origin: Origin,
}

impl Scenario {
    /// The JSON schema of a scenario file, for editors.
    #[cfg(feature = "full")]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    /// Most requests of a run; a scenario with more is refused.
    pub const MOST_REQUESTS: f64 = MOST;

    /// A scenario from its text; `origin` stands in errors, and trace files are looked up beside it.
    ///
    /// # Errors
    /// When the text is not TOML, or has a field that is not as it must be.
    pub fn parse(text: &str, origin: impl AsRef<Path>) -> Result<Self, Error> {
        let origin = origin.as_ref();
        let scenario = read_checked(text, origin, Self::check)?;
        Ok(Self { origin: Origin::new(origin), ..scenario })
    }

    fn check(&self) -> Result<(), Error> {
        positive("duration_s", self.duration_s)?;
        self.trace.check()?;
        self.load.check()?;
        self.request.check()?;
        self.demand.check()?;
        self.policy.check().map_err(|cause| Error::entry("policy", cause))?;
        self.device.check()?;
        self.bandwidth.as_ref().map_or(Ok(()), Bandwidth::check)?;
        let speed = self.speed.as_ref().map_or(Ok(()), TraceTable::check);
        speed.map_err(|error| error.moved("trace", "speed"))?;
        self.training.as_ref().map_or(Ok(()), Training::check)
    }

    /// The file that the scenario is from, as errors name it.
    pub fn origin(&self) -> &Path {
        self.origin.file()
    }

    /// How long requests arrive.
    pub fn duration(&self) -> Nanos {
        Nanos::from_seconds(self.duration_s)
    }

    /// The same scenario with the files that it names looked up in this folder instead of beside it.
    #[must_use]
    pub fn with_files_in(self, folder: Option<&Path>) -> Self {
        Self { origin: self.origin.with_files_in(folder), ..self }
    }

    /// The folder that files are looked up in.
    fn folder(&self) -> &Path {
        self.origin.folder()
    }

    /// Whether the scenario names files.
    pub fn needs_files(&self) -> bool {
        self.trace.needs_files() || self.speed.as_ref().is_some_and(TraceTable::needs_files) || self.load.file.is_some()
    }

    /// What is run, without where it was read: two scenarios with equal contents and equal files are the same.
    #[must_use]
    pub fn contents(self) -> Self {
        Self { origin: Origin::default(), ..self }
    }

    /// The share over time.
    ///
    /// # Errors
    /// When a trace file cannot be read, or the points make no trace.
    pub fn trace(&self) -> Result<Trace, Error> {
        self.noted_trace().map(|noted| noted.value)
    }

    /// The same, with what was noticed in the files that it is from.
    ///
    /// # Errors
    /// As [`trace`](Self::trace); also when it is no share.
    pub fn noted_trace(&self) -> Result<Noted<Trace>, Error> {
        let noted = self.trace.trace(self.folder(), self.duration(), self.seed);
        let share = noted.and_then(|noted| match noted.value.unit() {
            Unit::Share => Ok(noted),
            unit => Err(Error::field(format!("trace.map = \"raw\", in {unit}"), "a share of the processor")),
        });
        share.map_err(|error| error.within(self.origin().display()))
    }

    /// The same scenario for this many seconds instead of its own.
    ///
    /// # Errors
    /// Unless the number is finite and above zero.
    pub fn lasting(self, seconds: f64) -> Result<Self, Error> {
        positive("duration_s", seconds)?;
        Ok(Self { duration_s: seconds, ..self })
    }

    /// The part of the memory bandwidth that is free over time, where it moves.
    ///
    /// # Errors
    /// When the points make no trace.
    pub fn bandwidth_trace(&self) -> Result<Option<Trace>, Error> {
        let trace = self.bandwidth.as_ref().map(Bandwidth::trace).transpose();
        trace.map_err(|error| error.within(self.origin().display()))
    }

    /// The machine's own speed over time, where it moves.
    ///
    /// # Errors
    /// When a trace file cannot be read, or the points are no speeds: numbers above zero.
    pub fn speed_trace(&self) -> Result<Option<Trace>, Error> {
        Ok(self.noted_speed_trace()?.map(|noted| noted.value))
    }

    /// The same, with what was noticed in the files that it is from.
    ///
    /// # Errors
    /// As [`speed_trace`](Self::speed_trace).
    pub fn noted_speed_trace(&self) -> Result<Option<Noted<Trace>>, Error> {
        let Some(table) = &self.speed else { return Ok(None) };
        let noted = table.trace_at("speed", self.folder(), self.duration(), self.seed);
        let speed = noted.and_then(|noted| {
            let value = &noted.value;
            if value.unit() != Unit::Number {
                return Err(Error::field(format!("speed, in {}", value.unit()), "a number, with map = \"raw\""));
            }
            match value.points().iter().find(|(_, speed)| *speed <= 0.0) {
                Some((when, speed)) => {
                    Err(Error::field(format!("speed = {speed} at {} s", when.seconds()), "numbers above 0"))
                }
                None => Ok(Some(noted)),
            }
        });
        speed.map_err(|error| error.within(self.origin().display()))
    }

    /// What the device is.
    pub fn mechanism(&self) -> Mechanism {
        self.device.mechanism()
    }

    /// What the user wants of this run on this ladder.
    pub fn demand(&self, ladder: &Ladder) -> Demand {
        let dense = dense(ladder).median();
        let deadline = match &self.training {
            Some(training) => training.deadline(dense),
            None => self.request.deadline(dense),
        };
        self.demand.demand(deadline)
    }

    /// What the user wants later, and from when on, ascending.
    pub fn changes(&self, ladder: &Ladder) -> Vec<(Nanos, Demand)> {
        self.demand.changes(self.demand(ladder), dense(ladder).median(), self.training.is_some())
    }

    /// The arrivals of this run, ascending; none after [`duration`](Self::duration). Utilisation is the mean service time on the dense rung, at full share,
    /// over the mean time between arrivals.
    ///
    /// # Errors
    /// When there would be more than [`MOST_REQUESTS`](Self::MOST_REQUESTS), or the file of replayed arrivals cannot be read or has none.
    pub fn arrivals(&self, ladder: &Ladder) -> Result<Vec<Arrival>, Error> {
        let source = Source { service: mean(dense(ladder)), seed: self.seed, owner: "load", folder: self.folder() };
        let all = arrivals(&self.load, self.duration(), source);
        all.map_err(|error| error.within(self.origin().display()))
    }

    /// The requests that these arrivals are.
    ///
    /// # Errors
    /// As [`arrivals`](Self::arrivals).
    pub fn requests(&self, ladder: &Ladder) -> Result<Vec<Request>, Error> {
        self.arrivals(ladder).map(|arrivals| self.due(&arrivals, ladder))
    }

    /// When arrivals are due.
    pub(crate) fn due(&self, arrivals: &[Arrival], ladder: &Ladder) -> Vec<Request> {
        let deadline = self.request.deadline(dense(ladder).median());
        let mut deadlines = self.changes(ladder).into_iter().peekable();
        let mut deadline_now = deadline;
        let request = |arrival: &Arrival| {
            while let Some((_, demand)) = deadlines.next_if(|(when, _)| *when <= arrival.at) {
                deadline_now = demand.deadline.unwrap_or(deadline);
            }
            Request { arrival: arrival.at, due: arrival.at + deadline_now }
        };
        arrivals.iter().map(request).collect()
    }
}

pub(crate) fn dense(ladder: &Ladder) -> &Spread {
    &ladder.rungs()[0].service
}

/// Mean of what [`Spread::quantile`] gives for a uniform argument, in seconds.
pub(crate) fn mean(spread: &Spread) -> f64 {
    let points = spread.points();
    if let [only] = points {
        return *only;
    }
    points.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum::<f64>() / (points.len() - 1) as f64
}

/// What stands in a TOML text, when it is good; errors say where it is not, and name `origin`.
pub(crate) fn read_checked<T: DeserializeOwned>(
    text: &str,
    origin: &Path,
    check: impl Fn(&T) -> Result<(), Error>,
) -> Result<T, Error> {
    let read = toml::from_str::<T>(text).map_err(|error| located(text, &error));
    let checked = read.and_then(|value| check(&value).map(|()| value).map_err(|error| error.placed(text)));
    checked.map_err(|error| error.within(origin.display()))
}

/// The error with the line and column of the place in `text` that it speaks of.
fn located(text: &str, error: &toml::de::Error) -> Error {
    let (line, column) = line_column(text, error.span().map_or(0, |span| span.start));
    let source = text.lines().nth(line as usize - 1).unwrap_or("").trim();
    let message = error.message().replace('\n', ", ");
    Error::text(line, column, format!("`{source}`: {message}"))
}
