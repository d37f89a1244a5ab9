//! DATA within a session: the message itself.
//!
//! It is written into `work/` while it is read. At the end of data the submission policy is asked, and only when the
//! message is durable in `in/` is the client answered 250: from there on it is the gateway's.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::filters::Filtered;
use super::{Go, Hello, IN_CHUNKS, Over, Session, Transaction, out_of_order, too_large};
use crate::accept::Admission;
use crate::address::{Address, ReversePath};
use crate::env::DiskError;
use crate::envelope::{Envelope, Origin, SpoolId};
use crate::eventlog::Event;
use crate::reach::{Point, reached};
use crate::report::{self, Direction, Failure};
use crate::service::core::Closing;
use crate::service::filing;
use crate::service::sorting;
use crate::smtp::data::{DataReader, Flaws, LineCheck, TEXT_LINE_LIMIT};
use crate::smtp::reply::Reply;
use crate::spool::{Aside, Draft, EntryName, Folder};
use crate::submission::{self, Refusal};
use crate::trace::{Protocol, Received};
use crate::tracking::{Facts, Record, Step};
use crate::turf;

/// How long a client may pause within a message: longer than the three minutes that a sender waits
/// (RFC 5321, 4.5.3.2.5).
const DATA_TIME: Duration = Duration::from_mins(5);

/// How long it may take over the whole of it. The standard sets no limit, and one that drips would never end. Ten
/// megabytes at 28,800 bits a second take less.
const MESSAGE_TIME: Duration = Duration::from_hours(1);
/// How long to wait before the disk is asked again to give a message back.
const DISK_PAUSE: Duration = Duration::from_mins(1);

/// A message on its way into `work/`.
pub(super) struct Work {
    pub(super) envelope: Envelope,
    pub(super) draft: Draft,
    /// The octets of the `Received` line on top.
    pub(super) trace_octets: usize,
    /// The milter that would have it thrown away.
    pub(super) discarded_by: Option<String>,
    /// Its beginning, for a report on a refusal: enough of it to say whether it is too large to return whole. And to see
    /// from whom it is.
    pub(super) beginning: Vec<u8>,
    octets: u64,
    failure: Option<DiskError>,
    /// When it must be here.
    pub(super) end: Instant,
}

impl Work {
    /// Takes the next of the content. Past the limit, or once the disk has failed, it is counted and dropped.
    pub(super) async fn take(&mut self, content: &[u8], limit: u64) {
        self.octets += content.len() as u64;
        let room = (report::RETURN_LIMIT + 1).saturating_sub(self.beginning.len());
        self.beginning.extend_from_slice(&content[..content.len().min(room)]);
        if !self.is_past(limit) && self.failure.is_none() {
            self.failure = self.draft.append(content).await.err();
        }
    }

    /// Whether it is larger than that.
    pub(super) fn is_past(&self, limit: u64) -> bool {
        self.octets > limit
    }
}

impl Session {
    pub(super) async fn data(&mut self) -> Go {
        if self.chunks.is_some() {
            return self.refuse(out_of_order(IN_CHUNKS)).await;
        }
        let Some((hello, transaction)) = self.ready() else {
            return self.refuse(out_of_order("say MAIL and RCPT first")).await;
        };
        let mut work = match self.begin(&hello, transaction).await {
            Ok(work) => work,
            Err(error) => return self.no_room(&error).await,
        };
        if let Some(refusal) = self.filter_data(&mut work).await {
            let _ = work.draft.discard().await;
            return self.refuse_for_milter(refusal).await;
        }
        self.say(354, "Send data. End with CRLF.CRLF").await?;
        let mut reader = DataReader::new();
        if self.receive(&mut work, &mut reader).await.is_err() {
            reached(Point::CutOffInData);
            // Cut off: never answered, so the client still has it. Leftovers of `work/` go at the next start.
            let _ = work.draft.discard().await;
            return Err(Over);
        }
        self.end_of_data(work, reader.flaws()).await
    }

    /// What is ready for its content: a transaction with recipients.
    pub(super) fn ready(&mut self) -> Option<(Hello, Transaction)> {
        let ready = self.transaction.take_if(|transaction| !transaction.recipients.is_empty());
        Some((self.hello.clone()?, ready?))
    }

