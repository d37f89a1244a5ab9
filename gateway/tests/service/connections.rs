//! The connections to other hosts: kept for the next message, given up when they are of no use, and never too many.

use std::time::Duration;

use gateway::reach::Point;

use crate::machine::{Machine, pass};
use crate::network::Manners;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

const KIND: Manners = &[];

async fn partner(config: &str, manners: &[Manners]) -> Machine {
    let machine = Machine::with(config).await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", manners);
    machine
}

/// How often something was said on each connection, in their order.
fn said(machine: &Machine, words: &str) -> Vec<usize> {
    let visits = machine.network.visits();
    visits.iter().map(|visit| visit.said.iter().filter(|line| line.starts_with(words)).count()).collect()
}

#[tokio::test(start_paused = true)]
async fn messages_for_one_host_go_over_one_connection_until_there_is_none_for_a_while() {
    let machine = partner("", &[KIND]).await;
    for _ in 0..3 {
        machine.send("alice@contoso.test", &["bob@partner.test"]).await;
        pass(3 * SECOND).await;
    }
    assert_eq!((said(&machine, "EHLO"), said(&machine, "MAIL")), (vec![1], vec![3]));
    assert_eq!((said(&machine, "RSET"), said(&machine, "QUIT")), (vec![0], vec![0]));
    assert!(machine.reached(Point::ConnectionReused) && !machine.reached(Point::KeptConnectionUnused));
    pass(2 * SECOND).await;
    assert_eq!(said(&machine, "QUIT"), [1]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert_eq!(said(&machine, "MAIL"), [3, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_historical_release_opens_a_connection_for_each_message() {
    let machine = partner("release = \"5.5\"", &[KIND]).await;
    for _ in 0..2 {
        machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    }
    assert_eq!((said(&machine, "MAIL"), said(&machine, "QUIT")), (vec![1, 1], vec![1, 1]));
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_no_other_message_can_begin_costs_no_try() {
    for second in ["hang up", "421 only one message at a time", "nonsense"] {
        let manners: Manners =
            Box::leak(Box::new([("MAIL FROM:<alice", "250 OK"), ("MAIL FROM:<>", second)]));
        let machine = partner("delivery.retry = [\"1h\"]", &[manners, KIND]).await;
        machine.send("alice@contoso.test", &["bob@partner.test"]).await;
        machine.send("", &["bob@partner.test"]).await;
        assert_eq!(said(&machine, "DATA"), [1, 1], "{second}: the second message is tried at once");
        assert!(machine.reached(Point::KeptConnectionStale), "{second}");
        assert_eq!((machine.events(2001).len(), machine.journals()), (2, Vec::new()), "{second}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_host_says_of_a_message_on_a_connection_that_was_kept_is_a_try_like_any() {
    let manners: Manners = &[("MAIL FROM:<>", "450 later")];
    let machine = partner("", &[manners, KIND]).await;
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    machine.send("", &["bob@partner.test"]).await;
    assert_eq!((said(&machine, "MAIL"), said(&machine, "QUIT")), (vec![2], vec![1]));
    pass(16 * MINUTE).await;
    assert_eq!((said(&machine, "MAIL"), machine.events(2001).len()), (vec![2, 1], 2));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_has_hung_up_meanwhile_is_called_anew() {
    let manners: Manners = &[(".", "250 taken\r\n421 and that is that")];
    let machine = partner("", &[manners, KIND]).await;
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert_eq!(said(&machine, "DATA"), [1, 1]);
    assert_eq!(machine.events(2001).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_host_holds_up_no_mail_for_another() {
    let slow: Manners = &[("DATA", "silence")];
    let machine = partner("delivery.connections = 4\ndelivery.connections_per_host = 2", &[slow]).await;
    machine.network.host("quick.test", 10, "mx.quick.test", "203.0.113.2", &[KIND]);
    for _ in 0..6 {
        machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    }
    machine.send("alice@contoso.test", &["bob@quick.test"]).await;
    let calls = |last: u8| {
        let visits = machine.network.visits();
        visits.iter().filter(|visit| visit.host.to_string() == format!("203.0.113.{last}")).count()
    };
    assert_eq!((calls(1), calls(2), machine.events(2001).len()), (2, 1, 1));
    assert!(machine.reached(Point::NoRoomAtHost));
    // Two minutes for DATA, and the next two have their turn.
    pass(2 * MINUTE).await;
    assert_eq!(calls(1), 4);
    pass(5 * MINUTE).await;
    assert_eq!(calls(1), 6);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_kept_makes_room_for_one_that_is_needed() {
    let machine = partner("delivery.connections = 1", &[KIND]).await;
    machine.network.host("quick.test", 10, "mx.quick.test", "203.0.113.2", &[KIND]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    machine.send("alice@contoso.test", &["bob@quick.test"]).await;
    assert_eq!((said(&machine, "QUIT"), machine.events(2001).len()), (vec![1, 0], 2));
    assert!(machine.reached(Point::KeptConnectionMadeRoom));
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_a_host_that_cannot_be_connected_to_need_not_find_that_out_again() {
    let machine = partner("delivery.connections_per_host = 1\ndelivery.retry = [\"1h\"]", &[]).await;
    machine.network.stay_silent("203.0.113.1");
    for _ in 0..3 {
        machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    }
    pass(2 * MINUTE).await;
    assert!(machine.reached(Point::SparedAFailure));
    assert_eq!((machine.network.visits().len(), machine.events(3010).len()), (1, 1));
    pass(61 * MINUTE).await;
    assert_eq!(machine.network.visits().len(), 2, "each has had its try, and the next is an hour later");
}
