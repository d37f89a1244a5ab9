//! Service: no message stops the service (Q169681, Q178091, Q168883).
//!
//! Event 4037 is an exception in the handling of a message, and a process that ends of itself takes every other
//! message's handling with it. Either is a finding, unless the plan has an extension panic, end the process, or keep
//! the service from coming up. On the historical releases that is how the documented crashes are found; the signature
//! has the exception's code and address, and says whether each new start ended the same way without anybody sending
//! anything: a crash loop.
//!
//! Whether the service is up in the end is asked by *liveness*. What is done to the process from outside, and what an
//! administrator does, is not judged.

use std::collections::BTreeMap;

use gateway::exception::Exception;

use super::{Case, Oracle, Sheet};
use crate::fault::{Family, Fault};
use crate::record::{Service, Speaker, What};

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
    /// Whether a message was begun since the start.
    is_busy: bool,
}

fn judge(case: &Case<'_>, sheet: &mut Sheet) {
    let mut watch = Watch::default();
    for entry in &case.record.entries {
        match &entry.what {
            What::Service(Service::Starts) => {
                sheet.judges();
                (watch.logged, watch.is_busy) = (None, false);
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
            What::Service(Service::Refused(why)) if !is_kept_from_starting(case) => {
                sheet.finds("the service does not come up", why);
            }
            What::Service(Service::Stopped) if !is_told_to_stop(case) => {
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

/// Whether the plan has the service told to stop.
fn is_told_to_stop(case: &Case<'_>) -> bool {
    case.ledger.bit(|fault| matches!(fault, Fault::Stop { .. }))
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
        } else if !is_planned_end(case, exception) {
            sheet.finds(format!("the process died: {signature}"), shown);
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

/// Whether the plan ends the process so: an extension does, asked about a message that was taken.
fn is_planned_end(case: &Case<'_>, exception: &Exception) -> bool {
    let is_taken = |message: &str| {
        case.ledger
            .transfers
            .iter()
            .any(|transfer| transfer.is_inbound && transfer.message() == Some(message))
    };
    let kills = case
        .plan
        .faults
        .iter()
        .any(|fault| matches!(fault, Fault::ExtensionKills { message } if is_taken(message)));
    kills && exception.address == 0
}

/// Whether the plan keeps the service from coming up: by its disk, or without a file that an extension needs.
fn is_kept_from_starting(case: &Case<'_>) -> bool {
    let plan = case.plan;
    let lacks_file = plan.gateway.config.extensions.iter().any(|extension| {
        let path = extension.settings.get("routes").and_then(|path| path.as_str());
        path.is_some_and(|path| !plan.gateway.files.iter().any(|(file, _)| file.as_os_str() == path))
    });
    lacks_file || case.ledger.bit(|fault| fault.family() == Family::Disk)
}
