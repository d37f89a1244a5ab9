//! False answers of name servers, and a gateway that believes them: its mail goes to a stranger, and an oracle says so.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use gateway::dns::StubResolver;
use gateway::env::{BoxFuture, Env, IoFuture, Listener, Net, Stream, UdpSocket};
use gateway::extension::Registry;
use gateway::release::Release;
use gateway::service::{Exit, Gateway};
use hickory_proto::op::Message;
use sim::engine::Leap;
use sim::oracle::judge;
use sim::record::Record;
use sim::run::{run, run_subject};
use sim::scenario::Scenario;
use sim::subject::{Process, Subject};
use sim::trace::Keep;
use tokio::io::ReadBuf;

fn scenario(name: &str, answer: &str) -> Scenario {
    let text = format!(
        r#"
        title = "A false answer"
        starts = "2026-03-02T08:00:00Z"
        duration = "2h"
        seed = 7
        releases = ["current"]
        [gateway]
        name = "gw.contoso.test"
        address = "192.0.2.25"
        [gateway.config]
        relay = {{ networks = ["198.51.100.7"] }}
        delivery = {{ retry = ["1m"] }}
        [[client]]
        name = "mail.fabrikam.test"
        address = "198.51.100.7"
        message = [{{ name = "m1", at = "10s", from = "alice@fabrikam.test", to = ["dave@partner.test"], subject = "Hello" }}]
        [[server]]
        name = "mx.partner.test"
        address = "203.0.113.1"
        domains = ["partner.test"]
        [[fault]]
        kind = "dns"
        name = "{name}"
        answer = "{answer}"
        until = "10m"
        "#
    );
    Scenario::parse("false", "false.toml", &text).unwrap()
}

fn taken<'a>(record: &'a Record, server: &str) -> &'a [sim::mailbag::Item] {
    &record.end.servers.iter().find(|(name, _)| name == server).unwrap().1
}

/// The shipped gateway, but for a resolver that takes any answer for the one to its question.
struct Gullible;

impl Subject for Gullible {
    fn run(&self, process: Process) -> BoxFuture<'_, Result<Exit, String>> {
        Box::pin(async move {
            let net = Arc::new(GullibleNet(Arc::clone(&process.env.net)));
            let env = Env { net, ..process.env.clone() };
            let config = process.plan.gateway.config.clone();
            let names = Arc::new(StubResolver::new(&config.dns, &env).unwrap());
            let gateway = Gateway::start(config, process.env, names, &Registry::builtin()).await;
            let gateway = gateway.map_err(|error| error.to_string())?;
            Ok(gateway.run(process.stop).await)
        })
    }
}

struct GullibleNet(Arc<dyn Net>);

impl Net for GullibleNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        self.0.connect(to)
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        self.0.listen(on)
    }

    fn bind_udp(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        Box::pin(async move {
            let socket = self.0.bind_udp(on).await?;
            Ok(Box::new(GullibleSocket { socket, asked: Mutex::default() }) as Box<dyn UdpSocket>)
        })
    }
}

struct GullibleSocket {
    socket: Box<dyn UdpSocket>,
    asked: Mutex<Option<Message>>,
}

impl UdpSocket for GullibleSocket {
    fn poll_send_to(&self, cx: &mut Context<'_>, octets: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        *self.asked.lock().unwrap() = Message::from_vec(octets).ok();
        self.socket.poll_send_to(cx, octets, to)
    }

    fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        let from = ready!(self.socket.poll_recv_from(cx, buf));
        let asked = self.asked.lock().unwrap().clone().unwrap();
        let mut answer = Message::from_vec(buf.filled()).unwrap();
        (answer.metadata.id, answer.queries) = (asked.metadata.id, asked.queries);
        buf.clear();
        buf.put_slice(&answer.to_vec().unwrap());
        Poll::Ready(from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

#[test]
fn a_gateway_that_believes_a_false_answer_is_found_out() {
    for answer in ["wrong-id", "wrong-question", "spoofed"] {
        for name in ["partner.test", "mx.partner.test"] {
            let scenario = scenario(name, answer);
            let plan = scenario.plan(Release::Current, scenario.seed());
            let record = run_subject(&plan, &(Arc::new(Gullible) as Arc<_>), &Leap, Keep::Digest).unwrap();
            assert_eq!(taken(&record, "stranger.test").len(), 1, "{answer} of {name}");
            let findings = judge(&plan, &record);
            let causes: Vec<_> = findings.iter().map(|finding| (finding.oracle, &*finding.cause)).collect();
            assert_eq!(causes, [("policy", "a message went to a host to which nothing leads")]);
        }
    }
}

#[test]
fn the_gateway_believes_none() {
    for answer in ["wrong-id", "wrong-question", "spoofed"] {
        let scenario = scenario("partner.test", answer);
        let plan = scenario.plan(Release::Current, scenario.seed());
        let record = run(&plan, &Leap, Keep::Digest).unwrap();
        let counts = ["stranger.test", "mx.partner.test"].map(|server| taken(&record, server).len());
        assert_eq!(counts, [0, 1], "{answer}");
        assert!(record.bites[0].times > 0 && judge(&plan, &record).is_empty(), "{answer}");
    }
}
