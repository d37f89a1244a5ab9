//! What is left when the process dies, the disk fails or an administrator takes a hand, and how it ends.
#![expect(clippy::disallowed_methods, reason = "the test is the administrator at the machine")]

use std::fs;
use std::time::Duration;

use crate::machine::{Machine, pass};
use crate::network::Manners;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const KIND: Manners = &[];

#[tokio::test(start_paused = true)]
async fn the_retry_schedule_goes_on_after_a_restart() {
    let machine = Machine::with("").await;
    machine.network.host(
        "partner.test",
        10,
        "mx1.partner.test",
        "203.0.113.1",
        &[&[("RCPT", "451 later")], KIND],
    );
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    pass(10 * MINUTE).await;
    machine.kill().await;
    machine.start("").await;
    pass(HOUR).await;
    let [first, second] = &machine.network.visits()[..] else { panic!("two visits") };
    assert_eq!((second.at - first.at).as_secs() / MINUTE.as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_reported_even_if_the_process_dies_between_the_refusal_and_the_report() {
    let machine = Machine::with("").await;
    machine.network.host(
        "partner.test",
        10,
        "mx1.partner.test",
        "203.0.113.1",
        &[&[("RCPT", "550 no such user")]],
    );
    machine.halt_at_reports(true);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    machine.kill().await;
    assert_eq!(machine.mailbox("alice"), [""; 0]);

    machine.halt_at_reports(false);
    machine.start("").await;
    pass(HOUR).await;
    assert_eq!(machine.mailbox("alice").len(), 1, "the sender hears of it");
    assert_eq!(machine.spool("out"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_delivered_before_the_process_died_is_not_delivered_again() {
    let machine = Machine::with("").await;
    machine.network.host(
        "partner.test",
        10,
        "mx1.partner.test",
        "203.0.113.1",
        &[&[("RCPT", "451 later")], KIND],
    );
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    machine.kill().await;
    let [entry] = &machine.spool("out")[..] else { panic!("one entry") };
    let journal = machine.path("spool/queue").join(entry);
    let noted =
        fs::read_to_string(&journal).unwrap() + "\n{\"delivered\":{\"recipient\":\"bob@partner.test\"}}\n";
    fs::write(&journal, noted).unwrap();

    machine.start("").await;
    pass(HOUR).await;
    assert_eq!(machine.network.visits().len(), 1, "nobody is asked again");
    assert_eq!((machine.spool("out"), machine.journals(), machine.mailbox("alice")), Default::default());
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_an_administrator_took_out_is_no_longer_carried() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[&[("RCPT", "451 later")]]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    let [entry] = &machine.spool("out")[..] else { panic!("one entry") };
    fs::remove_file(machine.path("spool/out").join(entry)).unwrap();
    pass(4 * HOUR).await;
    assert_eq!((machine.network.visits().len(), machine.events(4182)), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_for_a_while_is_not_held_against_the_message_in_hand() {
    let machine = Machine::with("").await;
    fs::create_dir_all(machine.path("mail")).unwrap();
    fs::write(machine.path("mail/alice@contoso.test"), "in the way").unwrap();
    machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
    pass(5 * MINUTE).await;
    assert!(machine.events(4182).len() >= 5, "{:?}", machine.events(4182));

    machine.kill().await;
    fs::remove_file(machine.path("mail/alice@contoso.test")).unwrap();
    machine.start("").await;
    pass(MINUTE).await;
    assert_eq!((machine.mailbox("alice").len(), machine.spool("bad")), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_noted_before_leave_is_taken_of_the_host() {
    // The historical releases take leave after each message.
    let configuration = "release = \"5.5 SP3\"";
    let machine = Machine::with(configuration).await;
    let slow: Manners = &[("QUIT", "silence")];
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[slow]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert_eq!(machine.network.visits()[0].said.last().unwrap(), "QUIT");
    machine.kill().await;
    machine.start(configuration).await;
    pass(HOUR).await;
    assert_eq!((machine.network.visits().len(), machine.events(2001).len()), (1, 1));
}
