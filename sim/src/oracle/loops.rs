//! Loops: no message goes round for ever (RFC 5321, 6.3; Q260247, Q190021).
//!
//! A message that a mail server hands back is one that the gateway takes again, with one more `Received` line on top.
//! No copy that the gateway passes on has more of them than the limit, so no message passes through the gateway more
//! often than the limit and once more; and where its way ends its sender hears of it (status 5.4.6).
//!
//! It knows a message by its name in the plan. A loop between other hosts, which the gateway never sees, is not judged.

use super::{Case, Oracle, Sheet, Where, copies};
use crate::mailbag::Kind;
use crate::plan::MessagePlan;

pub(super) const ORACLE: Oracle = Oracle {
    name: "loops",
    promise: "no message passes through the gateway more often than the hop limit, and a loop ends in a report",
    judge,
};

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    let limit = case.plan.gateway.config.limits.hops;
    for (place, item) in case.ledger.items() {
        let is_passed_on = !matches!(place, Where::Spool(_)) && item.hops > 0;
        if is_passed_on {
            sheet.judges();
            if item.hops > limit {
                let what = format!("{} at {place:?} has {} Received lines on top", item.kind, item.hops);
                sheet.finds("a message was passed on that has passed through too many hosts", what);
            }
        }
    }
    for (message, (client, planned)) in &case.ledger.planned {
        let came_back = case.ledger.transfers.iter().any(|transfer| {
            transfer.is_inbound
                && transfer.message() == Some(message)
                && transfer.peer != client.address
                && case.ledger.server_at(transfer.peer).is_some()
                && transfer.is_answered()
        });
        if came_back && !case.ledger.is_garbled(message) {
            came_round(case, message, planned, limit, sheet);
        }
    }
}

/// Judges a message that came back at least once.
fn came_round(case: &Case<'_>, message: &str, planned: &MessagePlan, limit: usize, sheet: &mut Sheet) {
    for recipient in planned.to.iter().map(ToString::to_string) {
        let mine = |transfer: &&super::Transfer<'_>| {
            transfer.is_inbound
                && transfer.message() == Some(message)
                && transfer.is_for(&recipient)
                && copies::may_be_accepted(case, transfer)
        };
        let passages = case.ledger.transfers.iter().filter(mine).count();
        let is_of_server = |transfer: &&super::Transfer<'_>| case.ledger.server_at(transfer.peer).is_some();
        let returns = case.ledger.transfers.iter().filter(mine).filter(is_of_server).count();
        let answered =
            case.ledger.transfers.iter().filter(mine).filter(|transfer| transfer.is_answered()).count();
        if returns == 0 {
            continue;
        }
        sheet.judges();
        let copies = copies::count(case, message, &recipient);
        let allowed = (passages - returns + copies.unacknowledged) * (limit + 1);
        if passages > allowed {
            let what = format!("{message} for {recipient}: {passages} times, with a limit of {limit} hops");
            sheet.finds("a message went round too often", what);
        }
        // Where the way of each passage ended: on a server, in a mailbox, in a report, or it has not ended.
        let names = |list: &[String]| list.iter().any(|to| to.eq_ignore_ascii_case(&recipient));
        let waits = case.ledger.spooled.iter().filter(|(_, file)| {
            names(&file.recipients) && file.item.as_ref().is_some_and(|item| item.kind.is(message))
        });
        let reports: std::collections::BTreeSet<u64> = (case.ledger.reports_on(message))
            .filter(|report| names(&report.reported))
            .map(|report| report.fingerprint)
            .collect();
        let ends = copies.taken + copies.in_mailbox + waits.count() + reports.len();
        let is_told_of = case.ledger.was_ever_dropped(message, &recipient)
            || !planned.from.is_empty() && case.ledger.was_report_lost(message, &planned.from);
        let everything =
            [crate::fault::DiskFolder::In, crate::fault::DiskFolder::Out, crate::fault::DiskFolder::Bad];
        if ends < answered && !is_told_of && !case.ledger.vanished(message, &everything) {
            let kind = Kind::Report(message.to_owned());
            let what = format!(
                "{message} for {recipient} was taken {answered} times, ended {ends} times: no {kind}"
            );
            sheet.finds("a loop ended without a report", what);
        }
    }
}
