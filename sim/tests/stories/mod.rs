//! What the stories of the fault tests have in common: two messages through one gateway, with lines added that have
//! something go wrong.
#![allow(dead_code, reason = "no story needs all of it")]

use sim::engine::Leap;
use sim::oracle::{Finding, judge};
use sim::plan::Plan;
use sim::record::{Outcome, Record, What};
use sim::run::run;
use sim::scenario::Scenario;
use sim::trace::Keep;

/// `m1` is for a mailbox of the gateway, `m2` for a mail server. The clients are patient.
const TWO_MESSAGES: &str = r#"
title = "Two messages"
starts = "2026-03-02T08:00:00Z"
duration = "12h"
seed = 1
releases = ["current"]

[service]
restart_after = "1m"
restarts = 5

[gateway]
name = "gw.contoso.test"
address = "192.0.2.25"

[gateway.config]
administrator = "administrator@contoso.test"
route = [{ domain = "contoso.test", to = "<inbound>" }]
relay = { networks = ["192.0.2.30"] }
mailbox = [{ address = "administrator@contoso.test" }, { address = "bob@contoso.test" }]

[[client]]
name = "mail.fabrikam.test"
address = "198.51.100.7"

[[client.message]]
name = "m1"
subject = "For bob"
at = "30s"
from = "alice@fabrikam.test"
to = ["bob@contoso.test"]
retry = ["10m", "10m", "10m", "10m", "10m", "10m"]

[[client]]
name = "desk.contoso.test"
address = "192.0.2.30"

[[client.message]]
name = "m2"
subject = "For carol"
at = "31s"
from = "bob@contoso.test"
to = ["carol@partner.test"]
retry = ["10m", "10m", "10m", "10m", "10m", "10m"]

[[server]]
name = "mail.partner.test"
address = "203.0.113.25"
domains = ["partner.test"]
"#;

/// A run that is over.
pub(crate) struct Story {
    pub(crate) plan: Plan,
    pub(crate) record: Record,
}

/// Two messages, and these faults: one a line, each in the braces of an inline table.
pub(crate) fn two_messages(faults: &[&str]) -> Story {
    two_messages_with("", faults)
}

/// The same, with a line more in the gateway's configuration.
pub(crate) fn two_messages_with(config: &str, faults: &[&str]) -> Story {
    let text = TWO_MESSAGES.replace("[gateway.config]", &format!("[gateway.config]\n{config}"));
    told(&format!("fault = [\n{}\n]\n{text}", faults.join(",\n")))
}

