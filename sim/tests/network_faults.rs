//! Faults of the network between the machines: each bites, is written down once, and delays mail at most.

mod stories;

use std::time::Duration;

use stories::{Story, reached, two_messages};

const CLIENT: &str = r#"between = ["gw.contoso.test", "mail.fabrikam.test"]"#;
const SERVER: &str = r#"between = ["mail.partner.test", "gw.contoso.test"]"#;

#[track_caller]
fn ends_well(story: &Story) {
    if let Err(why) = story.ends_well() {
        panic!("{why}");
    }
}

#[test]
fn nothing_passes_a_partition_before_it_heals() {
    let line = format!(r#"{{ kind = "partition", {CLIENT}, at = "20s", until = "5m" }}"#);
    let story = two_messages(&[&line]);
    assert!(story.bites()[0] > 1);
    assert!(story.when("from <alice@fabrikam.test>") > Duration::from_mins(5));
    assert!(reached(&story, "a segment was lost on a link that was cut"));
    assert_eq!(story.times("fault: nothing passes to gw.contoso.test"), 1);
    ends_well(&story);
}

#[test]
fn a_partition_one_way_loses_the_answers() {
    let line = r#"{ kind = "partition-one-way", from = "gw.contoso.test", to = "mail.fabrikam.test", at = "20s", until = "5m" }"#;
    let story = two_messages(&[line]);
    assert!(story.bites()[0] > 1);
    assert_eq!(story.times("fault: nothing passes to mail.fabrikam.test"), 1);
    ends_well(&story);
}

#[test]
fn what_is_held_arrives_when_it_is_let_go() {
    let line = format!(r#"{{ kind = "hold", {SERVER}, at = "20s", until = "50s" }}"#);
    let story = two_messages(&[&line]);
    assert!(story.bites()[0] > 0);
    assert!(story.when("takes m2") > Duration::from_secs(50));
    assert!(reached(&story, "a segment was held on its way"));
    ends_well(&story);
}

#[test]
fn a_slow_link_makes_it_all_late() {
    let line = format!(r#"{{ kind = "slow-link", {SERVER}, at = "20s", until = "10m", latency = "2s" }}"#);
    let story = two_messages(&[&line]);
    assert!(story.when("takes m2") > Duration::from_secs(40));
    assert!(reached(&story, "a segment went over a slow link"));
    ends_well(&story);
}

#[test]
fn a_link_that_loses_segments_delays_and_loses_no_mail() {
    let line = format!(r#"{{ kind = "loss", {CLIENT}, at = "0s", until = "1h", one_in = 3 }}"#);
    let story = two_messages(&[&line]);
    assert!(story.bites()[0] > 1);
    assert!(reached(&story, "a segment was lost on a bad link"));
    ends_well(&story);
}

#[test]
fn connections_that_are_reset_are_lost_to_both_sides() {
    let slow = format!(r#"{{ kind = "slow-link", {CLIENT}, at = "20s", until = "1m", latency = "2s" }}"#);
    let line = format!(r#"{{ kind = "reset", {CLIENT}, at = "40s" }}"#);
    let story = two_messages(&[&slow, &line]);
    assert_eq!(story.bites()[1], 1);
    assert_eq!(story.answers("m1"), ["lost", "250"]);
    assert!(reached(&story, "the network reset the connections between two machines"));
    ends_well(&story);
}

#[test]
fn a_fault_that_lasts_is_written_down_where_it_begins_and_ends_though_it_bites_nobody() {
    let early = format!(r#"{{ kind = "hold", {SERVER}, at = "1ms", until = "2ms" }}"#);
    let late = format!(r#"{{ kind = "partition", {CLIENT}, at = "20s", until = "300h" }}"#);
    let story = two_messages(&[&early, &late]);
    assert_eq!(story.bites()[0], 0);
    for (turn, at) in [
        ("fault 1, hold of mail.partner.test and gw.contoso.test: begins", Duration::from_millis(1)),
        ("fault 1, hold of mail.partner.test and gw.contoso.test: ends", Duration::from_millis(2)),
        ("fault 2, partition of gw.contoso.test and mail.fabrikam.test: begins", Duration::from_secs(20)),
    ] {
        assert_eq!((story.when(turn), story.times(turn)), (at, 1), "{turn}");
    }
    assert_eq!(
        story.times("fault 2, partition of gw.contoso.test and mail.fabrikam.test: ends"),
        0,
        "the run ends before"
    );
    let entries = &story.record.entries;
    assert!(entries.is_sorted_by_key(|entry| entry.at));
    let log = sim::render::event_log("", &story.plan, &story.record);
    assert!(!log.contains("begins") && log.contains("fault: nothing passes"), "{log}");
}
