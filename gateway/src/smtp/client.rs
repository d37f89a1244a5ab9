//! The client: hands messages to one host, one after the other (RFC 5321, 3).
//!
//! A [`Conversation`] is opened, hands over as many messages as its holder likes, and takes its leave.
//!
//! Every recipient gets an outcome of its own, because hosts take some and refuse others. What goes wrong with the
//! connection only defers: the message stays the gateway's until the other host has said that it took it. When a
//! connection is lost after the end of data and before the answer, nobody can know; the message is sent again, and a
//! duplicate is possible (RFC 1047).
//!
//! This module opens no connection, retries nothing and knows no spool.

mod encryption;

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::data::stuff;
use super::extensions::Extensions;
use super::international::{self, PastAscii};
use super::line::{LineError, Wire};
use super::reply::{self, Reply, ReplyError};
use super::seven_bit;
use crate::address::{Address, Domain, ReversePath};
use crate::dsn::DsnRequest;
use crate::reach::{Point, reached};
use crate::tls::Shortfall;
pub use encryption::Encryption;

/// How much of a message is written at once, in octets: what one data block time-out is for.
const BLOCK: usize = 32 * 1024;

/// How many commands go out together at most: their replies are read before more is said, or both sides might wait for
/// the other to read (RFC 2920, 3.1).
const AT_ONCE: usize = 50;

/// How long a message may take up to the end of data, however patient each of the time-outs is: a host that answers
/// every one of many recipients at the last moment, or takes the message drop by drop, holds a place that others need.
/// The first has the greeting in it.
/// The answer to the end of data is waited for in any case, lest the message arrive twice.
const CONVERSATION_TIME: Duration = Duration::from_hours(2);

/// What became of a message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The host took it, and answers for it from now on.
    Delivered(Reply),
    /// The host refused it for good.
    Failed(Reply),
    /// The host offers no SMTPUTF8 or 8BITMIME, and this cannot be said without: another host may take it (RFC 6531, 3.2).
    NotOffered(PastAscii),
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
    /// No encrypted connection came about.
    #[error("{0}")]
    Unencrypted(String),
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
    /// The host offered TLS and no handshake came about. It may be spoken to in clear, on another connection.
    #[error("{why}")]
    NoHandshake {
        /// What went wrong.
        why: String,
    },
    /// The mail needs TLS and the host has none that will do.
    #[error("{why}")]
    Unencrypted {
        /// What is missing.
        shortfall: Shortfall,
        /// What went wrong.
        why: String,
    },
}

/// The stages of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The host's greeting.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// The handshake behind it.
    Handshake,
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
    /// So does STARTTLS; a handshake gets less, because there may be a way around it.
    /// QUIT gets little, because all is known by then and the caller should hear of it.
    fn time_out(self) -> Duration {
        Duration::from_secs(match self {
            Stage::Greeting | Stage::Hello | Stage::StartTls | Stage::Mail | Stage::Rcpt => 5 * 60,
            Stage::Handshake => 2 * 60,
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
            Stage::StartTls => "STARTTLS",
            Stage::Handshake => "the TLS handshake",
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
            NoService::NoHandshake { why } | NoService::Unencrypted { why, .. } => {
                Outcome::Deferred(Deferral::Unencrypted(why))
            }
        }
    }
}

/// A message and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// To whom a failure is reported.
    pub reverse_path: &'a ReversePath,
    /// To whom it goes.
    pub recipients: &'a [Address],
    /// What is asked of reports on it.
    pub dsn: &'a DsnRequest,
    /// Whether its header may be in UTF-8 (RFC 6531).
    pub is_international: bool,
    /// The message itself.
    pub content: &'a [u8],
}

/// What the handing over of a message came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What became of each recipient, in their order.
    pub outcomes: Vec<Outcome>,
    /// Whether the host was told what is asked of reports, and sees to those that are due.
    pub reports: bool,
    /// Whether it ended before it began: MAIL was not answered, or with 421, and the host knows of no message.
    pub is_stillborn: bool,
}

