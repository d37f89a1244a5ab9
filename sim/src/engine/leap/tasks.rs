//! The tasks of every machine: kept, polled one at a time, and ended together with their process.
//!
//! There is no scheduler below: a waker puts its task among those that are ready, and the run loop draws which of them
//! is polled next. A process ends when its main task does, or when it is told to; its tasks are dropped at once, the
//! first spawned first.
//!
//! The run in progress is the thread's: it is how a [`Spawn`] handle finds its process, and how the clock finds the
//! time. Leaving the run takes it away again, whatever the run's end.
//!
//! This module knows no socket, no link and no conductor.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use gateway::env::{BoxFuture, Spawn};

use super::super::MachineId;

type Future = Pin<Box<dyn std::future::Future<Output = ()>>>;

thread_local! {
    static CURRENT: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// The virtual time since the start of the run in progress on this thread.
pub(super) fn now() -> Duration {
    try_now().expect("only what takes part in a run asks for its time")
}

/// The same, or nothing where no run is in progress or it cannot be asked.
pub(super) fn try_now() -> Option<Duration> {
    CURRENT.try_with(|current| Some(current.try_borrow().ok()?.as_ref()?.now.get())).ok()?
}

/// The tasks of the run in progress on this thread, until they are dropped.
pub(super) struct Tasks {
    world: Rc<World>,
    /// Those that are ready, in the order of their numbers.
    ready: Vec<u64>,
}

/// What a run's tasks share.
struct World {
    now: Cell<Duration>,
    machines: Vec<String>,
    /// The process that each machine runs, if it runs one.
    running: RefCell<Vec<Option<u64>>>,
    processes_so_far: Cell<u64>,
    tasks: RefCell<BTreeMap<u64, Rc<Task>>>,
    tasks_so_far: Cell<u64>,
    woken: Arc<Woken>,
    /// Why the run cannot go on.
    broken: RefCell<Option<String>>,
}

struct Task {
    machine: MachineId,
    process: u64,
    name: &'static str,
    /// Whether its process ends with it.
    is_main: bool,
    future: RefCell<Option<Future>>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

/// The tasks that were woken and are not among the ready ones yet.
struct Woken {
    tasks: Mutex<Vec<u64>>,
    /// Wakes the run loop.
    run_loop: Mutex<Waker>,
    /// Whether the run loop is awake: it then looks here by itself.
    is_awake: AtomicBool,
}

/// What wakes one task.
struct Alarm {
    task: u64,
    rang: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rang.swap(true, Ordering::Relaxed) {
            lock(&self.woken.tasks).push(self.task);
            if !self.woken.is_awake.load(Ordering::Relaxed) {
                lock(&self.woken.run_loop).wake_by_ref();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tasks {
    /// Makes a run the one in progress on this thread.
    pub(super) fn enter(machines: Vec<String>) -> Self {
        let world = Rc::new(World {
            now: Cell::new(Duration::ZERO),
            running: RefCell::new(vec![None; machines.len()]),
            machines,
            processes_so_far: Cell::new(0),
            tasks: RefCell::default(),
            tasks_so_far: Cell::new(0),
            woken: Arc::new(Woken {
                tasks: Mutex::default(),
                run_loop: Mutex::new(Waker::noop().clone()),
                is_awake: AtomicBool::new(true),
            }),
            broken: RefCell::default(),
        });
        CURRENT.set(Some(Rc::clone(&world)));
        Tasks { world, ready: Vec::new() }
    }

    /// The run loop is awake.
    pub(super) fn go_on_to(&mut self, now: Duration) {
        self.world.now.set(now);
        self.world.woken.is_awake.store(true, Ordering::Relaxed);
    }

    /// The run loop waits, unless a task was woken: whoever wakes one wakes it too.
    pub(super) fn rest(&self, run_loop: &Waker) {
        let mut known = lock(&self.world.woken.run_loop);
        if !known.will_wake(run_loop) {
            known.clone_from(run_loop);
        }
        self.world.woken.is_awake.store(false, Ordering::Relaxed);
    }

    /// How many tasks are ready.
    pub(super) fn ready(&mut self) -> usize {
        let mut woken = lock(&self.world.woken.tasks);
        for task in woken.drain(..) {
            if let Err(place) = self.ready.binary_search(&task) {
                self.ready.insert(place, task);
            }
        }
        self.ready.len()
    }

    /// Polls one of the ready tasks. Gives the machine whose process has ended with it.
    pub(super) fn poll(&mut self, choice: usize) -> Option<MachineId> {
        let number = self.ready.remove(choice);
        let task = self.world.tasks.borrow().get(&number).cloned()?;
        task.alarm.rang.store(false, Ordering::Relaxed);
        let polled = match &mut *task.future.borrow_mut() {
            Some(future) => {
                let mut context = Context::from_waker(&task.waker);
                catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)))
            }
            None => return None,
        };
        match polled {
            Ok(polled) if polled.is_pending() => return None,
            Ok(_) => {}
            Err(panic) => self.world.break_down(&task, &format!("panicked: {}", words(&*panic))),
        }
        self.world.tasks.borrow_mut().remove(&number);
        self.world.drop_future(&task);
        task.is_main.then(|| self.end(task.machine))?;
        Some(task.machine)
    }

    /// What one of the ready tasks is called, and its machine.
    pub(super) fn name(&self, choice: usize) -> Option<String> {
        let tasks = self.world.tasks.borrow();
        tasks.get(self.ready.get(choice)?).map(|task| self.world.name(task))
    }

    /// Starts a process.
    pub(super) fn start(&self, machine: MachineId) -> LeapSpawn {
        let number = self.world.processes_so_far.get();
        self.world.processes_so_far.set(number + 1);
        self.world.running.borrow_mut()[machine.0] = Some(number);
        LeapSpawn { machine, number }
    }

    /// Gives a process its main task.
    pub(super) fn run_main(&self, process: &LeapSpawn, main: Future) {
        self.world.spawn(process, "main", true, main);
    }

    /// Ends a process, if there is one: drops its tasks, the first spawned first.
    pub(super) fn end(&mut self, machine: MachineId) {
        let Some(process) = self.world.running.borrow_mut()[machine.0].take() else { return };
        let tasks: Vec<_> =
            self.world.tasks.borrow_mut().extract_if(.., |_, task| task.process == process).collect();
        tasks.iter().for_each(|(_, task)| self.world.drop_future(task));
        self.ready();
        self.ready.retain(|number| tasks.binary_search_by_key(number, |(number, _)| *number).is_err());
    }

    /// Why the run cannot go on.
    pub(super) fn broken(&self) -> Option<String> {
        self.world.broken.borrow_mut().take()
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        (0..self.world.machines.len()).for_each(|machine| self.end(MachineId(machine)));
        CURRENT.set(None);
    }
}

impl World {
    fn spawn(&self, process: &LeapSpawn, name: &'static str, is_main: bool, future: Future) {
        let number = self.tasks_so_far.get();
        self.tasks_so_far.set(number + 1);
        let alarm =
            Arc::new(Alarm { task: number, rang: AtomicBool::new(false), woken: Arc::clone(&self.woken) });
        let waker = Waker::from(Arc::clone(&alarm));
        let (machine, process) = (process.machine, process.number);
        let future = RefCell::new(Some(future));
        let task = Task { machine, process, name, is_main, future, alarm, waker };
        task.waker.wake_by_ref();
        self.tasks.borrow_mut().insert(number, Rc::new(task));
    }

    fn drop_future(&self, task: &Task) {
        let future = task.future.borrow_mut().take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            self.break_down(task, &format!("panicked as it was dropped: {}", words(&*panic)));
        }
    }

    fn break_down(&self, task: &Task, why: &str) {
        let why = format!("{} {why}", self.name(task));
        self.broken.borrow_mut().get_or_insert(why);
    }

    fn name(&self, task: &Task) -> String {
        format!("on {}, the task `{}`", self.machines[task.machine.0], task.name)
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no words)")
}

/// Spawns tasks of one process; once it has ended, they are dropped.
#[derive(Clone)]
pub(super) struct LeapSpawn {
    machine: MachineId,
    number: u64,
}

impl Spawn for LeapSpawn {
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        let world = CURRENT.with_borrow(Clone::clone).expect("only what takes part in a run spawns");
        let is_running = world.running.borrow()[self.machine.0] == Some(self.number);
        if is_running {
            world.spawn(self, name, false, task);
        }
    }
}
