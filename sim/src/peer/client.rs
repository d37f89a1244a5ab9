//! An SMTP client: hands over the messages of its plan, one connection each, and tries again as planned when it was not
//! answered or was asked to come back. It behaves, but for the [mischief](super::mischief) that the plan has for one of
//! its tries.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until, timeout};

use super::dialogue::{Dialogue, Reply, dotted};
use super::mischief::Mischief;
use crate::engine::Seat;
use crate::fault::Stage;
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
            let outcome = self.attempt(seat, message, number).await;
            let settled = match &outcome {
                Outcome::Accepted { .. } => true,
                Outcome::Refused { reply, .. } => reply.starts_with('5'),
                Outcome::Lost { .. } | Outcome::Unreachable(_) => false,
            };
            if matches!(&outcome, Outcome::Lost { awaiting } if awaiting == FINAL_DOT) {
                self.scene.points.reached(super::LOST_AT_THE_FINAL_DOT);
            } else if settled && number > 1 {
                self.scene.points.reached(super::TRIED_AGAIN);
            }
            let attempt = Attempt { message: message.name.clone(), number, outcome };
            self.scene.journal.note(&self.machine, What::Client(attempt));
            match message.retry.get(number - 1) {
                Some(wait) if !settled => tokio::time::sleep(*wait).await,
                _ => return,
            }
        }
    }

    async fn attempt(&self, seat: &Seat, message: &MessagePlan, number: usize) -> Outcome {
        let stream = match timeout(PATIENCE, seat.net.connect(self.gateway)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Outcome::Unreachable(error.kind().to_string()),
            Err(_) => return Outcome::Unreachable("no answer".to_owned()),
        };
        let mischief = Mischief::of(&self.scene, &message.name, number);
        let mut talk = Talk { dialogue: Dialogue::new(stream) };
        let client = Caller { name: &self.machine, account: self.plan.account.as_ref(), message };
        match talk.hand_over(&client, &mischief).await {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }
}

/// What a client waits for after the message.
pub(super) const FINAL_DOT: &str = "the final dot";

/// Who hands over what.
pub(super) struct Caller<'a> {
    pub(super) name: &'a str,
    pub(super) account: Option<&'a crate::plan::Account>,
    pub(super) message: &'a MessagePlan,
}

impl Caller<'_> {
    /// MAIL, as it is said to a server that has answered EHLO like this.
    pub(super) fn mail(&self, ehlo: &str) -> String {
        let MessagePlan { from, content, .. } = self.message;
        let size = if ehlo.contains("SIZE") { format!(" SIZE={}", content.len()) } else { String::new() };
        let eight_bit = !content.is_ascii() && ehlo.contains("8BITMIME");
        let body = if eight_bit { " BODY=8BITMIME" } else { "" };
        format!("MAIL FROM:<{from}>{size}{body}")
    }
}

/// One conversation. An error is an outcome too: the conversation ends there.
pub(super) struct Talk {
    pub(super) dialogue: Dialogue,
}

impl Talk {
    async fn hand_over(&mut self, caller: &Caller<'_>, mischief: &Mischief) -> Result<Outcome, Outcome> {
        let message = caller.message;
        mischief.begin(&mut self.dialogue);
        if let Some(outcome) = mischief.pipeline(self, caller).await {
            return outcome;
        }
        mischief.before(Stage::Connection).await?;
        self.expect("the connection", 220).await?;
        let hello = format!("{} {}", mischief.hello(), caller.name);
        let ehlo = self.command(Stage::Ehlo, &hello, 250, mischief).await?;
        mischief.after_ehlo(self, caller).await?;
        if let Some(account) = caller.account.filter(|_| mischief.hello() == "EHLO") {
            self.command(Stage::Ehlo, &format!("AUTH PLAIN {}", account.sasl_plain()), 235, &Mischief::NONE)
                .await?;
        }
        self.command(Stage::Mail, &caller.mail(&ehlo.text), 250, mischief).await?;
        let mut recipients = Vec::new();
        let mut refusal = None;
        for recipient in &message.to {
            match self.command(Stage::Rcpt, &format!("RCPT TO:<{recipient}>"), 250, mischief).await {
                Ok(_) => recipients.push(recipient.to_string()),
                Err(refused @ Outcome::Refused { .. }) => refusal = Some(refused),
                Err(lost) => return Err(lost),
            }
        }
        if let (true, Some(refusal)) = (recipients.is_empty(), refusal) {
            return Err(refusal);
        }
        self.command(Stage::Data, "DATA", 354, mischief).await?;
        self.content(caller, mischief).await?;
        mischief.after(Stage::FinalDot, FINAL_DOT).await?;
        let reply = self.expect(FINAL_DOT, 250).await?;
        // The message is handed over: whatever becomes of QUIT changes nothing.
        if mischief.before(Stage::Quit).await.is_ok() && self.dialogue.say("QUIT").await.is_ok() {
            let _ = timeout(PATIENCE, self.dialogue.reply()).await;
        }
        Ok(Outcome::Accepted { recipients, reply: reply.text })
    }

    /// The message, with its final dot.
    async fn content(&mut self, caller: &Caller<'_>, mischief: &Mischief) -> Result<(), Outcome> {
        let wire = dotted(&mischief.content(caller.message));
        let wire = mischief.with_false_end(wire, caller.message);
        let (first, second) = wire.split_at(wire.len() / 2);
        self.dialogue.send(first).await.map_err(|_| lost(FINAL_DOT))?;
        mischief.before(Stage::Content).await?;
        for piece in mischief.pieces(second) {
            mischief.dawdle().await;
            self.dialogue.send(piece).await.map_err(|_| lost(FINAL_DOT))?;
        }
        Ok(())
    }

    /// Says a command and waits for the wanted reply.
    async fn command(
        &mut self,
        stage: Stage,
        command: &str,
        wanted: u16,
        mischief: &Mischief,
    ) -> Result<Reply, Outcome> {
        mischief.before(stage).await?;
        self.dialogue.send(&mischief.line(command)).await.map_err(|_| lost(command))?;
        mischief.after(stage, command).await?;
        self.expect(command, wanted).await
    }

    pub(super) async fn expect(&mut self, awaited: &str, wanted: u16) -> Result<Reply, Outcome> {
        let reply = self.hear(awaited).await?;
        if reply.code == wanted {
            Ok(reply)
        } else {
            Err(Outcome::Refused { command: awaited.to_owned(), reply: reply.text })
        }
    }

    pub(super) async fn hear(&mut self, awaited: &str) -> Result<Reply, Outcome> {
        timeout(PATIENCE, self.dialogue.reply())
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .ok()
            .flatten()
            .ok_or_else(|| lost(awaited))
    }
}

pub(super) fn lost(awaiting: &str) -> Outcome {
    Outcome::Lost { awaiting: awaiting.to_owned() }
}
