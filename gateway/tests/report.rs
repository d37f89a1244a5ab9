//! Reports, read back as a mail reader would read them.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use gateway::address::ReversePath;
use gateway::dsn::{DsnRequest, RecipientRequest};
use gateway::envelope::{Envelope, Origin, SpoolId};
use gateway::exception::filter;
use gateway::release::Release;
use gateway::report::{
    Category, Direction, Failure, Identity, NonDelivery, Notification, RETURN_LIMIT, Reason, RemoteReply,
    Report,
};
use jiff::Timestamp;
use mail_parser::{Message, MessageParser, MimeHeaders};

const ORIGINAL: &[u8] = b"From: Ann <ann@sender.test>\r\n\
    To: Bob <bob@example.com>, carol@example.com\r\n\
    Subject: Minutes\r\n\
    Date: Mon, 5 Jan 1998 19:31:00 +0100\r\n\
    Message-ID: <m1@sender.test>\r\n\
    \r\n\
    The minutes.\r\n";

fn identity(release: Release) -> Identity {
    Identity {
        host: "gw.example.com".parse().unwrap(),
        organization: "NNN".into(),
        site: "KIJITORACAT".into(),
        server: "NEKO".into(),
        postmaster: "postmaster@example.com".parse().unwrap(),
        release,
    }
}

fn envelope(account: Option<&str>) -> Envelope {
    Envelope {
        reverse_path: ReversePath::Mailbox("ann@sender.test".parse().unwrap()),
        recipients: vec!["bob@example.com".parse().unwrap()],
        received: "1998-01-05T18:31:05Z".parse().unwrap(),
        next_hop: None,
        dsn: DsnRequest::default(),
        is_international: false,
        origin: Origin::Client {
            address: "192.0.2.7".parse().unwrap(),
            helo: "mail.sender.test".into(),
            account: account.map(str::to_owned),
        },
    }
}

fn failed(recipient: &str, why: Reason) -> Failure {
    Failure { recipient: recipient.parse().unwrap(), why }
}

fn now() -> Timestamp {
    "1998-01-05T20:01:00Z".parse().unwrap()
}

fn id() -> SpoolId {
    "ND9X2LS1".parse().unwrap()
}

fn non_delivery(original: &Envelope, content: &[u8], failures: &[Failure]) -> Option<Report> {
    let reporter = identity(Release::V55Rtm);
    NonDelivery { original, content, failures, reporter: &reporter, id: &id(), when: now() }.compose()
}

fn unknown_recipient(content: &[u8]) -> Report {
    non_delivery(&envelope(None), content, &[failed("bob@example.com", Reason::UnknownRecipient)]).unwrap()
}

fn notification(
    release: Release,
    category: Category,
    original: &Envelope,
    content: Option<&[u8]>,
) -> Option<Report> {
    let sender = original.reverse_path.clone();
    Notification {
        administrator: &"admin@example.com".parse().unwrap(),
        direction: Direction::Inbound,
        category,
        original,
        content,
        failures: &[failed("bob@example.com", Reason::MailboxNotLocal { sender })],
        reporter: &identity(release),
        id: &id(),
        when: now(),
    }
    .compose()
}

fn read(report: &Report) -> Message<'_> {
    MessageParser::new().parse(&report.content).unwrap()
}

fn header<'a>(message: &'a Message<'_>, name: &'static str) -> &'a str {
    message.header_raw(name).unwrap_or_default().trim()
}

/// The content of the part at `index`, counted from the first below the multipart.
fn part(message: &Message<'_>, index: usize) -> String {
    String::from_utf8_lossy(message.parts[index + 1].contents()).into_owned()
}

