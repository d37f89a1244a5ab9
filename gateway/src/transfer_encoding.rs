//! Octets in ASCII, as the body of a part may have them (RFC 2045, 6).
//!
//! This module knows no part, and decodes nothing.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// How many octets one line of base64 stands for: 76 characters (RFC 2045, 6.8).
const BASE64_LINE: usize = 57;

/// The longest line of quoted-printable, without its end (RFC 2045, 6.7).
const QUOTED_LINE: usize = 76;

/// Octets in base64, in lines that all end.
pub(crate) fn base64(text: &[u8]) -> Vec<u8> {
    let line = |octets| format!("{}\r\n", BASE64_STANDARD.encode(octets));
    text.chunks(BASE64_LINE).map(line).collect::<String>().into_bytes()
}

/// Text in quoted-printable. Its lines stay what they are.
pub(crate) fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.windows(2).position(|octets| octets == b"\r\n");
        quote_line(&rest[..end.unwrap_or(rest.len())], &mut lines);
        match end {
            Some(end) => {
                lines.extend_from_slice(b"\r\n");
                rest = &rest[end + 2..];
            }
            None => return lines,
        }
    }
}

/// One line, broken softly where it is too long.
fn quote_line(line: &[u8], lines: &mut Vec<u8>) {
    let mut length = 0;
    for (at, octet) in line.iter().enumerate() {
        let is_last = at + 1 == line.len();
        let stands = matches!(octet, b'!'..=b'<' | b'>'..=b'~') || !is_last && matches!(octet, b' ' | b'\t');
        let quoted = if stands { vec![*octet] } else { format!("={octet:02X}").into_bytes() };
        if length + quoted.len() >= QUOTED_LINE {
            lines.extend_from_slice(b"=\r\n");
            length = 0;
        }
        length += quoted.len();
        lines.extend(quoted);
    }
}
