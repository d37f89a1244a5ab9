//! What the journal of an entry says of its earlier tries.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::address::Address;
use crate::envelope::Envelope;
use crate::spool::Progress;

/// The recipients that nothing final has been noted of.
pub(crate) fn waiting(envelope: &Envelope, progress: &[Progress]) -> Vec<Address> {
    let settled: BTreeSet<&Address> = progress
        .iter()
        .filter_map(|progress| match progress {
            Progress::Delivered { recipient, .. } | Progress::Failed { recipient, .. } => Some(recipient),
            Progress::Unanswered { .. }
            | Progress::Unencrypted { .. }
            | Progress::Deferred { .. }
            | Progress::DelayReported
            | Progress::Held
            | Progress::Released => None,
        })
        .collect();
    envelope.recipients.iter().filter(|recipient| !settled.contains(recipient)).cloned().collect()
}

/// The recipients of whom the sender is to hear that the message was passed on.
/// Each is named once, whatever was noted twice: the names make the notice's own.
pub(super) fn relayed(progress: &[Progress]) -> Vec<Address> {
    let mut relayed: Vec<Address> = Vec::new();
    for progress in progress {
        if let Progress::Delivered { recipient, relayed: true } = progress
            && !relayed.contains(recipient)
        {
            relayed.push(recipient.clone());
        }
    }
    relayed
}

/// How often the entry has been tried.
pub(crate) fn tries(progress: &[Progress]) -> u32 {
    let numbers = progress.iter().filter_map(|progress| match progress {
        Progress::Deferred { attempt, .. } => Some(*attempt),
        _ => None,
    });
    numbers.max().unwrap_or_default()
}

/// Whether an administrator holds the entry.
pub(crate) fn is_held(progress: &[Progress]) -> bool {
    let last = progress.iter().rev().find(|one| matches!(one, Progress::Held | Progress::Released));
    matches!(last, Some(Progress::Held))
}

/// Whether an administrator has let the entry go, and it was not tried since.
pub(super) fn is_just_released(progress: &[Progress]) -> bool {
    let mut latest = progress.iter().rev();
    let last = latest.find(|one| matches!(one, Progress::Released | Progress::Deferred { .. }));
    matches!(last, Some(Progress::Released))
}

/// How long the entry has waited for its tries: the steps from each to the next, without those of a clock set back.
pub(super) fn waited(received: Timestamp, progress: &[Progress]) -> Duration {
    let (mut waited, mut last) = (Duration::ZERO, received);
    for progress in progress {
        if let Progress::Deferred { next, .. } = progress {
            waited += Duration::try_from(last.duration_until(*next)).unwrap_or_default();
            last = *next;
        }
    }
    waited
}
