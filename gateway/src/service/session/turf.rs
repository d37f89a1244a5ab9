//! What a session does with a message of a sender who is not wanted here (`[filter]`).

use super::message::Work;
use super::{Go, Session};
use crate::config::FilterAction;
use crate::eventlog::Event;
use crate::reach::{Point, reached};
use crate::smtp::reply::Reply;
use crate::spool::Aside;
use crate::turf::Sender;

impl Session {
    /// Sets the message aside, deletes it or refuses it, as configured. One that is set aside is answered for when it is
    /// durable in `turf/`.
    pub(super) async fn filter_by(&mut self, sender: &Sender, work: Work) -> Go {
        let id = work.draft.id().clone();
        let facts = self.facts(&work);
        let Work { envelope, draft, .. } = work;
        let from = envelope.reverse_path.clone();
        let turfed = |done| Event::Turfed { id: id.clone(), from, entry: sender.to_string(), done };
        match self.core.config.filter.action {
            FilterAction::SetAside => match draft.set_aside(Aside::Turf).commit().await {
                Ok(_) => {
                    reached(Point::TurfSetAside);
                    self.log_received(&id, &envelope, facts.as_ref());
                    turfed("it is kept in turf").log();
                }
                Err(error) => {
                    Event::CommitFailed { id, why: error.to_string() }.log();
                    return self.not_stored().await;
                }
            },
            FilterAction::Delete => {
                reached(Point::TurfDeleted);
                let _ = draft.discard().await;
                self.log_received(&id, &envelope, facts.as_ref());
                turfed("it is deleted").log();
            }
            FilterAction::Refuse => {
                reached(Point::TurfRefused);
                let _ = draft.discard().await;
                turfed("it was refused").log();
                let refusal = Reply::new(550, "mail of this sender is not wanted here");
                return self.answer(&refusal.with_status("5.7.1")).await;
            }
        }
        self.idle_commands = 0;
        self.taken(&id).await
    }
}
