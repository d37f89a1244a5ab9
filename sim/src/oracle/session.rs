//! The SMTP dialogues of a run, read once for all oracles: who said what to whom, which reply answered which command,
//! and which messages changed hands.
//!
//! It reads what was said as RFC 5321 has it; it does not judge. Lines are paired in their order: the first reply is
//! the greeting, each further one answers the next line that the client has said. What another server says before its
//! time is what the gateway reads next.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use crate::record::{Content, Record, Speaker, TLS_BEGINS, TLS_ENDS, What};

/// One connection.
pub struct Session<'a> {
    /// The host at the other end.
    pub peer: IpAddr,
    /// Whether the other host opened it.
    pub is_inbound: bool,
    /// Its first entry in the Record, and the last at which it was open.
    pub span: [usize; 2],
    /// The greeting, and each line of the client with its reply.
    pub exchanges: Vec<Exchange<'a>>,
    /// Replies of the gateway that answer nothing, each with the number of exchanges before it.
    pub stray: Vec<(usize, Reply<'a>)>,
    /// How often the client spoke while a reply was due.
    pub hasty: usize,
    /// How often the server said more than was due, and the gateway took it for the reply to its next line.
    pub early: usize,
    /// Whether either side closed it, or the network did.
    pub is_closed: bool,
}

/// A line of the client and its reply.
pub struct Exchange<'a> {
    /// The line; empty for the greeting.
    pub command: &'a str,
    /// When it was said, as a place in the Record.
    pub index: usize,
    /// What lay before it, where it is the final dot.
    pub content: Option<Content>,
    /// Whether it was said over TLS.
    pub is_encrypted: bool,
    /// The reply, if it came.
    pub reply: Option<Reply<'a>>,
}

/// A reply.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// Its code; 0 if it is none.
    pub code: u16,
    /// Its lines.
    pub lines: Vec<&'a str>,
    /// When its last line was said, as a place in the Record.
    pub index: usize,
    /// When its last line was said.
    pub at: Duration,
    /// Whether it was said over TLS.
    pub is_encrypted: bool,
}

impl Reply<'_> {
    /// Whether it says yes.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether it offers a service extension, as the answer to EHLO.
    pub fn offers(&self, keyword: &str) -> bool {
        let has = |line: &&str| {
            let word = line.get(4..).unwrap_or_default().split(' ').next().unwrap_or_default();
            word.eq_ignore_ascii_case(keyword)
        };
        self.lines.iter().skip(1).any(has)
    }

    /// Whether it says no for good.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
}

/// A message that was sent whole, down to the final dot.
#[derive(Clone, Debug)]
pub struct Transfer<'a> {
    /// The host at the other end.
    pub peer: IpAddr,
    /// Whether the gateway was to take it, or another host.
    pub is_inbound: bool,
    /// The reverse path.
    pub sender: &'a str,
    /// Whether it was declared to be international (RFC 6531).
    pub is_declared: bool,
    /// The recipients that were admitted, in lower case.
    pub recipients: Vec<String>,
    /// What was sent.
    pub content: Content,
    /// Whether the server takes octets past ASCII (RFC 6152).
    pub takes_eight_bits: bool,
    /// Whether it was sent over TLS.
    pub is_encrypted: bool,
    /// The reply, if it came.
    pub reply: Option<Reply<'a>>,
    /// When it was begun with MAIL, as a place in the Record.
    pub begun: usize,
    /// When the final dot was said, as a place in the Record.
    pub index: usize,
}

impl Transfer<'_> {
    /// The message of the plan that it is, or the report.
    pub fn message(&self) -> Option<&str> {
        self.content.message.as_deref()
    }

    /// Whether the sending side was told that it was taken.
    pub fn is_answered(&self) -> bool {
        self.reply.as_ref().is_some_and(Reply::is_positive)
    }

    /// What the gateway says that it is called in the spool, where it was taken.
    pub fn spool_id(&self) -> Option<&str> {
        let reply = self.reply.as_ref().filter(|reply| reply.is_positive())?;
        reply.lines.last()?.rsplit(' ').next()
    }

    /// Whether it is for this recipient.
    pub fn is_for(&self, recipient: &str) -> bool {
        self.recipients.iter().any(|to| to.eq_ignore_ascii_case(recipient))
    }
}

