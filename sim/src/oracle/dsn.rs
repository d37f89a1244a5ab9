//! DSN: a sender hears of what it asked to hear, under the names that it gave, and of no more (RFC 3461).
//!
//! What was asked is read from the commands that clients said, as the gateway heard them: a client that says HELO, or is
//! offered no DSN, asks nothing. Where two tries of one message ask different things, only what both agree on is
//! demanded.
//!
//! Who asks nothing hears of failures and of delays, and of no delivery (4.1). A delivery is reported where the gateway
//! delivers, or where it passes the message on to a host that offers no DSN (5.2.2); to one that does it passes on what
//! was asked (5.2.1). Not judged: a message whose client's fault changed it, and how often a failure is reported
//! (reports).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateway::release::Release;

use super::liveness::CONVERSATION;
use super::reports::restarts;
use super::session::{Session, path, verb};
use super::{Case, Exchange, Oracle, Place, Reply, Sheet, copies, journal, ledger};
use crate::fault::{DiskFolder, Family};
use crate::mailbag::{Item, Kind};
use crate::plan::Hears;

pub(super) const ORACLE: Oracle = Oracle {
    name: "dsn",
    promise: "a sender hears of deliveries, delays and failures as it asked to, under the names that it gave",
    judge,
};

/// What was asked about one message for one recipient, at each try that may have been taken.
#[derive(Default)]
struct Asked<'a> {
    mails: Vec<&'a str>,
    rcpts: Vec<&'a str>,
}

impl Asked<'_> {
    fn wants(rcpt: &str, what: Hears) -> bool {
        let word = match what {
            Hears::Success => "SUCCESS",
            Hears::Failure => "FAILURE",
            Hears::Delay => "DELAY",
        };
        parameter(rcpt, "NOTIFY").map_or(what != Hears::Success, |words| words.split(',').any(|w| w == word))
    }

    /// Whether the sender may want to hear this.
    fn may_want(&self, what: Hears) -> bool {
        self.rcpts.iter().any(|rcpt| Self::wants(rcpt, what))
    }

    /// Whether it wants to hear this whichever try is meant.
    fn wants_in_any_case(&self, what: Hears) -> bool {
        !self.rcpts.is_empty() && self.rcpts.iter().all(|rcpt| Self::wants(rcpt, what))
    }

    /// The value that MAIL gave a parameter at every try, if it was one.
    fn said_by_mail(&self, name: &str) -> Option<&str> {
        let first = parameter(self.mails.first()?, name)?;
        self.mails.iter().all(|mail| parameter(mail, name) == Some(first)).then_some(first)
    }
}

/// The value of a parameter of MAIL or RCPT.
fn parameter<'a>(command: &'a str, name: &str) -> Option<&'a str> {
    let (_, parameters) = command.rsplit_once("> ")?;
    parameters.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

type Requests<'a> = BTreeMap<(&'a str, String), Asked<'a>>;

/// What was asked in each transfer to the gateway that may have been taken, by message and recipient.
fn requests<'a>(case: &'a Case<'_>) -> Requests<'a> {
    let mut requests: Requests<'a> = BTreeMap::new();
    for transfer in &case.ledger.transfers {
        let Some(message) = transfer.message().filter(|_| transfer.is_inbound) else { continue };
        if case.ledger.is_garbled(message) || !copies::may_be_accepted(case, transfer) {
            continue;
        }
        let Some(session) = session_of(case, transfer.index) else { continue };
        let before = session.exchanges.iter().filter(|exchange| exchange.index < transfer.index);
        let (mut mail, mut rcpts) = ("", Vec::new());
        // What was refused began no transaction, and named nobody.
        let is_obeyed = |exchange: &&Exchange<'_>| exchange.reply.as_ref().is_some_and(Reply::is_positive);
        for exchange in before.filter(is_obeyed) {
            match verb(exchange.command).as_str() {
                "MAIL" => (mail, rcpts) = (exchange.command, Vec::new()),
                "RCPT" => rcpts.push(exchange.command),
                _ => {}
            }
        }
        for rcpt in rcpts {
            let asked = requests.entry((message, path(rcpt).to_ascii_lowercase())).or_default();
            asked.mails.push(mail);
            asked.rcpts.push(rcpt);
        }
    }
    requests
}

/// Whether a sender may have asked not to hear of a failure.
pub(super) fn may_be_silenced(case: &Case<'_>, message: &str, recipient: &str) -> bool {
    let requests = requests(case);
    let asked = requests.get(&(message, recipient.to_ascii_lowercase()));
    asked.is_some_and(|asked| !asked.wants_in_any_case(Hears::Failure))
}

