//! What a sender asks of reports (RFC 3461), and what it comes to.

use std::time::Duration;

use crate::machine::{Machine, RELAY_CLIENT, pass};
use crate::network::Manners;

const KIND: Manners = &[];
const HOUR: Duration = Duration::from_hours(1);

/// Hands over a message with these words after MAIL and after each RCPT.
async fn send(machine: &Machine, mail: &str, recipients: &[&str]) {
    let mut client = machine.network.dial(RELAY_CLIENT);
    client.play("S: 220\n C: EHLO client.example\n S: 250 HELP").await;
    client.play(&format!("C: MAIL FROM:<alice@contoso.test>{mail}\n S: 250")).await;
    for recipient in recipients {
        client.play(&format!("C: RCPT TO:{recipient}\n S: 250")).await;
    }
    client.play("C: DATA\n S: 354\n C: Subject: Chairs\n C:\n C: Please.\n C: .\n S: 250").await;
    pass(Duration::from_secs(1)).await;
}

/// The one report in Alice's mailbox.
fn report(machine: &Machine) -> String {
    let mailbox = machine.mailbox("alice");
    let [report] = &mailbox[..] else { panic!("one report: {mailbox:#?}") };
    report.clone()
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_reported_to_who_asks_for_it_under_the_names_that_the_sender_knows() {
    let machine = Machine::with("").await;
    let bob = "<administrator@contoso.test> NOTIFY=SUCCESS ORCPT=rfc822;Robert+40old.test";
    send(&machine, " ENVID=QQ+2B31", &[bob]).await;
    pass(HOUR).await;
    let report = report(&machine);
    for field in [
        "Subject: Delivered: Chairs\r\n",
        "Original-Envelope-Id: QQ+31\r\n",
        "Original-Recipient: rfc822; Robert@old.test\r\n",
        "Final-Recipient: rfc822; administrator@contoso.test\r\nAction: delivered\r\nStatus: 2.0.0\r\n",
        "Content-Type: text/rfc822-headers",
        "Auto-Submitted: auto-replied\r\n",
    ] {
        assert!(report.contains(field), "{field} is missing in {report}");
    }
    assert_eq!(machine.mailbox("administrator").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_not_reported_unasked() {
    let machine = Machine::with("").await;
    send(&machine, "", &["<administrator@contoso.test>"]).await;
    send(&machine, "", &["<administrator@contoso.test> NOTIFY=FAILURE,DELAY"]).await;
    pass(HOUR).await;
    assert_eq!((machine.mailbox("administrator").len(), machine.mailbox("alice").len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_passed_on_to_a_host_that_reports_nothing_is_reported() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx.partner.test", "203.0.113.1", &[KIND]);
    send(&machine, "", &["<dan@partner.test> NOTIFY=SUCCESS,FAILURE"]).await;
    pass(HOUR).await;
    let report = report(&machine);
    assert!(report.contains("Action: relayed\r\n") && report.contains("dan@partner.test"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_message_passed_on_to_a_host_that_reports_is_its_matter() {
    let machine = Machine::with("").await;
    let reports: Manners = &[("EHLO", "250-mx.partner.test\r\n250 DSN")];
    machine.network.host("partner.test", 10, "mx.partner.test", "203.0.113.1", &[reports]);
    send(&machine, " RET=HDRS", &["<dan@partner.test> NOTIFY=SUCCESS"]).await;
    pass(HOUR).await;
    assert!(machine.mailbox("alice").is_empty());
    let said = &machine.network.visits()[0].said;
    assert!(said.contains(&"MAIL FROM:<alice@contoso.test> RET=HDRS".to_owned()), "{said:?}");
    assert!(said.contains(&"RCPT TO:<dan@partner.test> NOTIFY=SUCCESS".to_owned()), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn who_wants_to_hear_of_no_failure_hears_of_none() {
    let machine = Machine::with("").await;
    let recipients = ["<nobody@contoso.test> NOTIFY=NEVER", "<no-one@contoso.test>"];
    send(&machine, "", &recipients).await;
    pass(HOUR).await;
    let report = report(&machine);
    assert!(report.contains("no-one@contoso.test") && !report.contains("nobody@contoso.test"), "{report}");
    let [dropped] = &machine.events(4123)[..] else { panic!("one event") };
    assert!(dropped.contains("nobody@contoso.test") && dropped.contains("asked not to hear"), "{dropped}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_returns_as_much_as_the_sender_wants() {
    for (ret, whole) in [("", true), (" RET=FULL", true), (" RET=HDRS", false)] {
        let machine = Machine::with("").await;
        send(&machine, ret, &["<nobody@contoso.test>"]).await;
        pass(HOUR).await;
        assert_eq!(report(&machine).contains("Please."), whole, "{ret}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_reported_once() {
    let machine = Machine::with("delivery.delay_notice = \"2h\"\ndelivery.retry = [\"1h\"]").await;
    machine.network.host("partner.test", 10, "mx.partner.test", "203.0.113.1", &[&[("connect", "421 busy")]]);
    send(&machine, "", &["<dan@partner.test>", "<eve@partner.test> NOTIFY=FAILURE"]).await;
    pass(HOUR + HOUR / 2).await;
    assert!(machine.mailbox("alice").is_empty());
    pass(10 * HOUR).await;
    let report = report(&machine);
    for field in ["Action: delayed\r\n", "Status: 4.4.7\r\n", "Will-Retry-Until: ", "421 busy"] {
        assert!(report.contains(field), "{field} is missing in {report}");
    }
    assert!(!report.contains("eve@partner.test"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_message_passed_on_is_reported_though_the_process_dies_before() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx.partner.test", "203.0.113.1", &[KIND]);
    machine.halt_at_reports(true);
    send(&machine, "", &["<dan@partner.test> NOTIFY=SUCCESS"]).await;
    machine.kill().await;
    machine.halt_at_reports(false);
    machine.start("").await;
    pass(HOUR).await;
    assert!(report(&machine).contains("Action: relayed\r\n"));
    assert_eq!(machine.network.visits().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_recipient_named_twice_is_reported_once_though_the_process_dies_before() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx.partner.test", "203.0.113.1", &[KIND]);
    machine.halt_at_reports(true);
    let dan = "<dan@partner.test> NOTIFY=SUCCESS";
    send(&machine, "", &[dan, dan]).await;
    machine.kill().await;
    machine.halt_at_reports(false);
    machine.start("").await;
    pass(HOUR).await;
    assert_eq!(report(&machine).matches("Final-Recipient").count(), 1);
}
