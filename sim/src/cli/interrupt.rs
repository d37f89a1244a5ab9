//! Ctrl-C: once it ends the work with what was done until then, twice it ends the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

/// The exit code of a command that was interrupted: that of a program which a shell sees end by the signal.
pub(crate) const INTERRUPTED: u8 = 130;

/// Whether Ctrl-C was pressed since this was made.
#[derive(Clone)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches for it. What has been begun takes milliseconds to end; who cannot wait presses it again.
    pub(super) fn watch() -> Self {
        let pressed = Arc::new(AtomicBool::new(false));
        // In this order: the second time finds the flag set. Where it cannot be watched for, Ctrl-C ends the program at
        // once, as it does everywhere.
        let _ = flag::register_conditional_shutdown(SIGINT, INTERRUPTED.into(), Arc::clone(&pressed));
        let _ = flag::register(SIGINT, Arc::clone(&pressed));
        Interrupt(pressed)
    }

    /// Whether it was pressed.
    pub(super) fn pressed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Leaves Ctrl-C to the process that this one works for: a terminal sends it to both.
pub(super) fn leave_to_the_other_process() {
    let _ = flag::register(SIGINT, Arc::new(AtomicBool::new(false)));
}
