//! The life of one process on a machine, from a boot to its end.
//!
//! When a fault ends it, nothing more of the process may take effect, though the engine hears of it only when the task
//! at work waits: the rest of that task's turn must come to nothing. So whoever acts for the process asks its [`Life`]
//! first. A task is not run any more ([`Mortal`]); an operation on the disk or the network stays pending; a task that
//! is spawned is never begun; an event that is logged is not written.
//!
//! This module does not know why a life ends, nor what becomes of the machine.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// The life of one process. Clones are the same life.
#[derive(Clone, Default)]
pub(crate) struct Life(Arc<State>);

#[derive(Default)]
struct State {
    over: AtomicBool,
    came_up: AtomicBool,
    connections: AtomicUsize,
}

impl Life {
    /// Nothing more of the process takes effect.
    pub(crate) fn end(&self) {
        self.0.over.store(true, Ordering::Relaxed);
    }

    /// Whether it has been ended.
    pub(crate) fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Relaxed)
    }

    /// Returns at once while the process lives, and never once it does not.
    pub(super) async fn goes_on(&self) {
        if self.is_over() {
            pending().await
        }
    }

    /// The service has come up: what the last process left behind has been looked through.
    pub(crate) fn comes_up(&self) {
        self.0.came_up.store(true, Ordering::Relaxed);
    }

    /// Whether the service has come up.
    pub(crate) fn came_up(&self) -> bool {
        self.0.came_up.load(Ordering::Relaxed)
    }

    /// A connection is opened.
    pub(super) fn opens_connection(&self) {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection is closed.
    pub(super) fn closes_connection(&self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether it has connections open.
    pub(crate) fn has_connections(&self) -> bool {
        self.0.connections.load(Ordering::Relaxed) > 0
    }
}

/// A task that goes on as long as its process lives.
pub(super) struct Mortal<F> {
    task: F,
    life: Life,
}

impl<F> Mortal<F> {
    pub(super) fn new(task: F, life: Life) -> Self {
        Mortal { task, life }
    }
}

impl<F: Future + Unpin> Future for Mortal<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.life.is_over() {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.task).poll(cx);
        // What it came to in the turn in which its process ended is nobody's any more.
        if self.life.is_over() { Poll::Pending } else { polled }
    }
}
