//! Mail that waits until somebody asks for it with ETRN (RFC 1985).

use std::time::Duration;

use gateway::reach::Point;
use jiff::SignedDuration;

use crate::machine::{CLIENT, Machine, RELAY_CLIENT, pass};
use crate::network::Manners;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A route whose mail waits.
const ROUTE: &str = "{ domain = \"branch.test\", to = \"mail.branch.test\", hold = \"until-etrn\" }";

async fn branch(config: &str, manners: &[Manners]) -> Machine {
    let machine = Machine::new();
    machine.network.host("dialup.test", 10, "mail.branch.test", "203.0.113.1", manners);
    machine.start_with_route(ROUTE, config).await;
    machine
}

async fn ask(machine: &Machine, from: &str, script: &str) {
    let mut client = machine.network.dial(from);
    client.play(&format!("S: 220\n C: EHLO mail.branch.test\n S: 250\n {script}\n C: QUIT\n S: 221")).await;
    pass(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn mail_waits_until_somebody_asks_for_it_and_goes_to_the_host_of_the_route() {
    let machine = branch("", &[&[]]).await;
    machine.send("alice@contoso.test", &["bob@branch.test", "carol@x.branch.test"]).await;
    machine.send("alice@contoso.test", &["bob@branch.test"]).await;
    pass(3 * HOUR).await;
    assert_eq!((machine.network.visits().len(), machine.spool("out").len()), (0, 3));
    ask(
        &machine,
        RELAY_CLIENT,
        "C: ETRN branch.test\n S: 253 OK, 2 pending messages for node branch.test started",
    )
    .await;
    assert_eq!((machine.events(2001).len(), machine.spool("out").len()), (2, 1));
    assert!(machine.events(2010)[0].contains("] asked for the mail that waits for branch.test"));
    ask(&machine, RELAY_CLIENT, "C: ETRN branch.test\n S: 251 OK, no messages").await;
    ask(&machine, RELAY_CLIENT, "C: ETRN @branch.test\n S: 253 OK, 1 pending").await;
    assert_eq!((machine.events(2001).len(), machine.spool("out")), (3, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn who_may_relay_may_ask_for_the_domains_whose_mail_waits_and_nobody_else() {
    let machine = branch("", &[&[]]).await;
    machine.send("alice@contoso.test", &["bob@branch.test"]).await;
    ask(&machine, CLIENT, "C: ETRN branch.test\n S: 459 Node branch.test not allowed").await;
    for node in ["contoso.test", "elsewhere.test", "@test", "#branch"] {
        ask(&machine, RELAY_CLIENT, &format!("C: ETRN {node}\n S: 459 Node {node} not allowed")).await;
    }
    ask(&machine, RELAY_CLIENT, "C: ETRN\n S: 501\n C: ETRN two words\n S: 501\n C: ETRN a..test\n S: 501")
        .await;
    ask(&machine, RELAY_CLIENT, "C: MAIL FROM:<>\n S: 250\n C: ETRN branch.test\n S: 503").await;
    machine.network.dial(RELAY_CLIENT).play("S: 220\n C: ETRN branch.test\n S: 503").await;
    assert_eq!(machine.network.visits().len(), 0);
    let login = "C: AUTH PLAIN AGFsaWNlAHdpbnRlcg==\n S: 235\n C: ETRN branch.test\n S: 253";
    ask(&machine, CLIENT, login).await;
    assert_eq!(machine.events(2001).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_sent_waits_until_it_is_asked_for_again() {
    let down: Manners = &[("MAIL", "450 later")];
    let machine = branch("", &[down, &[]]).await;
    machine.send("alice@contoso.test", &["bob@branch.test"]).await;
    ask(&machine, RELAY_CLIENT, "C: ETRN branch.test\n S: 253").await;
    pass(3 * HOUR).await;
    assert_eq!((machine.network.visits().len(), machine.events(2001).len()), (1, 0));
    machine.kill().await;
    machine.start_with_route(ROUTE, "").await;
    pass(MINUTE).await;
    assert_eq!(machine.network.visits().len(), 1, "it waits after a restart too");
    ask(&machine, RELAY_CLIENT, "C: ETRN branch.test\n S: 253").await;
    assert_eq!((machine.network.visits().len(), machine.events(2001).len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn who_asks_while_it_is_on_its_way_hears_that_it_is() {
    let slow: Manners = &[("DATA", "silence")];
    let machine = branch("", &[slow]).await;
    machine.send("alice@contoso.test", &["bob@branch.test"]).await;
    ask(&machine, RELAY_CLIENT, "C: ETRN branch.test\n S: 253").await;
    ask(&machine, RELAY_CLIENT, "C: ETRN branch.test\n S: 252 OK, pending").await;
    assert_eq!(machine.network.visits().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_is_reported_late_and_then_given_up() {
    let machine = branch("", &[&[]]).await;
    machine.send("alice@contoso.test", &["bob@branch.test"]).await;
    pass(4 * HOUR).await;
    let [late] = &machine.mailbox("alice")[..] else { panic!("one notice") };
    assert!(late.replace("=\r\n", "").contains("asks for it with ETRN"), "{late}");
    pass(44 * HOUR - 2 * MINUTE).await;
    assert_eq!((machine.mailbox("alice").len(), machine.spool("out").len()), (1, 1));
    pass(3 * MINUTE).await;
    assert_eq!((machine.mailbox("alice").len(), machine.spool("out")), (2, Vec::new()));
    assert!(machine.reached(Point::HeldExpired) && machine.network.visits().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_what_waits_no_older() {
    let machine = branch("", &[&[]]).await;
    machine.send("alice@contoso.test", &["bob@branch.test"]).await;
    machine.set_clock(SignedDuration::from_hours(-10));
    pass(49 * HOUR).await;
    assert_eq!(machine.spool("out").len(), 1);
    pass(10 * HOUR).await;
    assert_eq!(machine.spool("out"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn etrn_came_with_5_5() {
    let machine = Machine::with("release = \"5.0\"").await;
    machine
        .network
        .dial(RELAY_CLIENT)
        .play("S: 220\n C: EHLO x\n S: 250\n C: ETRN branch.test\n S: 500")
        .await;
    let machine = branch("release = \"5.5\"", &[&[]]).await;
    machine.send("alice@contoso.test", &["bob@branch.test"]).await;
    assert_eq!(machine.network.visits().len(), 0);
    ask(&machine, RELAY_CLIENT, "C: ETRN branch.test\n S: 253").await;
    assert_eq!(machine.events(2001).len(), 1);
}
