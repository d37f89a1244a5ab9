//! Flush mode: what clients and hosts see while the spool's drive is nearly full.

use std::time::Duration;

use crate::machine::{Machine, pass};
use crate::network::Manners;

const MINUTE: Duration = Duration::from_secs(60);
const LOW_WATER: u64 = 10 << 20;
const KIND: Manners = &[];

#[tokio::test(start_paused = true)]
async fn no_mail_is_taken_in_while_the_drive_is_nearly_full() {
    let machine = Machine::with("").await;
    machine.leave_free(LOW_WATER - 1);
    let mut client = machine.greeted().await;
    client.play("C: MAIL FROM:<eve@fabrikam.test>\n S: 452 Requested action not taken: insufficient").await;
    client.play("C: MAIL FROM:<eve@fabrikam.test>\n S: 452").await;
    assert!(machine.events(3018)[0].contains("10485759 octets free, fewer than 10485760"));

    machine.leave_free(LOW_WATER);
    pass(Duration::from_secs(14)).await;
    client.play("C: MAIL FROM:<eve@fabrikam.test>\n S: 452").await;
    pass(Duration::from_secs(1)).await;
    client.play("C: MAIL FROM:<eve@fabrikam.test>\n S: 250").await;
    assert_eq!((machine.events(3018).len(), machine.events(3019).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_has_begun_and_what_was_taken_goes_on_while_the_drive_is_nearly_full() {
    let machine = Machine::with("").await;
    let later: Manners = &[("RCPT", "451 later")];
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[later, KIND]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    let mut client = machine.greeted().await;
    let to_alice = "C: RCPT TO:<alice@contoso.test>\n S: 250\n C: DATA\n S: 354";
    client.play(&format!("C: MAIL FROM:<>\n S: 250\n {to_alice}")).await;

    machine.leave_free(0);
    pass(MINUTE).await;
    machine.greeted().await.play("C: MAIL FROM:<>\n S: 452").await;
    client.play("C: .\n S: 250").await;
    pass(15 * MINUTE).await;
    assert_eq!((machine.mailbox("alice").len(), machine.spool("out")), (1, Vec::new()));
    assert!(machine.events(2001).iter().any(|event| event.contains("mx1.partner.test")));
}

#[tokio::test(start_paused = true)]
async fn a_low_water_mark_of_nothing_is_never_reached() {
    let machine = Machine::with("limits.disk_low_water = 0").await;
    machine.leave_free(0);
    machine.greeted().await.play("C: MAIL FROM:<eve@fabrikam.test>\n S: 250").await;
    assert_eq!(machine.events(3018), [""; 0]);
}
