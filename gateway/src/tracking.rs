//! The message tracking log: one record for each step of a message (Q173364, Q173280).
//!
//! A record is a line of thirteen fields with tabs between them, and below it a line for each recipient. The numbers of the
//! steps and the order of the fields are the original's; what it had no word for here is left empty. The file of a day
//! is `yyyymmdd.log`, in UTC.
//!
//! This module knows no file: who writes the records is the service's business.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mail_parser::MessageParser;

use crate::address::{Address, ReversePath};
use crate::envelope::SpoolId;

/// The most characters of a field: what a client says may be longer than anybody reads.
const FIELD: usize = 1_000;

/// A step of a message, with the number that the original gave it (Q173364).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// What this server wrote waits for another host.
    QueuedOutbound = 1010,
    /// Another host took it.
    TransferredOutbound = 1011,
    /// A client handed it over.
    ReceivedInbound = 1012,
    /// It is in mailboxes of this server.
    TransferredInbound = 1013,
    /// What a client handed over waits for another host.
    Rerouted = 1014,
    /// A client handed over a report: a message with the null reverse path.
    ReportIn = 1015,
    /// Another host took a report.
    ReportOut = 1016,
    /// A report on it was made.
    ReportGenerated = 1017,
    /// It failed, and its null reverse path asks for no report.
    ReportAbsorbed = 1018,
}

/// What the log has of a message's content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its Message-ID.
    message_id: String,
    /// 1 for urgent, 0, or -1.
    priority: i8,
    octets: u64,
}

impl Facts {
    /// The facts of a message that begins with this and has so many octets.
    pub fn of(beginning: &[u8], octets: u64) -> Self {
        let Some(message) = MessageParser::default().parse_headers(beginning) else {
            return Facts { octets, ..Facts::default() };
        };
        let word = |name: &'static str| {
            let text = message.header(name).and_then(|value| value.as_text()).unwrap_or_default();
            text.trim().to_ascii_lowercase()
        };
        let priority = match (word("Importance").as_str(), word("X-Priority").as_bytes().first()) {
            ("high", _) | ("", Some(b'1' | b'2')) => 1,
            ("low", _) | ("", Some(b'4' | b'5')) => -1,
            _ => 0,
        };
        Facts { message_id: message.message_id().unwrap_or_default().to_owned(), priority, octets }
    }
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What happened.
    pub step: Step,
    /// The message, by its name in the spool.
    pub id: &'a SpoolId,
    /// Whom this server had to do with: a host, or the local store.
    pub partner: &'a str,
    /// Its sender.
    pub from: &'a ReversePath,
    /// What its content says.
    pub facts: &'a Facts,
    /// The report on it, by its name in the spool.
    pub report: Option<&'a SpoolId>,
    /// The recipients that it is about.
    pub recipients: &'a [Address],
    /// Of a report, whether they have the message.
    pub delivered: Option<bool>,
}

impl Record<'_> {
    /// The record as it is written, by a gateway of this name.
    pub fn text(&self, gateway: &str, when: Timestamp) -> String {
        let from = match self.from {
            ReversePath::Mailbox(address) => address.to_string(),
            ReversePath::Null => "<>".to_owned(),
        };
        let fields = [
            self.id.to_string(),
            (self.step as u16).to_string(),
            when.strftime("%Y.%-m.%-d %-H:%M:%S").to_string(),
            gateway.to_owned(),
            self.partner.to_owned(),
            self.facts.message_id.clone(),
            from,
            self.facts.priority.to_string(),
            self.facts.octets.to_string(),
            "0".to_owned(),
            "1".to_owned(),
            self.report.map(ToString::to_string).unwrap_or_default(),
            self.recipients.len().to_string(),
        ];
        let mut text = fields.map(|field| plain(&field)).join("\t") + "\n";
        let status = match self.delivered {
            Some(true) => "\t0",
            Some(false) => "\t1",
            None => "",
        };
        for recipient in self.recipients {
            text += &format!("{}{status}\n", plain(&recipient.to_string()));
        }
        text
    }
}

/// A field in which nothing looks like the end of it.
fn plain(field: &str) -> String {
    field.chars().take(FIELD).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The name of the file that has the records of a day.
pub fn file_name(day: Date) -> String {
    day.strftime("%Y%m%d.log").to_string()
}

/// The day that a record of this time belongs to.
pub fn day(when: Timestamp) -> Date {
    when.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_has_thirteen_fields_and_its_recipients_below() {
        let content = b"Message-ID: <a\tb@fabrikam.test>\r\nImportance: High\r\n\r\nMessage-ID: <no@no>\r\n";
        let recipients: Vec<Address> = ["bob@contoso.test", "\"a\u{9}b\"@contoso.test"]
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect();
        let facts = Facts::of(content, 4096);
        let when: Timestamp = "1998-03-02T09:05:07Z".parse().unwrap();
        let record = Record {
            step: Step::ReportGenerated,
            id: &"W99P0SFR".parse().unwrap(),
            partner: "mx.\npartner.test",
            from: &ReversePath::Mailbox("eve@fabrikam.test".parse().unwrap()),
            facts: &facts,
            report: Some(&"ND9X2LS1".parse().unwrap()),
            recipients: &recipients,
            delivered: Some(false),
        };
        let text = record.text("ims.contoso.test", when);
        let (head, below) = text.split_once('\n').unwrap();
        let fields: Vec<_> = head.split('\t').collect();
        assert_eq!(fields.len(), 13, "{text}");
        assert_eq!(
            fields[..5],
            ["W99P0SFR", "1017", "1998.3.2 9:05:07", "ims.contoso.test", "mx. partner.test"]
        );
        assert_eq!(
            fields[6..],
            ["eve@fabrikam.test", "1", "4096", "0", "1", "ND9X2LS1", recipients.len().to_string().as_str()]
        );
        assert!(
            below.starts_with("bob@contoso.test\t1\n") && below.lines().count() == recipients.len(),
            "{text}"
        );
        assert_eq!(file_name(day(when)), "19980302.log");
    }

    proptest! {
        #[test]
        fn no_content_and_no_name_breaks_a_record(content: Vec<u8>, partner: String) {
            for content in [content.clone(), [&b"Message-ID: <"[..], &content, b">\r\nImportance: "].concat()] {
                let facts = Facts::of(&content, 1);
                let (id, from) = ("W99P0SFR".parse().unwrap(), ReversePath::Null);
                let record = Record {
                    step: Step::ReceivedInbound,
                    id: &id,
                    partner: &partner,
                    from: &from,
                    facts: &facts,
                    report: None,
                    recipients: &[],
                    delivered: None,
                };
                let text = record.text("ims.contoso.test", Timestamp::UNIX_EPOCH);
                prop_assert_eq!((text.matches('\t').count(), text.matches('\n').count()), (12, 1));
            }
        }
    }

    #[test]
    fn what_the_content_does_not_say_is_empty() {
        assert_eq!(Facts::of(b"", 0), Facts::default());
        assert_eq!(Facts::of(b"X-Priority: 5 (lowest)\r\n\r\n", 1).priority, -1);
        assert_eq!(Facts::of(b"Importance: normal\r\nX-Priority: 1\r\n\r\n", 1).priority, 0);
    }
}
