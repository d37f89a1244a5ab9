//! A service that is told to stop.

use std::time::Duration;

use gateway::reach::Point;
use tokio::time::Instant;

use crate::machine::{Machine, pass};
use crate::network::Manners;

const IN_A_MESSAGE: &str = "C: MAIL FROM:<>\n S: 250\n C: RCPT TO:<alice@contoso.test>\n S: 250\n C: DATA\n S: 354\n C: Subject: Last";

#[tokio::test(start_paused = true)]
async fn a_message_in_hand_is_finished_and_who_is_between_two_hears_421() {
    let machine = Machine::with("").await;
    let (mut idle, mut busy) = (machine.greeted().await, machine.greeted().await);
    busy.play(IN_A_MESSAGE).await;
    machine.tell_to_stop();
    idle.play("S: 421 4.3.2 ims.contoso.test the service is being stopped\n S: (closed)").await;
    assert!(machine.events(1001).is_empty());
    busy.play("C:\n C: one.\n C: .\n S: 250 2.6.0 OK\n S: 421 4.3.2\n S: (closed)").await;
    let began = Instant::now();
    machine.stopped().await;
    assert!(began.elapsed() < Duration::from_secs(1) && machine.reached(Point::ClosedDown));
    assert_eq!(machine.events(1001).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_its_message_does_not_keep_the_service() {
    let machine = Machine::with("").await;
    let mut busy = machine.greeted().await;
    busy.play(IN_A_MESSAGE).await;
    let began = Instant::now();
    machine.tell_to_stop();
    machine.stopped().await;
    assert_eq!(began.elapsed(), Duration::from_secs(29));
}

#[tokio::test(start_paused = true)]
async fn a_historical_release_stops_at_once() {
    let machine = Machine::with("release = \"5.5 SP3\"").await;
    let mut busy = machine.greeted().await;
    busy.play(IN_A_MESSAGE).await;
    let began = Instant::now();
    machine.tell_to_stop();
    machine.stopped().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Stops the gateway and starts it again. How long the stopping took.
async fn restart(machine: &Machine, configuration: &str) -> Duration {
    let began = Instant::now();
    machine.tell_to_stop();
    machine.stopped().await;
    let took = began.elapsed();
    machine.kill().await;
    machine.start(configuration).await;
    took
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_no_death_to_the_message_in_hand() {
    let hangs = "extension = [{ name = \"scripted\", alice = \"hang\" }]";
    let machine = Machine::with(hangs).await;
    machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
    for _ in 0..3 {
        assert_eq!(machine.in_hand().len(), 1);
        assert_eq!(restart(&machine, hangs).await, Duration::from_secs(29));
        pass(Duration::from_secs(1)).await;
    }
    assert!(machine.reached(Point::PutDownUnfinished) && !machine.reached(Point::ProcessedAgain));
    restart(&machine, "").await;
    pass(Duration::from_secs(1)).await;
    assert_eq!((machine.mailbox("alice").len(), machine.spool("bad")), (1, Vec::new()));
    assert!(machine.in_hand().is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_message_is_taken_in_hand_by_a_service_that_is_being_stopped() {
    let machine = Machine::with("").await;
    let mut busy = machine.greeted().await;
    busy.play(IN_A_MESSAGE).await;
    machine.tell_to_stop();
    busy.play("C:\n C: one.\n C: .\n S: 250 2.6.0 OK\n S: 421 4.3.2").await;
    machine.stopped().await;
    assert_eq!((machine.spool("in").len(), machine.mailbox("alice").len()), (1, 0));
    machine.kill().await;
    machine.start("").await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(machine.mailbox("alice").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_another_host_has_in_full_is_not_sent_to_it_again_after_a_stop() {
    let machine = Machine::with("").await;
    let slow: Manners = &[(".", "slowly 250 taken")];
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[slow]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert!((18..21).contains(&restart(&machine, "").await.as_secs()));
    pass(Duration::from_secs(60 * 60)).await;
    assert_eq!((machine.network.visits().len(), machine.events(2001).len()), (1, 1));
    assert_eq!(machine.spool("out"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn no_message_is_begun_to_be_sent_by_a_service_that_is_being_stopped() {
    let settings = "delivery.connections = 1";
    let machine = Machine::with(settings).await;
    let slow: Manners = &[(".", "slowly 250 taken")];
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[slow]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    machine.send("alice@contoso.test", &["carol@partner.test"]).await;
    machine.tell_to_stop();
    machine.stopped().await;
    assert_eq!((machine.network.visits().len(), machine.spool("out").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_has_been_told_nothing_yet_does_not_keep_the_service() {
    for answer in ["connect", "EHLO"] {
        let machine = Machine::with("").await;
        let silent: Manners =
            if answer == "connect" { &[("connect", "silence")] } else { &[("EHLO", "silence")] };
        machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[silent, &[]]);
        machine.send("alice@contoso.test", &["bob@partner.test"]).await;
        assert!(restart(&machine, "").await < Duration::from_secs(1), "{answer}");
        pass(Duration::from_secs(1)).await;
        assert_eq!((machine.network.visits().len(), machine.events(2001).len()), (2, 1), "{answer}");
    }
}
