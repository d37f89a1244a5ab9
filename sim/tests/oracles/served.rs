//! Clients that are not served, a service that does not come up or stop, and processes that end again and again.

use std::time::Duration;

use gateway::exception::Exception;
use gateway::release::Release;
use sim::plan::Plan;
use sim::record::{Entry, Outcome, Record, Service, Speaker, What};

use crate::world::*;

/// The world with one more client that comes when all is well, and what it hears.
fn hears(outcome: &Outcome) -> (Plan, Record) {
    let client = r#"
        [[client]]
        name = "mail.northwind.test"
        address = "198.51.100.9"
        message = [{ name = "m9", at = "10m", from = "nora@northwind.test", to = ["bob@contoso.test"], subject = "Nine" }]
    "#;
    let (plan, mut record) = ran_with(client);
    for entry in &mut record.entries {
        if let What::Client(attempt) = &mut entry.what
            && attempt.message == "m9"
        {
            attempt.outcome = outcome.clone();
        }
    }
    (plan, record)
}

#[test]
fn a_client_that_is_put_off_or_not_heard_though_all_is_well() {
    let put_off = Outcome::Refused { command: "RCPT".to_owned(), reply: "451 4.3.0 later".to_owned() };
    let lost = Outcome::Lost { awaiting: "the connection".to_owned() };
    let unreachable = Outcome::Unreachable("connection refused".to_owned());
    for (outcome, cause) in [
        (put_off, "a client was put off though all was well"),
        (lost, "a client was not answered though all was well"),
        (unreachable, "a client found nobody to talk to though all was well"),
    ] {
        let (plan, record) = hears(&outcome);
        finds(&plan, &record, "liveness", cause);
    }
}

#[test]
fn a_client_that_is_turned_away_though_there_are_not_too_many() {
    let (plan, mut record) = ran();
    say_instead(
        &mut record,
        Speaker::Server,
        "220 gw",
        "220 gw.contoso.test",
        "421 gw.contoso.test too many connections, try again later",
    );
    finds_too(&plan, &record, "bounds: a client was turned away though there are not too many");
}

/// Has the last dialogue with a client end after this line of it.
fn ends_after(record: &mut Record, begins: &str) {
    let is_it = |entry: &Entry| matches!(&entry.what, What::Smtp { line, .. } if line.starts_with(begins));
    let place = record.entries.iter().rposition(is_it).unwrap();
    let What::Smtp { connection: ours, .. } = record.entries[place].what else { unreachable!() };
    let after = record.entries.split_off(place + 1);
    let is_ours = |entry: &Entry| matches!(&entry.what, What::Smtp { connection, .. } if *connection == ours);
    record.entries.extend(after.into_iter().filter(|entry| !is_ours(entry)));
    record.ended += Duration::from_hours(2);
}

#[test]
fn a_client_that_is_waited_for_for_ever() {
    let (plan, mut record) = ran();
    ends_after(&mut record, "221 2.0.0");
    finds_too(&plan, &record, "liveness: a client that says nothing was waited for for too long");
}

#[test]
fn a_command_that_is_never_answered() {
    let (plan, mut record) = ran();
    ends_after(&mut record, "AUTH PLAIN");
    finds_too(&plan, &record, "liveness: a command was not answered in time");
}

fn service(record: &mut Record, at: Duration, change: Service) {
    record.entries.push(Entry { at, machine: "gw.contoso.test".into(), what: What::Service(change) });
}

#[test]
fn a_message_that_ends_the_process_without_an_end() {
    let kills = "\n[service]\nrestart_after = \"1m\"\nrestarts = 20\n[[fault]]\nkind = \"extension-kills\"\nmessage = \"m1\"\n";
    let (plan, mut record) = ran_with(kills);
    let at = record.ended;
    service(&mut record, at, Service::Died(Exception::access_violation(0)));
    service(&mut record, at + Duration::from_mins(1), Service::Starts);
    finds(&plan, &record, "service", "the same message ended the process again and again");
}

#[test]
fn a_service_that_does_not_come_up_on_a_disk_that_is_well_again() {
    let fault = r#"
        [service]
        restart_after = "1m"
        restarts = 20
        [[fault]]
        kind = "disk-fails"
        op = "sync-dir"
        folder = "queue"
        nth = 1
        error = "enospc"
    "#;
    let (plan, mut record) = ran_with(fault);
    let at = record.ended + Duration::from_mins(10);
    service(&mut record, at, Service::Starts);
    service(&mut record, at, Service::Refused("no room".to_owned()));
    service(&mut record, at + Duration::from_mins(1), Service::Starts);
    finds(&plan, &record, "service", "the service does not come up");
}

/// Whoever starts it gives up at last: that each start was refused, and nothing of the plan's refused it, is what is found.
#[test]
fn a_service_that_is_kept_from_starting_for_ever_by_nothing() {
    let (plan, mut record) = ran();
    for _ in 0..3 {
        let at = record.ended;
        service(&mut record, at, Service::Refused("no room".to_owned()));
    }
    record.end.service_up = false;
    record.ended = Duration::from_hours(8);
    finds_too(&plan, &record, "service: the service does not come up");
}

const STOPS: &str = "a-service-that-is-told-to-stop-finishes-what-it-has-in-hand";

fn stops() -> (Plan, Record, usize) {
    let (plan, record) = replayed(STOPS, Release::Current);
    assert!(found(&plan, &record).is_empty());
    let is_it = |entry: &Entry| entry.what == What::Service(Service::Stopped);
    let stopped = record.entries.iter().position(is_it).unwrap();
    (plan, record, stopped)
}

#[test]
fn a_service_that_does_not_stop_in_time_or_too_soon_or_unasked() {
    let (plan, mut record, stopped) = stops();
    for entry in &mut record.entries[stopped..] {
        entry.at += Duration::from_mins(10);
    }
    finds_too(&plan, &record, "service: the service did not stop in time");
    let (plan, mut record, stopped) = stops();
    let end = record.entries.remove(stopped);
    let told = |entry: &Entry| entry.what.to_string().contains("is told to stop");
    let told = record.entries.iter().position(told).unwrap();
    let at = record.entries[told].at;
    record.entries.insert(told + 1, Entry { at, ..end });
    finds_too(&plan, &record, "service: the service stopped before its clients were done");
    let (plan, mut record, _) = stops();
    let at = record.ended;
    service(&mut record, at, Service::Stopped);
    finds_too(&plan, &record, "service: the service stopped unasked");
}

#[test]
fn a_client_without_a_farewell_and_a_message_that_is_begun_all_the_same() {
    let (plan, mut record, _) = stops();
    record
        .entries
        .retain(|entry| !matches!(&entry.what, What::Smtp { line, .. } if line.starts_with("421 4.3.2")));
    finds_too(&plan, &record, "service: a client heard no farewell of a service that stops");
    let (plan, mut record, _) = stops();
    let place = line(&record, Speaker::Server, "250 2.6.0 OK");
    say_after(&mut record, place, Speaker::Client, "MAIL FROM:<alice@fabrikam.test>");
    say_after(&mut record, place + 1, Speaker::Server, "250 2.1.0 OK");
    finds_too(&plan, &record, "service: a message was begun with a service that stops");
}
