//! Every time a task runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use gateway::env::{BoxFuture, Spawn};

use super::Trace;

/// Tasks whose every run is traced.
pub(super) struct TracedSpawn {
    spawn: Arc<dyn Spawn>,
    trace: Trace,
    machine: Arc<str>,
}

impl TracedSpawn {
    pub(super) fn new(spawn: Arc<dyn Spawn>, trace: Trace, machine: Arc<str>) -> Self {
        TracedSpawn { spawn, trace, machine }
    }
}

impl Spawn for TracedSpawn {
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        let number = self.trace.next_task();
        let task = Watched::new(task, self.trace.clone(), Arc::clone(&self.machine), name, number);
        self.spawn.spawn(name, Box::pin(task));
    }
}

/// A task that is watched.
pub(super) struct Watched<F> {
    task: F,
    trace: Trace,
    machine: Arc<str>,
    name: &'static str,
    number: u64,
}

impl<F> Watched<F> {
    pub(super) fn new(task: F, trace: Trace, machine: Arc<str>, name: &'static str, number: u64) -> Self {
        Watched { task, trace, machine, name, number }
    }
}

impl<F: Future<Output = ()> + Unpin> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.trace.note(&self.machine, "runs", &[self.name.as_bytes(), &self.number.to_le_bytes()]);
        Pin::new(&mut self.task).poll(cx)
    }
}
