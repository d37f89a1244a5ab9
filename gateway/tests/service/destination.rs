//! Where mail for other domains goes, as DNS says.

use std::time::Duration;

use crate::machine::{Machine, pass};
use crate::network::Manners;

const HOUR: Duration = Duration::from_secs(60 * 60);
const KIND: Manners = &[];

/// The addresses that the gateway connected to, in order.
fn visited(machine: &Machine) -> Vec<String> {
    machine.network.visits().iter().map(|visit| visit.host.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_domain_that_takes_no_mail_is_reported_at_once() {
    for host in [".", ""] {
        let machine = Machine::with("").await;
        machine.network.exchangers("partner.test", &[(0, host)]);
        machine.network.name("partner.test", "203.0.113.1");
        machine.send("alice@contoso.test", &["bob@partner.test"]).await;
        assert!(machine.events(2006)[0].contains("partner.test: it says with a null MX"));
        let [report] = &machine.mailbox("alice")[..] else { panic!("one report") };
        let unfolded = report.replace("=\r\n", "");
        assert!(report.contains("Status: 5.1.10\r\n") && unfolded.contains("null MX"), "{report}");
        pass(24 * HOUR).await;
        assert_eq!((visited(&machine), machine.spool("out")), Default::default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_null_mx_beside_others_says_nothing() {
    let machine = Machine::with("").await;
    machine.network.exchangers("partner.test", &[(0, "."), (10, "mx1.partner.test")]);
    machine.network.host("elsewhere.test", 10, "mx1.partner.test", "203.0.113.1", &[KIND]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert_eq!(visited(&machine), ["203.0.113.1"]);
}

#[tokio::test(start_paused = true)]
async fn an_exchanger_that_is_this_host_under_another_name_is_cut_with_all_that_are_no_better() {
    let machine = Machine::with("").await;
    machine.network.name("ims.contoso.test", "192.0.2.25");
    machine.network.host("partner.test", 30, "mx3.partner.test", "203.0.113.3", &[KIND]);
    machine.network.host("partner.test", 20, "alias.contoso.test", "192.0.2.25", &[KIND]);
    machine.network.host("partner.test", 20, "mx2.partner.test", "203.0.113.2", &[KIND]);
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    pass(HOUR).await;
    assert_eq!(visited(&machine), ["203.0.113.1"; 3]);
}

#[tokio::test(start_paused = true)]
async fn mail_that_only_leads_back_to_this_host_is_reported_and_not_sent_round() {
    for (exchangers, address) in [
        (&[(10, "ims.contoso.test")][..], "192.0.2.25"),
        (&[(10, "partner.test")], "192.0.2.25"),
        (&[(10, "partner.test")], "127.0.0.1"),
        (&[], "192.0.2.25"),
        (&[], "0.0.0.0"),
    ] {
        let machine = Machine::with("").await;
        machine.network.name("ims.contoso.test", "192.0.2.25");
        machine.network.exchangers("partner.test", exchangers);
        machine.network.name("partner.test", address);
        machine.send("alice@contoso.test", &["bob@partner.test"]).await;
        assert!(machine.events(2006)[0].contains("leads back to this host"));
        assert_eq!((machine.mailbox("alice").len(), visited(&machine).len()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn another_port_of_this_host_is_another_server() {
    let machine = Machine::with("delivery.smart_host = \"127.0.0.1:2525\"").await;
    machine.network.host("elsewhere.test", 10, "scanner.test", "127.0.0.1", &[KIND]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert_eq!((visited(&machine).len(), machine.events(2001).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn each_address_of_a_host_is_tried_and_a_domain_that_only_refuses_is_tried_again() {
    let machine = Machine::with("").await;
    machine.network.exchangers("partner.test", &[]);
    machine.network.name("partner.test", "203.0.113.1");
    machine.network.name("partner.test", "203.0.113.2");
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert_eq!(visited(&machine), ["203.0.113.1", "203.0.113.2"]);
    assert_eq!((machine.mailbox("alice").len(), machine.events(3010).len()), (0, 2));

    machine.network.host("elsewhere.test", 10, "mx2.partner.test", "203.0.113.2", &[KIND]);
    pass(HOUR).await;
    assert_eq!((machine.events(2001).len(), machine.spool("out")), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_domain_of_hundreds_of_exchangers_has_twenty_of_them_tried() {
    let machine = Machine::with("").await;
    let names: Vec<String> = (0..300).map(|number| format!("mx{number}.partner.test")).collect();
    let exchangers: Vec<_> = (0..).zip(names.iter().map(String::as_str)).collect();
    machine.network.exchangers("partner.test", &exchangers);
    names.iter().for_each(|name| machine.network.name(name, "203.0.113.1"));
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert_eq!(visited(&machine).len(), 20);
}
