//! The figures of a machine of a fleet.
use crate::fleet::{Fleet, MachineId, Outage};
use crate::resource::{Capacity, Resource};
use crate::resources::AnyResource;
use crate::router::Router;
use crate::supply::Supply;
use crate::trace::Trace;
use crate::workload::Workload;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// One machine of a fleet while one policy drove its models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineRun {
    /// Name of the policy.
    pub policy: String,
    /// Name of the machine.
    pub machine: String,
    /// Tasks done: batches of requests, steps, checkpoints, restarts.
    pub done: usize,
    /// Tasks that found no memory, at their beginning or later.
    pub killed: usize,
    /// Tasks lost when the machine went away.
    pub lost: usize,
    /// Processor time given at its speed, in seconds at the speed of the machine that ladders were measured on.
    pub processor_s: f64,
    /// Part of the run in which it was away.
    pub away: f64,
    /// Most bytes held at once.
    pub most_held: u64,
    /// Bytes moved between processor and memory, where this is modelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<u64>,
    /// Bytes that came over the link, where it is modelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transferred: Option<u64>,
    /// Energy in joules, where it is modelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joules: Option<f64>,
    /// Highest temperature in degrees Celsius, where it is modelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hottest_c: Option<f64>,
    /// Seconds in which heat throttled it, where it is modelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_s: Option<f64>,
    /// Its share over time, for plots.
    #[serde(skip)]
    pub share: Option<Trace>,
    /// When it was away, for plots.
    #[serde(skip)]
    pub outages: Vec<Outage>,
}

impl MachineRun {
    /// The figures of a machine when the run ended, at `now`.
    pub fn of<W: Workload, T: Router>(
        (policy, machine): (&str, &str),
        fleet: &Fleet<AnyResource, W, T>,
        id: MachineId,
        outages: &[Outage],
        now: Nanos,
    ) -> Self {
        let (counts, at) = (fleet.counts(id), fleet.machine(id));
        let heat = at.processor().and_then(|processor| match processor.resource() {
            AnyResource::Thermal(thermal) => Some(thermal),
            _ => None,
        });
        Self {
            policy: policy.to_owned(),
            machine: machine.to_owned(),
            done: counts.done,
            killed: counts.killed,
            lost: counts.lost,
            processor_s: at.processor().map_or(0.0, |processor| Nanos(given(processor)).seconds()),
            away: away(outages, now),
            most_held: at.most_held(),
            moved: at.bandwidth().map(given),
            transferred: at.link().map(given),
            joules: heat.map(|heat| heat.joules_at(now)),
            hottest_c: heat.map(|heat| heat.hottest()),
            throttled_s: heat.map(|heat| heat.throttled_s()),
            share: at.processor().map(|processor| processor.trace().clone()),
            outages: outages.to_vec(),
        }
    }

    /// Policy and machine, as titles name the run.
    pub fn title(&self) -> String {
        format!("{} · {}", self.policy, self.machine)
    }
}

/// Whole units given.
fn given(supply: &Supply<AnyResource>) -> u64 {
    (supply.account().given >> Capacity::BITS) as u64
}

/// Part of the time up to `now` in the outages.
fn away(outages: &[Outage], now: Nanos) -> f64 {
    let spans = outages.iter().map(|outage| outage.to.min(now).since(outage.from).0);
    if now > Nanos::ZERO { spans.sum::<u64>() as f64 / now.0 as f64 } else { 0.0 }
}
