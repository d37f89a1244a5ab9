//! A mail server: takes every message for any recipient and keeps it, but for the [lapses](super::lapses) that the plan
//! has for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use gateway::env::Connection;
use smtp_proto::{MAIL_SMTPUTF8, Request};
use tokio::time::{sleep, timeout};

use super::dialogue::Dialogue;
use super::hand_back::HandBack;
use super::lapses::{Lapses, Said};
use crate::engine::Seat;
use crate::fault::{ServerDoes, Stage};
use crate::mailbag::{self, Item};
use crate::plan::{Offer, ServerPlan};
use crate::record::What;
use crate::scene::Scene;

/// What a server took, shared with who reads it at the end of the run. It is on the server's disk: a reboot changes
/// nothing.
pub(crate) type Taken = Arc<Mutex<Vec<(Item, Vec<String>)>>>;

/// The software of a mail server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) machine: Arc<str>,
    pub(crate) scene: Scene,
    pub(crate) taken: Taken,
    /// How many connections it has ever accepted.
    pub(crate) connections: Arc<Mutex<u64>>,
}

/// What an address past ASCII is answered.
const NO_UTF8: &str = "553 5.6.7 no address past ASCII here";

/// A command without an original recipient in Unicode (RFC 6533), which the library below does not know.
fn without_utf8_orcpt(line: &[u8]) -> Vec<u8> {
    const PARAMETER: &[u8] = b" ORCPT=utf-8;";
    match line.windows(PARAMETER.len()).position(|octets| octets == PARAMETER) {
        None => line.to_vec(),
        Some(at) => {
            let length = line[at + 1..].iter().position(|octet| *octet == b' ');
            let rest = length.map_or(&[][..], |length| &line[at + 1 + length..]);
            [&line[..at], rest].concat()
        }
    }
}

/// A message that is being handed over.
#[derive(Default)]
struct Transaction {
    from: String,
    recipients: Vec<String>,
    /// Whether a recipient was asked for.
    asked: bool,
    /// Whether it may have addresses past ASCII: that was offered, and declared.
    is_international: bool,
}

impl Server {
    pub(crate) fn new(machine: &Arc<str>, taken: &Taken, scene: &Scene) -> Self {
        Server {
            machine: Arc::clone(machine),
            scene: scene.clone(),
            taken: Arc::clone(taken),
            connections: Arc::default(),
        }
    }

