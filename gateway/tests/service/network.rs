//! The network in memory: the clients that dial the gateway, the hosts that it connects to, and their names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::address::Domain;
use gateway::dns::{DnsError, MailExchanger, Resolver};
use gateway::env::{BoxFuture, Connection, IoFuture, Listener, Net, Stream, UdpSocket};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::milter::refuse_later_greetings;

/// What a host answers at one visit to the commands that begin so. The banner answers `connect`, the final dot is
/// `.`; an answer may be `hang up` or `silence`, or begin with `slowly`; what is not in the list is answered as a host answers that takes everything.
pub(crate) type Manners = &'static [(&'static str, &'static str)];

/// How long an answer takes that is given `slowly`.
const SLOWLY: Duration = Duration::from_secs(20);

/// What a milter has heard: the letters of the commands.
pub(crate) type Heard = Arc<Mutex<String>>;

/// A connection, the address that it comes from, and the one that it is made to.
type Call = io::Result<(DuplexStream, SocketAddr, SocketAddr)>;

/// The address of the gateway that clients connect to who do not say.
const GATEWAY: &str = "192.0.2.25";

/// The network that a gateway is on. Clones are the same network.
#[derive(Clone, Default)]
pub(crate) struct Network(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    calls: Option<mpsc::UnboundedSender<Call>>,
    hosts: BTreeMap<IpAddr, VecDeque<Manners>>,
    exchangers: BTreeMap<Domain, Result<Vec<MailExchanger>, DnsError>>,
    addresses: BTreeMap<String, Vec<IpAddr>>,
    /// The names of which nobody knows the addresses now.
    unanswered: BTreeSet<String>,
    visits: Vec<Visit>,
    /// The addresses at which a connection is never answered.
    silent: BTreeSet<IpAddr>,
    /// The address of a milter, and what it has heard.
    milter: Option<(IpAddr, Heard)>,
}

/// One connection that the gateway asked for.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) at: Instant,
    pub(crate) host: IpAddr,
    /// What the gateway said there.
    pub(crate) said: Vec<String>,
}

impl Network {
    /// A mail server with an address and a name that is a mail exchanger of `domain`. It has manners for each visit;
    /// the last stay. Without any it is down.
    pub(crate) fn host(&self, domain: &str, preference: u16, name: &str, address: &str, manners: &[Manners]) {
        let mut state = self.0.lock().unwrap();
        let address = address.parse().unwrap();
        let exchangers = state.exchangers.entry(domain.parse().unwrap()).or_insert(Ok(Vec::new()));
        exchangers.as_mut().unwrap().push(MailExchanger { preference, host: name.to_owned() });
        state.addresses.entry(name.to_owned()).or_default().push(address);
        state.hosts.insert(address, manners.iter().copied().collect());
    }

    /// A name with an address at which there is no mail server.
    pub(crate) fn name(&self, name: &str, address: &str) {
        let mut state = self.0.lock().unwrap();
        state.addresses.entry(name.to_owned()).or_default().push(address.parse().unwrap());
    }

    /// What DNS says of a domain's mail exchangers.
    pub(crate) fn exchangers(&self, domain: &str, exchangers: &[(u16, &str)]) {
        let mx = |(preference, host): &(u16, &str)| MailExchanger {
            preference: *preference,
            host: (*host).to_owned(),
        };
        let answer = Ok(exchangers.iter().map(mx).collect());
        self.0.lock().unwrap().exchangers.insert(domain.parse().unwrap(), answer);
    }

    /// From now on nobody answers for this domain, or somebody does again.
    pub(crate) fn name_server_answers(&self, domain: &str, answers: bool) {
        let answer = if answers { Ok(Vec::new()) } else { Err(DnsError::NoAnswer("it is down".to_owned())) };
        self.0.lock().unwrap().exchangers.insert(domain.parse().unwrap(), answer);
    }

    /// From now on nobody says where a host is, or somebody does again.
    pub(crate) fn host_is_known(&self, name: &str, known: bool) {
        let unanswered = &mut self.0.lock().unwrap().unanswered;
        if known {
            unanswered.remove(name)
        } else {
            unanswered.insert(name.to_owned())
        };
    }

    /// From now on no connection to this address is answered.
    pub(crate) fn stay_silent(&self, address: &str) {
        self.0.lock().unwrap().silent.insert(address.parse().unwrap());
    }

    /// A milter at an address. What it hears.
    pub(crate) fn milter(&self, address: &str) -> Heard {
        let heard = Heard::default();
        self.0.lock().unwrap().milter = Some((address.parse().unwrap(), Arc::clone(&heard)));
        heard
    }

    /// The connections so far.
    pub(crate) fn visits(&self) -> Vec<Visit> {
        self.0.lock().unwrap().visits.clone()
    }

    /// A connection from a client to the gateway.
    pub(crate) fn dial(&self, from: &str) -> Client {
        self.dial_at(from, GATEWAY)
    }

    /// A connection from a client to one of the gateway's addresses.
    pub(crate) fn dial_at(&self, from: &str, to: &str) -> Client {
        let (near, far) = duplex(64 * 1024);
        let [from, to] =
            [(from, 1024), (to, 25)].map(|(ip, port)| SocketAddr::new(ip.parse().unwrap(), port));
        self.call(Ok((far, from, to)));
        Client(BufReader::new(near))
    }

    /// A connection that the gateway is not given.
    pub(crate) fn fail_a_call(&self, why: ErrorKind) {
        self.call(Err(why.into()));
    }

    fn call(&self, call: Call) {
        self.0.lock().unwrap().calls.as_ref().expect("the gateway listens").send(call).unwrap();
    }

