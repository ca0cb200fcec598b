//! What event cores are timed with. The cases are here and the clock is not: who runs them brings one.
//!
//! * `hold`: so many timers wait; each event plans one, after a span that is drawn uniformly from a million nanoseconds (Vaucher and
//!   Duval, "A comparison of simulation event list algorithms", 1975).
//! * `ps`: so many jobs share one resource by processor sharing; a job that ends is followed by another, and after every second end
//!   the capacity changes. Ends and changes are the events.
//! * `ps_1e6`: the same with a million jobs.
#[cfg(feature = "peers")]
mod desque;
#[cfg(feature = "peers")]
mod nexosim;
#[cfg(feature = "peers")]
mod simcore;
mod supple;

/// A case on one engine.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What is timed.
    pub name: &'static str,
    /// On what.
    pub engine: &'static str,
    /// Timers, or jobs, at once.
    pub pending: usize,
    /// Prepares it: what it returns lets so many events happen (at least, and hardly more) each time it is called, and says how many.
    pub prepare: fn(usize) -> Box<dyn FnMut(u64) -> u64>,
}

/// Every case on every engine that is built in.
pub fn all() -> Vec<Case> {
    let hold = |engine, prepare| Case { name: "hold", engine, pending: 1000, prepare };
    let ps = |name, pending| Case { name, engine: "supple", pending, prepare: supple::sharing };
    vec![
        hold("supple", supple::hold),
        #[cfg(feature = "peers")]
        hold("simcore", simcore::hold),
        #[cfg(feature = "peers")]
        hold("desque", desque::hold),
        #[cfg(feature = "peers")]
        hold("nexosim", nexosim::hold),
        ps("ps", 1000),
        ps("ps_1e6", 1_000_000),
    ]
}

/// Spans from a fixed sequence (SplitMix64; Steele, Lea and Flood, 2014), the same for all engines and as cheap as can be.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "peers", derive(serde::Serialize, serde::Deserialize))]
struct Spans(u64);

impl Spans {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        1 + ((x ^ (x >> 31)) >> 44)
    }
}
