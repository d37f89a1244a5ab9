//! A service that is told to stop.

use std::time::Duration;

use gateway::reach::Point;
use tokio::time::Instant;

use crate::machine::Machine;

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
    assert_eq!(began.elapsed(), Duration::from_secs(30));
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
