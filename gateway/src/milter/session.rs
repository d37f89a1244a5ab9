//! The milters beside one SMTP session: told in their order what the client says, each until one has something against
//! it.
//!
//! A milter that fails is not asked again in this session. While the client is only being greeted nothing follows from
//! that; from MAIL on, every command and every message has the answer that is configured for it, so that the client
//! hears of it where it can act on it.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::codec::{Answer, BODY_LIMIT, Change, Command};
use super::conversation::{Conversation, Failure, Stage, no_answer};
use super::flags::Steps;
use super::{Mail, OnFailure};
use crate::address::{Address, ReversePath};
use crate::config::MilterConfig;
use crate::dns::Resolver;
use crate::env::Net;
use crate::eventlog::Event;
use crate::reach::{Point, reached};
use crate::smtp::reply::Reply;

/// How long all milters together may take over one message: a client waits ten minutes for the answer to its final dot
/// (RFC 5321, 4.5.3.2.6), and then sends the message again.
const MESSAGE_TIME: Duration = Duration::from_mins(9);

/// How much a milter may say of one message beyond the size that a message may have.
const TALK: u64 = 1 << 20;

/// What milters decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody has anything against it.
    Continue,
    /// The message is to be taken and thrown away.
    Discard {
        /// Who said so.
        milter: String,
    },
    /// The client is to hear this. With the code 421 it is the last that it hears.
    Refuse(Reply),
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may be taken as it now is.
    Taken {
        /// The recipients that it no longer has, each with the milter that took it off.
        taken_off: Vec<(Address, String)>,
        /// Which milter would have it set aside, and why.
        quarantine: Option<(String, String)>,
    },
    /// It is to be thrown away.
    Discarded {
        /// Who said so.
        milter: String,
    },
    /// The client is to hear this.
    Refused(Reply),
}

/// Who the client is.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// What the gateway is called.
    pub host: String,
    /// What the gateway is, and which version.
    pub software: String,
    /// What the client authenticated with, and as whom.
    pub account: Option<(String, String)>,
}

/// The milters beside one SMTP session.
pub struct Milters {
    milters: Vec<Milter>,
    client: Client,
}

/// One of them.
struct Milter {
    config: MilterConfig,
    state: State,
    /// It knows of a message that has not ended.
    in_message: bool,
    /// It takes the message whatever comes.
    takes_message: bool,
    /// It has no more to say about this client.
    takes_client: bool,
}

/// How it is with a milter.
enum State {
    /// It has not been reached yet, or has been told that the client is gone.
    Away,
    /// It is asked.
    Asked(Box<Conversation>),
    /// It cannot be asked.
    Failed,
}

