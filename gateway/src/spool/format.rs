//! The form of a spool file, readable by eye.
//!
//! ```text
//! ImCr 1                                      marker and version of the form
//! {"reverse_path":{"mailbox":"a@b.example"},… the envelope: JSON on one line
//! EwLs                                        marker: the content begins after this line
//! Received: from …                            the content, byte for byte
//! …
//! ImEd 00000000000000001207 5f3a90c1          the footer
//! ```
//!
//! All but the content is text in lines that end in LF: ASCII, but for addresses past it, which are in UTF-8. The footer is the last 36 bytes: LF, `ImEd`, space, the
//! length of the content in bytes as 20 decimal digits, space, a CRC-32 (IEEE) as eight lower-case hexadecimal
//! digits, LF. The CRC is of every byte before its own digits. The LF that begins the footer is not of the content.
//!
//! A file cut short has no footer, or one that belongs to something else and whose length and CRC then do not
//! fit; so a torn file is never taken for a message. `ImCr` and `EwLs` are the markers around the envelope of the
//! original (Q190709), whose envelope was binary; the rest is ours.
//!
//! This module knows no disk.

use std::ops::Range;

use crc32fast::Hasher;

use super::Message;
use crate::envelope::Envelope;

const VERSION: &str = "1";
const FOOTER: usize = 36;

/// What is wrong with a file that is not a sound message.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Damage {
    /// It is something else.
    #[error("it does not begin with `ImCr`, so it is no spool file")]
    Foreign,
    /// Another release wrote it.
    #[error("it is in version {0:?} of the form, and this release reads version `{VERSION}`")]
    UnknownVersion(String),
    /// Its end is missing.
    #[error("it is truncated: it does not end in a footer")]
    Truncated,
    /// Something in the middle is missing, or too much.
    #[error("it is torn: the footer says {stated} bytes of content, and there are {found}")]
    Torn {
        /// What the footer says.
        stated: u64,
        /// What there is.
        found: u64,
    },
    /// Bytes have changed.
    #[error("its checksum does not fit: some of its bytes have changed")]
    Checksum,
    /// The bytes are those that were written, and the envelope still cannot be read.
    #[error("its envelope cannot be read: {0}")]
    Envelope(String),
}

/// Writes one message: what comes before the content, and afterwards the footer.
pub(super) struct Encoder {
    crc: Hasher,
    length: u64,
}

impl Encoder {
    /// Begins a message; the bytes are those that come before its content.
    pub(super) fn begin(envelope: &Envelope) -> (Self, Vec<u8>) {
        let envelope = serde_json::to_string(envelope).expect("an envelope is made of what JSON can hold");
        let head = format!("ImCr {VERSION}\n{envelope}\nEwLs\n").into_bytes();
        let mut crc = Hasher::new();
        crc.update(&head);
        (Encoder { crc, length: 0 }, head)
    }

    /// Takes note of content that is being written.
    pub(super) fn content(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.length += bytes.len() as u64;
    }

    /// How much content there was so far.
    pub(super) fn octets(&self) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX)
    }

    /// The bytes that come after the content.
    pub(super) fn footer(&self) -> Vec<u8> {
        let mut footer = format!("\nImEd {:020} ", self.length);
        let mut crc = self.crc.clone();
        crc.update(footer.as_bytes());
        footer.push_str(&format!("{:08x}\n", crc.finalize()));
        footer.into_bytes()
    }
}

/// Reads a whole file.
///
/// # Errors
/// What is wrong with it.
pub fn decode(file: &[u8]) -> Result<Message, Damage> {
    into_message(file.to_vec())
}

/// The same, in the memory that the file has.
///
/// # Errors
/// What is wrong with it.
pub(super) fn into_message(mut file: Vec<u8>) -> Result<Message, Damage> {
    let (envelope, content) = take_apart(&file)?;
    file.truncate(content.end);
    file.drain(..content.start);
    Ok(Message { envelope, content: file })
}

/// The envelope in a file, and where its content is.
fn take_apart(file: &[u8]) -> Result<(Envelope, Range<usize>), Damage> {
    let start: &[u8] = b"ImCr ";
    let Some(rest) = file.strip_prefix(start) else {
        return Err(if start.starts_with(file) { Damage::Truncated } else { Damage::Foreign });
    };
    let (version, rest) = line(rest)?;
    if version != VERSION.as_bytes() {
        return Err(Damage::UnknownVersion(String::from_utf8_lossy(version).into_owned()));
    }
    let (rest, footer) = rest.split_last_chunk::<FOOTER>().ok_or(Damage::Truncated)?;
    let stated = stated_length(footer).ok_or(Damage::Truncated)?;
    let (envelope, rest) = line(rest)?;
    let (marker, content) = line(rest)?;

    let mut encoder = Encoder { crc: Hasher::new(), length: 0 };
    encoder.crc.update(&file[..file.len() - FOOTER - content.len()]);
    encoder.content(content);
    if stated != encoder.length {
        return Err(Damage::Torn { stated, found: encoder.length });
    }
    if encoder.footer() != footer {
        return Err(Damage::Checksum);
    }
    if marker != b"EwLs" {
        return Err(Damage::Envelope("no `EwLs` after it".to_owned()));
    }
    let envelope = serde_json::from_slice(envelope).map_err(|error| Damage::Envelope(error.to_string()))?;
    let end = file.len() - FOOTER;
    Ok((envelope, end - content.len()..end))
}