/// A conversation with a host that serves mail.
pub struct Conversation {
    wire: Wire,
    /// What this one knows of.
    known: Extensions,
    /// What the host offers of it.
    offered: Extensions,
    /// When the message that is being handed over is given up.
    end: Instant,
    state: State,
}

/// How far a conversation has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The host has answered for the last message, or has been given none: there may be another.
    Between,
    /// There is more to say before that.
    Within,
    /// It broke off.
    Broken,
}

impl Conversation {
    /// Begins a conversation with the host at the other end of `wire`, which has just been opened. `helo` is this
    /// host's name; of the service extensions that are offered, use is made of those `known`. Without `encryption` all is
    /// said in clear.
    ///
    /// # Errors
    /// The host serves no mail now, or not as it has to be encrypted.
    pub async fn open(
        wire: Wire,
        helo: &Domain,
        known: Extensions,
        encryption: Option<Encryption<'_>>,
    ) -> Result<Self, NoService> {
        let mut conversation = Conversation {
            wire,
            known,
            offered: Extensions::default(),
            end: Instant::now() + CONVERSATION_TIME,
            state: State::Between,
        };
        let mut offered = conversation.greet(helo).await?;
        if let Some(encryption) = encryption {
            offered = conversation.encrypt(helo, offered, encryption).await?;
        }
        conversation.offered = offered.and(known);
        Ok(conversation)
    }

    /// Hands over a message.
    ///
    /// Content with octets past ASCII is declared as such to hosts that offer 8BITMIME, and put in seven bits for the others;
    /// where it cannot be, they do not have it (RFC 6152, 3). Who knows no 8BITMIME sends it as it is to all.
    /// What is past ASCII in an address, or in the header of an international message, goes to hosts that offer SMTPUTF8
    /// alone.
    /// What is asked of reports is passed on to hosts that offer DSN. Commands go out together where PIPELINING is
    /// offered (RFC 2920).
    pub async fn send(&mut self, letter: Letter<'_>) -> Sent {
        let mut offered = self.offered;
        let past_ascii = past_ascii(letter);
        let not_offered =
            |what: Option<PastAscii>| what.filter(|_| !offered.smtp_utf8).map(Outcome::NotOffered);
        let mut outcomes: Vec<_> = past_ascii.iter().copied().map(not_offered).collect();
        // Who offers SMTPUTF8 takes eight bits too (RFC 6531, 3.1).
        let takes_eight_bits = !self.known.eight_bit_mime || offered.eight_bit_mime || offered.smtp_utf8;
        let in_seven_bits;
        let mut letter = letter;
        if !takes_eight_bits && !letter.content.is_ascii() {
            match seven_bit::of(letter.content) {
                Some(content) => {
                    reached(Point::PutInSevenBits);
                    in_seven_bits = content;
                    letter.content = &in_seven_bits;
                }
                None => settle(&mut outcomes, &Outcome::NotOffered(PastAscii::Content)),
            }
        }
        // It is said only where it has to be (RFC 6531, 3.4).
        offered.smtp_utf8 &= past_ascii.iter().any(Option::is_some);
        let mut is_stillborn = !all_settled(&outcomes);
        if is_stillborn {
            self.state = State::Within;
            if let Err(interruption) = self.transfer(letter, offered, &mut outcomes, &mut is_stillborn).await
            {
                self.state = State::Broken;
                settle(&mut outcomes, &Outcome::Deferred(interruption.into()));
            }
        }
        self.end = Instant::now() + CONVERSATION_TIME;
        let outcomes =
            outcomes.into_iter().map(|outcome| outcome.expect("a transfer settles every recipient"));
        Sent { outcomes: outcomes.collect(), reports: self.offered.dsn, is_stillborn }
    }

