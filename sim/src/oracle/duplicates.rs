//! Duplicates: nobody gets a message more often than the gateway took it for them (RFC 5321, 4.5.4 and 6.1).
//!
//! Each time that the gateway took a message, from a client that may have tried again or from a server that handed it
//! back, allows one copy for each recipient. A mail server may have more, one for each acknowledgement that went
//! missing: it took the message, and the gateway did not read its 250, or ended before it had noted it (RFC 1047). In
//! a mailbox there is never one more.
//!
//! Not judged: reports (that oracle judges them), a message whose journal the plan destroyed, and a message that a
//! client's fault changed beyond recognition.

use std::collections::BTreeSet;

use super::{Case, Oracle, Sheet, copies};

pub(super) const ORACLE: Oracle = Oracle {
    name: "duplicates",
    promise: "a recipient gets a message once for each time that it was taken, but for lost acknowledgements",
    judge,
};

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    let ledger = &case.ledger;
    for (message, (_, planned)) in &ledger.planned {
        if ledger.is_garbled(message) || copies::memory_is_lost(case, message) {
            continue;
        }
        let recipients: BTreeSet<String> =
            planned.to.iter().map(|to| to.to_string().to_ascii_lowercase()).collect();
        let mut mailboxes = BTreeSet::new();
        for recipient in recipients {
            let copies = copies::count(case, message, &recipient);
            if copies.taken > 0 {
                sheet.judges();
                let allowed = copies.accepted + copies.unacknowledged;
                if copies.accepted > 0 && copies.taken > allowed {
                    let what = format!(
                        "{message} for {recipient}: mail servers took {} copies, and {allowed} can be accounted for",
                        copies.taken
                    );
                    sheet.finds("a mail server got a message once too often", what);
                }
            }
            let mailbox = case.model.mailbox(&recipient).map(|mailbox| &mailbox.address);
            if copies.in_mailbox > 0 && mailbox.is_some_and(|mailbox| mailboxes.insert(mailbox)) {
                sheet.judges();
                let taken_for = |transfer: &&super::Transfer<'_>| {
                    let to_it = |to: &String| case.model.mailbox(to).map(|found| &found.address) == mailbox;
                    transfer.is_inbound
                        && transfer.message() == Some(message)
                        && transfer.recipients.iter().any(to_it)
                        && copies::may_be_accepted(case, transfer)
                };
                let accepted = ledger.transfers.iter().filter(taken_for).count();
                if accepted > 0 && copies.in_mailbox > accepted {
                    let what = format!(
                        "{message} is {} times in the mailbox of {recipient}, and was taken {accepted} times",
                        copies.in_mailbox
                    );
                    sheet.finds("a mailbox has a message once too often", what);
                }
            }
        }
    }
}
