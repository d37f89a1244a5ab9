//! The thirteenth probe: an address of the heap that reaches a run. No call betrays it, so one run cannot notice it; two
//! runs that are held against each other do, and the first entry in which they differ names the machine and what it did.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Barrier};

use gateway::env::{Connection, IoFuture, Listener, Net, Stream, UdpSocket};
use gateway::release::Release;
use sim::contain;
use sim::draw::Seed;
use sim::engine::{Clock, Conductor, Engine, EngineError, Leap, Links, Machine, MachineId, Observer, Seat};
use sim::plan::Plan;
use sim::run::run;
use sim::scenario::Library;
use sim::trace::{Keep, first_difference};

/// The leaping engine, with a library in the first machine that takes a heap address for a port. Two runs begin
/// together, so that neither gets the other's memory.
struct Leaking {
    begin: Arc<Barrier>,
}

impl Engine for Leaking {
    fn name(&self) -> &'static str {
        Leap.name()
    }

    fn clock(&self) -> Clock {
        Leap.clock()
    }

    fn contained_clock(&self) -> contain::Clock {
        Leap.contained_clock()
    }

    fn run(
        &self,
        mut machines: Vec<Machine>,
        links: &dyn Links,
        conductor: &mut dyn Conductor,
        observer: &dyn Observer,
        seed: Seed,
    ) -> Result<(), EngineError> {
        self.begin.wait();
        let MachineId(gateway) = MachineId(0);
        let machine = machines.remove(gateway);
        let software = machine.software;
        let software =
            Box::new(move |seat: Seat| software(Seat { net: Arc::new(LeakingNet(seat.net)), ..seat }));
        machines.insert(gateway, Machine { software, ..machine });
        let ended = Leap.run(machines, links, conductor, observer, seed);
        self.begin.wait();
        ended
    }
}

struct LeakingNet(Arc<dyn Net>);

impl Net for LeakingNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        self.0.connect(to)
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(async move { Ok(Box::new(LeakingListener(self.0.listen(on).await?)) as Box<dyn Listener>) })
    }

    fn bind_udp(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        self.0.bind_udp(on)
    }
}

struct LeakingListener(Box<dyn Listener>);

impl Listener for LeakingListener {
    fn accept(&mut self) -> IoFuture<'_, Connection> {
        Box::pin(async move {
            let taken = self.0.accept().await?;
            let address = std::ptr::from_ref(&*Box::new(0_u64)).addr();
            // Threads have their heaps 64 MiB apart.
            Ok(Connection { from: SocketAddr::new(taken.from.ip(), (address >> 26) as u16), ..taken })
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

fn plan() -> Plan {
    let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let scenario = library.scenarios().iter().find(|scenario| scenario.name == "Q178091").unwrap();
    scenario.plan(Release::Current, scenario.seed())
}

#[test]
fn a_heap_address_that_reaches_a_run_is_stopped_by_a_second_run_that_names_who_used_it() {
    let (plan, begin) = (plan(), Arc::new(Barrier::new(2)));
    let traces = std::thread::scope(|scope| {
        let made = [(); 2].map(|()| {
            let engine = Leaking { begin: Arc::clone(&begin) };
            let plan = &plan;
            scope.spawn(move || run(plan, &engine, Keep::Entries).unwrap().trace)
        });
        made.map(|run| run.join().unwrap())
    });
    let difference = first_difference(&traces[0], &traces[1]).expect("the two runs differ");
    let parted = difference.lines().find(|line| line.starts_with('-')).unwrap();
    assert!(parted.contains("ims1.contoso.test") && parted.contains("accepts"), "{difference}");
}

#[test]
fn without_the_leak_the_two_runs_are_the_same() {
    let plan = plan();
    let [first, second] = [(); 2].map(|()| run(&plan, &Leap, Keep::Entries).unwrap().trace);
    assert_eq!(first_difference(&first, &second), None);
}
