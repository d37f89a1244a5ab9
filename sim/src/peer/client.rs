//! An SMTP client: hands over the messages of its plan, one connection each, and tries again as planned when it was not
//! answered or was asked to come back. It behaves, but for the [mischief](super::mischief) that the plan has for one of
//! its tries.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use gateway::address::Address;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::dialogue::{Dialogue, Reply, dotted};
use super::flood::flood;
use super::mischief::Mischief;
use crate::engine::Seat;
use crate::fault::Stage;
use crate::plan::{Account, Ask, ClientPlan, ClientTls, Hears, MessagePlan, Returns, Uses};
use crate::record::{Attempt, Outcome, What};
use crate::scene::Scene;
use crate::tls::PeerTls;
use crate::utf8_address;

/// How long it waits for any reply (RFC 5321, 4.5.3.2.6: at least ten minutes after the final dot).
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

/// How long after the beginning of its flood a client hands its message over.
const AMID_A_FLOOD: Duration = Duration::from_secs(10);

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
        let messages = self.plan.messages.iter().map(|message| self.hand_over(seat, message, start));
        let asks = self.plan.asks.iter().map(|ask| self.ask(seat, ask, start));
        join(join_all(messages), join_all(asks)).await;
    }

    /// Asks for mail, once: who is not answered asks another time as planned.
    async fn ask(&self, seat: &Seat, ask: &Ask, start: Instant) {
        sleep_until(start + ask.at).await;
        let Ok(Ok(stream)) = timeout(PATIENCE, seat.net.connect(self.gateway_port())).await else { return };
        let mut talk = Talk { dialogue: Dialogue::new(stream) };
        let asked = talk.ask_for_mail(self, ask).await;
        if asked.is_ok_and(|reply| matches!(reply.code, 252 | 253)) {
            self.scene.points.reached(super::MAIL_ASKED_FOR);
        }
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
        let mischief = Mischief::of(&self.scene, &message.name, number);
        let client = Caller {
            name: &self.machine,
            account: self.plan.account.as_ref(),
            message,
            number,
            encrypts: self.plan.tls,
            scene: &self.scene,
        };
        if !mischief.floods() {
            return self.converse(seat, &client, &mischief).await;
        }
        let amid_it = async {
            sleep(AMID_A_FLOOD).await;
            self.converse(seat, &client, &mischief).await
        };
        join(flood(&seat.net, self.gateway, &client), amid_it).await.1
    }

    async fn converse(&self, seat: &Seat, client: &Caller<'_>, mischief: &Mischief) -> Outcome {
        let stream = match timeout(PATIENCE, seat.net.connect(self.gateway_port())).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Outcome::Unreachable(error.kind().to_string()),
            Err(_) => return Outcome::Unreachable("no answer".to_owned()),
        };
        let mut talk = Talk { dialogue: Dialogue::new(stream) };
        match talk.hand_over(client, mischief).await {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }
}

impl Client {
    /// Where the gateway is spoken to, which depends on whether that is in TLS from the first octet.
    fn gateway_port(&self) -> SocketAddr {
        if self.plan.tls != Some(ClientTls::Implicit) {
            return self.gateway;
        }
        let own = self.scene.plan.gateway.config.listen_tls.map_or(TLS_PORT, |listen| listen.port());
        SocketAddr::new(self.gateway.ip(), own)
    }
}

/// Where a server should be spoken to in TLS from the first octet (RFC 8314, 3.3).
const TLS_PORT: u16 = 465;
/// What a client waits for first.
pub(super) const CONNECTION: &str = "the connection";
/// What it is sending when it breaks off, or is cut off, before the final dot is on its way.
pub(super) const CONTENT: &str = "the message";
/// What a client waits for before it can say anything over TLS.
pub(super) const HANDSHAKE: &str = "the TLS handshake";
/// What a client waits for after the message.
pub(super) const FINAL_DOT: &str = "the final dot";

