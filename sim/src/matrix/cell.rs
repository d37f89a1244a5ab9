//! What happened in one run, in a few words.

use std::collections::{BTreeMap, BTreeSet};

use gateway::release::Release;

use crate::mailbag::Kind;
use crate::record::{Outcome, Record, Service, What};
use crate::verdict::Replay;

/// One scenario on one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The release.
    pub release: Release,
    /// What happened, the worst first, and how often; never nothing at all.
    pub happened: Vec<(Happened, usize)>,
    /// Whether the scenario says something of this release.
    pub part: Part,
    /// The oracles that found something.
    pub broken: BTreeSet<&'static str>,
    /// Why it cannot be run, if it cannot.
    pub why: Option<String>,
}

/// What a scenario says of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It names it, and all is as expected.
    AsExpected,
    /// It names it, and something is not as expected.
    NotAsExpected,
    /// It does not name it.
    NotNamed,
}

/// Something that can happen, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happened {
    /// Mail was lost that had been answered for: the oracle *custody* says so.
    Lost,
    /// The service died again and again, and was down at the end.
    CrashLoop,
    /// The service died.
    Crash,
    /// The service was down at the end.
    Down,
    /// A message was set aside in `bad/`.
    Quarantined,
    /// A message was waiting in the spool at the end.
    Waiting,
    /// A client's last try was refused.
    Refused,
    /// A client never got an answer.
    GivenUp,
    /// A report on a message was delivered.
    Reported,
    /// A notification was delivered to the administrator.
    Notified,
    /// A message was delivered.
    Delivered,
    /// Nothing of all this.
    Nothing,
    /// It cannot be run: the gateway of this release refuses the configuration.
    Impossible,
}

impl Happened {
    /// Everything that can happen.
    pub const ALL: [Happened; 13] = [
        Happened::Lost,
        Happened::CrashLoop,
        Happened::Crash,
        Happened::Down,
        Happened::Quarantined,
        Happened::Waiting,
        Happened::Refused,
        Happened::GivenUp,
        Happened::Reported,
        Happened::Notified,
        Happened::Delivered,
        Happened::Nothing,
        Happened::Impossible,
    ];

    /// The sign that it is shown with.
    pub fn sign(self) -> char {
        match self {
            Happened::Lost => '!',
            Happened::CrashLoop => '∞',
            Happened::Crash => '✗',
            Happened::Down => '▽',
            Happened::Quarantined => '▣',
            Happened::Waiting => '…',
            Happened::Refused => '⊘',
            Happened::GivenUp => '?',
            Happened::Reported => '↩',
            Happened::Notified => 'i',
            Happened::Delivered => '✓',
            Happened::Nothing => '∅',
            Happened::Impossible => '–',
        }
    }

    /// It in words.
    pub fn words(self) -> &'static str {
        match self {
            Happened::Lost => "lost",
            Happened::CrashLoop => "crash loop",
            Happened::Crash => "crash",
            Happened::Down => "down",
            Happened::Quarantined => "quarantined",
            Happened::Waiting => "waiting",
            Happened::Refused => "refused",
            Happened::GivenUp => "not answered",
            Happened::Reported => "reported",
            Happened::Notified => "notified",
            Happened::Delivered => "delivered",
            Happened::Nothing => "nothing",
            Happened::Impossible => "not possible",
        }
    }

    /// How bad it is: 0 is good, 1 worth a look, 2 bad.
    pub(super) fn grade(self) -> usize {
        match self {
            Happened::Lost | Happened::CrashLoop | Happened::Crash | Happened::Down => 2,
            Happened::Quarantined | Happened::Waiting | Happened::Refused | Happened::GivenUp => 1,
            Happened::Reported | Happened::Notified | Happened::Delivered => 0,
            Happened::Nothing | Happened::Impossible => 0,
        }
    }
}

impl Cell {
    /// What happened in a replay.
    pub fn of(replay: &Replay, is_named: bool) -> Cell {
        let broken: BTreeSet<&str> = replay.findings.iter().map(|finding| finding.oracle).collect();
        let lost = replay.findings.iter().filter(|finding| finding.oracle == "custody").count();
        let mut happened = happened(&replay.record);
        if lost > 0 {
            happened.insert(Happened::Lost, lost);
        }
        if happened.is_empty() {
            happened.insert(Happened::Nothing, 1);
        }
        let part = match (is_named, replay.is_good()) {
            (false, _) => Part::NotNamed,
            (true, true) => Part::AsExpected,
            (true, false) => Part::NotAsExpected,
        };
        let happened = happened.into_iter().collect();
        Cell { release: replay.plan.release, happened, part, broken, why: None }
    }

    /// A scenario that cannot be run on a release.
    pub(super) fn impossible(release: Release, why: String) -> Cell {
        let happened = vec![(Happened::Impossible, 1)];
        Cell { release, happened, part: Part::NotNamed, broken: BTreeSet::new(), why: Some(why) }
    }

    /// The worst that happened.
    pub fn worst(&self) -> Happened {
        self.happened.first().map_or(Happened::Nothing, |(happened, _)| *happened)
    }
}

/// What a Record shows, and how often.
fn happened(record: &Record) -> BTreeMap<Happened, usize> {
    let mut happened: BTreeMap<Happened, usize> = BTreeMap::new();
    let mut count = |what: Happened, times: usize| {
        if times > 0 {
            *happened.entry(what).or_default() += times;
        }
    };
    let whats = || record.entries.iter().map(|entry| &entry.what);
    let deaths = whats().filter(|what| matches!(what, What::Service(Service::Died(_)))).count();
    if deaths > 1 && !record.end.service_up {
        count(Happened::CrashLoop, deaths);
    } else {
        count(Happened::Crash, deaths);
        count(Happened::Down, usize::from(!record.end.service_up));
    }
    let last_tries: BTreeMap<&str, &Outcome> = whats()
        .filter_map(|what| match what {
            What::Client(attempt) => Some((attempt.message.as_str(), &attempt.outcome)),
            _ => None,
        })
        .collect();
    for outcome in last_tries.values() {
        match outcome {
            Outcome::Refused { .. } => count(Happened::Refused, 1),
            Outcome::Lost { .. } | Outcome::Unreachable(_) => count(Happened::GivenUp, 1),
            Outcome::Accepted { .. } => {}
        }
    }
    for (_, items) in record.end.mailboxes.iter().chain(&record.end.servers) {
        for item in items {
            match &item.kind {
                Kind::Message(_) | Kind::Other => count(Happened::Delivered, 1),
                Kind::Report(_) | Kind::Receipt(_) | Kind::Delay(_) => count(Happened::Reported, 1),
                Kind::Notification(_) => count(Happened::Notified, 1),
            }
        }
    }
    for (folder, files) in &record.end.spool {
        match folder.as_str() {
            "in" | "out" => count(Happened::Waiting, files.len()),
            "bad" => count(Happened::Quarantined, files.len()),
            _ => {}
        }
    }
    happened
}