/// The first line without its LF, and what follows.
fn line(bytes: &[u8]) -> Result<(&[u8], &[u8]), Damage> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(Damage::Truncated)?;
    Ok((&bytes[..end], &bytes[end + 1..]))
}

/// The length that a footer states, if these bytes have the form of one.
fn stated_length(footer: &[u8; FOOTER]) -> Option<u64> {
    let text = std::str::from_utf8(footer).ok()?;
    let (length, crc) = text.strip_prefix("\nImEd ")?.strip_suffix('\n')?.split_once(' ')?;
    if length.len() != 20 || crc.len() != 8 {
        return None;
    }
    length.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::address::ReversePath;
    use crate::dsn::DsnRequest;
    use crate::envelope::Origin;

    fn envelope() -> Envelope {
        Envelope {
            reverse_path: ReversePath::Mailbox("ann@a.example".parse().unwrap()),
            recipients: vec!["\"b b\"@b.example".parse().unwrap()],
            received: "1998-03-02T09:30:00Z".parse().unwrap(),
            origin: Origin::Gateway,
            next_hop: None,
            dsn: DsnRequest::default(),
            is_international: false,
        }
    }

    fn encode(content: &[u8]) -> Vec<u8> {
        let (mut encoder, mut file) = Encoder::begin(&envelope());
        encoder.content(content);
        file.extend_from_slice(content);
        file.extend(encoder.footer());
        file
    }

    #[test]
    fn a_spool_file_can_be_read_by_eye() {
        let envelope = concat!(
            r#"{"reverse_path":{"mailbox":"ann@a.example"},"recipients":["\"b b\"@b.example"],"#,
            r#""received":"1998-03-02T09:30:00Z","origin":"gateway"}"#
        );
        let file = encode(b"Subject: hello\r\n\r\nHello.\r\n");
        let before =
            format!("ImCr 1\n{envelope}\nEwLs\nSubject: hello\r\n\r\nHello.\r\n\nImEd 00000000000000000026 ");
        let crc = crc32fast::hash(before.as_bytes());
        assert_eq!(String::from_utf8_lossy(&file), format!("{before}{crc:08x}\n"));
    }

    #[test]
    fn a_file_of_before_there_were_international_messages_is_read() {
        let old = concat!(
            r#"{"reverse_path":{"mailbox":"ann@a.example"},"recipients":["b@b.example"],"#,
            r#""received":"1998-03-02T09:30:00Z","origin":"gateway"}"#
        );
        assert!(!serde_json::from_str::<Envelope>(old).unwrap().is_international);
        let unicode = Envelope {
            recipients: vec!["j\u{fc}rgen@b\u{fc}cher.example".parse().unwrap()],
            is_international: true,
            ..envelope()
        };
        let (mut encoder, mut file) = Encoder::begin(&unicode);
        encoder.content(b"");
        file.extend(encoder.footer());
        let read = decode(&file).unwrap().envelope;
        assert_eq!(
            (&read, read.recipients[0].to_string()),
            (&unicode, "j\u{fc}rgen@b\u{fc}cher.example".to_owned())
        );
    }

    #[test]
    fn the_damage_is_named() {
        let file = encode(b"Hello.\r\n");
        let damage = |file: &[u8]| decode(file).unwrap_err();
        assert_eq!(damage(b""), Damage::Truncated);
        assert_eq!(damage(b"Im"), Damage::Truncated);
        assert_eq!(damage(b"Subject: hello\r\n"), Damage::Foreign);
        assert_eq!(damage(&[0; 512]), Damage::Foreign);
        assert_eq!(damage(b"ImCr 2\nwhatever"), Damage::UnknownVersion("2".to_owned()));
        let at = file.len() - FOOTER - 4;
        let shortened = [&file[..at], &file[at + 1..]].concat();
        assert_eq!(damage(&shortened), Damage::Torn { stated: 8, found: 7 });
        let changed = [&file[..at], b"?", &file[at + 1..]].concat();
        assert_eq!(damage(&changed), Damage::Checksum);
    }

    #[test]
    fn a_message_that_carries_a_spool_file_is_cut_short_and_is_no_message() {
        let inner = encode(b"inner");
        let outer = encode(&[b"see below\n", inner.as_slice()].concat());
        let cut = &outer[..outer.len() - FOOTER];
        assert!(matches!(decode(cut), Err(Damage::Torn { .. })));
    }

    proptest! {
        #[test]
        fn every_content_reads_back_byte_for_byte(content: Vec<u8>) {
            let message = Message { envelope: envelope(), content };
            prop_assert_eq!(decode(&encode(&message.content)), Ok(message));
        }

        #[test]
        fn no_beginning_of_a_file_is_taken_for_a_message(content: Vec<u8>, part in 0.0..1.0) {
            let file = encode(&content);
            let cut = &file[..(file.len() as f64 * part) as usize];
            prop_assert!(decode(cut).is_err());
        }

        #[test]
        fn no_changed_byte_goes_unnoticed(content: Vec<u8>, at: prop::sample::Index, bits in 1..=255u8) {
            let mut file = encode(&content);
            *at.get_mut(&mut file) ^= bits;
            prop_assert!(decode(&file).is_err());
        }
    }
}
