//! Traces of links for Mahimahi (Netravali et al., USENIX ATC 2015; <http://mahimahi.mit.edu>).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::{Note, Noted};
use crate::trace::{End, Trace};
use crate::unit::Unit;
use supple_strategy::Nanos;

/// Lines of one number: the millisecond by whose end one more packet of 1504 bytes can be delivered. The trace `capacity` is what the link carries in each
/// millisecond, in bytes a second; it is as long as the last number says. Mahimahi itself starts such a trace again at its end.
#[derive(Clone, Copy, Debug)]
pub struct Mahimahi;

/// Bytes of a packet, as in Mahimahi's source.
pub const PACKET: f64 = 1504.0;
const MILLISECOND: u64 = 1_000_000;

impl TraceFormat for Mahimahi {
    fn name(&self) -> &'static str {
        "mahimahi"
    }

    fn about(&self) -> &'static str {
        "Mahimahi: packets that a link can deliver (one millisecond a line)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        let ending = source.name.rsplit('.').next();
        matches!(ending, Some("up" | "down" | "pps" | "mahi")) && source.first_line().trim().parse::<u64>().is_ok()
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        sheet.without_header(&["ms"]);
        let (mut counts, mut last, mut early): (Vec<(u64, u64)>, u64, bool) = (Vec::new(), 0, false);
        while let Some(row) = sheet.next_row()? {
            let time = row.text(0)?.parse::<u64>().ok().filter(|time| (last..=1 << 40).contains(time));
            let time = time.ok_or_else(|| row.wrong(0, "a whole number of milliseconds, not below the line before"))?;
            (last, early) = (time, early || time == 0);
            let slot = time.saturating_sub(1);
            match counts.last_mut() {
                Some(count) if count.0 == slot => count.1 += 1,
                _ => counts.push((slot, 1)),
            }
        }
        if last == 0 {
            return Err(Error::text(1, 1, "expected a millisecond above 0, found none"));
        }
        if early {
            sheet.note(Note::at(1, "packets of millisecond 0 are counted to millisecond 1"));
        }
        sheet.note(Note::new("Mahimahi starts a trace again at its end; end = \"loop\" does the same"));
        let trace = Trace::of(Unit::BytesPerSecond, points(&counts), Nanos(last * MILLISECOND), End::Hold)?;
        Ok(Noted { value: Content::Traces(vec![("capacity".to_string(), trace)]), notes: sheet.into_notes() })
    }
}

/// The capacity, slot by slot, from the slots that have any.
fn points(counts: &[(u64, u64)]) -> Vec<(Nanos, f64)> {
    let mut points: Vec<(Nanos, f64)> = vec![(Nanos::ZERO, 0.0)];
    let mut add = |slot: u64, value: f64| match points.last_mut() {
        Some(point) if point.0 == Nanos(slot * MILLISECOND) => point.1 = value,
        Some(point) if point.1 == value => {}
        _ => points.push((Nanos(slot * MILLISECOND), value)),
    };
    for (i, &(slot, count)) in counts.iter().enumerate() {
        add(slot, count as f64 * PACKET * 1000.0);
        if counts.get(i + 1).is_some_and(|next| next.0 > slot + 1) {
            add(slot + 1, 0.0);
        }
    }
    points
}
