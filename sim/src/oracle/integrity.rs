//! Integrity: a message arrives as it was sent (RFC 5321, 2.1 and 6.4).
//!
//! The content of every copy, in a mailbox, on a mail server or in the spool, is what the client sent, but for the
//! trace headers that were put on top (RFC 5321, 4.4), for the line that an extension was told to add, and for what the
//! milters have changed, by their own record, and for the text of a disclaimer around its text. A host that does not offer
//! 8BITMIME has nothing past ASCII, and what it has in its place says the same (RFC 6152, 3). On its way out a message has the
//! sender that it came with, to the code point (RFC 6531, 3.3); its recipients are the matter of *policy*. No message is
//! anywhere that a client hid within another behind a false end of data (RFC 5321, 4.1.1.4).
//!
//! Not judged: reports and notifications, and a message for which a client's fault changes what is sent.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gateway::release::Release;

use super::journal::{self, Way};
use super::{Case, Oracle, Sheet, Where, disclaimer, filters};
use crate::fault::Fault;
use crate::machine::rewritten;
use crate::mailbag::{self, Kind};
use crate::plan::MessagePlan;

pub(super) const ORACLE: Oracle = Oracle {
    name: "integrity",
    promise: "a message arrives as it was sent, but for trace headers and what an extension was told to add",
    judge,
};

/// What the plan calls a message that is hidden in another.
const SMUGGLED: &str = "-smuggled";

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    let ledger = &case.ledger;
    senders(case, sheet);
    let mut taken = Takings::of(case);
    let mut sent: BTreeMap<(&str, [bool; 3]), [Vec<u64>; 2]> = BTreeMap::new();
    for (place, item) in ledger.items() {
        let to = taken.next(place);
        let Kind::Message(message) = &item.kind else { continue };
        let Some((_, planned)) = ledger.planned.get(message.as_str()) else {
            sheet.judges();
            unplanned(case, message, sheet);
            continue;
        };
        if ledger.is_garbled(message) {
            continue;
        }
        sheet.judges();
        let ways = ways(case, place, to, planned);
        let [plain, added] = sent
            .entry((message.as_str(), ways))
            .or_insert_with(|| fingerprints(case, message, &planned.content, ways));
        let rewrites =
            |fault: &Fault| matches!(fault, Fault::ExtensionRewrites { message: about } if about == message);
        let (mut forms, mut takes_eight_bits) = (vec![item.fingerprint], true);
        if let Where::Server(name) = place {
            let server = case.plan.servers.iter().find(|server| &*server.name == name);
            let is_here = |peer: IpAddr| server.is_some_and(|server| server.address == peer);
            let sent = ledger.transfers.iter().filter(|sent| sent.message() == Some(message));
            let hosts = || sent.clone().filter(|sent| !sent.is_inbound && is_here(sent.peer));
            // The historical releases knew no 8BITMIME.
            takes_eight_bits =
                case.plan.release != Release::Current || hosts().any(|sent| sent.takes_eight_bits);
            forms.extend(item.before_seven_bits.filter(|_| hosts().any(|sent| !sent.takes_eight_bits)));
        }
        if !takes_eight_bits && !item.is_ascii {
            sheet.finds(
                "octets past ASCII went to a host that takes none",
                format!("{message}, found at {place:?}"),
            );
        }
        let is = |known: &[u64]| forms.iter().any(|form| known.contains(form));
        let is_intact = match (ledger.bit(rewrites), place) {
            (false, _) => is(plain),
            // It may not have been asked about yet.
            (true, Where::Spool(_)) => is(plain) || is(added),
            (true, _) => is(added),
        };
        if !is_intact {
            sheet.finds("a message was changed on its way", format!("{message}, found at {place:?}"));
        }
    }
}

