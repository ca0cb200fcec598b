//! Ctrl-C and panics: the machine's settings come back, and work ends at the next step.
use crate::throttle::restore_all;
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Whether the user asked the program to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Installs the handlers: the first Ctrl-C (or termination signal) gives the machine back its settings and asks the work to stop, the second ends
/// the program; a panic gives the settings back before it is reported.
///
/// # Errors
/// When a handler stands already.
pub fn install() -> Result<(), ctrlc::Error> {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore_all();
        report(info);
    }));
    ctrlc::set_handler(|| {
        restore_all();
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
}