#[test]
fn a_report_goes_from_nobody_to_the_sender_and_answers_the_message() {
    let report = unknown_recipient(ORIGINAL);
    assert_eq!(report.envelope.reverse_path, ReversePath::Null);
    assert_eq!(report.envelope.recipients, ["ann@sender.test".parse().unwrap()]);
    assert_eq!(report.envelope.origin, Origin::Gateway);

    let message = read(&report);
    assert_eq!(header(&message, "From"), "\"System Administrator\" <postmaster@example.com>");
    assert_eq!(header(&message, "To"), "<ann@sender.test>");
    assert_eq!(message.subject(), Some("Undeliverable: Minutes"));
    assert_eq!(header(&message, "Date"), "Mon, 5 Jan 1998 20:01:00 +0000");
    assert_eq!(header(&message, "In-Reply-To"), "<m1@sender.test>");
    assert_eq!(header(&message, "References"), "<m1@sender.test>");
    assert_eq!(header(&message, "Auto-Submitted"), "auto-replied");
    assert_eq!(header(&message, "X-Mailer"), "Internet Mail Service (5.5.1960.3)");
    assert!(message.message_id().unwrap().ends_with("ND9X2LS1@gw.example.com"));
}

#[test]
fn a_report_has_a_text_a_status_and_the_message() {
    let report = unknown_recipient(ORIGINAL);
    let message = read(&report);
    let kind = message.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("report")));
    assert_eq!(kind.attribute("report-type"), Some("delivery-status"));
    let types: Vec<_> =
        message.parts[1..].iter().map(|part| part.content_type().unwrap().subtype().unwrap()).collect();
    assert_eq!(types, ["plain", "delivery-status", "rfc822"]);
    let end = [ORIGINAL, b"\r\n------_=_NextPart_000_ND9X2LS1--\r\n"].concat();
    assert!(report.content.ends_with(&end), "the message is returned to the byte");
}

#[test]
fn the_text_of_a_report_is_worded_as_the_original_worded_it() {
    let two = [
        failed("bob@example.com", Reason::UnknownRecipient),
        failed("carol@nowhere.test", Reason::HostUnknown),
    ];
    let report = non_delivery(&envelope(None), ORIGINAL, &two).unwrap();
    let expected = "\
Your message

  To:      bob@example.com,
           carol@example.com
  Subject: Minutes
  Sent:    Mon, 5 Jan 1998 19:31:00 +0100

did not reach the following recipient(s):

bob@example.com on Mon, 5 Jan 1998 20:01:00 +0000
    The recipient name is not recognized
    MSEXCH:IMS:NNN:KIJITORACAT:NEKO 0 (000C05A6) Unknown Recipient
carol@nowhere.test on Mon, 5 Jan 1998 20:01:00 +0000
    The recipient name is not recognized
    MSEXCH:IMS:NNN:KIJITORACAT:NEKO 3902 Host Unknown
";
    assert_eq!(part(&read(&report), 0), expected.replace('\n', "\r\n"));
}

#[test]
fn the_status_says_for_each_recipient_what_failed_and_who_said_so() {
    let reply = RemoteReply { host: "mx.nowhere.test".into(), code: 550, text: "5.7.1 No relaying".into() };
    let two = [
        failed("bob@example.com", Reason::Expired { retries: 12, last: None, shortfall: None }),
        failed("carol@nowhere.test", Reason::Refused(reply)),
    ];
    let report = non_delivery(&envelope(None), ORIGINAL, &two).unwrap();
    let expected = "\
Reporting-MTA: dns; gw.example.com
Arrival-Date: Mon, 5 Jan 1998 18:31:05 +0000

Final-Recipient: rfc822; bob@example.com
Action: failed
Status: 4.4.7

Final-Recipient: rfc822; carol@nowhere.test
Action: failed
Status: 5.7.1
Remote-MTA: dns; mx.nowhere.test
Diagnostic-Code: smtp; 550 5.7.1 No relaying
";
    let message = read(&report);
    assert_eq!(part(&message, 1), expected.replace('\n', "\r\n"));
    assert!(part(&message, 0).contains(" 3550 550 5.7.1 No relaying\r\n"), "{}", part(&message, 0));
}

