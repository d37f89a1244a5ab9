//! Look-ups in packets: what is asked when, what the wires carry, and what becomes of mail while answers are wrong.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::Path;
use std::time::Duration;

use gateway::release::Release;
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::RecordType;
use sim::capture::{Segment, SegmentKind};
use sim::draw::Seed;
use sim::engine::{Classic, Engine, Leap};
use sim::record::Record;
use sim::run::run;
use sim::scenario::{Library, Scenario, Setting, Source};
use sim::trace::Keep;

/// One client hands messages over for a partner, at these seconds; and something is wrong with names.
fn scenario(handed_over: &[u64], faults: &str) -> Scenario {
    let messages: String = (1..)
        .zip(handed_over)
        .map(|(number, at)| {
            format!(
                "[[client.message]]\nname = \"m{number}\"\nat = \"{at}s\"\nfrom = \"alice@fabrikam.test\"\n\
                 to = [\"dave@partner.test\"]\nsubject = \"Hello\"\n"
            )
        })
        .collect();
    let text = format!(
        "title = \"Mail for a partner\"\nstarts = \"2026-03-02T08:00:00Z\"\nduration = \"40m\"\nseed = 7\n\
         releases = [\"current\"]\n\
         [gateway]\nname = \"ims.contoso.test\"\naddress = \"192.0.2.25\"\n\
         [gateway.config]\nrelay = {{ networks = [\"198.51.100.7\"] }}\ndelivery = {{ retry = [\"1m\"] }}\n\
         [[server]]\nname = \"mx.partner.test\"\naddress = \"203.0.113.1\"\ndomains = [\"partner.test\"]\n\
         [[client]]\nname = \"client.fabrikam.test\"\naddress = \"198.51.100.7\"\n{messages}{faults}"
    );
    Scenario::parse("names", "names.toml", &text).unwrap()
}

fn record(scenario: &Scenario, engine: &dyn Engine) -> Record {
    run(&scenario.plan(Release::Current, scenario.seed()), engine, Keep::Capture).unwrap()
}

/// What a run captured of the name server's port: the datagrams and segments to and from it.
fn packets(record: &Record) -> impl Iterator<Item = &Segment> {
    let capture = record.capture.as_ref().unwrap();
    capture.segments.iter().filter(|segment| segment.from.port() == 53 || segment.to.port() == 53)
}

/// When the exchangers of the partner were asked for.
fn asked_for_mx(record: &Record) -> Vec<Duration> {
    let datagrams = packets(record).filter(|packet| packet.kind == SegmentKind::Datagram);
    let questions = datagrams.filter_map(|packet| Some((packet.at, Message::from_vec(&packet.octets).ok()?)));
    let questions = questions.filter(|(_, message)| message.metadata.message_type == MessageType::Query);
    let of_mx = questions.filter(|(_, message)| {
        let query = &message.queries[0];
        query.query_type() == RecordType::MX && query.name().to_ascii() == "partner.test."
    });
    of_mx.map(|(at, _)| at).collect()
}

fn taken(record: &Record) -> usize {
    record.end.servers.iter().map(|(_, items)| items.len()).sum()
}

#[test]
fn an_answer_is_kept_for_as_long_as_it_says_in_virtual_time() {
    let record = record(&scenario(&[10, 69], ""), &Leap);
    assert_eq!((taken(&record), asked_for_mx(&record).len()), (2, 1));
}

#[test]
fn an_answer_is_asked_for_again_once_its_time_is_over() {
    let record = record(&scenario(&[10, 71], ""), &Leap);
    let asked = asked_for_mx(&record);
    assert_eq!((taken(&record), asked.len()), (2, 2));
    assert!(asked[1] - asked[0] > Duration::from_secs(60), "{asked:?}");
}

/// A line about the names of the partner, for ten minutes.
fn says(name: &str, answer: &str) -> String {
    format!("[[fault]]\nkind = \"dns\"\nname = \"{name}\"\nanswer = \"{answer}\"\nuntil = \"10m\"\n")
}

#[test]
fn mail_waits_while_no_answer_is_one() {
    for answer in ["timeout", "servfail", "lame", "wrong-id", "wrong-question", "malformed"] {
        let record = record(&scenario(&[10], &says("partner.test", answer)), &Leap);
        let asked = asked_for_mx(&record);
        assert_eq!(taken(&record), 1, "{answer}");
        assert!(asked.len() > 3 && record.bites[0].times > 3, "{answer}: {asked:?}");
        assert!(record.ended > Duration::from_mins(10), "{answer}: {:?}", record.ended);
    }
}

