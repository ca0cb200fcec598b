//! Queueing theory within one per cent, on long runs with a seed.
use supple_sim::random::stream;
use supple_sim::resources::{AnyResource, Fifo, MaxMin, Shared};
use supple_sim::workloads::Poisson;
use supple_sim::{Capacity, Limits, Sizes, Station, StopReason, Supply, Trace, World};
use supple_strategy::Nanos;

const MEAN_S: f64 = 0.01;
const JOBS: f64 = 1.5e6;

/// Mean response in seconds of Poisson arrivals at this utilisation of `machines` machines.
fn response(resource: impl Into<AnyResource>, sizes: Sizes, utilisation: f64, machines: f64) -> f64 {
    let rate = utilisation * machines / MEAN_S;
    let arrivals = Poisson::new(rate, Nanos::from_seconds(JOBS / rate), stream(11, "load", "arrivals"));
    let mut world = World::new(Station::new(resource.into(), arrivals, sizes));
    assert_eq!(world.run(&mut [], Limits::GENEROUS), StopReason::Finished);
    let account = supple_sim::Resource::account(world.model().resource());
    assert_eq!((account.given, account.ended), (account.asked, world.model().ended()), "served is offered");
    world.model().mean_response_s()
}

fn exponential() -> Sizes {
    Sizes::exponential(MEAN_S * 1e9, stream(11, "jobs", "sizes"))
}

fn agree(found: f64, theory: f64) {
    assert!((found / theory - 1.0).abs() < 0.01, "{found} s for {theory} s");
}

#[test]
fn one_server_first_come_first_served() {
    for utilisation in [0.3, 0.6] {
        let found = response(Fifo::new(Capacity::WHOLE, 1), exponential(), utilisation, 1.0);
        agree(found, MEAN_S / (1.0 - utilisation));
    }
}

#[test]
fn one_server_shared() {
    for utilisation in [0.3, 0.6] {
        let found = response(Shared::new(Capacity::WHOLE), exponential(), utilisation, 1.0);
        agree(found, MEAN_S / (1.0 - utilisation));
    }
}

#[test]
fn sharing_does_not_mind_how_sizes_are_distributed() {
    let fixed = Sizes::Fixed((MEAN_S * 1e9) as u64);
    agree(response(Shared::new(Capacity::WHOLE), fixed, 0.5, 1.0), MEAN_S / 0.5);
}

#[test]
fn fixed_sizes_wait_half_as_long() {
    for utilisation in [0.4, 0.7] {
        let fixed = Sizes::Fixed((MEAN_S * 1e9) as u64);
        let found = response(Fifo::new(Capacity::WHOLE, 1), fixed, utilisation, 1.0);
        agree(found, MEAN_S * (1.0 + utilisation / (2.0 * (1.0 - utilisation))));
    }
}

/// Probability that all of `servers` are busy (Erlang's C formula).
fn erlang_c(servers: u32, utilisation: f64) -> f64 {
    let offered = utilisation * f64::from(servers);
    let blocked = (1..=servers).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    blocked / (1.0 - utilisation * (1.0 - blocked))
}

#[test]
fn several_servers_first_come_first_served() {
    for (servers, utilisation) in [(2, 0.6), (4, 0.7)] {
        let machines = f64::from(servers);
        let found = response(Fifo::new(Capacity::WHOLE.times(machines), servers), exponential(), utilisation, machines);
        let wait = erlang_c(servers, utilisation) * MEAN_S / (machines * (1.0 - utilisation));
        agree(found, MEAN_S + wait);
    }
}

#[test]
fn shares_without_caps_behave_as_sharing() {
    let (shared, max_min) = (Shared::new(Capacity::WHOLE), MaxMin::new(Capacity::WHOLE));
    let rate = 0.5 / MEAN_S;
    let mean = |resource: AnyResource| {
        let arrivals = Poisson::new(rate, Nanos::from_seconds(400.0), stream(3, "load", "arrivals"));
        let mut world = World::new(Station::new(resource, arrivals, exponential()));
        world.run(&mut [], Limits::GENEROUS);
        world.model().mean_response_s()
    };
    let (a, b) = (mean(shared.into()), mean(max_min.into()));
    assert!((a / b - 1.0).abs() < 1e-6, "{a} {b}");
}

/// Capacity that comes and goes must not be averaged: with the same mean, slow changes cost far more than fast ones.
#[test]
fn a_capacity_that_changes_slowly_costs_more_than_its_mean() {
    let mean = |seconds: f64| {
        let half = Nanos::from_seconds(seconds);
        let trace =
            Trace::new(vec![(Nanos::ZERO, 1.0), (half, 0.4)], half + half, supple_sim::End::Loop).expect("a trace");
        let supply = Supply::new(Shared::new(Capacity::WHOLE), Capacity::WHOLE, trace);
        let arrivals = Poisson::new(50.0, Nanos::from_seconds(4000.0), stream(3, "load", "arrivals"));
        let mut world = World::new(Station::new(supply, arrivals, exponential()));
        world.run(&mut [], Limits::GENEROUS);
        world.model().mean_response_s()
    };
    let (fast, slow) = (mean(0.001), mean(50.0));
    assert!((fast / (MEAN_S / (0.7 - 0.5)) - 1.0).abs() < 0.05, "{fast}");
    assert!(slow > 5.0 * fast, "{slow} {fast}");
}

#[test]
fn without_capacity_for_ever_the_run_stops_and_says_why() {
    let trace = Trace::new(vec![(Nanos::ZERO, 1.0), (Nanos(30_000_000), 0.0)], Nanos::ZERO, supple_sim::End::Hold);
    let supply = Supply::new(Shared::new(Capacity::WHOLE), Capacity::WHOLE, trace.expect("a trace"));
    let arrivals = Poisson::new(100.0, Nanos::from_seconds(1.0), stream(3, "load", "arrivals"));
    let mut world = World::new(Station::new(supply, arrivals, exponential()));
    assert_eq!(world.run(&mut [], Limits::GENEROUS), StopReason::Starved);
    assert!(world.now() <= Nanos::from_seconds(1.0));
}

#[test]
fn limits_stop_a_run_which_then_goes_on() {
    let station = || {
        Station::new(
            Shared::new(Capacity::WHOLE),
            Poisson::new(50.0, Nanos::from_seconds(5.0), stream(3, "load", "arrivals")),
            exponential(),
        )
    };
    let mut whole = World::new(station());
    whole.run(&mut [], Limits::GENEROUS);
    let mut parts = World::new(station());
    assert_eq!(parts.run(&mut [], Limits::until(Nanos::from_seconds(1.0))), StopReason::OutOfTime);
    assert_eq!(parts.now(), Nanos::from_seconds(1.0));
    assert_eq!(parts.run(&mut [], Limits { until: Nanos::MAX, events: 10 }), StopReason::OutOfEvents);
    let text = serde_json::to_string(&parts).expect("json");
    let mut read: World<Station<Shared, Poisson>> = serde_json::from_str(&text).expect("a world");
    for world in [&mut parts, &mut read] {
        assert_eq!(world.run(&mut [], Limits::GENEROUS), StopReason::Finished);
        assert_eq!(
            (world.happened(), world.now(), world.model().mean_response_s()),
            (whole.happened(), whole.now(), whole.model().mean_response_s())
        );
    }
}
