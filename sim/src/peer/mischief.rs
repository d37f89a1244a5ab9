//! The mischief of a client: what it does at one try that it should not, as the plan says.
//!
//! The client's conversation asks at each stage. Where there is no mischief nothing is done and nothing is changed.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::sleep;

use super::client::{CONNECTION, CONTENT, Caller, FINAL_DOT, HANDSHAKE, Talk, lost};
use super::dialogue::{Dialogue, Reply, dotted};
use crate::fault::{BrokenHandshake, ClientDoes, Fault, Stage};
use crate::plan::MessagePlan;
use crate::record::Outcome;
use crate::scene::Scene;

/// Octets of a line beyond any limit.
const TOO_LONG: usize = 5_000;
/// How long a client that resets its connection waits, so that there is something unread.
const UNREAD: Duration = Duration::from_secs(2);
/// How many replies a client listens to after those that it expects.
const MORE_REPLIES: usize = 100;
/// The reply after which the gateway closes the connection (RFC 5321, 3.8).
const CLOSING: u16 = 421;
/// The end of a message.
const DOT: &[u8] = b".\r\n";
/// What a program must not take for a format.
const WILD: &str = "%s%n%x%d";
/// How long a client that dawdles waits before each piece of its message, and how many pieces it has.
const DAWDLE: (Duration, usize) = (Duration::from_mins(4), 20);
/// What declares a message to be international.
const SMTPUTF8: &str = " SMTPUTF8";
/// How long a side waits that says nothing where a handshake is due.
pub(super) const SILENCE: Duration = Duration::from_mins(5);
/// How often a client that chatters says NOOP, and one that asks for mail ETRN.
const CHATTER: usize = 120;

/// What is wrong with one try.
pub(super) struct Mischief(Option<Line>);

/// A line of the plan.
struct Line {
    scene: Scene,
    place: usize,
    does: ClientDoes,
}

impl Mischief {
    /// What is wrong with this try of this message.
    pub(super) fn of(scene: &Scene, message: &str, attempt: usize) -> Self {
        let line = scene.faults().find_map(|(place, fault)| match fault {
            Fault::Client { message: about, attempt: at, does } if about == message && *at == attempt => {
                Some(Line { scene: scene.clone(), place, does: does.clone() })
            }
            _ => None,
        });
        Mischief(line)
    }

    /// What it is, counted as a bite, if it is such a thing.
    fn bites(&self, is_it: impl Fn(&ClientDoes) -> bool) -> Option<&ClientDoes> {
        let line = self.0.as_ref().filter(|line| is_it(&line.does))?;
        line.scene.bit(line.place);
        Some(&line.does)
    }

    /// At the start of a conversation.
    pub(super) fn begin(&self, dialogue: &mut Dialogue) {
        if self.bites(|does| *does == ClientDoes::Drips).is_some() {
            dialogue.drip();
        }
    }

    /// A command as it goes over the wire.
    pub(super) fn line(&self, command: &str) -> Vec<u8> {
        let end = if self.bites(|does| *does == ClientDoes::BareLf).is_some() { "\n" } else { "\r\n" };
        format!("{command}{end}").into_bytes()
    }

    /// Whether the client floods the gateway at this try.
    pub(super) fn floods(&self) -> bool {
        self.bites(|does| *does == ClientDoes::Floods).is_some()
    }

    /// MAIL as it is said.
    pub(super) fn mail(&self, command: String) -> String {
        let hides = |does: &ClientDoes| *does == ClientDoes::HidesUtf8 && command.contains(SMTPUTF8);
        if self.bites(hides).is_some() { command.replacen(SMTPUTF8, "", 1) } else { command }
    }

