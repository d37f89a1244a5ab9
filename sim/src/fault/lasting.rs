//! Faults that last a while: from when until when, where, and what they are called.

use std::ops::Range;
use std::time::Duration;

use super::Fault;

impl Fault {
    /// When it begins and when it ends, since the start of the run, if the plan says both.
    pub fn lasts(&self) -> Option<Range<Duration>> {
        match self {
            Fault::Partition { at, until, .. }
            | Fault::PartitionOneWay { at, until, .. }
            | Fault::Hold { at, until, .. }
            | Fault::SlowLink { at, until, .. }
            | Fault::Loss { at, until, .. }
            | Fault::LowSpace { at, until, .. }
            | Fault::Dns { at, until, .. }
            | Fault::Server { at, until, .. }
            | Fault::Milter { at, until, .. } => Some(at.0..until.0),
            _ => None,
        }
    }

    /// What it is and what it is about, such as `partition of a and b`.
    pub fn words(&self) -> String {
        let kind = self.kind();
        match self {
            Fault::PartitionOneWay { from, to, .. } => format!("{kind} from {from} to {to}"),
            Fault::Dns { name, .. } => format!("{kind} about {name}"),
            Fault::Server { server: machine, connection: Some(nth), .. }
            | Fault::Milter { milter: machine, connection: Some(nth), .. } => {
                format!("{kind} of {machine}, on connection {nth}")
            }
            _ => match &self.machines()[..] {
                [] => kind.to_owned(),
                machines => format!("{kind} of {}", machines.join(" and ")),
            },
        }
    }
}