/// Reads every dialogue, in the order in which they began.
pub(super) fn sessions(record: &Record) -> Vec<Session<'_>> {
    let mut readers: BTreeMap<u32, Reader<'_>> = BTreeMap::new();
    for (index, entry) in record.entries.iter().enumerate() {
        let What::Smtp { connection, speaker, line } = &entry.what else { continue };
        if let Some(reader) = readers.get_mut(connection) {
            reader.hear(*speaker, line, index, entry.at);
        } else if let Some((is_inbound, peer)) = opening(line) {
            readers.insert(*connection, Reader::new(is_inbound, peer, index));
        }
    }
    readers.into_values().map(|reader| reader.session).collect()
}

/// What the first line of a dialogue says: whether the other host opened it, and its address.
pub(crate) fn opening(line: &str) -> Option<(bool, IpAddr)> {
    if let Some(from) = line.strip_prefix("connection from ") {
        return Some((true, from.parse().ok()?));
    }
    let (address, _) = line.strip_prefix("connected to ")?.rsplit_once(':')?;
    Some((false, address.trim_matches(['[', ']']).parse().ok()?))
}

struct Reader<'a> {
    session: Session<'a>,
    /// The exchanges that wait for their replies.
    due: VecDeque<usize>,
    /// Replies that came before their time, from a server that the gateway talks to.
    early: VecDeque<Reply<'a>>,
    content: Option<Content>,
    lines: Vec<&'a str>,
    is_encrypted: bool,
}

impl<'a> Reader<'a> {
    fn new(is_inbound: bool, peer: IpAddr, index: usize) -> Self {
        let greeting = Exchange { command: "", index, content: None, is_encrypted: false, reply: None };
        let session = Session {
            peer: peer.to_canonical(),
            is_inbound,
            span: [index, index],
            exchanges: vec![greeting],
            stray: Vec::new(),
            hasty: 0,
            early: 0,
            is_closed: false,
        };
        let due = VecDeque::from([0]);
        let (early, content, lines) = (VecDeque::new(), None, Vec::new());
        Reader { session, due, early, content, lines, is_encrypted: false }
    }

    fn hear(&mut self, speaker: Speaker, line: &'a str, index: usize, at: Duration) {
        if !self.session.is_closed {
            self.session.span[1] = index;
        }
        match speaker {
            Speaker::Network if line == TLS_BEGINS => {
                self.is_encrypted = true;
                // Where it begins with the connection, the greeting is waited for under TLS.
                if let [greeting @ Exchange { reply: None, .. }] = &mut self.session.exchanges[..] {
                    greeting.is_encrypted = true;
                }
            }
            Speaker::Network if line == TLS_ENDS => self.is_encrypted = false,
            Speaker::Network => self.session.is_closed = true,
            Speaker::Client => {
                self.session.hasty += usize::from(!self.due.is_empty() && !self.may_go_on());
                match Content::read(line) {
                    Some(content) => self.content = Some(content),
                    None => {
                        let (content, reply) = (self.content.take(), self.early.pop_front());
                        if reply.is_none() {
                            self.due.push_back(self.session.exchanges.len());
                        }
                        let is_encrypted = self.is_encrypted;
                        self.session.exchanges.push(Exchange {
                            command: line,
                            index,
                            content,
                            is_encrypted,
                            reply,
                        });
                    }
                }
            }
            Speaker::Server => {
                self.lines.push(line);
                if line.as_bytes().get(3) == Some(&b'-') && code(line) != 0 {
                    return;
                }
                let lines = std::mem::take(&mut self.lines);
                let same = lines.iter().all(|other| code(other) == code(line));
                let code = if same { code(line) } else { 0 };
                let reply = Reply { code, lines, index, at, is_encrypted: self.is_encrypted };
                match self.due.pop_front() {
                    Some(place) => self.session.exchanges[place].reply = Some(reply),
                    None if self.session.is_inbound => {
                        self.session.stray.push((self.session.exchanges.len(), reply));
                    }
                    None => {
                        self.session.early += 1;
                        self.early.push_back(reply);
                    }
                }
            }
        }
    }
}

