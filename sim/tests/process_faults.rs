//! Faults to a process or a machine as a whole, and at its clock: each comes exactly when it says, and costs no mail
//! that was answered for.

mod stories;

use std::time::Duration;

use stories::{Story, reached, two_messages};

#[track_caller]
fn ends_well(story: &Story) {
    if let Err(why) = story.ends_well() {
        panic!("{why}");
    }
}

#[test]
fn a_killed_process_is_started_again_and_goes_on_where_it_was() {
    let in_hand = r#"{ kind = "extension-delays", message = "m1", by = "1m" }"#;
    let kill = r#"{ kind = "kill", when = { at = "1m" }, restart_after = "5m" }"#;
    let story = two_messages(&[in_hand, kill]);
    assert_eq!(story.bites()[1], 1);
    assert_eq!(story.when("the process is killed"), Duration::from_mins(1));
    assert_eq!(story.times("the service starts"), 2);
    assert_eq!(story.answers("m1"), ["250"]);
    ends_well(&story);
}

#[test]
fn a_process_killed_after_an_event_does_nothing_after_it() {
    // 2002: the message is received. It is logged right before 250 is said.
    let kill = r#"{ kind = "kill", when = { event = { id = 2002, nth = 1 } }, restart_after = "1m" }"#;
    let story = two_messages(&[kill]);
    assert_eq!(story.bites(), [1], "{:#?}", story.journal());
    assert_eq!(story.answers("m1"), ["lost", "250"]);
    assert_eq!(story.when("event 2002"), story.when("the process is killed"));
    assert!(reached(&story, "a process was killed with connections open"));
    ends_well(&story);
    // It was durable before it was logged, so the first copy arrives too.
    assert_eq!(story.arrived("m1"), 2);
}

#[test]
fn a_power_cut_tells_nobody() {
    let in_hand = r#"{ kind = "extension-delays", message = "m1", by = "1m" }"#;
    let cut = r#"{ kind = "power-cut", when = { at = "1m" }, restart_after = "5m" }"#;
    let story = two_messages(&[in_hand, cut]);
    assert_eq!((story.bites()[1], story.times("the power is cut")), (1, 1));
    ends_well(&story);
}

#[test]
fn a_power_cut_before_the_synchronisation_loses_only_what_was_not_answered() {
    let cut = r#"{ kind = "power-cut", when = { disk = { op = "sync-dir", folder = "in", nth = 2 } }, restart_after = "1m" }"#;
    let story = two_messages(&[cut]);
    assert_eq!(story.bites(), [1]);
    assert_eq!(story.answers("m1")[0], "lost");
    assert!(reached(&story, "the power was cut with connections open"));
    ends_well(&story);
}

#[test]
fn a_second_fault_can_come_while_the_service_starts_again() {
    let kill = r#"{ kind = "kill", when = { at = "40s" }, restart_after = "1m" }"#;
    let cut = r#"{ kind = "power-cut", when = { disk = { op = "list", folder = "in", nth = 4 } }, restart_after = "1m" }"#;
    let again = r#"{ kind = "kill", when = { disk = { op = "list", folder = "queue", nth = 2 } }, restart_after = "1m" }"#;
    let story = two_messages(&[kill, cut, again]);
    assert_eq!(story.bites(), [1, 1, 1], "{:#?}", story.journal());
    assert!(reached(&story, "the power was cut while the service was starting again"));
    assert!(reached(&story, "a process was killed while it was starting again"));
    assert_eq!(story.times("the service starts"), 4);
    ends_well(&story);
}

#[test]
fn what_does_not_run_cannot_be_killed() {
    let kill = r#"{ kind = "kill", when = { at = "1m" }, restart_after = "10m" }"#;
    let again = r#"{ kind = "kill", when = { at = "2m" }, restart_after = "1m" }"#;
    let cut = r#"{ kind = "power-cut", when = { at = "3m" }, restart_after = "10m" }"#;
    let cut_again = r#"{ kind = "power-cut", when = { at = "4m" }, restart_after = "1m" }"#;
    let story = two_messages(&[kill, again, cut, cut_again]);
    assert_eq!(story.bites(), [1, 0, 1, 0]);
    assert!(reached(&story, "the power was cut while the service was down"));
    assert_eq!(story.times("the service starts"), 2);
    ends_well(&story);
}

#[test]
fn a_mail_server_that_is_stopped_gets_its_mail_when_it_is_back() {
    for kind in ["kill", "power-cut"] {
        let stop = format!(
            r#"{{ kind = "{kind}", machine = "mail.partner.test", when = {{ at = "20s" }}, restart_after = "30m" }}"#
        );
        let story = two_messages(&[&stop]);
        assert_eq!(story.bites(), [1]);
        assert!(reached(&story, "a mail server was stopped"));
        assert!(story.when("takes m2") > Duration::from_mins(30));
        ends_well(&story);
    }
}

#[test]
fn a_run_waits_for_a_restart_that_is_to_come() {
    let kill = r#"{ kind = "kill", when = { at = "2h" }, restart_after = "1h" }"#;
    let story = two_messages(&[kill]);
    assert_eq!(story.times("the service starts"), 2);
    ends_well(&story);
}

#[test]
fn a_clock_that_jumps_or_is_wrong_costs_no_mail() {
    for line in [
        r#"{ kind = "clock-jump", at = "30s 50ms", by = "-2h" }"#,
        r#"{ kind = "clock-jump", at = "20s", by = "48h" }"#,
        r#"{ kind = "clock-skew", by = "-8760h" }"#,
    ] {
        let story = two_messages(&[line]);
        assert_eq!((story.bites(), story.times("the clock is found set")), (vec![1], 1), "{line}");
        assert_eq!(reached(&story, "the gateway's clock was set back"), line.contains("\"-"));
        ends_well(&story);
    }
}

#[test]
fn a_killed_process_closes_its_connections_and_a_machine_without_power_does_not() {
    let after = |kind: &str| {
        let when = "{ event = { id = 2002, nth = 1 } }";
        two_messages(&[&format!(r#"{{ kind = "{kind}", when = {when}, restart_after = "1m" }}"#)])
    };
    let [killed, cut] = ["kill", "power-cut"].map(after);
    for story in [&killed, &cut] {
        assert_eq!((story.bites(), story.answers("m1")[0].as_str()), (vec![1], "lost"));
        ends_well(story);
    }
    assert!(killed.when("m1, try 1") < Duration::from_secs(31));
    // Nobody tells the client: it waits for the reply as long as it may.
    assert!(cut.when("m1, try 1") > Duration::from_mins(10));
}
