//! One milter beside one SMTP session: what follows from what it says, and from its failure.
//!
//! It knows neither the other milters nor the client.

use tokio::time::{Instant, timeout_at};

use super::codec::{Answer, BODY_LIMIT, Change, Command};
use super::conversation::{Conversation, Failure, Stage, no_answer};
use super::flags::Steps;
use super::mail::Changed;
use super::session::{MESSAGE_TIME, Verdict};
use super::{Mail, OnFailure};
use crate::config::MilterConfig;
use crate::eventlog::Event;
use crate::reach::{Point, reached};
use crate::smtp::reply::Reply;

/// How much a milter may say of one message beyond the size that a message may have.
const TALK: u64 = 1 << 20;

/// One milter beside one SMTP session.
pub(super) struct Milter {
    pub(super) config: MilterConfig,
    pub(super) state: State,
    /// It knows of a message that has not ended.
    pub(super) in_message: bool,
    /// It takes the message whatever comes.
    pub(super) takes_message: bool,
    /// It has no more to say about this client.
    pub(super) takes_client: bool,
}

/// How it is with a milter.
pub(super) enum State {
    /// It has not been reached yet, or has been told that the client is gone.
    Away,
    /// It is asked.
    Asked(Box<Conversation>),
    /// It cannot be asked.
    Failed,
}