impl Reader<'_> {
    /// Whether the client may speak on before it is answered: behind MAIL and RCPT, where that is offered (RFC 2920,
    /// 3.1).
    fn may_go_on(&self) -> bool {
        let last = self.session.exchanges.last().map(|exchange| verb(exchange.command));
        last.is_some_and(|verb| verb == "MAIL" || verb == "RCPT") && self.session.offers("PIPELINING")
    }
}

impl Session<'_> {
    /// Whether the server offers a service extension in its last answer to EHLO or HELO.
    pub fn offers(&self, keyword: &str) -> bool {
        let is_hello = |exchange: &&Exchange<'_>| matches!(verb(exchange.command).as_str(), "EHLO" | "HELO");
        let hello = self.exchanges.iter().rev().find(is_hello).and_then(|exchange| exchange.reply.as_ref());
        hello.is_some_and(|reply| reply.offers(keyword))
    }
}

/// The code that a line begins with; 0 if it is no line of a reply.
fn code(line: &str) -> u16 {
    match line.split_at_checked(3) {
        Some((code, rest)) if rest.is_empty() || rest.starts_with([' ', '-']) => {
            code.parse().ok().filter(|code| (200..600).contains(code)).unwrap_or_default()
        }
        _ => 0,
    }
}

/// The verb of a command, in upper case.
pub(crate) fn verb(command: &str) -> String {
    command.split(' ').next().unwrap_or_default().to_ascii_uppercase()
}

/// What stands between the brackets of MAIL or RCPT.
pub(crate) fn path(command: &str) -> &str {
    match (command.find('<'), command.rfind('>')) {
        (Some(start), Some(end)) if start < end => &command[start + 1..end],
        _ => "",
    }
}

/// The parameters of MAIL or RCPT.
pub(super) fn parameters(command: &str) -> impl Iterator<Item = &str> {
    command
        .rsplit_once('>')
        .map_or("", |(_, parameters)| parameters)
        .split(' ')
        .filter(|word| !word.is_empty())
}

