//! The client: hands one message to one host (RFC 5321, 3).
//!
//! Every recipient gets an outcome of its own, because hosts take some and refuse others. What goes wrong with the
//! connection only defers: the message stays the gateway's until the other host has said that it took it. When a
//! connection is lost after the end of data and before the answer, nobody can know; the message is sent again, and a
//! duplicate is possible (RFC 1047).
//!
//! This module opens no connection, retries nothing and knows no spool.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::data::stuff;
use super::line::{LineError, Wire};
use super::reply::{Reply, ReplyError};
use crate::address::{Address, Domain, ReversePath};
use crate::env::Stream;
use crate::reach::{Point, reached};

/// How much of a message is written at once, in octets: what one data block time-out is for.
const BLOCK: usize = 32 * 1024;

/// How long a conversation may take up to the end of data, however patient each of its time-outs is: a host that answers
/// every one of many recipients at the last moment, or takes the message drop by drop, holds a place that others need.
/// The answer to the end of data is waited for in any case, lest the message arrive twice.
const CONVERSATION_TIME: Duration = Duration::from_hours(2);

/// What became of a message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The host took it, and answers for it from now on.
    Delivered(Reply),
    /// The host refused it for good.
    Failed(Reply),
    /// It is to be tried again.
    Deferred(Deferral),
}

/// Why a message is to be tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Deferral {
    /// The host said "not now".
    #[error("{0}")]
    Refused(Reply),
    /// The conversation broke off.
    #[error(transparent)]
    Interrupted(#[from] Interruption),
}

impl Deferral {
    /// Whether the host may have taken the message all the same: it had the whole of it, and its answer is not known
    /// (RFC 1047).
    pub fn may_be_taken(&self) -> bool {
        let Deferral::Interrupted(interruption) = self else { return false };
        let (Interruption::TimedOut { stage }
        | Interruption::TookTooLong { stage }
        | Interruption::Lost { stage, .. }
        | Interruption::Garbled { stage, .. }) = interruption;
        *stage == Stage::EndOfData
    }
}

/// How a conversation broke off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interruption {
    /// The host was silent for too long.
    #[error("no answer to {stage} within {} seconds", stage.time_out().as_secs())]
    TimedOut {
        /// What it did not answer.
        stage: Stage,
    },
    /// The host always answered in time, and all together took too long.
    #[error("the conversation took longer than {} hours, up to {stage}", CONVERSATION_TIME.as_secs() / 3600)]
    TookTooLong {
        /// How far the conversation had come.
        stage: Stage,
    },
    /// The connection was closed or failed.
    #[error("connection lost at {stage}: {why}")]
    Lost {
        /// How far the conversation had come.
        stage: Stage,
        /// What the connection says.
        why: String,
    },
    /// The host answered something that makes no sense there.
    #[error("answer to {stage} makes no sense: {why}")]
    Garbled {
        /// What it answered.
        stage: Stage,
        /// What is wrong with the answer.
        why: String,
    },
}

/// The host serves no mail now: nothing was said of the message, and another host may be tried with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoService {
    /// The greeting, or the answer to EHLO and HELO, was negative.
    #[error("{0}")]
    Refused(Reply),
    /// The conversation broke off before it had begun.
    #[error(transparent)]
    Interrupted(#[from] Interruption),
}

/// The stages of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The host's greeting.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The message.
    Content,
    /// The end of data: the host decides whether it takes the message.
    EndOfData,
    /// QUIT.
    Quit,
}

impl Stage {
    /// How long the host may take (RFC 5321, 4.5.3.2). For EHLO the standard says nothing: it gets what MAIL gets.
    /// QUIT gets little, because all is known by then and the caller should hear of it.
    fn time_out(self) -> Duration {
        Duration::from_secs(match self {
            Stage::Greeting | Stage::Hello | Stage::Mail | Stage::Rcpt => 5 * 60,
            Stage::Data => 2 * 60,
            Stage::Content => 3 * 60,
            Stage::EndOfData => 10 * 60,
            Stage::Quit => 10,
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Greeting => "the connection",
            Stage::Hello => "EHLO",
            Stage::Mail => "MAIL",
            Stage::Rcpt => "RCPT",
            Stage::Data => "DATA",
            Stage::Content => "the message",
            Stage::EndOfData => "the end of data",
            Stage::Quit => "QUIT",
        })
    }
}