/// Who hands over what.
pub(super) struct Caller<'a> {
    pub(super) name: &'a str,
    pub(super) account: Option<&'a Account>,
    pub(super) message: &'a MessagePlan,
    /// The try, counted from 1.
    pub(super) number: usize,
    pub(super) encrypts: Option<ClientTls>,
    pub(super) scene: &'a Scene,
}

impl Caller<'_> {
    /// What its connection goes by in the run.
    fn connection(&self) -> String {
        format!("client {} {} {}", self.name, self.message.name, self.number)
    }

    /// MAIL, as it is said to a server that has answered EHLO like this.
    pub(super) fn mail(&self, ehlo: &str) -> String {
        let MessagePlan { from, content, .. } = self.message;
        let size = if ehlo.contains("SIZE") { format!(" SIZE={}", content.len()) } else { String::new() };
        let eight_bit = !content.is_ascii() && ehlo.contains("8BITMIME");
        let body = if eight_bit { " BODY=8BITMIME" } else { "" };
        let utf8 =
            if self.message.is_international() && ehlo.contains("SMTPUTF8") { " SMTPUTF8" } else { "" };
        let mut command = format!("MAIL FROM:<{from}>{size}{body}{utf8}");
        if ehlo.contains("DSN") {
            let Uses { ret, envelope_id, .. } = &self.message.uses;
            command += match ret {
                Some(Returns::Full) => " RET=FULL",
                Some(Returns::Headers) => " RET=HDRS",
                None => "",
            };
            command.extend(envelope_id.iter().map(|id| format!(" ENVID={id}")));
        }
        command
    }

    /// RCPT for each recipient, as it is said to a server that has answered EHLO like this.
    fn rcpts(&self, ehlo: &str) -> Vec<(String, String)> {
        let words = |hears: &Hears| match hears {
            Hears::Success => "SUCCESS",
            Hears::Failure => "FAILURE",
            Hears::Delay => "DELAY",
        };
        let notify = self.message.uses.notify.as_ref().filter(|_| ehlo.contains("DSN"));
        let notify = notify.map(|hears| match hears.is_empty() {
            true => "NEVER".to_owned(),
            false => hears.iter().map(words).collect::<Vec<_>>().join(","),
        });
        let rcpt = |recipient: &Address| {
            let original = match recipient.is_ascii() {
                true => format!("rfc822;{recipient}"),
                false => format!("utf-8;{}", utf8_address::embed(&recipient.to_string())),
            };
            let asks = notify.iter().map(|notify| format!(" NOTIFY={notify} ORCPT={original}"));
            (recipient.to_string(), format!("RCPT TO:<{recipient}>{}", asks.collect::<String>()))
        };
        self.message.to.iter().map(rcpt).collect()
    }
}

/// One conversation. An error is an outcome too: the conversation ends there.
pub(super) struct Talk {
    pub(super) dialogue: Dialogue,
}

