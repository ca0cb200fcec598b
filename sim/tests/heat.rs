//! Power, energy and heat against the closed form; quotas from period to period.
use proptest::prelude::*;
use supple_sim::resources::{Heat, Quota, Shared, Thermal};
use supple_sim::{Capacity, Resource, Work};
use supple_strategy::Nanos;

const HEAT: Heat = Heat {
    ambient_c: 25.0,
    kelvin_per_watt: 2.0,
    joules_per_kelvin: 10.0,
    idle_w: 5.0,
    peak_w: 35.0,
    hot_c: 75.0,
    cool_c: 65.0,
    throttle: 0.5,
};

fn machine(heat: Heat) -> Thermal<Shared> {
    Thermal::new(Shared::new(Capacity::WHOLE), heat, Capacity::WHOLE).expect("possible")
}

#[test]
fn it_throttles_when_the_closed_form_says() {
    let mut thermal = machine(HEAT);
    thermal.begin(Nanos::ZERO, Work::of(100_000_000_000));
    let goal: f64 = 25.0 + 2.0 * 35.0;
    let hot_after = 20.0 * ((goal - 25.0) / (goal - 75.0)).ln();
    let first = thermal.next().expect("an event");
    assert!((first.seconds() - hot_after).abs() < 1e-6, "{first}");
    assert_eq!(thermal.done(first), None);
    assert!(thermal.throttled() && (thermal.celsius() - 75.0).abs() < 1e-6);
    assert!((thermal.joules() - 35.0 * hot_after).abs() < 1e-5);
    let goal: f64 = 25.0 + 2.0 * 20.0;
    assert_eq!((goal, thermal.next()), (65.0, thermal.next()), "at half speed it comes to 65 degrees, and never below");
    let end = thermal.next().expect("the end of the work");
    assert!((end.seconds() - (hot_after + 2.0 * (100.0 - hot_after))).abs() < 1e-6);
    assert!(thermal.done(end).is_some());
}

#[test]
fn it_recovers() {
    let mut thermal = machine(Heat { throttle: 0.1, ..HEAT });
    thermal.begin(Nanos::ZERO, Work::of(200_000_000_000));
    let mut states = Vec::new();
    while let Some(next) = thermal.next().filter(|_| states.len() < 6) {
        states.push(thermal.throttled());
        if thermal.done(next).is_some() {
            break;
        }
    }
    assert_eq!(states, [false, true, false, true, false, true]);
}

#[test]
fn nonsense_is_refused() {
    let refused = |heat| Thermal::new(Shared::default(), heat, Capacity::WHOLE).expect_err("refused").to_string();
    let text = refused(Heat { joules_per_kelvin: 0.0, ..HEAT });
    assert_eq!(text, "heat.joules_per_kelvin = 0: expected a finite number above 0");
    assert!(refused(Heat { hot_c: f64::NAN, ..HEAT }).contains("ambient_c < cool_c < hot_c"));
    assert!(refused(Heat { throttle: 1.5, ..HEAT }).contains("at most 1"));
}

proptest! {
    #[test]
    fn a_quota_gives_its_share_to_many_as_to_one(share in 0.05..1.0f64, jobs in 1..6u64, periods in 5..40u64) {
        let period = Nanos(1_000_000);
        let mut quota = Quota::new(Shared::new(Capacity::WHOLE), Capacity::WHOLE, period);
        let share = Capacity::of(share);
        quota.set_capacity(Nanos::ZERO, share);
        let whole = Capacity::WHOLE.grains();
        let pool = (share.grains() * period.0 + whole / 2) / whole;
        for _ in 0..jobs {
            quota.begin(Nanos::ZERO, Work::of(periods * pool));
        }
        let mut last = Nanos::ZERO;
        let mut ended = 0;
        while let Some(next) = quota.next() {
            prop_assert!(next >= last);
            last = next;
            ended += std::iter::from_fn(|| quota.done(next)).count() as u64;
        }
        prop_assert_eq!(ended, jobs);
        prop_assert_eq!(last.0, (jobs * periods - 1) * period.0 + pool);
    }
}