fn session_of<'a>(case: &'a Case<'_>, index: usize) -> Option<&'a Session<'a>> {
    case.ledger
        .sessions
        .iter()
        .find(|session| session.exchanges.iter().any(|exchange| exchange.index == index))
}

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    let requests = requests(case);
    for (at, item) in case.ledger.items() {
        let (message, what) = match &item.kind {
            Kind::Report(message) => (message, Hears::Failure),
            Kind::Receipt(message) => (message, Hears::Success),
            Kind::Delay(message) => (message, Hears::Delay),
            Kind::Message(_) | Kind::Notification(_) | Kind::Other => continue,
        };
        let Some((_, planned)) = case.ledger.planned.get(message.as_str()) else { continue };
        if case.ledger.is_garbled(message) || journal::is_about_a_copy(case.plan, item) {
            continue;
        }
        for recipient in &item.reported {
            let Some(asked) = requests.get(&(message.as_str(), recipient.to_ascii_lowercase())) else {
                continue;
            };
            sheet.judges();
            if !asked.may_want(what) {
                let found = format!("{} for {recipient}, at {at:?}", item.kind);
                sheet.finds(
                    format!("a sender heard of a {what:?} that it did not ask to hear of").to_lowercase(),
                    found,
                );
            }
            names(case, item, recipient, asked, sheet);
        }
        form(case, item, sheet);
        if what == Hears::Delay {
            not_too_soon(case, message, item, sheet);
        }
        if what != Hears::Failure && !goes_to_the_sender(case, at, &planned.from) {
            sheet.finds("a notice went to somebody else than the sender", format!("{} at {at:?}", item.kind));
        }
    }
    for ((message, recipient), asked) in &requests {
        let Some((_, planned)) = case.ledger.planned.get(message) else { continue };
        if !planned.from.is_empty() {
            success(case, message, recipient, &planned.from, asked, sheet);
            for kind in [Kind::Receipt((*message).to_owned()), Kind::Delay((*message).to_owned())] {
                how_often(case, message, recipient, &kind, sheet);
            }
            delay(case, message, recipient, &planned.from, asked, sheet);
        }
    }
    for session in case.ledger.sessions.iter().filter(|session| !session.is_inbound) {
        passed_on(case, session, &requests, sheet);
    }
}

/// A report says who reports (RFC 3464, 2.2.2), and that no person wrote it (RFC 3834, 5): who answers it by himself would
/// answer a machine.
fn form(case: &Case<'_>, item: &Item, sheet: &mut Sheet) {
    let host = &case.plan.gateway.name;
    if !item.reporter.as_ref().is_some_and(|reporter| reporter.eq_ignore_ascii_case(host)) {
        sheet.finds("a report does not say who reports", format!("{}: {:?}", item.kind, item.reporter));
    }
    if item.auto_submitted.as_deref() != Some("auto-replied") {
        let what = format!("{}: {:?}", item.kind, item.auto_submitted);
        sheet.finds("a report does not say that no person wrote it", what);
    }
}

/// A message is late when it has waited for so long, and no sooner.
fn not_too_soon(case: &Case<'_>, message: &str, item: &Item, sheet: &mut Sheet) {
    let after = case.plan.gateway.config.delivery.delay_notice;
    let arrived = copies::arrivals(case, message).min();
    let (Some(after), Some(arrived)) = (after, arrived) else {
        return sheet.finds("a sender heard of a delay that is not told of", item.kind.to_string());
    };
    let written = item.written.unwrap_or_default() - case.record.starts.as_second();
    let written = Duration::from_secs(u64::try_from(written).unwrap_or_default() + 1);
    if written < arrived + after && !case.ledger.bit(|fault| fault.family() == Family::Clock) {
        let what =
            format!("{}, after {:?}, where it is told of after {after:?}", item.kind, written - arrived);
        sheet.finds("a sender heard of a delay too soon", what);
    }
}

/// A report says the names that the sender gave, and returns as much as it wants.
fn names(case: &Case<'_>, item: &Item, recipient: &str, asked: &Asked<'_>, sheet: &mut Sheet) {
    if let Some(id) = asked.said_by_mail("ENVID")
        && item.envelope_id.as_deref() != Some(id)
    {
        sheet.finds("a report does not say the envelope identifier", format!("{}: {id}", item.kind));
    }
    let original = asked.rcpts.iter().all(|rcpt| parameter(rcpt, "ORCPT").is_some());
    let kind = if recipient.is_ascii() { "rfc822" } else { "utf-8" };
    if original
        && !item.originals.iter().any(|known| known.eq_ignore_ascii_case(&format!("{kind}; {recipient}")))
    {
        sheet.finds("a report does not say the original recipient", format!("{}: {recipient}", item.kind));
    }
    // 5.5 took the word, and returned the whole message (Q156063).
    if asked.said_by_mail("RET") == Some("HDRS")
        && item.returns_whole
        && case.plan.release == Release::Current
    {
        sheet.finds(
            "a report returns the whole of a message of which its header was wanted",
            item.kind.to_string(),
        );
    }
}

