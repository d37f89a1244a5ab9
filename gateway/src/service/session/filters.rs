//! The milters within a session: what they decide, said to the client and done with its message.

use std::time::Duration;

use tokio::time::timeout;

use super::message::Work;
use super::{Go, Over, Session};
use crate::address::Address;
use crate::env::DiskError;
use crate::envelope::{Envelope, SpoolId};
use crate::eventlog::Event;
use crate::milter::{Client, Mail, Milters, Outcome, Verdict};
use crate::reach::{Point, reached};
use crate::report::{Direction, Failure, Reason};
use crate::service::core::Core;
use crate::service::filing;
use crate::smtp::reply::Reply;
use crate::spool::EntryName;
use crate::trace;

/// How long a message waits for room in memory before milters see it. A client waits ten minutes for the answer (RFC 5321,
/// 4.5.3.2.6), and they take some of that.
const ROOM_TIME: Duration = Duration::from_mins(2);

/// What the milters have made of a message.
pub(super) enum Filtered {
    /// It goes its way.
    Taken,
    /// It is to be set aside.
    Quarantined {
        /// Why.
        why: String,
    },
    /// It is to be thrown away.
    Discarded {
        /// Which milter said so.
        by: String,
    },
    /// The client is to hear this.
    Refused(Reply),
}

/// The milters for a client that has just connected.
pub(super) fn milters(core: &Core, client: std::net::IpAddr) -> Milters {
    let release = core.config.release;
    let client = Client {
        address: client,
        host: core.config.host.to_string(),
        software: format!("{} {}", trace::product(release), release.build()),
        account: None,
    };
    Milters::new(&core.config.milters, client)
}

impl Session {
    /// Does what the milters have decided about a command. Whether that is its end: the client has been answered.
    pub(super) async fn heed(&mut self, verdict: Verdict) -> Result<bool, Over> {
        match verdict {
            Verdict::Continue => Ok(false),
            Verdict::Discard { milter } => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.discarded_by = Some(milter);
                }
                Ok(false)
            }
            Verdict::Refuse(reply) => self.refuse_for_milter(reply).await.map(|()| true),
        }
    }

    /// Gives a milter's answer. One of 421 is the last.
    pub(super) async fn refuse_for_milter(&mut self, reply: Reply) -> Go {
        reached(Point::MilterRefused);
        let is_last = reply.code() == 421;
        if reply.is_permanent() {
            self.refuse(reply).await?
        } else {
            self.answer(&reply).await?
        }
        if is_last { Err(Over) } else { Ok(()) }
    }

    /// Tells the milters that the message itself comes next. Their refusal, if they refuse it.
    pub(super) async fn filter_data(&mut self, work: &mut Work) -> Option<Reply> {
        match self.milters.data(work.draft.id().as_str()).await {
            Verdict::Continue => None,
            Verdict::Discard { milter } => {
                work.discarded_by = Some(milter);
                None
            }
            Verdict::Refuse(reply) => Some(reply),
        }
    }

    /// Shows the milters a whole message, and has their changes made.
    ///
    /// # Errors
    /// The disk's: the message cannot be taken.
    pub(super) async fn filter(&mut self, work: &mut Work) -> Result<Filtered, DiskError> {
        if let Some(by) = work.discarded_by.take() {
            self.milters.abort().await;
            return Ok(Filtered::Discarded { by });
        }
        if self.milters.is_empty() {
            return Ok(Filtered::Taken);
        }
        let room = self.core.rooms.filtering.take(work.draft.octets() as u64);
        let Ok(_taken) = timeout(ROOM_TIME, room).await else {
            self.milters.abort().await;
            let later = Reply::new(452, "too many large messages at once, try again later");
            return Ok(Filtered::Refused(later.with_status("4.3.1")));
        };
        let content = work.draft.content().await?;
        let (trace, shown) = content.split_at(work.trace_octets.min(content.len()));
        let envelope = &mut work.envelope;
        let mut mail = Mail::new(envelope.reverse_path.clone(), envelope.recipients.clone(), shown);
        let limit = self.size_limit();
        let id = work.draft.id().clone();
        let (taken_off, quarantine) = match self.milters.message(id.as_str(), &mut mail, limit).await {
            Outcome::Taken { taken_off, quarantine } => (taken_off, quarantine),
            Outcome::Discarded { milter } => return Ok(Filtered::Discarded { by: milter }),
            Outcome::Refused(reply) => return Ok(Filtered::Refused(reply)),
        };
        if let (true, Some((_, milter))) = (mail.recipients.is_empty(), taken_off.first()) {
            // Nobody is left whom it is for.
            return Ok(Filtered::Discarded { by: milter.clone() });
        }
        if mail.is_changed() {
            reached(Point::MilterChanged);
            let content = mail.content();
            (envelope.reverse_path, envelope.recipients) = (mail.reverse_path, mail.recipients);
            envelope.dsn = envelope.dsn.only(&envelope.recipients);
            work.draft.rewrite(envelope, &[trace, &content].concat()).await?;
        }
        for (recipient, milter) in taken_off {
            let why = format!("the milter {milter} took this recipient off it");
            Event::Dropped { id: id.clone(), recipient, why }.log();
        }
        Ok(quarantine.map_or(Filtered::Taken, |(milter, why)| Filtered::Quarantined {
            why: format!("the milter {milter} asked for it: {why}"),
        }))
    }

    /// A message was thrown away, as a milter would have it.
    pub(super) fn log_discarded(&self, id: &SpoolId, envelope: &Envelope, by: &str) {
        reached(Point::MilterDiscarded);
        for recipient in &envelope.recipients {
            let why = format!("the milter {by} discarded it");
            Event::Dropped { id: id.clone(), recipient: recipient.clone(), why }.log();
        }
    }

    /// A message is about to come into `bad/`, as a milter would have it: the administrator is told, as soon as what is
    /// filed about it is announced.
    ///
    /// # Errors
    /// The disk's: the message cannot be taken.
    pub(super) async fn tell_of_quarantine(
        &mut self,
        id: &SpoolId,
        envelope: &Envelope,
        content: &[u8],
        why: &str,
    ) -> Result<(), DiskError> {
        let failed = |recipient: &Address| Failure {
            recipient: recipient.clone(),
            why: Reason::NotProcessed { why: why.to_owned() },
        };
        let failures: Vec<Failure> = envelope.recipients.iter().map(failed).collect();
        let about = EntryName::from(id.clone());
        let (core, way) = (&self.core, Direction::Inbound);
        filing::notify_administrator(core, way, envelope, content, &failures, &about, id).await
    }
}
