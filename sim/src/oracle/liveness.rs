//! Liveness: once everything has healed, all accepted mail comes to its end, and the service is up.
//!
//! The world is well when every fault of the plan has healed and none has bitten any more, when the last message was
//! taken and the service was started last. From then on a message has this long (RFC 5321, 4.5.4.1):
//!
//! - one wait of the retry schedule, the longest, before it is tried;
//! - one conversation that began badly before, until it is given up;
//! - a pause after the disk failed, and what extensions may take;
//! - and, where its destination is a host that takes no mail, or has no TLS for mail that needs it, or an extension fails over it and it is kept until that is
//!   well again, the age at which it expires and one wait more; the same again for the report on it, where that goes to
//!   such a host.
//!
//! Mail that waits for ETRN may do so until it expires. Once somebody has asked for it in a world that is well, it has the
//! time of any.
//!
//! Clients are served: see `oracle/served.rs`.
//!
//! A run that ends sooner says nothing of a message that is still under way. On the historical releases a service that
//! is down proves nothing: what brings it down is found by *service*.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use gateway::extension::OnFailure;
use gateway::release::Release;
use jiff::SignedDuration;

use super::{Case, Oracle, Place, Sheet, etrn, served};
use crate::fault::{Family, Fault};
use crate::machine::FAULTY_EXTENSION;
use crate::mailbag::Kind;
use crate::plan::{Offer, Task};
use crate::record::{Service, What};

pub(super) const ORACLE: Oracle = Oracle {
    name: "liveness",
    promise: "once every fault has healed, all accepted mail comes to its end within a bound",
    judge,
};

/// When a conversation is given up that never ends.
pub(super) const CONVERSATION: Duration = Duration::from_hours(2);
/// How long a message waits when the disk fails it.
const DISK_PAUSE: Duration = Duration::from_mins(1);
/// What an extension may take before it is no longer waited for.
const EXTENSION: Duration = Duration::from_mins(10);

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    let healed = healed(case);
    service(case, healed, sheet);
    served::judge(case, sheet);
    if !case.record.end.service_up {
        return;
    }
    let bound = base_bound(case);
    for (message, (_, planned)) in &case.ledger.planned {
        let mut accepted =
            case.ledger.accepted.iter().filter(|accepted| accepted.message == **message).peekable();
        if accepted.peek().is_none() {
            continue;
        }
        let recipients: Vec<&String> = accepted.flat_map(|accepted| &accepted.recipients).collect();
        let within = bound + waits(case, message, &recipients, &planned.from);
        let (healed, within) = match asked_for(case, &recipients, healed) {
            Asked::NeedNot => (healed, within),
            Asked::At(at) => (at, within),
            Asked::Never => (healed, within + too_old(case)),
        };
        let about = |kind: &Kind| match kind {
            Kind::Message(name)
            | Kind::Report(name)
            | Kind::Receipt(name)
            | Kind::Delay(name)
            | Kind::Notification(name) => name == message,
            Kind::Other => false,
        };
        let is_under_way = |(folder, file): &&(&str, &crate::record::Spooled)| {
            matches!(*folder, "in" | "out") && file.item.as_ref().is_some_and(|item| about(&item.kind))
        };
        match case.ledger.spooled.iter().find(is_under_way) {
            None => sheet.judges(),
            Some((folder, file)) if case.record.ended >= healed + within => {
                sheet.judges();
                let kind = file.item.as_ref().map(|item| item.kind.to_string()).unwrap_or_default();
                let minutes = (case.record.ended - healed).as_secs() / 60;
                let what = format!("{kind} is in {folder}/, {minutes} minutes after all had healed");
                sheet.finds(format!("accepted mail never leaves {folder}/"), what);
            }
            Some(_) => {}
        }
    }
}

/// When the world was well again, and the last message taken.
pub(super) fn healed(case: &Case<'_>) -> Duration {
    let taken = case.ledger.transfers.iter().filter(|transfer| transfer.is_inbound);
    let taken = taken.filter_map(|transfer| Some(transfer.reply.as_ref()?.at));
    taken.chain([well(case)]).max().unwrap_or_default()
}

/// When the world was well again: nothing goes wrong any more, and the service was started last.
pub(super) fn well(case: &Case<'_>) -> Duration {
    let faults = case.plan.faults.iter().zip(&case.record.bites).map(|(fault, bite)| {
        let again = match fault {
            Fault::Stop { restart_after, .. }
            | Fault::Kill { restart_after, .. }
            | Fault::PowerCut { restart_after, .. }
            | Fault::TornWrite { restart_after, .. }
            | Fault::LostData { restart_after, .. }
            | Fault::LostRename { restart_after, .. } => restart_after.0,
            _ => Duration::ZERO,
        };
        // An extension that is asked again and again is no longer ill for that: the message has its time.
        let last = bite.last.filter(|_| !(fault.family() == Family::Extension && retries(case)));
        let healed = last.map(|last| last + again).max(fault.heals_at());
        healed.max(last.and_then(|_| tried(case, fault))).unwrap_or_default()
    });
    let errands = case.plan.errands.iter().map(|errand| errand.at);
    let starts = case.record.entries.iter().filter(|entry| matches!(entry.what, What::Service(_)));
    let starts = starts.map(|entry| entry.at);
    faults.chain(errands).chain(starts).max().unwrap_or_default()
}