    /// Whether it can go on with another message: the host took the last one, and has said nothing since.
    pub fn may_go_on(&self) -> bool {
        self.state == State::Between && !self.wire.has_input()
    }

    /// Whether the host has left it open and said nothing, as far as is known here.
    pub async fn is_quiet(&mut self) -> bool {
        self.wire.is_quiet().await
    }

    /// Takes leave of the host, if it can be spoken to. Whatever happens now changes no outcome.
    pub async fn quit(mut self) {
        if self.state != State::Broken && self.ask(Stage::Quit, "QUIT").await.is_ok() {
            let _ = self.wire.close().await;
        }
    }
}

/// What keeps each recipient's message from a host that offers no SMTPUTF8.
fn past_ascii(letter: Letter<'_>) -> Vec<Option<PastAscii>> {
    let of_message = international::of_message(letter);
    let recipients = letter.recipients.iter();
    recipients.map(|recipient| of_message.or(international::of_recipient(recipient))).collect()
}

/// What is asked before the message itself is sent.
#[derive(Clone, Copy)]
enum Step {
    Mail,
    /// RCPT, for the recipient at this place.
    Rcpt(usize),
    Data,
}

impl Step {
    fn stage(self) -> Stage {
        match self {
            Step::Mail => Stage::Mail,
            Step::Rcpt(_) => Stage::Rcpt,
            Step::Data => Stage::Data,
        }
    }

    /// The command as it is said to a host that offers these extensions.
    fn command(self, letter: Letter<'_>, offered: Extensions) -> String {
        match self {
            Step::Mail => mail_command(letter, offered),
            Step::Rcpt(at) => rcpt_command(&letter.recipients[at], letter.dsn, offered),
            Step::Data => "DATA\r\n".to_owned(),
        }
    }
}

fn mail_command(letter: Letter<'_>, offered: Extensions) -> String {
    let Letter { reverse_path, dsn, content, .. } = letter;
    let mut command = format!("MAIL FROM:{reverse_path}");
    if offered.size {
        command += &format!(" SIZE={}", content.len());
    }
    if offered.eight_bit_mime && !content.is_ascii() {
        reached(Point::EightBitDeclared);
        command += " BODY=8BITMIME";
    }
    if let Some(ret) = dsn.ret.filter(|_| offered.dsn) {
        command += &format!(" RET={ret}");
    }
    if let Some(id) = dsn.envelope_id.as_ref().filter(|_| offered.dsn) {
        command += &format!(" ENVID={id}");
    }
    if offered.smtp_utf8 {
        reached(Point::InternationalPassedOn);
        command += " SMTPUTF8";
    }
    command + "\r\n"
}

fn rcpt_command(recipient: &Address, dsn: &DsnRequest, offered: Extensions) -> String {
    let mut command = format!("RCPT TO:<{recipient}>");
    if let Some(request) = dsn.of(recipient).filter(|_| offered.dsn) {
        reached(Point::RequestPassedOn);
        if let Some(notify) = &request.notify {
            command += &format!(" NOTIFY={notify}");
        }
        if let Some(original) = &request.original {
            let original = if offered.smtp_utf8 { Some(original.clone()) } else { original.in_ascii() };
            command += &original.map(|original| format!(" ORCPT={original}")).unwrap_or_default();
        }
    }
    command + "\r\n"
}

impl Conversation {
    /// Waits for the greeting and says EHLO, or HELO to a host that does not know EHLO (RFC 5321, 3.2).
    async fn greet(&mut self, helo: &Domain) -> Result<Extensions, NoService> {
        let greeting = self.hear(Stage::Greeting).await?;
        if !greeting.is_completion() {
            return Err(no_service(greeting, Stage::Greeting));
        }
        self.hello(helo).await
    }

