use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mail_parser::MessageParser;
use proptest::prelude::*;

use super::add;

const TEXT: &str = "-- \nSome & <others>";

fn added(message: &str, text: &str) -> Option<String> {
    let content = add(message.as_bytes(), None, Some(text))?;
    Some(String::from_utf8(content).unwrap())
}

fn part(kind: &str, encoding: &str, body: &str) -> String {
    format!(
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}"
    )
}

#[test]
fn text_is_put_behind_the_text_and_before_it() {
    let message = "Subject: x\r\n\r\nHello.\r\n";
    let with = add(message.as_bytes(), Some("Before\n"), Some("After"));
    assert_eq!(with.unwrap(), b"Subject: x\r\n\r\nBefore\r\nHello.\r\nAfter\r\n");
    assert_eq!(added("Subject: x\r\n\r\n", "After").unwrap(), "Subject: x\r\n\r\nAfter\r\n");
}

#[test]
fn what_has_the_text_has_it_once() {
    let once = added("Subject: x\r\n\r\nHello.\r\n", TEXT).unwrap();
    assert_eq!(added(&once, TEXT), None);
    let html = added(&part("text/html", "7bit", "<body>Hello</body>\r\n"), TEXT).unwrap();
    assert_eq!(added(&html, TEXT), None);
}

#[test]
fn html_has_it_as_html_within_its_body() {
    let with = added(&part("text/html", "7bit", "<HTML><BODY bgcolor=x>Hello</BODY></HTML>\r\n"), "\u{fc}<>")
        .unwrap();
    assert!(with.ends_with("<BODY bgcolor=x>Hello<p>&#252;&lt;&gt;</p>\r\n</BODY></HTML>\r\n"), "{with}");
    let before = add(with.as_bytes(), Some("First"), None).unwrap();
    assert!(String::from_utf8(before).unwrap().contains("<BODY bgcolor=x>\r\n<p>First</p>Hello"));
}

#[test]
fn each_alternative_has_it_and_what_is_no_text_is_untouched() {
    let message = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\npreamble\r\n\
        --o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\nContent-Type: text/plain\r\n\r\nHello\r\n\
        --i\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n--i--\r\n\
        --o\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nnotes\r\n\
        --o\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\ninner\r\n--o--\r\nepilogue\r\n";
    let expected = message
        .replace("\r\n\r\nHello\r\n--i", "\r\n\r\nHello\r\nBye\r\n--i")
        .replace("<p>Hello</p>\r\n--i", "<p>Hello</p>\r\n<p>Bye</p>\r\n--i");
    assert_eq!(added(message, "Bye").unwrap(), expected);
}

#[test]
fn what_is_signed_or_encrypted_or_a_report_is_untouched() {
    for kind in ["signed", "encrypted", "report", "unheard-of"] {
        let message = format!(
            "Subject: x\r\nContent-Type: multipart/{kind}; boundary=o\r\n\r\n--o\r\nContent-Type: text/plain\r\n\r\nHello\r\n--o--\r\n"
        );
        assert_eq!(added(&message, TEXT), None, "{kind}");
        let within = format!(
            "Subject: x\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/{kind}; boundary=o\r\n\r\n\
             --o\r\nContent-Type: text/plain\r\n\r\nHello\r\n--o--\r\n--m--\r\n"
        );
        assert_eq!(added(&within, TEXT), None, "{kind}");
    }
    for kind in
        ["application/pkcs7-mime; smime-type=signed-data", "message/rfc822", "image/png", "text/calendar"]
    {
        assert_eq!(added(&part(kind, "7bit", "x\r\n"), TEXT), None, "{kind}");
    }
    assert_eq!(added("Subject: x\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHello\r\n", TEXT), None);
}

