//! A whole conversation with a client who says anything.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use gateway::config::Config;
use gateway::eventlog::{Entry, EventLogLayer};
use gateway::extension::Registry;
use gateway::service::{Exit, Gateway};
use gateway::smtp::line::Wire;
use gateway::smtp::reply::Reply;
use tokio::time::sleep;
use tracing_subscriber::layer::SubscriberExt;

use super::machine::{Machine, NoNames, OneConnection, Scripted, run};

const CONFIGURATION: &str = r#"
    host = "ims.contoso.test"
    administrator = "administrator@contoso.test"
    listen = "192.0.2.1:25"
    spool = "/spool"
    store = "/mail"
    limits.message_size = 4000
    tls.auth_in_clear = true
    policy.vrfy = "authenticated"
    route = [{ domain = "contoso.test", to = "<inbound>" }]
    mailbox = [
        { address = "administrator@contoso.test" },
        { address = "alice@contoso.test", account = "alice", secret = "SCRAM-SHA-256$4096:c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" },
        { address = "bob@contoso.test" },
    ]
"#;

/// A client hears nothing but replies, no message raises an exception, and each that was taken is somewhere.
pub fn session(octets: &[u8]) {
    let exceptions: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&exceptions);
    let log = EventLogLayer::new(move |entry: Entry| {
        // 4037: the filter turned a panic into an event.
        if entry.id == 4037 {
            kept.lock().unwrap().push(entry.description);
        }
    });
    let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(log));
    let client = Scripted::new(octets);
    let (said, mut end) = (Arc::clone(&client.output), client.end());
    let machine = Machine::new(OneConnection::new(client));
    run(async {
        let config = Config::parse(CONFIGURATION, "gateway.toml").unwrap();
        let extensions = Registry::builtin();
        let gateway = Gateway::start(config, machine.env(), Arc::new(NoNames), &extensions).await.unwrap();
        let over = async {
            let _ = end.changed().await;
            // What was taken comes to its mailbox.
            sleep(Duration::from_secs(1)).await;
        };
        assert!(matches!(gateway.run(over).await, Exit::Stopped));
    });
    assert!(exceptions.lock().unwrap().is_empty(), "{exceptions:?}");
    let said = said.lock().unwrap();
    let files = machine.files.lock().unwrap();
    for reply in replies(&said) {
        if let Some(id) = reply.lines()[0].strip_prefix("2.6.0 OK ") {
            let is_kept = files.iter().any(|(path, content)| {
                path.to_string_lossy().contains(id)
                    || content.windows(id.len()).any(|word| word == id.as_bytes())
            });
            assert!(is_kept, "{id} was taken and is nowhere");
        }
    }
}

fn replies(mut said: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    let mut wire = Wire::new(Box::new(Scripted::new(said)));
    while !said.is_empty() {
        let reply = Reply::read(&mut wire).now_or_never().expect("the octets are all there");
        let reply = reply.unwrap_or_else(|error| panic!("{error}: {}", said.escape_ascii()));
        for _ in reply.lines() {
            let end = said.iter().position(|octet| *octet == b'\n').unwrap();
            said = &said[end + 1..];
        }
        replies.push(reply);
    }
    replies
}