impl Talk {
    async fn hand_over(&mut self, caller: &Caller<'_>, mischief: &Mischief) -> Result<Outcome, Outcome> {
        if caller.encrypts == Some(ClientTls::Implicit) {
            mischief.handshake(self).await?;
            self.secure(caller.scene, &caller.connection()).await?;
        }
        mischief.begin(&mut self.dialogue);
        if let Some(outcome) = mischief.pipeline(self, caller).await {
            return outcome;
        }
        mischief.before(Stage::Connection).await?;
        mischief.after(Stage::Connection, CONNECTION).await?;
        self.expect(CONNECTION, 220).await?;
        let hello = format!("{} {}", mischief.hello(), caller.name);
        let mut ehlo = self.command(Stage::Ehlo, &hello, 250, mischief).await?;
        let starts = caller.encrypts == Some(ClientTls::Starttls) || mischief.is_about_starttls();
        if starts && ehlo.text.contains("STARTTLS") {
            self.send(&mischief.starttls(caller.message), "STARTTLS").await?;
            let granted = self.expect("STARTTLS", 220).await;
            mischief.hears_of_starttls(&granted);
            granted?;
            mischief.handshake(self).await?;
            self.secure(caller.scene, &caller.connection()).await?;
            self.send(format!("{hello}\r\n").as_bytes(), &hello).await?;
            ehlo = self.expect(&hello, 250).await?;
        }
        mischief.after_ehlo(self, caller, &ehlo.text).await?;
        if mischief.hello() == "EHLO" {
            let who = format!("{} {}", caller.name, caller.message.name);
            self.authenticate(caller.scene, caller.account, &who, &ehlo.text).await?;
            if caller.account.is_some() {
                mischief.after_auth(self, caller).await?;
            }
        }
        let recipients = match caller.message.uses.pipelining && ehlo.text.contains("PIPELINING") {
            true if mischief.is_none() => self.envelope_at_once(caller, &ehlo.text).await?,
            _ => self.envelope(caller, &ehlo.text, mischief).await?,
        };
        let chunks = caller.message.uses.chunks;
        let in_chunks = chunks > 0 && ehlo.text.contains("CHUNKING") && mischief.lets_send_chunks();
        if in_chunks {
            self.chunks(caller, chunks, mischief).await?;
        } else {
            self.say(Stage::Data, "DATA", mischief).await?;
            mischief.reset_within_the_message(self, caller).await?;
            self.expect("DATA", 354).await?;
            self.content(caller, mischief).await?;
        }
        mischief.after(Stage::FinalDot, FINAL_DOT).await?;
        let reply = self.expect(FINAL_DOT, 250).await;
        mischief.hear_out(self, reply.is_err()).await;
        let reply = reply?;
        if in_chunks {
            mischief.after_chunks(self).await;
        }
        // The message is handed over: whatever becomes of QUIT changes nothing.
        let _ = self.command(Stage::Quit, "QUIT", 221, mischief).await;
        Ok(Outcome::Accepted { recipients, reply: reply.text })
    }

    /// Says who it is and ETRN, as securely as it hands mail over. The answer to that.
    async fn ask_for_mail(&mut self, client: &Client, ask: &Ask) -> Result<Reply, Outcome> {
        let Client { machine, plan, scene, .. } = client;
        let who = format!("{machine} etrn {}", ask.at.as_millis());
        if plan.tls == Some(ClientTls::Implicit) {
            self.secure(scene, &who).await?;
        }
        self.expect(CONNECTION, 220).await?;
        let hello = format!("EHLO {machine}");
        let mut ehlo = self.say_plainly(&hello, 250).await?;
        if plan.tls == Some(ClientTls::Starttls) && ehlo.text.contains("STARTTLS") {
            self.say_plainly("STARTTLS", 220).await?;
            self.secure(scene, &who).await?;
            ehlo = self.say_plainly(&hello, 250).await?;
        }
        self.authenticate(scene, plan.account.as_ref(), &who, &ehlo.text).await?;
        let etrn = format!("ETRN {}", ask.node);
        self.send(format!("{etrn}\r\n").as_bytes(), &etrn).await?;
        let reply = self.hear(&etrn).await?;
        // Whatever becomes of QUIT changes nothing.
        if self.send(b"QUIT\r\n", "QUIT").await.is_ok() {
            let _ = self.hear("QUIT").await;
        }
        Ok(reply)
    }

    /// Says a command and waits for the wanted reply, with no mischief about it.
    async fn say_plainly(&mut self, command: &str, wanted: u16) -> Result<Reply, Outcome> {
        self.send(format!("{command}\r\n").as_bytes(), command).await?;
        self.expect(command, wanted).await
    }

