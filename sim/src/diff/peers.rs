//! What a plan says of the gateway's peers, as facts: what clients hand over, how patient they are and what they ask for;
//! what mail servers take and offer; what milters do. Where they are and what goes wrong with them is not here.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64;

use crate::plan::{MessagePlan, MilterPlan, Plan, Uses};
use crate::span::Span;

/// Each fact: of which message or machine, and what it is.
pub(super) fn facts(plan: &Plan) -> BTreeSet<(String, String)> {
    let mut facts = BTreeSet::new();
    let mut put = |of: &str, all: Vec<String>| facts.extend(all.into_iter().map(|it| (of.to_owned(), it)));
    for client in &plan.clients {
        put(&client.name, client.account.iter().map(|account| format!("as {}", account.name)).collect());
        client.messages.iter().for_each(|message| put(&message.name, of_message(message)));
    }
    for server in &plan.servers {
        let mut of_server = Vec::new();
        if !server.domains.is_empty() {
            of_server.push(format!("takes mail for {}", listed(&server.domains)));
        }
        of_server.extend(server.offers.iter().map(|offer| format!("offers {}", word(offer))));
        put(&server.name, of_server);
    }
    plan.milters.iter().for_each(|milter| put(&milter.name, of_milter(milter)));
    facts
}

fn of_message(message: &MessagePlan) -> Vec<String> {
    let waits: Vec<_> = message.retry.iter().map(|wait| String::from(Span(*wait))).collect();
    let waits = if waits.is_empty() { "nothing".to_owned() } else { listed(&waits) };
    let content = xxh3_64(&message.content);
    let mut facts = vec![format!("content {content:016x}, tries again after {waits}")];
    let Uses { pipelining, chunks, notify, ret, envelope_id } = &message.uses;
    facts.extend(pipelining.then(|| "says its commands together".to_owned()));
    facts.extend((*chunks > 0).then(|| format!("in {chunks} chunks")));
    facts.extend(notify.as_ref().map(|hears| match &hears[..] {
        [] => "wants to hear of nothing".to_owned(),
        hears => format!("wants to hear of {}", listed(&hears.iter().map(word).collect::<Vec<_>>())),
    }));
    facts.extend(ret.map(|ret| format!("wants returned: {}", word(&ret))));
    facts.extend(envelope_id.as_ref().map(|id| format!("envelope id {id}")));
    facts
}

/// What a milter does to one message stands in one fact: its order counts.
fn of_milter(milter: &MilterPlan) -> Vec<String> {
    let mut facts: Vec<String> = milter.is_terse.then(|| "is terse".to_owned()).into_iter().collect();
    facts.extend(milter.trusts.iter().map(|whom| format!("trusts {whom}")));
    facts.extend(milter.refuses.iter().map(|whom| format!("refuses {whom}")));
    let mut acts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (message, does) in &milter.acts {
        acts.entry(message).or_default().push(does.to_string());
    }
    facts.extend(acts.into_iter().map(|(message, does)| format!("does to {message}: {}", does.join(", "))));
    facts
}

fn listed<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A word of a scenario file, as it stands there.
fn word(value: &impl serde::Serialize) -> String {
    let value = toml::Value::try_from(value).expect("a word can be written");
    value.as_str().map(str::to_owned).unwrap_or_default()
}
