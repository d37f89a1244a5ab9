//! What the gateway allows whom: the oracles on scenarios in which it does, and on the same runs held to other rules.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;

use gateway::config::{FilterAction, Lookups};
use gateway::release::Release;
use sim::engine::Leap;
use sim::oracle::judge;
use sim::plan::Plan;
use sim::record::{Record, What};
use sim::run::run;
use sim::scenario::Library;
use sim::trace::Keep;

fn replayed(name: &str) -> (Plan, Record) {
    let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let scenario = library.scenarios().iter().find(|scenario| scenario.name == name).unwrap();
    let plan = scenario.plan(Release::Current, scenario.seed());
    let record = run(&plan, &Leap, Keep::Digest).unwrap();
    assert_eq!(judge(&plan, &record), []);
    (plan, record)
}

#[track_caller]
fn finds(plan: &Plan, record: &Record, causes: &[(&str, &str)]) {
    let findings = judge(plan, record);
    let found: BTreeSet<(&str, &str)> =
        findings.iter().map(|finding| (finding.oracle, finding.cause.as_str())).collect();
    assert_eq!(found, causes.iter().copied().collect(), "{findings:#?}");
}

const FLOOD: &str = "a-host-that-floods-keeps-nobody-else-away";

#[test]
fn a_host_that_has_more_than_its_limit_is_found() {
    let (plan, record) = replayed(FLOOD);
    let one = NonZeroU32::new(1);
    let mut held = plan.clone();
    held.gateway.config.limits.connections_per_host = one;
    finds(&held, &record, &[("bounds", "too many connections of one host at once")]);
    for limit in ["connections", "messages", "recipients"] {
        let (mut held, many) = (plan.clone(), ("bounds", "a host was granted too much in a minute"));
        let limits = &mut held.gateway.config.limits;
        match limit {
            "connections" => limits.connections_per_minute = one,
            "messages" => limits.messages_per_minute = one,
            _ => limits.recipients_per_minute = one,
        }
        finds(&held, &record, &[many]);
    }
}

#[test]
fn a_host_that_is_put_off_for_nothing_is_found() {
    let (plan, record) = replayed(FLOOD);
    let turned_away = ("bounds", "a host was turned away that has not too many connections");
    let put_off = ("bounds", "a host was put off that had not asked for too much");
    let mut exempt = plan.clone();
    exempt.gateway.config.relay.networks.push("198.51.100.0/24".parse().unwrap());
    finds(&exempt, &record, &[turned_away, put_off]);
    let mut wider = plan;
    wider.gateway.config.limits.connections_per_host = NonZeroU32::new(100);
    finds(&wider, &record, &[turned_away]);
}

const UNWANTED: &str = "mail-of-unwanted-senders-is-set-aside";

#[test]
fn unwanted_mail_that_went_on_and_other_mail_that_did_not_are_found() {
    let (plan, mut record) = replayed(UNWANTED);
    let mut stricter = plan.clone();
    stricter.gateway.config.filter.senders.push("alice@fabrikam.test".parse().unwrap());
    finds(&stricter, &record, &[("policy", "mail of an unwanted sender went on")]);
    let mut laxer = plan.clone();
    laxer.gateway.config.filter.senders.clear();
    finds(&laxer, &record, &[("policy", "mail was set aside whose sender is not unwanted")]);
    let mut refusing = plan.clone();
    refusing.gateway.config.filter.action = FilterAction::Refuse;
    finds(&refusing, &record, &[("policy", "mail of an unwanted sender was taken")]);
    // Nobody was told.
    record.entries.retain(|entry| !matches!(&entry.what, What::Event(event) if event.id == 4192));
    finds(&plan, &record, &[("custody", "an accepted message is nowhere")]);
}

#[test]
fn mail_relayed_or_refused_against_the_lists_is_found() {
    let (plan, record) = replayed("who-may-relay-is-said-in-four-ways");
    let relayed = ("policy", "mail was taken to be relayed for a client that may not relay");
    let refused = ("policy", "a recipient was refused that the client may name");
    let mut stricter = plan.clone();
    stricter.gateway.config.relay.denied.push("192.0.2.102".parse().unwrap());
    finds(&stricter, &record, &[relayed]);
    let mut laxer = plan.clone();
    laxer.gateway.config.relay.denied.clear();
    finds(&laxer, &record, &[refused]);
    let mut here = plan;
    here.gateway.config.relay.local_addresses.push("192.0.2.25".parse().unwrap());
    finds(&here, &record, &[refused]);
}

#[test]
fn an_answer_that_tells_too_much_or_an_untruth_is_found() {
    let (plan, record) = replayed("who-exists-is-told-to-clients-with-an-account");
    let mut vague = plan.clone();
    vague.gateway.config.policy.vrfy = Lookups::Vague;
    let told = ("policy", "a client was told who exists that may not hear it");
    let otherwise = ("policy", "a client was not told of who exists as the policy has it");
    let offered = |what| ("protocol", what);
    let vrfy = offered("EHLO was answered with VRFY, which the release does not have");
    let expn = offered("EHLO was answered with EXPN, which the release does not have");
    finds(&vague, &record, &[told, otherwise, vrfy, expn]);
    let mut renamed = plan;
    renamed.gateway.config.mailboxes[1].aliases.clear();
    let causes: Vec<String> = judge(&renamed, &record).into_iter().map(|finding| finding.cause).collect();
    assert!(causes.contains(&"a client was told an untruth of who exists".to_owned()), "{causes:?}");
}
