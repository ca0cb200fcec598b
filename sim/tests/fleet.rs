//! Laws of fleets: nothing is lost, forks and snapshots go on alike, and one model on one machine is the simulated device.
mod common;
use common::{fixed, ladder, rung, scenario, trace};
use proptest::prelude::*;
use supple_sim::fleet::{FleetEvent, Outage};
use supple_sim::resources::{AnyResource, Fifo, Quota, Shared};
use supple_sim::routers::{AnyRouter, LeastLoaded, RoundRobin};
use supple_sim::workloads::{AnyWorkload, Periodic, Poisson, Replayed};
use supple_sim::{
    Arrival, Cache, Capacity, Fleet, Limits, Machine, Mechanism, Memory, Service, SimulatedDevice, StopReason, Supply,
    Trace, Training, World, random::stream,
};
use supple_strategy::policies::{Hold, Kalman, PolicyOptions};
use supple_strategy::{Batching, Decision, Demand, Ladder, Nanos, Observation, Policy, Record, Stamp, drive};

type AnyFleet = Fleet<AnyResource, AnyWorkload>;

const MS: u64 = 1_000_000;

fn ms(ms: u64) -> Nanos {
    Nanos(ms * MS)
}

fn supply(resource: impl Into<AnyResource>, trace: &Trace) -> Supply<AnyResource> {
    Supply::new(resource.into(), Capacity::WHOLE, trace.clone())
}

fn machine(trace: &Trace) -> Machine<AnyResource> {
    Machine::new(supply(Shared::new(Capacity::WHOLE), trace))
}

fn full() -> Trace {
    Trace::constant(1.0).expect("a trace")
}

fn periodic(rate_hz: f64, until: Nanos) -> AnyWorkload {
    Periodic::new(rate_hz, until).into()
}

/// A policy without sense that visits all rungs.
fn restless() -> impl Policy {
    let mut calls = 0;
    move |_: &Observation, _: &Ladder| {
        calls += 1;
        Decision { rung: calls % 3 }
    }
}

fn alike(a: &[Record], b: &[Record], allowed: u64) -> bool {
    let near = |a: &Record, b: &Record| {
        let end = a.finished.map(|end| end.0).zip(b.finished.map(|end| end.0));
        let ends = end.map_or(a.finished == b.finished, |(a, b)| a.abs_diff(b) <= allowed);
        ends && (a.arrival, a.due, a.rung, a.outcome) == (b.arrival, b.due, b.rung, b.outcome)
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b))
}

