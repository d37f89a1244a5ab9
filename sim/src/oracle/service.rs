//! Service: no message stops the service (Q169681, Q178091, Q168883).
//!
//! Event 4037 is an exception in the handling of a message, and a process that ends of itself takes every other
//! message's handling with it. Either is a finding, unless the plan has an extension panic, end the process as often as it
//! takes for a message to be set aside, or keep the service from coming up. On the historical releases that is how the
//! documented crashes are found; the signature has the exception's code and address, and says whether each new start ended
//! the same way without anybody sending anything: a crash loop.
//!
//! How it ends when it is told to is in `oracle/stop.rs`.
//!
//! Whether the service is up in the end is asked by *liveness*. What is done to the process from outside, and what an
//! administrator does, is not judged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateway::exception::Exception;
use gateway::release::Release;

use super::{Case, Oracle, Sheet, stop};
use crate::fault::{Family, Fault};
use crate::machine::doom::How;
use crate::record::{Service, Speaker, TOLD_TO_STOP, What};
use crate::service_control::ends_the_service;

pub(super) const ORACLE: Oracle = Oracle {
    name: "service",
    promise: "no message raises an exception or ends the service's process",
    judge,
};

/// The code of a panic of Rust, as event 4037 shows it.
const PANIC: &str = "0xe06d7363";

#[derive(Default)]
struct Watch<'a> {
    /// What raised exceptions, and whether it did so again at each start.
    exceptions: BTreeMap<String, (&'a str, bool)>,
    /// The exception that this process has logged last.
    logged: Option<&'a str>,
    /// What the process before this one ended by.
    ended_by: Option<String>,
    /// When this process was started.
    started: Duration,
    /// Whether a message was begun since the start.
    is_busy: bool,
    /// Whether it was told to stop since the start.
    is_told_to_stop: bool,
    /// How often the plan's extension has ended the process.
    planned_ends: usize,
}

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    stop::judge(case, sheet);
    let mut watch = Watch::default();
    for entry in &case.record.entries {
        match &entry.what {
            What::Service(Service::Starts) => {
                sheet.judges();
                (watch.logged, watch.is_busy, watch.is_told_to_stop) = (None, false, false);
                watch.started = entry.at;
            }
            What::Smtp { speaker: Speaker::Server, line, .. } if line.starts_with("354") => {
                watch.is_busy = true
            }
            What::Event(event) if event.id == 4037 => {
                sheet.judges();
                watch.logged = Some(&event.description);
                if !is_planned_panic(case, &event.description) {
                    watch
                        .exceptions
                        .entry(signature(&event.description))
                        .or_insert((&event.description, false));
                }
            }
            What::Service(Service::Died(exception)) => watch.died(case, exception, sheet),
            What::Service(Service::Refused(why)) if !is_kept_from_starting(case, watch.started) => {
                sheet.finds("the service does not come up", why);
            }
            What::Fault(what) if what == TOLD_TO_STOP => watch.is_told_to_stop = true,
            What::Service(Service::Stopped) if !watch.is_told_to_stop => {
                sheet.finds("the service stopped unasked", "nobody told it to")
            }
            _ => {}
        }
    }
    for (signature, (description, is_loop)) in watch.exceptions {
        let at_each_start = if is_loop { ", again at each start" } else { "" };
        sheet.finds(format!("event 4037: {signature}{at_each_start}"), description);
    }
}

impl Watch<'_> {
    fn died(&mut self, case: &Case<'_>, exception: &Exception, sheet: &mut Sheet) {
        let shown = exception.to_string();
        let signature = signature(&shown);
        if self.logged.is_some_and(|description| description.ends_with(&shown)) {
            let is_again = self.ended_by.as_ref() == Some(&signature) && !self.is_busy;
            if let Some((_, is_loop)) = self.exceptions.get_mut(&signature) {
                *is_loop |= is_again;
            }
        } else if exception.address != 0 || planned_ends(case) == 0 {
            sheet.finds(format!("the process died: {signature}"), shown);
        } else {
            self.planned_ends += 1;
            if self.planned_ends == planned_ends(case).saturating_add(1) {
                let what = format!("{} times, where {} are enough", self.planned_ends, planned_ends(case));
                sheet.finds("the same message ended the process again and again", what);
            }
        }
        self.ended_by = Some(signature);
    }
}

