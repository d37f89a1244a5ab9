//! Each oracle on a clean run, which it judges and finds nothing in, and on one with a defect planted: it finds that,
//! and no other oracle finds anything.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod causes;
mod refused;
mod served;
mod told;
mod world;

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::time::Duration;

use gateway::config::{HostRule, MailboxConfig, Requirement, Rule, UnknownRecipients};
use gateway::exception::Exception;
use gateway::extension::OnFailure;
use gateway::release::Release;
use sim::engine::Leap;
use sim::mailbag::{Item, Kind};
use sim::oracle::{ORACLES, judge, judge_all};
use sim::plan::Plan;
use sim::record::{Entry, Outcome, Record, Service, Speaker, Spooled, What};
use sim::run::run;
use sim::scenario::Scenario;
use sim::trace::Keep;

use world::*;

#[test]
fn every_oracle_has_something_to_judge_in_a_clean_run_and_finds_nothing() {
    let (plan, record) = ran();
    for (oracle, judgement) in ORACLES.iter().zip(judge_all(&plan, &record)) {
        assert!(judgement.judged > 0, "{} has nothing to judge", oracle.name);
        assert_eq!(judgement.findings, [], "{}", oracle.name);
    }
}

#[test]
fn a_message_that_is_nowhere() {
    let (plan, mut record) = ran();
    mailbox(&mut record, "bob@contoso.test").retain(|item| item.kind != Kind::Message("m1".to_owned()));
    finds(&plan, &record, "custody", "an accepted message is nowhere");
}

#[test]
fn a_message_whose_answer_its_client_never_heard_is_in_custody_too() {
    let (plan, mut record) = ran();
    for entry in &mut record.entries {
        if let What::Client(attempt) = &mut entry.what
            && attempt.message == "m1"
        {
            attempt.outcome = Outcome::Lost { awaiting: "the final dot".to_owned() };
        }
    }
    assert_eq!(judge(&plan, &record), []);
    mailbox(&mut record, "bob@contoso.test").retain(|item| item.kind != Kind::Message("m1".to_owned()));
    finds(&plan, &record, "custody", "an accepted message is nowhere");
}

#[test]
fn a_second_copy_in_a_mailbox() {
    let (plan, mut record) = ran();
    let copy = mailbox(&mut record, "bob@contoso.test")[0].clone();
    mailbox(&mut record, "bob@contoso.test").push(copy);
    finds(&plan, &record, "duplicates", "a mailbox has a message once too often");
}

#[test]
fn a_second_copy_on_a_mail_server_unless_an_acknowledgement_was_lost() {
    let (plan, mut record) = ran();
    let is_taken = |entry: &&Entry| matches!(&entry.what, What::Accepted { message, .. } if message == "m2");
    let taken = record.entries.iter().find(is_taken).unwrap().clone();
    record.entries.push(taken);
    finds(&plan, &record, "duplicates", "a mail server got a message once too often");
    for entry in &mut record.entries {
        if let What::Smtp { line, .. } = &mut entry.what
            && line == "250 taken"
        {
            "what?".clone_into(line);
        }
    }
    assert_eq!(judge(&plan, &record), []);
}

#[test]
fn a_host_that_the_rules_reject() {
    let (mut plan, record) = ran();
    let rule = HostRule { network: "198.51.100.7".parse().unwrap(), rule: Rule::Reject };
    plan.gateway.config.accept.hosts.push(rule);
    finds(&plan, &record, "policy", "a rejected host was let in");
}

#[test]
fn mail_without_authentication_where_it_is_required() {
    let (mut plan, record) = ran();
    plan.gateway.config.accept.require = Requirement::Authentication;
    finds(&plan, &record, "policy", "mail was begun without authentication where it is required");
}

#[test]
fn mail_relayed_for_a_client_that_may_not() {
    let (mut plan, record) = ran();
    plan.gateway.config.relay.networks.clear();
    finds(&plan, &record, "policy", "mail was taken to be relayed for a client that may not relay");
}

#[test]
fn mail_refused_that_anybody_may_send() {
    let (mut plan, record) = replayed("who-may-relay-is-said-in-four-ways", Release::Current);
    assert_eq!(judge(&plan, &record), []);
    plan.gateway.public.push(("partner.test".to_owned(), true));
    finds(&plan, &record, "policy", "a recipient was refused that the client may name");

    let (mut plan, record) = replayed("a-server-behind-the-gateway-has-mail-from-anybody", Release::Current);
    assert_eq!(judge(&plan, &record), []);
    plan.gateway.public.clear();
    finds(&plan, &record, "policy", "mail was taken to be relayed for a client that may not relay");
}

