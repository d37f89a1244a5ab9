//! What is over leaves nothing behind.

use std::net::{IpAddr, Ipv4Addr};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::super::{Carriage, Links, MachineId, Observer};
use super::network::Network;

const SERVER: MachineId = MachineId(0);
const CLIENT: MachineId = MachineId(1);

/// Loses each segment of the first second of every minute.
struct Flaky;

impl Links for Flaky {
    fn carry(&self, _: MachineId, _: MachineId, now: Duration) -> Carriage {
        if now.as_secs().is_multiple_of(60) {
            Carriage::Lost
        } else {
            Carriage::Arrives(Duration::from_millis(30))
        }
    }

    fn next_change(&self, _: Duration) -> Option<Duration> {
        None
    }
}

impl Observer for Flaky {
    fn happened(&self, _: Duration, _: MachineId, _: &str, _: &[&[u8]]) {}
}

/// Goes on until nothing is left to happen.
fn settle(network: &mut Network<'_>) {
    network.send();
    loop {
        while network.due() > 0 {
            network.advance(0);
        }
        let Some(next) = network.next() else { return };
        network.go_on_to(next);
    }
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let addresses = [1, 2].map(|last| IpAddr::from(Ipv4Addr::new(10, 0, 0, last)));
    let mut network = Network::new(addresses.to_vec(), &Flaky, &Flaky);
    network.boot(SERVER);
    network.boot(CLIENT);
    let kernels = network.kernels();
    kernels.lock().unwrap().listen(SERVER, (addresses[0], 25).into()).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    for number in 0..10_000 {
        let client = kernels.lock().unwrap().open(CLIENT, (addresses[0], 25).into());
        settle(&mut network);
        let accepted = kernels.lock().unwrap().poll_accept(SERVER, 25, &mut cx);
        let Poll::Ready((server, _)) = accepted else { panic!("connection {number} was not made") };
        for flow in [client, server] {
            kernels.lock().unwrap().with_socket(flow, |end| ((), end.close())).unwrap();
            settle(&mut network);
        }
    }
    assert_eq!(kernels.lock().unwrap().connections(), (0, 1));
    assert_eq!(network.next(), None);
}