impl From<NoService> for Outcome {
    /// What it means for every recipient where there is no other host to try.
    fn from(no_service: NoService) -> Outcome {
        match no_service {
            NoService::Refused(reply) if reply.is_permanent() => Outcome::Failed(reply),
            NoService::Refused(reply) => Outcome::Deferred(Deferral::Refused(reply)),
            NoService::Interrupted(interruption) => Outcome::Deferred(interruption.into()),
        }
    }
}

/// Hands a message to the host at the other end of `stream`, which has just been opened. `helo` is this host's name.
/// The outcomes are those of `recipients`, in their order.
///
/// Content with octets past ASCII is declared as such to hosts that offer 8BITMIME, and sent as it is to the others.
///
/// # Errors
/// The host serves no mail now.
pub async fn send(
    stream: Box<dyn Stream>,
    helo: &Domain,
    reverse_path: &ReversePath,
    recipients: &[Address],
    content: &[u8],
) -> Result<Vec<Outcome>, NoService> {
    let mut conversation = Conversation { wire: Wire::new(stream), end: Instant::now() + CONVERSATION_TIME };
    let extensions = conversation.greet(helo).await?;
    let mail = mail_command(reverse_path, content, extensions);
    let mut outcomes = vec![None; recipients.len()];
    match conversation.transfer(&mail, recipients, content, &mut outcomes).await {
        Ok(()) => conversation.quit().await,
        Err(interruption) => settle(&mut outcomes, &Outcome::Deferred(interruption.into())),
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.expect("a transfer settles every recipient")).collect())
}

/// The extensions that a host offers, of those that are used here.
#[derive(Clone, Copy, Default)]
struct Extensions {
    size: bool,
    eight_bit_mime: bool,
}

impl Extensions {
    /// Reads the answer to EHLO: a keyword a line, after the first (RFC 5321, 4.1.1.1).
    fn offered(reply: &Reply) -> Self {
        let offers = |keyword: &str| {
            let first_word =
                |line: &String| line.split(' ').next().is_some_and(|w| w.eq_ignore_ascii_case(keyword));
            reply.lines()[1..].iter().any(first_word)
        };
        Extensions { size: offers("SIZE"), eight_bit_mime: offers("8BITMIME") }
    }
}

fn mail_command(reverse_path: &ReversePath, content: &[u8], extensions: Extensions) -> String {
    let mut command = format!("MAIL FROM:{reverse_path}");
    if extensions.size {
        command += &format!(" SIZE={}", content.len());
    }
    if extensions.eight_bit_mime && !content.is_ascii() {
        reached(Point::EightBitDeclared);
        command += " BODY=8BITMIME";
    }
    command
}

struct Conversation {
    wire: Wire,
    /// When it is given up.
    end: Instant,
}

impl Conversation {
    /// Waits for the greeting and says EHLO, or HELO to a host that does not know EHLO (RFC 5321, 3.2).
    async fn greet(&mut self, helo: &Domain) -> Result<Extensions, NoService> {
        let greeting = self.hear(Stage::Greeting).await?;
        if !greeting.is_completion() {
            return Err(no_service(greeting, Stage::Greeting));
        }
        let ehlo = self.ask(Stage::Hello, &format!("EHLO {helo}")).await?;
        if ehlo.is_completion() {
            return Ok(Extensions::offered(&ehlo));
        }
        if !ehlo.is_permanent() {
            return Err(no_service(ehlo, Stage::Hello));
        }
        reached(Point::HeloFallback);
        let helo = self.ask(Stage::Hello, &format!("HELO {helo}")).await?;
        if helo.is_completion() { Ok(Extensions::default()) } else { Err(no_service(helo, Stage::Hello)) }
    }

