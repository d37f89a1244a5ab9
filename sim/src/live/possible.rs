//! What of a plan cannot be had on the real machine, and why.

use std::net::IpAddr;

use crate::fault::{Family, Fault, When};
use crate::plan::Plan;

/// Why a plan cannot be carried out with real processes, if it cannot.
pub(super) fn why_not(plan: &Plan) -> Option<String> {
    let of_a_fault = plan.faults.iter().find_map(|fault| {
        let kind = fault.kind();
        why_no_fault(fault).map(|why| format!("{kind}: {why}"))
    });
    of_a_fault.or_else(|| {
        let beyond = plan.addresses().any(|(address, _)| matches!(address, IpAddr::V6(_)));
        beyond.then(|| "a host has an IPv6 address, and this machine has one of them to itself".to_owned())
    })
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
        Fault::FileVanishes { .. } => Some("nobody sees the very moment at which the file is there"),
        _ => match fault.family() {
            Family::Network => Some("this machine's network does not fail"),
            Family::Disk => Some("this machine's disk does not fail"),
            Family::Clock => Some("this machine's clock is right"),
            _ => None,
        },
    }
}