    /// The most octets that a message may have.
    pub(super) fn size_limit(&self) -> u64 {
        self.core.config.limits.message_size.map_or(u64::MAX, std::num::NonZeroU64::get)
    }

    /// Opens the draft and writes the `Received` line.
    pub(super) async fn begin(&mut self, hello: &Hello, transaction: Transaction) -> Result<Work, DiskError> {
        let Transaction { reverse_path, recipients, dsn, is_international, discarded_by } = transaction;
        let account = self.account.clone();
        let next_hop = sorting::expected(&self.core, &recipients);
        let envelope = Envelope {
            reverse_path,
            recipients,
            received: self.core.now(),
            origin: Origin::Client { address: self.client, helo: hello.name.clone(), account },
            next_hop,
            dsn,
            is_international,
        };
        let mut draft = self.core.spool.draft(&envelope)?;
        let received = Received {
            helo: &hello.name,
            client: self.client,
            host: &self.core.config.host,
            protocol: if is_international { Protocol::Utf8Smtp } else { hello.protocol },
            authenticated: self.account.is_some(),
            cipher: self.cipher.as_deref(),
            release: self.core.config.release,
            id: draft.id(),
            when: envelope.received,
        };
        let line = received.to_line();
        draft.append(&line).await?;
        Ok(Work {
            envelope,
            draft,
            trace_octets: line.len(),
            discarded_by,
            beginning: Vec::new(),
            octets: 0,
            failure: None,
            end: Instant::now() + MESSAGE_TIME,
        })
    }

    /// Reads the message to its end, whatever is wrong with it.
    async fn receive(&mut self, work: &mut Work, reader: &mut DataReader) -> Go {
        let (limit, mut piece) = (self.size_limit(), Vec::new());
        while !reader.has_ended() {
            let until = work.end.min(Instant::now() + DATA_TIME);
            let read = tokio::select! {
                biased;
                read = timeout_at(until, self.wire.read_data(reader, &mut piece)) => read,
                () = self.core.closes_down(Closing::AtOnce) => return Err(self.part_to_close_down().await),
            };
            match read {
                Ok(read) => read?,
                Err(_) => return Err(self.part_from_the_slow(work.end).await),
            }
            work.take(&piece, limit).await;
        }
        Ok(())
    }

    /// Reads a chunk to its end, whatever is wrong with it.
    pub(super) async fn receive_chunk(&mut self, work: &mut Work, check: &mut LineCheck, octets: u64) -> Go {
        let (limit, mut piece, mut left) = (self.size_limit(), Vec::new(), octets);
        while left > 0 {
            left -= self.piece(left, work.end, &mut piece).await?;
            check.see(&piece);
            work.take(&piece, limit).await;
        }
        Ok(())
    }

    /// Reads a chunk that cannot be taken, and drops it.
    pub(super) async fn skip_chunk(&mut self, octets: u64) -> Go {
        let (end, mut piece, mut left) = (Instant::now() + MESSAGE_TIME, Vec::new(), octets);
        while left > 0 {
            left -= self.piece(left, end, &mut piece).await?;
        }
        Ok(())
    }

    /// The next octets of a chunk, and how many they are.
    async fn piece(&mut self, most: u64, end: Instant, piece: &mut Vec<u8>) -> Result<u64, Over> {
        let until = end.min(Instant::now() + DATA_TIME);
        let read = tokio::select! {
            biased;
            read = timeout_at(until, self.wire.read_octets(most, piece)) => read,
            () = self.core.closes_down(Closing::AtOnce) => return Err(self.part_to_close_down().await),
        };
        match read {
            Ok(read) => read.map(|()| piece.len() as u64).map_err(Over::from),
            Err(_) => Err(self.part_from_the_slow(end).await),
        }
    }

    /// Parts from a client that fell silent within a message, or took too long over the whole of it.
    pub(super) async fn part_from_the_slow(&mut self, end: Instant) -> Over {
        if Instant::now() < end {
            return self.part_from_the_silent().await;
        }
        reached(Point::MessageTooSlow);
        let host = &self.core.config.host;
        let farewell = format!("{host} the message took too long, closing connection");
        let _ = self.say(421, &farewell).await;
        Over
    }

