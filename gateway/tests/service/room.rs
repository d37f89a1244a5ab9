//! How much of the messages in hand is in memory at one time.

use std::time::Duration;

use gateway::reach::Point;

use crate::machine::{Machine, RELAY_CLIENT, pass};
use crate::network::Manners;

/// Two such messages are more than there is room for.
const ROOM: &str = "limits.octets_in_hand = 65536";

/// Hands over a message of some 40,000 octets.
async fn send_large(machine: &Machine, to: &str) {
    let mut client = machine.network.dial(RELAY_CLIENT);
    client.play("S: 220\n C: HELO client.example\n S: 250\n C: MAIL FROM:<eve@fabrikam.test>\n S: 250").await;
    client.play(&format!("C: RCPT TO:<{to}>\n S: 250\n C: DATA\n S: 354")).await;
    client.send(format!("{}\r\n", "x".repeat(98)).repeat(400).as_bytes()).await;
    client.play("C: .\n S: 250").await;
}

#[tokio::test(start_paused = true)]
async fn large_messages_go_one_after_another_and_hold_up_no_small_one() {
    let machine = Machine::with(ROOM).await;
    let slow: Manners = &[(".", "slowly 250 taken")];
    machine.network.host("partner.test", 10, "mx.partner.test", "203.0.113.1", &[slow]);
    machine.network.host("adatum.test", 10, "mx.adatum.test", "203.0.113.2", &[&[]]);
    for recipient in ["bob@partner.test", "carol@partner.test", "dave@partner.test"] {
        send_large(&machine, recipient).await;
    }
    machine.send("eve@fabrikam.test", &["erin@adatum.test"]).await;
    assert!(machine.reached(Point::NoRoomInMemory));
    let contents = |host: &str| {
        let visits = machine.network.visits();
        let said = visits.iter().filter(|visit| visit.host.to_string() == host).flat_map(|visit| &visit.said);
        said.filter(|line| *line == ".").count()
    };
    assert_eq!((contents("203.0.113.1"), contents("203.0.113.2")), (1, 1));
    pass(Duration::from_secs(22)).await;
    assert_eq!(contents("203.0.113.1"), 2);
    pass(Duration::from_secs(60)).await;
    assert_eq!((contents("203.0.113.1"), machine.spool("out")), (3, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_larger_than_all_the_room_is_delivered() {
    let machine = Machine::with("limits.octets_in_hand = 65536").await;
    let mut client = machine.network.dial(RELAY_CLIENT);
    client.play("S: 220\n C: HELO client.example\n S: 250\n C: MAIL FROM:<eve@fabrikam.test>\n S: 250").await;
    client.play("C: RCPT TO:<alice@contoso.test>\n S: 250\n C: DATA\n S: 354").await;
    client.send(format!("{}\r\n", "x".repeat(98)).repeat(2_000).as_bytes()).await;
    client.play("C: .\n S: 250").await;
    send_large(&machine, "alice@contoso.test").await;
    pass(Duration::from_secs(5)).await;
    assert_eq!(machine.mailbox("alice").len(), 2);
}