const MOVING: &str = "[trace]\nsteps = [[0.0, 1.0], [1.0, 0.25], [2.0, 0.0], [2.25, 0.5]]\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_model_on_one_machine_is_the_simulated_device(seed in 0..1000u64, utilisation in 0.1..1.2, quota in any::<bool>()) {
        let scenario = scenario(seed, 3.0, &format!("{MOVING}[load]\nutilisation = {utilisation:?}\n"));
        let (trace, ladder) = (scenario.trace().expect("a trace"), ladder());
        let requests = scenario.requests(&ladder).expect("requests");
        let period = ms(20);
        let mechanism = if quota { Mechanism::Quota { period, tick: Nanos::ZERO } } else { Mechanism::Fluid };
        let mut device = SimulatedDevice::new(&ladder, &trace, mechanism, seed).with_batch(4);
        let there = drive::serve(&mut device, &requests, &ladder, &mut restless()).expect("records");

        let one = AnyResource::from(Fifo::new(Capacity::WHOLE, 1));
        let resource = if quota { Box::new(Quota::new(one, Capacity::WHOLE, period)).into() } else { one };
        let mut fleet = AnyFleet::new(seed);
        let machine = fleet.add(Machine::new(supply(resource, &trace)), Vec::new());
        let arrivals = requests.iter().map(|request| Arrival::at(request.arrival)).collect();
        let deadline = scenario.request.deadline(ladder.rungs()[0].service.median());
        let service = Service { samples: 4, ..Service::new(ladder.clone(), Replayed::new(arrivals).into(), deadline) };
        let service = fleet.serve(service, &[machine]);
        let mut world = World::new(fleet);
        prop_assert_eq!(world.run(&mut [&mut restless()], Limits::GENEROUS), StopReason::Finished);
        let here = world.model().records(service);
        prop_assert!(alike(&here, &there, 2 + 2 * requests.len() as u64), "{here:?}\n{there:?}");
    }

    #[test]
    fn no_request_is_lost_or_counted_twice(setup in setup()) {
        let (mut world, services) = setup.world();
        let (mut a, mut b, mut c, mut d) = (restless(), kalman(), restless(), Hold::default());
        let reason = world.run(&mut [&mut a, &mut b, &mut c, &mut d], Limits::GENEROUS);
        prop_assert_eq!(reason, StopReason::Finished);
        for service in services {
            let records = world.model().records(service);
            prop_assert_eq!(records.len(), world.model().offered(service));
            prop_assert!(records.windows(2).all(|pair| pair[0].arrival <= pair[1].arrival));
            prop_assert!(records.iter().all(|r| r.arrival <= r.started && r.finished.is_none_or(|end| end >= r.started)));
        }
    }

    #[test]
    fn a_fork_and_a_snapshot_go_on_alike(setup in setup(), at in 0..2000u64) {
        let (mut world, _) = setup.world();
        world.run(&mut [], Limits::until(ms(at)));
        let text = serde_json::to_string(&world).expect("json");
        let mut read: World<AnyFleet> = serde_json::from_str(&text).expect("a world");
        let mut fork = world.clone();
        let ends = [&mut world, &mut read, &mut fork].map(|world| {
            let reason = world.run(&mut [], Limits::GENEROUS);
            (reason, world.happened(), serde_json::to_string(world.model()).expect("json"))
        });
        prop_assert_eq!(&ends[0], &ends[1]);
        prop_assert_eq!(&ends[0], &ends[2]);
    }
}

fn kalman() -> Kalman {
    Kalman::new(&PolicyOptions::default(), &Demand::default()).expect("the defaults are possible")
}

/// Two models on two machines, the first on both, and a training run on the second.
#[derive(Clone, Debug)]
struct Setup {
    seed: u64,
    batching: Batching,
    outages: Vec<(u64, u64)>,
    limit: u64,
    round_robin: bool,
}

fn setup() -> impl Strategy<Value = Setup> {
    let batching = (1..6usize, 0..20u64, 0.0..1.0f64).prop_map(|(most, patience, fixed)| Batching {
        most,
        patience: ms(patience),
        fixed,
    });
    let outages = prop::collection::vec((0..1500u64, 1..400u64), 0..3);
    (0..1000u64, batching, outages, 100..400u64, any::<bool>()).prop_map(
        |(seed, batching, outages, limit, round_robin)| {
            let mut now = 0;
            let mut span = |(gap, span): (u64, u64)| {
                now += gap + span;
                (now - span, now)
            };
            Setup { seed, batching, outages: outages.into_iter().map(&mut span).collect(), limit, round_robin }
        },
    )
}