#[test]
fn the_same_failure_gives_the_same_bytes() {
    assert_eq!(unknown_recipient(ORIGINAL), unknown_recipient(ORIGINAL));
}

#[test]
fn a_report_is_never_reported_on() {
    let null = Envelope { reverse_path: ReversePath::Null, ..envelope(None) };
    let failure = [failed("bob@example.com", Reason::UnknownRecipient)];
    assert_eq!(non_delivery(&null, ORIGINAL, &failure), None);
    let own = Envelope { origin: Origin::Gateway, ..null };
    assert_eq!(notification(Release::Current, Category::AddressNotFound, &own, Some(ORIGINAL)), None);
}

#[test]
fn of_a_large_message_only_the_header_comes_back() {
    let large = [ORIGINAL, &b"All of it.\r\n".repeat(RETURN_LIMIT / 12)].concat();
    let report = unknown_recipient(&large);
    let message = read(&report);
    assert_eq!(message.parts[3].content_type().unwrap().subtype(), Some("rfc822-headers"));
    assert!(part(&message, 2).ends_with("Message-ID: <m1@sender.test>\r\n"), "{}", part(&message, 2));

    let header_only = b"X-Filler: 0123456789\r\n".repeat(RETURN_LIMIT / 10);
    assert!(unknown_recipient(&header_only).content.len() < RETURN_LIMIT + 4096);
}

#[test]
fn an_encoded_subject_is_decoded_and_encoded_again() {
    let report = unknown_recipient(b"Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n\r\n");
    assert_eq!(read(&report).subject(), Some("Undeliverable: Grüße"));
    assert!(part(&read(&report), 0).contains("  Subject: Grüße\r\n"));
    let header =
        report.content.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"Subject:")).unwrap();
    assert!(header.is_ascii());
}

#[test]
fn a_hostile_subject_adds_no_header_and_no_long_line() {
    let encoded_line_end = b"Subject: =?utf-8?Q?x=0D=0ABcc:_eve@evil.test=0D=0A=0D=0Abody?=\r\n\r\n".to_vec();
    let bare_line_end = b"Subject: x\rBcc: eve@evil.test\r\n\r\n".to_vec();
    let raw_octets = b"Subject: \xff\xfe\x00\x1b[2J\r\n\r\n".to_vec();
    let long = [b"Subject: ".to_vec(), b"z".repeat(1000), b"\r\n\r\n".to_vec()].concat();
    for content in [encoded_line_end, bare_line_end, raw_octets, long] {
        let report = unknown_recipient(&content);
        let message = read(&report);
        assert_eq!(message.parts.len(), 4);
        assert_eq!(message.bcc(), None);
        let subject = message.subject().unwrap();
        assert!(subject.starts_with("Undeliverable: ") && !subject.contains(char::is_control), "{subject:?}");

        let header_end = report.content.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let header = std::str::from_utf8(&report.content[..header_end]).unwrap();
        assert!(header.is_ascii() && header.split("\r\n").all(|line| line.len() <= 78), "{header}");
    }
}

#[test]
fn a_hostile_address_or_reply_adds_no_field_to_the_status() {
    let text = "no\r\nAction: delivered\r\n\u{fc}".to_owned();
    let reply = RemoteReply { host: "mx\r\nStatus: 2.0.0".into(), code: 554, text };
    let failure = [failed("bob@x.test", Reason::Refused(reply))];
    let report = non_delivery(&envelope(None), b"Message-ID: <a\x07b@c>\r\n\r\n", &failure).unwrap();
    let status = part(&read(&report), 1);
    assert!(status.is_ascii());
    assert_eq!(status.matches("\r\nAction:").count(), 1, "{status}");
    assert_eq!(status.matches("\r\nStatus:").count(), 1, "{status}");
    assert_eq!(read(&report).header("In-Reply-To"), None);
}

