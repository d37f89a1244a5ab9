//! The gateway's sockets where there are milters: what it says to one is no SMTP, and one that the plan has down refuses
//! the connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use gateway::env::{IoFuture, Listener, Net, Stream, UdpSocket};

use super::net::RecordedNet;
use crate::fault::{Fault, MilterFails};
use crate::scene::Scene;

/// Sockets of which those to milters are not recorded as dialogues.
pub(crate) struct FilterNet {
    pub(crate) recorded: RecordedNet,
    pub(crate) bare: Arc<dyn Net>,
    pub(crate) scene: Scene,
}

impl FilterNet {
    /// The milter at an address.
    fn milter(&self, at: SocketAddr) -> Option<Arc<str>> {
        let milter = self.scene.plan.milters.iter().find(|milter| milter.address == at.ip())?;
        Some(Arc::clone(&milter.name))
    }

    /// The line of the plan that has a milter down now.
    fn is_down(&self, milter: &str) -> Option<usize> {
        let now = self.scene.now();
        self.scene.faults().find_map(|(place, fault)| match fault {
            Fault::Milter { milter: about, at, until, does: MilterFails::IsDown, .. } => {
                (about == milter && (at.0..until.0).contains(&now)).then_some(place)
            }
            _ => None,
        })
    }
}

impl Net for FilterNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        match self.milter(to) {
            None => self.recorded.connect(to),
            Some(milter) => Box::pin(async move {
                if let Some(line) = self.is_down(&milter) {
                    self.scene.bit(line);
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                self.bare.connect(to).await
            }),
        }
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        self.recorded.listen(on)
    }

    fn bind_udp(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        self.recorded.bind_udp(on)
    }
}
