//! What of a plan cannot be had on the real machine, and why; and what can be had in another form.

use std::net::IpAddr;

use crate::fault::{Family, Fault, MilterFails, When};
use crate::plan::{Plan, Task};

/// Why a plan cannot be carried out with real processes, if it cannot.
pub(super) fn why_not(plan: &Plan) -> Option<String> {
    let of_a_fault = plan.faults.iter().find_map(|fault| {
        let kind = fault.kind();
        why_no_fault(fault).map(|why| format!("{kind}: {why}"))
    });
    of_a_fault.or_else(|| {
        let beyond = plan.addresses().any(|(address, _)| matches!(address, IpAddr::V6(_)));
        beyond.then(|| "a host has an IPv6 address, and this machine has but one to itself".to_owned())
    })
}

/// Whether the gateway's process has to have the extension that fails.
pub(super) fn has_its_extension_fail(plan: &Plan) -> bool {
    plan.faults.iter().any(|fault| fault.family() == Family::Extension)
}

/// What of a plan is carried out in another form than it says.
pub(super) fn notes(plan: &Plan) -> Vec<&'static str> {
    let cuts_power = plan.errands.iter().any(|errand| matches!(errand.task, Task::CutPower))
        || plan.faults.iter().any(|fault| matches!(fault, Fault::PowerCut { .. }));
    let notes = [
        (has_its_extension_fail(plan), "the process is postmortem's, with the extension that fails"),
        (cuts_power, "the power cut is a kill: what was not synchronised stays"),
    ];
    notes.into_iter().filter_map(|(applies, note)| applies.then_some(note)).collect()
}

fn why_no_fault(fault: &Fault) -> Option<&'static str> {
    match fault {
        Fault::Kill { machine: Some(_), .. } | Fault::PowerCut { machine: Some(_), .. } => {
            Some("the hosts beside the gateway are all in one process")
        }
        Fault::Kill { when: When::Event { .. } | When::Disk { .. }, .. }
        | Fault::PowerCut { when: When::Event { .. } | When::Disk { .. }, .. } => {
            Some("no signal comes at that very moment")
        }
        Fault::Milter { does: MilterFails::IsDown, .. } => {
            Some("this machine refuses no connection to who listens")
        }
        Fault::FileVanishes { .. } => Some("nobody sees the very moment at which the file is there"),
        _ => match fault.family() {
            Family::Network => Some("this machine's network does not fail"),
            Family::Disk => Some("this machine's disk does not fail"),
            Family::Clock => Some("this machine's clock is right"),
            _ => None,
        },
    }
}
