//! The configuration that counts now. A reload puts another in its place; whoever has begun something goes on with the
//! one that it began with.

use std::sync::{Arc, Mutex, PoisonError};

use super::core::Core;

/// What new connections, messages and tries are given.
pub(super) struct Present(Mutex<Arc<Core>>);

impl Present {
    pub(super) fn new(core: Arc<Core>) -> Arc<Self> {
        Arc::new(Present(Mutex::new(core)))
    }

    /// What counts now.
    pub(super) fn get(&self) -> Arc<Core> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another counts from now on.
    pub(super) fn put(&self, core: Arc<Core>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = core;
    }
}
