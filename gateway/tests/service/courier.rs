//! The courier, as the hosts see it that mail goes to, and the senders who hear of failures.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway::reach::Point;
use tokio::time::Instant;

use crate::machine::{Machine, pass};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A host that takes everything.
const KIND: crate::network::Manners = &[];

/// The minutes at which the gateway connected, since it first did.
fn minutes(machine: &Machine) -> Vec<u64> {
    let visits = machine.network.visits();
    visits.iter().map(|visit| (visit.at - visits[0].at).as_secs() / 60).collect()
}

/// The last numbers of the addresses that the gateway connected to, in order.
fn hosts(machine: &Machine) -> Vec<u8> {
    let last = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => panic!("the hosts have IPv4 addresses"),
    };
    machine.network.visits().iter().map(|visit| last(visit.host)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_put_off_is_tried_again_by_the_schedule_until_it_is_taken() {
    let machine = Machine::with("").await;
    let later = &[("RCPT", "451 later")];
    let dead = &[("connect", "hang up")];
    let busy = &[("MAIL", "421 busy")];
    machine.network.host(
        "partner.test",
        10,
        "mx1.partner.test",
        "203.0.113.1",
        &[later, dead, busy, later, KIND],
    );
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    pass(24 * HOUR).await;
    assert_eq!(minutes(&machine), [0, 15, 15 + 30, 15 + 30 + 60, 15 + 30 + 60 + 240]);
    let last = machine.network.visits().pop().unwrap().said;
    assert_eq!(
        last[..4],
        ["EHLO ims.contoso.test", "MAIL FROM:<alice@contoso.test>", "RCPT TO:<bob@partner.test>", "DATA"]
    );
    assert!(
        last.contains(&"Subject: Forty chairs".to_owned())
            && last.ends_with(&[".".to_owned(), "QUIT".to_owned()])
    );
    assert!(machine.events(2001)[0].contains("mx1.partner.test: 1 recipient(s) delivered"));
    assert_eq!((machine.spool("out"), machine.journals(), machine.mailbox("alice")), Default::default());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_refused_for_good_is_reported_at_once_and_not_tried_again() {
    let machine = Machine::with("").await;
    machine.network.host(
        "partner.test",
        10,
        "mx1.partner.test",
        "203.0.113.1",
        &[&[("RCPT", "550 no such user")]],
    );
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert!(machine.events(4031)[0].starts_with("mx1.partner.test refused message "));
    let [report] = &machine.mailbox("alice")[..] else { panic!("one report") };
    assert!(report.starts_with("Return-Path: <>\r\n") && report.contains("Action: failed\r\n"), "{report}");
    assert!(report.contains("550 no such user") && report.contains("Status: 5.0.0\r\n"), "{report}");
    assert_eq!(machine.mailbox("administrator").len(), 1);
    pass(24 * HOUR).await;
    assert_eq!(minutes(&machine), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_takes_is_reported_when_it_is_two_days_old() {
    let machine = Machine::with("delivery.delay_notice = \"never\"").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert!(machine.events(3010)[0].contains("203.0.113.1:25 failed: connection refused"));
    pass(48 * HOUR - MINUTE).await;
    assert_eq!(machine.mailbox("alice"), [""; 0]);
    pass(MINUTE).await;
    let [report] = &machine.mailbox("alice")[..] else { panic!("one report") };
    let unfolded = report.replace("=\r\n", "");
    assert!(unfolded.contains("Message time-out exceeded after 14 retries"), "{report}");
    assert!(report.contains("Status: 4.4.7\r\n"), "{report}");
    assert_eq!((machine.network.visits().len(), machine.spool("out")), (15, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn each_recipient_has_the_message_once_or_a_report() {
    let machine = Machine::with("").await;
    let mixed = &[("RCPT TO:<two@", "550 no such user"), ("RCPT TO:<three@", "451 later")];
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[mixed, KIND]);
    machine.send("alice@contoso.test", &["one@partner.test", "two@partner.test", "three@partner.test"]).await;
    assert_eq!(machine.mailbox("alice").len(), 1);
    pass(HOUR).await;
    let [first, second] = &machine.network.visits()[..] else { panic!("two visits") };
    assert!(first.said.contains(&"DATA".to_owned()));
    let asked =
        |said: &[String]| said.iter().filter(|line| line.starts_with("RCPT")).cloned().collect::<Vec<_>>();
    assert_eq!(asked(&second.said), ["RCPT TO:<three@partner.test>"]);
    let [report] = &machine.mailbox("alice")[..] else { panic!("one report") };
    assert_eq!(report.matches("Final-Recipient").count(), 1, "{report}");
    assert!(report.contains("Final-Recipient: rfc822; two@partner.test"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn exchangers_are_tried_in_the_order_of_their_preference_and_never_past_this_host() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 30, "mx3.partner.test", "203.0.113.3", &[KIND]);
    machine.network.host("partner.test", 20, "ims.contoso.test", "203.0.113.99", &[KIND]);
    machine.network.host(
        "partner.test",
        10,
        "mx2.partner.test",
        "203.0.113.2",
        &[&[("connect", "421 busy")], KIND],
    );
    machine.network.host("partner.test", 5, "mx1.partner.test", "203.0.113.1", &[]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert_eq!(hosts(&machine), [1, 2]);
    pass(HOUR).await;
    assert_eq!(hosts(&machine), [1, 2, 1, 2]);
    assert_eq!(machine.events(2001).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_without_a_sender_is_reported_to_nobody() {
    let machine = Machine::with("notifications.administrator = []").await;
    machine.network.host(
        "partner.test",
        10,
        "mx1.partner.test",
        "203.0.113.1",
        &[&[("RCPT", "550 no such user")]],
    );
    machine.send("", &["bob@partner.test"]).await;
    assert_eq!(machine.events(4123).len(), 1, "a dropped message is an event");
    pass(HOUR).await;
    assert_eq!(
        (machine.mailbox("administrator"), machine.spool("in"), machine.spool("out")),
        Default::default()
    );
    assert_eq!(machine.network.visits().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_domain_that_does_not_exist_is_reported_and_one_that_nobody_knows_of_now_is_asked_for_again() {
    let machine = Machine::with("").await;
    machine.send("alice@contoso.test", &["bob@nowhere.test"]).await;
    assert!(machine.events(2006)[0].starts_with("No host was found for nowhere.test"));
    assert!(machine.mailbox("alice")[0].contains("Host Unknown"));

    machine.network.name_server_answers("partner.test", false);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    machine.network.name_server_answers("partner.test", true);
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[KIND]);
    pass(HOUR).await;
    assert_eq!((machine.network.visits().len(), machine.mailbox("alice").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn hosts_that_all_say_for_good_that_they_serve_no_mail_are_not_asked_again() {
    let machine = Machine::with("").await;
    machine.network.host(
        "partner.test",
        10,
        "mx1.partner.test",
        "203.0.113.1",
        &[&[("connect", "554 no SMTP here")]],
    );
    machine.network.host(
        "partner.test",
        20,
        "mx2.partner.test",
        "203.0.113.2",
        &[&[("connect", "554 nor here")]],
    );
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    pass(HOUR).await;
    assert_eq!(hosts(&machine), [1, 2]);
    assert!(machine.mailbox("alice")[0].contains("554 nor here"));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_serves_no_mail_does_not_speak_for_one_that_is_down() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[]);
    machine.network.host(
        "partner.test",
        20,
        "mx2.partner.test",
        "203.0.113.2",
        &[&[("connect", "554 not here")]],
    );
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    pass(HOUR).await;
    assert_eq!(hosts(&machine), [1, 2, 1, 2, 1, 2]);
    assert_eq!(machine.mailbox("alice"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_end_is_not_answered_is_sent_again_and_may_arrive_twice() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[&[(".", "hang up")], KIND]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert!(machine.reached(Point::EndOfDataUnanswered));
    assert!(!machine.reached(Point::RetriedAfterLostAnswer));
    machine.kill().await;
    machine.start("").await;
    pass(HOUR).await;
    assert!(machine.reached(Point::RetriedAfterLostAnswer), "the journal still knows of it");
    assert_eq!((machine.events(2001).len(), machine.spool("out")), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_a_host_may_have_is_given_to_no_other_before_the_next_try() {
    let machine = Machine::with("").await;
    let silent: crate::network::Manners = &[(".", "hang up")];
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[silent, KIND]);
    machine.network.host("partner.test", 20, "mx2.partner.test", "203.0.113.2", &[KIND]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert_eq!(hosts(&machine), [1]);
    pass(HOUR).await;
    assert_eq!((hosts(&machine), minutes(&machine)), (vec![1, 1], vec![0, 15]));
}

#[tokio::test(start_paused = true)]
async fn a_smart_host_takes_all_mail_that_goes_out() {
    let machine = Machine::with("delivery.smart_host = \"203.0.113.9:2525\"").await;
    machine.network.host("elsewhere.test", 10, "smart.test", "203.0.113.9", &[KIND]);
    machine.send("alice@contoso.test", &["bob@partner.test", "carol@fabrikam.test"]).await;
    let [visit] = &machine.network.visits()[..] else { panic!("one visit") };
    assert_eq!(visit.said.iter().filter(|line| line.starts_with("RCPT")).count(), 2);
    assert!(Instant::now() - visit.at < MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_written_again_only_where_it_goes_on_as_another() {
    let disclaimer = "extension = [{ name = \"disclaimer\", outbound = { append = \"Nobody's opinion.\" } }]";
    let smart_host = "delivery = { smart_host = \"203.0.113.1\" }";
    let one: &[&str] = &["bob@partner.test"];
    for (configuration, recipients, files) in [
        ("", one, 1),
        (smart_host, one, 1),
        (disclaimer, one, 2),
        ("", &["bob@partner.test", "alice@contoso.test"], 2),
        ("", &["bob@partner.test", "carol@adatum.test"], 3),
    ] {
        let machine = Machine::with(configuration).await;
        for domain in ["partner.test", "adatum.test"] {
            machine.network.host(domain, 10, "mx.partner.test", "203.0.113.1", &[KIND]);
        }
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        machine.trouble(move |what, path| {
            if what == "create" && path.parent().unwrap().ends_with("work") {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            None
        });
        machine.send("eve@fabrikam.test", recipients).await;
        pass(MINUTE).await;
        assert_eq!(made.load(Ordering::Relaxed), files, "{configuration} {recipients:?}");
        assert_eq!((machine.spool("in"), machine.spool("out")), Default::default());
    }
}