#[test]
fn a_message_without_a_header_is_still_reported() {
    for content in [&b""[..], b"\r\n", b"\r\nno header\r\n", b"no colon anywhere"] {
        let report = unknown_recipient(content);
        assert_eq!(read(&report).subject(), Some("Undeliverable: (none)"));
    }
}

#[test]
fn the_administrator_reads_who_sent_the_message_and_why_it_failed() {
    let report =
        notification(Release::Current, Category::SubmissionRefused, &envelope(None), Some(ORIGINAL)).unwrap();
    assert_eq!(report.envelope.reverse_path, ReversePath::Null);
    assert_eq!(report.envelope.recipients, ["admin@example.com".parse().unwrap()]);
    let message = read(&report);
    let subject = "Notification: Inbound Mail Failure - The client may not submit this message.";
    assert_eq!(message.subject(), Some(subject));
    let expected = "\
The client may not submit this message.

  Client:  mail.sender.test (192.0.2.7)
  Account: not authenticated
  Sender:  <ann@sender.test>
  To:      bob@example.com,
           carol@example.com
  Subject: Minutes
  Sent:    Mon, 5 Jan 1998 19:31:00 +0100

The message did not reach the following recipient(s):

bob@example.com on Mon, 5 Jan 1998 20:01:00 +0000
    The sender may not submit messages to this server
    MSEXCH:IMS:NNN:KIJITORACAT:NEKO 3554 554 Mailbox is not local: <ann@sender.test>
";
    assert_eq!(part(&message, 0), expected.replace('\n', "\r\n"));
    let attached = message.parts[2].message().unwrap();
    assert_eq!(attached.subject(), Some("Minutes"));
}

#[test]
fn a_notification_names_the_account_of_a_client_that_authenticated() {
    let report =
        notification(Release::V55Rtm, Category::SubmissionRefused, &envelope(Some("NT\\ann")), None).unwrap();
    assert!(read(&report).body_text(0).unwrap().contains("  Account: NT\\ann\r\n"));
}

#[tokio::test]
async fn only_5_5_rtm_faults_on_a_refused_client_that_did_not_authenticate() {
    for release in Release::ALL {
        let original = envelope(None);
        let compose = async { notification(release, Category::SubmissionRefused, &original, Some(ORIGINAL)) };
        let shown = filter(compose).await.map(|report| report.is_some()).map_err(|fault| fault.to_string());
        let expected = match release {
            Release::V55Rtm => Err("Code: 0xc0000005 Flags: 0x00000000 Address: 0x00462f42".to_owned()),
            _ => Ok(true),
        };
        assert_eq!(shown, expected, "{release}");
    }
}

#[tokio::test]
async fn the_defect_is_in_the_refusal_and_in_no_other_notification() {
    let original = envelope(None);
    let other = async { notification(Release::V55Rtm, Category::AddressNotFound, &original, Some(ORIGINAL)) };
    let report = filter(other).await.unwrap().unwrap();
    assert!(!part(&read(&report), 0).contains("Account:"));
}

#[test]
fn a_recipient_that_the_sender_knows_is_left_out_where_it_is_too_long_in_ascii() {
    for (octets, is_said) in [(80, true), (245, false)] {
        let mut original = envelope(None);
        let known = format!("utf-8;{}", "\u{fc}".repeat(octets)).parse().unwrap();
        let request = RecipientRequest { notify: None, original: Some(known) };
        original.dsn.ask(&original.recipients[0], request, false);
        let failures = [failed("bob@example.com", Reason::UnknownRecipient)];
        let report = non_delivery(&original, ORIGINAL, &failures).unwrap();
        let content = String::from_utf8(report.content).unwrap();
        assert_eq!(content.contains("Original-Recipient: utf-8; \\x{FC}"), is_said, "{content}");
        assert!(content.lines().all(|line| line.len() <= 998), "{content}");
    }
}
