//! Where each recipient of a message goes: the extensions are asked first, then the routing table.
//!
//! It knows no file: what it says is not done yet.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::core::Core;
use crate::address::Address;
use crate::directory::Home;
use crate::envelope::Envelope;
use crate::extension::{Answer, Failed, Passed, Subject, q169681};
use crate::reach::{Point, reached};
use crate::release::Defect;
use crate::report::{Direction, Failure, Reason};
use crate::routing::{NextHop, Route};
use crate::spool::Message;

/// Where the recipients of one message go.
#[derive(Default)]
pub(super) struct Sorted {
    /// Into mailboxes here.
    pub(super) mailboxes: Vec<Address>,
    /// The recipients whose mailboxes these are.
    pub(super) here: Vec<Address>,
    /// To other hosts: recipients by next hop, and by domain where the domain's own hosts are to be asked, or its mail
    /// needs TLS or waits for ETRN.
    pub(super) parts: BTreeMap<(Option<NextHop>, String), Vec<Address>>,
    /// Nowhere.
    pub(super) failures: Vec<Failure>,
    /// Nowhere, as an extension would have it.
    pub(super) dropped: Vec<Dropped>,
    /// What the extensions have made of what goes each way.
    pub(super) passed: BTreeMap<Direction, Passed>,
}

/// A recipient for whom the message is not any more.
pub(super) struct Dropped {
    pub(super) recipient: Address,
    pub(super) extension: String,
}

/// Sorts the recipients of a message. An extension may rewrite it; the links of the chain at the places `without` are
/// not asked.
///
/// # Errors
/// An extension failed: the message is as it was.
pub(super) async fn sort(
    core: &Core,
    message: &mut Message,
    without: &BTreeSet<usize>,
) -> Result<Sorted, Failed> {
    let mut sorted = Sorted::default();
    let limited = core.config.release.limits_extensions();
    let deadline = limited.then(|| Instant::now() + core.config.quarantine.extension_time);
    let Message { envelope, content } = message;
    let mut asked_about = Cow::Borrowed(&content[..]);
    for recipient in &envelope.recipients {
        let answer = core.extensions.route(envelope, &mut asked_about, recipient, without, deadline).await?;
        let route = match answer {
            Answer::Nothing => core.route(recipient.domain()),
            Answer::Reroute(next_hop) => {
                reached(Point::ExtensionReroute);
                Route::Host(next_hop)
            }
            Answer::ThisHost => {
                reached(Point::ExtensionThisHost);
                if core.config.release.has(Defect::Q169681) {
                    q169681::remail_to_this_host();
                }
                Route::Inbound
            }
            Answer::Drop { extension } => {
                reached(Point::ExtensionDropped);
                sorted.dropped.push(Dropped { recipient: recipient.clone(), extension });
                continue;
            }
        };
        match route {
            Route::Inbound => sorted.add_local(core, recipient),
            Route::Host(next_hop) => sorted.add_part(core, Some(next_hop), recipient),
            Route::Held(next_hop) => sorted.add_held_part(next_hop, recipient),
            Route::Onward => sorted.add_part(core, core.config.delivery.smart_host.clone(), recipient),
        }
    }
    let ways =
        [(Direction::Inbound, sorted.mailboxes.is_empty()), (Direction::Outbound, sorted.parts.is_empty())];
    for (way, _) in ways.into_iter().filter(|(_, is_empty)| !is_empty) {
        let subject = Subject { envelope, content: &asked_about };
        sorted.passed.insert(way, core.extensions.pass(subject, way, without, deadline).await?);
    }
    if let Cow::Owned(rewritten) = asked_about {
        *content = rewritten;
    }
    Ok(sorted)
}

impl Sorted {
    /// The message as it goes this way.
    pub(super) fn passing<'a>(&self, message: &'a Message, way: Direction) -> Cow<'a, Message> {
        match self.passed.get(&way).and_then(|passed| passed.content.as_ref()) {
            Some(content) => {
                Cow::Owned(Message { envelope: message.envelope.clone(), content: content.clone() })
            }
            None => Cow::Borrowed(message),
        }
    }

    /// Nowhere, for all recipients, for one reason.
    pub(super) fn failing(envelope: &Envelope, why: &Reason) -> Self {
        let failed = |recipient: &Address| Failure { recipient: recipient.clone(), why: why.clone() };
        Sorted { failures: envelope.recipients.iter().map(failed).collect(), ..Sorted::default() }
    }

    fn add_local(&mut self, core: &Core, recipient: &Address) {
        match core.directory.find(recipient).map(|mailbox| (&mailbox.home, &mailbox.address)) {
            Some((Home::Here, mailbox)) => {
                if self.mailboxes.contains(mailbox) {
                    reached(Point::MailboxNamedTwice);
                } else {
                    self.mailboxes.push(mailbox.clone());
                }
                if !self.here.contains(recipient) {
                    self.here.push(recipient.clone());
                }
            }
            Some((Home::Elsewhere(server), _)) => {
                reached(Point::SentToHomeServer);
                self.add_part(core, Some(server.clone()), recipient);
            }
            None => {
                reached(Point::UnknownRecipient);
                self.failures.push(Failure { recipient: recipient.clone(), why: Reason::UnknownRecipient });
            }
        }
    }

    /// What waits for ETRN has a part for each domain: each is asked for by itself.
    fn add_held_part(&mut self, next_hop: NextHop, recipient: &Address) {
        let key = (Some(next_hop), recipient.domain().as_str().to_owned());
        self.parts.entry(key).or_default().push(recipient.clone());
    }

    fn add_part(&mut self, core: &Core, next_hop: Option<NextHop>, recipient: &Address) {
        // What may go in clear goes apart from what may not.
        let is_apart = next_hop.is_none() || core.config.routes.is_certified(recipient.domain());
        let domain = if is_apart { recipient.domain().as_str().to_owned() } else { String::new() };
        self.parts.entry((next_hop, domain)).or_default().push(recipient.clone());
    }
}
