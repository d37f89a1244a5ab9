//! Loading extensions and asking them, on a machine that has a disk of one file and nothing else.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::*;
use crate::address::ReversePath;
use crate::dsn::DsnRequest;
use crate::env::{Disk, Entropy, File, IoFuture, Listener, Net, Spawn, Stream, UdpSocket, WallClock, host};
use crate::envelope::Origin;

const ROUTES: &str = "/etc/Imcroute.cfg";

/// A machine whose disk holds the route file, read-only, and that has no network.
struct Machine {
    routes: &'static str,
}

fn machine(routes: &'static str) -> Env {
    let machine = Arc::new(Machine { routes });
    Env {
        net: machine.clone(),
        disk: machine.clone(),
        clock: machine.clone(),
        entropy: machine.clone(),
        keys: host::env().keys,
        spawn: machine,
    }
}

fn refused<'a, T>(kind: ErrorKind) -> IoFuture<'a, T> {
    Box::pin(async move { Err(io::Error::from(kind)) })
}

impl Disk for Machine {
    fn read<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Vec<u8>> {
        if path != Path::new(ROUTES) {
            return refused(ErrorKind::NotFound);
        }
        Box::pin(async { Ok(self.routes.into()) })
    }

    fn create_dir_all<'a>(&'a self, _: &'a Path) -> IoFuture<'a, ()> {
        refused(ErrorKind::ReadOnlyFilesystem)
    }

    fn create<'a>(&'a self, _: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        refused(ErrorKind::ReadOnlyFilesystem)
    }

    fn append<'a>(&'a self, _: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        refused(ErrorKind::ReadOnlyFilesystem)
    }

    fn rename<'a>(&'a self, _: &'a Path, _: &'a Path) -> IoFuture<'a, ()> {
        refused(ErrorKind::ReadOnlyFilesystem)
    }

    fn remove<'a>(&'a self, _: &'a Path) -> IoFuture<'a, ()> {
        refused(ErrorKind::ReadOnlyFilesystem)
    }

    fn exists<'a>(&'a self, path: &'a Path) -> IoFuture<'a, bool> {
        Box::pin(async move { Ok(path == Path::new(ROUTES)) })
    }

    fn list<'a>(&'a self, _: &'a Path) -> IoFuture<'a, Vec<String>> {
        refused(ErrorKind::NotFound)
    }

    fn sync_dir<'a>(&'a self, _: &'a Path) -> IoFuture<'a, ()> {
        refused(ErrorKind::ReadOnlyFilesystem)
    }

    fn free<'a>(&'a self, _: &'a Path) -> IoFuture<'a, u64> {
        Box::pin(async { Ok(0) })
    }
}

impl Net for Machine {
    fn connect(&self, _: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        refused(ErrorKind::NetworkUnreachable)
    }

    fn listen(&self, _: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        refused(ErrorKind::AddrNotAvailable)
    }

    fn bind_udp(&self, _: SocketAddr) -> IoFuture<'_, Box<dyn UdpSocket>> {
        refused(ErrorKind::AddrNotAvailable)
    }
}

impl WallClock for Machine {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

impl Entropy for Machine {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

impl Spawn for Machine {
    fn spawn(&self, _: &'static str, _: BoxFuture<'static, ()>) {
        panic!("loading an extension and asking it need no task");
    }
}

async fn load(chain: &str, registry: &Registry, env: &Env) -> Result<Chain, LoadError> {
    let chain: toml::Table = chain.parse().unwrap();
    let link = |(name, settings): (String, toml::Value)| ExtensionConfig {
        name,
        on_failure: OnFailure::default(),
        settings: settings.try_into().unwrap(),
    };
    let chain: Vec<ExtensionConfig> = chain.into_iter().map(link).collect();
    registry.load(&chain, env).await
}

async fn asked(chain: &Chain, recipient: &str) -> Answer {
    let recipient: Address = recipient.parse().unwrap();
    let envelope = Envelope {
        next_hop: None,
        dsn: DsnRequest::default(),
        is_international: false,
        reverse_path: ReversePath::Null,
        recipients: vec![recipient.clone()],
        received: Timestamp::UNIX_EPOCH,
        origin: Origin::Gateway,
    };
    let mut content = Cow::Borrowed(&b"Subject: hello\r\n\r\n"[..]);
    chain.route(&envelope, &mut content, &recipient, &BTreeSet::new(), None).await.unwrap()
}

/// An extension that says the same of every recipient.
struct Says(Disposition);

impl Extension for Says {
    fn name(&self) -> &str {
        "says"
    }

    fn route<'a>(&'a self, _: Subject<'a>, _: &'a Address) -> BoxFuture<'a, Disposition> {
        Box::pin(async { self.0.clone() })
    }
}

fn says(disposition: Disposition) -> Factory {
    Box::new(move |_, _| {
        let extension: Box<dyn Extension> = Box::new(Says(disposition.clone()));
        Box::pin(async { Ok(extension) })
    })
}

