//! Processes: the tasks of each machine, polled, counted, and ended together.
//!
//! Each future is kept here and tokio holds only what polls it, so that a process ends at once and in a known
//! order. A process ends when its main task does, or when it is told to.
//!
//! The run in progress is the thread's: it is how a [`Spawn`] handle finds its process, and how the clock finds the
//! start. Leaving the run takes it away again, whatever the run's end.
//!
//! This module knows no socket, no link and no conductor.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use gateway::env::{BoxFuture, Spawn};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::super::MachineId;
use super::Quiet;

/// How many polls there may be at one instant: many times what the busiest run needs, and a second's work.
const POLLS: u32 = 1_000_000;

type Future = Pin<Box<dyn std::future::Future<Output = ()>>>;

thread_local! {
    static CURRENT: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// The virtual time since the start of the run in progress on this thread.
pub(super) fn now() -> Duration {
    current().start.elapsed()
}

/// The same, or nothing where no run is in progress or its clock cannot be asked.
pub(super) fn try_now() -> Option<Duration> {
    tokio::runtime::Handle::try_current().ok()?;
    let start = CURRENT.try_with(|current| Some(current.try_borrow().ok()?.as_ref()?.start)).ok()??;
    Some(start.elapsed())
}

fn current() -> Rc<World> {
    CURRENT.with_borrow(Clone::clone).expect("only what takes part in a run asks about it")
}

/// The processes of the run in progress on this thread, until it is dropped.
pub(super) struct Processes(Rc<World>);

/// What the tasks of a run share.
struct World {
    start: Instant,
    machines: Vec<String>,
    running: RefCell<Vec<Option<Rc<Process>>>>,
    processes_so_far: Cell<u64>,
    ended: RefCell<Vec<MachineId>>,
    /// The instant of the last poll, and how many there were.
    polls: Cell<(Instant, u32)>,
    /// Why the run cannot go on.
    broken: RefCell<Option<String>>,
    quiet: Arc<Quiet>,
}

/// One boot's tasks, in the order in which they were spawned.
struct Process {
    number: u64,
    machine: MachineId,
    tasks: RefCell<BTreeMap<u64, Rc<Task>>>,
    tasks_so_far: Cell<u64>,
    ended: Cell<bool>,
}

struct Task {
    number: u64,
    name: &'static str,
    /// None once it has ended.
    future: RefCell<Option<Future>>,
    shell: OnceCell<AbortHandle>,
}

impl Processes {
    /// Makes a run the one in progress on this thread.
    pub(super) fn enter(machines: Vec<String>, quiet: Arc<Quiet>) -> Self {
        let start = Instant::now();
        let world = Rc::new(World {
            start,
            running: RefCell::new(machines.iter().map(|_| None).collect()),
            machines,
            processes_so_far: Cell::new(0),
            ended: RefCell::default(),
            polls: Cell::new((start, 0)),
            broken: RefCell::default(),
            quiet,
        });
        CURRENT.set(Some(Rc::clone(&world)));
        Processes(world)
    }

    /// Starts a process without tasks.
    pub(super) fn start(&self, machine: MachineId) -> LeapSpawn {
        let number = self.0.processes_so_far.get();
        self.0.processes_so_far.set(number + 1);
        self.0.running.borrow_mut()[machine.0] = Some(Rc::new(Process {
            number,
            machine,
            tasks: RefCell::default(),
            tasks_so_far: Cell::new(0),
            ended: Cell::new(false),
        }));
        LeapSpawn { machine, number }
    }

    /// Gives a process its main task.
    pub(super) fn run_main(&self, machine: MachineId, main: Future) {
        let process = self.0.running.borrow()[machine.0].clone().expect("the process was just started");
        let world = Rc::clone(&self.0);
        let ends = Rc::clone(&process);
        let main = async move {
            main.await;
            ends.ended.set(true);
            world.ended.borrow_mut().push(machine);
        };
        spawn(&self.0, &process, "main", Box::pin(main));
    }

    /// Ends a process, if there is one.
    pub(super) fn end(&self, machine: MachineId) {
        let process = self.0.running.borrow_mut()[machine.0].take();
        if let Some(process) = process {
            process.end();
        }
    }

    /// The machines whose process has ended of itself since this was last asked.
    pub(super) fn take_ended(&self) -> Vec<MachineId> {
        self.0.ended.take()
    }

    /// Why the run cannot go on, if it cannot.
    pub(super) fn broken(&self) -> Option<String> {
        self.0.broken.take()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        (0..self.0.machines.len()).for_each(|machine| self.end(MachineId(machine)));
        CURRENT.set(None);
    }
}

impl Process {
    /// Drops every task, the first spawned first.
    fn end(&self) {
        self.ended.set(true);
        loop {
            let Some((_, task)) = self.tasks.borrow_mut().pop_first() else { return };
            let future = task.future.take();
            drop(future);
            if let Some(shell) = task.shell.get() {
                shell.abort();
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is env::Spawn; the run's runtime is current")]
fn spawn(world: &Rc<World>, process: &Rc<Process>, name: &'static str, future: Future) {
    if process.ended.get() {
        return;
    }
    let number = process.tasks_so_far.get();
    process.tasks_so_far.set(number + 1);
    let future = RefCell::new(Some(future));
    let task = Rc::new(Task { number, name, future, shell: OnceCell::new() });
    process.tasks.borrow_mut().insert(number, Rc::clone(&task));
    let shell = {
        let (world, process, task) = (Rc::clone(world), Rc::clone(process), Rc::clone(&task));
        tokio::task::spawn_local(poll_fn(move |cx| poll(&world, &process, &task, cx)))
    };
    task.shell.set(shell.abort_handle()).expect("a task is spawned once");
}

fn poll(world: &World, process: &Process, task: &Task, cx: &mut Context<'_>) -> Poll<()> {
    if world.broken.borrow().is_some() {
        return Poll::Pending;
    }
    if let Some(why) = world.count_poll() {
        world.break_down(process, task, &why);
        return Poll::Pending;
    }
    let polled = match &mut *task.future.borrow_mut() {
        Some(future) => catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))),
        None => return Poll::Ready(()),
    };
    match polled {
        Ok(Poll::Pending) => return Poll::Pending,
        Ok(Poll::Ready(())) => {}
        Err(panic) => world.break_down(process, task, &format!("panicked: {}", words(&*panic))),
    }
    process.tasks.borrow_mut().remove(&task.number);
    let future = task.future.take();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
        world.break_down(process, task, &format!("panicked as it was dropped: {}", words(&*panic)));
    }
    if process.ended.get() {
        process.end();
    }
    Poll::Ready(())
}

impl World {
    /// Counts a poll, and says what is wrong if there are too many without a moment passing.
    fn count_poll(&self) -> Option<String> {
        self.quiet.moved.store(true, Ordering::Relaxed);
        let now = Instant::now();
        let (instant, polls) = self.polls.get();
        let polls = if instant == now { polls + 1 } else { 1 };
        self.polls.set((now, polls));
        (polls > POLLS).then(|| format!("was polled after {POLLS} others at one instant: it never waits"))
    }

    fn break_down(&self, process: &Process, task: &Task, why: &str) {
        let why = format!("on {}, the task `{}` {why}", self.machines[process.machine.0], task.name);
        self.broken.borrow_mut().get_or_insert(why);
        self.quiet.look.notify_one();
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no words)")
}

/// Spawns tasks of one process; once it has ended, they are dropped.
pub(super) struct LeapSpawn {
    machine: MachineId,
    number: u64,
}

impl Spawn for LeapSpawn {
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        let world = current();
        let process = world.running.borrow()[self.machine.0].clone();
        if let Some(process) = process.filter(|process| process.number == self.number) {
            spawn(&world, &process, name, task);
        }
    }
}
