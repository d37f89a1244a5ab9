//! STARTTLS at a mail server: whether it is offered, and what comes of it.

use std::io;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::client::PATIENCE;
use super::dialogue::Dialogue;
use super::lapses::{Lapses, Said, shows};
use super::mischief::SILENCE;
use super::server::Server;
use crate::fault::{BrokenHandshake, ServerDoes};
use crate::plan::Offer;
use crate::tls::PeerTls;

/// How long a server waits before it sends garbage, so that it is the answer to something.
const A_LITTLE: Duration = Duration::from_secs(1);

/// What is wrong with TLS on a connection counts also where a server would have none of itself.
fn is_about_tls(does: &ServerDoes) -> bool {
    matches!(does, ServerDoes::BreaksHandshake(_)) || shows(does).is_some()
}

impl Server {
    /// Whether it has STARTTLS on this connection, offered or not.
    pub(super) fn has_tls(&self, lapses: &Lapses) -> bool {
        let offers = self.plan().is_some_and(|server| server.offers.contains(&Offer::Starttls));
        offers || lapses.would(is_about_tls)
    }

    /// Whether it offers it.
    pub(super) fn offers_tls(&self, lapses: &Lapses) -> bool {
        self.has_tls(lapses) && !lapses.has(|does| *does == ServerDoes::RefusesStartTls { offered: false })
    }

    /// Answers STARTTLS, and shakes hands.
    pub(super) async fn starttls(
        &self,
        dialogue: &mut Dialogue,
        lapses: &Lapses,
        connection: u64,
    ) -> io::Result<Said> {
        if lapses.has(|does| *does == ServerDoes::RefusesStartTls { offered: true }) {
            dialogue.say("454 4.7.0 TLS not available").await?;
            return Ok(Said::Otherwise);
        }
        dialogue.say("220 2.0.0 ready").await?;
        match lapses.broken_handshake() {
            None => {}
            Some(BrokenHandshake::Garbage) => {
                sleep(A_LITTLE).await;
                dialogue.send(BrokenHandshake::GARBAGE).await?;
                // Until the gateway closes.
                while timeout(PATIENCE, dialogue.line()).await.is_ok_and(|line| matches!(line, Ok(Some(_)))) {
                }
                return Ok(Said::Nothing);
            }
            Some(BrokenHandshake::Silence) => {
                sleep(SILENCE).await;
                return Ok(Said::Nothing);
            }
            Some(BrokenHandshake::HangsUp) => return Ok(Said::Nothing),
        }
        lapses.has(|does| shows(does).is_some());
        let shows = lapses.certificate();
        let plan = &self.scene.plan;
        let name = format!("server {} {connection}", self.machine);
        let tls = PeerTls::new(plan.seed, &name, plan.starts, &self.scene.secrets);
        let handshake = |stream| tls.accept(stream, &self.machine, shows);
        timeout(PATIENCE, dialogue.secure(handshake)).await??;
        self.scene.points.reached(super::SERVER_ENCRYPTED);
        Ok(Said::AsDue)
    }
}
