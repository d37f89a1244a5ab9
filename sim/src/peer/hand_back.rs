//! A routing loop: a mail server that hands what it has taken back to the gateway, for the same recipients.

use std::time::Duration;

use gateway::env::Net;
use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::dialogue::{Dialogue, dotted};
use super::server::Server;
use crate::machine::at;
use crate::record::What;
use crate::utf8_address::has_utf8_header;

/// How long it waits before it does so.
const PAUSE: Duration = Duration::from_secs(5);
/// How long it waits for any reply.
const PATIENCE: Duration = Duration::from_mins(5);

/// A message on its way back.
pub(super) struct HandBack {
    pub(super) server: Server,
    pub(super) from: String,
    pub(super) recipients: Vec<String>,
    pub(super) content: Vec<u8>,
}

impl HandBack {
    /// Hands it back, once.
    pub(super) async fn run(self, net: &dyn Net) {
        sleep(PAUSE).await;
        let outcome = match self.hand_over(net).await {
            Some(true) => "the gateway took it again",
            Some(false) => "the gateway did not take it again",
            None => "the connection was lost",
        };
        let (scene, machine) = (&self.server.scene, &self.server.machine);
        scene.points.reached(super::HANDED_BACK);
        scene.journal.note(machine, What::Fault(format!("a message is handed back: {outcome}")));
    }

    /// Whether the gateway took it.
    async fn hand_over(&self, net: &dyn Net) -> Option<bool> {
        let scene = &self.server.scene;
        let gateway = (scene.plan.gateway.address, 25).into();
        let stream = timeout(PATIENCE, net.connect(gateway)).await.ok()?.ok()?;
        let mut dialogue = Dialogue::new(stream);
        let name = &self.server.machine;
        self.hear(&mut dialogue).await?;
        let is_ascii = self.from.is_ascii() && self.recipients.iter().all(|to| to.is_ascii());
        let utf8 = if is_ascii && !has_utf8_header(&self.content) { "" } else { " SMTPUTF8" };
        for command in [format!("EHLO {name}"), format!("MAIL FROM:<{}>{utf8}", self.from)] {
            if self.ask(&mut dialogue, &command).await? >= 400 {
                return Some(false);
            }
        }
        let mut accepted = 0;
        for recipient in &self.recipients {
            accepted += usize::from(self.ask(&mut dialogue, &format!("RCPT TO:<{recipient}>")).await? < 400);
        }
        if accepted == 0 || self.ask(&mut dialogue, "DATA").await? != 354 {
            return Some(false);
        }
        let when: Timestamp = at(scene.plan.starts, scene.now());
        let date = when.strftime("%a, %d %b %Y %H:%M:%S +0000");
        let trace = format!("Received: from {} by {name} with ESMTP; {date}\r\n", scene.plan.gateway.name);
        dialogue.send(&dotted(&[trace.as_bytes(), &self.content].concat())).await.ok()?;
        let taken = self.hear(&mut dialogue).await? < 400;
        self.ask(&mut dialogue, "QUIT").await;
        Some(taken)
    }

    async fn ask(&self, dialogue: &mut Dialogue, command: &str) -> Option<u16> {
        dialogue.say(command).await.ok()?;
        self.hear(dialogue).await
    }

    async fn hear(&self, dialogue: &mut Dialogue) -> Option<u16> {
        let reply = timeout(PATIENCE, dialogue.reply()).await.ok()?.ok()??;
        Some(reply.code)
    }
}