#[tokio::test]
async fn imcext_answers_as_its_route_file_says() {
    let env = machine("example.com localhost\r\nexample.net relay.example.org:2525\r\n");
    let chain = load("imcext.routes = '/etc/Imcroute.cfg'", &Registry::builtin(), &env).await.unwrap();
    assert_eq!(asked(&chain, "jane@www.example.com").await, Answer::ThisHost);
    let relay = "relay.example.org:2525".parse().unwrap();
    assert_eq!(asked(&chain, "jane@example.net").await, Answer::Reroute(relay));
    assert_eq!(asked(&chain, "jane@example.org").await, Answer::Nothing);
}

#[tokio::test]
async fn the_first_opinion_in_the_chain_wins() {
    let env = machine("example.com localhost");
    let mut registry = Registry::builtin();
    let relay: NextHop = "relay.example.org".parse().unwrap();
    registry.add("a-silent", says(Disposition::Continue));
    registry.add("z-relay", says(Disposition::Reroute(relay.clone())));
    let settings = "a-silent = {}\nimcext.routes = '/etc/Imcroute.cfg'\nz-relay = {}";
    let chain = load(settings, &registry, &env).await.unwrap();
    assert_eq!(asked(&chain, "jane@example.com").await, Answer::ThisHost);
    assert_eq!(asked(&chain, "jane@example.net").await, Answer::Reroute(relay));
}

#[tokio::test]
async fn what_goes_to_a_journal_or_is_its_copy_is_not_copied() {
    let settings = "journal = { inbound = 'j@x.test', reports_to = 'r@x.test' }\n\
                    disclaimer = { inbound = { append = 'Bye' } }";
    let chain = load(settings, &Registry::builtin(), &machine("")).await.unwrap();
    let client = || Origin::Client { address: [192, 0, 2, 1].into(), helo: "x".to_owned(), account: None };
    for (to, origin, way, copies, has_text) in [
        ("jane@x.test", client(), Direction::Inbound, 1, true),
        ("jane@x.test r@x.test", client(), Direction::Inbound, 1, true),
        ("jane@x.test J@X.test", client(), Direction::Inbound, 0, true),
        ("R@x.test j@x.test", client(), Direction::Inbound, 0, true),
        ("jane@x.test", client(), Direction::Outbound, 0, false),
        ("jane@x.test", Origin::Gateway, Direction::Inbound, 0, false),
        ("jane@x.test", Origin::Journal, Direction::Inbound, 0, false),
        ("j@x.test", client(), Direction::Inbound, 0, true),
        ("r@x.test", Origin::Gateway, Direction::Inbound, 0, false),
    ] {
        let envelope = Envelope {
            next_hop: None,
            dsn: DsnRequest::default(),
            is_international: false,
            reverse_path: ReversePath::Null,
            recipients: to.split(' ').map(|to| to.parse().unwrap()).collect(),
            received: Timestamp::UNIX_EPOCH,
            origin,
        };
        let subject = Subject { envelope: &envelope, content: b"Subject: hello\r\n\r\n" };
        let passed = chain.pass(subject, way, &BTreeSet::new(), None).await.unwrap();
        assert_eq!((passed.copies.len(), passed.content.is_some()), (copies, has_text), "{envelope:?}");
    }
}

#[tokio::test]
async fn without_extensions_there_is_no_opinion() {
    let chain = load("", &Registry::builtin(), &machine("")).await.unwrap();
    assert_eq!(asked(&chain, "jane@example.com").await, Answer::Nothing);
}

#[tokio::test]
async fn an_extension_that_cannot_be_loaded_is_named_with_the_reason_and_the_remedy() {
    let env = machine("example.com localhost\nexample.net\n");
    for (chain, extension, expected) in [
        ("imcex = {}", "imcex", "the extensions are `disclaimer`, `imcext`, `journal`"),
        ("imcext = {}", "imcext", "missing field `routes`"),
        ("journal = {}", "journal", "missing field `reports_to`"),
        ("journal = { reports_to = 'x' }", "journal", "`x` is not a mailbox"),
        ("disclaimer = { inbound = 'x' }", "disclaimer", "each with `prepend` and `append`"),
        ("disclaimer = { inbound = { append = ' ' } }", "disclaimer", "is no text for people"),
        ("imcext = { routes = 7 }", "imcext", "its one setting is `routes`"),
        ("imcext = { routes = '/etc/Imcroute.cfg', reload = true }", "imcext", "unknown field `reload`"),
        (
            "imcext = { routes = '/etc/nowhere.cfg' }",
            "imcext",
            "set `routes` to a file that the service can read",
        ),
        (
            "imcext = { routes = '/etc/Imcroute.cfg' }",
            "imcext",
            "/etc/Imcroute.cfg:2: `example.net` is no entry",
        ),
    ] {
        let error = load(chain, &Registry::builtin(), &env).await.unwrap_err();
        assert_eq!(error.extension, extension);
        assert!(error.to_string().contains(expected), "{chain}: {error}");
    }
}