/// When the try was over at which a client misbehaved.
fn tried(case: &Case<'_>, fault: &Fault) -> Option<Duration> {
    let Fault::Client { message, attempt, .. } = fault else { return None };
    let mut attempts = case.ledger.attempts.iter();
    let (entry, _) = attempts.find(|(_, tried)| tried.message == *message && tried.number == *attempt)?;
    Some(entry.at)
}

/// Whether a message is kept over which the plan's extension fails.
pub(super) fn retries(case: &Case<'_>) -> bool {
    let mut chain = case.plan.gateway.config.extensions.iter();
    chain.any(|link| link.name == FAULTY_EXTENSION && link.on_failure == OnFailure::Retry)
}

/// What every message may take, wherever it goes.
pub(super) fn base_bound(case: &Case<'_>) -> Duration {
    let delays = case.plan.faults.iter().filter_map(|fault| match fault {
        Fault::ExtensionDelays { message, by } => {
            let recipients =
                case.ledger.planned.get(message.as_str()).map_or(1, |(_, message)| message.to.len());
            Some(by.0.saturating_mul(u32::try_from(recipients).unwrap_or(u32::MAX)))
        }
        _ => None,
    });
    longest_wait(case) + CONVERSATION + DISK_PAUSE + EXTENSION + delays.sum::<Duration>()
}

fn longest_wait(case: &Case<'_>) -> Duration {
    case.plan.gateway.config.delivery.retry.iter().max().copied().unwrap_or_default()
}

/// What mail may take besides because it goes to hosts that take none, or its report does, or it is kept.
fn waits(case: &Case<'_>, message: &str, recipients: &[&String], sender: &str) -> Duration {
    let too_old = too_old(case);
    let once = if recipients.iter().any(|to| takes_none(case, to)) { too_old } else { Duration::ZERO };
    let again = if !sender.is_empty() && takes_none(case, sender) { too_old } else { Duration::ZERO };
    let is_about_it = |fault: &Fault| fault.family() == Family::Extension && fault.message() == Some(message);
    let kept = if retries(case) && case.ledger.bit(is_about_it) { too_old } else { Duration::ZERO };
    once + again + kept
}

/// Whether the mail for an address goes to a host that never takes it: there is none, or it has no TLS where that is
/// needed.
pub(super) fn takes_none(case: &Case<'_>, address: &str) -> bool {
    match case.model.place(address, false) {
        Place::Mailbox(_) | Place::Nobody | Place::Nowhere => false,
        Place::Hosts(hosts) => {
            let has_no_tls = |host: &IpAddr| {
                !case
                    .plan
                    .servers
                    .iter()
                    .any(|it| it.address == *host && it.offers.contains(&Offer::Starttls))
            };
            hosts.iter().any(|host| case.ledger.server_at(*host).is_none())
                || hosts.is_empty()
                || case.model.is_certified(address) && hosts.iter().any(has_no_tls)
        }
    }
}

/// When a message has grown too old, at the latest.
fn too_old(case: &Case<'_>) -> Duration {
    // A clock that is set back makes no message older.
    let jumps = case.plan.faults.iter().filter_map(|fault| match fault {
        Fault::ClockJump { by, .. } => Duration::try_from(SignedDuration::abs(by.0)).ok(),
        _ => None,
    });
    case.plan.gateway.config.delivery.expire + longest_wait(case) + jumps.sum::<Duration>()
}

/// Since when a message has been asked for.
enum Asked {
    /// It does not wait for that.
    NeedNot,
    /// All of it, by then.
    At(Duration),
    /// Some of it never, or when the world was not well.
    Never,
}

/// Since when all mail for these recipients has been asked for that waits for ETRN, in a world that was well and had had
/// time to sort it.
fn asked_for(case: &Case<'_>, recipients: &[&String], healed: Duration) -> Asked {
    let domains: BTreeSet<&str> = recipients
        .iter()
        .filter_map(|recipient| Some(recipient.rsplit_once('@')?.1))
        .filter(|domain| case.model.waits(domain))
        .collect();
    if domains.is_empty() {
        return Asked::NeedNot;
    }
    let sorted = healed + base_bound(case);
    let first = |domain: &&str| {
        let in_time = |asked: &etrn::Granted<'_>| asked.at >= sorted && asked.is_about(domain);
        etrn::granted(case).filter(in_time).map(|asked| asked.at).min()
    };
    let times: Option<Vec<Duration>> = domains.iter().map(first).collect();
    times.and_then(|times| times.into_iter().max()).map_or(Asked::Never, Asked::At)
}

/// Judges whether the service is up at the end, where it is today's and nobody has decided otherwise.
fn service(case: &Case<'_>, healed: Duration, sheet: &mut Sheet) {
    let (plan, record) = (case.plan, case.record);
    // Whether each end was one that the plan explains is asked by *service*; here, whether nobody starts it any more.
    let ends = record.entries.iter().filter(|entry| {
        matches!(entry.what, What::Service(Service::Died(_) | Service::Refused(_) | Service::Stopped))
    });
    let is_given_up = ends.count() > plan.service.restarts;
    let last = plan.errands.iter().rfind(|errand| matches!(errand.task, Task::Start | Task::CutPower));
    let is_cut_off = last.is_some_and(|errand| matches!(errand.task, Task::CutPower));
    let is_too_soon = record.ended < healed + plan.service.restart_after + DISK_PAUSE;
    if plan.release != Release::Current || is_given_up || is_cut_off {
        return;
    }
    if record.end.service_up {
        sheet.judges();
    } else if !is_too_soon {
        sheet.judges();
        sheet.finds("the service is down", format!("since {healed:?} at the latest"));
    }
}
