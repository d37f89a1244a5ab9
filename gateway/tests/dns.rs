//! The resolver on the real machine, against a small name server on its loopback.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::net::SocketAddr;
use std::sync::Arc;

use gateway::config::DnsConfig;
use gateway::dns::{DnsError, MailExchanger, Resolver, StubResolver};
use gateway::env::{Env, UdpSocket, host};
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, MX, NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What is asked: the name without its final dot, and the type of record.
type Question<'a> = (&'a str, RecordType);

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{text}.")).unwrap()
}

fn answer(to: &Message, records: &[RData]) -> Message {
    let mut message = Message::response(to.metadata.id, OpCode::Query);
    message.add_query(to.queries[0].clone());
    let owner = to.queries[0].name();
    message.add_answers(records.iter().map(|data| Record::from_rdata(owner.clone(), 60, data.clone())));
    message
}

/// There is nothing, says who knows.
fn nothing(to: &Message, code: ResponseCode) -> Message {
    let mut message = answer(to, &[]);
    message.metadata.response_code = code;
    let soa = SOA::new(name("ns.example"), name("who.example"), 1, 3600, 600, 86_400, 60);
    message.add_authority(Record::from_rdata(name("example"), 60, RData::SOA(soa)));
    message
}

fn mx(preference: u16, host: &str) -> RData {
    RData::MX(MX::new(preference, if host.is_empty() { Name::root() } else { name(host) }))
}

fn ip(text: &str) -> RData {
    text.parse::<std::net::IpAddr>().unwrap().into()
}

/// What the server sends back over UDP, one datagram after another.
fn over_udp(question: &Message) -> Vec<Message> {
    let (domain, kind) = (question.queries[0].name().to_ascii(), question.queries[0].query_type());
    let asked: Question<'_> = (domain.trim_end_matches('.'), kind);
    vec![match asked {
        ("two.example", RecordType::MX) => {
            answer(question, &[mx(20, "mx2.two.example"), mx(10, "mx1.two.example")])
        }
        ("mx1.two.example", RecordType::A) => answer(question, &[ip("192.0.2.1"), ip("192.0.2.2")]),
        ("mx1.two.example", RecordType::AAAA) => answer(question, &[ip("2001:db8::1")]),
        ("no-mail.example", RecordType::MX) => answer(question, &[mx(0, "")]),
        ("plain.example", RecordType::A) => answer(question, &[ip("192.0.2.3")]),
        ("plain.example", _) => nothing(question, ResponseCode::NoError),
        ("alias.example", kind) => match kind {
            RecordType::MX => answer(question, &[RData::CNAME(CNAME(name("two.example")))]),
            _ => nothing(question, ResponseCode::NoError),
        },
        ("neighbour.example", _) => answer(question, &[RData::CNAME(CNAME(name("house.example")))]),
        ("house.example", _) => answer(question, &[]),
        ("large.example", _) => {
            let mut message = answer(question, &[]);
            message.metadata.truncation = true;
            message
        }
        ("sick.example", _) => {
            let mut message = answer(question, &[]);
            message.metadata.response_code = ResponseCode::ServFail;
            message
        }
        ("half.example", RecordType::A) => answer(question, &[ip("192.0.2.4")]),
        ("half.example", _) => {
            let mut message = answer(question, &[]);
            message.metadata.response_code = ResponseCode::Refused;
            message
        }
        ("lame.example", _) => {
            let mut message = answer(question, &[]);
            message.add_authority(Record::from_rdata(Name::root(), 60, RData::NS(NS(name("ns.example")))));
            message
        }
        ("forged.example", _) => {
            let forged = |change: fn(&mut Message)| {
                let mut message = answer(question, &[mx(0, "mx.attacker.example")]);
                change(&mut message);
                message
            };
            return vec![
                forged(|message| message.metadata.id = !message.metadata.id),
                forged(|message| {
                    message.queries[0].set_name(name("elsewhere.example"));
                }),
                answer(question, &[mx(10, "mx1.two.example")]),
            ];
        }
        (endless, _) if endless.ends_with("endless.example") => {
            answer(question, &[RData::CNAME(CNAME(name(&format!("on.{endless}"))))])
        }
        _ => nothing(question, ResponseCode::NXDomain),
    }]
}