/// A message goes out under the sender that it came with.
fn senders(case: &Case<'_>, sheet: &mut Sheet) {
    for transfer in case.ledger.transfers.iter().filter(|transfer| !transfer.is_inbound) {
        let Some(message) = transfer.message() else { continue };
        let Some((_, planned)) = case.ledger.planned.get(message) else { continue };
        let is_copy = transfer.recipients.iter().any(|to| journal::is_journal(case.plan, to));
        if case.ledger.is_garbled(message) || is_copy {
            continue;
        }
        sheet.judges();
        if !transfer.sender.eq_ignore_ascii_case(&planned.from) {
            let what = format!("{message} of {} as of {}", planned.from, transfer.sender);
            sheet.finds("a message went out under another sender", what);
        }
    }
}

/// Judges a message that the plan does not have. What a client sent as a message of its own was not hidden.
fn unplanned(case: &Case<'_>, message: &str, sheet: &mut Sheet) {
    if case.ledger.transfers.iter().any(|transfer| transfer.is_inbound && transfer.message() == Some(message))
    {
        return;
    }
    let outer = message.strip_suffix(SMUGGLED).filter(|outer| case.ledger.planned.contains_key(outer));
    match outer {
        Some(outer) => sheet.finds("a smuggled message was accepted", format!("one within {outer}")),
        None => sheet.finds("a message is there that nobody sent", message),
    }
}

/// For whom each server took what it has, in the order in which it has it.
struct Takings<'a>(BTreeMap<&'a str, std::vec::IntoIter<&'a [String]>>);

impl<'a> Takings<'a> {
    fn of(case: &'a Case<'_>) -> Self {
        let mut takings: BTreeMap<&str, Vec<&[String]>> = BTreeMap::new();
        for taken in &case.ledger.taken {
            takings.entry(&*taken.entry.machine).or_default().push(taken.recipients);
        }
        Takings(takings.into_iter().map(|(server, takings)| (server, takings.into_iter())).collect())
    }

    /// For whom the next item at a place is, if it is on a server.
    fn next(&mut self, place: Where<'_>) -> &'a [String] {
        let Where::Server(server) = place else { return &[] };
        self.0.get_mut(server).and_then(Iterator::next).unwrap_or_default()
    }
}

/// In which forms a message may be at a place, for these recipients: without the text of a disclaimer, with the inbound,
/// with the outbound one.
fn ways(case: &Case<'_>, place: Where<'_>, to: &[String], planned: &MessagePlan) -> [bool; 3] {
    let names_a_journal = || planned.to.iter().any(|to| journal::is_journal(case.plan, &to.to_string()));
    match place {
        Where::Mailbox(directory) if journal::is_journals_mailbox(case.plan, directory) => {
            [true, names_a_journal(), false]
        }
        Where::Mailbox(_) => [false, true, false],
        // A copy for a journal elsewhere has no text of ours, unless the message was for the journal itself.
        Where::Server(_) => {
            let is_copy = !to.is_empty() && to.iter().all(|to| journal::is_journal(case.plan, to));
            [is_copy, false, !is_copy || names_a_journal()]
        }
        Where::Spool(_) => [true, true, true],
    }
}

/// The content without trace headers, as it was sent, or as milters have left it, and with the extension's line; each
/// with the text of a disclaimer that the ways ask for.
fn fingerprints(case: &Case<'_>, message: &str, content: &[u8], ways: [bool; 3]) -> [Vec<u64>; 2] {
    let end: &[u8] = if content.is_empty() || content.ends_with(b"\r\n") { b"" } else { b"\r\n" };
    let sent = [content, end].concat();
    let contents = filters::contents(case, message, &sent);
    let texts =
        [[None, None], journal::texts(case.plan, Way::Inbound), journal::texts(case.plan, Way::Outbound)];
    let meant = || texts.into_iter().zip(ways).filter_map(|(texts, is_meant)| is_meant.then_some(texts));
    let with = |content: &[u8]| -> Vec<u64> {
        let one = |texts| {
            let with = if texts == [None, None] { None } else { disclaimer::with_texts(content, texts) };
            mailbag::untraced(with.as_deref().unwrap_or(content)).1
        };
        meant().map(one).collect()
    };
    let added = contents.iter().flat_map(|content| with(&rewritten(content))).collect();
    [contents.iter().flat_map(|content| with(content)).collect(), added]
}
