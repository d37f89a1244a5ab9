//! What becomes of mail while the disk, the clock or the hosts make trouble.
#![expect(clippy::disallowed_methods, reason = "the test is the administrator at the machine")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway::reach::Point;
use jiff::SignedDuration;

use crate::disk::Trouble;
use crate::machine::{Machine, pass};
use crate::network::Manners;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const KIND: Manners = &[];

const MESSAGE: &str = "
    C: MAIL FROM:<eve@fabrikam.test>
    S: 250
    C: RCPT TO:<alice@contoso.test>
    S: 250
    C: DATA
    S: 354
    C: Subject: Forty chairs
    C: .
";

fn is_in(path: &Path, folder: &str) -> bool {
    path.parent().is_some_and(|parent| parent.ends_with(folder))
}

/// Whether what is made in `work` is to come into `in`: parts have a number in their names.
fn is_to_in(path: &Path) -> bool {
    path.file_name().unwrap().to_str().unwrap().strip_suffix(".made").is_some_and(|name| !name.contains('.'))
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_accepted_does_not_stay_behind_in_in() {
    for step in ["sync", "file"] {
        let machine = Machine::with("").await;
        let mut client = machine.greeted().await;
        machine.trouble(move |what, path| match what {
            "sync" if step == "sync" && path.ends_with("in") => Some(Trouble::Refuse),
            "file" if step == "file" => Some(Trouble::DoAndRefuse),
            "remove" if is_in(path, "in") => Some(Trouble::Refuse),
            _ => None,
        });
        client.play(&format!("{MESSAGE} S: 451")).await;
        assert_eq!((machine.events(4055).len(), machine.spool("in").len()), (1, 1));

        machine.heal();
        pass(2 * MINUTE).await;
        assert_eq!((machine.spool("in"), machine.mailbox("alice")), Default::default());
        client.play(&format!("{MESSAGE} S: 250")).await;
        pass(MINUTE).await;
        assert_eq!(machine.mailbox("alice").len(), 1, "once, after {step} had failed");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_out_before_it_is_certain_that_the_message_has_left_in() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[KIND]);
    let syncs = AtomicUsize::new(0);
    machine.trouble(move |what, path| {
        let is_after_commit =
            what == "sync" && path.ends_with("in") && syncs.fetch_add(1, Ordering::Relaxed) > 0;
        is_after_commit.then_some(Trouble::Refuse)
    });
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    pass(5 * MINUTE).await;
    assert_eq!((machine.spool("in").len(), machine.network.visits().len()), (0, 0));
    machine.heal();
    pass(2 * MINUTE).await;
    assert_eq!((machine.network.visits().len(), machine.spool("out").len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_moved_to_bad_is_an_event_though_the_disk_fails_right_afterwards() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[&[("RCPT", "451 later")]]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    let [entry] = &machine.spool("out")[..] else { panic!("one entry") };
    fs::write(machine.path("spool/out").join(entry), "ImCr 1").unwrap();
    machine.trouble(|what, path| (what == "sync" && path.ends_with("bad")).then_some(Trouble::Refuse));
    pass(HOUR).await;
    machine.heal();
    pass(HOUR).await;
    assert_eq!((machine.events(4116).len(), machine.spool("bad").len()), (1, 1));
    assert_eq!((machine.spool("out"), machine.journals()), Default::default());
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_another_report_came_before_is_reported_too() {
    let machine = Machine::with("").await;
    let first: Manners = &[("RCPT TO:<one@", "550 no such user"), ("RCPT TO:<two@", "451 later")];
    let second: Manners = &[("RCPT", "550 no such user")];
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[first, second]);
    // The first report is filed and waits in `in`; the notification that goes with it is not.
    let filed = AtomicUsize::new(0);
    let is_in_store = |path: &Path| path.to_string_lossy().contains("/mail/");
    machine.trouble(move |what, path| match what {
        "file" if path.extension().is_some_and(|end| end == "made") => {
            (filed.fetch_add(1, Ordering::Relaxed) > 0).then_some(Trouble::Refuse)
        }
        "create" if is_in_store(path) => Some(Trouble::Refuse),
        _ => None,
    });
    machine.send("alice@contoso.test", &["one@partner.test", "two@partner.test"]).await;
    assert_eq!(machine.spool("in").len(), 1);
    machine.trouble(move |what, path| (what == "create" && is_in_store(path)).then_some(Trouble::Refuse));
    pass(90 * Duration::from_secs(1)).await;
    machine.heal();
    pass(5 * MINUTE).await;
    let reports = machine.mailbox("alice").concat();
    for recipient in ["one@partner.test", "two@partner.test"] {
        assert!(reports.contains(&format!("Final-Recipient: rfc822; {recipient}")), "{reports}");
    }
    assert_eq!((machine.spool("in"), machine.spool("out")), Default::default());
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_filed_twice_is_carried_once() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx.partner.test", "203.0.113.1", &[&[("RCPT", "550 who?")]]);
    let later: Manners = &[("RCPT", "451 later")];
    machine.network.host("fabrikam.test", 10, "mx.fabrikam.test", "203.0.113.2", &[later, KIND]);
    // The report to Eve is filed; the notification that goes with it is not, and both are made again.
    let filed = AtomicUsize::new(0);
    machine.trouble(move |what, path| {
        let is_notification = what == "file" && is_to_in(path) && filed.fetch_add(1, Ordering::Relaxed) == 1;
        is_notification.then_some(Trouble::Refuse)
    });
    machine.send("eve@fabrikam.test", &["bob@partner.test"]).await;
    pass(HOUR).await;
    let visits = machine.network.visits();
    let to_eve: Vec<_> = visits.iter().filter(|visit| visit.host.to_string() == "203.0.113.2").collect();
    assert_eq!(to_eve.len(), 2);
    assert_eq!((to_eve[1].at - to_eve[0].at).as_secs() / 60, 15);
}

#[tokio::test(start_paused = true)]
async fn one_life_of_the_process_counts_once_against_a_message() {
    let machine = Machine::with("").await;
    // It is marked as in hand, and the mark cannot be taken back.
    let marks = AtomicUsize::new(0);
    machine.trouble(move |what, path| {
        let is_store = what == "create" && path.to_string_lossy().contains("/mail/");
        let is_hand = what == "open" && path.ends_with("hands") && marks.fetch_add(1, Ordering::Relaxed) > 0;
        (is_store || is_hand).then_some(Trouble::Refuse)
    });
    machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
    pass(5 * MINUTE).await;
    assert_eq!(machine.in_hand().len(), 1);
    machine.kill().await;
    machine.heal();
    machine.start("").await;
    pass(MINUTE).await;
    assert_eq!((machine.mailbox("alice").len(), machine.spool("bad")), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_the_disk_does_not_let_be_is_refused_and_loses_nothing() {
    let machine = Machine::with("").await;
    machine.trouble(|what, path| {
        (what == "create" && path.to_string_lossy().contains("/mail/")).then_some(Trouble::Halt)
    });
    machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
    machine.kill().await;
    for (step, folder) in
        [("list", "in"), ("list", "out"), ("list", "queue"), ("sync", "in"), ("make", "spool/work")]
    {
        machine
            .trouble(move |what, path| (what == step && path.ends_with(folder)).then_some(Trouble::Refuse));
        let refused = machine.try_to_start("").await.unwrap_err().to_string();
        assert!(refused.starts_with("the spool cannot be used: cannot "), "{refused}");
    }
    // A message that cannot be read now does not keep the service from starting.
    machine.trouble(|what, path| (what == "read" && is_in(path, "in")).then_some(Trouble::Refuse));
    machine.start("").await;
    pass(MINUTE).await;
    assert_eq!(machine.mailbox("alice"), [""; 0]);
    machine.heal();
    pass(2 * MINUTE).await;
    assert_eq!(machine.mailbox("alice").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_cannot_be_noted_is_noted_later_and_not_made_again() {
    let machine = Machine::with("").await;
    let mixed: Manners = &[("RCPT TO:<two@", "451 later")];
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[mixed, KIND]);
    machine.trouble(|what, path| {
        (what == "open" && is_in(path, "queue") && path.extension().is_some_and(|end| end == "1"))
            .then_some(Trouble::Refuse)
    });
    machine.send("alice@contoso.test", &["one@partner.test", "two@partner.test"]).await;
    pass(10 * MINUTE).await;
    assert!(machine.reached(Point::DeliveryNotedLate));
    machine.heal();
    pass(HOUR).await;
    let [_, second] = &machine.network.visits()[..] else { panic!("two visits") };
    assert!(second.said.iter().all(|line| !line.contains("one@")), "{:?}", second.said);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_emptied_by_what_can_be_delivered() {
    let machine = Machine::with("").await;
    let later: Manners = &[("RCPT", "451 later")];
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[later, KIND]);
    machine.send("alice@contoso.test", &["one@partner.test", "two@partner.test"]).await;
    machine.trouble(|what, _| matches!(what, "create" | "open").then_some(Trouble::Refuse));
    pass(20 * MINUTE).await;
    assert_eq!((machine.network.visits().len(), machine.events(2001).len()), (2, 1));
    assert_eq!((machine.spool("out"), machine.journals()), Default::default());
}

#[tokio::test(start_paused = true)]
async fn every_part_is_carried_though_the_disk_denies_that_the_message_is_gone() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[KIND]);
    machine.network.host("fabrikam.test", 10, "mx1.fabrikam.test", "203.0.113.2", &[KIND]);
    // At the next try nobody knows any more how many parts there are.
    let removals = AtomicUsize::new(0);
    machine.trouble(move |what, path| {
        let is_first = what == "remove" && is_in(path, "in") && removals.fetch_add(1, Ordering::Relaxed) == 0;
        is_first.then_some(Trouble::DoAndRefuse)
    });
    machine.send("alice@contoso.test", &["bob@partner.test", "carol@fabrikam.test"]).await;
    assert_eq!(machine.events(4182).len(), 1);
    pass(5 * MINUTE).await;
    assert_eq!((machine.network.visits().len(), machine.spool("out").len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_move_to_bad_that_the_disk_did_and_denied_is_an_event() {
    let machine = Machine::with("").await;
    machine.kill().await;
    fs::write(machine.path("spool/in/WKA6D6YM"), "ImCr 1").unwrap();
    machine.trouble(|what, _| (what == "rename").then_some(Trouble::DoAndRefuse));
    machine.start("").await;
    assert_eq!((machine.events(4117).len(), machine.spool("bad").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_keeps_no_message_for_ever() {
    let machine = Machine::with("delivery.delay_notice = \"never\"").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    machine.set_clock(-SignedDuration::from_hours(24 * 365));
    pass(53 * HOUR).await;
    assert_eq!((machine.mailbox("alice").len(), machine.spool("out").len()), (1, 0));
    assert!((15..=17).contains(&machine.network.visits().len()), "{}", machine.network.visits().len());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_before_a_restart_keeps_no_entry_longer_than_any_wait() {
    let machine = Machine::with("").await;
    let later: Manners = &[("RCPT", "451 later")];
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[later, KIND]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    machine.kill().await;
    machine.set_clock(-SignedDuration::from_hours(24 * 365));
    machine.start("").await;
    pass(5 * HOUR).await;
    assert_eq!((machine.events(2001).len(), machine.spool("out").len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_has_the_message_reported_at_its_next_try() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    machine.set_clock(SignedDuration::from_hours(24 * 365));
    pass(16 * MINUTE).await;
    assert_eq!((machine.mailbox("alice").len(), machine.network.visits().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn hosts_that_say_nothing_do_not_keep_mail_from_the_others_for_ever() {
    let machine = Machine::with("").await;
    for number in 0..30 {
        let (domain, name) = (format!("stalled{number}.test"), format!("mx.stalled{number}.test"));
        machine.network.host(
            &domain,
            10,
            &name,
            &format!("203.0.113.{number}"),
            &[&[("connect", "silence")]],
        );
        machine.send("alice@contoso.test", &[&format!("bob@{domain}")]).await;
    }
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.99", &[KIND]);
    machine.send("alice@contoso.test", &["bob@partner.test"]).await;
    assert_eq!(machine.events(2001), [""; 0], "every place is taken");
    pass(11 * MINUTE).await;
    assert_eq!(machine.events(2001).len(), 1);
}
