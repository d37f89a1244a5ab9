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

#[tokio::test(start_paused = true)]
async fn what_the_hosts_say_that_are_known_is_not_the_last_word_while_another_is_not_known() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[KIND]);
    let no_service: Manners = &[("connect", "554 no mail here")];
    machine.network.host("partner.test", 20, "mx2.partner.test", "203.0.113.2", &[no_service]);
    machine.network.host_is_known("mx1.partner.test", false);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert_eq!((machine.mailbox("alice"), machine.spool("out").len()), (Vec::new(), 1));
    machine.network.host_is_known("mx1.partner.test", true);
    pass(HOUR).await;
    assert_eq!(visited(&machine), ["203.0.113.2", "203.0.113.1"]);
    assert_eq!((machine.events(2001).len(), machine.spool("out")), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_not_known_now_may_take_what_the_others_have_no_words_for() {
    let machine = Machine::with("").await;
    let offers: Manners = &[("EHLO", "250-mx1\r\n250-8BITMIME\r\n250 SMTPUTF8")];
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[offers]);
    machine.network.host("partner.test", 20, "mx2.partner.test", "203.0.113.2", &[KIND]);
    machine.network.host_is_known("mx1.partner.test", false);
    let mut client = machine.network.dial(crate::machine::RELAY_CLIENT);
    let to = "b\u{fc}cher@partner.test";
    let script = format!(
        "S: 220\n C: EHLO client.example\n S: 250\n C: MAIL FROM:<alice@contoso.test> SMTPUTF8\n S: 250\n C: RCPT TO:<{to}>\n S: 250\n C: DATA\n S: 354\n C: Subject: x\n C: .\n S: 250"
    );
    client.play(&script).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!((machine.mailbox("alice"), machine.spool("out").len()), (Vec::new(), 1));
    machine.network.host_is_known("mx1.partner.test", true);
    pass(HOUR).await;
    assert_eq!((machine.events(2001).len(), machine.mailbox("alice")), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn twenty_hosts_do_not_speak_for_the_others_of_a_domain_that_has_more() {
    for (count, reports) in [(20, 1), (21, 0)] {
        let machine = Machine::with("").await;
        let no_service: Manners = &[("connect", "554 no mail here")];
        for number in 0..count {
            let (name, address) = (format!("mx{number}.partner.test"), format!("203.0.113.{}", number + 1));
            machine.network.host("partner.test", number, &name, &address, &[no_service]);
        }
        machine.send("alice@contoso.test", &["bob@partner.test"]).await;
        assert_eq!((visited(&machine).len(), machine.mailbox("alice").len()), (20, reports), "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_host_cannot_be_told_in_seven_bits_goes_to_one_that_takes_eight_or_comes_back() {
    let offers: Manners = &[("EHLO", "250-mx\r\n250 8BITMIME")];
    let send = async |machine: &Machine| {
        let mut client = machine.network.dial(crate::machine::RELAY_CLIENT);
        let envelope = "S: 220\n C: EHLO client.example\n S: 250\n C: MAIL FROM:<alice@contoso.test> BODY=8BITMIME\n S: 250\n C: RCPT TO:<bob@partner.test>\n S: 250\n C: DATA\n S: 354";
        client.play(envelope).await;
        client.play("C: Subject: Gr\u{fc}\u{df}e\n C: .\n S: 250").await;
        pass(Duration::from_secs(1)).await;
    };
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[KIND]);
    machine.network.host("partner.test", 20, "mx2.partner.test", "203.0.113.2", &[offers]);
    send(&machine).await;
    assert_eq!(
        (visited(&machine), machine.mailbox("alice").len()),
        (vec!["203.0.113.1".to_owned(), "203.0.113.2".to_owned()], 0)
    );

    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[KIND]);
    send(&machine).await;
    let [report] = &machine.mailbox("alice")[..] else { panic!("one report") };
    assert!(report.contains("Status: 5.6.3\r\n"), "{report}");
    assert!(machine.events(3060)[0].contains("mx1.partner.test offers no 8BITMIME"));
}
