//! Where a message of `in/` goes, for the tracking log: written when it is done with there, so that no try counts twice.

use super::core::Core;
use super::sorting::Sorted;
use crate::address::Address;
use crate::envelope::{Envelope, Origin, SpoolId};
use crate::spool::Message;
use crate::tracking::{Facts, Record, Step};

/// Who has a message, or will have it, from whom.
pub(super) struct Tracked {
    facts: Facts,
    mailboxes: Vec<Address>,
    elsewhere: Vec<(String, Vec<Address>)>,
}

impl Tracked {
    /// What is to be written, if there is a tracking log.
    pub(super) fn of(core: &Core, message: &Message, sorted: &Sorted) -> Option<Self> {
        let facts = core.logs.facts(&message.content, message.content.len() as u64)?;
        let partner = |((next_hop, domain), recipients): (&(Option<_>, String), &Vec<Address>)| {
            let host = next_hop.as_ref().map_or_else(|| domain.clone(), ToString::to_string);
            (host, recipients.clone())
        };
        let elsewhere = sorted.parts.iter().map(partner).collect();
        Some(Tracked { facts, mailboxes: sorted.mailboxes.clone(), elsewhere })
    }

    /// Writes it.
    pub(super) fn write(self, core: &Core, id: &SpoolId, envelope: &Envelope) {
        let from = &envelope.reverse_path;
        let write = |step, partner: &str, recipients: &[Address]| {
            let (report, delivered) = (None, None);
            core.logs.track(Record {
                step,
                id,
                partner,
                from,
                facts: &self.facts,
                report,
                recipients,
                delivered,
            });
        };
        if !self.mailboxes.is_empty() {
            write(Step::TransferredInbound, "the local store", &self.mailboxes);
        }
        let is_a_clients = matches!(envelope.origin, Origin::Client { .. });
        let step = if is_a_clients { Step::Rerouted } else { Step::QueuedOutbound };
        for (partner, recipients) in &self.elsewhere {
            write(step, partner, recipients);
        }
    }
}
