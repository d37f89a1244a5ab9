//! The wires of a run as a capture file, for Wireshark and its like (pcapng).
//!
//! | module | what it knows |
//! |---|---|
//! | this one | which segments are in the file, where each was caught, and what is remarked on it |
//! | `tcp`, `udp`, `ip` | the headers of a segment or a datagram |
//! | `block` | the blocks of the file |
//!
//! A segment is caught where it comes, so each machine is an interface of the file. What was lost came nowhere and is
//! not in it; what was sent again for it says so in a comment. What is encrypted is so in the file too, and beside it are
//! the secrets by which Wireshark reads it.

mod block;
mod ip;
mod tcp;
mod udp;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tcp::Directions;

use crate::capture::{Segment, SegmentKind};
use crate::plan::Plan;
use crate::record::Record;

const PROGRAM: &str = concat!("postmortem ", env!("CARGO_PKG_VERSION"));

/// Writes the segments of a run. There are some only if they were [kept](crate::trace::Keep::Capture), by an engine
/// that shows them.
///
/// # Errors
/// The writer's.
pub fn write(plan: &Plan, record: &Record, out: &mut impl Write) -> io::Result<()> {
    let title =
        format!("{} on {}, seed {}, digest {}", plan.scenario, plan.release, plan.seed.0, record.digest);
    block::section(out, PROGRAM, &title)?;
    let machines: Vec<(IpAddr, &str)> = plan.addresses().collect();
    for (_, name) in &machines {
        block::interface(out, name)?;
    }
    // What a machine sends itself is caught here.
    block::interface(out, "lo")?;
    block::names(out, machines.iter().copied())?;
    if let Some(capture) = record.capture.as_ref().filter(|capture| !capture.tls_secrets.is_empty()) {
        block::tls_secrets(out, &capture.tls_secrets)?;
    }

    let starts = since_1970(record);
    let (mut directions, mut losses) = (Directions::default(), Losses::default());
    for segment in record.capture.iter().flat_map(|capture| &capture.segments) {
        if segment.is_lost {
            losses.note(segment);
            continue;
        }
        let owner = machines.iter().position(|(address, _)| *address == segment.to.ip());
        let interface = owner.unwrap_or(machines.len()) as u32;
        let mut remark = losses.remark(segment);
        let packets = match segment.kind {
            SegmentKind::Datagram => vec![udp::packet(segment)?],
            _ => directions.packets(segment)?,
        };
        for packet in packets {
            block::packet(out, interface, starts + segment.at, &packet, remark.take().as_deref())?;
        }
    }
    Ok(())
}

/// A capture file has no time before 1970.
fn since_1970(record: &Record) -> Duration {
    Duration::try_from(record.starts.as_duration()).unwrap_or_default()
}

/// What was lost of each direction and has not come since: one segment at most, as the others wait behind it.
#[derive(Default)]
struct Losses<'a>(BTreeMap<(SocketAddr, SocketAddr), Loss<'a>>);

struct Loss<'a> {
    segment: &'a Segment,
    times: u32,
}

impl<'a> Losses<'a> {
    fn note(&mut self, segment: &'a Segment) {
        let place = (segment.from, segment.to);
        match self.0.get_mut(&place).filter(|loss| loss.is_of(segment)) {
            Some(loss) => loss.times += 1,
            None => drop(self.0.insert(place, Loss { segment, times: 1 })),
        }
    }

    /// What is to be said of a segment that has come at last.
    fn remark(&mut self, segment: &Segment) -> Option<String> {
        let place = (segment.from, segment.to);
        let Loss { segment: lost, times } =
            self.0.get(&place).is_some_and(|loss| loss.is_of(segment)).then(|| self.0.remove(&place))??;
        let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
        Some(format!("sent again: lost {times}, first {:?} after the start of the run", lost.at))
    }
}

impl Loss<'_> {
    /// Whether a segment is the lost one, sent again. An acknowledgement or a reset is not.
    fn is_of(&self, segment: &Segment) -> bool {
        use SegmentKind::{Data, Fin, Syn, SynAck};
        let is_sent_again = matches!(segment.kind, Syn | SynAck | Data | Fin);
        is_sent_again && self.segment.kind == segment.kind && self.segment.octets == segment.octets
    }
}