#[test]
fn mail_of_a_sender_who_may_not_submit() {
    let (mut plan, record) = ran();
    plan.gateway.config.submission.homed_here_only = true;
    finds(&plan, &record, "policy", "mail of a sender who is not homed here was accepted");
}

#[test]
fn a_refusal_that_no_rule_explains() {
    let (mut plan, record) = replayed("Q178091", Release::V55Sp1);
    assert_eq!(judge(&plan, &record), []);
    plan.gateway.config.submission.homed_here_only = false;
    finds(&plan, &record, "policy", "a message was refused that the rules admit");
}

#[test]
fn a_recipient_whom_nobody_is_and_one_whom_somebody_is() {
    let (mut plan, record) = ran();
    plan.gateway.config.policy.unknown_recipients = UnknownRecipients::Refuse;
    finds(&plan, &record, "policy", "mail was taken for a recipient whom nobody is here");

    let (mut plan, record) = replayed("mail-for-nobody-is-refused-in-the-session", Release::Current);
    assert_eq!(judge(&plan, &record), []);
    plan.gateway.config.mailboxes[1].aliases.push("nobody@contoso.test".parse().unwrap());
    finds(&plan, &record, "policy", "a recipient was refused that the client may name");
}

#[test]
fn a_message_for_which_another_way_leads() {
    let (mut plan, record) = ran();
    plan.gateway.routes.push(("partner.test".to_owned(), "mx.fabrikam.test".to_owned()));
    finds(&plan, &record, "policy", "a message went to a host to which nothing leads");
}

#[test]
fn a_message_in_another_mailbox() {
    let (plan, mut record) = ran();
    let item = mailbox(&mut record, "bob@contoso.test")[0].clone();
    record.end.mailboxes.push(("carol@contoso.test".to_owned(), vec![item]));
    finds(&plan, &record, "policy", "a message is in a mailbox that it was not for");
}

#[test]
fn a_message_that_was_changed() {
    let (plan, mut record) = ran();
    mailbox(&mut record, "bob@contoso.test")[0].fingerprint += 1;
    finds(&plan, &record, "integrity", "a message was changed on its way");
}

#[test]
fn a_message_past_ascii_at_a_host_that_takes_seven_bits() {
    let name = "a-host-that-takes-seven-bits-is-sent-seven-bits";
    let (plan, record) = replayed(name, Release::Current);
    let mut untouched = record.clone();
    server(&mut untouched, "mail.old.test")[0].is_ascii = false;
    finds(&plan, &untouched, "integrity", "octets past ASCII went to a host that takes none");
    let mut spoiled = record;
    server(&mut spoiled, "mail.old.test")[0].before_seven_bits = Some(1);
    finds(&plan, &spoiled, "integrity", "a message was changed on its way");
}

#[test]
fn a_message_that_was_smuggled() {
    let (plan, mut record) = ran();
    let smuggled = Kind::Message("m1-smuggled".to_owned());
    let item = Item { kind: smuggled, ..mailbox(&mut record, "bob@contoso.test")[0].clone() };
    mailbox(&mut record, "bob@contoso.test").push(item);
    finds(&plan, &record, "integrity", "a smuggled message was accepted");
}

#[test]
fn a_second_report_on_the_same_failure() {
    let (plan, mut record) = ran();
    let report = server(&mut record, "mx.fabrikam.test")[0].clone();
    server(&mut record, "mx.fabrikam.test").push(Item { fingerprint: 1, ..report });
    finds(&plan, &record, "reports", "a recipient was reported once too often");
}

#[test]
fn a_report_on_a_recipient_who_has_the_message() {
    let (plan, mut record) = ran();
    let kind = Kind::Report("m1".to_owned());
    let reported = vec!["bob@contoso.test".to_owned()];
    let report =
        Item { kind, reported, fingerprint: 1, ..server(&mut record, "mx.fabrikam.test")[0].clone() };
    let told = Item {
        kind: Kind::Notification("m1".to_owned()),
        ..mailbox(&mut record, "administrator@contoso.test")
            .iter()
            .find(|item| item.kind == Kind::Notification("m3".to_owned()))
            .unwrap()
            .clone()
    };
    mailbox(&mut record, "administrator@contoso.test").push(told);
    server(&mut record, "mx.fabrikam.test").push(report);
    finds_too(&plan, &record, "reports: a recipient who has the message was reported");
}

