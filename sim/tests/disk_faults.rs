//! Disk faults: each does what it says, bites, and costs no mail that was answered for.

mod stories;

use std::time::Duration;

use stories::{Story, reached, two_messages, two_messages_with};

#[track_caller]
fn ends_well(story: &Story) {
    if let Err(why) = story.ends_well() {
        panic!("{why}");
    }
}

#[test]
fn without_a_fault_both_messages_arrive_once() {
    let story = two_messages(&[]);
    ends_well(&story);
    assert_eq!([story.arrived("m1"), story.arrived("m2")], [1, 1]);
}

#[test]
fn a_write_without_room_is_answered_with_a_temporary_refusal_and_tried_again() {
    let line = r#"{ kind = "disk-fails", op = "write", folder = "work", nth = 1, error = "enospc" }"#;
    let story = two_messages(&[line]);
    assert_eq!(story.bites(), [1]);
    assert_eq!(story.answers("m1"), ["451", "250"]);
    assert_eq!(story.times("fault: writing in work fails with ENOSPC"), 1);
    ends_well(&story);
}

/// The gateway does not ask how much is free: it has to find out.
const BLIND: &str = "limits = { disk_low_water = 0 }";

#[test]
fn a_gateway_that_asks_how_much_is_free_takes_no_mail_until_there_is_room_again() {
    let line = r#"{ kind = "low-space", at = "20s", until = "5m", free = 100 }"#;
    let story = two_messages(&[line]);
    assert!(story.bites()[0] > 0);
    assert_eq!([story.answers("m1"), story.answers("m2")], [["452", "250"], ["452", "250"]]);
    assert!(reached(&story, "the gateway was told that the disk has little room"));
    ends_well(&story);
}

#[test]
fn a_gateway_that_writes_to_a_full_disk_takes_no_mail_until_there_is_room_again() {
    let line = r#"{ kind = "low-space", at = "20s", until = "5m", free = 100 }"#;
    let story = two_messages_with(BLIND, &[line]);
    assert_eq!([story.answers("m1"), story.answers("m2")], [["451", "250"], ["451", "250"]]);
    assert_eq!(story.times("fault: the disk is full") as u64, story.bites()[0]);
    assert!(reached(&story, "the disk was full"));
    ends_well(&story);
}

#[test]
fn removing_a_file_gives_its_room_back() {
    // There is room for one message and no more: whoever finds none has to leave what it wrote as it found it.
    let line = r#"{ kind = "low-space", at = "20s", until = "9m", free = 700 }"#;
    let story = two_messages_with(BLIND, &[line]);
    assert!(story.bites()[0] > 0);
    ends_well(&story);
}

#[test]
fn a_failed_synchronisation_is_not_answered_with_250() {
    let line = r#"{ kind = "disk-fails", op = "sync", folder = "work", nth = 1, error = "eio" }"#;
    let story = two_messages(&[line]);
    assert_eq!((story.bites(), story.answers("m1")), (vec![1], vec!["451".to_owned(), "250".to_owned()]));
    assert!(reached(&story, "the disk failed"));
    ends_well(&story);
}

#[test]
fn a_slow_synchronisation_delays_the_answer() {
    let line = r#"{ kind = "slow-sync", folder = "work", nth = 1, times = 1, by = "20s" }"#;
    let sync_of_start = r#"{ kind = "slow-sync", folder = "in", nth = 1, by = "5s" }"#;
    let slow = two_messages(&[line, sync_of_start]);
    assert_eq!(slow.bites(), [1, 1]);
    assert!(reached(&slow, "a synchronisation was slow"));
    ends_well(&slow);
}

#[test]
fn a_file_that_vanishes_is_nobodys_any_more_and_the_service_goes_on() {
    let waits = r#"{ kind = "extension-delays", message = "m1", by = "10m" }"#;
    let vanishes = r#"{ kind = "file-vanishes", message = "m1", folder = "in", at = "1m" }"#;
    let story = two_messages(&[waits, vanishes]);
    assert_eq!(story.bites()[1], 1);
    assert_eq!(story.when("the file of m1 vanishes from in"), Duration::from_mins(1));
    assert!(story.record.end.service_up);
    assert_eq!(story.arrived("m2"), 1);
}

#[test]
fn a_file_vanishes_at_the_first_moment_at_which_it_is_there() {
    let vanishes = r#"{ kind = "file-vanishes", message = "m1", folder = "mailboxes", at = "1s" }"#;
    let story = two_messages(&[vanishes]);
    assert_eq!((story.bites(), story.arrived("m1")), (vec![1], 0));
    assert!(reached(&story, "a file vanished from under the gateway"));
}

#[test]
fn a_torn_write_never_becomes_an_accepted_message() {
    for (folder, nth) in [("work", 1), ("work", 2), ("queue", 1), ("queue", 2), ("mailboxes", 1)] {
        let line =
            format!(r#"{{ kind = "torn-write", folder = "{folder}", nth = {nth}, restart_after = "1m" }}"#);
        let story = two_messages(&[&line]);
        assert_eq!(story.bites(), [1], "{line}");
        assert!(reached(&story, "a write was torn") && story.times("the power is cut") == 1);
        ends_well(&story);
    }
}

#[test]
fn bytes_that_are_lost_before_they_are_synchronised_were_not_answered_for() {
    for folder in ["work", "mailboxes"] {
        let line = format!(r#"{{ kind = "lost-data", folder = "{folder}", nth = 1, restart_after = "1m" }}"#);
        let story = two_messages(&[&line]);
        assert_eq!(story.bites(), [1], "{line}");
        assert!(reached(&story, "bytes were lost before they were synchronised"));
        ends_well(&story);
    }
}

#[test]
fn a_rename_that_is_lost_was_not_answered_for() {
    for folder in ["in", "out", "mailboxes"] {
        let line =
            format!(r#"{{ kind = "lost-rename", folder = "{folder}", nth = 1, restart_after = "1m" }}"#);
        let story = two_messages(&[&line]);
        assert_eq!(story.bites(), [1], "{line}");
        assert!(reached(&story, "a rename was lost"));
        ends_well(&story);
    }
}
