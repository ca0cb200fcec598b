//! Times the cases: `cargo run --release -p supple-sim --features peers --example cases [EVENTS] [NAME] [ENGINE]`. One line each, as
//! `supple bench sim --json` writes them.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
use std::time::Instant;
use supple_sim::cases;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let events = words.first().and_then(|word| word.parse().ok()).unwrap_or(5_000_000);
    let wanted = |at: usize, name: &str| words.get(at).is_none_or(|word| word == name);
    for case in cases::all().iter().filter(|case| wanted(1, case.name) && wanted(2, case.engine)) {
        let mut run = (case.prepare)(case.pending);
        run(case.pending as u64 * 2);
        let start = Instant::now();
        let happened = run(events);
        let rate = happened as f64 / start.elapsed().as_secs_f64();
        let line = serde_json::json!({ "case": case.name, "engine": case.engine, "pending": case.pending, "events_per_s": rate });
        println!("{line}");
    }
}
