//! A name server: it answers from the plan's names, over UDP and TCP (RFC 1035), but for what the plan has it say
//! instead.
//!
//! It does the searching for those who ask it, and answers a question about one name. What it says may be kept for a
//! minute, and so may that there is nothing.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway::env::{Connection, Stream, UdpSocket};
use hickory_proto::op::{Edns, Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, MX, NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use super::names::{CHAIN, Names, lie};
use crate::engine::Seat;
use crate::fault::DnsAnswer;
use crate::scene::Scene;

/// How long an answer may be kept, in seconds: less than what drawn gateways wait between two tries, so that most of
/// these ask anew.
pub(crate) const TTL: u32 = 60;

/// How long a slow answer takes: less than a resolver waits.
const SLOW: Duration = Duration::from_secs(3);

/// Where it listens.
const PORT: u16 = 53;

/// The longest question that it reads: a name, and what goes with it.
const QUESTION: usize = 1232;

/// What stands before a name on the way to which there are others.
const LINK: &str = "cname";

/// What stands before two names that lead to each other.
const LOOP: [&str; 2] = ["round", "about"];

/// How a question came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Udp,
    Tcp,
}

/// The software of a name server.
#[derive(Clone)]
pub(crate) struct NameServer {
    scene: Scene,
    /// What was asked while a line of the plan left it without a proper answer.
    unanswered: Arc<Mutex<BTreeSet<(String, RecordType)>>>,
}

impl NameServer {
    pub(crate) fn new(scene: &Scene) -> Self {
        NameServer { scene: scene.clone(), unanswered: Arc::default() }
    }

    /// Serves until the run ends.
    pub(crate) async fn run(self, seat: Seat) {
        let on = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
        let mut listener = seat.net.listen(on).await.expect("nothing else listens on a name server");
        let socket = seat.net.bind_udp(on).await.expect("nothing else has a socket on a name server");
        let (server, spawn) = (self.clone(), Arc::clone(&seat.spawn));
        seat.spawn.spawn(
            "name server, TCP",
            Box::pin(async move {
                loop {
                    if let Ok(Connection { stream, .. }) = listener.accept().await {
                        let server = server.clone();
                        // A connection that breaks is nobody's loss.
                        let session = async move { server.session(stream).await.unwrap_or_default() };
                        spawn.spawn("name server session", Box::pin(session));
                    }
                }
            }),
        );
        let socket: Arc<dyn UdpSocket> = socket.into();
        let mut question = [0; QUESTION];
        loop {
            let Ok((octets, from)) = socket.recv_from(&mut question).await else { continue };
            let Ok(question) = Message::from_vec(&question[..octets]) else { continue };
            let Some(answer) = self.answer(&question, Way::Udp) else { continue };
            let socket = Arc::clone(&socket);
            let send = async move {
                sleep(answer.after).await;
                for datagram in answer.datagrams {
                    // What does not go out is lost, as on the way.
                    let _ = socket.send_to(&datagram, from).await;
                }
            };
            match answer.after {
                Duration::ZERO => send.await,
                _ => seat.spawn.spawn("slow answer", Box::pin(send)),
            }
        }
    }

    /// Answers one question after another, each with its length before it (RFC 1035, 4.2.2).
    async fn session(&self, mut stream: Box<dyn Stream>) -> io::Result<()> {
        loop {
            let mut question = vec![0; stream.read_u16().await?.into()];
            stream.read_exact(&mut question).await?;
            let Ok(question) = Message::from_vec(&question) else { return Ok(()) };
            let Some(answer) = self.answer(&question, Way::Tcp) else { continue };
            sleep(answer.after).await;
            for message in answer.datagrams {
                let length = u16::try_from(message.len()).map_err(io::Error::other)?;
                stream.write_all(&[&length.to_be_bytes()[..], &message].concat()).await?;
            }
        }
    }

    /// What goes back; nothing if nothing does.
    fn answer(&self, question: &Message, way: Way) -> Option<Answer> {
        let [query] = &question.queries[..] else {
            return Some(Answer::of(refusal(question, ResponseCode::FormErr)));
        };
        let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let asked = Asked { server: self, question, query, name: &name };
        let Some(lie) = lie(&self.scene, &name, |answer| asked.concerns(answer, way)) else {
            return Some(Answer::of(asked.truth()));
        };
        asked.lie(lie, way)
    }

    /// A question was left without a proper answer, and perhaps it was before.
    fn leaves_unanswered(&self, name: &str, kind: RecordType) {
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        if !unanswered.insert((name.to_owned(), kind)) {
            self.scene.points.reached(super::ASKED_AGAIN);
        }
    }
}