type Macros = Vec<(&'static str, String)>;

impl Milters {
    /// The milters that are configured, for a client that has just connected. None of them is reached yet.
    pub fn new(config: &[MilterConfig], client: Client) -> Self {
        let milter = |config: &MilterConfig| Milter {
            config: config.clone(),
            state: State::Away,
            in_message: false,
            takes_message: false,
            takes_client: false,
        };
        Milters { milters: config.iter().map(milter).collect(), client }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.milters.is_empty()
    }

    /// The client has authenticated.
    pub fn authenticated(&mut self, mechanism: &str, account: &str) {
        self.client.account = Some((mechanism.to_ascii_uppercase(), account.to_owned()));
    }

    /// Reaches the milters and tells them who has connected.
    pub async fn connect(&mut self, net: &dyn Net, resolver: &dyn Resolver) -> Verdict {
        let Client { address, host, software, .. } = &self.client;
        let (address, name) = (*address, format!("[{address}]"));
        let macros = vec![
            ("j", host.clone()),
            ("{daemon_name}", host.clone()),
            ("v", software.clone()),
            ("_", name.clone()),
            ("{client_name}", name.clone()),
            ("{client_addr}", address.to_string()),
        ];
        for milter in &mut self.milters {
            match Conversation::open(&milter.config.address, net, resolver).await {
                Ok(conversation) => milter.state = State::Asked(Box::new(conversation)),
                Err(failure) => milter.fail(&failure),
            }
        }
        self.tell(Stage::Connect, &Command::Connect { name: &name, address }, &macros).await
    }

    /// The client has said HELO or EHLO.
    pub async fn helo(&mut self, name: &str) -> Verdict {
        self.abort().await;
        self.tell(Stage::Helo, &Command::Helo(name), &Macros::new()).await
    }

    /// The client has said MAIL.
    pub async fn mail(&mut self, from: &ReversePath, size: Option<u64>) -> Verdict {
        let mut macros = Macros::new();
        if let Some((mechanism, account)) = &self.client.account {
            macros.push(("{auth_type}", mechanism.clone()));
            macros.push(("{auth_authen}", account.clone()));
        }
        if let ReversePath::Mailbox(from) = from {
            macros.push(("{mail_addr}", from.to_string()));
            macros.push(("{mail_host}", from.domain().to_string()));
        }
        macros.push(("{mail_mailer}", "smtp".to_owned()));
        let mut words = vec![from.to_string()];
        words.extend(size.map(|size| format!("SIZE={size}")));
        self.abort().await;
        self.tell(Stage::Mail, &Command::Mail(&words), &macros).await
    }

    /// The client has named a recipient, which the gateway takes. `is_here`: its mail stays on this server.
    pub async fn rcpt(&mut self, recipient: &Address, is_here: bool) -> Verdict {
        let macros = vec![
            ("{rcpt_addr}", recipient.to_string()),
            ("{rcpt_host}", recipient.domain().to_string()),
            ("{rcpt_mailer}", if is_here { "local" } else { "smtp" }.to_owned()),
        ];
        self.tell(Stage::Rcpt, &Command::Rcpt(&format!("<{recipient}>")), &macros).await
    }

    /// The client has named a recipient, which the gateway has refused: those who asked for it are told, and what they
    /// say to it changes nothing.
    pub async fn rcpt_refused(&mut self, recipient: &Address, reply: &Reply) {
        let macros = vec![
            ("{rcpt_addr}", reply.to_string()),
            ("{rcpt_host}", format!("{}.0.0", reply.code() / 100)),
            ("{rcpt_mailer}", "error".to_owned()),
        ];
        let path = format!("<{recipient}>");
        for milter in &mut self.milters {
            let is_told = matches!(&milter.state, State::Asked(conversation)
                if conversation.steps.has(Steps::REFUSED_RECIPIENTS)
                    && !(milter.takes_message || milter.takes_client));
            if is_told {
                reached(Point::MilterToldOfRefusal);
                milter.tell(Stage::Rcpt, &Command::Rcpt(&path), &macros, true).await;
            }
        }
    }

    /// The client has said DATA for the message of this name.
    pub async fn data(&mut self, id: &str) -> Verdict {
        self.tell(Stage::Data, &Command::Data, &vec![("i", id.to_owned())]).await
    }

    /// The message is there. Each milter sees it as the one before has left it; none sees the changes of one that fails.
    pub async fn message(&mut self, id: &str, mail: &mut Mail, size_limit: u64) -> Outcome {
        let macros = vec![("i", id.to_owned())];
        let (mut taken_off, mut quarantine) = (Vec::new(), None);
        let deadline = Instant::now() + MESSAGE_TIME;
        let mut outcome = None;
        for milter in &mut self.milters {
            let (verdict, changes) = milter.message(mail, &macros, size_limit, deadline).await;
            match verdict {
                Verdict::Continue => {}
                Verdict::Discard { milter } => outcome = Some(Outcome::Discarded { milter }),
                Verdict::Refuse(reply) => outcome = Some(Outcome::Refused(reply)),
            }
            if outcome.is_some() {
                break;
            }
            let changed = milter.change(mail, changes);
            let name = milter.config.address.to_string();
            taken_off.extend(changed.taken_off.into_iter().map(|recipient| (recipient, name.clone())));
            quarantine = quarantine.or(changed.quarantine.map(|why| (name, why)));
        }
        self.abort().await;
        outcome.unwrap_or(Outcome::Taken { taken_off, quarantine })
    }

    /// What was begun with MAIL is not to be.
    pub async fn abort(&mut self) {
        for milter in &mut self.milters {
            milter.takes_message = false;
            if !std::mem::take(&mut milter.in_message) {
                continue;
            }
            if let State::Asked(conversation) = &mut milter.state {
                conversation.say(&Command::Abort);
                if let Err(failure) = conversation.send(Stage::Mail).await {
                    milter.fail(&failure);
                }
            }
        }
    }

    /// The client has gone.
    pub async fn quit(&mut self) {
        for milter in &mut self.milters {
            if let State::Asked(conversation) = std::mem::replace(&mut milter.state, State::Away) {
                conversation.quit().await;
            }
        }
    }

    async fn tell(&mut self, stage: Stage, command: &Command<'_>, macros: &Macros) -> Verdict {
        let mut verdict = Verdict::Continue;
        for milter in &mut self.milters {
            verdict = milter.tell(stage, command, macros, false).await;
            if verdict != Verdict::Continue {
                break;
            }
        }
        if let Verdict::Discard { .. } = verdict {
            // Nobody is asked about it any more: those after that one have not heard of it.
            self.abort().await;
            self.milters.iter_mut().for_each(|milter| milter.takes_message = true);
        }
        verdict
    }
}

impl Milter {
    /// Tells this milter of a stage; what it decides. `in_passing`: it is told of what is settled.
    async fn tell(
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
    async fn message(
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
    fn change(&self, mail: &mut Mail, changes: Vec<Change>) -> super::mail::Changed {
        let State::Asked(conversation) = &self.state else { return super::mail::Changed::default() };
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
    fn fail(&mut self, failure: &Failure) {
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
