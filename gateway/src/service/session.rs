//! An SMTP session: one client's conversation, from the banner to QUIT (RFC 5321; RFC 4954 for AUTH).
//!
//! A message is written into `work/` while it is read. At the end of data the submission policy is asked, and only
//! when the message is durable in `in/` is the client answered 250: from there on it is the gateway's.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::core::Core;
use super::filing;
use crate::accept::Admission;
use crate::address::{Address, ForwardPath};
use crate::env::{DiskError, Stream};
use crate::envelope::{Envelope, Origin, SpoolId};
use crate::eventlog::Event;
use crate::exception;
use crate::relay;
use crate::report::{self, Direction, Failure};
use crate::routing::Route;
use crate::sasl::{self, Credentials, SaslError, Step};
use crate::smtp::command::{Command, Mail};
use crate::smtp::data::{DataReader, TEXT_LINE_LIMIT};
use crate::smtp::line::{AUTH_LIMIT, COMMAND_LIMIT, LineError, Wire};
use crate::smtp::reply::Reply;
use crate::spool::Draft;
use crate::submission::{self, Refusal};
use crate::trace::{Protocol, Received};

/// How long a client may take for a command (RFC 5321, 4.5.3.2.7).
const COMMAND_TIME: Duration = Duration::from_mins(5);
/// How long it may pause within a message: longer than the three minutes that a sender waits (4.5.3.2.5).
const DATA_TIME: Duration = Duration::from_mins(5);
/// How many commands in one session may be wrong.
const ERRORS: usize = 20;
/// How many authentications may fail in one session.
const FAILED_AUTHENTICATIONS: usize = 3;

/// One client's conversation.
pub(super) struct Session {
    core: Arc<Core>,
    wire: Wire,
    client: IpAddr,
    admission: Admission,
    hello: Option<Hello>,
    account: Option<String>,
    transaction: Option<Transaction>,
    errors: usize,
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
    mail: Mail,
    recipients: Vec<Address>,
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
    pub(super) fn new(core: Arc<Core>, stream: Box<dyn Stream>, client: IpAddr) -> Self {
        let admission = core.rules.admit(client);
        Session {
            core,
            wire: Wire::new(stream),
            client,
            admission,
            hello: None,
            account: None,
            transaction: None,
            errors: 0,
            failed_authentications: 0,
        }
    }

    /// Converses until the client has gone. An exception ends the conversation, and on the historical releases the
    /// service.
    pub(super) async fn run(mut self) {
        if let Err(exception) = exception::filter(self.converse()).await {
            self.core.exception(exception).await;
            let _ = self.say(421, "Internal Error. Connection Closing.").await;
        }
        // The client may be gone, and then nobody needs a farewell.
        let _ = self.wire.close().await;
    }

    async fn converse(&mut self) {
        let host = self.core.config.host.clone();
        if self.admission == Admission::Reject {
            let _ = self.say(521, &format!("{host} access denied")).await;
            return;
        }
        if self.say(220, &self.core.config.release.banner(host.as_str())).await.is_err() {
            return;
        }
        while self.errors < ERRORS {
            let line = match self.hear(COMMAND_LIMIT).await {
                Ok(Some(line)) => line,
                Ok(None) => continue,
                Err(Over) => return,
            };
            let went = match Command::parse(&line) {
                Ok(command) => self.obey(command).await,
                Err(error) => self.refuse(error.reply()).await,
            };
            if went.is_err() {
                return;
            }
        }
        let _ = self.say(421, &format!("{host} too many errors, closing connection")).await;
    }

