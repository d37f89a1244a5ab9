//! Filing what the gateway writes itself: reports to senders, notifications to the administrator and copies of messages. They go into
//! `in/` like any message, under names derived from what they are about, so that work done twice files them once.
//!
//! They are announced only when the entry that they are about is done with ([`announce`]): one that was processed and
//! gone before would be filed, and sent, a second time when the disk has the entry tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};

use super::core::Core;
use crate::address::{Address, ReversePath};
use crate::dsn::{Condition, DsnRequest};
use crate::env::DiskError;
use crate::envelope::{Envelope, Origin, SpoolId};
use crate::eventlog::Event;
use crate::extension::Copied;
use crate::reach::{Point, reached};
use crate::report::{self, Category, Direction, Failure, News, NonDelivery, Notice, Notification, Report};
use crate::spool::{EntryName, Folder};
use crate::tracking::{Record, Step};

/// What was filed and is not announced, by the entry that it is about.
#[derive(Default)]
pub(super) struct Filed(Mutex<BTreeMap<EntryName, BTreeSet<SpoolId>>>);

impl Filed {
    fn add(&self, about: &EntryName, id: SpoolId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(about.clone()).or_default().insert(id);
    }

    fn take(&self, about: &EntryName) -> BTreeSet<SpoolId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(about).unwrap_or_default()
    }
}

