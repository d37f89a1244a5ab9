//! What the milters of a plan said, from their own record, and what must follow from it. Part of *policy*; other oracles
//! ask here what they have to allow for.
//!
//! - What a milter refuses is not taken; what is taken, every milter was asked about. Only one that failed, and whose
//!   failure stands in no mail's way, may have been passed over, for a message of which it has said nothing.
//! - What a milter would have thrown away or set aside is delivered to nobody; what it would have set aside is in `bad/`.
//! - Whom a milter added has the message, or it is accounted for; what it was not allowed is in the event log, and was
//!   not done.
//! - The gateway lays no refusal at the door of a milter that did not refuse.

use std::collections::BTreeSet;

use gateway::config::MilterConfig;
use gateway::milter::OnFailure;

use super::{Acceptance, Case, Sheet, Transfer, Where, custody, unwanted};
use crate::fault::DiskFolder;
use crate::filter::{MilterDoes, new_body};
use crate::mailbag::Kind;
use crate::plan::{ClientPlan, MilterPlan};
use crate::record::{Filtering, What};

/// How often a message may go round that is looked at here.
const PASSES: usize = 20;

pub(super) fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    if case.plan.milters.is_empty() {
        return;
    }
    // No milter is asked about mail that is not wanted anyway.
    let is_asked = |taken: &&Acceptance| {
        !case.ledger.is_garbled(&taken.message) && !unwanted::is_unwanted(case, &taken.message)
    };
    for accepted in case.ledger.accepted.iter().filter(is_asked) {
        taken(case, accepted, sheet);
    }
    kept_back(case, sheet);
    refusals(case, sheet);
}

/// The milters that the gateway asks, in their order.
fn chain<'a>(case: &Case<'a>) -> impl Iterator<Item = (&'a MilterConfig, &'a MilterPlan)> {
    let plan = case.plan;
    plan.gateway.config.milters.iter().filter_map(|config| {
        let host = &config.address.host;
        let is_it = |milter: &&MilterPlan| *milter.name == **host || milter.address.to_string() == **host;
        Some((config, plan.milters.iter().find(is_it)?))
    })
}

/// Everything that milters said, and which milter.
fn said<'a>(case: &Case<'a>) -> impl Iterator<Item = (&'a str, &'a Filtering)> {
    // Where there is no milter nobody need look.
    let entries = if case.plan.milters.is_empty() { &[] } else { &case.record.entries[..] };
    entries.iter().filter_map(|entry| match &entry.what {
        What::Milter(filtering) => Some((&*entry.machine, filtering)),
        _ => None,
    })
}

/// What a milter said of a message with this name in the spool.
fn said_of<'a>(case: &Case<'a>, milter: &MilterPlan, id: &str) -> Option<&'a Filtering> {
    said(case).filter(|(name, said)| **name == *milter.name && said.id == id).last().map(|(_, said)| said)
}

/// Whether mail may have passed a milter by, because it failed.
fn may_be_missed(case: &Case<'_>, config: &MilterConfig) -> bool {
    config.on_failure == OnFailure::Accept && case.ledger.has_event(&[3030], &config.address.to_string())
}

fn names(list: &[String], whom: &str) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(whom))
}

fn is_trusted(milter: &MilterPlan, client: &ClientPlan) -> bool {
    names(&milter.trusts, &client.name) || names(&milter.trusts, &client.address.to_string())
}

