//! What is measured, and how it is told.

use super::measured::Counts;

/// Something that is measured.
pub struct Measure {
    /// What it is called.
    pub name: &'static str,
    /// What it is, in full.
    pub what: &'static str,
    /// What its numbers are.
    pub unit: Unit,
    pub(super) of: Of,
    /// How a difference is told: what comes before the number, after a larger and after a smaller one, and at the end.
    pub(super) words: [&'static str; 4],
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Time,
    /// So many.
    Count,
}

/// What a measure is made from.
#[derive(Clone, Copy)]
pub(super) enum Of {
    /// So many percent of these times, of all runs together, are no longer.
    Percentile(Sample, u32),
    /// The sum of this over all runs, for each run.
    EachRun(fn(&Counts) -> u64),
    /// The same, for each message.
    EachMessage(fn(&Counts) -> u64),
}

/// A run's times of one sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sample {
    Delivery,
    HeldUp,
    Shift,
    Drain,
}

/// How the measure is called that says whether the same mail arrives.
pub(super) const NOT_DELIVERED: &str = "not delivered";

/// Everything that is measured. The percentiles of a sample ascend.
pub const MEASURES: &[Measure] = &[
    Measure {
        name: "delivery median",
        what: "from the 250 that the client got until the message is in its mailboxes here, or a mail server has taken \
               it for a recipient",
        unit: Unit::Time,
        of: Of::Percentile(Sample::Delivery, 50),
        words: ["what is delivered takes", "more", "less", "at the median"],
    },
    Measure {
        name: "delivery 95 %",
        what: "so many of these times are no longer",
        unit: Unit::Time,
        of: Of::Percentile(Sample::Delivery, 95),
        words: ["what is delivered takes", "more", "less", "at the 95th percentile"],
    },
    Measure {
        name: "delivery 99 %",
        what: "so many of these times are no longer",
        unit: Unit::Time,
        of: Of::Percentile(Sample::Delivery, 99),
        words: ["what is delivered takes", "more", "less", "at the 99th percentile"],
    },
    Measure {
        name: "held-up mail median",
        what: "the time of those deliveries that every variant makes and that took more than a minute in one of them",
        unit: Unit::Time,
        of: Of::Percentile(Sample::HeldUp, 50),
        words: ["mail that is held up takes", "more", "less", "at the median"],
    },
    Measure {
        name: "held-up mail 95 %",
        what: "so many of these times are no longer",
        unit: Unit::Time,
        of: Of::Percentile(Sample::HeldUp, 95),
        words: ["mail that is held up takes", "more", "less", "at the 95th percentile"],
    },
    Measure {
        name: "held-up mail shift",
        what: "how much longer each of these deliveries takes than the same one with the base, at the median",
        unit: Unit::Time,
        of: Of::Percentile(Sample::Shift, 50),
        words: ["a message that is held up comes", "later", "earlier", "than it would, at the median"],
    },
    Measure {
        name: "queue drained median",
        what: "from the end of the last outage of the plan (network, names, mail servers, processes) until nothing is \
               left in the spool's in and out; of runs in which something is left there at that moment in some variant",
        unit: Unit::Time,
        of: Of::Percentile(Sample::Drain, 50),
        words: ["the queue is empty", "later", "earlier", "after an outage, at the median"],
    },
    Measure {
        name: "queue drained 95 %",
        what: "so many of these times are no longer",
        unit: Unit::Time,
        of: Of::Percentile(Sample::Drain, 95),
        words: ["the queue is empty", "later", "earlier", "after an outage, at the 95th percentile"],
    },
    Measure {
        name: NOT_DELIVERED,
        what: "recipients, of those that the gateway accepted, who do not have the message at the end of the run",
        unit: Unit::Count,
        of: Of::EachRun(|counts| counts.undelivered),
        words: ["a run leaves", "more", "fewer", "recipients without their message"],
    },
    Measure {
        name: "set aside",
        what: "messages in the spool's bad at the end of the run",
        unit: Unit::Count,
        of: Of::EachRun(|counts| counts.set_aside),
        words: ["a run sets", "more", "fewer", "messages aside"],
    },
    Measure {
        name: "reports to senders",
        what: "non-delivery reports that differ, wherever they are at the end of the run",
        unit: Unit::Count,
        of: Of::EachRun(|counts| counts.reports),
        words: ["a run sends", "more", "fewer", "reports to senders"],
    },
    Measure {
        name: "administrator copies",
        what: "notifications to the administrator that differ, wherever they are at the end of the run",
        unit: Unit::Count,
        of: Of::EachRun(|counts| counts.notifications),
        words: ["a run sends the administrator", "more", "fewer", "notifications"],
    },
    Measure {
        name: "duplicates",
        what: "copies of a message beyond the first, for each recipient of a mail server and each mailbox",
        unit: Unit::Count,
        of: Of::EachRun(|counts| counts.duplicates),
        words: ["a run makes", "more", "fewer", "duplicates"],
    },
    Measure {
        name: "tries per message",
        what: "connections to mail servers, made or failed, and names without an answer, for each message accepted",
        unit: Unit::Count,
        of: Of::EachMessage(|counts| counts.tries),
        words: ["a message takes", "more", "fewer", "tries"],
    },
    Measure {
        name: "connections per message",
        what: "connections that were made to mail servers, for each message accepted",
        unit: Unit::Count,
        of: Of::EachMessage(|counts| counts.connections),
        words: ["a message takes", "more", "fewer", "connections"],
    },
    Measure {
        name: "longest queue",
        what: "the most files that are in the spool's in and out at one moment of a run",
        unit: Unit::Count,
        of: Of::EachRun(|counts| counts.longest_queue),
        words: ["the longest queue of a run has", "more", "fewer", "files"],
    },
    Measure {
        name: "restarts",
        what: "how often the service was started again",
        unit: Unit::Count,
        of: Of::EachRun(|counts| counts.restarts),
        words: ["a run starts the service", "more", "fewer", "times again"],
    },
    Measure {
        name: "findings",
        what: "what the oracles found",
        unit: Unit::Count,
        of: Of::EachRun(|counts| counts.findings),
        words: ["the oracles find", "more", "fewer", "things in a run"],
    },
];
