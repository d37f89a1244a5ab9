//! The queue and the numbers as text for a terminal.
//!
//! What other hosts and senders have said is shown without control characters: a terminal would obey them.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::address::Address;
use crate::envelope::Origin;
use crate::queue::{Detail, Item};
use crate::service::Metric;
use crate::spool::Progress;
use crate::tls::Shortfall;

/// The queue as a table, with why an entry waits below it.
pub fn queue(items: &[Item], now: Timestamp) -> String {
    if items.is_empty() {
        return "The queue is empty.\n".to_owned();
    }
    let head = ["entry", "state", "age", "octets", "tries", "due in", "from", "for"].map(str::to_owned);
    let rows: Vec<[String; 8]> =
        std::iter::once(head).chain(items.iter().map(|item| row(item, now))).collect();
    let widths = widths(&rows);
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        line(&mut text, row, &widths);
        let item = place.checked_sub(1).and_then(|place| items.get(place));
        if let Some(why) = item.and_then(|item| item.why.as_ref()) {
            let _ = writeln!(text, "    {}", harmless(why));
        }
    }
    let octets: usize = items.iter().map(|item| item.size).sum();
    let _ = writeln!(text, "{} in the queue, {octets} octets.", items.len());
    text
}

fn row(item: &Item, now: Timestamp) -> [String; 8] {
    let nothing = || "-".to_owned();
    let named: Vec<String> = item.recipients.iter().take(2).map(Address::to_string).collect();
    let others = item.recipients.len() - named.len();
    let mut recipients = named.join(", ");
    if others > 0 {
        let _ = write!(recipients, " and {others} more");
    }
    if let Some(next_hop) = &item.next_hop {
        let _ = write!(recipients, " by {next_hop}");
    }
    [
        item.id.clone(),
        item.state.name().to_owned(),
        item.received.map_or_else(nothing, |received| span(received, now)),
        item.size.to_string(),
        item.tries.to_string(),
        item.due.map_or_else(nothing, |due| span(now, due)),
        item.sender.as_ref().map_or_else(|| "<>".to_owned(), Address::to_string),
        recipients,
    ]
    .map(|cell| harmless(&cell))
}

/// All that is known of an entry.
pub fn detail(detail: &Detail, now: Timestamp) -> String {
    let Detail { item, all_recipients, origin, journal, header } = detail;
    let mut text = String::new();
    let mut say = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12}{}", harmless(&value));
    };
    say("Entry", item.id.clone());
    say("State", item.state.name().to_owned());
    if let Some(received) = item.received {
        say("Received", format!("{received:.0}, {} ago", span(received, now)));
    }
    say("Octets", item.size.to_string());
    say("From", item.sender.as_ref().map_or_else(|| "<>".to_owned(), Address::to_string));
    for recipient in all_recipients {
        let is_waiting = item.recipients.contains(recipient);
        say("For", format!("{recipient}{}", if is_waiting { "" } else { " (settled)" }));
    }
    match origin {
        Some(Origin::Client { address, helo, account }) => {
            let account = account.as_ref().map(|account| format!(", account {account}")).unwrap_or_default();
            say("Client", format!("{helo} [{address}]{account}"));
        }
        Some(Origin::Gateway) => say("Client", "none: the gateway wrote it".to_owned()),
        Some(Origin::Journal) => say("Client", "none: a copy for a journal".to_owned()),
        None => {}
    }
    let next_hop = item.next_hop.clone();
    say("Next hop", next_hop.unwrap_or_else(|| "the hosts of the recipients' domain".to_owned()));
    if let Some(due) = item.due {
        say("Due", format!("{due:.0}"));
    }
    if let Some(why) = &item.why {
        say("Why", why.clone());
    }
    for progress in journal {
        say("Journal", progress_line(progress));
    }
    text.push('\n');
    for line in header.lines() {
        let _ = writeln!(text, "{}", harmless(line));
    }
    text
}

fn progress_line(progress: &Progress) -> String {
    match progress {
        Progress::Delivered { recipient, .. } => format!("{recipient} has it"),
        Progress::Failed { recipient, reply } => format!("{recipient} will not have it: {reply}"),
        Progress::Unanswered { attempt } => format!("try {attempt} was not answered at its end"),
        Progress::Unencrypted { attempt, shortfall } => {
            let missing = match shortfall {
                Shortfall::NotOffered => "TLS, which it needs, was not offered",
                Shortfall::NotVerified => "there was no handshake with a certificate that will do",
            };
            format!("try {attempt} came to nothing: {missing}")
        }
        Progress::Deferred { attempt, next, why } => {
            format!("try {attempt} came to nothing, the next is due at {next:.0}: {why}")
        }
        Progress::DelayReported => "the sender was told that it is late".to_owned(),
        Progress::Held => "an administrator holds it".to_owned(),
        Progress::Released => "an administrator has let it go".to_owned(),
    }
}

/// The numbers as a table.
pub fn metrics(metrics: &[Metric]) -> String {
    let row = |metric: &Metric| {
        let labels = if metric.labels.is_empty() { String::new() } else { format!("{{{}}}", metric.labels) };
        [format!("{}{labels}", metric.name), metric.value.to_string(), metric.help.clone()]
    };
    let rows: Vec<[String; 3]> = metrics.iter().map(row).collect();
    let widths = widths(&rows);
    let mut text = String::new();
    for row in &rows {
        line(&mut text, row, &widths);
    }
    text
}

fn widths<const N: usize>(rows: &[[String; N]]) -> [usize; N] {
    std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
}

fn line<const N: usize>(text: &mut String, row: &[String; N], widths: &[usize; N]) {
    let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
}

/// A span of time in its two largest units.
fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = from.duration_until(to).as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::State;

    #[test]
    fn a_queue_is_a_table_that_no_remote_host_can_paint() {
        let now: Timestamp = "2026-03-02T09:30:00Z".parse().unwrap();
        let item = Item {
            id: "WKA6D6YM.1".to_owned(),
            state: State::Deferred,
            received: Some("2026-03-02T07:25:00Z".parse().unwrap()),
            size: 1234,
            sender: Some("ann@a.example".parse().unwrap()),
            recipients: ["b@b.example", "c@b.example", "d@b.example"].map(|to| to.parse().unwrap()).to_vec(),
            next_hop: None,
            tries: 3,
            due: Some("2026-03-02T09:55:30Z".parse().unwrap()),
            why: Some("mx.b.example: 451 \u{1b}[2Jlater".to_owned()),
        };
        let expected = "\
entry       state     age    octets  tries  due in  from           for
WKA6D6YM.1  deferred  2h 5m  1234    3      25m     ann@a.example  b@b.example, c@b.example and 1 more
    mx.b.example: 451 \u{fffd}[2Jlater
1 in the queue, 1234 octets.
";
        assert_eq!(queue(&[item], now), expected);
        assert_eq!(queue(&[], now), "The queue is empty.\n");
    }
}