#[test]
fn a_report_in_the_wrong_hands() {
    let (plan, mut record) = ran();
    let report = server(&mut record, "mx.fabrikam.test").pop().unwrap();
    mailbox(&mut record, "bob@contoso.test").push(report);
    finds(&plan, &record, "reports", "a report went to somebody else than the sender");
}

#[test]
fn a_report_on_a_report() {
    let (plan, mut record) = ran();
    let report = server(&mut record, "mx.fabrikam.test")[0].clone();
    mailbox(&mut record, "administrator@contoso.test").push(Item { kind: Kind::Other, ..report });
    finds(&plan, &record, "reports", "a report on a report");
}

#[test]
fn an_administrator_who_was_not_told() {
    let not_told = "the administrator was not told of a failure";
    for (name, release) in
        [("one-bad-message-among-good-ones", Release::Current), ("Q178091", Release::V55Sp1)]
    {
        let (plan, mut record) = replayed(name, release);
        assert_eq!(judge(&plan, &record), []);
        mailbox(&mut record, "administrator@contoso.test").clear();
        finds(&plan, &record, "reports", not_told);
    }
}

#[test]
fn a_message_that_has_passed_through_too_many_hosts() {
    let (plan, mut record) = ran();
    mailbox(&mut record, "bob@contoso.test")[0].hops = 31;
    finds(&plan, &record, "loops", "a message was passed on that has passed through too many hosts");
}

/// Has the mail server hand m2 back to the gateway, which takes it.
fn hand_back(plan: &mut Plan, record: &mut Record, connection: u32) {
    plan.gateway.config.relay.networks.push("203.0.113.0/24".parse().unwrap());
    let dialogue = [
        (Speaker::Network, "connection from 203.0.113.25"),
        (Speaker::Server, "220 gw.contoso.test"),
        (Speaker::Client, "HELO mail.partner.test"),
        (Speaker::Server, "250 gw.contoso.test"),
        (Speaker::Client, "MAIL FROM:<alice@fabrikam.test>"),
        (Speaker::Server, "250 2.1.0 OK"),
        (Speaker::Client, "RCPT TO:<dave@partner.test>"),
        (Speaker::Server, "250 2.1.5 OK"),
        (Speaker::Client, "DATA"),
        (Speaker::Server, "354 go on"),
        (Speaker::Client, "(content of 400 octets: m2)"),
        (Speaker::Client, "."),
        (Speaker::Server, "250 2.6.0 OK ZZZZZZZZ"),
    ];
    record.entries.extend(dialogue.map(|(speaker, line)| Entry {
        at: Duration::from_mins(1),
        machine: "gw.contoso.test".into(),
        what: What::Smtp { connection, speaker, line: line.to_owned() },
    }));
}

/// The world, with a client that proves this password.
fn with_scram(password: &str) -> (Plan, Record) {
    let account = |more: &str| format!("account = {{ name = \"carol\", password = {more} }}");
    let proven = account(&format!("\"{password}\", mechanism = \"scram-sha-256\""));
    let text = WORLD.replace(&account("\"secret\""), &proven);
    let scenario = Scenario::parse("world", "world.toml", &text).unwrap();
    let plan = scenario.plan(Release::Current, scenario.seed());
    let record = run(&plan, &Leap, Keep::Digest).unwrap();
    assert_eq!(judge(&plan, &record), []);
    (plan, record)
}

/// The lines of a dialogue from the first one that begins so.
fn lines_from<'a>(record: &'a mut Record, begins: &str) -> impl Iterator<Item = &'a mut String> {
    let place = line(record, Speaker::Client, begins);
    record.entries[place..].iter_mut().filter_map(|entry| match &mut entry.what {
        What::Smtp { line, .. } => Some(line),
        _ => None,
    })
}

#[test]
fn a_client_that_is_let_in_with_a_wrong_proof() {
    let (plan, mut record) = with_scram("secret");
    // The account, the challenge, the proof.
    let proof = lines_from(&mut record, "AUTH SCRAM-SHA-256").nth(2).unwrap();
    let changed = if proof.ends_with("A==") { "B==" } else { "A==" };
    proof.replace_range(proof.len() - 3.., changed);
    finds(&plan, &record, "policy", "a client was authenticated with a wrong password");
}

#[test]
fn a_gateway_that_cannot_prove_that_it_knows_the_secret() {
    let (plan, mut record) = with_scram("secret");
    let signature = lines_from(&mut record, "AUTH SCRAM-SHA-256").nth(3).unwrap();
    *signature = "334 dj1BQUFB".to_owned();
    finds(&plan, &record, "policy", "the gateway did not prove that it knows the secret");
}