fn goes_to_the_sender(case: &Case<'_>, at: super::Where<'_>, sender: &str) -> bool {
    let place = case.model.place(sender, false);
    match at {
        super::Where::Spool(_) => true,
        super::Where::Mailbox(directory) => place == Place::Mailbox(ledger::mailbox_of(directory)),
        super::Where::Server(server) => {
            case.ledger.address_of(server).is_some_and(|address| super::policy::leads_to(&place, address))
                || super::exchangers::once_led(case, server, sender)
        }
    }
}

/// Whether something of this kind tells of a recipient, or could not be delivered itself, with an event.
fn is_told(case: &Case<'_>, kind: &Kind, recipient: &str, sender: &str) -> bool {
    let tells =
        |item: &Item| item.kind == *kind && item.reported.iter().any(|to| to.eq_ignore_ascii_case(recipient));
    let (Kind::Receipt(message) | Kind::Delay(message)) = kind else { return false };
    case.ledger.items().any(|(_, item)| tells(item)) || case.ledger.was_report_lost(message, sender)
}

/// Whether nothing of a message for a recipient is under way any more, and nobody took it off the disk.
fn is_done_with(case: &Case<'_>, message: &str, recipient: &str) -> bool {
    use crate::fault::DiskFolder::{In, Out, Queue};
    let is_under_way = case.ledger.spooled.iter().any(|(_, file)| {
        let names = file.recipients.iter().any(|to| to.eq_ignore_ascii_case(recipient));
        file.item.as_ref().is_none_or(|item| item.kind.is(message) && names)
    });
    !is_under_way
        && !case.ledger.vanished(message, &[In, Out, Queue])
        && !copies::memory_is_lost(case, message)
}

fn success(
    case: &Case<'_>,
    message: &str,
    recipient: &str,
    sender: &str,
    asked: &Asked<'_>,
    sheet: &mut Sheet,
) {
    // Whoever was taken off a message on purpose has it by another name at the most: that is custody's matter.
    let was_dropped = case.ledger.was_ever_dropped(message, recipient);
    if !asked.wants_in_any_case(Hears::Success) || was_dropped || !is_done_with(case, message, recipient) {
        return;
    }
    let counts = copies::count(case, message, recipient);
    let sent: Vec<_> = case
        .ledger
        .transfers
        .iter()
        .filter(|transfer| !transfer.is_inbound && transfer.message() == Some(message))
        .filter(|transfer| transfer.is_for(recipient) && transfer.is_answered())
        .collect();
    let reports = |index| session_of(case, index).is_some_and(|session| session.offers("DSN"));
    let passed_on = !sent.is_empty() && sent.iter().all(|transfer| !reports(transfer.index));
    let tells_of_relays = case.plan.release == Release::Current;
    if !(counts.in_mailbox > 0 || passed_on && tells_of_relays) {
        return;
    }
    sheet.judges();
    if !is_told(case, &Kind::Receipt(message.to_owned()), recipient, sender) {
        let what = format!("{message} for {recipient}, from {sender}");
        sheet.finds("a sender did not hear of a delivery that it asked to hear of", what);
    }
}

/// A notice is given once for each time that the gateway took the message, and once more where its process ended in the
/// middle; a receipt, only of what was delivered, or passed on to a host that reports nothing.
fn how_often(case: &Case<'_>, message: &str, recipient: &str, kind: &Kind, sheet: &mut Sheet) {
    let tells = |item: &&Item| {
        item.kind == *kind && item.reported.iter().any(|to| to.eq_ignore_ascii_case(recipient))
    };
    let notices: BTreeSet<u64> =
        case.ledger.items().map(|(_, item)| item).filter(tells).map(|item| item.fingerprint).collect();
    if notices.is_empty() {
        return;
    }
    sheet.judges();
    let counts = copies::count(case, message, recipient);
    if notices.len() > counts.accepted + restarts(case) {
        let what =
            format!("{kind} for {recipient}: {} times, taken {} times", notices.len(), counts.accepted);
        sheet.finds("a sender heard of the same thing once too often", what);
    }
    let is_passed_on = || {
        let sent = case.ledger.transfers.iter().filter(|transfer| !transfer.is_inbound);
        let mut sent =
            sent.filter(|transfer| transfer.message() == Some(message) && transfer.is_for(recipient));
        sent.any(|transfer| {
            let may_be_taken = transfer.reply.as_ref().is_none_or(Reply::is_positive);
            may_be_taken && session_of(case, transfer.index).is_some_and(|session| !session.offers("DSN"))
        })
    };
    let is_there = counts.in_mailbox > 0 || case.ledger.vanished(message, &[DiskFolder::Mailboxes]);
    if matches!(kind, Kind::Receipt(_)) && !is_there && !is_passed_on() {
        sheet.finds("a sender heard of a delivery that was none", format!("{kind} for {recipient}"));
    }
}

