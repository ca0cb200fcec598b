//! Putting the machine's settings back, whatever way the program ends.
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Action = Box<dyn FnOnce() + Send>;
type Slot = Arc<Mutex<Option<Action>>>;

static ALL: Mutex<Vec<Slot>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs under the slot's lock, so that whoever comes second waits until the action is done.
fn run(slot: &Slot) {
    let mut action = lock(slot);
    if let Some(action) = action.take() {
        action();
    }
}

/// Puts back at once whatever any [`Throttle`](super::Throttle) of this process has changed: threads return to the cgroups
/// they came from, the cgroups made for them are removed, competing threads end.
///
/// For a Ctrl-C handler (on a thread of its own, as the `ctrlc` crate does it, never in the signal handler itself) and for a
/// panic hook. It may be called at any time, by any thread, any number of times; it returns when all is back. A throttle that
/// was undone this way answers each later change of share with an error.
pub fn restore_all() {
    let slots = take(&mut *lock(&ALL));
    slots.iter().rev().for_each(run);
}

/// An action that runs exactly once: in [`restore_all`], or when this is dropped.
pub(super) struct Undo(Slot);

impl Undo {
    /// `action` must not panic, and must not make or drop another `Undo`.
    pub fn new(action: impl FnOnce() + Send + 'static) -> Self {
        let slot: Slot = Arc::new(Mutex::new(Some(Box::new(action))));
        lock(&ALL).push(slot.clone());
        Self(slot)
    }

    /// Whether the action has run.
    pub fn done(&self) -> bool {
        lock(&self.0).is_none()
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        run(&self.0);
        lock(&ALL).retain(|slot| !Arc::ptr_eq(slot, &self.0));
    }
}