#[test]
fn a_right_proof_that_is_refused() {
    let (mut plan, record) = with_scram("another");
    // As if it were the right one.
    plan.gateway.config.mailboxes = with_scram_stored("another");
    finds(&plan, &record, "policy", "the right password was refused");
}

/// The mailboxes of a world in which this is Carol's password.
fn with_scram_stored(password: &str) -> Vec<MailboxConfig> {
    let text = WORLD.replace(
        "account = \"carol\", password = \"secret\"",
        &format!("account = \"carol\", password = \"{password}\""),
    );
    let scenario = Scenario::parse("world", "world.toml", &text).unwrap();
    scenario.plan(Release::Current, scenario.seed()).gateway.config.mailboxes
}

#[test]
fn a_challenge_that_is_given_twice() {
    let (plan, mut record) = replayed("a-password-is-proven-and-not-told", Release::Current);
    assert_eq!(judge(&plan, &record), []);
    // The client that replays gives up its first exchange, and breaks off in the middle of its second.
    let place = line(&record, Speaker::Client, "*");
    let is_challenge = |line: &&mut String| line.starts_with("334 cj1");
    let mut challenges = record.entries[place..]
        .iter_mut()
        .filter_map(|entry| match &mut entry.what {
            What::Smtp { line, .. } => Some(line),
            _ => None,
        })
        .filter(is_challenge);
    let first = challenges.next().unwrap().clone();
    *challenges.next().unwrap() = first;
    finds(&plan, &record, "policy", "the same challenge was given twice");
}

#[test]
fn a_loop_that_ends_in_nothing() {
    let (mut plan, mut record) = ran();
    hand_back(&mut plan, &mut record, 99);
    finds(&plan, &record, "loops", "a loop ended without a report");
    // With a report, of which the administrator is told, all is well.
    let report = server(&mut record, "mx.fabrikam.test")[0].clone();
    let reported = vec!["dave@partner.test".to_owned()];
    let kind = Kind::Report("m2".to_owned());
    let statuses = vec!["5.4.6".to_owned()];
    server(&mut record, "mx.fabrikam.test").push(Item {
        kind,
        reported,
        statuses,
        fingerprint: 1,
        ..report.clone()
    });
    let subject = "Notification: Inbound Mail Failure - The message could not be processed.".to_owned();
    let kind = Kind::Notification("m2".to_owned());
    let notification =
        Item { kind, subject, reported: Vec::new(), statuses: Vec::new(), fingerprint: 2, ..report };
    mailbox(&mut record, "administrator@contoso.test").push(notification);
    plan.gateway.config.limits.hops = 3;
    assert_eq!(judge(&plan, &record), []);
}

#[test]
fn a_message_that_goes_round_too_often() {
    let (mut plan, mut record) = ran();
    plan.gateway.config.limits.hops = 1;
    let is_taken = |entry: &&Entry| matches!(&entry.what, What::Accepted { message, .. } if message == "m2");
    let taken = record.entries.iter().find(is_taken).unwrap().clone();
    for connection in [97, 98, 99] {
        hand_back(&mut plan, &mut record, connection);
        record.entries.push(taken.clone());
    }
    finds(&plan, &record, "loops", "a message went round too often");
}

#[test]
fn a_reply_that_nobody_asked_for() {
    let (plan, mut record) = ran();
    let place = line(&record, Speaker::Server, "250 2.1.0 OK - mail from");
    say_after(&mut record, place, Speaker::Server, "250 2.0.0 OK");
    finds(&plan, &record, "protocol", "a reply that nobody asked for");
}

#[test]
fn a_reply_with_a_code_that_the_command_cannot_have() {
    let (plan, mut record) = ran();
    let place = line(&record, Speaker::Server, "221 ");
    let What::Smtp { line, .. } = &mut record.entries[place].what else { unreachable!() };
    *line = "354 go on".to_owned();
    finds(&plan, &record, "protocol", "QUIT was answered 354, which it cannot have");
}

#[test]
fn a_reply_that_is_not_printable() {
    let (plan, mut record) = ran();
    let place = line(&record, Speaker::Server, "221 ");
    let What::Smtp { line, .. } = &mut record.entries[place].what else { unreachable!() };
    *line = "221 2.0.0 bye\\x00".to_owned();
    finds(&plan, &record, "protocol", "a line of a reply is not printable ASCII with CRLF");
}