/// The names and values of macros.
pub(super) type Macros = Vec<(&'static str, String)>;

impl Milter {
    /// One that has not been reached yet.
    pub(super) fn new(config: &MilterConfig) -> Self {
        Milter {
            config: config.clone(),
            state: State::Away,
            in_message: false,
            takes_message: false,
            takes_client: false,
        }
    }

    /// Whether it wants to hear of a recipient that was refused.
    pub(super) fn hears_of_refusals(&self) -> bool {
        matches!(&self.state, State::Asked(conversation)
            if conversation.steps.has(Steps::REFUSED_RECIPIENTS)
                && !(self.takes_message || self.takes_client))
    }

    /// Tells this milter of a stage; what it decides. `in_passing`: it is told of what is settled.
    pub(super) async fn tell(
        &mut self,
        stage: Stage,
        command: &Command<'_>,
        macros: &Macros,
        in_passing: bool,
    ) -> Verdict {
        let conversation = match &mut self.state {
            State::Asked(conversation) if !(self.takes_message || self.takes_client) => conversation,
            State::Failed => return self.failing(stage),
            State::Asked(_) | State::Away => return Verdict::Continue,
        };
        self.in_message |= stage == Stage::Mail;
        match conversation.tell(stage, command, macros).await {
            Ok(_) if in_passing => Verdict::Continue,
            Ok(answer) => self.decide(stage, answer),
            Err(failure) => {
                self.fail(&failure);
                self.failing(stage)
            }
        }
    }

    /// What follows from an answer that ends a stage.
    fn decide(&mut self, stage: Stage, answer: Answer) -> Verdict {
        let refusal = match answer {
            Answer::Accept if stage.is_before_messages() => {
                reached(Point::MilterSatisfied);
                self.takes_client = true;
                return Verdict::Continue;
            }
            Answer::Accept => {
                self.takes_message = true;
                self.in_message = false;
                return Verdict::Continue;
            }
            Answer::Discard => return Verdict::Discard { milter: self.config.address.to_string() },
            Answer::Reject => Reply::new(550, "5.7.1 Command rejected"),
            Answer::TempFail => put_off(),
            Answer::Shutdown | Answer::ConnectionFailure => {
                Reply::new(421, "4.7.0 Service unavailable, closing connection")
            }
            Answer::ReplyCode(text) => match reply(&text) {
                Some(reply) => reply,
                None => {
                    self.fail(&no_answer(&Answer::ReplyCode(text), stage));
                    return self.failing(stage);
                }
            },
            Answer::Continue
            | Answer::Skip
            | Answer::Progress
            | Answer::Negotiated { .. }
            | Answer::Change(_) => return Verdict::Continue,
        };
        let refusal = if stage == Stage::Connect { in_place_of_a_greeting(&refusal) } else { refusal };
        let (milter, reply) = (self.config.address.to_string(), refusal.to_string());
        Event::MilterRefused { milter, reply }.log();
        Verdict::Refuse(refusal)
    }

    /// Shows this milter a whole message; what it decides, and what it would have changed.
    pub(super) async fn message(
        &mut self,
        mail: &Mail,
        macros: &Macros,
        size_limit: u64,
        deadline: Instant,
    ) -> (Verdict, Vec<Change>) {
        let stage = Stage::EndOfMessage;
        let conversation = match &mut self.state {
            State::Asked(conversation) if !(self.takes_message || self.takes_client) => conversation,
            State::Failed => return (self.failing(stage), Vec::new()),
            State::Asked(_) | State::Away => return (Verdict::Continue, Vec::new()),
        };
        let shown = show(conversation, mail, macros, size_limit.saturating_add(TALK));
        let answered = timeout_at(deadline, shown).await;
        match answered.unwrap_or(Err(Failure::Slow(MESSAGE_TIME))) {
            Ok((answer, changes, is_over)) => {
                // Of a message that it has answered for it need not be told that it is not to be.
                self.in_message &= !is_over;
                (self.decide(stage, answer), changes)
            }
            Err(failure) => {
                self.fail(&failure);
                (self.failing(stage), Vec::new())
            }
        }
    }

    /// Changes the message, but for what is not this milter's to change, and what would be no message.
    pub(super) fn change(&self, mail: &mut Mail, changes: Vec<Change>) -> Changed {
        let State::Asked(conversation) = &self.state else { return Changed::default() };
        let log = |why: String| {
            reached(Point::MilterChangeRefused);
            Event::MilterChangeRefused { milter: self.config.address.to_string(), why }.log();
        };
        let (allowed, refused): (Vec<Change>, Vec<Change>) =
            changes.into_iter().partition(|change| conversation.actions.has(change.needs()));
        if !refused.is_empty() {
            log(format!("{} of them had not been negotiated", refused.len()));
        }
        let changed = mail.change(allowed, conversation.steps.has(Steps::LEADING_SPACE));
        changed.refused.iter().for_each(|unsound| log(unsound.to_string()));
        changed
    }

    /// It cannot be asked any more.
    pub(super) fn fail(&mut self, failure: &Failure) {
        reached(match failure {
            Failure::Unreachable(_) => Point::MilterUnreachable,
            Failure::Silent(_) | Failure::Slow(_) => Point::MilterSilent,
            Failure::Closed | Failure::Lost(_) => Point::MilterLost,
            _ => Point::MilterGarbled,
        });
        let (milter, why) = (self.config.address.to_string(), failure.to_string());
        Event::MilterFailed { milter, why, action: self.config.on_failure.name() }.log();
        self.state = State::Failed;
        self.in_message = false;
    }

    /// What follows from its failure at a stage.
    fn failing(&self, stage: Stage) -> Verdict {
        if stage.is_before_messages() {
            return Verdict::Continue;
        }
        match self.config.on_failure {
            OnFailure::Accept => Verdict::Continue,
            OnFailure::Tempfail => Verdict::Refuse(put_off()),
            OnFailure::Reject => Verdict::Refuse(Reply::new(550, "5.5.0 Service unavailable")),
        }
    }
}

/// Shows a milter a whole message. What it answers, what it would have changed, and whether it was its last word on it.
async fn show(
    conversation: &mut Conversation,
    mail: &Mail,
    macros: &Macros,
    most: u64,
) -> Result<(Answer, Vec<Change>, bool), Failure> {
    let none = Macros::new();
    let early = |answer: Answer| Ok((answer, Vec::new(), false));
    let with_leading_space = conversation.steps.has(Steps::LEADING_SPACE);
    for (name, value) in mail.fields(with_leading_space) {
        let field = Command::Header { name, value: &value };
        match conversation.tell(Stage::Header, &field, &none).await? {
            Answer::Continue => {}
            answer => return early(answer),
        }
    }
    match conversation.tell(Stage::EndOfHeaders, &Command::EndOfHeaders, macros).await? {
        Answer::Continue => {}
        answer => return early(answer),
    }
    for piece in mail.body().chunks(BODY_LIMIT) {
        match conversation.tell(Stage::Body, &Command::Body(piece), &none).await? {
            Answer::Continue => {}
            Answer::Skip => {
                reached(Point::MilterSkippedBody);
                break;
            }
            answer => return early(answer),
        }
    }
    conversation.listen_for_nothing(Stage::EndOfMessage)?;
    conversation.say(&Command::Macros { of: Command::EndOfBody.letter(), values: macros });
    conversation.say(&Command::EndOfBody);
    let (mut changes, mut said) = (Vec::new(), 0);
    loop {
        match conversation.answer(Stage::EndOfMessage).await? {
            Answer::Change(change) => {
                said += size_of_change(&change);
                if said > most {
                    return Err(Failure::TooMuch(most));
                }
                changes.push(change);
            }
            answer @ (Answer::Negotiated { .. } | Answer::Skip) => {
                return Err(no_answer(&answer, Stage::EndOfMessage));
            }
            answer => return Ok((answer, changes, true)),
        }
    }
}

/// What a change takes in memory, about.
fn size_of_change(change: &Change) -> u64 {
    let octets = match change {
        Change::AddHeader { name, value }
        | Change::InsertHeader { name, value, .. }
        | Change::ChangeHeader { name, value, .. } => name.len() + value.len(),
        Change::ReplaceBody(piece) => piece.len(),
        Change::ChangeSender(text)
        | Change::AddRecipient(text)
        | Change::AddRecipientWithParameters(text)
        | Change::DeleteRecipient(text)
        | Change::Quarantine(text) => text.len(),
    };
    octets as u64 + 64
}

fn put_off() -> Reply {
    Reply::new(451, "4.7.1 Service unavailable - try again later")
}

/// A refusal as it can be said before the client has said anything (RFC 5321, 4.3.2).
fn in_place_of_a_greeting(refusal: &Reply) -> Reply {
    Reply::multi(if refusal.is_permanent() { 554 } else { 421 }, refusal.lines())
}

/// The reply that a milter wrote: lines with one code, 4yz or 5yz, parted by line ends. A percent sign was written twice
/// for the sake of Sendmail, which takes the text for a format.
fn reply(text: &str) -> Option<Reply> {
    let mut codes = Vec::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let (code, rest) = line.split_at_checked(3)?;
        codes.push(code.parse::<u16>().ok().filter(|code| (400..600).contains(code))?);
        lines.push(rest.get(1..).unwrap_or_default().replace("%%", "%"));
    }
    let code = *codes.first()?;
    codes.iter().all(|other| *other == code).then(|| Reply::multi(code, lines))
}