impl Setup {
    fn world(&self) -> (World<AnyFleet>, [supple_sim::fleet::ServiceId; 2]) {
        let router: AnyRouter = if self.round_robin { RoundRobin::default().into() } else { LeastLoaded.into() };
        let moving = trace(&[(0, 1.0), (500, 0.25), (900, 0.0), (1000, 0.75)]);
        let mut fleet = AnyFleet::routed(self.seed, router);
        let memory = Memory { full: self.limit, trace: moving.clone(), comfortable: 0.5, slope: 3.0 };
        let cache = Cache { full: 100, trace: full(), reuse: 2.0 };
        let bytes = |rate: f64| Supply::new(Shared::new(Capacity::ZERO).into(), Capacity::per_second(rate), full());
        let first =
            machine(&moving).with_memory(memory).with_cache(cache).with_bandwidth(bytes(1e5)).with_link(bytes(1e6));
        let outages = self.outages.iter().map(|&(from, to)| Outage { from: ms(from), to: ms(to) }).collect();
        let first = fleet.add(first, outages);
        let second = fleet.add(machine(&full()), Vec::new());
        let poisson = |rate, name: &str| Poisson::new(rate, ms(2000), stream(self.seed, name, "arrivals")).into();
        let heavy = Ladder::new(Stamp::default(), heavy().to_vec()).expect("a ladder");
        let a = Service {
            name: "a".into(),
            batching: self.batching,
            transferred: 1000,
            ..Service::new(heavy, poisson(40.0, "a"), ms(60))
        };
        let b = Service { name: "b".into(), samples: 3, ..Service::new(ladder(), poisson(30.0, "b"), ms(80)) };
        let services = [fleet.serve(a, &[first, second]), fleet.serve(b, &[first])];
        let training = Training {
            checkpoint_every: 5,
            checkpoint: ms(3),
            restart: ms(5),
            ..Training::new(ladder(), 60, ms(1800))
        };
        fleet.train(training, first);
        (World::new(fleet), services)
    }
}

/// The usual ladder with bytes.
fn heavy() -> [supple_strategy::Rung; 3] {
    let mut rungs = [rung(1000, vec![0.02], 0.98), rung(500, vec![0.009], 0.97), rung(250, vec![0.004], 0.93)];
    for (rung, bytes) in rungs.iter_mut().zip([120.0, 60.0, 30.0]) {
        (rung.cost.resident, rung.cost.moved) = (bytes, 10.0 * bytes);
    }
    rungs
}

fn run_one(machine: Machine<AnyResource>, service: Service<AnyWorkload>) -> (StopReason, Vec<Record>) {
    let mut fleet = AnyFleet::new(1);
    let machine = fleet.add(machine, Vec::new());
    let service = fleet.serve(service, &[machine]);
    let mut world = World::new(fleet);
    let reason = world.run(&mut [], Limits::GENEROUS);
    (reason, world.model().records(service))
}

#[test]
fn the_slower_of_processor_and_bandwidth_decides_after_the_transfer() {
    let mut heavy = fixed(0.02).rungs()[0].clone();
    heavy.cost.moved = 3e6;
    let ladder = Ladder::new(Stamp::default(), vec![heavy]).expect("a ladder");
    let service =
        || Service { transferred: 1_000_000, ..Service::new(ladder.clone(), periodic(1.0, ms(500)), ms(900)) };
    let bytes = |rate: f64| Supply::new(Shared::new(Capacity::ZERO).into(), Capacity::per_second(rate), full());
    let took = |machine| run_one(machine, service()).1[0].finished.map(|end| end.0.div_ceil(MS));
    assert_eq!(took(machine(&full())), Some(20));
    assert_eq!(took(machine(&full()).with_bandwidth(bytes(1e9))), Some(20));
    assert_eq!(took(machine(&full()).with_bandwidth(bytes(1e8))), Some(30));
    assert_eq!(took(machine(&full()).with_bandwidth(bytes(1e8)).with_link(bytes(1e8))), Some(40));
}

#[test]
fn two_models_on_one_machine_share_it() {
    let mut fleet = AnyFleet::new(1);
    let machine = fleet.add(machine(&full()), Vec::new());
    let service =
        |name: &str| Service { name: name.into(), ..Service::new(fixed(0.02), periodic(1.0, ms(500)), ms(900)) };
    let services = [fleet.serve(service("a"), &[machine]), fleet.serve(service("b"), &[machine])];
    let mut world = World::new(fleet);
    world.run(&mut [], Limits::GENEROUS);
    for service in services {
        assert_eq!(world.model().records(service)[0].finished, Some(ms(40)));
    }
}