#[test]
fn a_command_before_the_reply_to_the_last() {
    let (plan, mut record) = ran();
    let hello = line(&record, Speaker::Client, "EHLO gw.contoso.test");
    let What::Smtp { connection: ours, .. } = record.entries[hello].what else { unreachable!() };
    let is_it = |entry: &Entry| matches!(&entry.what, What::Smtp { connection, line, .. } if *connection == ours && line == "QUIT");
    let place = record.entries.iter().position(is_it).unwrap();
    say_after(&mut record, place, Speaker::Client, "RSET");
    finds(&plan, &record, "protocol", "a command was sent before the reply to the last");
}

#[test]
fn an_exception_in_the_handling_of_a_message() {
    let (plan, mut record) = ran();
    let exception = Exception::access_violation(0x0040_2674);
    let description = format!("An exception has occurred. {exception}");
    let event = gateway::eventlog::Entry { id: 4037, description, ..Default::default() };
    let at = Duration::from_mins(1);
    record.entries.push(Entry { at, machine: "gw.contoso.test".into(), what: What::Event(event) });
    finds(&plan, &record, "service", "event 4037: 0xc0000005 at 0x00402674");
}

#[test]
fn a_process_that_dies_of_itself() {
    let (plan, mut record) = ran();
    let died = What::Service(Service::Died(Exception::access_violation(0x10)));
    record.entries.push(Entry { at: Duration::from_mins(1), machine: "gw.contoso.test".into(), what: died });
    finds(&plan, &record, "service", "the process died: 0xc0000005 at 0x00000010");
}

#[test]
fn the_two_documented_crashes_are_found() {
    let (plan, record) = replayed("Q169681", Release::V50Rtm);
    finds(&plan, &record, "service", "event 4037: 0xc0000005 at 0x00402674, again at each start");
    let (plan, record) = replayed("Q178091", Release::V55Rtm);
    finds(&plan, &record, "service", "event 4037: 0xc0000005 at 0x00462f42");
}

#[test]
fn more_of_everything_than_the_limits_allow() {
    let (mut plan, record) = ran();
    plan.gateway.config.limits.inbound_connections = 1;
    finds(&plan, &record, "bounds", "too many clients at once");
    let (mut plan, record) = ran();
    plan.gateway.config.limits.recipients = 1;
    finds(&plan, &record, "bounds", "a message was accepted for too many recipients");
    let (mut plan, record) = ran();
    plan.gateway.config.limits.message_size = NonZeroU64::new(10);
    finds_too(&plan, &record, "bounds: a message was accepted that is too large");
}

#[test]
fn more_conversations_with_other_hosts_than_the_limits_allow() {
    let (mut plan, record) = ran();
    plan.gateway.config.delivery.connections = 0;
    finds(&plan, &record, "bounds", "too many conversations with other hosts at once");
    let (mut plan, record) = ran();
    plan.gateway.config.delivery.connections_per_host = 0;
    finds(&plan, &record, "bounds", "too many conversations with one host at once");
}

#[test]
fn a_connection_that_is_never_closed() {
    let (plan, mut record) = ran();
    let hello = line(&record, Speaker::Client, "EHLO gw.contoso.test");
    let What::Smtp { connection: ours, .. } = record.entries[hello].what else { unreachable!() };
    let is_ours = |entry: &Entry| matches!(&entry.what, What::Smtp { connection, .. } if *connection == ours);
    let quit = |entry: &Entry| is_ours(entry) && entry.what.to_string().ends_with("QUIT");
    let place = record.entries.iter().position(quit).unwrap();
    let after = record.entries.split_off(place);
    record.entries.extend(after.into_iter().filter(|entry| !is_ours(entry)));
    assert_eq!(judge(&plan, &record), [], "it may still be needed");
    record.ended += Duration::from_mins(2);
    finds(&plan, &record, "bounds", "a connection was kept for nothing");
}

#[test]
fn mail_that_waits_and_was_sent_unasked() {
    let (mut plan, record) = ran();
    plan.gateway.holds.push(("partner.test".to_owned(), "until-etrn".to_owned()));
    finds(&plan, &record, "policy", "mail that waits was sent before anybody asked for it");
}