/// Judges one message that was taken.
fn taken(case: &Case<'_>, accepted: &Acceptance, sheet: &mut Sheet) {
    let Acceptance { message, recipients, reply } = accepted;
    let Some((client, planned)) = case.ledger.planned.get(message.as_str()) else { return };
    let id = accepted.spool_id();
    let (mut is_aside, mut added) = (false, Vec::new());
    let mut left = recipients.clone();
    for (config, milter) in chain(case) {
        let said = said_of(case, milter, id);
        if said.and_then(Filtering::verdict) == Some(&MilterDoes::Discards) {
            // What the others would have is of no account.
            return;
        }
        // What failed before it came to the message may have been passed over.
        if is_trusted(milter, client) || said.is_none() && may_be_missed(case, config) {
            continue;
        }
        sheet.judges();
        let name = &milter.name;
        let whom = [client.name.to_string(), client.address.to_string(), planned.from.clone()];
        if whom.iter().chain(recipients).any(|whom| names(&milter.refuses, whom)) {
            let what = format!("{message}, though {name} refuses its client, its sender or a recipient");
            sheet.finds("what a milter refuses was taken", what);
        }
        let Some(said) = said else {
            let what = format!("{message} was answered \"{reply}\", and {name} said nothing of it");
            sheet.finds("a message was taken that a milter was not asked about", what);
            continue;
        };
        if let Some(verdict) = said.verdict().filter(|verdict| **verdict != MilterDoes::Accepts) {
            let what = format!("{message} was answered \"{reply}\", and {name} said {verdict}");
            sheet.finds("a message was taken that a milter refused", what);
        }
        is_aside |= said.does.contains(&MilterDoes::Quarantines);
        for does in &said.does {
            match does {
                MilterDoes::AddsRecipient(to) => {
                    left.push(to.to_string());
                    added.push((name, to.to_string()));
                }
                MilterDoes::TakesOff(to) => left.retain(|known| !known.eq_ignore_ascii_case(&to.to_string())),
                MilterDoes::AddsUnasked(to)
                    if !case.ledger.has_event(&[3031], &config.address.to_string()) =>
                {
                    let what = format!("{to}, whom {name} added to {message} unasked");
                    sheet.finds("a change that was not allowed is not in the event log", what);
                }
                _ => {}
            }
        }
    }
    for (milter, to) in added {
        sheet.judges();
        if !custody::is_accounted_for(case, accepted, &to) {
            let what = format!("{message} for {to}, whom {milter} has added");
            sheet.finds("whom a milter added has nothing", what);
        }
    }
    let is_there = || case.ledger.spooled.iter().any(|(folder, file)| *folder == "bad" && file.file == id);
    // One that nobody is left for is thrown away.
    if is_aside && !left.is_empty() && !is_there() && !case.ledger.vanished(message, &[DiskFolder::Bad]) {
        let what = format!("{message}, which was answered \"{reply}\"");
        sheet.finds("what a milter had set aside is not in bad", what);
    }
}

/// The names in the spool that a message had, each time that it was taken.
fn ids<'a>(case: &'a Case<'_>, message: &'a str) -> impl Iterator<Item = &'a str> {
    let taken = case.ledger.transfers.iter().filter(|transfer| transfer.is_inbound);
    taken.filter(move |transfer| transfer.message() == Some(message)).filter_map(Transfer::spool_id)
}

/// Whether a milter keeps a message from being delivered, whoever hands it over.
fn keeps_back(milter: &MilterPlan, message: &str) -> bool {
    let mine = || milter.acts.iter().filter(|(about, _)| about == message).map(|(_, does)| does);
    let stops = |does: &MilterDoes| *does == MilterDoes::Quarantines || does.is_verdict();
    mine().any(stops) && !mine().any(|does| *does == MilterDoes::Accepts)
}

/// Judges whether anything is with its recipients that a milter would not have there.
fn kept_back(case: &Case<'_>, sheet: &mut Sheet) {
    for (message, (client, _)) in &case.ledger.planned {
        let keeps = |(config, milter): &(&MilterConfig, &MilterPlan)| {
            let may_be_missed = || {
                may_be_missed(case, config)
                    && ids(case, message).any(|id| said_of(case, milter, id).is_none())
            };
            keeps_back(milter, message) && !is_trusted(milter, client) && !may_be_missed()
        };
        let Some((_, milter)) = chain(case).find(keeps) else { continue };
        if case.ledger.is_garbled(message) {
            continue;
        }
        sheet.judges();
        let is_it = |(place, item): &(Where<'_>, &crate::mailbag::Item)| {
            matches!(&item.kind, Kind::Message(name) if name == message)
                && !matches!(place, Where::Spool("bad" | "archive" | "turf" | "work"))
        };
        if let Some((place, _)) = case.ledger.items().find(is_it) {
            let what = format!("{message}, which {} keeps back, is at {place:?}", milter.name);
            sheet.finds("a message is somewhere that a milter keeps back", what);
        }
    }
}

