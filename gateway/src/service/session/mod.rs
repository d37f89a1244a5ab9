//! An SMTP session: one client's conversation, from the banner to QUIT (RFC 5321; RFC 4954 for AUTH).
//!
//! Here are the commands up to RCPT; [`message`] takes the message itself, [`chunks`] takes one in chunks, [`auth`]
//! authenticates the client, [`encryption`] starts TLS, [`etrn`] has mail sent that waits, [`filters`] heeds the milters,
//! [`turf`] the table of unwanted senders; [`lookup`] tells who exists.

mod auth;
mod chunks;
mod encryption;
mod etrn;
mod filters;
mod lookup;
mod message;
mod turf;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use self::chunks::Chunks;
use super::Door;
use super::core::{Closing, Core};
use super::hosts::{Excess, Guest};
use crate::accept::Admission;
use crate::address::{Address, ReversePath};
use crate::config::UnknownRecipients;
use crate::dsn::DsnRequest;
use crate::env::Stream;
use crate::eventlog::{Caller, Event};
use crate::exception;
use crate::milter::{Milters, Verdict};
use crate::reach::{Point, reached};
use crate::relay;
use crate::release::Defect;
use crate::routing::Route;
use crate::sasl;
use crate::smtp::command::{self, Command, CommandError, Mail, Rcpt};
use crate::smtp::extensions::Extensions;
use crate::smtp::line::{COMMAND_LIMIT, LineError, Wire};
use crate::smtp::reply::Reply;
use crate::trace::Protocol;

/// How long a client may take for a command (RFC 5321, 4.5.3.2.7).
const COMMAND_TIME: Duration = Duration::from_mins(5);
/// How many commands in one session may be wrong.
const ERRORS: usize = 20;
/// How many commands may bring no message nearer, such as NOOP, before each of them counts as wrong: a client that
/// only keeps its connection takes it from another.
const IDLE_COMMANDS: usize = 100;
/// How many recipients may be put off, since the last message, before each of them counts as wrong: a client may name
/// more than there is room for before it has heard so (RFC 2920). Postfix lets as many be (`smtpd_recipient_overshoot_limit`).
const PUT_OFF: usize = 1000;

/// One client's conversation.
pub(super) struct Session {
    core: Arc<Core>,
    wire: Wire,
    client: IpAddr,
    /// The address of this machine that it connected to.
    local: IpAddr,
    guest: Guest,
    admission: Admission,
    /// The service extensions that are offered.
    offered: Extensions,
    /// Whether the client speaks TLS from the first octet.
    is_tls_from_the_start: bool,
    /// What the connection is encrypted with, once it is.
    cipher: Option<String>,
    hello: Option<Hello>,
    account: Option<String>,
    transaction: Option<Transaction>,
    /// The message so far, where it comes in chunks: then there is no transaction any more.
    chunks: Option<Chunks>,
    milters: Milters,
    errors: usize,
    /// How many more recipients of a message whose MAIL was refused are no errors: they were said with it (RFC 2920).
    forgiven: usize,
    /// The commands since the last message that bring none nearer.
    idle_commands: usize,
    /// The recipients since then that were put off.
    put_off: usize,
    failed_authentications: usize,
}

/// What the client called itself, and how.
#[derive(Clone)]
struct Hello {
    name: String,
    protocol: Protocol,
}

/// A message that is being handed over (RFC 5321, 3.3).
struct Transaction {
    reverse_path: ReversePath,
    recipients: Vec<Address>,
    /// What is asked of reports on it.
    dsn: DsnRequest,
    /// Whether its client declared that it is international.
    is_international: bool,
    /// The milter that would have it thrown away.
    discarded_by: Option<String>,
}

/// The conversation is over.
struct Over;

impl From<LineError> for Over {
    fn from(_: LineError) -> Self {
        Over
    }
}

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Over
    }
}

/// Whether to go on.
type Go = Result<(), Over>;