#[test]
fn mail_goes_out_at_once_where_a_right_answer_comes_in_the_end() {
    for answer in ["truncated", "spoofed", "slow", "cname-chain", "refusing-addresses"] {
        let name = if answer == "refusing-addresses" { "mx.partner.test" } else { "partner.test" };
        let record = record(&scenario(&[10], &says(name, answer)), &Leap);
        assert_eq!(taken(&record), 1, "{answer}");
        assert!(record.bites[0].times > 0, "{answer}");
        assert!(record.ended < Duration::from_mins(1), "{answer}: {:?}", record.ended);
    }
}

#[test]
fn a_question_is_sent_once_while_its_answer_may_still_come() {
    let record = record(&scenario(&[10], &says("partner.test", "slow")), &Leap);
    assert_eq!((taken(&record), asked_for_mx(&record).len()), (1, 1));
}

#[test]
fn what_does_not_fit_is_asked_for_over_tcp() {
    let record = record(&scenario(&[10], &says("partner.test", "truncated")), &Leap);
    assert!(packets(&record).any(|packet| packet.kind == SegmentKind::Data && packet.to.port() == 53));
    assert_eq!(record.reached["a truncated answer was asked for again over TCP"], 1);
}

#[test]
fn a_datagram_that_a_link_loses_is_not_sent_again_by_the_network() {
    let cut = "[[fault]]\nkind = \"partition\"\nbetween = [\"ims.contoso.test\", \"ns.test\"]\n\
               at = \"0s\"\nuntil = \"5m\"\n";
    let record = record(&scenario(&[10], cut), &Leap);
    let lost: Vec<_> = packets(&record).filter(|packet| packet.is_lost).collect();
    assert!(lost.len() > 3 && lost.iter().all(|packet| packet.to.port() == 53), "{lost:?}");
    // The resolver asks again, from another port.
    let ports: std::collections::BTreeSet<u16> = lost.iter().map(|packet| packet.from.port()).collect();
    assert_eq!(ports.len(), lost.len());
    assert_eq!(taken(&record), 1);
    assert!(record.ended > Duration::from_mins(5));
}

#[test]
fn both_engines_carry_packets() {
    for faults in ["", &says("partner.test", "truncated"), &says("partner.test", "servfail")] {
        let scenario = scenario(&[10], faults);
        let plan = scenario.plan(Release::Current, scenario.seed());
        let classic = run(&plan, &Classic::COARSE, Keep::Digest).unwrap();
        assert_eq!(taken(&classic), 1, "{faults}");
        assert_eq!(run(&plan, &Classic::COARSE, Keep::Digest).unwrap().digest, classic.digest);
    }
}

#[test]
fn the_same_packets_go_over_the_wires_each_time() {
    let scenario = scenario(&[10, 71], &says("mx.partner.test", "slow"));
    let [one, other] = [record(&scenario, &Leap), record(&scenario, &Leap)];
    assert!(one.capture.is_some());
    assert_eq!(one, other);
}

#[test]
fn an_answer_that_only_packets_can_show_needs_them() {
    let text = scenario(&[10], &says("partner.test", "malformed")).to_toml();
    let text = text.replacen("releases", "names = \"map\"\nreleases", 1);
    let Err(error) = Scenario::parse("names", "names.toml", &text) else { panic!("it is refused") };
    assert_eq!(error.what(), "without packets nobody hears such an answer");
}

#[test]
fn a_run_of_thousands_of_look_ups_is_made_as_any_other() {
    let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let Some(Source::Profile(profile)) = library.find("long-outage") else { panic!("it is a profile") };
    // Its generator gives out more than 64 KiB, and is seeded anew within the run.
    let drawn = profile.scenario(Seed(370), Release::Current);
    let scenario = drawn.with(&[Setting::parse("delivery.retry=15m").unwrap()]).unwrap();
    let plan = scenario.plan(Release::Current, Seed(370));
    let [first, second] = [(); 2].map(|()| run(&plan, &Leap, Keep::Digest).unwrap().digest);
    assert_eq!(first, second);
}