/// The code and the address of an exception, and for a panic what it says, without the names of this run.
fn signature(description: &str) -> String {
    let after = |name: &str| {
        let (_, rest) = description.split_once(name)?;
        rest.split([' ', ')']).next()
    };
    let code = after("Code: ").unwrap_or("unknown");
    let address = after("Address: ").unwrap_or("unknown");
    let said =
        description.split_once("Address: ").and_then(|(_, rest)| rest.split_once(" (")).map(|(_, said)| said);
    let is_general =
        |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphabetic() || b",.:'".contains(&byte));
    let said: Vec<&str> = said.unwrap_or_default().split_whitespace().filter(is_general).take(12).collect();
    match said.is_empty() {
        true => format!("{code} at {address}"),
        false => format!("{code} at {address}, {}", said.join(" ")),
    }
}

/// Whether this is the plan's own panic: in its extension, about a message that the panic names or that it was asked
/// about.
fn is_planned_panic(case: &Case<'_>, description: &str) -> bool {
    let faults = case.plan.faults.iter().zip(&case.record.bites);
    description.contains(PANIC)
        && faults.into_iter().any(|(fault, bite)| match fault {
            Fault::ExtensionPanics { message } => {
                bite.times > 0 && description.contains(&format!("cannot read the header of {message})"))
            }
            _ => false,
        })
}

/// How often the plan's extension may end the process, asked about messages that were taken: today as often as it takes
/// for a message to be set aside, each time that it was taken.
fn planned_ends(case: &Case<'_>) -> usize {
    let kills = case.plan.faults.iter().filter_map(|fault| match fault {
        Fault::ExtensionKills { message } => Some(message.as_str()),
        _ => None,
    });
    let kills: BTreeSet<&str> = kills.collect();
    let transfers = case.ledger.transfers.iter().filter(|transfer| transfer.is_inbound);
    let taken = transfers
        .filter(|transfer| transfer.message().is_some_and(|message| kills.contains(message)))
        .count();
    match case.plan.release {
        // With the power may go what was noted of a death.
        Release::Current => {
            taken * case.plan.gateway.config.quarantine.deaths as usize * (1 + power_cuts(case))
        }
        _ if taken > 0 => usize::MAX,
        _ => 0,
    }
}

/// How often the machine lost its power.
fn power_cuts(case: &Case<'_>) -> usize {
    let is_one = |what: &What| match what {
        What::Fault(what) => what == How::PowerCut.words(),
        What::Administrator(_) => ends_the_service(what),
        _ => false,
    };
    case.record.entries.iter().filter(|entry| is_one(&entry.what)).count()
}

/// Whether the plan keeps a process from coming up that was started then: by its disk, or without a file that an extension
/// needs.
fn is_kept_from_starting(case: &Case<'_>, started: Duration) -> bool {
    let plan = case.plan;
    let lacks_file = plan.gateway.config.extensions.iter().any(|extension| {
        let path = extension.settings.get("routes").and_then(|path| path.as_str());
        path.is_some_and(|path| !plan.gateway.files.iter().any(|(file, _)| file.as_os_str() == path))
    });
    // A disk that is well again keeps nobody from coming up, whatever it did before.
    let mut faults = plan.faults.iter().zip(&case.record.bites);
    lacks_file
        || faults.any(|(fault, bite)| {
            fault.family() == Family::Disk
                && bite.last.is_some_and(|last| started <= last.max(fault.heals_at().unwrap_or_default()))
        })
}