    /// How the client says hello.
    pub(super) fn hello(&self) -> &'static str {
        if self.bites(|does| *does == ClientDoes::SaysHelo).is_some() { "HELO" } else { "EHLO" }
    }

    /// The pieces in which a part of the message is sent.
    pub(super) fn pieces<'a>(&self, part: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let dawdles = self.0.as_ref().is_some_and(|line| line.does == ClientDoes::Dawdles);
        let pieces = if dawdles { DAWDLE.1 } else { 1 };
        part.chunks(part.len().div_ceil(pieces).max(1))
    }

    /// Before each piece.
    pub(super) async fn dawdle(&self) {
        if self.bites(|does| *does == ClientDoes::Dawdles).is_some() {
            sleep(DAWDLE.0).await;
        }
    }

    /// Before anything is said at a stage.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) async fn before(&self, stage: Stage) -> Result<(), Outcome> {
        let now = |does: &ClientDoes| match does {
            ClientDoes::Stalls { at, .. } => *at == stage,
            ClientDoes::Drops(at) => *at == stage && !is_awaited(stage),
            _ => false,
        };
        match self.bites(now) {
            Some(ClientDoes::Stalls { by, .. }) => {
                sleep(by.0).await;
                Ok(())
            }
            Some(_) => Err(lost(if stage == Stage::Connection { CONNECTION } else { CONTENT })),
            None => Ok(()),
        }
    }

    /// After something was said at a stage, before the answer is read.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) async fn after(&self, stage: Stage, awaiting: &str) -> Result<(), Outcome> {
        let now = |does: &ClientDoes| match does {
            ClientDoes::Drops(at) => *at == stage && is_awaited(stage),
            ClientDoes::Resets(at) => *at == stage,
            _ => false,
        };
        match self.bites(now) {
            Some(ClientDoes::Resets(_)) => {
                self.leave_a_reply_unread().await;
                Err(lost(awaiting))
            }
            Some(_) => Err(lost(awaiting)),
            None => Ok(()),
        }
    }

    /// Waits until there is something unread: then closing is resetting.
    async fn leave_a_reply_unread(&self) {
        sleep(UNREAD).await;
        if let Some(line) = &self.0 {
            line.scene.points.reached(super::RESET_UNREAD);
        }
    }

    /// Sends half of a message on top of a reply to DATA that is left unread, and resets the connection.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) async fn reset_within_the_message(
        &self,
        talk: &mut Talk,
        caller: &Caller<'_>,
    ) -> Result<(), Outcome> {
        if self.bites(|does| *does == ClientDoes::Resets(Stage::Content)).is_none() {
            return Ok(());
        }
        self.leave_a_reply_unread().await;
        let wire = dotted(&caller.message.content);
        talk.send(&wire[..wire.len() / 2], CONTENT).await?;
        sleep(UNREAD).await;
        Err(lost(CONTENT))
    }

    /// Whether there is none.
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether what it does can be done to a message in chunks: some of it is about DATA and the final dot.
    pub(super) fn lets_send_chunks(&self) -> bool {
        self.0.as_ref().is_none_or(|line| match &line.does {
            ClientDoes::Smuggles(_) | ClientDoes::Resets(Stage::Data | Stage::Content) => false,
            ClientDoes::Drops(stage) | ClientDoes::Stalls { at: stage, .. } => {
                !matches!(stage, Stage::Data | Stage::FinalDot)
            }
            _ => true,
        })
    }

    /// Says between two chunks what cannot be said there, and goes on (RFC 3030, 2).
    ///
    /// # Errors
    /// The conversation ended there.
    pub(super) async fn between_chunks(&self, talk: &mut Talk) -> Result<(), Outcome> {
        if self.bites(|does| *does == ClientDoes::InterruptsChunks).is_none() {
            return Ok(());
        }
        for command in ["DATA", "RCPT TO:<late@contoso.test>", "MAIL FROM:<>", "AUTH PLAIN"] {
            talk.send(format!("{command}\r\n").as_bytes(), command).await?;
            let reply = talk.hear(command).await?;
            if reply.code == CLOSING {
                return Err(Outcome::Refused { command: command.to_owned(), reply: reply.text });
            }
        }
        if let Some(line) = &self.0 {
            line.scene.points.reached(super::CHUNKS_INTERRUPTED);
        }
        Ok(())
    }

    /// Sends one chunk more than there is a message for.
    pub(super) async fn after_chunks(&self, talk: &mut Talk) {
        if self.bites(|does| *does == ClientDoes::InterruptsChunks).is_some() {
            let _ = talk.send(b"BDAT 6 LAST\r\nNOOP\r\n", "BDAT").await;
            let _ = talk.hear("BDAT").await;
        }
    }

    /// How many octets at the end of a message it holds back, to fall silent before them.
    pub(super) fn holds_back(&self) -> usize {
        let stalls = |line: &Line| matches!(line.does, ClientDoes::Stalls { at: Stage::FinalDot, .. });
        if self.0.as_ref().is_some_and(stalls) { DOT.len() } else { 0 }
    }

    /// Listens until the gateway closes, if there may be replies to commands that were hidden in the message.
    pub(super) async fn hear_out(&self, talk: &mut Talk, is_refused: bool) {
        let Some(Line { scene, does: ClientDoes::Smuggles(_), .. }) = &self.0 else { return };
        if is_refused {
            scene.points.reached(super::SMUGGLER_REFUSED);
        }
        if talk.send(b"QUIT\r\n", "QUIT").await.is_ok() {
            for _ in 0..MORE_REPLIES {
                if talk.hear("QUIT").await.is_err() {
                    break;
                }
            }
        }
    }

    /// The content that is sent instead of the message's.
    pub(super) fn content<'a>(&self, message: &'a MessagePlan) -> Cow<'a, [u8]> {
        let changes = |does: &ClientDoes| matches!(does, ClientDoes::LongLine | ClientDoes::Percent);
        match self.bites(changes) {
            Some(ClientDoes::LongLine) => {
                let line = format!("{}\r\n", "x".repeat(TOO_LONG));
                [&message.content[..], line.as_bytes()].concat().into()
            }
            Some(_) => percent(&message.content).into(),
            None => Cow::Borrowed(&message.content),
        }
    }

    /// The message on the wire, with an end of data in disguise and a second message behind it.
    pub(super) fn with_false_end(&self, mut wire: Vec<u8>, message: &MessagePlan) -> Vec<u8> {
        if let Some(ClientDoes::Smuggles(false_end)) =
            self.bites(|does| matches!(does, ClientDoes::Smuggles(_)))
        {
            // The true end comes last.
            wire.truncate(wire.len() - DOT.len());
            wire.truncate(wire.trim_ascii_end().len());
            wire.extend_from_slice(false_end.octets());
            let recipient = message.to.first().map(ToString::to_string).unwrap_or_default();
            let second = format!(
                "MAIL FROM:<smuggler@evil.test>\r\nRCPT TO:<{recipient}>\r\nDATA\r\nSubject: smuggled\r\n\
                 Message-ID: <{}-smuggled@plan.test>\r\n\r\nsmuggled\r\n.\r\n",
                message.name
            );
            wire.extend_from_slice(second.as_bytes());
        }
        wire
    }

    /// Whether it is done around STARTTLS, also by a client that would not encrypt.
    pub(super) fn is_about_starttls(&self) -> bool {
        let does = self.0.as_ref().map(|line| &line.does);
        matches!(does, Some(ClientDoes::InjectsBeforeTls | ClientDoes::BreaksHandshake(_)))
    }

    /// STARTTLS as it goes over the wire, and what somebody on the way has put behind it: a message of his own.
    pub(super) fn starttls(&self, message: &MessagePlan) -> Vec<u8> {
        let mut wire = "STARTTLS\r\n".to_owned();
        if self.bites(|does| *does == ClientDoes::InjectsBeforeTls).is_some() {
            let recipient = message.to.first().map(ToString::to_string).unwrap_or_default();
            let name = &message.name;
            wire += &format!(
                "EHLO evil.test\r\nMAIL FROM:<injector@evil.test>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n\
                 Subject: injected\r\nMessage-ID: <{name}-injected@plan.test>\r\n\r\ninjected\r\n.\r\n"
            );
        }
        wire.into_bytes()
    }

    /// The answer to STARTTLS has come.
    pub(super) fn hears_of_starttls(&self, answer: &Result<Reply, Outcome>) {
        if let (Some(Line { scene, does: ClientDoes::InjectsBeforeTls, .. }), Err(Outcome::Refused { .. })) =
            (&self.0, answer)
        {
            scene.points.reached(super::INJECTION_REFUSED);
        }
    }

    /// Before a handshake.
    ///
    /// # Errors
    /// There is none: the client is gone.
    pub(super) async fn handshake(&self, talk: &mut Talk) -> Result<(), Outcome> {
        let Some(ClientDoes::BreaksHandshake(how)) =
            self.bites(|does| matches!(does, ClientDoes::BreaksHandshake(_)))
        else {
            return Ok(());
        };
        match how {
            BrokenHandshake::Garbage => {
                talk.send(BrokenHandshake::GARBAGE, HANDSHAKE).await?;
                // Until the gateway closes.
                while talk.hear(HANDSHAKE).await.is_ok() {}
            }
            BrokenHandshake::Silence => sleep(SILENCE).await,
            BrokenHandshake::HangsUp => {}
        }
        Err(lost(HANDSHAKE))
    }

    /// What is said between EHLO and the first command that matters.
    ///
    /// # Errors
    /// The conversation ended there.
    pub(super) async fn after_ehlo(
        &self,
        talk: &mut Talk,
        caller: &Caller<'_>,
        ehlo: &str,
    ) -> Result<(), Outcome> {
        let says = |does: &ClientDoes| {
            use ClientDoes::{
                AsksForMail, Chatters, GuessesPasswords, Harvests, LongCommand, Misorders, Percent,
            };
            matches!(
                does,
                AsksForMail | Chatters | GuessesPasswords | Harvests | LongCommand | Misorders | Percent
            )
        };
        let recipient = caller.message.to.first().map(ToString::to_string).unwrap_or_default();
        let from = &caller.message.from;
        let commands = match self.bites(says) {
            None => return Ok(()),
            Some(ClientDoes::LongCommand) => vec![format!("NOOP {}", "x".repeat(TOO_LONG))],
            Some(ClientDoes::Harvests) => harvest(&recipient),
            Some(ClientDoes::Chatters) => vec!["NOOP".to_owned(); CHATTER],
            Some(ClientDoes::AsksForMail) => {
                let domain = recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
                let strange =
                    ["", " ", " @", " #", " a b", " partner1.test", " @test", " #queue", " ims.contoso.test"];
                let strange = strange.map(|node| format!("ETRN{node}"));
                strange.into_iter().chain(std::iter::repeat_n(format!("ETRN {domain}"), CHATTER)).collect()
            }
            Some(ClientDoes::GuessesPasswords) => {
                let outcome = talk.guess(caller, ehlo).await;
                if let (Err(Outcome::Lost { .. }), Some(line)) = (&outcome, &self.0) {
                    line.scene.points.reached(super::GUESSER_THROWN_OUT);
                }
                return outcome;
            }
            Some(ClientDoes::Misorders) => vec![
                format!("RCPT TO:<{recipient}>"),
                "DATA".to_owned(),
                "XYZZY".to_owned(),
                "MAIL FROM:<".to_owned(),
                format!("MAIL FROM:<{from}>"),
                format!("MAIL FROM:<{from}>"),
                "RSET".to_owned(),
            ],
            Some(_) => vec![
                format!("EHLO {WILD}.test"),
                format!("AUTH {WILD}"),
                format!("AUTH PLAIN {WILD}"),
                format!("NOOP {WILD}"),
                format!("VRFY {WILD}"),
                format!("HELP {WILD}"),
                WILD.to_owned(),
                format!("MAIL FROM:<{from}> {WILD}={WILD}"),
                "RSET".to_owned(),
                format!("MAIL FROM:<{WILD}@fabrikam.test>"),
                format!("RCPT TO:<{WILD}@{WILD}.test>"),
                "RSET".to_owned(),
                format!("EHLO {}", caller.name),
            ],
        };
        say_all(talk, commands).await
    }

    /// What is said between the authentication and the message.
    ///
    /// # Errors
    /// The conversation ended there.
    pub(super) async fn after_auth(&self, talk: &mut Talk, caller: &Caller<'_>) -> Result<(), Outcome> {
        if self.bites(|does| *does == ClientDoes::Harvests).is_none() {
            return Ok(());
        }
        let recipient = caller.message.to.first().map(ToString::to_string).unwrap_or_default();
        say_all(talk, harvest(&recipient)).await
    }

    /// Says everything at once and reads the replies afterwards. Nothing if this try is not like that.
    pub(super) async fn pipeline(
        &self,
        talk: &mut Talk,
        caller: &Caller<'_>,
    ) -> Option<Result<Outcome, Outcome>> {
        self.bites(|does| *does == ClientDoes::Pipelines)?;
        let mut commands = vec![format!("EHLO {}", caller.name)];
        commands.extend(caller.account.map(|account| format!("AUTH PLAIN {}", account.sasl_plain())));
        commands.push(caller.mail(""));
        let recipients = &caller.message.to;
        commands.extend(recipients.iter().map(|recipient| format!("RCPT TO:<{recipient}>")));
        commands.push("DATA".to_owned());
        let mut wire: Vec<u8> =
            commands.iter().flat_map(|command| format!("{command}\r\n").into_bytes()).collect();
        wire.extend(dotted(&caller.message.content));
        if let Err(lost) = talk.send(&wire, "everything at once").await {
            return Some(Err(lost));
        }
        let outcome = replies(talk, &commands, recipients.len()).await;
        if let (Ok(_), Some(line)) = (&outcome, &self.0) {
            line.scene.points.reached(super::ALL_AT_ONCE_TAKEN);
        }
        Some(outcome)
    }
}