    /// Shakes hands with the gateway, over the connection that goes by this name in the run.
    pub(super) async fn secure(&mut self, scene: &Scene, connection: &str) -> Result<(), Outcome> {
        let Scene { plan, secrets, .. } = scene;
        let tls = PeerTls::new(plan.seed, connection, plan.starts, secrets);
        let handshake = |stream| tls.connect(stream, &plan.gateway.name);
        match timeout(PATIENCE, self.dialogue.secure(handshake)).await {
            Ok(Ok(())) => {
                scene.points.reached(super::CLIENT_ENCRYPTED);
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(lost(HANDSHAKE)),
        }
    }

    /// MAIL and RCPT, one after the other. The recipients that were accepted.
    async fn envelope(
        &mut self,
        caller: &Caller<'_>,
        ehlo: &str,
        mischief: &Mischief,
    ) -> Result<Vec<String>, Outcome> {
        self.command(Stage::Mail, &mischief.mail(caller.mail(ehlo)), 250, mischief).await?;
        let (mut accepted, mut refusal) = (Vec::new(), None);
        for (recipient, command) in caller.rcpts(ehlo) {
            match self.command(Stage::Rcpt, &command, 250, mischief).await {
                Ok(_) => accepted.push(recipient),
                Err(refused @ Outcome::Refused { .. }) => refusal = Some(refused),
                Err(lost) => return Err(lost),
            }
        }
        refusal.filter(|_| accepted.is_empty()).map_or(Ok(accepted), Err)
    }

    /// The same, said together (RFC 2920).
    async fn envelope_at_once(&mut self, caller: &Caller<'_>, ehlo: &str) -> Result<Vec<String>, Outcome> {
        let (mail, rcpts) = (caller.mail(ehlo), caller.rcpts(ehlo));
        let commands = [&mail].into_iter().chain(rcpts.iter().map(|(_, command)| command));
        let wire: String = commands.map(|command| format!("{command}\r\n")).collect();
        self.send(wire.as_bytes(), &mail).await?;
        let mut refusal = self.expect(&mail, 250).await.err();
        let mut accepted = Vec::new();
        for (recipient, command) in rcpts {
            match (&refusal, self.expect(&command, 250).await) {
                (Some(lost @ Outcome::Lost { .. }), _) => return Err(lost.clone()),
                (_, Ok(_)) => accepted.push(recipient),
                (None, Err(refused)) => refusal = Some(refused),
                (Some(_), Err(lost @ Outcome::Lost { .. })) => return Err(lost),
                (Some(_), Err(_)) => {}
            }
        }
        refusal.filter(|_| accepted.is_empty()).map_or(Ok(accepted), Err)
    }

    /// The message in so many chunks, each answered but the last (RFC 3030).
    async fn chunks(
        &mut self,
        caller: &Caller<'_>,
        chunks: usize,
        mischief: &Mischief,
    ) -> Result<(), Outcome> {
        let content = mischief.content(caller.message);
        let pieces: Vec<&[u8]> = content.chunks(content.len().div_ceil(chunks).max(1)).collect();
        for (place, piece) in pieces.iter().enumerate() {
            let is_last = place + 1 == pieces.len();
            let command = format!("BDAT {}{}", piece.len(), if is_last { " LAST" } else { "" });
            self.send(format!("{command}\r\n").as_bytes(), &command).await?;
            let (first, second) = piece.split_at(piece.len() / 2);
            self.send(first, CONTENT).await?;
            if is_last {
                mischief.before(Stage::Content).await?;
            }
            mischief.dawdle().await;
            self.send(second, CONTENT).await?;
            if !is_last {
                self.expect(&command, 250).await?;
                mischief.between_chunks(self).await?;
            }
        }
        Ok(())
    }

    /// The message, with its final dot.
    async fn content(&mut self, caller: &Caller<'_>, mischief: &Mischief) -> Result<(), Outcome> {
        let wire = dotted(&mischief.content(caller.message));
        let wire = mischief.with_false_end(wire, caller.message);
        let (first, second) = wire.split_at(wire.len() / 2);
        self.send(first, CONTENT).await?;
        mischief.before(Stage::Content).await?;
        let (second, dot) = second.split_at(second.len() - mischief.holds_back());
        for piece in mischief.pieces(second) {
            mischief.dawdle().await;
            self.send(piece, CONTENT).await?;
        }
        if !dot.is_empty() {
            mischief.before(Stage::FinalDot).await?;
            self.send(dot, FINAL_DOT).await?;
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
        self.say(stage, command, mischief).await?;
        self.expect(command, wanted).await
    }

    /// Says a command.
    async fn say(&mut self, stage: Stage, command: &str, mischief: &Mischief) -> Result<(), Outcome> {
        mischief.before(stage).await?;
        self.send(&mischief.line(command), command).await?;
        mischief.after(stage, command).await
    }

    /// Sends octets. The other side need not read them: there is an end to waiting for that, too.
    pub(super) async fn send(&mut self, octets: &[u8], awaited: &str) -> Result<(), Outcome> {
        match timeout(PATIENCE, self.dialogue.send(octets)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(lost(awaited)),
        }
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::fault::FalseEnd;
    use crate::scenario::Scenario;
    use crate::trace::{Keep, Trace};

    /// A gateway that takes a false end of data for the true one. Gives the messages that it took.
    async fn fooled(mut wire: DuplexStream, false_end: &[u8], to_the_first: &str) -> Vec<String> {
        let (mut said, mut taken, mut in_data): (_, Vec<String>, _) = (Vec::new(), Vec::new(), false);
        wire.write_all(b"220 naive\r\n").await.unwrap();
        loop {
            let ends: [&[u8]; 2] = if in_data { [false_end, b"\r\n.\r\n"] } else { [b"\r\n"; 2] };
            let found = ends.into_iter().filter_map(|end| {
                let at = said.windows(end.len()).position(|octets: &[u8]| octets == end)?;
                Some((at, at + end.len()))
            });
            let Some((at, end)) = found.min() else {
                if wire.read_buf(&mut said).await.unwrap_or_default() == 0 {
                    return taken;
                }
                continue;
            };
            let part = String::from_utf8_lossy(&said[..at]).into_owned();
            said.drain(..end);
            let reply = match &part[..] {
                _ if std::mem::take(&mut in_data) => {
                    taken.push(part);
                    if taken.len() == 1 { to_the_first } else { "250 taken" }
                }
                "DATA" => {
                    in_data = true;
                    "354 go ahead"
                }
                "QUIT" => "221 bye",
                _ => "250 OK",
            };
            // It takes its time: a client that has gone by now is not heard.
            tokio::time::sleep(Duration::from_secs(1)).await;
            if wire.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() || reply.starts_with("221") {
                return taken;
            }
        }
    }

    #[test]
    fn a_gateway_that_is_fooled_by_a_false_end_takes_a_second_message_whatever_it_said_to_the_first() {
        for false_end in FalseEnd::ALL {
            for to_the_first in ["250 taken", "554 bare LF"] {
                let text = include_str!("../../../scenarios/kb/Q178091-homed-sender.toml");
                let does = toml::Value::try_from(false_end).unwrap();
                let fault = format!(
                    "\n[[fault]]\nkind = \"client\"\nmessage = \"m1\"\ndoes = {{ smuggles = {does} }}"
                );
                let scenario = Scenario::parse("fooled", "fooled.toml", &format!("{text}{fault}")).unwrap();
                let plan = Arc::new(scenario.plan(scenario.releases()[0], scenario.seed()));
                let clock: crate::engine::Clock = Arc::new(|| Duration::ZERO);
                let trace = Trace::new(Arc::clone(&clock), Keep::Digest);
                let scene = Scene::new(Arc::clone(&plan), clock, trace);
                let message = &plan.clients[0].messages[0];
                let caller = Caller {
                    name: "client.test",
                    account: None,
                    message,
                    number: 1,
                    encrypts: None,
                    scene: &scene,
                };
                let (near, far) = duplex(100_000);
                let talk = async {
                    let mut talk = Talk { dialogue: Dialogue::new(Box::new(near)) };
                    talk.hand_over(&caller, &Mischief::of(&scene, &message.name, 1)).await
                };
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
                let fooled = fooled(far, false_end.octets(), to_the_first);
                let (_, taken) = runtime.unwrap().block_on(async { tokio::join!(talk, fooled) });
                assert_eq!(taken.len(), 2, "{false_end:?}, {to_the_first}: {taken:#?}");
                assert!(taken[1].contains("<m1-smuggled@plan.test>"), "{false_end:?}: {taken:#?}");
            }
        }
    }
}