/// The messages that were sent whole in these sessions, in the order of their final dots.
pub(super) fn transfers<'a>(sessions: &[Session<'a>], host: &str) -> Vec<Transfer<'a>> {
    let mut transfers = Vec::new();
    for session in sessions {
        let (mut sender, mut is_declared, mut recipients) = ("", false, Vec::new());
        let mut begun = session.span[0];
        for exchange in &session.exchanges {
            let said_yes = exchange.reply.as_ref().is_some_and(Reply::is_positive);
            if let Some(content) = &exchange.content {
                transfers.push(Transfer {
                    peer: session.peer,
                    is_inbound: session.is_inbound,
                    sender,
                    is_declared,
                    recipients: std::mem::take(&mut recipients),
                    content: content.clone(),
                    takes_eight_bits: session.offers("8BITMIME"),
                    is_encrypted: exchange.is_encrypted,
                    reply: exchange.reply.clone(),
                    begun,
                    index: exchange.index,
                });
                continue;
            }
            match verb(exchange.command).as_str() {
                "MAIL" if said_yes => {
                    (sender, recipients) = (path(exchange.command), Vec::new());
                    begun = exchange.index;
                    is_declared = parameters(exchange.command).any(|word| word == "SMTPUTF8");
                }
                "RCPT" if said_yes => recipients.push(match path(exchange.command).to_ascii_lowercase() {
                    bare if bare == "postmaster" => format!("postmaster@{host}"),
                    recipient => recipient,
                }),
                "RSET" | "EHLO" | "HELO" | "STARTTLS" if said_yes => recipients.clear(),
                _ => {}
            }
        }
    }
    transfers.sort_by_key(|transfer| transfer.index);
    transfers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Entry;

    /// A dialogue with a client, or with a server, of lines that begin with who says them.
    fn dialogue(opening: &str, lines: &[&str]) -> Record {
        let entry = |speaker, line: &str| Entry {
            at: Duration::ZERO,
            machine: "gw".into(),
            what: What::Smtp { connection: 1, speaker, line: line.to_owned() },
        };
        let said = lines.iter().map(|line| match line.split_at(2) {
            ("C ", said) => entry(Speaker::Client, said),
            ("S ", said) => entry(Speaker::Server, said),
            (_, said) => entry(Speaker::Network, said),
        });
        let entries = std::iter::once(entry(Speaker::Network, opening)).chain(said).collect();
        Record { entries, ..crate::oracle::nothing() }
    }

    fn codes(session: &Session<'_>) -> Vec<(String, u16)> {
        let code = |exchange: &Exchange<'_>| exchange.reply.as_ref().map_or(0, |reply| reply.code);
        session.exchanges.iter().map(|exchange| (verb(exchange.command), code(exchange))).collect()
    }

    #[test]
    fn a_hasty_client_is_answered_line_by_line() {
        let record = dialogue(
            "connection from 192.0.2.1",
            &[
                "S 220 hi",
                "C EHLO x",
                "C MAIL FROM:<>",
                "C QUIT",
                "S 250-gw",
                "S 250 HELP",
                "S 250 OK",
                "S 221 bye",
            ],
        );
        let sessions = sessions(&record);
        let expected = [("", 220), ("EHLO", 250), ("MAIL", 250), ("QUIT", 221)];
        assert_eq!(codes(&sessions[0]), expected.map(|(verb, code)| (verb.to_owned(), code)));
        assert!(sessions[0].is_inbound && sessions[0].stray.is_empty() && sessions[0].hasty > 0);
    }

    #[test]
    fn what_another_server_says_too_early_is_read_as_its_next_reply() {
        let record = dialogue(
            "connected to 192.0.2.1:25",
            &[
                "S 220 hi",
                "C EHLO x",
                "S 250 hi",
                "S 250 hi",
                "C MAIL FROM:<>",
                "S 250 OK",
                "C RCPT TO:<a@b>",
            ],
        );
        let sessions = sessions(&record);
        let expected = [("", 220), ("EHLO", 250), ("MAIL", 250), ("RCPT", 250)];
        assert_eq!(codes(&sessions[0]), expected.map(|(verb, code)| (verb.to_owned(), code)));
        assert_eq!((sessions[0].early, sessions[0].hasty), (2, 0));
    }

    #[test]
    fn a_message_is_transferred_with_the_recipients_that_were_admitted() {
        let record = dialogue(
            "connection from ::ffff:192.0.2.1",
            &[
                "S 220 hi",
                "C EHLO x",
                "S 250 hi",
                "C MAIL FROM:<a@b> SIZE=9",
                "S 250 OK",
                "C RCPT TO:<Postmaster>",
                "S 250 OK",
                "C RCPT TO:<no@c>",
                "S 550 no",
                "C DATA",
                "S 354 go",
                "C (content of 9 octets, a long line: m1)",
                "C .",
                "S 250 OK ABCDEFGH",
            ],
        );
        let transfers = transfers(&sessions(&record), "gw");
        assert_eq!(transfers.len(), 1);
        let Transfer { sender, recipients, content, .. } = &transfers[0];
        assert_eq!((*sender, recipients.as_slice()), ("a@b", ["postmaster@gw".to_owned()].as_slice()));
        assert_eq!((content.octets, content.is_long, content.is_bare), (9, true, false));
        assert!(transfers[0].message() == Some("m1") && transfers[0].is_answered());
    }
}