/// Says these commands, whatever is answered.
async fn say_all(talk: &mut Talk, commands: Vec<String>) -> Result<(), Outcome> {
    for command in commands {
        talk.send(format!("{command}\r\n").as_bytes(), &command).await?;
        let reply = talk.hear(&command).await?;
        if reply.code == CLOSING {
            return Err(Outcome::Refused { command, reply: reply.text });
        }
    }
    Ok(())
}

/// What is said to learn who exists.
fn harvest(recipient: &str) -> Vec<String> {
    let domain = recipient.rsplit_once('@').map_or("contoso.test", |(_, domain)| domain);
    let names = [recipient.to_owned(), format!("nobody@{domain}"), format!("postmaster@{domain}")];
    let lists =
        ["VRFY", "EXPN"].into_iter().flat_map(|verb| names.iter().map(move |name| format!("{verb} {name}")));
    lists.chain(["HELP".to_owned()]).collect()
}

/// Whether a client that drops the connection at a stage does so while it waits for the answer.
fn is_awaited(stage: Stage) -> bool {
    !matches!(stage, Stage::Connection | Stage::Content | Stage::Quit)
}

/// The content with what a program must not take for a format in its header.
fn percent(content: &[u8]) -> Vec<u8> {
    const SUBJECT: &[u8] = b"\r\nSubject: ";
    let at = content.windows(SUBJECT.len()).position(|octets| octets == SUBJECT);
    let (before, after) = content.split_at(at.map_or(0, |at| at + SUBJECT.len()));
    let wild = if at.is_some() { WILD } else { "" };
    [format!("X-Percent: {WILD}\r\n").as_bytes(), before, wild.as_bytes(), after].concat()
}

/// Reads the replies to commands that were said at once, and the one to the message behind them.
async fn replies(talk: &mut Talk, commands: &[String], recipients: usize) -> Result<Outcome, Outcome> {
    talk.expect(CONNECTION, 220).await?;
    let mut accepted = Vec::new();
    let mut refusal = None;
    let first_recipient = commands.len() - 1 - recipients;
    for (place, command) in commands.iter().enumerate() {
        let reply = talk.hear(command).await?;
        let is_recipient = (first_recipient..commands.len() - 1).contains(&place);
        if reply.code >= 400 || reply.code == 0 {
            let refused = Outcome::Refused { command: command.clone(), reply: reply.text };
            if !is_recipient {
                // What follows is not what was meant: it is not waited for.
                return Err(refusal.unwrap_or(refused));
            }
            refusal = refusal.or(Some(refused));
        } else if is_recipient {
            let recipient = command.trim_start_matches("RCPT TO:<").trim_end_matches('>');
            accepted.push(recipient.to_owned());
        }
    }
    let reply = talk.expect(FINAL_DOT, 250).await?;
    Ok(Outcome::Accepted { recipients: accepted, reply: reply.text })
}