#[test]
fn batches_are_filled_while_the_first_has_patience() {
    let batching = Batching { most: 4, patience: ms(60), fixed: 0.75 };
    let service = Service { batching, ..Service::new(fixed(0.02), periodic(50.0, ms(200)), ms(900)) };
    let (_, records) = run_one(machine(&full()), service);
    let spans: Vec<_> = records.iter().map(|r| (r.started.0 / MS, r.finished.map(|end| end.0 / MS))).collect();
    let four = Some(60 + 35);
    assert_eq!(spans[..4], [(60, four); 4], "arrivals at 0, 20, 40, 60; four take 0.75 + 4/4 as long as one");
    assert_eq!(spans[4..8], [(140, Some(175)); 4]);
    assert_eq!(spans[8..], [(220, Some(245)); 2], "two at 160 and 180 are all that come by 160 + 60");
}

#[test]
fn what_finds_no_memory_is_lost_and_what_is_tight_is_slow() {
    let ladder = Ladder::new(Stamp::default(), heavy().to_vec()).expect("a ladder");
    let memory = |full: u64| Memory { full, trace: self::full(), comfortable: 0.5, slope: 1.0 };
    let finished = |memory| {
        let service = Service::new(ladder.clone(), periodic(1.0, ms(500)), ms(900));
        run_one(machine(&full()).with_memory(memory), service).1[0].finished
    };
    assert_eq!(finished(memory(100)), None);
    assert_eq!(finished(memory(120)), Some(ms(40)));
    assert_eq!(finished(memory(160)), Some(ms(30)));
    assert_eq!(finished(memory(240)), Some(ms(20)));
    let shrinking = Memory { trace: trace(&[(0, 1.0), (10, 0.5)]), ..memory(200) };
    assert_eq!(finished(shrinking), None, "killed when half of the memory goes away");
}

#[test]
fn training_goes_on_from_its_last_checkpoint() {
    let mut fleet = AnyFleet::new(1);
    let machine = fleet.add(machine(&full()), vec![Outage { from: ms(150), to: ms(200) }]);
    let training =
        Training { checkpoint_every: 3, checkpoint: ms(5), restart: ms(10), ..Training::new(fixed(0.02), 8, ms(1000)) };
    let training = fleet.train(training, machine);
    let mut world = World::new(fleet);
    assert_eq!(world.run(&mut [], Limits::GENEROUS), StopReason::Finished);
    let (records, lost) = world.model().steps(training);
    assert_eq!(records.len(), 9);
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0], 6..7, "at 150 the second checkpoint was at 130, and one step was made since");
    assert_eq!(records[8].finished, Some(ms(200 + 10 + 2 * 20)));
}

#[test]
fn an_away_machine_gets_no_requests_and_loses_none() {
    let mut fleet = AnyFleet::new(1);
    let away = fleet.add(machine(&full()), vec![Outage { from: ms(100), to: ms(400) }]);
    let there = fleet.add(machine(&full()), Vec::new());
    let service = fleet.serve(Service::new(fixed(0.02), periodic(100.0, ms(500)), ms(1000)), &[away, there]);
    let mut world = World::new(fleet);
    assert_eq!(world.run(&mut [], Limits::GENEROUS), StopReason::Finished);
    let records = world.model().records(service);
    assert_eq!((records.len(), records.iter().filter(|r| r.finished.is_none()).count()), (50, 0));
    assert!(records.iter().all(|r| r.started < ms(100) || r.finished.is_some()));
}

#[test]
fn a_fleet_that_starves_says_so() {
    let service = || Service::new(fixed(0.02), periodic(10.0, ms(500)), ms(5000));
    for trace in [trace(&[(0, 0.0)]), trace(&[(0, 1.0), (110, 0.0)])] {
        assert_eq!(run_one(machine(&trace), service()).0, StopReason::Starved);
    }
    let stop = Trace::new(vec![(Nanos::ZERO, 1.0)], ms(250), supple_sim::End::Stop).expect("a trace");
    let (reason, records) = run_one(machine(&stop), service());
    assert_eq!((reason, records.len()), (StopReason::TraceEnded, 3));
}

#[test]
fn an_event_is_small() {
    assert!(size_of::<FleetEvent>() <= 16);
}