    /// Serves until the run ends.
    pub(crate) async fn run(self, seat: Seat) {
        let on: IpAddr = match self.plan().map(|server| server.address) {
            Some(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
            _ => Ipv4Addr::UNSPECIFIED.into(),
        };
        let mut listener =
            seat.net.listen(SocketAddr::from((on, 25))).await.expect("nothing else listens on a mail server");
        loop {
            if let Ok(Connection { stream, .. }) = listener.accept().await {
                let nth = self.next_connection();
                let lapses = Lapses::of(&self.scene, &self.machine, nth);
                let (server, own_seat) = (self.clone(), seat.clone());
                seat.spawn.spawn(
                    "mail server session",
                    Box::pin(async move {
                        let mut dialogue = Dialogue::new(stream);
                        if lapses.has(|does| *does == ServerDoes::Drips) {
                            dialogue.drip();
                        }
                        // A connection that breaks ends its session; what was not acknowledged was not taken.
                        let _ = server.session(dialogue, &lapses, &own_seat, nth).await;
                    }),
                );
            }
        }
    }

    /// What the plan says of it.
    pub(super) fn plan(&self) -> Option<&ServerPlan> {
        self.scene.plan.servers.iter().find(|server| server.name == self.machine)
    }

    fn next_connection(&self) -> u64 {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        *connections += 1;
        *connections
    }

    async fn session(
        &self,
        mut dialogue: Dialogue,
        lapses: &Lapses,
        seat: &Seat,
        nth: u64,
    ) -> std::io::Result<()> {
        // What it calls itself over TLS: by the certificate that it has shown.
        let mut name = None;
        let greeting = format!("220 {} ESMTP", self.machine);
        let mut said = lapses.reply(&mut dialogue, Stage::Connection, &[&greeting]).await?;
        let mut transaction = Transaction::default();
        // How many messages it has taken over this connection, and whether the last was only just.
        let (mut messages, mut is_between) = (0, false);
        while said != Said::Nothing {
            let line = match lapses.closes_after().filter(|_| is_between) {
                None => dialogue.line().await,
                Some(after) => timeout(after, dialogue.line()).await.unwrap_or_else(|_| {
                    lapses.has(|does| matches!(does, ServerDoes::ClosesBetweenMessages { .. }));
                    Ok(None)
                }),
            };
            let Some(line) = line? else { break };
            is_between = false;
            let talk = &mut dialogue;
            said = match Request::parse(&mut [&without_utf8_orcpt(&line)[..], b"\r\n"].concat().iter()) {
                Ok(Request::Ehlo { .. }) => {
                    let greeting = format!("250-{}", name.unwrap_or(&*self.machine));
                    let mut lines = vec![greeting.as_str(), "250-8BITMIME"];
                    lines.extend(self.offers(lapses));
                    lines.extend((name.is_none() && self.offers_tls(lapses)).then_some("250-STARTTLS"));
                    lines.push("250 SIZE");
                    lapses.reply(talk, Stage::Ehlo, &lines).await?
                }
                Ok(Request::Helo { .. }) => lapses.reply_to_helo(talk, &["250 OK"]).await?,
                Ok(Request::StartTls) if name.is_none() && self.has_tls(lapses) => {
                    let said = self.starttls(talk, lapses, nth).await?;
                    if said == Said::AsDue {
                        name = Some(lapses.certificate().called(&self.machine));
                        transaction = Transaction::default();
                    }
                    said
                }
                Ok(Request::Noop { .. }) => {
                    dialogue.say("250 OK").await?;
                    Said::AsDue
                }
                Ok(Request::Mail { .. }) if lapses.has_enough(messages) => {
                    dialogue.say("421 4.7.0 too many messages for one connection").await?;
                    Said::Nothing
                }
                Ok(Request::Mail { from }) => {
                    let is_declared = from.flags & MAIL_SMTPUTF8 != 0;
                    let is_international = is_declared && self.offers_smtputf8(lapses);
                    if self.refuses(&from.address, is_international, lapses)
                        || is_declared && !is_international
                    {
                        dialogue.say(NO_UTF8).await?;
                        continue;
                    }
                    if messages == 1 {
                        self.scene.points.reached(super::SEVERAL_ON_ONE_CONNECTION);
                    }
                    let said = lapses.reply(talk, Stage::Mail, &["250 OK"]).await?;
                    let from = from.address.into_owned();
                    transaction = Transaction { from, is_international, ..Transaction::default() };
                    said
                }
                Ok(Request::Rcpt { to }) => {
                    if self.refuses(&to.address, transaction.is_international, lapses) {
                        transaction.asked = true;
                        dialogue.say(NO_UTF8).await?;
                        continue;
                    }
                    let is_first = !std::mem::replace(&mut transaction.asked, true);
                    if lapses.would(|does| *does == ServerDoes::GrantsData) {
                        dialogue.say("550 5.1.1 no such user").await?;
                        continue;
                    }
                    let said = lapses.reply_to_rcpt(talk, is_first, &["250 OK"]).await?;
                    if said == Said::AsDue {
                        transaction.recipients.push(to.address.into_owned());
                    }
                    said
                }
                Ok(Request::Data)
                    if transaction.asked && lapses.has(|does| *does == ServerDoes::GrantsData) =>
                {
                    dialogue.say("354 go ahead").await?;
                    while dialogue.line().await?.is_some_and(|line| line != b".") {}
                    self.scene.points.reached(super::DATA_GRANTED_IN_VAIN);
                    dialogue.say("554 5.5.1 no valid recipients").await?;
                    Said::AsDue
                }
                Ok(Request::Data) if transaction.recipients.is_empty() => {
                    dialogue.say("503 no recipients").await?;
                    Said::AsDue
                }
                Ok(Request::Data) => match lapses.reply(talk, Stage::Data, &["354 go ahead"]).await? {
                    Said::AsDue => {
                        let said = self.message(talk, lapses, seat, std::mem::take(&mut transaction)).await?;
                        is_between = said == Said::AsDue;
                        messages += u64::from(is_between);
                        said
                    }
                    said => said,
                },
                Ok(Request::Rset) => {
                    transaction = Transaction::default();
                    dialogue.say("250 OK").await?;
                    Said::AsDue
                }
                Ok(Request::Quit) => {
                    lapses.reply(talk, Stage::Quit, &["221 bye"]).await?;
                    Said::Nothing
                }
                Ok(_) | Err(_) => {
                    dialogue.say("500 not understood").await?;
                    Said::AsDue
                }
            };
        }
        Ok(())
    }

    /// What it offers beside 8BITMIME and SIZE.
    fn offers(&self, lapses: &Lapses) -> Vec<&'static str> {
        let plan = self.plan();
        let offers = |offer| plan.is_some_and(|server| server.offers.contains(&offer));
        let pipelining = offers(Offer::Pipelining) || lapses.would(|does| *does == ServerDoes::GrantsData);
        if offers(Offer::Smtputf8) {
            lapses.has(|does| *does == ServerDoes::WithdrawsUtf8);
        }
        let known = [
            (pipelining, "250-PIPELINING"),
            (offers(Offer::Dsn), "250-DSN"),
            (self.offers_smtputf8(lapses), "250-SMTPUTF8"),
        ];
        known.into_iter().filter_map(|(is_offered, line)| is_offered.then_some(line)).collect()
    }