impl Session {
    pub(super) fn new(
        core: Arc<Core>,
        stream: Box<dyn Stream>,
        [client, local]: [IpAddr; 2],
        guest: Guest,
        door: Door,
    ) -> Self {
        let admission = core.rules.admit(client);
        let known = Extensions::of(core.config.release);
        Session {
            offered: Extensions { starttls: core.tls.has_certificate(), ..known },
            is_tls_from_the_start: door == Door::Tls,
            cipher: None,
            milters: filters::milters(&core, client),
            wire: Wire::new(stream).written_down(core.logs.accepted(client)),
            core,
            client,
            local,
            guest,
            admission,
            hello: None,
            account: None,
            transaction: None,
            chunks: None,
            errors: 0,
            forgiven: 0,
            idle_commands: 0,
            put_off: 0,
            failed_authentications: 0,
        }
    }

    /// Converses until the client has gone. An exception ends the conversation, and on the historical releases the
    /// service.
    pub(super) async fn run(mut self) {
        if let Err(exception) = exception::filter(self.converse()).await {
            self.core.exception(exception).await;
            reached(Point::ExceptionSurvived);
            let _ = self.say(421, "Internal Error. Connection Closing.").await;
        }
        self.forget_the_message().await;
        // The client may be gone, and then nobody needs a farewell.
        let _ = self.wire.close().await;
        self.milters.quit().await;
    }