    /// Admits the message, makes it durable and answers for it.
    pub(super) async fn end_of_data(&mut self, mut work: Work, flaws: Flaws) -> Go {
        let limit = self.size_limit();
        if flaws.long_line {
            reached(Point::LongTextLine);
            let _ = work.draft.discard().await;
            let too_long = format!("a line of the message is longer than {TEXT_LINE_LIMIT} octets");
            return self.answer(&Reply::new(552, too_long).with_status("5.6.0")).await;
        }
        if flaws.bare_cr || flaws.bare_lf {
            reached(Point::BareLineEndInData);
            let _ = work.draft.discard().await;
            let bare = Reply::new(554, "bare CR or LF in the message: lines end in CR LF");
            let _ = self.answer(&bare.with_status("5.6.0")).await;
            return Err(Over);
        }
        if work.is_past(limit) {
            reached(Point::SizeRefusedAtEnd);
            let _ = work.draft.discard().await;
            return self.answer(&too_large(limit)).await;
        }
        if let Some(error) = work.failure {
            let _ = work.draft.discard().await;
            return self.no_room(&error).await;
        }
        let admitted = submission::check(
            &self.core.config.submission,
            &self.core.directory,
            self.account.as_deref(),
            &work.envelope.reverse_path,
        );
        if let Err(refusal) = admitted {
            let _ = work.draft.discard().await;
            return self.refuse_submission(&work.envelope, &work.beginning, refusal).await;
        }
        let core = Arc::clone(&self.core);
        let unwanted = turf::find(&core.config.filter.senders, &work.envelope.reverse_path, &work.beginning);
        if let Some(sender) = unwanted {
            return self.filter_by(sender, work).await;
        }
        let id = work.draft.id().clone();
        match self.filter(&mut work).await {
            Ok(Filtered::Taken) => self.take(id, work).await,
            Ok(Filtered::Quarantined { why }) => self.quarantine(id, work, why).await,
            Ok(Filtered::Discarded { by }) => {
                let facts = self.facts(&work);
                let _ = work.draft.discard().await;
                self.note_progress();
                self.log_received(&id, &work.envelope, facts.as_ref());
                self.log_discarded(&id, &work.envelope, &by);
                self.taken(&id).await
            }
            Ok(Filtered::Refused(reply)) => {
                let _ = work.draft.discard().await;
                self.refuse_for_milter(reply).await
            }
            Err(error) => {
                let _ = work.draft.discard().await;
                self.no_room(&error).await
            }
        }
    }

    /// Takes a message: answers for it when it is durable in `in/`.
    async fn take(&mut self, id: SpoolId, work: Work) -> Go {
        let facts = self.facts(&work);
        let envelope = &work.envelope;
        let octets = work.draft.octets();
        match work.draft.commit().await {
            Ok(id) => {
                self.note_progress();
                self.core.counters.inbound.count(envelope.recipients.len(), octets);
                self.core.arrived(id.clone());
                self.log_received(&id, envelope, facts.as_ref());
                if envelope.reverse_path == ReversePath::Null {
                    reached(Point::NullReversePath);
                }
                self.taken(&id).await
            }
            Err(error) => {
                Event::CommitFailed { id: id.clone(), why: error.to_string() }.log();
                if error.is_left {
                    self.take_back(id);
                }
                self.not_stored().await
            }
        }
    }

    /// Takes a message and sets it aside: answers for it when it is durable in `bad/`. One that is left there though it
    /// was not taken does no harm: nothing more is done with what is in `bad/`.
    async fn quarantine(&mut self, id: SpoolId, work: Work, why: String) -> Go {
        let facts = self.facts(&work);
        let Work { envelope, draft, beginning, .. } = work;
        let about = EntryName::from(id.clone());
        if let Err(error) = self.tell_of_quarantine(&id, &envelope, &beginning, &why).await {
            let _ = draft.discard().await;
            let _ = filing::withdraw(&self.core, &about).await;
            return self.no_room(&error).await;
        }
        match draft.set_aside(Aside::Bad).commit().await {
            Ok(id) => {
                reached(Point::MilterQuarantined);
                self.note_progress();
                self.log_received(&id, &envelope, facts.as_ref());
                Event::InboundSetAside { file: id.to_string(), folder: "bad", why }.log();
                filing::announce(&self.core, &about);
                self.taken(&id).await
            }
            Err(error) => {
                let _ = filing::withdraw(&self.core, &about).await;
                Event::CommitFailed { id, why: error.to_string() }.log();
                self.not_stored().await
            }
        }
    }