    /// Plays the host at `address` to one connection.
    async fn serve(self, visit: usize, manners: Manners, stream: DuplexStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut line = "connect".to_owned();
        let mut in_content = false;
        loop {
            let manner = manners.iter().find(|(start, _)| line.starts_with(start)).map(|(_, reply)| *reply);
            let reply = match line.as_str() {
                "." => Some("250 taken"),
                _ if in_content => None,
                "connect" => Some("220 ready"),
                "DATA" => Some("354 go on"),
                _ => Some("250 OK"),
            };
            in_content = if line == "DATA" { manner.is_none() } else { in_content && line != "." };
            match reply.map(|reply| manner.unwrap_or(reply)) {
                Some("hang up") => return Ok(()),
                Some("silence") => std::future::pending().await,
                Some(reply) if reply.starts_with("slowly ") => {
                    sleep(SLOWLY).await;
                    stream.write_all(format!("{}\r\n", &reply["slowly ".len()..]).as_bytes()).await?;
                }
                Some(reply) => stream.write_all(format!("{reply}\r\n").as_bytes()).await?,
                None => {}
            }
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            line.truncate(line.trim_end().len());
            self.0.lock().unwrap().visits[visit].said.push(line.clone());
        }
    }
}

impl Net for Network {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(async move {
            let is_silent = {
                let mut state = self.0.lock().unwrap();
                state.visits.push(Visit { at: Instant::now(), host: to.ip(), said: Vec::new() });
                state.silent.contains(&to.ip())
            };
            if is_silent {
                std::future::pending::<()>().await;
            }
            let mut state = self.0.lock().unwrap();
            if let Some((_, heard)) = state.milter.as_ref().filter(|(address, _)| *address == to.ip()) {
                let (near, far) = duplex(64 * 1024);
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the milter is another program than the gateway"
                )]
                tokio::spawn(refuse_later_greetings(far, Arc::clone(heard)));
                return Ok(Box::new(near) as Box<dyn Stream>);
            }
            let visit = state.visits.len() - 1;
            let manners = match state.hosts.get_mut(&to.ip()) {
                Some(manners) if manners.len() > 1 => manners.pop_front(),
                Some(manners) => manners.front().copied(),
                None => None,
            };
            let manners = manners.ok_or(ErrorKind::ConnectionRefused)?;
            let (near, far) = duplex(64 * 1024);
            #[expect(clippy::disallowed_methods, reason = "the host is another machine than the gateway")]
            tokio::spawn(self.clone().serve(visit, manners, far));
            Ok(Box::new(near) as Box<dyn Stream>)
        })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        let (sender, calls) = mpsc::unbounded_channel();
        self.0.lock().unwrap().calls = Some(sender);
        Box::pin(async move { Ok(Box::new(Calls { calls, on }) as Box<dyn Listener>) })
    }

    fn bind_udp(&self, _: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        Box::pin(async { Err(ErrorKind::AddrNotAvailable.into()) })
    }
}

struct Calls {
    calls: mpsc::UnboundedReceiver<Call>,
    on: SocketAddr,
}

impl Listener for Calls {
    fn accept(&mut self) -> IoFuture<'_, Connection> {
        Box::pin(async {
            let call = self.calls.recv().await.unwrap_or(Err(ErrorKind::NotConnected.into()));
            call.map(|(stream, from, to)| Connection { stream: Box::new(stream), from, to })
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.on)
    }
}

impl Resolver for Network {
    fn mail_exchangers<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> BoxFuture<'a, Result<Vec<MailExchanger>, DnsError>> {
        let known = self.0.lock().unwrap().exchangers.get(domain).cloned();
        Box::pin(async { known.unwrap_or(Err(DnsError::NoSuchName)) })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        let state = self.0.lock().unwrap();
        let known = match state.unanswered.contains(host) {
            true => Err(DnsError::NoAnswer("it is down".to_owned())),
            false => state.addresses.get(host).cloned().ok_or(DnsError::NoSuchName),
        };
        Box::pin(async move { known })
    }
}

/// A client of the gateway.
pub(crate) struct Client(BufReader<DuplexStream>);

impl Client {
    /// The last line of the next reply; empty if the gateway has closed.
    pub(crate) async fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Sends octets as they are. What the gateway no longer reads is lost.
    pub(crate) async fn send(&mut self, octets: &[u8]) {
        let _ = self.0.write_all(octets).await;
    }

    pub(crate) async fn say(&mut self, words: &str) -> String {
        self.send(format!("{words}\r\n").as_bytes()).await;
        self.reply().await
    }

    /// Everything that the gateway says until it closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).await.unwrap();
        rest
    }

    /// Plays a script: says what follows `C: `, and holds replies against what follows `S: `, which they begin with.
    /// with or without its enhanced status code. `S: (closed)` is the end.
    pub(crate) async fn play(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(words) = line.strip_prefix("C:") {
                let words = words.strip_prefix(' ').unwrap_or(words);
                self.send(format!("{words}\r\n").as_bytes()).await;
            } else {
                let wanted =
                    line.strip_prefix("S: ").unwrap_or_else(|| panic!("`{line}` says neither S: nor C:"));
                let reply = self.reply().await;
                let met = match wanted {
                    "(closed)" => reply.is_empty(),
                    _ => reply.starts_with(wanted) || without_status(&reply).starts_with(wanted),
                };
                assert!(met, "instead of `{wanted}`: `{reply}`, in the script:\n{script}");
            }
        }
    }
}

/// A reply without its enhanced status code.
fn without_status(reply: &str) -> String {
    match reply.split_once(' ').and_then(|(code, rest)| Some((code, rest.split_once(' ')?))) {
        Some((code, (status, text))) if status.split('.').count() == 3 => format!("{code} {text}"),
        _ => reply.to_owned(),
    }
}
