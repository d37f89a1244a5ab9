//! The data of a message on the wire: where it ends, and the dots that keep it from ending early (RFC 5321, 4.5.2).
//!
//! Only CRLF `.` CRLF ends the data, or `.` CRLF at its very start. Everything that resembles it, with a bare CR or
//! a bare LF, is content: a reader that stops there while another reads on lets a sender smuggle a second message
//! past it. Such content is still read to its true end, so that the refusal answers the whole of it.
//!
//! A message that comes in chunks (RFC 3030) needs no such end and no dots; its lines are looked at all the same, as it
//! may go on to a host that takes no chunks.
//!
//! This module knows no connection and stores nothing.

use std::iter;

/// The longest text line, in octets with its CRLF and without a stuffed dot (RFC 5321, 4.5.3.1.6).
pub const TEXT_LINE_LIMIT: usize = 1_000;

/// What is wrong with message data that has nevertheless been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flaws {
    /// A CR without its LF. The message must be refused (RFC 5321, 2.3.8).
    pub bare_cr: bool,
    /// An LF without its CR. The message must be refused (RFC 5321, 2.3.8).
    pub bare_lf: bool,
    /// A line longer than [`TEXT_LINE_LIMIT`].
    pub long_line: bool,
}

/// Reads message data up to its end, in any pieces, and takes out the stuffed dots.
#[derive(Debug, Default)]
pub struct DataReader {
    position: Position,
    line_octets: usize,
    flaws: Flaws,
}

/// Where the reader stands. A CR and a leading dot are held back until it is known what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    /// After CRLF, or before everything.
    #[default]
    LineStart,
    /// After the dot that a line began with.
    Dot,
    /// After CR behind such a dot.
    DotCr,
    /// Within a line.
    Text,
    /// After CR in any other place.
    Cr,
    /// After the end of data.
    Ended,
}

impl DataReader {
    /// A reader before the first octet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `octets`, adds the content in them to `content`, and says how many octets belonged to the data: all of
    /// them, or those up to the end of data.
    pub fn feed(&mut self, octets: &[u8], content: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while at < octets.len() && !self.has_ended() {
            let rest = &octets[at..];
            let plain = match self.position {
                Position::Text => rest.iter().take_while(|octet| !matches!(octet, b'\r' | b'\n')).count(),
                _ => 0,
            };
            if plain > 0 {
                self.keep(&rest[..plain], content);
                at += plain;
            } else {
                self.step(rest[0], content);
                at += 1;
            }
        }
        at
    }

    /// Whether the end of data has been read.
    pub fn has_ended(&self) -> bool {
        self.position == Position::Ended
    }

    /// What was wrong with the data read so far.
    pub fn flaws(&self) -> Flaws {
        self.flaws
    }

    fn step(&mut self, octet: u8, content: &mut Vec<u8>) {
        self.position = match (self.position, octet) {
            (Position::LineStart, b'.') => Position::Dot,
            (Position::Dot, b'\r') => Position::DotCr,
            (Position::DotCr, b'\n') => Position::Ended,
            (Position::Cr, b'\n') => {
                self.keep(b"\r\n", content);
                self.line_octets = 0;
                Position::LineStart
            }
            (before, _) => {
                if matches!(before, Position::Cr | Position::DotCr) {
                    self.flaws.bare_cr = true;
                    self.keep(b"\r", content);
                }
                if octet == b'\r' {
                    Position::Cr
                } else {
                    self.flaws.bare_lf |= octet == b'\n';
                    self.keep(&[octet], content);
                    Position::Text
                }
            }
        };
    }

    fn keep(&mut self, octets: &[u8], content: &mut Vec<u8>) {
        content.extend_from_slice(octets);
        self.line_octets += octets.len();
        self.flaws.long_line |= self.line_octets > TEXT_LINE_LIMIT;
    }
}

/// Looks at the lines of a message that comes in chunks, cut anywhere.
#[derive(Debug, Default)]
pub struct LineCheck {
    is_after_cr: bool,
    line_octets: usize,
    flaws: Flaws,
}

impl LineCheck {
    /// Looks at the next octets.
    pub fn see(&mut self, octets: &[u8]) {
        for octet in octets {
            self.line_octets += 1;
            match octet {
                b'\n' if self.is_after_cr => self.end_line(),
                b'\n' => self.flaws.bare_lf = true,
                _ => self.flaws.bare_cr |= self.is_after_cr,
            }
            self.is_after_cr = *octet == b'\r';
        }
    }

    /// Whether it stands at the beginning of a line.
    pub fn is_at_line_start(&self) -> bool {
        self.line_octets == 0
    }

    /// What is wrong with the whole of it.
    pub fn finish(mut self) -> Flaws {
        self.flaws.bare_cr |= self.is_after_cr;
        self.end_line();
        self.flaws
    }

    fn end_line(&mut self) {
        self.flaws.long_line |= self.line_octets > TEXT_LINE_LIMIT;
        self.line_octets = 0;
    }
}

/// The data to send for `content`, in blocks of so many octets: a dot more before each line that begins with one, CRLF at
/// the end if it is not there, and the end of data. A bare CR or LF goes out as it is; content that was accepted has none.
pub fn stuff(content: &[u8], block: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut lines = content.split_inclusive(|octet| *octet == b'\n');
    let (mut line, mut ends_line, mut is_whole): (&[u8], _, _) = (&[], true, false);
    iter::from_fn(move || {
        let mut data = Vec::with_capacity(block.min(content.len() + 16));
        while data.len() < block {
            if line.is_empty() {
                line = match lines.next() {
                    Some(next) => {
                        if next[0] == b'.' && ends_line {
                            data.push(b'.');
                        }
                        ends_line = next.ends_with(b"\r\n");
                        next
                    }
                    None if is_whole => break,
                    None => {
                        is_whole = true;
                        if ends_line { b".\r\n" } else { b"\r\n.\r\n" }
                    }
                };
            }
            let (now, later) = line.split_at(line.len().min(block - data.len()));
            data.extend_from_slice(now);
            line = later;
        }
        Some(data).filter(|data| !data.is_empty())
    })
}
