//! What is told of a message in the event log and in reports, and to whom; and copies for journals.

use std::time::Duration;

use gateway::release::Release;
use sim::mailbag::Kind;
use sim::record::Speaker;

use crate::world::*;

#[test]
fn an_event_about_one_message_excuses_no_other() {
    let (plan, mut record) = ran();
    mailbox(&mut record, "bob@contoso.test").retain(|item| item.kind != Kind::Message("m1".to_owned()));
    let lost = "custody: an accepted message is nowhere";
    for text in [
        "Message ABCDEFGH to alice@fabrikam.test was dropped: it could not be delivered, and its null reverse path asks for no report; it is about <m2@plan.test>.",
        "Message ABCDEFGH to bob@contoso.test was dropped: an extension said so.",
        "A message to alice@fabrikam.test was dropped: so it is.",
    ] {
        let mut record = record.clone();
        log(&mut record, 4123, text);
        finds_too(&plan, &record, lost);
    }
    log(
        &mut record,
        4123,
        "Message ABCDEFGH to alice@fabrikam.test was dropped: it could not be delivered, and its null reverse path asks for no report; it is about <m1@plan.test>.",
    );
    assert!(found(&plan, &record).is_empty());
}

#[test]
fn a_milter_that_failed_once_is_judged_again() {
    let (mut plan, mut record) = replayed("a-filter-says-what-becomes-of-mail", Release::Current);
    assert!(found(&plan, &record).is_empty());
    plan.gateway.config.milters[0].on_failure = gateway::milter::OnFailure::Accept;
    let (_, bad) = record.end.spool.iter_mut().find(|(folder, _)| folder == "bad").unwrap();
    let item = bad[0].item.clone().unwrap();
    mailbox(&mut record, "bob@contoso.test").push(item);
    finds_too(&plan, &record, "policy: a message is somewhere that a milter keeps back");
}

const ASKED: &str = "a-sender-hears-of-what-it-asked-to-hear";

#[test]
fn a_report_that_does_not_say_what_it_is() {
    let (plan, mut record) = ran();
    server(&mut record, "mx.fabrikam.test")[0].auto_submitted = None;
    finds(&plan, &record, "dsn", "a report does not say that no person wrote it");
    let (plan, mut record) = ran();
    server(&mut record, "mx.fabrikam.test")[0].reporter = Some("another.test".to_owned());
    finds(&plan, &record, "dsn", "a report does not say who reports");
}

#[test]
fn a_delay_that_is_told_of_too_soon() {
    let (plan, mut record) = replayed(ASKED, Release::Current);
    let items = record.end.servers.iter_mut().flat_map(|(_, items)| items);
    let mut delays = items.filter(|item| matches!(item.kind, Kind::Delay(_)));
    let delay = delays.next().unwrap();
    delay.written = delay.written.map(|written| written - 7200);
    finds(&plan, &record, "dsn", "a sender heard of a delay too soon");
}

#[test]
fn a_host_that_is_told_of_the_same_mail_again_and_again() {
    let (plan, mut record) = ran();
    let begins = line(&record, Speaker::Client, "MAIL FROM:<carol@contoso.test>");
    let is_outbound =
        |entry: &sim::record::Entry| entry.what.to_string().contains("C: RCPT TO:<erin@sales.test>");
    let place = begins + record.entries[begins..].iter().rposition(is_outbound).unwrap();
    for _ in 0..5 {
        say_after(&mut record, place, Speaker::Client, "RCPT TO:<erin@sales.test>");
    }
    finds_too(&plan, &record, "bounds: a host was told of the same mail too often");
}

const JOURNAL: &str = "a-journal-has-a-copy-and-a-disclaimer-its-place";

#[test]
fn a_message_that_went_one_way_and_is_in_the_journal_of_both_twice() {
    let (mut plan, mut record) = replayed(JOURNAL, Release::Current);
    plan.gateway.config.extensions[0].settings.insert("outbound".to_owned(), "journal@contoso.test".into());
    let copies = mailbox(&mut record, "journal@contoso.test");
    let copy = copies.iter().find(|item| item.kind == Kind::Message("m2".to_owned())).unwrap().clone();
    copies.extend([copy.clone(), copy]);
    finds_too(&plan, &record, "custody: a journal has a message once too often");
}

#[test]
fn a_message_that_went_out_without_its_text() {
    let (plan, mut record) = replayed(JOURNAL, Release::Current);
    let is_it = |item: &&sim::mailbag::Item| item.kind == Kind::Message("m1".to_owned());
    let plain = mailbox(&mut record, "journal@contoso.test").iter().find(is_it).unwrap().fingerprint;
    let sent = server(&mut record, "mail.partner.test").iter_mut().find(|item| is_it(&&**item)).unwrap();
    assert_ne!(sent.fingerprint, plain);
    sent.fingerprint = plain;
    finds(&plan, &record, "integrity", "a message was changed on its way");
}

#[test]
fn the_sender_of_unwanted_mail_who_is_answered() {
    let (mut plan, mut record) = ran();
    plan.gateway.config.filter.senders = vec!["alice@fabrikam.test".parse().unwrap()];
    record.ended += Duration::from_secs(1);
    finds_too(&plan, &record, "policy: the sender of mail that is not wanted was answered");
}
