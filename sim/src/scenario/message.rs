//! The content of a plan's messages: built with a Date, a Message-ID and nothing that asks the machine.

use jiff::{SignedDuration, Timestamp};
use mail_builder::MessageBuilder;
use mail_builder::headers::date::Date;

use super::file::Message;
use crate::mailbag;

/// The message as its client holds it.
pub(super) fn content(message: &Message, starts: Timestamp) -> Vec<u8> {
    let sent =
        starts.saturating_add(SignedDuration::try_from(message.at.0).unwrap_or_default()).unwrap_or(starts);
    let from = message.from.as_ref().map_or_else(|| "postmaster@plan.test".to_owned(), ToString::to_string);
    MessageBuilder::new()
        .date(Date::new(sent.as_second()))
        .from(from)
        .to(message.to.iter().map(ToString::to_string).collect::<Vec<_>>())
        .message_id(mailbag::message_id(message.name.as_ref()))
        .subject(message.subject.as_str())
        .text_body(message.body.as_str())
        .write_to_vec()
        .expect("writing to memory does not fail")
}