/// Takes back what an earlier try of an entry filed and did not come to announce: this try may end otherwise, and files
/// its own.
///
/// # Errors
/// The disk's: the try is not to be made yet.
pub(super) async fn withdraw(core: &Core, about: &EntryName) -> Result<(), DiskError> {
    let mut filed = core.filed.take(about);
    while let Some(id) = filed.pop_first() {
        let taken_back = match core.spool.remove(Folder::In, &EntryName::from(id.clone())).await {
            Ok(()) => {
                reached(Point::ReportWithdrawn);
                Ok(())
            }
            // It was never there, or an earlier removal did not come to its end.
            Err(error) if error.cause.kind() == ErrorKind::NotFound => {
                core.spool.settle(Folder::In, id.as_str()).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = taken_back {
            filed.insert(id);
            filed.into_iter().for_each(|id| core.filed.add(about, id));
            return Err(error);
        }
    }
    Ok(())
}

/// Has what was filed about an entry processed: the entry is done with, or its failure is.
pub(super) fn announce(core: &Core, about: &EntryName) {
    core.filed.take(about).into_iter().for_each(|id| core.arrived(id));
}

/// Reports failures to the sender and to the administrator. `about` is the entry that failed and `attempt` which try
/// of it: those two and the recipients who failed make the names, so that the same failures file the same reports, and
/// others that the disk had the same try come to file their own.
///
/// # Errors
/// The disk's: what failed is still owed its report.
pub(super) async fn report(
    core: &Core,
    direction: Direction,
    original: &Envelope,
    content: &[u8],
    failures: &[Failure],
    about: &EntryName,
    attempt: u32,
) -> Result<(), DiskError> {
    let failed: Vec<String> = failures.iter().map(|failure| failure.recipient.to_string()).collect();
    let id = about.id.derive(&format!("{about} {attempt} {}", failed.join(" ")));
    let wanted = |failure: &&Failure| original.dsn.wants(&failure.recipient, Condition::Failure);
    let (wanted, unwanted): (Vec<_>, Vec<_>) = failures.iter().partition(wanted);
    let wanted: Vec<Failure> = wanted.into_iter().cloned().collect();
    let drop_all = |failures: &[&Failure], why: &str| {
        for failure in failures {
            let why = format!("it could not be delivered, and {why}");
            Event::Dropped { id: about.id.clone(), recipient: failure.recipient.clone(), why }.log();
        }
    };
    if !unwanted.is_empty() {
        reached(Point::FailureUnwanted);
        drop_all(&unwanted, "its sender asked not to hear of that");
    }
    let reporter = &core.identity;
    let report = NonDelivery { original, content, failures: &wanted, reporter, id: &id, when: core.now() };
    if !wanted.is_empty() {
        match report.compose() {
            Some(report) => {
                reached(Point::ReportComposed);
                match direction {
                    Direction::Inbound => core.counters.reports_inbound.count(),
                    Direction::Outbound => core.counters.reports_outbound.count(),
                }
                file(core, about, id.clone(), report).await?;
                let recipients: Vec<Address> =
                    wanted.iter().map(|failure| failure.recipient.clone()).collect();
                track_report(core, original, content, about, Some(&id), &recipients, false);
            }
            None => {
                reached(Point::NoReportOnNullPath);
                let recipients: Vec<Address> =
                    wanted.iter().map(|failure| failure.recipient.clone()).collect();
                track_report(core, original, content, about, None, &recipients, false);
                let all: Vec<&Failure> = wanted.iter().collect();
                let of_ours = Some(content).filter(|_| original.origin == Origin::Gateway);
                let answers = of_ours.and_then(report::answers).map(|id| format!("; it is about <{id}>"));
                let why = "its null reverse path asks for no report";
                drop_all(&all, &format!("{why}{}", answers.unwrap_or_default()));
            }
        }
    }
    notify_administrator(core, direction, original, content, failures, about, &id).await
}

/// Tells the sender of recipients with no failure, where that was asked for. `about` is the entry that it is about: that,
/// the news and the recipients make the name.
///
/// # Errors
/// The disk's: the notice is still owed.
pub(super) async fn give_notice(
    core: &Core,
    news: &News,
    original: &Envelope,
    content: &[u8],
    recipients: &[Address],
    about: &EntryName,
) -> Result<(), DiskError> {
    if recipients.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = recipients.iter().map(ToString::to_string).collect();
    let id = about.id.derive(&format!("{about} {} {}", news.action(), named.join(" ")));
    let reporter = &core.identity;
    let notice = Notice { news, original, content, recipients, reporter, id: &id, when: core.now() };
    match notice.compose() {
        Some(notice) => {
            reached(match news {
                News::Delivered => Point::DeliveryReported,
                News::Relayed => Point::RelayReported,
                News::Delayed { .. } => Point::DelayReported,
            });
            file(core, about, id.clone(), notice).await?;
            let has_it = !matches!(news, News::Delayed { .. });
            track_report(core, original, content, about, Some(&id), recipients, has_it);
            Ok(())
        }
        None => Ok(()),
    }
}

/// Writes into the tracking log that there is a report on a message, or that there is none though it failed.
fn track_report(
    core: &Core,
    original: &Envelope,
    content: &[u8],
    about: &EntryName,
    report: Option<&SpoolId>,
    recipients: &[Address],
    delivered: bool,
) {
    let Some(facts) = core.logs.facts(content, content.len() as u64) else { return };
    core.logs.track(Record {
        step: if report.is_some() { Step::ReportGenerated } else { Step::ReportAbsorbed },
        id: &about.id,
        partner: core.config.host.as_str(),
        from: &original.reverse_path,
        facts: &facts,
        report,
        recipients,
        delivered: Some(delivered),
    });
}

/// Files the copies of a message that extensions have made, as messages of their own. `about` is the entry that they are
/// copies of: that, the way it goes and the place of the extension make their names.
///
/// # Errors
/// The disk's: the copies are still owed.
pub(super) async fn copy(
    core: &Core,
    original: &Envelope,
    way: Direction,
    copies: &[Copied],
    about: &EntryName,
) -> Result<(), DiskError> {
    for Copied { to, reports_to, content, link } in copies {
        let id = about.id.derive(&format!("{about} copy {way:?} {link}"));
        let envelope = Envelope {
            reverse_path: ReversePath::Mailbox(reports_to.clone()),
            recipients: vec![to.clone()],
            // The mailbox that has a copy of a message knows another by it.
            received: original.received,
            origin: Origin::Journal,
            next_hop: None,
            dsn: DsnRequest::default(),
            is_international: original.is_international,
        };
        file(core, about, id, Report { envelope, content: content.clone() }).await?;
    }
    Ok(())
}

/// Notifies the administrator of failures, one notification a category that was asked for. `name` is what their names
/// are derived from.
///
/// # Errors
/// The disk's.
pub(super) async fn notify_administrator(
    core: &Core,
    direction: Direction,
    original: &Envelope,
    content: &[u8],
    failures: &[Failure],
    about: &EntryName,
    name: &SpoolId,
) -> Result<(), DiskError> {
    let Some(administrator) = core.directory.administrator() else { return Ok(()) };
    let mut by_category: BTreeMap<Category, Vec<Failure>> = BTreeMap::new();
    for failure in failures {
        by_category.entry(failure.why.category()).or_default().push(failure.clone());
    }
    for (category, failures) in by_category {
        if !core.config.notifications.administrator.contains(&category) {
            reached(Point::NotificationUnwanted);
            continue;
        }
        let id = name.derive(&format!("notification {category:?}"));
        let notification = Notification {
            administrator: &administrator.address,
            direction,
            category,
            original,
            content: Some(content),
            failures: &failures,
            reporter: &core.identity,
            id: &id,
            when: core.now(),
        };
        if let Some(notification) = notification.compose() {
            reached(Point::NotificationComposed);
            file(core, about, id, notification).await?;
        }
    }
    Ok(())
}

async fn file(core: &Core, about: &EntryName, id: SpoolId, report: Report) -> Result<(), DiskError> {
    let name = EntryName::from(id.clone());
    // The disk may keep what it denies to have.
    core.filed.add(about, id);
    core.spool.file_in(Folder::In, &name, &report.envelope, &report.content).await
}