/// A message that expired was late before, and so was one that came so late: its sender has heard so, where a try fell
/// between.
fn delay(
    case: &Case<'_>,
    message: &str,
    recipient: &str,
    sender: &str,
    asked: &Asked<'_>,
    sheet: &mut Sheet,
) {
    let delivery = &case.plan.gateway.config.delivery;
    let Some(after) = delivery.delay_notice else { return };
    let longest = delivery.retry.iter().max().copied().unwrap_or(Duration::MAX);
    let is_disturbed = case.ledger.bit(|fault| {
        matches!(fault.family(), Family::Process | Family::Clock | Family::Disk | Family::Extension)
    });
    if is_disturbed || after.saturating_add(longest) >= delivery.expire {
        return;
    }
    let has_expired = case.ledger.reports_on(message).any(|report| {
        let about = report.reported.iter().zip(&report.statuses);
        about.into_iter().any(|(to, status)| {
            to.eq_ignore_ascii_case(recipient) && matches!(&**status, "4.4.7" | "4.7.4" | "4.7.5")
        })
    });
    let came = case.ledger.taken.iter().filter(|taken| taken.message == message);
    let came = came.filter(|taken| taken.recipients.iter().any(|to| to.eq_ignore_ascii_case(recipient)));
    let came = came.map(|taken| taken.entry.at).min();
    let late = copies::arrivals(case, message).max().map(|at| at + after + longest + CONVERSATION);
    let came_late = came.zip(late).is_some_and(|(came, late)| came > late);
    if (has_expired || came_late) && asked.wants_in_any_case(Hears::Delay) {
        sheet.judges();
        if !is_told(case, &Kind::Delay(message.to_owned()), recipient, sender) {
            sheet.finds("a sender did not hear of a delay", format!("{message} for {recipient}"));
        }
    }
}

/// To a host that offers DSN, MAIL and RCPT say what was asked of the gateway.
fn passed_on(case: &Case<'_>, session: &Session<'_>, requests: &Requests<'_>, sheet: &mut Sheet) {
    if !session.offers("DSN") {
        return;
    }
    // Several messages may go over one connection: each begins with MAIL.
    for exchanges in session.exchanges.chunk_by(|_, next| verb(next.command) != "MAIL") {
        passed_on_with(case, exchanges, requests, sheet);
    }
}

/// The same, of one message.
fn passed_on_with(case: &Case<'_>, exchanges: &[Exchange<'_>], requests: &Requests<'_>, sheet: &mut Sheet) {
    let sent = |index: usize| {
        case.ledger.transfers.iter().find(|transfer| transfer.index == index).and_then(|sent| sent.message())
    };
    let message = exchanges.iter().find_map(|exchange| sent(exchange.index));
    let about =
        |rcpt: &str| message.and_then(|message| requests.get(&(message, path(rcpt).to_ascii_lowercase())));
    let said = |name: &'static str| {
        let commands = exchanges.iter().map(|exchange| exchange.command);
        commands.filter(move |command| verb(command) == name)
    };
    let mails: Vec<&str> =
        said("RCPT").filter_map(about).flat_map(|asked| asked.mails.iter().copied()).collect();
    for mail in said("MAIL").filter(|_| !mails.is_empty()) {
        for name in ["RET", "ENVID"] {
            sheet.judges();
            if !mails.iter().any(|said| parameter(said, name) == parameter(mail, name)) {
                sheet.finds(format!("{name} was not passed on as it was said"), mail);
            }
        }
    }
    for rcpt in said("RCPT") {
        let Some(asked) = about(rcpt) else { continue };
        for name in ["NOTIFY", "ORCPT"] {
            sheet.judges();
            if !asked.rcpts.iter().any(|said| parameter(said, name) == parameter(rcpt, name)) {
                sheet.finds(format!("{name} was not passed on as it was said"), rcpt);
            }
        }
    }
}
