//! A simulated device that notes where time goes.
use crate::device::SimulatedDevice;
use crate::error::Error;
use std::collections::BTreeMap;
use supple_graph::Setting;
use supple_strategy::{Job, Nanos, Outcome, Plant};

/// A simulated device, and what each piece of work took of the processor.
pub(crate) struct Watched<'a> {
    device: SimulatedDevice<'a>,
    switch: Nanos,
    service: BTreeMap<usize, Nanos>,
    switches: Vec<Nanos>,
}

impl<'a> Watched<'a> {
    /// Watches a device on which a change of the rung takes `switch`.
    pub(crate) fn new(device: SimulatedDevice<'a>, switch: Nanos) -> Self {
        Self { device, switch, service: BTreeMap::new(), switches: Vec::new() }
    }

    /// Processor time of each of so many pieces of work, zero for those that never ran; and of each change of the rung.
    pub(crate) fn noted(self, pieces: usize) -> (Vec<Nanos>, Vec<Nanos>) {
        let of = |number: usize| self.service.get(&number).copied().unwrap_or_default();
        ((0..pieces).map(of).collect(), self.switches)
    }
}

impl Plant for Watched<'_> {
    type Error = Error;

    fn now(&mut self) -> Nanos {
        self.device.now()
    }

    fn wait(&mut self, when: Nanos) -> Result<(), Error> {
        self.device.wait(when)
    }

    fn between(&mut self) -> Result<(), Error> {
        self.device.between()
    }

    fn apply(&mut self, setting: &Setting) -> Result<(), Error> {
        let before = self.device.rung();
        self.device.apply(setting)?;
        if self.device.rung() != before {
            self.switches.push(self.switch);
        }
        Ok(())
    }

    fn run(&mut self, job: Job) -> Result<Outcome, Error> {
        let before = self.device.served();
        let outcome = self.device.run(job)?;
        let (Job::Request(number) | Job::Step(number)) = job;
        self.service.insert(number, self.device.served() - before);
        Ok(outcome)
    }

    fn stopped(&self) -> bool {
        self.device.stopped()
    }
}
