//! Mail of senders who are not wanted (`[filter]`): it is delivered to nobody, and everything else is. Part of *policy*;
//! other oracles ask here whose mail that is.
//!
//! - What is of an unwanted sender, by its reverse path or its From field (Q155683, Q193926), is in no mailbox, on no
//!   server, and in no folder of the spool but `turf/`; where it is to be refused, it was not taken either.
//!   Nobody is told of it who may not have sent it: there is no report on it.
//! - What is of anybody else is not in `turf/`.

use gateway::config::FilterAction;

use super::{Acceptance, Case, Sheet, Where};
use crate::mailbag::Kind;
use crate::plan::MessagePlan;

pub(super) fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    let is_turf = |(folder, _): &(&str, &crate::record::Spooled)| *folder == "turf";
    if case.plan.gateway.config.filter.senders.is_empty() && !case.ledger.spooled.iter().any(is_turf) {
        return;
    }
    for (message, (_, planned)) in &case.ledger.planned {
        if case.ledger.is_garbled(message) {
            continue;
        }
        sheet.judges();
        let is_unwanted = case.model.is_unwanted(&planned.from, &planned.content);
        let is_amiss = |place: &Where<'_>| match place {
            Where::Spool("turf") => !is_unwanted,
            // A draft that a process left behind is nobody's.
            Where::Spool("work") => false,
            Where::Mailbox(_) | Where::Server(_) | Where::Spool(_) => is_unwanted,
        };
        let is_it = |kind: &Kind| matches!(kind, Kind::Message(name) if name == message);
        let amiss = case.ledger.items().find(|(place, item)| is_it(&item.kind) && is_amiss(place));
        if let Some((place, _)) = amiss {
            let cause = match is_unwanted {
                true => "mail of an unwanted sender went on",
                false => "mail was set aside whose sender is not unwanted",
            };
            sheet.finds(cause, format!("{message} of <{}> is at {place:?}", planned.from));
        }
        let answers = |kind: &Kind| matches!(kind, Kind::Report(name) | Kind::Receipt(name) | Kind::Delay(name) if name == message);
        let answer = case.ledger.items().find(|(_, item)| answers(&item.kind));
        if let Some((place, item)) = answer.filter(|_| is_unwanted) {
            let what = format!("{} is at {place:?}", item.kind);
            sheet.finds("the sender of mail that is not wanted was answered", what);
        }
        let is_taken = || case.ledger.accepted.iter().any(|accepted| accepted.message == **message);
        if is_unwanted && action(case) == FilterAction::Refuse && is_taken() {
            sheet.finds("mail of an unwanted sender was taken", format!("{message} of <{}>", planned.from));
        }
    }
}

fn action(case: &Case<'_>) -> FilterAction {
    case.plan.gateway.config.filter.action
}

/// Whether a message of the plan is of an unwanted sender.
pub(super) fn is_unwanted(case: &Case<'_>, message: &str) -> bool {
    let planned = case.ledger.planned.get(message);
    planned.is_some_and(|(_, MessagePlan { from, content, .. })| case.model.is_unwanted(from, content))
}

/// Whether a message may be refused for its sender.
pub(super) fn may_be_refused(case: &Case<'_>, message: &str) -> bool {
    action(case) == FilterAction::Refuse && is_unwanted(case, message)
}

/// Whether a message was deleted for its sender, with an event that names it.
pub(super) fn is_deleted(case: &Case<'_>, accepted: &Acceptance) -> bool {
    action(case) == FilterAction::Delete
        && is_unwanted(case, &accepted.message)
        && case.ledger.has_event(&[4192], accepted.spool_id())
}
