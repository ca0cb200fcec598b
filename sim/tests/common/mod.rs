//! Ladders and scenarios that the tests share.
use supple_graph::{Choice, Density, Kind, Setting, kinds::Channel};
use supple_sim::{Scenario, Trace};
use supple_strategy::{Amounts, Ladder, Nanos, Rung, Spread, Stamp};

/// A rung with one site at this density and these service times in seconds.
pub fn rung(density: u16, times: Vec<f64>, quality: f64) -> Rung {
    let density = Density::new(density).expect("a density");
    let setting = Setting::new(vec![Choice { kind: Kind::Channel(Channel), density }]);
    let service = Spread::of(times).expect("service times");
    Rung { setting, cost: Amounts::of_seconds(service.median()), service, quality }
}

/// Dense, half and quarter width, with some spread.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn ladder() -> Ladder {
    let spread = |ms: f64| [0.9, 0.95, 1.0, 1.05, 1.3].map(|part| part * ms / 1e3).to_vec();
    let rungs = vec![rung(1000, spread(20.0), 0.98), rung(500, spread(9.0), 0.97), rung(250, spread(4.0), 0.93)];
    Ladder::new(Stamp::default(), rungs).expect("a ladder")
}

/// One rung that always takes the same time.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn fixed(seconds: f64) -> Ladder {
    Ladder::new(Stamp::default(), vec![rung(1000, vec![seconds], 0.9)]).expect("a ladder")
}

/// A scenario from the text of its tables, with a full share unless the text has a trace.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn scenario(seed: u64, duration_s: f64, tables: &str) -> Scenario {
    let trace = if tables.contains("[trace]") { "" } else { "[trace]\nsteps = [[0.0, 1.0]]\n" };
    let text = format!("name = \"test\"\nseed = {seed}\nduration_s = {duration_s:?}\n{trace}{tables}");
    Scenario::parse(&text, "test.toml").expect("a scenario")
}

/// A trace from points in milliseconds.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn trace(points: &[(u64, f64)]) -> Trace {
    let points = points.iter().map(|&(ms, share)| (Nanos(ms * 1_000_000), share)).collect();
    Trace::new(points, Nanos::ZERO, supple_sim::End::Hold).expect("a trace")
}