/// Two messages, of which `m2` has two recipients: at first the one is refused for good and the other put off.
pub(crate) fn one_refused_and_one_put_off(faults: &[&str]) -> Story {
    let refuses = r#"{ refuses-one = { reply = "550 5.1.1 no such user" } }"#;
    let puts_off = r#"{ replies = { to = "data", reply = "450 4.2.1 busy" } }"#;
    let at_first = [refuses, puts_off].map(|does| {
        format!(r#"{{ kind = "server", server = "mail.partner.test", connection = 1, until = "2h", does = {does} }}"#)
    });
    let lines: Vec<&str> = at_first.iter().map(String::as_str).chain(faults.iter().copied()).collect();
    let text =
        TWO_MESSAGES.replace(r#"["carol@partner.test"]"#, r#"["carol@partner.test", "dan@partner.test"]"#);
    told(&format!("fault = [\n{}\n]\n{text}", lines.join(",\n")))
}

/// What happens in a scenario.
pub(crate) fn told(text: &str) -> Story {
    let scenario =
        Scenario::parse("story", "story.toml", text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let plan = scenario.plan(scenario.releases()[0], scenario.seed());
    let record = run(&plan, &Leap, Keep::Digest).unwrap_or_else(|error| panic!("{error}: {text}"));
    Story { plan, record }
}

impl Story {
    /// How often each fault changed what happened.
    pub(crate) fn bites(&self) -> Vec<u64> {
        self.record.bites.iter().map(|bite| bite.times).collect()
    }

    /// What the oracles have against it.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        judge(&self.plan, &self.record)
    }

    /// The journal as text, without the dialogues.
    pub(crate) fn journal(&self) -> Vec<String> {
        let entries = self.record.entries.iter();
        let entries = entries.filter(|entry| !matches!(entry.what, What::Smtp { .. }));
        entries.map(|entry| format!("{:?} {} {}", entry.at, entry.machine, entry.what)).collect()
    }

    /// How often a line of the journal contains this text.
    pub(crate) fn times(&self, text: &str) -> usize {
        self.journal().iter().filter(|line| line.contains(text)).count()
    }

    /// When a line with this text was first written.
    pub(crate) fn when(&self, text: &str) -> std::time::Duration {
        let found = self.record.entries.iter().find(|entry| entry.what.to_string().contains(text));
        found.unwrap_or_else(|| panic!("no `{text}` in {:#?}", self.journal())).at
    }

    /// What a client was answered, try by try.
    pub(crate) fn answers(&self, message: &str) -> Vec<String> {
        let entries = self.record.entries.iter();
        let outcomes = entries.filter_map(|entry| match &entry.what {
            What::Client(attempt) if attempt.message == message => Some(match &attempt.outcome {
                Outcome::Accepted { .. } => "250".to_owned(),
                Outcome::Refused { reply, .. } => reply[..3].to_owned(),
                Outcome::Lost { .. } => "lost".to_owned(),
                Outcome::Unreachable(_) => "unreachable".to_owned(),
            }),
            _ => None,
        });
        outcomes.collect()
    }

    /// How often a message is in bob's mailbox, or on the partner's server.
    pub(crate) fn arrived(&self, message: &str) -> usize {
        let end = &self.record.end;
        let bob = end.mailboxes.iter().filter(|(name, _)| name == "bob@contoso.test");
        let items = bob.chain(&end.servers).flat_map(|(_, items)| items);
        items.filter(|item| item.kind.to_string() == message).count()
    }

    /// Both messages have arrived, and nothing else is amiss.
    pub(crate) fn ends_well(&self) -> Result<(), String> {
        self.is_clean()?;
        let arrived = [self.arrived("m1"), self.arrived("m2")];
        if arrived.iter().all(|times| *times > 0) { Ok(()) } else { Err(self.told()) }
    }

    /// Nothing that was answered for is lost, and the service is up.
    pub(crate) fn is_in_custody(&self) -> Result<(), String> {
        let lost = self.findings().iter().any(|finding| finding.oracle == "custody");
        if self.record.end.service_up && !lost { Ok(()) } else { Err(self.told()) }
    }

    /// No oracle finds anything, the service is up, and nothing is left to do.
    pub(crate) fn is_clean(&self) -> Result<(), String> {
        // What is in work is in nobody's custody.
        let waits = |(folder, _): &(String, _)| matches!(folder.as_str(), "in" | "out");
        let end = &self.record.end;
        let clean = self.findings().is_empty() && end.service_up && !end.spool.iter().any(waits);
        if clean { Ok(()) } else { Err(self.told()) }
    }

    /// All of it, for whoever has to find out why.
    fn told(&self) -> String {
        format!("{:#?} {:#?} {:#?}", self.findings(), self.record.end, self.journal())
    }
}

/// The operations of a disk.
pub(crate) const OPERATIONS: [&str; 9] =
    ["create", "append", "write", "sync", "rename", "remove", "read", "list", "sync-dir"];
/// The folders on it.
pub(crate) const FOLDERS: [&str; 7] = ["work", "in", "out", "queue", "archive", "bad", "mailboxes"];

/// The point was reached.
pub(crate) fn reached(story: &Story, point: &str) -> bool {
    story.record.reached.get(point).is_some_and(|times| *times > 0)
}
