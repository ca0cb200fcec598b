//! Events in the order they happen, the same in every run.
use crate::heap::{Handle, Heap, Packed};
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// Events waiting for their time. They leave in the total order (time, class, order of entry): at equal times the lower class
/// first, within a class the one that entered first. Each can be cancelled or moved while it waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Clone + Serialize", deserialize = "E: Deserialize<'de>"))]
pub struct EventQueue<E> {
    heap: Heap<Packed, E>,
    entered: u64,
}

/// An event that waits in an [`EventQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(Handle);

/// The order of events: time, class in 8 bits, order of entry in 56 (two thousand years of a million events a second).
fn key(when: Nanos, class: u8, entered: u64) -> Packed {
    Packed::from(u128::from(when.0) << 64 | u128::from(u64::from(class) << 56 | entered))
}

fn time(key: Packed) -> Nanos {
    Nanos((u128::from(key) >> 64) as u64)
}

fn class(key: Packed) -> u8 {
    (u128::from(key) >> 56) as u8
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        Self { heap: Heap::default(), entered: 0 }
    }
}

impl<E> EventQueue<E> {
    /// Lets `event` happen at `when`.
    pub fn push(&mut self, when: Nanos, class: u8, event: E) -> EventId {
        let key = key(when, class, self.enter());
        EventId(self.heap.push(key, event))
    }

    /// Takes the next event and its time.
    pub fn pop(&mut self) -> Option<(Nanos, E)> {
        self.heap.pop().map(|(key, event)| (time(key), event))
    }

    /// Takes an event back; `None` when it has left already.
    pub fn cancel(&mut self, id: EventId) -> Option<E> {
        self.heap.remove(id.0).map(|(_, event)| event)
    }

    /// Lets an event happen at another time, in its class, as if it had just entered; whether it was still there.
    pub fn reschedule(&mut self, id: EventId, when: Nanos) -> bool {
        let Some(old) = self.heap.key(id.0) else { return false };
        let key = key(when, class(old), self.enter());
        self.heap.change(id.0, key)
    }

    /// When an event will happen; `None` when it has left.
    pub fn when(&self, id: EventId) -> Option<Nanos> {
        self.heap.key(id.0).map(time)
    }

    /// When the next event happens.
    pub fn next_time(&self) -> Option<Nanos> {
        self.heap.peek().map(time)
    }

    /// Forgets all events.
    pub fn clear(&mut self) {
        self.heap.clear();
    }

    /// Number of events waiting.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no event waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    fn enter(&mut self) -> u64 {
        self.entered += 1;
        self.entered - 1
    }
}