#[test]
fn who_may_ask_for_mail_and_who_may_not() {
    let granted = "253 2.0.0 OK, 1 pending messages for node branch.test started";
    let refused = "459 4.7.1 Node branch.test not allowed";
    let with = |from: &str, reply: &str| {
        let (mut plan, mut record) = ran();
        plan.gateway.holds.push(("branch.test".to_owned(), "until-etrn".to_owned()));
        let at = record.ended;
        ask_for_mail(&mut record, from, at, reply);
        (plan, record)
    };
    for (from, reply) in [("198.51.100.7", granted), ("203.0.113.25", refused)] {
        let (plan, record) = with(from, reply);
        assert_eq!(judge(&plan, &record), [], "{from}");
    }
    let (plan, record) = with("203.0.113.25", granted);
    finds(&plan, &record, "policy", "mail was started for a client that may not ask for it");
    let (plan, record) = with("198.51.100.7", refused);
    finds(&plan, &record, "policy", "a client was refused mail that it may ask for");
    let (mut plan, record) = with("198.51.100.7", granted);
    plan.gateway.holds.clear();
    finds(&plan, &record, "policy", "mail was started for a client that may not ask for it");
}

#[test]
fn a_command_line_that_is_too_long() {
    let (plan, mut record) = ran();
    let place = line(&record, Speaker::Client, "EHLO mail.fabrikam.test");
    let What::Smtp { line, .. } = &mut record.entries[place].what else { unreachable!() };
    line.push_str(&"x".repeat(1_200));
    finds(&plan, &record, "bounds", "a command line was obeyed that is too long");
}

#[test]
fn mail_that_stays_for_ever() {
    let (plan, mut record) = ran();
    let item = Some(mailbox(&mut record, "bob@contoso.test")[0].clone());
    let recipients = vec!["bob@contoso.test".to_owned()];
    let file = Spooled { file: "ABCDEFGH".to_owned(), item, recipients, octets: 500 };
    record.end.spool.push(("in".to_owned(), vec![file]));
    // It may still be on its way.
    assert_eq!(judge(&plan, &record), []);
    record.ended = Duration::from_hours(8);
    finds(&plan, &record, "liveness", "accepted mail never leaves in/");
}

#[test]
fn mail_that_waits_may_do_so_until_it_is_asked_for() {
    let (mut plan, mut record) = ran();
    plan.gateway.holds =
        ["contoso.test", "branch.test"].map(|domain| (domain.to_owned(), "until-etrn".to_owned())).to_vec();
    let item = Some(mailbox(&mut record, "bob@contoso.test")[0].clone());
    let recipients = vec!["bob@contoso.test".to_owned()];
    let file = Spooled { file: "ABCDEFGH".to_owned(), item, recipients, octets: 500 };
    record.end.spool.push(("out".to_owned(), vec![file]));
    record.ended = Duration::from_hours(40);
    assert_eq!(judge(&plan, &record), [], "nobody asked");
    record.ended = Duration::from_hours(80);
    finds(&plan, &record, "liveness", "accepted mail never leaves out/");
    record.ended = Duration::from_hours(40);
    ask_for_mail(&mut record, "198.51.100.7", Duration::from_hours(10), "251 2.0.0 OK, no messages waiting");
    assert_eq!(judge(&plan, &record), [], "somebody asked for other mail");
    for entry in &mut record.entries {
        if let What::Smtp { line, .. } = &mut entry.what
            && line == "ETRN branch.test"
        {
            *line = "ETRN contoso.test".to_owned();
        }
    }
    finds(&plan, &record, "liveness", "accepted mail never leaves out/");
}

#[test]
fn a_service_that_stays_down() {
    let (plan, mut record) = ran();
    record.end.service_up = false;
    record.ended = Duration::from_hours(8);
    finds(&plan, &record, "liveness", "the service is down");
}

const ASKED: &str = "a-sender-hears-of-what-it-asked-to-hear";

/// Has a report changed that the sender's mail server took.
fn changed(is_it: impl Fn(&Item) -> bool, change: impl Fn(&mut Item)) -> (Plan, Record) {
    let (plan, mut record) = replayed(ASKED, Release::Current);
    assert_eq!(judge(&plan, &record), []);
    change(server(&mut record, "mx.fabrikam.test").iter_mut().find(|item| is_it(item)).unwrap());
    (plan, record)
}

fn is_receipt(item: &Item) -> bool {
    item.kind == Kind::Receipt("m1".to_owned())
}

#[test]
fn a_delivery_that_the_sender_does_not_hear_of() {
    for (recipient, what) in [("bob@contoso.test", "here"), ("dave@partner.test", "passed on")] {
        let of = |item: &Item| is_receipt(item) && item.reported == [recipient];
        let (plan, mut record) = replayed(ASKED, Release::Current);
        server(&mut record, "mx.fabrikam.test").retain(|item| !of(item));
        assert_eq!(
            record.end.servers.iter().flat_map(|(_, items)| items).filter(|i| is_receipt(i)).count(),
            1,
            "{what}"
        );
        finds(&plan, &record, "dsn", "a sender did not hear of a delivery that it asked to hear of");
    }
}

