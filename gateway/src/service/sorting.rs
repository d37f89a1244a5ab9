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
    pub(super) parts: BTreeMap<PartKey, Vec<Address>>,
    /// Nowhere.
    pub(super) failures: Vec<Failure>,
    /// Nowhere, as an extension would have it.
    pub(super) dropped: Vec<Dropped>,
    /// What the extensions have made of what goes each way.
    pub(super) passed: BTreeMap<Direction, Passed>,
    /// Whether an extension has rewritten the message for all ways.
    is_rewritten: bool,
}

/// Where a part goes: to this host, or to those of this domain; of other parts for the same host, one for a domain whose
/// mail is apart from theirs.
type PartKey = (Option<NextHop>, String);

/// Where the directory and the routing table have a recipient go.
enum Place<'a> {
    Mailbox(&'a Address),
    HomeServer(PartKey),
    Away(PartKey),
    Unknown,
}

impl<'a> Place<'a> {
    fn of(core: &'a Core, route: Route, recipient: &Address) -> Self {
        let domain = || recipient.domain().as_str().to_owned();
        let part = |next_hop: Option<NextHop>| {
            // What may go in clear goes apart from what may not.
            let is_apart = next_hop.is_none() || core.config.routes.is_certified(recipient.domain());
            (next_hop, if is_apart { domain() } else { String::new() })
        };
        match route {
            Route::Inbound => match core.directory.find(recipient).map(|found| (&found.home, &found.address))
            {
                Some((Home::Here, mailbox)) => Place::Mailbox(mailbox),
                Some((Home::Elsewhere(server), _)) => Place::HomeServer(part(Some(server.clone()))),
                None => Place::Unknown,
            },
            Route::Host(next_hop) => Place::Away(part(Some(next_hop))),
            // What waits for ETRN has a part for each domain: each is asked for by itself.
            Route::Held(next_hop) => Place::Away((Some(next_hop), domain())),
            Route::Onward => Place::Away(part(core.config.delivery.smart_host.clone())),
        }
    }
}

/// The next hop of all these recipients, if there is one for all, and unless an extension has something to say of it. A
/// message that is written down with it need not be written again when it is [sorted](sort).
pub(super) fn expected(core: &Core, recipients: &[Address]) -> Option<NextHop> {
    let part = |recipient| match Place::of(core, core.route(Address::domain(recipient)), recipient) {
        Place::HomeServer(part) | Place::Away(part) => Some(part),
        Place::Mailbox(_) | Place::Unknown => None,
    };
    let mut parts = recipients.iter().map(part);
    let first = parts.next()??;
    parts.all(|part| part.as_ref() == Some(&first)).then_some(first.0)?
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
        sorted.add(Place::of(core, route, recipient), recipient);
    }
    let ways =
        [(Direction::Inbound, sorted.mailboxes.is_empty()), (Direction::Outbound, sorted.parts.is_empty())];
    for (way, _) in ways.into_iter().filter(|(_, is_empty)| !is_empty) {
        let subject = Subject { envelope, content: &asked_about };
        sorted.passed.insert(way, core.extensions.pass(subject, way, without, deadline).await?);
    }
    if let Cow::Owned(rewritten) = asked_about {
        *content = rewritten;
        sorted.is_rewritten = true;
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

    /// Whether all of the message goes to one next hop, and as it came: with the envelope and the content that it has.
    pub(super) fn is_one_part_as_it_came(&self, message: &Message) -> bool {
        let Envelope { recipients, next_hop, dsn, .. } = &message.envelope;
        let is_as_it_came = !self.is_rewritten
            && self.passed.get(&Direction::Outbound).is_none_or(|passed| passed.content.is_none());
        let mut parts = self.parts.iter();
        let is_one = parts.next().is_some_and(|((host, _), all)| (host, all) == (next_hop, recipients));
        is_as_it_came && is_one && parts.next().is_none() && dsn.only(recipients) == *dsn
    }

    fn add(&mut self, place: Place, recipient: &Address) {
        match place {
            Place::Mailbox(mailbox) => {
                if self.mailboxes.contains(mailbox) {
                    reached(Point::MailboxNamedTwice);
                } else {
                    self.mailboxes.push(mailbox.clone());
                }
                if !self.here.contains(recipient) {
                    self.here.push(recipient.clone());
                }
            }
            Place::HomeServer(part) => {
                reached(Point::SentToHomeServer);
                self.parts.entry(part).or_default().push(recipient.clone());
            }
            Place::Away(part) => self.parts.entry(part).or_default().push(recipient.clone()),
            Place::Unknown => {
                reached(Point::UnknownRecipient);
                self.failures.push(Failure { recipient: recipient.clone(), why: Reason::UnknownRecipient });
            }
        }
    }
}