    /// The client's next line; none if it cannot be one, which the client has been told.
    async fn hear(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Over> {
        match timeout(COMMAND_TIME, self.wire.read_line(limit)).await {
            Ok(Ok(line)) => Ok(Some(line)),
            Ok(Err(error @ (LineError::TooLong { .. } | LineError::BareCr))) => {
                self.refuse(Reply::new(500, error.to_string())).await?;
                Ok(None)
            }
            Ok(Err(error @ LineError::BareLf)) => {
                let _ = self.say(500, &error.to_string()).await;
                Err(Over)
            }
            Ok(Err(LineError::Closed | LineError::Io(_))) => Err(Over),
            Err(_) => Err(self.part_from_the_silent().await),
        }
    }

    async fn part_from_the_silent(&mut self) -> Over {
        let host = &self.core.config.host;
        let farewell = format!("{host} nothing was said for too long, closing connection");
        let _ = self.say(421, &farewell).await;
        Over
    }

    async fn obey(&mut self, command: Command) -> Go {
        match command {
            Command::Helo(name) => {
                self.greet(name, Protocol::Smtp);
                self.say(250, "OK").await
            }
            Command::Ehlo(name) => {
                let capabilities = self.capabilities(&name);
                self.greet(name, Protocol::Esmtp);
                self.answer(Reply::multi(250, capabilities)).await
            }
            Command::Mail(mail) => self.mail(mail).await,
            Command::Rcpt(path) => self.rcpt(path).await,
            Command::Data => self.data().await,
            Command::Rset => {
                self.transaction = None;
                self.say(250, "OK").await
            }
            Command::Noop => self.say(250, "OK").await,
            Command::Quit => {
                let _ = self.say(221, "closing connection").await;
                Err(Over)
            }
            // RFC 5321, 3.5.3: who exists here is not told to strangers.
            Command::Vrfy(_) => {
                self.say(252, "Cannot VRFY user, but will accept message and attempt delivery").await
            }
            Command::Expn(_) => self.refuse(Reply::new(502, "command not implemented")).await,
            Command::Help(_) => {
                self.say(214, "Commands: HELO EHLO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP AUTH").await
            }
            Command::Auth { mechanism, initial_response } => self.auth(&mechanism, initial_response).await,
        }
    }

    fn greet(&mut self, name: String, protocol: Protocol) {
        self.hello = Some(Hello { name, protocol });
        self.transaction = None;
    }

    fn capabilities(&self, name: &str) -> Vec<String> {
        let mut lines = vec![format!("{} Hello [{name}]", self.core.config.host)];
        lines.push(match self.core.config.limits.message_size {
            Some(octets) => format!("SIZE {octets}"),
            None => "SIZE 0".to_owned(),
        });
        if self.core.config.release.offers_eight_bit_mime() {
            lines.push("8BITMIME".to_owned());
        }
        lines.push(format!("AUTH {}", sasl::MECHANISMS.join(" ")));
        lines.push("HELP".to_owned());
        lines
    }

    async fn mail(&mut self, mail: Mail) -> Go {
        if self.hello.is_none() {
            return self.refuse(Reply::new(503, "say HELO or EHLO first")).await;
        }
        if self.admission == Admission::AuthenticationRequired && self.account.is_none() {
            return self.refuse(Reply::new(530, "Authentication required")).await;
        }
        if self.transaction.is_some() {
            return self.refuse(Reply::new(503, "a message is being sent: end it, or say RSET")).await;
        }
        if let (Some(size), Some(limit)) = (mail.size, self.core.config.limits.message_size)
            && size > limit.get()
        {
            return self.refuse(too_large(limit.get())).await;
        }
        let reply = format!("OK - mail from {}", mail.reverse_path);
        self.transaction = Some(Transaction { mail, recipients: Vec::new() });
        self.say(250, &reply).await
    }

    async fn rcpt(&mut self, path: ForwardPath) -> Go {
        let Some(transaction) = &self.transaction else {
            return self.refuse(Reply::new(503, "say MAIL first")).await;
        };
        if transaction.recipients.len() >= self.core.config.limits.recipients {
            let full = "Requested action not taken: Exceed Recipient Limit";
            return self.answer(Reply::new(452, full)).await;
        }
        let recipient = path.into_address(&self.core.config.host);
        let onward = self.core.route(recipient.domain()) != Route::Inbound;
        if onward && !relay::may_relay(&self.core.config.relay, self.client, self.account.as_deref()) {
            let client = self.hello.as_ref().map(|hello| hello.name.clone()).unwrap_or_default();
            Event::RelayRefused { client, recipient: recipient.clone() }.log();
            return self.refuse(Reply::new(550, format!("relaying prohibited: {recipient}"))).await;
        }
        let reply = format!("OK - Recipient <{recipient}>");
        if let Some(transaction) = &mut self.transaction {
            transaction.recipients.push(recipient);
        }
        self.say(250, &reply).await
    }

    async fn data(&mut self) -> Go {
        let ready = self.transaction.take_if(|transaction| !transaction.recipients.is_empty());
        let (Some(hello), Some(transaction)) = (self.hello.clone(), ready) else {
            return self.refuse(Reply::new(503, "say MAIL and RCPT first")).await;
        };
        let envelope = Envelope {
            reverse_path: transaction.mail.reverse_path,
            recipients: transaction.recipients,
            received: self.core.now(),
            origin: Origin::Client {
                address: self.client,
                helo: hello.name.clone(),
                account: self.account.clone(),
            },
            next_hop: None,
        };
        let mut work = match self.begin(&envelope, &hello).await {
            Ok(work) => work,
            Err(error) => return self.no_room(&error).await,
        };
        self.say(354, "Send data. End with CRLF.CRLF").await?;
        if self.receive(&mut work).await.is_err() {
            // Cut off: never answered, so the client still has it. Leftovers of `work/` go at the next start.
            let _ = work.draft.discard().await;
            return Err(Over);
        }
        self.end_of_data(envelope, work).await
    }

    /// Opens the draft and writes the `Received` line.
    async fn begin(&mut self, envelope: &Envelope, hello: &Hello) -> Result<Work, DiskError> {
        let mut draft = self.core.spool.draft(envelope).await?;
        let received = Received {
            helo: &hello.name,
            client: self.client,
            host: &self.core.config.host,
            protocol: hello.protocol,
            release: self.core.config.release,
            id: draft.id(),
            when: envelope.received,
        };
        let line = received.to_line();
        draft.append(&line).await?;
        Ok(Work { draft, beginning: Vec::new(), octets: 0, reader: DataReader::new(), failure: None })
    }

    /// Reads the message to its end, whatever is wrong with it.
    async fn receive(&mut self, work: &mut Work) -> Go {
        let limit = self.core.config.limits.message_size.map_or(u64::MAX, std::num::NonZeroU64::get);
        let mut chunk = Vec::new();
        while !work.reader.has_ended() {
            match timeout(DATA_TIME, self.wire.read_data(&mut work.reader, &mut chunk)).await {
                Ok(read) => read?,
                Err(_) => return Err(self.part_from_the_silent().await),
            }
            work.octets += chunk.len() as u64;
            let room = (report::RETURN_LIMIT + 1).saturating_sub(work.beginning.len());
            work.beginning.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if work.octets <= limit && work.failure.is_none() {
                work.failure = work.draft.append(&chunk).await.err();
            }
        }
        Ok(())
    }

    /// Admits the message, makes it durable and answers for it.
    async fn end_of_data(&mut self, envelope: Envelope, work: Work) -> Go {
        let limit = self.core.config.limits.message_size;
        let flaws = work.reader.flaws();
        if flaws.long_line {
            let _ = work.draft.discard().await;
            let limit = TEXT_LINE_LIMIT;
            return self.say(552, &format!("a line of the message is longer than {limit} octets")).await;
        }
        if flaws.bare_cr || flaws.bare_lf {
            let _ = work.draft.discard().await;
            let _ = self.say(554, "bare CR or LF in the message: lines end in CR LF").await;
            return Err(Over);
        }
        if let Some(limit) = limit.filter(|limit| work.octets > limit.get()) {
            let _ = work.draft.discard().await;
            return self.answer(too_large(limit.get())).await;
        }
        if let Some(error) = work.failure {
            let _ = work.draft.discard().await;
            return self.no_room(&error).await;
        }
        let admitted = submission::check(
            &self.core.config.submission,
            &self.core.directory,
            self.account.as_deref(),
            &envelope.reverse_path,
        );
        if let Err(refusal) = admitted {
            let _ = work.draft.discard().await;
            return self.refuse_submission(&envelope, &work.beginning, refusal).await;
        }
        let id = work.draft.id().clone();
        match work.draft.commit().await {
            Ok(id) => {
                self.core.arrived(id.clone());
                self.log_received(&id, &envelope);
                self.say(250, &format!("OK {id}")).await
            }
            Err(error) => {
                Event::CommitFailed { id, why: error.to_string() }.log();
                self.answer(Reply::new(451, "the message could not be stored, try again later")).await
            }
        }
    }

    /// The refusal of the submission policy: the administrator is told, then the client.
    async fn refuse_submission(&mut self, envelope: &Envelope, content: &[u8], refusal: Refusal) -> Go {
        if let Refusal::AccountMismatch { account, sender } = &refusal {
            Event::SenderMismatch { account: account.clone(), sender: sender.clone() }.log();
        }
        let failed = |recipient: &Address| Failure { recipient: recipient.clone(), why: refusal.reason() };
        let failures: Vec<Failure> = envelope.recipients.iter().map(failed).collect();
        let id = SpoolId::draw(&*self.core.env.entropy);
        let (core, way) = (&self.core, Direction::Inbound);
        if let Err(error) = filing::notify_administrator(core, way, envelope, content, &failures, &id).await {
            Event::ReportFailed { id, why: error.to_string() }.log();
        }
        self.say(Refusal::CODE, &refusal.to_string()).await
    }

    fn log_received(&self, id: &SpoolId, envelope: &Envelope) {
        let client = self.hello.as_ref().map(|hello| hello.name.clone()).unwrap_or_default();
        Event::Received {
            id: id.clone(),
            from: envelope.reverse_path.clone(),
            client,
            recipients: envelope.recipients.len(),
        }
        .log();
    }

    async fn auth(&mut self, mechanism: &str, initial_response: Option<String>) -> Go {
        if self.account.is_some() || self.transaction.is_some() {
            return self.refuse(Reply::new(503, "not now")).await;
        }
        if self.hello.as_ref().is_none_or(|hello| hello.protocol == Protocol::Smtp) {
            return self.refuse(Reply::new(503, "say EHLO first")).await;
        }
        let Some(exchanged) = self.exchange(mechanism, initial_response).await? else { return Ok(()) };
        match exchanged {
            Ok(credentials) => {
                // Nobody may act as another: an authorization identity must be the account itself (RFC 4616, 2).
                let own =
                    credentials.authorization.as_ref().is_none_or(|other| *other == credentials.account);
                let known = self.core.directory.authenticate(&credentials.account, &credentials.password);
                if own && known.is_some() {
                    self.account = Some(credentials.account);
                    return self.say(235, "authentication successful").await;
                }
                let client = self.hello.as_ref().map(|hello| hello.name.clone()).unwrap_or_default();
                Event::AuthenticationFailed { account: credentials.account, client }.log();
                self.failed_authentications += 1;
                if self.failed_authentications >= FAILED_AUTHENTICATIONS {
                    let _ = self.say(421, "too many failed authentications, closing connection").await;
                    return Err(Over);
                }
                self.refuse(Reply::new(535, "authentication failed")).await
            }
            Err(error) => self.refuse(Reply::new(error.reply_code(), error.to_string())).await,
        }
    }

    /// The challenges and responses of one authentication (RFC 4954, 4); nothing if a response was no line, which
    /// the client has been told.
    async fn exchange(
        &mut self,
        mechanism: &str,
        initial_response: Option<String>,
    ) -> Result<Option<Result<Credentials, SaslError>>, Over> {
        let mut step = sasl::start(mechanism, initial_response.as_deref());
        loop {
            match step {
                Ok(Step::Challenge(challenge, exchange)) => {
                    self.say(334, &challenge).await?;
                    let Some(line) = self.hear(AUTH_LIMIT).await? else { return Ok(None) };
                    step = exchange.respond(&String::from_utf8_lossy(&line));
                }
                Ok(Step::Credentials(credentials)) => return Ok(Some(Ok(credentials))),
                Err(error) => return Ok(Some(Err(error))),
            }
        }
    }

    async fn no_room(&mut self, error: &DiskError) -> Go {
        Event::SpoolUnusable { why: error.to_string() }.log();
        self.answer(Reply::new(452, "the message cannot be stored now, try again later")).await
    }

    /// Answers a command that cannot be obeyed, and counts it.
    async fn refuse(&mut self, reply: Reply) -> Go {
        self.errors += 1;
        self.answer(reply).await
    }

    async fn say(&mut self, code: u16, text: &str) -> Go {
        self.answer(Reply::new(code, text)).await
    }

    async fn answer(&mut self, reply: Reply) -> Go {
        Ok(timeout(COMMAND_TIME, self.wire.write(&reply.to_bytes())).await.map_err(|_| Over)??)
    }
}

/// A message on its way into `work/`.
struct Work {
    draft: Draft,
    /// Its beginning, for a report on a refusal: enough of it to say whether it is too large to return whole.
    beginning: Vec<u8>,
    octets: u64,
    reader: DataReader,
    failure: Option<DiskError>,
}

fn too_large(limit: u64) -> Reply {
    Reply::new(552, format!("the message is too large: the limit is {limit} octets"))
}