/// Starts the server, and gives a resolver that asks it.
async fn resolver(env: &Env) -> StubResolver {
    let (socket, mut listener) = loop {
        let socket: Arc<dyn UdpSocket> =
            env.net.bind_udp("127.0.0.1:0".parse().unwrap()).await.unwrap().into();
        // The same port for TCP, if it is free there too.
        if let Ok(listener) = env.net.listen(socket.local_addr().unwrap()).await {
            break (socket, listener);
        }
    };
    let address: SocketAddr = socket.local_addr().unwrap();
    env.spawn.spawn(
        "name server, UDP",
        Box::pin(async move {
            let mut question = [0; 1232];
            loop {
                let (octets, from) = socket.recv_from(&mut question).await.unwrap();
                let question = Message::from_vec(&question[..octets]).unwrap();
                for message in over_udp(&question) {
                    socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
                }
            }
        }),
    );
    env.spawn.spawn(
        "name server, TCP",
        Box::pin(async move {
            loop {
                let mut stream = listener.accept().await.unwrap().stream;
                let mut question = vec![0; stream.read_u16().await.unwrap().into()];
                stream.read_exact(&mut question).await.unwrap();
                let question = Message::from_vec(&question).unwrap();
                let message = answer(&question, &[mx(5, "mx.large.example")]).to_vec().unwrap();
                stream.write_u16(message.len().try_into().unwrap()).await.unwrap();
                stream.write_all(&message).await.unwrap();
            }
        }),
    );
    StubResolver::new(&DnsConfig { servers: vec![address] }, env).unwrap()
}

async fn exchangers(resolver: &StubResolver, domain: &str) -> Result<Vec<(u16, String)>, DnsError> {
    let domain = domain.parse().unwrap();
    let mut found = resolver.mail_exchangers(&domain).await?;
    found.sort();
    Ok(found.into_iter().map(|MailExchanger { preference, host }| (preference, host)).collect())
}

async fn addresses(resolver: &StubResolver, host: &str) -> Result<Vec<String>, DnsError> {
    Ok(resolver.addresses(host).await?.iter().map(ToString::to_string).collect())
}

fn mx_of(preference: u16, host: &str) -> (u16, String) {
    (preference, host.to_owned())
}

#[tokio::test]
async fn exchangers_and_the_addresses_of_both_kinds_are_found() {
    let resolver = resolver(&host::env()).await;
    let two = vec![mx_of(10, "mx1.two.example"), mx_of(20, "mx2.two.example")];
    assert_eq!(exchangers(&resolver, "two.example").await, Ok(two.clone()));
    assert_eq!(exchangers(&resolver, "alias.example").await, Ok(two));
    assert_eq!(exchangers(&resolver, "no-mail.example").await, Ok(vec![mx_of(0, "")]));
    let all = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(str::to_owned);
    assert_eq!(addresses(&resolver, "mx1.two.example").await, Ok(all.into()));
}

#[tokio::test]
async fn no_records_is_one_thing_and_no_such_name_another() {
    let resolver = resolver(&host::env()).await;
    assert_eq!(exchangers(&resolver, "plain.example").await, Ok(vec![]));
    assert_eq!(addresses(&resolver, "plain.example").await, Ok(vec!["192.0.2.3".to_owned()]));
    assert_eq!(addresses(&resolver, "alias.example").await, Ok(vec![]));
    // Its server says of neither name who answers for it.
    assert_eq!(exchangers(&resolver, "neighbour.example").await, Ok(vec![]));
    assert_eq!(exchangers(&resolver, "nowhere.example").await, Err(DnsError::NoSuchName));
    assert_eq!(addresses(&resolver, "nowhere.example").await, Err(DnsError::NoSuchName));
    let no_name = format!("{}.example", "a".repeat(64));
    assert_eq!(addresses(&resolver, &no_name).await, Err(DnsError::NoSuchName));
}

#[tokio::test]
async fn a_failure_and_a_referral_are_no_answer() {
    let resolver = resolver(&host::env()).await;
    for domain in ["sick.example", "lame.example"] {
        let answer = exchangers(&resolver, domain).await;
        assert!(matches!(answer, Err(DnsError::NoAnswer(_))), "{domain}: {answer:?}");
        let answer = addresses(&resolver, domain).await;
        assert!(matches!(answer, Err(DnsError::NoAnswer(_))), "{domain}: {answer:?}");
    }
    assert_eq!(addresses(&resolver, "half.example").await, Ok(vec!["192.0.2.4".to_owned()]));
}

#[tokio::test]
async fn what_does_not_fit_into_a_datagram_comes_over_tcp() {
    let resolver = resolver(&host::env()).await;
    assert_eq!(exchangers(&resolver, "large.example").await, Ok(vec![mx_of(5, "mx.large.example")]));
}

#[tokio::test]
async fn an_answer_under_another_number_or_to_another_question_is_passed_over() {
    let resolver = resolver(&host::env()).await;
    assert_eq!(exchangers(&resolver, "forged.example").await, Ok(vec![mx_of(10, "mx1.two.example")]));
}

#[tokio::test]
async fn names_that_lead_to_names_for_ever_are_given_up() {
    let resolver = resolver(&host::env()).await;
    let answer = exchangers(&resolver, "endless.example").await;
    assert!(matches!(answer, Err(DnsError::NoAnswer(_))), "{answer:?}");
}
