//! Events in the order they happen, the same in every run.
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use supple_strategy::Nanos;

/// Events waiting for their time. They leave in the total order (time, class, order of entry): at equal times the lower class
/// first, within a class the one that entered first.
#[derive(Clone, Debug)]
pub struct EventQueue<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    entered: u64,
}

#[derive(Clone, Debug)]
struct Entry<E> {
    key: (Nanos, u8, u64),
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), entered: 0 }
    }
}

impl<E> EventQueue<E> {
    /// Lets `event` happen at `when`.
    pub fn push(&mut self, when: Nanos, class: u8, event: E) {
        let key = (when, class, self.entered);
        self.entered += 1;
        self.heap.push(Reverse(Entry { key, event }));
    }

    /// Takes the next event and its time.
    pub fn pop(&mut self) -> Option<(Nanos, E)> {
        self.heap.pop().map(|Reverse(entry)| (entry.key.0, entry.event))
    }

    /// When the next event happens.
    pub fn next_time(&self) -> Option<Nanos> {
        self.heap.peek().map(|Reverse(entry)| entry.key.0)
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn events_leave_as_a_stable_sort_would_order_them(keys in prop::collection::vec((0..6u64, 0..3u8), 0..60)) {
            let mut queue = EventQueue::default();
            for (i, &(when, class)) in keys.iter().enumerate() {
                queue.push(Nanos(when), class, i);
            }
            let mut expected: Vec<_> = keys.iter().copied().zip(0..).collect();
            expected.sort_by_key(|&(key, _)| key);
            let left: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
            let expected: Vec<_> = expected.iter().map(|&((when, _), i)| (Nanos(when), i)).collect();
            prop_assert_eq!(left, expected);
            prop_assert!(queue.is_empty());
        }

        #[test]
        fn time_never_goes_back_while_events_come_and_go(spans in prop::collection::vec((0..50u64, any::<bool>()), 0..80)) {
            let mut queue = EventQueue::default();
            let mut now = Nanos::ZERO;
            for (span, take) in spans {
                queue.push(now + Nanos(span), 0, ());
                if take && let Some((when, ())) = queue.pop() {
                    prop_assert!(when >= now);
                    now = when;
                }
                prop_assert!(queue.next_time().is_none_or(|next| next >= now));
            }
        }
    }
}
