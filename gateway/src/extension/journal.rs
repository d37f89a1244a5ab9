//! `journal`: a copy of each message for a journal, one for each way it goes; reconstructed after `Imsext.dll`.
//!
//! Documented (KB Q262119, Q262122): the extension of the BackOffice Resource Kit for 5.5 had a journal for inbound and one
//! for outbound mail, each with an address for non-delivery reports on the copies. Reconstructed: how a copy is made.
//!
//! A copy has the message's content and an envelope of its own: from the address for reports, so that nothing about it ever
//! goes to the message's sender, to the journal. What names its journal is there anyway and is not copied. Neither is what
//! goes to journals and that address alone, so that no copy is copied, whichever way round it comes back; nor what the
//! gateway wrote itself.

use serde::Deserialize;

use super::{Disposition, Extension, LoadError, Passage, Subject};
use crate::address::Address;
use crate::env::{BoxFuture, Env};
use crate::envelope::Origin;
use crate::reach::{Point, reached};
use crate::report::Direction;

/// The name of this extension in a configuration.
pub const NAME: &str = "journal";

/// What the configuration says of this extension.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Who has a copy of what goes to mailboxes here.
    inbound: Option<Address>,
    /// Who has a copy of what goes to other hosts.
    outbound: Option<Address>,
    /// Who hears of a copy that could not be delivered.
    reports_to: Address,
}

/// Loads the extension.
pub(super) async fn load(settings: toml::Table, _: Env) -> Result<Box<dyn Extension>, LoadError> {
    let settings: Settings = settings
        .try_into()
        .map_err(|error: toml::de::Error| LoadError::new(NAME, Fault(error.message().trim().into())))?;
    Ok(Box::new(Journal(settings)))
}

#[derive(Debug, thiserror::Error)]
#[error(
    "its settings are wrong: {0}; they are `reports_to`, the address that hears of copies that could not be \
     delivered, and `inbound` and `outbound`, the addresses of the journals"
)]
struct Fault(String);

struct Journal(Settings);

impl Journal {
    /// Whether this is a journal, or hears of its copies.
    fn is_own(&self, address: &Address) -> bool {
        let Settings { inbound, outbound, reports_to } = &self.0;
        inbound.iter().chain(outbound).chain([reports_to]).any(|own| own.comparable() == address.comparable())
    }
}

impl Extension for Journal {
    fn name(&self) -> &str {
        NAME
    }

    fn chooses_routes(&self) -> bool {
        false
    }

    fn route<'a>(&'a self, _: Subject<'a>, _: &'a Address) -> BoxFuture<'a, Disposition> {
        Box::pin(async { Disposition::Continue })
    }

    fn pass<'a>(&'a self, subject: Subject<'a>, way: Direction) -> BoxFuture<'a, Passage> {
        Box::pin(async move {
            let journal = match way {
                Direction::Inbound => &self.0.inbound,
                Direction::Outbound => &self.0.outbound,
            };
            let Some(journal) = journal else { return Passage::Unchanged };
            let is_ours = !matches!(subject.envelope.origin, Origin::Client { .. });
            let recipients = &subject.envelope.recipients;
            let names_it = recipients.iter().any(|recipient| recipient.comparable() == journal.comparable());
            if is_ours || names_it || recipients.iter().all(|recipient| self.is_own(recipient)) {
                reached(Point::JournalNotCopied);
                return Passage::Unchanged;
            }
            reached(Point::JournalCopied);
            Passage::Copied { to: journal.clone(), reports_to: self.0.reports_to.clone() }
        })
    }
}