#[test]
fn a_receipt_that_nobody_asked_for() {
    let (plan, record) = changed(
        |item| item.kind == Kind::Delay("m3".to_owned()),
        |item| item.kind = Kind::Receipt("m3".to_owned()),
    );
    finds(&plan, &record, "dsn", "a sender heard of a success that it did not ask to hear of");
}

#[test]
fn a_failure_that_the_sender_did_not_want_to_hear_of() {
    let (plan, record) = changed(is_receipt, |item| {
        item.kind = Kind::Report("m2".to_owned());
        item.reported = vec!["nobody@contoso.test".to_owned()];
        item.originals = vec!["rfc822; nobody@contoso.test".to_owned()];
    });
    let causes: BTreeSet<String> = judge(&plan, &record)
        .into_iter()
        .map(|finding| format!("{}: {}", finding.oracle, finding.cause))
        .collect();
    assert!(causes.contains("dsn: a sender heard of a failure that it did not ask to hear of"), "{causes:?}");
}

#[test]
fn a_report_that_does_not_say_the_names_that_the_sender_gave() {
    let (plan, record) = changed(is_receipt, |item| item.envelope_id = Some("another".to_owned()));
    finds(&plan, &record, "dsn", "a report does not say the envelope identifier");
    let (plan, record) = changed(is_receipt, |item| item.originals.clear());
    finds(&plan, &record, "dsn", "a report does not say the original recipient");
    let (plan, record) = changed(is_receipt, |item| item.returns_whole = true);
    finds(&plan, &record, "dsn", "a report returns the whole of a message of which its header was wanted");
}

#[test]
fn a_request_that_is_not_passed_on() {
    let (plan, mut record) = replayed(ASKED, Release::Current);
    let place =
        line(&record, Speaker::Client, "RCPT TO:<erin@reporting.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;");
    let outbound = (place + 1..record.entries.len()).find(|at| {
        matches!(&record.entries[*at].what, What::Smtp { line, .. } if line.starts_with("RCPT TO:<erin@reporting.test>"))
    });
    if let What::Smtp { line, .. } = &mut record.entries[outbound.unwrap()].what {
        *line = "RCPT TO:<erin@reporting.test> ORCPT=rfc822;erin@reporting.test".to_owned();
    }
    finds(&plan, &record, "dsn", "NOTIFY was not passed on as it was said");
}

#[test]
fn an_extension_that_is_not_offered_and_a_status_code_that_is_not_said() {
    let (plan, mut record) = ran();
    let place = line(&record, Speaker::Server, "250-CHUNKING");
    record.entries.remove(place);
    finds(&plan, &record, "protocol", "EHLO was answered without CHUNKING");
    let (plan, mut record) = ran();
    let place = line(&record, Speaker::Server, "250 2.1.0");
    if let What::Smtp { line, .. } = &mut record.entries[place].what {
        *line = line.replace("2.1.0 ", "");
    }
    finds(&plan, &record, "protocol", "a reply without its enhanced status code");
}

#[test]
fn policy_finds_a_message_that_was_set_aside_though_the_extension_that_failed_was_to_be_bypassed() {
    let (mut plan, record) = replayed("one-bad-message-among-good-ones", Release::Current);
    assert_eq!(judge(&plan, &record), []);
    plan.gateway.config.extensions[0].on_failure = OnFailure::Bypass;
    finds(&plan, &record, "policy", "an extension's failure was not dealt with as configured");
}

#[test]
fn a_receipt_that_came_twice_and_one_of_no_delivery() {
    let (plan, mut record) = replayed(ASKED, Release::Current);
    let receipt =
        server(&mut record, "mx.fabrikam.test").iter().find(|item| is_receipt(item)).unwrap().clone();
    server(&mut record, "mx.fabrikam.test").push(Item { fingerprint: 1, ..receipt });
    finds(&plan, &record, "dsn", "a sender heard of the same thing once too often");
    let (plan, record) = changed(is_receipt, |item| item.reported = vec!["erin@reporting.test".to_owned()]);
    let causes: BTreeSet<String> = judge(&plan, &record).into_iter().map(|finding| finding.cause).collect();
    assert!(causes.contains("a sender heard of a delivery that was none"), "{causes:?}");
}

