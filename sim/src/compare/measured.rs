//! What is measured of a run.
//!
//! All of it is read from the plan and the Record, as the oracles read them, and not from what the gateway says of
//! itself; but for one moment that nobody else sees, the delivery into a mailbox (event 2001).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateway::reach::Point;

use super::measure::Sample;
use crate::fault::{Family, Fault};
use crate::mailbag::Kind;
use crate::oracle::{Acceptance, Case, judge_case};
use crate::plan::Plan;
use crate::record::{Record, Service, What};

/// Mail that takes longer than this was held up.
const HELD_UP: Duration = Duration::from_mins(1);

/// What was counted in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) messages: u64,
    pub(super) undelivered: u64,
    pub(super) set_aside: u64,
    pub(super) reports: u64,
    pub(super) notifications: u64,
    pub(super) duplicates: u64,
    pub(super) tries: u64,
    pub(super) connections: u64,
    pub(super) longest_queue: u64,
    pub(super) restarts: u64,
    pub(super) findings: u64,
}

/// A delivery: which message, and to whom; to nobody by name where it is the mailboxes here.
type Delivery = (String, Option<String>);

/// What was measured of a run by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) delivery: BTreeMap<Delivery, Duration>,
    pub(super) counts: Counts,
    /// How many files were in the queue when the last outage ended, and how long it then took until there were none.
    pub(super) drain: Option<(usize, Duration)>,
}

impl Measured {
    /// Measures a run.
    pub(crate) fn of(plan: &Plan, record: &Record) -> Self {
        let case = Case::new(plan, record);
        let accepted = accepted(&case);
        Measured {
            delivery: deliveries(&case, &accepted),
            counts: counts(&case, &accepted),
            drain: drain(plan, record),
        }
    }
}

/// When the gateway first answered for each message to the client that hands it over, for whom, and its names in the
/// spool.
struct Accepted<'a> {
    at: Duration,
    recipients: BTreeSet<&'a str>,
    spool_ids: BTreeSet<String>,
}

fn accepted<'a>(case: &'a Case<'_>) -> BTreeMap<&'a str, Accepted<'a>> {
    let mut accepted: BTreeMap<&str, Accepted<'_>> = BTreeMap::new();
    for transfer in
        case.ledger.transfers.iter().filter(|transfer| transfer.is_inbound && transfer.is_answered())
    {
        let (Some(message), Some(reply)) = (transfer.message(), &transfer.reply) else { continue };
        let is_its_client = |(client, _): &(&crate::plan::ClientPlan, _)| client.address == transfer.peer;
        if !case.ledger.planned.get(message).is_some_and(is_its_client) {
            continue;
        }
        let entry = accepted.entry(message).or_insert_with(|| Accepted {
            at: reply.at,
            recipients: BTreeSet::new(),
            spool_ids: BTreeSet::new(),
        });
        entry.recipients.extend(transfer.recipients.iter().map(String::as_str));
        let answer =
            Acceptance { message: message.to_owned(), recipients: Vec::new(), reply: reply.lines.join(" ") };
        entry.spool_ids.insert(answer.spool_id().to_owned());
    }
    accepted
}

/// How long each delivery took, the first of each.
fn deliveries(case: &Case<'_>, accepted: &BTreeMap<&str, Accepted<'_>>) -> BTreeMap<Delivery, Duration> {
    let mut took = BTreeMap::new();
    for taken in &case.ledger.taken {
        let Some(since) = accepted.get(taken.message) else { continue };
        for recipient in taken.recipients {
            let delivery = (taken.message.to_owned(), Some(recipient.to_ascii_lowercase()));
            took.entry(delivery).or_insert_with(|| taken.entry.at.saturating_sub(since.at));
        }
    }
    let names =
        accepted.iter().flat_map(|(message, it)| it.spool_ids.iter().map(move |id| (id.as_str(), *message)));
    let names: BTreeMap<&str, &str> = names.collect();
    for entry in &case.record.entries {
        let What::Event(event) = &entry.what else { continue };
        let id = event.description.split(' ').nth(1).unwrap_or_default();
        if event.id == 2001
            && event.description.contains(" to the local store:")
            && let Some(message) = names.get(id)
        {
            let since = accepted[message].at;
            took.entry(((*message).to_owned(), None)).or_insert_with(|| entry.at.saturating_sub(since));
        }
    }
    took
}

