//! Mail of senders who are not wanted here.

use std::time::Duration;

use gateway::reach::Point;

use crate::machine::{Machine, pass};

async fn machine(action: &str) -> Machine {
    Machine::with(&format!(
        "filter = {{ senders = [\"joe@spam.test\", \"@junk.test\", \".\"], action = \"{action}\" }}"
    ))
    .await
}

async fn send(machine: &Machine, path: &str, from: &str, answer: &str) {
    let mut client = machine.greeted().await;
    let script = format!(
        "C: MAIL FROM:<{path}>\n S: 250\n C: RCPT TO:<alice@contoso.test>\n S: 250\n C: DATA\n S: 354\n \
         C: {from}\n C: Subject: Chairs\n C:\n C: Buy.\n C: .\n S: {answer}"
    );
    client.play(&script).await;
    pass(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn unwanted_mail_is_kept_in_turf_and_delivered_to_nobody() {
    let machine = machine("set-aside").await;
    send(&machine, "joe@spam.test", "From: <ann@nice.test>", "250").await;
    send(&machine, "ann@nice.test", "From: Junk <a@junk.test>", "250").await;
    send(&machine, "ann@nice.test", "From:", "250").await;
    send(&machine, "ann@nice.test", "From: <ann@nice.test>", "250").await;
    assert_eq!((machine.spool("turf").len(), machine.mailbox("alice").len()), (3, 1));
    let (events, kept) = (machine.events(4192), machine.spool("turf"));
    assert!(kept.iter().all(|file| events.iter().any(|event| event.contains(file.as_str()))), "{events:?}");
    assert!(events[1].contains("ann@nice.test") && events[1].contains("@junk.test"), "{events:?}");
    assert!(machine.reached(Point::TurfSetAside));
    // It is still there after a start.
    machine.kill().await;
    machine.start("").await;
    assert_eq!(machine.spool("turf"), kept);
}

#[tokio::test(start_paused = true)]
async fn unwanted_mail_is_deleted_or_refused_where_that_is_configured() {
    for (action, answer, point) in
        [("delete", "250", Point::TurfDeleted), ("refuse", "550 5.7.1", Point::TurfRefused)]
    {
        let machine = machine(action).await;
        send(&machine, "joe@spam.test", "From: <joe@spam.test>", answer).await;
        assert_eq!((machine.spool("turf").len(), machine.mailbox("alice").len()), (0, 0));
        assert_eq!((machine.events(4192).len(), machine.reached(point)), (1, true), "{action}");
    }
}
