//! A name server that answers anything.

use std::collections::VecDeque;
use std::future::ready;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use gateway::config::DnsConfig;
use gateway::dns::{Resolver, StubResolver};
use gateway::env::{IoFuture, Listener, Net, Stream, UdpSocket};
use tokio::io::ReadBuf;

use super::machine::{Machine, Scripted, run};

/// Whatever a name server answers, there is an end to asking. The octets come after the question that they are an answer
/// to, with its number: the flags first. Over TCP they are all that comes.
pub fn dns(octets: &[u8]) {
    let machine = Machine::new(Server(octets.to_vec()));
    run(async {
        let config = DnsConfig { servers: vec![SocketAddr::from(([192, 0, 2, 53], 53))] };
        let resolver = StubResolver::new(&config, &machine.env()).unwrap();
        let _ = resolver.mail_exchangers(&"contoso.test".parse().unwrap()).await;
        let _ = resolver.addresses("mx.contoso.test").await;
    });
}

struct Server(Vec<u8>);

impl Net for Server {
    fn connect(&self, _: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(ready(Ok(Box::new(Scripted::new(&self.0)) as Box<dyn Stream>)))
    }

    fn listen(&self, _: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(ready(Err(ErrorKind::AddrInUse.into())))
    }

    fn bind_udp(&self, _: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        let socket = Socket { answer: self.0.clone(), answers: Mutex::default() };
        Box::pin(ready(Ok(Box::new(socket) as Box<dyn UdpSocket>)))
    }
}

struct Socket {
    answer: Vec<u8>,
    answers: Mutex<Answers>,
}

/// The answers that are on their way, and who waits for the next.
#[derive(Default)]
struct Answers {
    datagrams: VecDeque<(Vec<u8>, SocketAddr)>,
    waiting: Option<Waker>,
}

impl UdpSocket for Socket {
    fn poll_send_to(&self, _: &mut Context<'_>, datagram: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        // A question: the number, ten octets, and a name, its type and its class.
        let mut answers = self.answers.lock().unwrap();
        let (head, rest) = self.answer.split_at(self.answer.len().min(10));
        let name =
            datagram[12..].iter().position(|octet| *octet == 0).map_or(datagram.len(), |at| 12 + at + 5);
        let question = &datagram[12..name.min(datagram.len())];
        answers.datagrams.push_back(([&datagram[..2], head, question, rest].concat(), to));
        answers.waiting.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(datagram.len()))
    }

    fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        let mut answers = self.answers.lock().unwrap();
        match answers.datagrams.pop_front() {
            Some((answer, from)) => {
                buf.put_slice(&answer[..answer.len().min(buf.remaining())]);
                Poll::Ready(Ok(from))
            }
            None => {
                answers.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([192, 0, 2, 1], 40_000)))
    }
}