#[test]
fn what_the_charset_or_the_encoding_cannot_say_is_not_said() {
    let latin = "text/plain; charset=ISO-8859-1";
    for (kind, encoding, text, fits) in [
        ("text/plain; charset=utf-8", "8bit", "gr\u{fc}n", true),
        ("text/plain; charset=utf-8", "7bit", "gr\u{fc}n", false),
        ("text/plain; charset=utf-8", "quoted-printable", "gr\u{fc}n", true),
        (latin, "quoted-printable", "gr\u{fc}n", true),
        (latin, "quoted-printable", "\u{65e5}", false),
        ("text/plain", "8bit", "gr\u{fc}n", false),
        ("text/plain; charset=iso-2022-jp", "7bit", "plain", false),
        ("text/plain; charset=utf-16", "base64", "plain", false),
        ("text/plain; charset=koi8-r", "8bit", "plain", true),
        ("text/plain", "x-unknown", "plain", false),
    ] {
        let body = if encoding == "base64" { "SGVsbG8NCg==\r\n" } else { "Hello\r\n" };
        assert_eq!(added(&part(kind, encoding, body), text).is_some(), fits, "{kind}, {encoding}, {text}");
    }
}

#[test]
fn an_encoded_body_stays_encoded() {
    let quoted = added(
        &part("text/plain; charset=iso-8859-1", "quoted-printable", "Gr=FC=DFe =\r\nan alle =20\r\n"),
        "gr\u{fc}n",
    )
    .unwrap();
    assert!(quoted.ends_with("\r\n\r\nGr=FC=DFe an alle =20\r\ngr=FCn\r\n"), "{quoted}");
    let base64 = added(&part("text/plain", "base64", "SGVsbG8NCg==\r\n"), "Bye").unwrap();
    assert!(base64.ends_with("\r\n\r\nSGVsbG8NCkJ5ZQ0K\r\n"), "{base64}");
}

#[test]
fn base64_that_is_not_quite_right_is_left_alone() {
    for body in ["A0", "SGVsbG8NCg", "SGVs\u{e4}bG8NCg==", "SGVsbG8NCg==SGVsbG8NCg=="] {
        assert_eq!(added(&part("text/plain", "base64", body), "Bye"), None, "{body}");
    }
}

#[test]
fn no_line_becomes_too_long() {
    let html = part("text/html", "7bit", &format!("{}</body>\r\n", "a".repeat(900)));
    assert!(added(&html, &"b".repeat(80)).is_some());
    assert_eq!(added(&html, &"b".repeat(100)), None);
    assert_eq!(added(&part("text/html", "7bit", "a\r\n"), &"<".repeat(300)), None);
}

proptest! {
    #[test]
    fn no_message_panics(content: Vec<u8>, header in "[ -~]{0,40}") {
        let _ = add(&content, Some("a"), Some("b"));
        let message = [format!("Content-Type: {header}\r\n\r\n").as_bytes(), &content].concat();
        let _ = add(&message, Some("a"), Some("b"));
    }

    #[test]
    fn a_text_says_what_it_said_and_the_rest(text in "[ -~\u{e4}-\u{ff}\r\n]{0,300}", encoding in 0..3usize) {
        let text = text.replace('\r', "").replace('\n', "\r\n");
        let quoted = |line: &str| line.bytes().map(|octet| format!("={octet:02X}")).collect::<Vec<_>>();
        let (encoding, body) = match encoding {
            0 => ("8bit", text),
            1 => {
                let lines = text.split("\r\n").map(|line| {
                    quoted(line).chunks(20).map(<[String]>::concat).collect::<Vec<_>>().join("=\r\n")
                });
                ("quoted-printable", lines.collect::<Vec<_>>().join("\r\n"))
            }
            _ => ("base64", BASE64_STANDARD.encode(text)),
        };
        let message = part("text/plain; charset=utf-8", encoding, &body).into_bytes();
        let before = MessageParser::new().parse(&message).unwrap().body_text(0).unwrap().into_owned();
        if let Some(with) = add(&message, None, Some("gr\u{fc}n")) {
            let after = MessageParser::new().parse(&with).unwrap().body_text(0).unwrap().into_owned();
            // The text begins a line of its own, behind what was there.
            let own = after.trim_end().strip_suffix("gr\u{fc}n").unwrap();
            prop_assert!(own.is_empty() || own.ends_with("\r\n"));
            prop_assert_eq!(own.trim_end_matches("\r\n"), before.trim_end_matches("\r\n"));
            prop_assert_eq!(add(&with, None, Some("gr\u{fc}n")), None);
        }
    }
}