#[test]
fn an_envelope_identifier_that_is_not_passed_on_and_an_extension_that_the_release_has_not() {
    let (plan, mut record) = replayed(ASKED, Release::Current);
    let is_it = |entry: &Entry| matches!(&entry.what, What::Smtp { line, .. } if line.starts_with("MAIL FROM:<alice@fabrikam.test>") && line.contains("ENVID"));
    let place = record.entries.iter().rposition(is_it).unwrap();
    if let What::Smtp { line, .. } = &mut record.entries[place].what {
        *line = line.replace(" ENVID=QQ314159", "");
    }
    finds(&plan, &record, "dsn", "ENVID was not passed on as it was said");
    let (plan, mut record) = replayed("Q178091", Release::V55Sp1);
    let place = line(&record, Speaker::Server, "250-DSN");
    say_after(&mut record, place, Speaker::Server, "250-CHUNKING");
    finds(&plan, &record, "protocol", "EHLO was answered with CHUNKING, which the release does not have");
}

const PAST_ASCII: &str = "an-address-past-ascii-goes-to-those-who-take-it";
const JOURNAL: &str = "a-journal-has-a-copy-and-a-disclaimer-its-place";

#[test]
fn an_address_past_ascii_that_goes_out_undeclared() {
    let (plan, mut record) = replayed(PAST_ASCII, Release::Current);
    assert_eq!(judge(&plan, &record), []);
    say_instead(&mut record, Speaker::Client, "MAIL FROM:<pelé@fabrikam.test> SIZE=516", " SMTPUTF8", "");
    let found: BTreeSet<String> = judge(&plan, &record).into_iter().map(|finding| finding.cause).collect();
    let causes = ["a command is not printable ASCII with CRLF", "a header past ASCII was sent undeclared"];
    assert_eq!(found, causes.map(str::to_owned).into());
}

#[test]
fn an_address_past_ascii_that_goes_to_a_host_that_offers_nothing() {
    let (plan, mut record) = replayed(PAST_ASCII, Release::Current);
    say_instead(&mut record, Speaker::Server, "250-SMTPUTF8", "250-SMTPUTF8", "250-X-NOTHING");
    let found: BTreeSet<String> = judge(&plan, &record).into_iter().map(|finding| finding.cause).collect();
    assert!(found.contains("MAIL has a parameter that was not offered"), "{found:?}");
    assert!(found.contains("EHLO was answered without SMTPUTF8"), "{found:?}");
}

#[test]
fn an_address_past_ascii_that_is_taken_undeclared() {
    let (plan, mut record) = replayed(PAST_ASCII, Release::Current);
    say_instead(&mut record, Speaker::Server, "553 5.6.7", "553 5.6.7", "250 2.1.5");
    let found: BTreeSet<String> = judge(&plan, &record).into_iter().map(|finding| finding.cause).collect();
    assert!(found.contains("an address past ASCII was taken undeclared"), "{found:?}");
}

#[test]
fn a_sender_that_was_normalised_on_the_way() {
    let (plan, mut record) = replayed(PAST_ASCII, Release::Current);
    say_instead(
        &mut record,
        Speaker::Client,
        "MAIL FROM:<pelé@fabrikam.test> SIZE=516",
        "pelé",
        "pele\u{301}",
    );
    finds(&plan, &record, "integrity", "a message went out under another sender");
}

#[test]
fn a_journal_without_its_copy() {
    let (plan, mut record) = replayed(JOURNAL, Release::Current);
    assert_eq!(judge(&plan, &record), []);
    mailbox(&mut record, "journal@contoso.test").retain(|item| item.kind != Kind::Message("m1".to_owned()));
    finds(&plan, &record, "custody", "a journal has no copy of a message");
}

#[test]
fn a_journal_with_too_many_copies() {
    let (plan, mut record) = replayed(JOURNAL, Release::Current);
    let copies = mailbox(&mut record, "journal@contoso.test");
    let copy = copies.iter().find(|item| item.kind == Kind::Message("m1".to_owned())).unwrap().clone();
    copies.extend([copy.clone(), copy]);
    finds(&plan, &record, "custody", "a journal has a message once too often");
}

#[test]
fn a_report_on_a_copy_that_went_to_the_sender() {
    let (mut plan, record) = replayed(JOURNAL, Release::Current);
    let chain = &mut plan.gateway.config.extensions;
    chain[0].settings.insert("reports_to".to_owned(), "bob@contoso.test".into());
    finds(&plan, &record, "reports", "a report on a copy went to somebody else than it should");
}

#[test]
fn a_text_around_a_message_that_nobody_asked_for() {
    let (mut plan, record) = replayed(JOURNAL, Release::Current);
    plan.gateway.config.extensions.retain(|link| link.name != "disclaimer");
    finds(&plan, &record, "integrity", "a message was changed on its way");
}