/// What goes back for a question.
struct Answer {
    after: Duration,
    datagrams: Vec<Vec<u8>>,
}

impl Answer {
    fn of(message: Message) -> Self {
        Answer { after: Duration::ZERO, datagrams: vec![octets(&message)] }
    }
}

fn octets(message: &Message) -> Vec<u8> {
    message.to_vec().expect("names of the plan and of a question can be written")
}

/// A question, and who is asked.
struct Asked<'a> {
    server: &'a NameServer,
    question: &'a Message,
    query: &'a Query,
    /// The name that is asked for, in lower case and without a final dot.
    name: &'a str,
}

impl Asked<'_> {
    /// Whether the question is one that such an answer is given to.
    fn concerns(&self, answer: DnsAnswer, way: Way) -> bool {
        let kind = self.query.query_type();
        match answer {
            DnsAnswer::MxToItself | DnsAnswer::NullMx => kind == RecordType::MX,
            // A domain had another exchanger, a host another address.
            DnsAnswer::OldHost => {
                let names = &self.server.scene.plan.names;
                let is_domain = names.exchangers_of(self.name).next().is_some();
                is_domain == (kind == RecordType::MX)
            }
            DnsAnswer::RefusingAddresses => {
                kind == RecordType::A && !self.records(self.name, kind).is_empty()
            }
            // What is wrong with these is wrong with a datagram.
            DnsAnswer::WrongId | DnsAnswer::WrongQuestion | DnsAnswer::Malformed | DnsAnswer::Spoofed => {
                way == Way::Udp
            }
            _ => true,
        }
    }

    fn lie(&self, lie: DnsAnswer, way: Way) -> Option<Answer> {
        let (scene, kind) = (&self.server.scene, self.query.query_type());
        let unanswered = || self.server.leaves_unanswered(self.name, kind);
        Some(match lie {
            DnsAnswer::Timeout => {
                unanswered();
                return None;
            }
            DnsAnswer::Servfail => Answer::of(refusal(self.question, ResponseCode::ServFail)),
            DnsAnswer::Nxdomain => Answer::of(self.none(ResponseCode::NXDomain)),
            DnsAnswer::NoMx => Answer::of(self.none(ResponseCode::NoError)),
            DnsAnswer::MxToItself => Answer::of(self.some([mx(10, &scene.plan.gateway.name)])),
            DnsAnswer::NullMx => Answer::of(self.some([mx(0, ".")])),
            DnsAnswer::CnameChain => Answer::of(self.some([RData::CNAME(CNAME(link(1, self.name)))])),
            DnsAnswer::CnameLoop => {
                unanswered();
                Answer::of(self.some([RData::CNAME(CNAME(beside(LOOP[0], self.name)))]))
            }
            DnsAnswer::OldHost => Answer::of(self.falsehood()),
            DnsAnswer::RefusingAddresses => {
                // The clients are there, and none of them listens.
                let refusing = scene.plan.clients.iter().take(2).map(|client| address(client.address));
                Answer::of(self.some(refusing.chain(self.records(self.name, kind))))
            }
            DnsAnswer::Lame => {
                let mut message = self.response(ResponseCode::NoError);
                message.metadata.recursion_available = false;
                let elsewhere = RData::NS(NS(absolute("ns.elsewhere.test")));
                message.add_authority(Record::from_rdata(Name::root(), TTL, elsewhere));
                Answer::of(message)
            }
            DnsAnswer::Truncated if way == Way::Tcp => {
                scene.points.reached(super::ASKED_OVER_TCP);
                Answer::of(self.truth())
            }
            DnsAnswer::Truncated => {
                let mut message = self.response(ResponseCode::NoError);
                message.metadata.truncation = true;
                Answer::of(message)
            }
            DnsAnswer::WrongId => {
                unanswered();
                Answer::of(self.forged())
            }
            DnsAnswer::WrongQuestion => {
                unanswered();
                let mut message = self.falsehood();
                message.queries = vec![Query::query(absolute("elsewhere.test"), kind)];
                Answer::of(message)
            }
            DnsAnswer::Malformed => {
                unanswered();
                let mut octets = octets(&self.truth());
                octets.truncate(octets.len() - 3);
                Answer { after: Duration::ZERO, datagrams: vec![octets] }
            }
            DnsAnswer::Spoofed => {
                scene.points.reached(super::FORGED_FIRST);
                Answer {
                    after: Duration::ZERO,
                    datagrams: vec![octets(&self.forged()), octets(&self.truth())],
                }
            }
            DnsAnswer::Slow => {
                scene.points.reached(super::ANSWERED_LATE);
                Answer { after: SLOW, ..Answer::of(self.truth()) }
            }
        })
    }

    /// What the plan's names say. A link of a chain leads to the next, and the last says what the name itself would.
    fn truth(&self) -> Message {
        let kind = self.query.query_type();
        let names = &self.server.scene.plan.names;
        if let Some(next) = next_in_the_loop(self.name, names) {
            return self.some([RData::CNAME(CNAME(next))]);
        }
        let (name, place) = linked(self.name);
        match place {
            Some(place) if place < CHAIN => return self.some([RData::CNAME(CNAME(link(place + 1, name)))]),
            Some(_) => self.server.scene.points.reached(super::CHAIN_FOLLOWED),
            None => {}
        }
        let records = self.records(name, kind);
        if !records.is_empty() {
            return self.some(records);
        }
        self.none(if names.has(name) { ResponseCode::NoError } else { ResponseCode::NXDomain })
    }

    /// The records of a name, as the plan has them.
    fn records(&self, name: &str, kind: RecordType) -> Vec<RData> {
        let names = &self.server.scene.plan.names;
        match kind {
            RecordType::MX => {
                names.exchangers_of(name).map(|found| mx(found.preference, &found.host)).collect()
            }
            RecordType::A | RecordType::AAAA => {
                let found = names.address_of(name).map(address);
                found.filter(|found| found.record_type() == kind).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// What would lead the mail to a stranger.
    fn falsehood(&self) -> Message {
        match (self.query.query_type(), &self.server.scene.plan.names.stranger) {
            (RecordType::MX, Some((name, _))) => self.some([mx(0, name)]),
            (RecordType::A, Some((_, at))) => self.some([address(*at)]),
            _ => self.none(ResponseCode::NXDomain),
        }
    }

    /// The answer of somebody who does not see the questions and would have the mail.
    fn forged(&self) -> Message {
        let mut message = self.falsehood();
        message.metadata.id = !message.metadata.id;
        message
    }

    fn response(&self, code: ResponseCode) -> Message {
        let mut message = refusal(self.question, code);
        message.add_query(self.query.clone());
        message
    }

    fn some(&self, records: impl IntoIterator<Item = RData>) -> Message {
        let mut message = self.response(ResponseCode::NoError);
        let owner = self.query.name();
        message.add_answers(records.into_iter().map(|data| Record::from_rdata(owner.clone(), TTL, data)));
        message
    }

    /// There is nothing, and it may be kept for a while that there is not (RFC 2308).
    fn none(&self, code: ResponseCode) -> Message {
        let mut message = self.response(code);
        let [server, person] = ["ns.test", "hostmaster.test"].map(absolute);
        let soa = SOA::new(server, person, 1, 3600, 600, 86_400, TTL);
        message.add_authority(Record::from_rdata(absolute("test"), TTL, RData::SOA(soa)));
        message
    }
}

/// The head of an answer.
fn refusal(question: &Message, code: ResponseCode) -> Message {
    let mut message = Message::error_msg(question.metadata.id, OpCode::Query, code);
    message.metadata.recursion_desired = question.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    if question.edns.is_some() {
        message.set_edns(Edns::new());
    }
    message
}

fn absolute(name: &str) -> Name {
    let mut name = Name::from_ascii(name).expect("what the plan names can be written as a name");
    name.set_fqdn(true);
    name
}

/// A name below another.
fn beside(label: &str, name: &str) -> Name {
    absolute(&format!("{label}.{name}"))
}

/// Where a name of a loop below one of the plan's leads.
fn next_in_the_loop(name: &str, names: &Names) -> Option<Name> {
    let (label, name) = name.split_once('.').filter(|(_, name)| names.has(name))?;
    let place = LOOP.iter().position(|known| *known == label)?;
    Some(beside(LOOP[(place + 1) % LOOP.len()], name))
}

/// A link of the chain that leads to a name.
fn link(place: u32, name: &str) -> Name {
    absolute(&format!("{LINK}{place}.{name}"))
}

/// The name that a chain leads to, and the place of the link; a name that is no link leads to itself.
fn linked(name: &str) -> (&str, Option<u32>) {
    let read = || {
        let (place, name) = name.strip_prefix(LINK)?.split_once('.')?;
        Some((name, Some(place.parse().ok()?)))
    };
    read().unwrap_or((name, None))
}

fn mx(preference: u16, host: &str) -> RData {
    RData::MX(MX::new(preference, absolute(host)))
}

fn address(address: IpAddr) -> RData {
    address.into()
}
