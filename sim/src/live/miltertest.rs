//! The simulated milter, asked by `miltertest`, which OpenDKIM tests its own filter with: what the simulator takes for a milter
//! is one to a program that others wrote.

#![expect(clippy::disallowed_methods, reason = "it is on the real machine")]

use std::process::{Command, Output};
use std::sync::Arc;

use gateway::env::host;
use gateway::release::Release;
use tokio::task::{LocalSet, spawn_blocking, spawn_local};
use tokio::time::Instant;

use super::addresses::port_here;
use super::net::{HostNet, OwnThread};
use crate::engine::{Clock, Seat};
use crate::run::peers;
use crate::scenario::Scenario;
use crate::scene::Scene;
use crate::trace::{Keep, Trace};

const SCENARIO: &str = r#"
    title = "A milter"
    starts = "2026-03-02T08:00:00Z"
    duration = "1h"
    seed = 1
    releases = ["current"]
    [gateway]
    name = "gw.contoso.test"
    address = "192.0.2.25"
    [gateway.config]
    mailbox = [{ address = "bob@contoso.test" }]
    route = [{ domain = "contoso.test", to = "<inbound>" }]
    milter = [{ address = "inet:8891@filter.contoso.test" }]
    [[client]]
    name = "mail.fabrikam.test"
    address = "198.51.100.7"
    message = [{ name = "m1", at = "1s", from = "alice@fabrikam.test", to = ["bob@contoso.test"], subject = "One" }]
    [[milter]]
    name = "filter.contoso.test"
    address = "192.0.2.61"
    refuses = ["dave@contoso.test"]
    act = [{ message = "m1", does = "adds-field" }, { message = "m1", does = "replaces-body" }]
"#;

/// What it says, and what it has to hear. `{}` is where the milter is.
const SCRIPT: &str = r#"
    function wrong(what) mt.echo(what) error(what) end
    function hears(what, said, wanted)
        if said ~= nil then wrong(what .. " could not be said") end
        if mt.getreply(conn) ~= wanted then wrong(what .. " was answered with " .. mt.getreply(conn)) end
    end
    conn = mt.connect("inet:{port}@{host}")
    if conn == nil then wrong("nobody listens") end
    hears("the connection", mt.conninfo(conn, "mail.fabrikam.test", "198.51.100.7"), SMFIR_CONTINUE)
    hears("HELO", mt.helo(conn, "mail.fabrikam.test"), SMFIR_CONTINUE)
    hears("MAIL", mt.mailfrom(conn, "<alice@fabrikam.test>"), SMFIR_CONTINUE)
    hears("RCPT to one who is refused", mt.rcptto(conn, "<dave@contoso.test>"), SMFIR_REJECT)
    hears("RCPT", mt.rcptto(conn, "<bob@contoso.test>"), SMFIR_CONTINUE)
    hears("DATA", mt.data(conn), SMFIR_CONTINUE)
    hears("a field", mt.header(conn, "Message-ID", "<m1@plan.test>"), SMFIR_CONTINUE)
    hears("another", mt.header(conn, "Subject", "One"), SMFIR_CONTINUE)
    hears("the end of the header", mt.eoh(conn), SMFIR_CONTINUE)
    hears("the body", mt.bodystring(conn, "Hello.\r\n"), SMFIR_SKIP)
    hears("the end", mt.eom(conn), SMFIR_CONTINUE)
    if not mt.eom_check(conn, MT_HDRADD, "X-Filter") then wrong("no field was added") end
    if not mt.eom_check(conn, MT_BODYCHANGE) then wrong("the body was not changed") end
    mt.disconnect(conn)
"#;

fn miltertest(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new("miltertest").args(arguments).output()
}

#[test]
fn miltertest_finds_a_milter() {
    if miltertest(&["-V"]).is_err() {
        eprintln!("skipped: there is no miltertest here");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let scenario = Scenario::parse("milter", "milter.toml", SCENARIO).unwrap();
        let plan = scenario.plan(Release::Current, scenario.seed());
        let (host_here, start) = ("127.61.61.61", Instant::now());
        let clock: Clock = Arc::new(move || start.elapsed());
        let trace = Trace::new(Arc::clone(&clock), Keep::Digest);
        let scene = Scene::new(Arc::new(plan), clock, trace);
        let filter = peers(&scene, &[]).into_iter().find(|peer| peer.name == "filter.contoso.test");
        let net = HostNet { address: host_here.parse().unwrap(), machine: host::env().net };
        let software = (filter.unwrap().software)(Seat { net: Arc::new(net), spawn: Arc::new(OwnThread) });
        spawn_local(software);
        tokio::task::yield_now().await;

        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script.lua");
        let text = SCRIPT.replace("{port}", &port_here(8891).to_string()).replace("{host}", host_here);
        std::fs::write(&script, text).unwrap();
        let script = script.display().to_string();
        let done = spawn_blocking(move || miltertest(&["-s", &script]).unwrap()).await.unwrap();
        assert!(
            done.status.success(),
            "{}: {}",
            done.status,
            String::from_utf8_lossy(&[done.stdout, done.stderr].concat())
        );
    });
}