    /// MAIL, RCPT for each recipient, and the message if the host takes it for any of them.
    async fn transfer(
        &mut self,
        mail: &str,
        recipients: &[Address],
        content: &[u8],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), Interruption> {
        let reply = self.ask(Stage::Mail, mail).await?;
        if !reply.is_completion() {
            settle(outcomes, &refused(reply, Stage::Mail)?);
            return Ok(());
        }
        for (at, recipient) in recipients.iter().enumerate() {
            let reply = self.ask(Stage::Rcpt, &format!("RCPT TO:<{recipient}>")).await?;
            let is_closing = reply.code() == 421;
            if !reply.is_completion() {
                let outcome = refused(reply, Stage::Rcpt)?;
                if is_closing {
                    settle(outcomes, &outcome);
                } else {
                    outcomes[at] = Some(outcome);
                }
            }
            if is_closing {
                reached(Point::ClosedAmongRecipients);
                return Ok(());
            }
        }
        if outcomes.iter().all(Option::is_some) {
            return Ok(());
        }
        let reply = self.ask(Stage::Data, "DATA").await?;
        if !reply.is_intermediate() {
            settle(outcomes, &refused(reply, Stage::Data)?);
            return Ok(());
        }
        for block in stuff(content).chunks(BLOCK) {
            self.say(Stage::Content, block).await?;
        }
        let reply = self.hear(Stage::EndOfData).await?;
        let outcome = match reply.is_completion() {
            true => Outcome::Delivered(reply),
            false => refused(reply, Stage::EndOfData)?,
        };
        settle(outcomes, &outcome);
        Ok(())
    }

    /// Takes leave. Whatever happens now changes no outcome.
    async fn quit(mut self) {
        if self.ask(Stage::Quit, "QUIT").await.is_ok() {
            let _ = self.wire.close().await;
        }
    }

    /// How long a stage may take that begins now.
    fn until(&self, stage: Stage) -> Instant {
        let until = Instant::now() + stage.time_out();
        if matches!(stage, Stage::EndOfData | Stage::Quit) { until } else { until.min(self.end) }
    }

    fn too_late(&self, stage: Stage) -> Interruption {
        if self.end <= Instant::now() && !matches!(stage, Stage::EndOfData | Stage::Quit) {
            Interruption::TookTooLong { stage }
        } else {
            Interruption::TimedOut { stage }
        }
    }

    async fn ask(&mut self, stage: Stage, command: &str) -> Result<Reply, Interruption> {
        self.say(stage, format!("{command}\r\n").as_bytes()).await?;
        self.hear(stage).await
    }

    async fn say(&mut self, stage: Stage, octets: &[u8]) -> Result<(), Interruption> {
        let until = self.until(stage);
        let written = timeout_at(until, self.wire.write(octets)).await;
        let lost = |error: io::Error| Interruption::Lost { stage, why: error.to_string() };
        written.map_err(|_| self.too_late(stage))?.map_err(lost)
    }

    async fn hear(&mut self, stage: Stage) -> Result<Reply, Interruption> {
        let until = self.until(stage);
        let read = timeout_at(until, Reply::read(&mut self.wire)).await;
        read.map_err(|_| self.too_late(stage))?.map_err(|error| match error {
            ReplyError::Line(gone @ (LineError::Closed | LineError::Io(_))) => {
                Interruption::Lost { stage, why: gone.to_string() }
            }
            garbage => Interruption::Garbled { stage, why: garbage.to_string() },
        })
    }
}

/// Gives `outcome` to every recipient that has none yet.
fn settle(outcomes: &mut [Option<Outcome>], outcome: &Outcome) {
    for open in outcomes.iter_mut().filter(|open| open.is_none()) {
        *open = Some(outcome.clone());
    }
}

/// What a reply that is not the one hoped for means for a recipient.
fn refused(reply: Reply, stage: Stage) -> Result<Outcome, Interruption> {
    if reply.is_permanent() {
        Ok(Outcome::Failed(reply))
    } else if reply.is_transient() {
        Ok(Outcome::Deferred(Deferral::Refused(reply)))
    } else {
        Err(out_of_place(&reply, stage))
    }
}

fn no_service(reply: Reply, stage: Stage) -> NoService {
    if reply.is_permanent() || reply.is_transient() {
        NoService::Refused(reply)
    } else {
        out_of_place(&reply, stage).into()
    }
}

fn out_of_place(reply: &Reply, stage: Stage) -> Interruption {
    Interruption::Garbled { stage, why: format!("unexpected `{reply}`") }
}
