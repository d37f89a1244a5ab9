//! One fault after another at every operation of the gateway's disk: none costs mail that was answered for, and after
//! each the service is up with nothing left to do.

mod stories;

use stories::{FOLDERS, OPERATIONS, Story, one_refused_and_one_put_off, two_messages};

/// Tells a story for each operation on each folder, the first, the second, and so on until it does not come to it.
/// How many there were, and what was wrong with which.
fn sweep(most: u64, tell: impl Fn(&str, &str, u64) -> (String, Story, Result<(), String>)) {
    let (mut bitten, mut wrong) = (0, Vec::new());
    for (op, folder) in OPERATIONS.iter().flat_map(|op| FOLDERS.map(|folder| (op, folder))) {
        for nth in 1..=most {
            let (line, story, verdict) = tell(op, folder, nth);
            if story.bites().last() == Some(&0) {
                break;
            }
            bitten += 1;
            wrong.extend(verdict.err().map(|why| format!("{line}: {why}")));
        }
    }
    assert!(wrong.is_empty(), "{} of {bitten}: {}", wrong.len(), wrong.join("\n"));
    assert!(bitten > 40, "{bitten}");
}

fn stop(kind: &str, op: &str, folder: &str, nth: u64) -> String {
    let when = format!(r#"{{ disk = {{ op = "{op}", folder = "{folder}", nth = {nth} }} }}"#);
    format!(r#"{{ kind = "{kind}", when = {when}, restart_after = "1m" }}"#)
}

/// `m1` is set aside, and the administrator is told.
const PANICS: &str = r#"{ kind = "extension-panics", message = "m1" }"#;

#[test]
fn no_single_error_of_the_disk_costs_mail_or_the_service() {
    for error in ["eio", "enospc"] {
        sweep(4, |op, folder, nth| {
            let line = format!(
                r#"{{ kind = "disk-fails", op = "{op}", folder = "{folder}", nth = {nth}, error = "{error}" }}"#
            );
            let story = two_messages(&[&line]);
            let verdict = story.ends_well();
            (line, story, verdict)
        });
    }
}

#[test]
fn no_single_error_of_the_disk_costs_mail_that_is_set_aside() {
    sweep(4, |op, folder, nth| {
        let line = format!(
            r#"{{ kind = "disk-fails", op = "{op}", folder = "{folder}", nth = {nth}, error = "eio" }}"#
        );
        let story = two_messages(&[PANICS, &line]);
        // A disk that does not give the message when the administrator is to be told of it may leave him untold.
        let verdict = story.is_in_custody();
        (line, story, verdict)
    });
}

#[test]
fn no_power_cut_at_an_operation_of_the_disk_costs_mail() {
    for kind in ["power-cut", "kill"] {
        sweep(8, |op, folder, nth| {
            let line = stop(kind, op, folder, nth);
            let story = two_messages(&[&line]);
            let verdict = story.ends_well();
            (line, story, verdict)
        });
    }
}

#[test]
fn no_power_cut_at_an_operation_of_the_disk_costs_mail_that_is_set_aside() {
    sweep(8, |op, folder, nth| {
        let line = stop("power-cut", op, folder, nth);
        let story = two_messages(&[PANICS, &line]);
        let verdict = story.is_clean();
        (line, story, verdict)
    });
}

#[test]
fn no_power_cut_during_recovery_costs_mail() {
    // The process is killed with m1 in hand and m2 on its way.
    let waits = r#"{ kind = "extension-delays", message = "m1", by = "3m" }"#;
    let kill = r#"{ kind = "kill", when = { at = "31s 500ms" }, restart_after = "1m" }"#;
    sweep(12, |op, folder, nth| {
        let line = stop("power-cut", op, folder, nth);
        let story = two_messages(&[waits, kill, &line]);
        let verdict = story.ends_well();
        (line, story, verdict)
    });
}

#[test]
fn no_disk_that_fails_for_a_while_costs_mail() {
    sweep(3, |op, folder, nth| {
        let line = format!(
            r#"{{ kind = "disk-fails", op = "{op}", folder = "{folder}", nth = {nth}, times = 4, error = "eio" }}"#
        );
        let story = two_messages(&[&line]);
        let verdict = story.ends_well();
        (line, story, verdict)
    });
}

#[test]
fn no_error_of_the_disk_costs_a_recipient_who_is_refused_beside_one_who_is_put_off() {
    for times in [1, 3] {
        sweep(6, |op, folder, nth| {
            let line = format!(
                r#"{{ kind = "disk-fails", op = "{op}", folder = "{folder}", nth = {nth}, times = {times}, error = "eio" }}"#
            );
            let story = one_refused_and_one_put_off(&[&line]);
            let verdict = story.is_clean();
            (line, story, verdict)
        });
    }
}
