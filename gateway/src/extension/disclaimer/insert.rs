//! Text put into the body of a part: in the part's charset and transfer encoding, and with nothing else changed in what it
//! says. Where the text cannot be said in them the part stays as it is.
//!
//! This module knows no message.

use mail_parser::decoders::quoted_printable::quoted_printable_decode;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::LINE_LIMIT;
use super::text_parts::{Encoding, TextPart};
use crate::transfer_encoding::{base64, quoted_printable};

/// What begins a text that is signed or encrypted within itself (RFC 9580, 6.2.1).
const BEGIN_PGP: &[u8] = b"-----BEGIN PGP ";

/// The body with the text in it; nothing if it has the text already, or cannot have it.
pub(super) fn into(
    part: &TextPart,
    body: &[u8],
    prepend: Option<&str>,
    append: Option<&str>,
) -> Option<Vec<u8>> {
    let text = match part.encoding {
        Encoding::Plain { .. } => body.to_vec(),
        Encoding::QuotedPrintable => quoted_printable_decode(body)?,
        Encoding::Base64 => from_base64(body)?,
    };
    if find(&text, BEGIN_PGP).is_some() {
        return None;
    }
    let mut with = text.clone();
    if let Some(append) = append {
        let said = said(part, append)?;
        if part.is_html { append_to_html(&mut with, &said) } else { append_to_text(&mut with, &said) }
    }
    if let Some(prepend) = prepend {
        let said = said(part, prepend)?;
        if part.is_html { prepend_to_html(&mut with, &said) } else { prepend_to_text(&mut with, &said) }
    }
    if with == text {
        return None;
    }
    Some(match part.encoding {
        // It may have come into a line that was there.
        Encoding::Plain { .. } if with.split(|octet| *octet == b'\n').any(is_too_long) => return None,
        Encoding::Plain { .. } => with,
        Encoding::QuotedPrintable => quoted_printable(&with),
        Encoding::Base64 => base64(&with),
    })
}

/// The text as the part says it, without a line end at its end; nothing if it has no way to.
fn said(part: &TextPart, text: &str) -> Option<Vec<u8>> {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    if part.is_html {
        let text = lines.iter().map(|line| in_html(line)).collect::<Vec<_>>().join("<br>\r\n");
        return is_ascii_based(&part.charset).then(|| format!("<p>{text}</p>").into_bytes());
    }
    let text = lines.join("\r\n");
    if text.is_ascii() {
        return is_ascii_based(&part.charset).then(|| text.into_bytes());
    }
    let is_encoded = part.encoding != Encoding::Plain { eight_bit: false };
    match part.charset.as_str() {
        _ if !is_encoded => None,
        "utf-8" | "utf8" => Some(text.into_bytes()),
        "iso-8859-1" | "latin1" => text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect(),
        _ => None,
    }
}

/// Whether the octets of ASCII mean ASCII in a charset, wherever they stand.
fn is_ascii_based(charset: &str) -> bool {
    !["utf-16", "utf-32", "utf-7", "ucs-", "iso-2022-", "iso-10646-", "hz-"]
        .iter()
        .any(|other| charset.starts_with(other))
}

/// A line of text in HTML, all of it in ASCII.
fn in_html(line: &str) -> String {
    let one = |c: char| match c {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        c if c.is_ascii() => c.to_string(),
        c => format!("&#{};", u32::from(c)),
    };
    line.chars().map(one).collect()
}

fn append_to_text(text: &mut Vec<u8>, said: &[u8]) {
    if text.trim_ascii_end().ends_with(said) {
        return;
    }
    let begins_a_line = text.is_empty() || text.ends_with(b"\n");
    text.extend_from_slice(if begins_a_line { b"" } else { b"\r\n" });
    text.extend_from_slice(said);
    // What ended in a line end does so now.
    text.extend_from_slice(if begins_a_line { b"\r\n" } else { b"" });
}

fn prepend_to_text(text: &mut Vec<u8>, said: &[u8]) {
    if !text.starts_with(said) {
        text.splice(0..0, [said, b"\r\n"].concat());
    }
}

fn append_to_html(html: &mut Vec<u8>, said: &[u8]) {
    if find(html, said).is_some() {
        return;
    }
    let lower = html.to_ascii_lowercase();
    let end = ["</body", "</html"].into_iter().find_map(|tag| rfind(&lower, tag.as_bytes()));
    match end {
        Some(at) => drop(html.splice(at..at, [said, b"\r\n"].concat())),
        None => append_to_text(html, said),
    }
}

fn prepend_to_html(html: &mut Vec<u8>, said: &[u8]) {
    if find(html, said).is_some() {
        return;
    }
    let lower = html.to_ascii_lowercase();
    let tag = find(&lower, b"<body");
    let after = tag.and_then(|at| Some(at + lower[at..].iter().position(|octet| *octet == b'>')? + 1));
    match after {
        Some(at) => drop(html.splice(at..at, [b"\r\n", said].concat())),
        None => prepend_to_text(html, said),
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|octets| octets == wanted)
}

fn rfind(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).rposition(|octets| octets == wanted)
}

fn is_too_long(line: &[u8]) -> bool {
    line.strip_suffix(b"\r").unwrap_or(line).len() > LINE_LIMIT
}

/// What base64 stands for; nothing if it is not quite right, when others may read it otherwise.
fn from_base64(body: &[u8]) -> Option<Vec<u8>> {
    let body: Vec<u8> = body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(body).ok()
}
