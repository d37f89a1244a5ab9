//! What the gateway says of a message: when it fails, a [`NonDelivery`] report to its sender (RFC 3464) and a
//! [`Notification`] to the administrator; a [`Notice`] to its sender when it is late, or was delivered and the sender
//! asked to hear of it (RFC 3461).
//!
//! A report travels like any other message, with a null reverse path, so that nothing is ever reported on it
//! (RFC 5321, 4.5.5). Everything quoted from the failed message is input from outside: it is decoded, cut to a
//! sensible length and freed of control characters before it goes into a header or into the text. The same input
//! gives the same bytes.
//!
//! This module knows no spool, no queue and no clock: the caller brings the time and a fresh spool name, and
//! commits what it gets.

mod harmless;
mod non_delivery;
mod notice;
mod notification;
mod original;
pub mod q178091;
mod reason;
mod status;

use jiff::Timestamp;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address as Mailbox;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::MimePart;
use mail_parser::MessageParser;

pub use non_delivery::NonDelivery;
pub use notice::{News, Notice};
pub use notification::{Category, Direction, Notification};
pub use original::RETURN_LIMIT;
pub use reason::{Reason, RemoteReply};

use self::status::Status;
use crate::address::{Address, Domain, ReversePath};
use crate::dsn::DsnRequest;
use crate::envelope::{Envelope, Origin, SpoolId};
use crate::reach::{Point, reached};
use crate::release::Release;
use crate::trace;

/// Who reports: the names that appear in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The gateway's host name.
    pub host: Domain,
    /// The Exchange organization.
    pub organization: String,
    /// The Exchange site.
    pub site: String,
    /// The Exchange server.
    pub server: String,
    /// The mailbox that reports come from.
    pub postmaster: Address,
    /// The release that runs.
    pub release: Release,
}

/// A recipient who will not have the message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The recipient.
    pub recipient: Address,
    /// Why not.
    pub why: Reason,
}

/// A message that the gateway wrote, ready for the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// From nobody, to one mailbox, made by the gateway.
    pub envelope: Envelope,
    /// Header and body, with CRLF line ends.
    pub content: Vec<u8>,
}

/// What every report has in common, whoever reads it.
struct Letter<'a> {
    reporter: &'a Identity,
    to: &'a Address,
    subject: String,
    /// `Auto-Submitted` (RFC 3834, 5).
    auto_submitted: &'static str,
    /// The message that this one answers.
    in_reply_to: Option<String>,
    id: &'a SpoolId,
    when: Timestamp,
}

impl Letter<'_> {
    /// A `multipart/report` (RFC 6522): a text for people, the delivery status, and the message it is about.
    fn write_status(self, text: String, status: &Status, returned: MimePart<'_>) -> Report {
        let report = ContentType::new("multipart/report")
            .attribute("report-type", "delivery-status")
            .attribute("boundary", boundary(self.id));
        let parts = vec![
            MimePart::new("text/plain", text),
            original::verbatim(status.media_type, status.fields.as_bytes()),
            returned,
        ];
        self.write(MimePart::new(report, parts))
    }

    fn write(self, body: MimePart<'_>) -> Report {
        let Letter { reporter, to, subject, auto_submitted, in_reply_to, id, when } = self;
        let mailbox = |address: &Address| harmless::line(&address.to_string(), harmless::ADDRESS);
        if !to.is_ascii() {
            reached(Point::InternationalReport);
        }
        let mut message = MessageBuilder::new()
            .message_id(format!("{}.{id}@{}", when.as_second(), harmless::ascii(reporter.host.as_str(), 255)))
            .from(Mailbox::new_address(Some("System Administrator"), mailbox(&reporter.postmaster)))
            .to(Mailbox::new_address(None::<&str>, mailbox(to)))
            .subject(subject)
            .date(Date::new(when.as_second()))
            .header("Auto-Submitted", Raw::new(auto_submitted))
            .header("X-Mailer", Raw::new(mailer(reporter.release)));
        if let Some(original) = in_reply_to {
            message = message.in_reply_to(original.clone()).references(original);
        }
        let mut content = Vec::new();
        message.body(body).serialize(&mut content);
        let envelope = Envelope {
            reverse_path: ReversePath::Null,
            recipients: vec![to.clone()],
            received: when,
            origin: Origin::Gateway,
            next_hop: None,
            dsn: DsnRequest::default(),
            is_international: !to.is_ascii(),
        };
        Report { envelope, content }
    }
}

/// The name and build in `X-Mailer`, in the original's form.
fn mailer(release: Release) -> String {
    format!("{} ({})", trace::product(release), release.build())
}

/// The boundary of a report's parts. It holds the unpredictable spool name, so no quoted message has it.
fn boundary(id: &SpoolId) -> String {
    format!("----_=_NextPart_000_{id}")
}

/// The message that one of the gateway's own is about, by its `Message-ID` without angle brackets. Nothing if it had none
/// that can be quoted.
pub fn answers(content: &[u8]) -> Option<String> {
    let header = MessageParser::new().parse_headers(trace::header_section(content))?;
    header.in_reply_to().as_text().map(|id| harmless::line(id, 255))
}

/// The lines about one failure, as the original wrote them.
fn describe(failure: &Failure, reporter: &Identity, when: Timestamp) -> String {
    let name = |part: &str| harmless::line(part, 64);
    format!(
        "{recipient} on {date}\r\n    {sentence}\r\n    MSEXCH:IMS:{organization}:{site}:{server} {code}\r\n",
        recipient = harmless::line(&failure.recipient.to_string(), harmless::ADDRESS),
        date = trace::date(when),
        sentence = failure.why.sentence(),
        organization = name(&reporter.organization),
        site = name(&reporter.site),
        server = name(&reporter.server),
        code = failure.why.code(),
    )
}