    fn offers_smtputf8(&self, lapses: &Lapses) -> bool {
        let offers = self.plan().is_some_and(|server| server.offers.contains(&Offer::Smtputf8));
        let says_so = lapses.would(|does| *does == ServerDoes::RefusesUtf8);
        (offers || says_so) && !lapses.would(|does| *does == ServerDoes::WithdrawsUtf8)
    }

    /// Whether it refuses an address: one past ASCII where there should be none, or where it would rather have none.
    fn refuses(&self, address: &str, is_international: bool, lapses: &Lapses) -> bool {
        !address.is_ascii() && (!is_international || lapses.has(|does| *does == ServerDoes::RefusesUtf8))
    }

    /// Reads a message to its end and takes it.
    async fn message(
        &self,
        dialogue: &mut Dialogue,
        lapses: &Lapses,
        seat: &Seat,
        transaction: Transaction,
    ) -> std::io::Result<Said> {
        let mut content = Vec::new();
        let (mut early, mut stalled) = (Said::AsDue, false);
        loop {
            let Some(line) = dialogue.line().await? else { return Ok(Said::Nothing) };
            if line == b"." {
                break;
            }
            if content.is_empty() {
                early = lapses.reply(dialogue, Stage::Content, &[]).await?;
                if early == Said::Nothing {
                    return Ok(Said::Nothing);
                }
                if let Some(by) = lapses.stalls() {
                    sleep(by).await;
                    stalled = true;
                }
            }
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            content.extend_from_slice(b"\r\n");
        }
        if early == Said::Otherwise {
            // It has said all that it has to say of this message.
            return Ok(early);
        }
        if stalled {
            self.scene.points.reached(super::WENT_ON_AFTER_A_STALL);
        }
        if !lapses.keep_the_message() {
            return lapses.reply(dialogue, Stage::FinalDot, &[]).await;
        }
        self.keep(&content, &transaction);
        let said = lapses.reply(dialogue, Stage::FinalDot, &["250 taken"]).await;
        if lapses.has(|does| *does == ServerDoes::HandsBack) {
            let Transaction { from, recipients, .. } = transaction;
            let back = HandBack { server: self.clone(), from, recipients, content };
            let net = Arc::clone(&seat.net);
            seat.spawn.spawn("handing back", Box::pin(async move { back.run(&*net).await }));
        }
        if !matches!(said, Ok(Said::AsDue)) {
            self.scene.points.reached(super::KEPT_AND_BROKE_OFF);
        }
        said
    }

    fn keep(&self, content: &[u8], transaction: &Transaction) {
        let item = mailbag::identify(content);
        let recipients = &transaction.recipients;
        let entry = What::Accepted { message: item.kind.to_string(), recipients: recipients.clone() };
        self.scene.journal.note(&self.machine, entry);
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push((item, recipients.clone()));
    }
}