    /// What the host answers to EHLO, or that it answers to HELO.
    async fn hello(&mut self, helo: &Domain) -> Result<Extensions, NoService> {
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
        letter: Letter<'_>,
        offered: Extensions,
        outcomes: &mut [Option<Outcome>],
        is_stillborn: &mut bool,
    ) -> Result<(), Interruption> {
        let recipients = (0..letter.recipients.len()).filter(|at| outcomes[*at].is_none()).map(Step::Rcpt);
        let steps: Vec<Step> = [Step::Mail].into_iter().chain(recipients).chain([Step::Data]).collect();
        let at_once = if offered.pipelining { AT_ONCE } else { 1 };
        let (mut may_send, mut has_taken_one) = (false, false);
        for group in steps.chunks(at_once) {
            if all_settled(outcomes) {
                return Ok(());
            }
            let commands: String = group.iter().map(|step| step.command(letter, offered)).collect();
            self.say(group[0].stage(), commands.as_bytes()).await?;
            if group.len() > 1 {
                reached(Point::CommandsTogether);
            }
            for step in group {
                let reply = self.hear(step.stage()).await?;
                if reply.code() == 421 {
                    if let Step::Rcpt(_) = step {
                        reached(Point::ClosedAmongRecipients);
                    }
                    settle(outcomes, &refused(reply, step.stage())?);
                    return Ok(());
                }
                *is_stillborn = false;
                match step {
                    Step::Data if reply.is_intermediate() => may_send = true,
                    Step::Mail if reply.is_completion() => {}
                    Step::Rcpt(_) if reply.is_completion() => has_taken_one = true,
                    // Where MAIL was refused, what was said together with it is refused for that alone.
                    Step::Rcpt(at) if outcomes[*at].is_some() => {}
                    Step::Rcpt(at) if has_taken_one && may_mean_too_many(&reply) => {
                        outcomes[*at] = Some(Outcome::Deferred(Deferral::Refused(reply)));
                    }
                    Step::Rcpt(at) => outcomes[*at] = Some(refused(reply, Stage::Rcpt)?),
                    Step::Mail | Step::Data if all_settled(outcomes) => {}
                    Step::Mail | Step::Data => settle(outcomes, &refused(reply, step.stage())?),
                }
            }
        }
        if may_send { self.content(letter.content, outcomes).await } else { Ok(()) }
    }

    /// The message, and the host's answer for it. Where DATA was granted along with no recipient, nothing is sent
    /// (RFC 2920, 3.1).
    async fn content(
        &mut self,
        content: &[u8],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), Interruption> {
        if all_settled(outcomes) {
            reached(Point::NothingToSend);
            self.say(Stage::Content, b".\r\n").await?;
            return self.hear(Stage::EndOfData).await.map(drop);
        }
        for block in stuff(content, BLOCK) {
            self.say(Stage::Content, &block).await?;
        }
        let reply = self.hear(Stage::EndOfData).await?;
        let outcome = match reply.is_completion() {
            true => {
                self.state = State::Between;
                Outcome::Delivered(reply)
            }
            false => refused(reply, Stage::EndOfData)?,
        };
        settle(outcomes, &outcome);
        Ok(())
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
        let written = match stage {
            Stage::Content => timeout_at(until, self.wire.write_content(octets)).await,
            _ => timeout_at(until, self.wire.write(octets)).await,
        };
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

fn all_settled(outcomes: &[Option<Outcome>]) -> bool {
    outcomes.iter().all(Option::is_some)
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

/// Whether a host that has taken a recipient refuses another because there are too many of them, with the code that RFC
/// 821 had for it (RFC 5321, 4.5.3.1.10). The other is tried again, and if it comes first then and is refused still, that
/// is final. Where the host says of what it has too much, such as mail in a mailbox, it is believed.
fn may_mean_too_many(reply: &Reply) -> bool {
    let status = reply::status_of(reply.code(), &reply.lines()[0]);
    reply.code() == 552 && status.is_none_or(|status| matches!(status, "5.0.0" | "5.5.3"))
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