/// Judges whether each refusal that the gateway says is a milter's is one.
fn refusals(case: &Case<'_>, sheet: &mut Sheet) {
    for (config, milter) in chain(case) {
        let says = format!("The milter {} refused ", config.address);
        let logged = case.record.entries.iter().filter(|entry| {
            matches!(&entry.what, What::Event(event) if event.id == 3032 && event.description.starts_with(&says))
        });
        let refused = said(case).filter(|(name, said)| {
            let stands = said
                .verdict()
                .is_some_and(|verdict| !matches!(verdict, MilterDoes::Accepts | MilterDoes::Discards));
            **name == *milter.name && stands
        });
        let (logged, refused) = (logged.count(), refused.count());
        if logged > 0 {
            sheet.judges();
        }
        if logged > refused {
            let what = format!("{}: {logged} in the event log, and it refused {refused} times", milter.name);
            sheet.finds("a refusal is laid at the door of a milter that did not refuse", what);
        }
    }
}

/// Whether a reply is a milter's, or what is said where one has failed.
pub(super) fn excuses(case: &Case<'_>, lines: &[&str]) -> bool {
    if case.plan.milters.is_empty() {
        return false;
    }
    let texts: Vec<&str> = lines.iter().map(|line| line.get(4..).unwrap_or_default()).collect();
    let code = lines.first().and_then(|line| line.get(..3)).unwrap_or_default();
    let shown = format!("{code} {}", texts.join(" / "));
    let is_failure = shown == "550 5.5.0 Service unavailable";
    is_failure && case.ledger.has_event(&[3030], "done with the mail: reject")
        || case.ledger.has_event(&[3032], &format!("sent: {shown}"))
}

/// Those whom a milter has added to a message.
pub(super) fn added_to(case: &Case<'_>, message: &str) -> impl Iterator<Item = String> {
    let about = message.to_owned();
    let of_it = said(case).filter(move |(_, said)| said.about == about);
    of_it.flat_map(|(_, said)| &said.does).filter_map(|does| match does {
        MilterDoes::AddsRecipient(to) => Some(to.to_string()),
        _ => None,
    })
}

/// Whether a milter has had a message thrown away, or kept it from a recipient, with an event.
pub(super) fn is_dropped(case: &Case<'_>, accepted: &Acceptance, recipient: &str) -> bool {
    let id = accepted.spool_id();
    let drops = |does: &MilterDoes| match does {
        MilterDoes::Discards => true,
        MilterDoes::TakesOff(to) => to.to_string().eq_ignore_ascii_case(recipient),
        _ => false,
    };
    said(case).any(|(_, said)| said.id == id && said.does.iter().any(drops))
        && case.ledger.was_dropped(id, recipient)
}

/// The contents that a message may have that was sent like this.
pub(super) fn contents(case: &Case<'_>, message: &str, sent: &[u8]) -> Vec<Vec<u8>> {
    let ids: BTreeSet<&str> =
        said(case).filter(|(_, said)| said.about == message).map(|(_, said)| &*said.id).collect();
    let is_unasked =
        |accepted: &&Acceptance| accepted.message == message && !ids.contains(accepted.spool_id());
    let mut found: Vec<Vec<u8>> = Vec::new();
    if ids.is_empty() || case.ledger.accepted.iter().any(|accepted| is_unasked(&accepted)) {
        found.push(sent.to_vec());
    }
    // It may have come back, and been filtered again.
    let mut fresh = vec![sent.to_vec()];
    for _ in 0..ids.len().min(PASSES) {
        let all = fresh.iter().flat_map(|content| ids.iter().flat_map(|id| filtered(case, id, content)));
        let mut new: Vec<Vec<u8>> = all.filter(|content| !found.contains(content)).collect();
        new.sort_unstable();
        new.dedup();
        found.extend(new.iter().cloned());
        fresh = new;
    }
    found
}

/// What the milters may have made of a content that had this name in the spool.
fn filtered(case: &Case<'_>, id: &str, content: &[u8]) -> Vec<Vec<u8>> {
    let mut made = vec![content.to_vec()];
    for (_, milter) in chain(case) {
        let Some(said) = said_of(case, milter, id) else { continue };
        let change = |content: &Vec<u8>| {
            // A new body is there when everything has been said; what was said twice is there twice.
            let (bodies, others): (Vec<_>, Vec<_>) =
                said.does.iter().partition(|does| **does == MilterDoes::ReplacesBody);
            let changes = others.into_iter().chain(bodies.first().copied());
            let once = changes.fold(content.clone(), |content, does| does.apply(&milter.name, &content));
            let again = bodies.iter().skip(1).map(|_| new_body(&milter.name));
            [once, again.collect::<String>().into_bytes()].concat()
        };
        made = made.iter().map(change).collect();
    }
    made
}