fn counts(case: &Case<'_>, accepted: &BTreeMap<&str, Accepted<'_>>) -> Counts {
    let (ledger, record) = (&case.ledger, case.record);
    let differing = |is_one: fn(&Kind) -> bool| {
        let items = ledger.items().filter(|(_, item)| is_one(&item.kind));
        items.map(|(_, item)| item.fingerprint).collect::<BTreeSet<_>>().len() as u64
    };
    let event = |id: u16| {
        let is_it = |what: &What| matches!(what, What::Event(event) if event.id == id);
        record.entries.iter().filter(|entry| is_it(&entry.what)).count() as u64
    };
    let starts =
        record.entries.iter().filter(|entry| entry.what == What::Service(Service::Starts)).count() as u64;
    let connections = ledger.sessions.iter().filter(|session| !session.is_inbound).count() as u64;
    let unanswered = record.reached.get(Point::NoDnsAnswer.name()).copied().unwrap_or_default();
    let copies = copies(case);
    let has = |message: &str, recipient: &str| {
        let mailbox =
            case.model.mailbox(recipient).map(|mailbox| mailbox.address.to_string().to_ascii_lowercase());
        copies.contains_key(&(message, recipient.to_ascii_lowercase()))
            || mailbox.is_some_and(|mailbox| copies.contains_key(&(message, mailbox)))
    };
    let recipients =
        accepted.iter().flat_map(|(message, it)| it.recipients.iter().map(move |to| (*message, *to)));
    let is_message = |kind: &Kind| matches!(kind, Kind::Message(_));
    let set_aside = ledger.spooled.iter().filter(|(folder, file)| {
        *folder == "bad" && file.item.as_ref().is_some_and(|item| is_message(&item.kind))
    });
    Counts {
        messages: accepted.len() as u64,
        undelivered: recipients.filter(|(message, recipient)| !has(message, recipient)).count() as u64,
        set_aside: set_aside.count() as u64,
        reports: differing(|kind| matches!(kind, Kind::Report(_))),
        notifications: differing(|kind| matches!(kind, Kind::Notification(_))),
        duplicates: copies.values().map(|copies| copies - 1).sum(),
        tries: connections + event(3010) + unanswered,
        connections,
        longest_queue: record.queue.iter().map(|(_, length)| *length as u64).max().unwrap_or_default(),
        restarts: starts.saturating_sub(1),
        findings: judge_case(case).iter().map(|judgement| judgement.findings.len() as u64).sum(),
    }
}

/// How many copies of each planned message each recipient of a mail server and each mailbox has.
fn copies<'a>(case: &'a Case<'_>) -> BTreeMap<(&'a str, String), u64> {
    let mut copies = BTreeMap::new();
    for taken in case.ledger.taken.iter().filter(|taken| case.ledger.planned.contains_key(taken.message)) {
        for recipient in taken.recipients {
            *copies.entry((taken.message, recipient.to_ascii_lowercase())).or_default() += 1;
        }
    }
    for (mailbox, items) in &case.ledger.mailboxes {
        for item in *items {
            if let Kind::Message(message) = &item.kind {
                *copies.entry((message.as_str(), mailbox.clone())).or_default() += 1;
            }
        }
    }
    copies
}

/// When the last outage of a plan ends, if it has any.
fn outage_ends(plan: &Plan) -> Option<Duration> {
    let outages = [Family::Network, Family::Dns, Family::Servers, Family::Process];
    plan.faults.iter().filter(|fault| outages.contains(&fault.family())).filter_map(Fault::heals_at).max()
}

fn drain(plan: &Plan, record: &Record) -> Option<(usize, Duration)> {
    let end = outage_ends(plan)?;
    let before = record.queue.partition_point(|(at, _)| *at <= end);
    let length = before.checked_sub(1).map_or(0, |last| record.queue[last].1);
    let empty = record.queue[before..].iter().find(|(_, length)| *length == 0).map(|(at, _)| *at);
    let took = match length {
        0 => Duration::ZERO,
        _ => empty.unwrap_or(record.ended).saturating_sub(end),
    };
    Some((length, took))
}

/// The times of one run that differences are made from, in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Times {
    pub(super) delivery: Vec<f64>,
    pub(super) held_up: Vec<f64>,
    /// What was held up, less what the same takes with the base.
    pub(super) shift: Vec<f64>,
    pub(super) drain: Vec<f64>,
}

impl Times {
    pub(super) fn of(&self, sample: Sample) -> &[f64] {
        match sample {
            Sample::Delivery => &self.delivery,
            Sample::HeldUp => &self.held_up,
            Sample::Shift => &self.shift,
            Sample::Drain => &self.drain,
        }
    }
}

/// The times of the variants of one seed. What was held up, and whether there was a queue to be drained, is decided for
/// all of them together, so that each has the same mail and the same runs.
pub(super) fn times(variants: &[Measured]) -> Vec<Times> {
    let Some((first, others)) = variants.split_first() else { return Vec::new() };
    let in_all =
        first.delivery.keys().filter(|key| others.iter().all(|other| other.delivery.contains_key(*key)));
    let is_held_up = |key: &&Delivery| variants.iter().any(|variant| variant.delivery[*key] > HELD_UP);
    let held_up: Vec<&Delivery> = in_all.filter(is_held_up).collect();
    let has_queue = variants.iter().any(|variant| variant.drain.is_some_and(|(length, _)| length > 0));
    let times = variants.iter().map(|variant| Times {
        delivery: variant.delivery.values().map(Duration::as_secs_f64).collect(),
        held_up: held_up.iter().map(|key| variant.delivery[*key].as_secs_f64()).collect(),
        shift: held_up
            .iter()
            .map(|key| variant.delivery[*key].as_secs_f64() - first.delivery[*key].as_secs_f64())
            .collect(),
        drain: variant.drain.filter(|_| has_queue).map(|(_, took)| took.as_secs_f64()).into_iter().collect(),
    });
    times.collect()
}
