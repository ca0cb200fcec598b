//! Threads, and memory that a thread keeps between calls.
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Calls `work` with every item on up to `threads` threads of rayon's pool, this one included; each takes the next item when it is free.
pub(crate) fn for_each<I>(threads: usize, items: I, work: impl Fn(I::Item) + Sync)
where
    I: Iterator + Send,
    I::Item: Send,
{
    if threads <= 1 {
        items.for_each(work);
        return;
    }
    let items = Mutex::new(items);
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        while let Some(item) = next() {
            work(item);
        }
    };
    rayon::in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| run());
        }
        run();
    });
}

/// Splits `0..count` into `parts` ranges whose lengths differ by one at most.
pub(crate) fn split(count: usize, parts: usize) -> impl Iterator<Item = std::ops::Range<usize>> + Clone + Send {
    let parts = parts.clamp(1, count.max(1));
    (0..parts).map(move |i| count * i / parts..count * (i + 1) / parts)
}

thread_local! {
    static KEPT: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Elements of a cache line.
pub(crate) const LINE: usize = 16;

/// Working memory of arbitrary content that starts at a cache line; it goes back to its thread when dropped, for the next call.
pub(crate) struct Scratch {
    memory: Vec<f32>,
    start: usize,
    length: usize,
}

impl Scratch {
    pub fn new(length: usize) -> Self {
        let best = |kept: &mut Vec<Vec<f32>>| {
            let enough = |i: &usize| kept[*i].len() >= length + LINE;
            let found = (0..kept.len()).filter(enough).min_by_key(|&i| kept[i].len());
            found.or(kept.len().checked_sub(1)).map(|i| kept.swap_remove(i))
        };
        let mut memory = KEPT.with_borrow_mut(best).unwrap_or_default();
        if memory.len() < length + LINE {
            memory.clear();
            memory.resize(length + LINE, 0.0);
        }
        let start = memory.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        Self { memory, start, length }
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.memory[self.start..][..self.length]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory[self.start..][..self.length]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let _ = KEPT.try_with(|kept| kept.borrow_mut().push(memory));
    }
}
