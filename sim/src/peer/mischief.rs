//! The mischief of a client: what it does at one try that it should not, as the plan says.
//!
//! The client's conversation asks at each stage. Where there is no mischief nothing is done and nothing is changed.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::sleep;

use super::client::{Caller, FINAL_DOT, Talk, lost};
use super::dialogue::{Dialogue, dotted};
use crate::fault::{ClientDoes, Fault, Stage};
use crate::plan::MessagePlan;
use crate::record::Outcome;
use crate::scene::Scene;

/// Octets of a line beyond any limit.
const TOO_LONG: usize = 5_000;
/// How long a client that resets its connection waits, so that there is something unread.
const UNREAD: Duration = Duration::from_secs(2);
/// How often a client guesses before it has had enough.
const GUESSES: usize = 10;
/// How long a client that dawdles waits before each piece of its message, and how many pieces it has.
const DAWDLE: (Duration, usize) = (Duration::from_mins(4), 20);
/// How often a client that chatters says NOOP.
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
    /// Nothing is wrong.
    pub(super) const NONE: Mischief = Mischief(None);

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
            Some(_) => Err(lost(FINAL_DOT)),
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
            // With something unread, closing is resetting.
            Some(ClientDoes::Resets(_)) => {
                sleep(UNREAD).await;
                Err(lost(awaiting))
            }
            Some(_) => Err(lost(awaiting)),
            None => Ok(()),
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
            Some(_) => [b"X-Percent: %s%n%x%d\r\n", &message.content[..]].concat().into(),
            None => Cow::Borrowed(&message.content),
        }
    }

    /// The message on the wire, with an end of data in disguise and a second message behind it.
    pub(super) fn with_false_end(&self, mut wire: Vec<u8>, message: &MessagePlan) -> Vec<u8> {
        if let Some(ClientDoes::Smuggles(false_end)) =
            self.bites(|does| matches!(does, ClientDoes::Smuggles(_)))
        {
            // The true end comes last.
            wire.truncate(wire.len() - b".\r\n".len());
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

    /// What is said between EHLO and the first command that matters.
    ///
    /// # Errors
    /// The conversation ended there.
    pub(super) async fn after_ehlo(&self, talk: &mut Talk, caller: &Caller<'_>) -> Result<(), Outcome> {
        let says = |does: &ClientDoes| {
            use ClientDoes::{Chatters, GuessesPasswords, LongCommand, Misorders, Percent};
            matches!(does, Chatters | GuessesPasswords | LongCommand | Misorders | Percent)
        };
        let recipient = caller.message.to.first().map(ToString::to_string).unwrap_or_default();
        let from = &caller.message.from;
        let commands = match self.bites(says) {
            None => return Ok(()),
            Some(ClientDoes::LongCommand) => vec![format!("NOOP {}", "x".repeat(TOO_LONG))],
            Some(ClientDoes::Chatters) => vec!["NOOP".to_owned(); CHATTER],
            Some(ClientDoes::GuessesPasswords) => return guess(talk).await,
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
                "NOOP %s%n%x%d".to_owned(),
                "VRFY %s%n%x%d".to_owned(),
                "HELP %s%n%x%d".to_owned(),
                "%s%n%x%d".to_owned(),
                "MAIL FROM:<%s%n%x%d@fabrikam.test>".to_owned(),
                "RSET".to_owned(),
            ],
        };
        for command in commands {
            talk.dialogue.say(&command).await.map_err(|_| lost(&command))?;
            talk.hear(&command).await?;
        }
        Ok(())
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
        if talk.dialogue.send(&wire).await.is_err() {
            return Some(Err(lost("everything at once")));
        }
        Some(replies(talk, &commands, recipients.len()).await)
    }
}

/// Whether a client that drops the connection at a stage does so while it waits for the answer.
fn is_awaited(stage: Stage) -> bool {
    !matches!(stage, Stage::Connection | Stage::Content | Stage::Quit)
}

/// Breaks an authentication off, then guesses passwords until it is thrown out or has had enough.
async fn guess(talk: &mut Talk) -> Result<(), Outcome> {
    for line in ["AUTH LOGIN", "*"] {
        talk.dialogue.say(line).await.map_err(|_| lost(line))?;
        talk.hear(line).await?;
    }
    let guessed = "AUTH PLAIN AHVzZXIxAGd1ZXNz";
    let mut last = lost(guessed);
    for _ in 0..GUESSES {
        talk.dialogue.say(guessed).await.map_err(|_| lost(guessed))?;
        let reply = talk.hear(guessed).await?;
        last = Outcome::Refused { command: guessed.to_owned(), reply: reply.text };
    }
    Err(last)
}

/// Reads the replies to commands that were said at once, and the one to the message behind them.
async fn replies(talk: &mut Talk, commands: &[String], recipients: usize) -> Result<Outcome, Outcome> {
    talk.expect("the connection", 220).await?;
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
