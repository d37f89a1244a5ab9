//! A well-behaved SMTP client: hands over the messages of its plan, one connection each, and tries again as planned
//! when it was not answered or was asked to come back.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until, timeout};

use super::dialogue::{Dialogue, Reply};
use crate::engine::Seat;
use crate::plan::{ClientPlan, MessagePlan};
use crate::record::{Attempt, Outcome, What};
use crate::scene::Scene;

/// How long it waits for any reply (RFC 5321, 4.5.3.2.6: at least ten minutes after the final dot).
const PATIENCE: Duration = Duration::from_mins(10);

/// The software of a client machine.
pub(crate) struct Client {
    pub(crate) machine: Arc<str>,
    pub(crate) plan: ClientPlan,
    pub(crate) gateway: SocketAddr,
    pub(crate) scene: Scene,
}

impl Client {
    /// Hands over every message, each at its time. Ends when there is nothing more to try.
    pub(crate) async fn run(&self, seat: &Seat) {
        let start = Instant::now();
        join_all(self.plan.messages.iter().map(|message| self.hand_over(seat, message, start))).await;
    }

    async fn hand_over(&self, seat: &Seat, message: &MessagePlan, start: Instant) {
        sleep_until(start + message.at).await;
        for number in 1.. {
            let outcome = self.attempt(seat, message).await;
            let settled = match &outcome {
                Outcome::Accepted { .. } => true,
                Outcome::Refused { reply, .. } => reply.starts_with('5'),
                Outcome::Lost { .. } | Outcome::Unreachable(_) => false,
            };
            let attempt = Attempt { message: message.name.clone(), number, outcome };
            self.scene.journal.note(&self.machine, What::Client(attempt));
            match message.retry.get(number - 1) {
                Some(wait) if !settled => tokio::time::sleep(*wait).await,
                _ => return,
            }
        }
    }

    async fn attempt(&self, seat: &Seat, message: &MessagePlan) -> Outcome {
        let stream = match timeout(PATIENCE, seat.net.connect(self.gateway)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Outcome::Unreachable(error.kind().to_string()),
            Err(_) => return Outcome::Unreachable("no answer".to_owned()),
        };
        let mut talk = Talk { dialogue: Dialogue::new(stream) };
        match talk.hand_over(&self.machine, self.plan.account.as_ref(), message).await {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }
}

/// One conversation. An error is an outcome too: the conversation ends there.
struct Talk {
    dialogue: Dialogue,
}

impl Talk {
    async fn hand_over(
        &mut self,
        name: &str,
        account: Option<&crate::plan::Account>,
        message: &MessagePlan,
    ) -> Result<Outcome, Outcome> {
        self.expect("the connection", 220).await?;
        self.command(&format!("EHLO {name}"), 250).await?;
        if let Some(account) = account {
            self.command(&format!("AUTH PLAIN {}", account.sasl_plain()), 235).await?;
        }
        self.command(&format!("MAIL FROM:<{}> SIZE={}", message.from, message.content.len()), 250).await?;
        let mut recipients = Vec::new();
        let mut refusal = None;
        for recipient in &message.to {
            match self.command(&format!("RCPT TO:<{recipient}>"), 250).await {
                Ok(_) => recipients.push(recipient.to_string()),
                Err(refused @ Outcome::Refused { .. }) => refusal = Some(refused),
                Err(lost) => return Err(lost),
            }
        }
        if let (true, Some(refusal)) = (recipients.is_empty(), refusal) {
            return Err(refusal);
        }
        self.command("DATA", 354).await?;
        let awaiting = "the final dot";
        self.dialogue.send(&dotted(&message.content)).await.map_err(|_| lost(awaiting))?;
        let reply = self.expect(awaiting, 250).await?;
        // The message is handed over: whatever becomes of QUIT changes nothing.
        if self.dialogue.say("QUIT").await.is_ok() {
            let _ = timeout(PATIENCE, self.dialogue.reply()).await;
        }
        Ok(Outcome::Accepted { recipients, reply: reply.text })
    }

    async fn command(&mut self, command: &str, wanted: u16) -> Result<Reply, Outcome> {
        self.dialogue.say(command).await.map_err(|_| lost(command))?;
        self.expect(command, wanted).await
    }

    async fn expect(&mut self, awaited: &str, wanted: u16) -> Result<Reply, Outcome> {
        let reply = timeout(PATIENCE, self.dialogue.reply())
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .ok()
            .flatten()
            .ok_or_else(|| lost(awaited))?;
        if reply.code == wanted {
            Ok(reply)
        } else {
            Err(Outcome::Refused { command: awaited.to_owned(), reply: reply.text })
        }
    }
}

fn lost(awaiting: &str) -> Outcome {
    Outcome::Lost { awaiting: awaiting.to_owned() }
}

/// The content as it goes over the wire: dots doubled at the start of lines, and the final dot (RFC 5321, 4.5.2).
fn dotted(content: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(content.len() + 8);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
    wire
}