    pub(super) async fn not_stored(&mut self) -> Go {
        let later = Reply::new(451, "the message could not be stored, try again later");
        self.answer(&later.with_status("4.3.0")).await
    }

    /// Answers for a message.
    pub(super) async fn taken(&mut self, id: &SpoolId) -> Go {
        self.answer(&Reply::new(250, format!("OK {id}")).with_status("2.6.0")).await
    }

    /// Takes a message out of `in/` that was not accepted, as soon as the disk lets it be. The client sends it again; if
    /// the process ends before, both are delivered.
    fn take_back(&self, id: SpoolId) {
        let core = Arc::clone(&self.core);
        let spawn = Arc::clone(&core.env.spawn);
        let take_back = async move {
            let name = EntryName::from(id.clone());
            while core.spool.holds(Folder::In, &name).await.unwrap_or(true) {
                if let Err(error) = core.spool.remove(Folder::In, &name).await {
                    let why = format!("it was not accepted, and is to be taken out of in; {error}");
                    Event::RetriedLater { id: id.clone(), why }.log();
                    sleep(DISK_PAUSE).await;
                }
            }
        };
        spawn.spawn("taking back", Box::pin(take_back));
    }

    /// The refusal of the submission policy: the administrator is told, then the client.
    async fn refuse_submission(&mut self, envelope: &Envelope, content: &[u8], refusal: Refusal) -> Go {
        match &refusal {
            Refusal::NotHomedHere { .. } if self.admission == Admission::Exempt => {
                reached(Point::ExemptNotHomedHere);
            }
            Refusal::NotHomedHere { .. } => reached(Point::NotHomedHere),
            Refusal::AccountMismatch { account, sender } => {
                reached(Point::AccountMismatch);
                Event::SenderMismatch { account: account.clone(), sender: sender.clone() }.log();
            }
        }
        let failed = |recipient: &Address| Failure { recipient: recipient.clone(), why: refusal.reason() };
        let failures: Vec<Failure> = envelope.recipients.iter().map(failed).collect();
        let id = SpoolId::draw(&*self.core.env.entropy);
        let (core, way) = (&self.core, Direction::Inbound);
        let about = EntryName::from(id.clone());
        if let Err(error) =
            filing::notify_administrator(core, way, envelope, content, &failures, &about, &id).await
        {
            Event::ReportFailed { id, why: error.to_string() }.log();
        }
        filing::announce(core, &about);
        self.answer(&Reply::new(Refusal::CODE, refusal.to_string()).with_status("5.7.1")).await
    }

    /// What the tracking log has of the content, if there is such a log.
    pub(super) fn facts(&self, work: &Work) -> Option<Facts> {
        self.core.logs.facts(&work.beginning, work.octets)
    }

    pub(super) fn log_received(&self, id: &SpoolId, envelope: &Envelope, facts: Option<&Facts>) {
        let client = self.caller();
        Event::Received {
            id: id.clone(),
            from: envelope.reverse_path.clone(),
            client: client.clone(),
            account: self.account.clone(),
            recipients: envelope.recipients.len(),
        }
        .log();
        if let Some(facts) = facts {
            let is_report = envelope.reverse_path == ReversePath::Null;
            self.core.logs.track(Record {
                step: if is_report { Step::ReportIn } else { Step::ReceivedInbound },
                id,
                partner: &client.name,
                from: &envelope.reverse_path,
                facts,
                report: None,
                recipients: &envelope.recipients,
                delivered: None,
            });
        }
    }

    pub(super) async fn no_room(&mut self, error: &DiskError) -> Go {
        Event::SpoolUnusable { why: error.to_string() }.log();
        let later = Reply::new(452, "the message cannot be stored now, try again later");
        self.answer(&later.with_status("4.3.1")).await
    }
}
