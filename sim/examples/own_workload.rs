//! A workload of one's own, in one file: arrivals that come faster and faster; and a policy that is a closure.
use supple_graph::{Density, Kind, Setting};
use supple_sim::resources::Shared;
use supple_sim::{Arrival, Capacity, Fleet, Limits, Machine, Service, Supply, Trace, Workload, World};
use supple_strategy::{Amounts, Decision, Ladder, Nanos, Observation, Rung, Spread, Stamp};

/// The n-th gap is the first one over n.
#[derive(Clone, Debug)]
struct Ramp {
    now: f64,
    made: u32,
    most: u32,
}

impl Workload for Ramp {
    fn next(&mut self) -> Option<Arrival> {
        self.made += 1;
        self.now += 1.0 / f64::from(self.made);
        (self.made <= self.most).then(|| Arrival::at(Nanos::from_seconds(self.now)))
    }
}

fn rung(per_mille: u16, seconds: f64, quality: f64) -> Result<Rung, Box<dyn std::error::Error>> {
    let density = Density::new(per_mille).ok_or("1 to 1000 per mille")?;
    let setting = Setting::uniform(&[Kind::ALL[0]], density);
    Ok(Rung { setting, cost: Amounts::of_seconds(seconds), service: Spread::of(vec![seconds])?, quality })
}

/// Serves the ramp until the dense model is too slow, and then with a smaller one.
///
/// # Errors
/// None: the numbers below fit.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ladder = Ladder::new(Stamp::default(), vec![rung(1000, 0.02, 0.98)?, rung(250, 0.004, 0.93)?])?;
    let mut fleet = Fleet::new(7);
    let processor = Supply::new(Shared::new(Capacity::WHOLE), Capacity::WHOLE, Trace::constant(1.0)?);
    let machine = fleet.add(Machine::new(processor), Vec::new());
    let ramp = Ramp { now: 0.0, made: 0, most: 200 };
    let service = fleet.serve(Service::new(ladder, ramp, Nanos::from_seconds(0.05)), &[machine]);

    let mut urgent = |seen: &Observation, _: &Ladder| Decision { rung: usize::from(seen.queued > 0) };
    let mut world = World::new(fleet);
    let reason = world.run(&mut [&mut urgent], Limits::GENEROUS);

    let records = world.model().records(service);
    let missed = records.iter().filter(|record| record.missed()).count();
    println!("{reason:?}: {} requests, {missed} missed", records.len());
    assert_eq!((records.len(), missed), (200, 0));
    assert!(records[0].rung == 0 && records.iter().any(|record| record.rung == 1));
    Ok(())
}
