//! The service in numbers: what it has counted, and what there is now. The names are those that Prometheus' users expect;
//! what they count is what the original's performance counters did (Q156063, Q182502).

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::core::Core;
use crate::env::DiskError;
use crate::spool::Folder;

/// A number, and what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name, such as `gateway_messages_queued`.
    pub name: String,
    /// Whether it only grows while the service runs.
    pub is_total: bool,
    /// What it says.
    pub help: String,
    /// What tells it from others of its name, such as `folder="out"`; may be empty.
    pub labels: String,
    /// The number.
    pub value: f64,
}

/// All numbers of a service that has run `since` then; those of one name follow one another.
///
/// # Errors
/// The disk's.
pub(super) async fn all(core: &Core, since: Timestamp) -> Result<Vec<Metric>, DiskError> {
    let counters = &core.counters;
    let mut metrics = Vec::new();
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers")]
    let mut add = |is_total: bool, name: &str, labels: String, value: u64, help: &str| {
        let (name, help) = (format!("gateway_{name}"), help.to_owned());
        metrics.push(Metric { name, is_total, help, labels, value: value as f64 });
    };
    let none = String::new;

    let release = format!("release=\"{}\",build=\"{}\"", core.config.release, core.config.release.build());
    add(false, "info", release, 1, "What is running.");
    let started = u64::try_from(since.as_second()).unwrap_or_default();
    add(false, "start_time_seconds", none(), started, "When the service started, in seconds since 1970.");
    let flush_mode = u64::from(core.is_in_flush_mode().await);
    add(
        false,
        "flush_mode",
        none(),
        flush_mode,
        "Whether no mail is taken because the drive is nearly full.",
    );

    for (folder, name) in [(Folder::In, "in"), (Folder::Out, "out")] {
        let queued = core.spool.list(folder).await?.entries.len() as u64;
        let help = "Messages to be sorted (in), and entries to be sent, one a next hop (out).";
        add(false, "messages_queued", format!("folder=\"{name}\""), queued, help);
    }
    let held = core.suspended.count() as u64;
    add(false, "messages_held", none(), held, "Entries that an administrator holds.");

    let clients = &counters.clients;
    add(false, "connections_inbound", none(), clients.now(), "Clients that are connected.");
    add(true, "connections_inbound_total", none(), clients.total(), "Clients that were served.");
    let rejected = counters.turned_away.get();
    add(true, "connections_rejected_total", none(), rejected, "Clients that were turned away.");
    let hosts = &counters.hosts;
    add(
        false,
        "connections_outbound",
        none(),
        hosts.now(),
        "Connections to other hosts, the idle among them.",
    );
    let help = "Connections to other hosts that were begun.";
    add(true, "connections_outbound_total", none(), hosts.total(), help);
    let failed = counters.failed_connections.get();
    add(
        true,
        "connections_failed_total",
        none(),
        failed,
        "Connections to other hosts that did not come about.",
    );

    let ways = [("inbound", &counters.inbound), ("outbound", &counters.outbound), ("local", &counters.local)];
    let way = |name: &str| format!("way=\"{name}\"");
    for (name, traffic) in ways {
        let help = "Messages taken from clients, handed to other hosts, and put into mailboxes.";
        add(true, "messages_total", way(name), traffic.messages.get(), help);
    }
    for (name, traffic) in ways {
        add(
            true,
            "recipients_total",
            way(name),
            traffic.recipients.get(),
            "The recipients of those messages.",
        );
    }
    for (name, traffic) in ways {
        add(true, "message_bytes_total", way(name), traffic.octets.get(), "The octets of those messages.");
    }
    for (name, reports) in [("inbound", &counters.reports_inbound), ("outbound", &counters.reports_outbound)]
    {
        let help = "Non-delivery reports on messages that failed on their way in, and on their way out.";
        add(true, "non_delivery_reports_total", way(name), reports.get(), help);
    }
    let loops = counters.loops.get();
    add(true, "loops_detected_total", none(), loops, "Messages that had passed through too many hosts.");
    Ok(metrics)
}

/// The text that Prometheus reads.
pub(crate) fn exposition(metrics: &[Metric]) -> String {
    let (mut text, mut last) = (String::new(), "");
    for Metric { name, is_total, help, labels, value } in metrics {
        if name != last {
            let kind = if *is_total { "counter" } else { "gauge" };
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            last = name;
        }
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(text, "{name}{labels} {value}");
    }
    text
}