    async fn converse(&mut self) {
        let host = self.core.config.host.clone();
        if self.is_tls_from_the_start && self.secure().await.is_err() {
            return;
        }
        if self.admission == Admission::Reject {
            reached(Point::HostRejected);
            self.core.counters.turned_away.count();
            let code = if self.core.config.release.has(Defect::Q173279) { 220 } else { 521 };
            let _ = self.say_plainly(&Reply::new(code, format!("{host} access denied"))).await;
            return;
        }
        if let Verdict::Refuse(reply) = self.milters.connect(&*self.core.env.net, &*self.core.resolver).await
        {
            let _ = self.refuse_for_milter(reply).await;
            return;
        }
        let banner = Reply::new(220, self.core.config.release.banner(host.as_str()));
        if self.say_plainly(&banner).await.is_err() {
            return;
        }
        while self.errors < ERRORS {
            let line = match self.hear(COMMAND_LIMIT).await {
                Ok(Some(line)) => line,
                Ok(None) => continue,
                Err(Over) => return,
            };
            let limit = command::limit(&line, self.offered);
            if line.len() + "\r\n".len() > limit {
                if self.refuse_the_line(&LineError::TooLong { limit }).await.is_err() {
                    return;
                }
                continue;
            }
            let went = match Command::parse(&line, self.offered) {
                Ok(command) => self.obey(command).await,
                Err(CommandError::Undeclared) => self.refuse_undeclared().await,
                Err(error) => self.refuse(error.reply()).await,
            };
            if went.is_err() {
                return;
            }
            if line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"MAIL")) {
                self.forgiven = if self.is_sending() { 0 } else { self.core.config.limits.recipients };
            }
        }
        reached(Point::TooManyErrors);
        let farewell = Reply::new(421, format!("{host} too many errors, closing connection"));
        let _ = self.answer(&farewell.with_status("4.7.0")).await;
    }

    /// The client's next line; none if it cannot be one, which the client has been told.
    async fn hear(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Over> {
        if self.wire.has_input() {
            reached(Point::PipelinedInput);
        }
        let how = if self.is_sending() { Closing::AtOnce } else { Closing::Gently };
        let heard = tokio::select! {
            biased;
            () = self.core.closes_down(how) => return Err(self.part_to_close_down().await),
            heard = timeout(COMMAND_TIME, self.wire.read_line(limit)) => heard,
        };
        match heard {
            Ok(Ok(line)) => Ok(Some(line)),
            Ok(Err(error @ (LineError::TooLong { .. } | LineError::BareCr))) => {
                self.refuse_the_line(&error).await?;
                Ok(None)
            }
            Ok(Err(error @ LineError::BareLf)) => {
                reached(Point::BareLfInCommand);
                let _ = self.answer(&Reply::new(500, error.to_string()).with_status("5.5.2")).await;
                Err(Over)
            }
            Ok(Err(LineError::Closed | LineError::Io(_))) => Err(Over),
            Err(_) => Err(self.part_from_the_silent().await),
        }
    }

    async fn refuse_the_line(&mut self, error: &LineError) -> Go {
        if let LineError::TooLong { .. } = error {
            reached(Point::OverlongCommand);
        }
        self.refuse(Reply::new(500, error.to_string()).with_status("5.5.2")).await
    }

    async fn part_to_close_down(&mut self) -> Over {
        reached(Point::ClosedDown);
        let farewell = format!("{} the service is being stopped, closing connection", self.core.config.host);
        let _ = self.answer(&Reply::new(421, farewell).with_status("4.3.2")).await;
        Over
    }

    async fn part_from_the_silent(&mut self) -> Over {
        reached(Point::SilentClient);
        let host = &self.core.config.host;
        let farewell = Reply::new(421, format!("{host} nothing was said for too long, closing connection"));
        let _ = self.answer(&farewell.with_status("4.4.2")).await;
        Over
    }

    async fn obey(&mut self, command: Command) -> Go {
        use Command::{Auth, Bdat, Data, Mail, Rcpt};
        if !matches!(command, Mail(_) | Rcpt(_) | Data | Bdat { .. } | Auth { .. }) {
            self.note_idle_command();
        }
        match command {
            Command::Helo(name) => self.greet(name, Protocol::Smtp).await,
            Command::Ehlo(name) => self.greet(name, Protocol::Esmtp).await,
            Command::StartTls => self.starttls().await,
            Command::Mail(mail) => self.mail(mail).await,
            Command::Rcpt(rcpt) => self.rcpt(rcpt).await,
            Command::Data => self.data().await,
            Command::Bdat { octets, is_last } => self.bdat(octets, is_last).await,
            Command::Rset => {
                self.forget_the_message().await;
                self.milters.abort().await;
                self.say(250, "OK").await
            }
            Command::Noop => self.say(250, "OK").await,
            Command::Quit => {
                let _ = self.say(221, "closing connection").await;
                Err(Over)
            }
            Command::Vrfy(name) => self.vrfy(&name).await,
            Command::Expn(name) => self.expn(&name).await,
            Command::Help(_) => self.help().await,
            Command::Etrn(node) => self.etrn(node).await,
            Command::Auth { mechanism, initial_response } => self.auth(&mechanism, initial_response).await,
        }
    }

    /// A command brings no message nearer.
    fn note_idle_command(&mut self) {
        self.idle_commands += 1;
        if self.idle_commands > IDLE_COMMANDS {
            reached(Point::IdleCommands);
            self.errors += 1;
        }
    }

    /// A message was taken: the client has not come in vain.
    fn note_progress(&mut self) {
        self.idle_commands = 0;
        self.put_off = 0;
    }

    async fn greet(&mut self, name: String, protocol: Protocol) -> Go {
        // The milters know of no message any more, whatever they say to this.
        let verdict = self.milters.helo(&name).await;
        self.forget_the_message().await;
        if self.heed(verdict).await? {
            return Ok(());
        }
        let reply = match protocol {
            Protocol::Smtp => Reply::new(250, "OK"),
            _ => Reply::multi(250, self.capabilities(&name)),
        };
        self.hello = Some(Hello { name, protocol });
        self.say_plainly(&reply).await
    }

    /// Forgets the message that is being handed over, and what was stored of it.
    async fn forget_the_message(&mut self) {
        self.transaction = None;
        if let Some(chunks) = self.chunks.take() {
            chunks.discard().await;
        }
    }

    fn is_sending(&self) -> bool {
        self.transaction.is_some() || self.chunks.is_some()
    }

    fn capabilities(&self, name: &str) -> Vec<String> {
        let mut lines = vec![format!("{} Hello [{name}]", self.core.config.host)];
        lines.push(match self.core.config.limits.message_size {
            Some(octets) => format!("SIZE {octets}"),
            None => "SIZE 0".to_owned(),
        });
        let starttls = self.offered.starttls && self.cipher.is_none();
        let offered = Extensions { starttls, ..self.offered };
        lines.extend(offered.keywords().map(str::to_owned));
        if self.may_authenticate() {
            lines.push(format!("AUTH {}", sasl::mechanisms(self.core.config.release).join(" ")));
        }
        lines.extend(["VRFY", "EXPN"].map(str::to_owned).into_iter().filter(|_| self.expands()));
        lines.push("HELP".to_owned());
        lines
    }

    async fn mail(&mut self, mail: Mail) -> Go {
        if self.hello.is_none() {
            return self.refuse(out_of_order("say HELO or EHLO first")).await;
        }
        if self.must_encrypt().await? {
            return Ok(());
        }
        if self.admission.needs_authentication() && self.account.is_none() {
            reached(Point::UnauthenticatedRefused);
            return self.refuse(Reply::new(530, "Authentication required").with_status("5.7.0")).await;
        }
        if self.is_sending() {
            return self.refuse(out_of_order("a message is being sent: end it, or say RSET")).await;
        }
        if let Err(excess) = self.guest.begins_message() {
            reached(Point::MessageOverLimit);
            return self.refuse(too_many(excess)).await;
        }
        if let (Some(size), Some(limit)) = (mail.size, self.core.config.limits.message_size)
            && size > limit.get()
        {
            reached(Point::SizeRefusedAtMail);
            return self.refuse(too_large(limit.get())).await;
        }
        if self.core.is_in_flush_mode().await {
            reached(Point::RefusedInFlushMode);
            self.note_idle_command();
            let full = "Requested action not taken: insufficient system storage, try again later";
            return self.answer(&Reply::new(452, full).with_status("4.3.1")).await;
        }
        let Mail { reverse_path, ret, envelope_id, size, is_international, .. } = mail;
        let reply = Reply::new(250, format!("OK - mail from {reverse_path}")).with_status("2.1.0");
        let verdict = self.milters.mail(&reverse_path, size, is_international).await;
        let dsn = DsnRequest::new(ret, envelope_id);
        let (recipients, discarded_by) = (Vec::new(), None);
        if is_international {
            reached(Point::InternationalTaken);
        }
        self.transaction =
            Some(Transaction { reverse_path, recipients, dsn, is_international, discarded_by });
        if self.heed(verdict).await? {
            self.transaction = None;
            return Ok(());
        }
        self.answer(&reply).await
    }

    async fn rcpt(&mut self, rcpt: Rcpt) -> Go {
        let Some(transaction) = &self.transaction else {
            let refusal = out_of_order(if self.chunks.is_some() { IN_CHUNKS } else { "say MAIL first" });
            if self.forgiven > 0 {
                self.forgiven -= 1;
                return self.answer(&refusal).await;
            }
            return self.refuse(refusal).await;
        };
        if !transaction.is_international && !rcpt.is_ascii() {
            return self.refuse_undeclared().await;
        }
        if transaction.recipients.len() >= self.core.config.limits.recipients {
            reached(Point::RecipientLimit);
            let full = "Requested action not taken: Exceed Recipient Limit";
            return self.put_off(Reply::new(452, full).with_status("4.5.3")).await;
        }
        if let Err(excess) = self.guest.names_recipient() {
            reached(Point::RecipientOverLimit);
            return self.put_off(too_many(excess)).await;
        }
        let recipient = rcpt.forward_path.into_address(&self.core.config.host);
        let onward = self.core.route(recipient.domain()) != Route::Inbound;
        let is_public = self.core.config.routes.is_public(recipient.domain());
        if onward && !is_public && !self.may_relay() {
            reached(Point::RelayRefused);
            Event::RelayRefused { client: self.caller(), recipient: recipient.clone() }.log();
            let refusal = Reply::new(550, format!("relaying prohibited: {recipient}")).with_status("5.7.1");
            return self.refuse_recipient(&recipient, refusal).await;
        }
        if !onward && self.is_nobody(&recipient) {
            reached(Point::UnknownRecipientRefused);
            Event::RecipientUnknown { client: self.caller(), recipient: recipient.clone() }.log();
            let refusal = Reply::new(550, format!("nobody here is {recipient}")).with_status("5.1.1");
            return self.refuse_recipient(&recipient, refusal).await;
        }
        if onward {
            reached(if is_public { Point::PublicRoute } else { Point::RelayPermitted });
        }
        let verdict = self.milters.rcpt(&recipient, !onward).await;
        if self.heed(verdict).await? {
            return Ok(());
        }
        let reply = Reply::new(250, format!("OK - Recipient <{recipient}>")).with_status("2.1.5");
        if let Some(Transaction { recipients, dsn, .. }) = &mut self.transaction {
            let was_named = recipients.contains(&recipient);
            dsn.ask(&recipient, rcpt.request, was_named);
            // Who is named twice has the message once.
            if !was_named {
                recipients.push(recipient);
            }
        }
        self.answer(&reply).await
    }

    async fn refuse_recipient(&mut self, recipient: &Address, refusal: Reply) -> Go {
        self.milters.rcpt_refused(recipient, &refusal).await;
        self.refuse(refusal).await
    }

    /// Whether a recipient in a domain of this server has no mailbox, and that is to be said now. Where an extension
    /// chooses where mail goes it is not known yet.
    fn is_nobody(&self, recipient: &Address) -> bool {
        self.core.config.policy.unknown_recipients == UnknownRecipients::Refuse
            && !self.core.extensions.chooses_routes()
            && self.core.directory.find(recipient).is_none()
    }

    /// The client, as the event log names it.
    fn caller(&self) -> Caller {
        let name = self.hello.as_ref().map(|hello| hello.name.clone()).unwrap_or_default();
        Caller { name, address: self.client }
    }

    fn may_relay(&self) -> bool {
        let (address, local, account) = (self.client, self.local, self.account.as_deref());
        let config = &self.core.config;
        relay::may_relay(config.release, &config.relay, relay::Client { address, local, account })
    }

    async fn refuse_undeclared(&mut self) -> Go {
        reached(Point::UndeclaredRefused);
        self.refuse(CommandError::Undeclared.reply()).await
    }

    /// Answers a command that cannot be obeyed, and counts it.
    async fn refuse(&mut self, reply: Reply) -> Go {
        self.errors += 1;
        self.answer(&reply).await
    }

    /// Answers for a recipient that is to come with another message.
    async fn put_off(&mut self, reply: Reply) -> Go {
        self.put_off += 1;
        if self.put_off > PUT_OFF { self.refuse(reply).await } else { self.answer(&reply).await }
    }

    async fn say(&mut self, code: u16, text: &str) -> Go {
        self.answer(&Reply::new(code, text)).await
    }

    async fn answer(&mut self, reply: &Reply) -> Go {
        match self.offered.enhanced_status_codes {
            true => self.write(&reply.to_bytes_with_status()).await,
            false => self.write(&reply.to_bytes()).await,
        }
    }

    /// Says what has no enhanced status code: the greeting, and the answers to HELO and EHLO (RFC 2034, 4).
    async fn say_plainly(&mut self, reply: &Reply) -> Go {
        self.write(&reply.to_bytes()).await
    }

    async fn write(&mut self, octets: &[u8]) -> Go {
        Ok(timeout(COMMAND_TIME, self.wire.write(octets)).await.map_err(|_| Over)??)
    }
}

/// What is said to what does not belong between two chunks.
const IN_CHUNKS: &str = "the message comes in chunks: send the last one, or say RSET";

fn out_of_order(text: &str) -> Reply {
    Reply::new(503, text).with_status("5.5.1")
}

fn too_many(excess: Excess) -> Reply {
    Reply::new(450, format!("too many {}, try again later", excess.what())).with_status("4.7.1")
}

fn too_large(limit: u64) -> Reply {
    Reply::new(552, format!("the message is too large: the limit is {limit} octets")).with_status("5.3.4")
}
