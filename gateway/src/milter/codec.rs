//! The packets of the milter protocol: four octets of length, a letter, and what belongs to it.
//!
//! Commands go out and answers come in. Whatever comes in, the length is bounded and nothing panics.
//!
//! This module knows no connection, and not which answer is due to which command.

use std::net::IpAddr;

use super::flags::{Actions, Steps, VERSION};

/// The longest packet that is read, in octets without its length: the letter and 65,535 octets, which is what
/// `libmilter` sends at most, and room for a field whose value alone has as many.
pub const PACKET_LIMIT: usize = 1 << 17;

/// The most octets of the body in one packet (`MILTER_CHUNK_SIZE`).
pub const BODY_LIMIT: usize = 65_535;

/// What a milter is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `O`: what is offered.
    Negotiate,
    /// `D`: the macros that go with the next command, whose letter this is.
    Macros {
        /// The letter.
        of: u8,
        /// Names and values.
        values: &'a [(&'static str, String)],
    },
    /// `C`: a client has connected.
    Connect {
        /// What it is called.
        name: &'a str,
        /// Its address.
        address: IpAddr,
    },
    /// `H`: it said HELO or EHLO.
    Helo(&'a str),
    /// `M`: it said MAIL. The reverse path in angle brackets, and the parameters.
    Mail(&'a [String]),
    /// `R`: it said RCPT. The forward path in angle brackets.
    Rcpt(&'a str),
    /// `T`: it said DATA.
    Data,
    /// `L`: a field of the header. A long value has line feeds where it was folded.
    Header {
        /// Its name.
        name: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// `N`: the header has ended.
    EndOfHeaders,
    /// `B`: a piece of the body, of [`BODY_LIMIT`] octets at most.
    Body(&'a [u8]),
    /// `E`: the message has ended.
    EndOfBody,
    /// `A`: the message is not to be.
    Abort,
    /// `Q`: the conversation is over.
    Quit,
    /// `K`: it is over, and one about another client follows on the same connection.
    QuitNewConnection,
}

impl Command<'_> {
    /// Its letter.
    pub fn letter(&self) -> u8 {
        match self {
            Command::Negotiate => b'O',
            Command::Macros { .. } => b'D',
            Command::Connect { .. } => b'C',
            Command::Helo(_) => b'H',
            Command::Mail(_) => b'M',
            Command::Rcpt(_) => b'R',
            Command::Data => b'T',
            Command::Header { .. } => b'L',
            Command::EndOfHeaders => b'N',
            Command::Body(_) => b'B',
            Command::EndOfBody => b'E',
            Command::Abort => b'A',
            Command::Quit => b'Q',
            Command::QuitNewConnection => b'K',
        }
    }

    /// Adds the packet to what is to be sent.
    pub fn write(&self, to: &mut Vec<u8>) {
        let start = to.len();
        to.extend_from_slice(&[0, 0, 0, 0, self.letter()]);
        match self {
            Command::Negotiate => {
                for word in [VERSION, Actions::OFFERED.0, Steps::OFFERED.0] {
                    to.extend_from_slice(&word.to_be_bytes());
                }
            }
            Command::Macros { of, values } => {
                to.push(*of);
                for (name, value) in *values {
                    text(to, name.as_bytes());
                    text(to, value.as_bytes());
                }
            }
            Command::Connect { name, address } => {
                text(to, name.as_bytes());
                let address = address.to_canonical();
                to.push(if address.is_ipv4() { b'4' } else { b'6' });
                // Which port a client has is nobody's concern; 0 says that it is not known.
                to.extend_from_slice(&[0, 0]);
                text(to, address.to_string().as_bytes());
            }
            Command::Helo(name) | Command::Rcpt(name) => text(to, name.as_bytes()),
            Command::Mail(words) => words.iter().for_each(|word| text(to, word.as_bytes())),
            Command::Header { name, value } => {
                text(to, name);
                text(to, value);
            }
            Command::Body(piece) => to.extend_from_slice(piece),
            Command::Data
            | Command::EndOfHeaders
            | Command::EndOfBody
            | Command::Abort
            | Command::Quit
            | Command::QuitNewConnection => {}
        }
        let length = u32::try_from(to.len() - start - 4).expect("a command is made of a message's parts");
        to[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// A text and the NUL that ends it. A NUL within would end it early, and becomes a `?`.
fn text(to: &mut Vec<u8>, octets: &[u8]) {
    to.extend(octets.iter().map(|octet| if *octet == 0 { b'?' } else { *octet }));
    to.push(0);
}

/// What a milter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `O`: what it takes of what was offered.
    Negotiated {
        /// The version that it speaks.
        version: u32,
        /// What it will do.
        actions: Actions,
        /// Which steps it wants.
        steps: Steps,
    },
    /// `a`: the message, or the client, is all right whatever comes.
    Accept,
    /// `c`: go on.
    Continue,
    /// `d`: take the message and throw it away.
    Discard,
    /// `r`: refuse it for good.
    Reject,
    /// `t`: refuse it for now.
    TempFail,
    /// `y`: refuse it with this.
    ReplyCode(String),
    /// `s`: enough of the body.
    Skip,
    /// `p`: still working.
    Progress,
    /// `f`: break the connection to the client off.
    ConnectionFailure,
    /// `4`: tell the client 421.
    Shutdown,
    /// Something is to be changed.
    Change(Change),
}

/// What a milter would have changed in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `h`: a field more at the end of the header.
    AddHeader {
        /// Its name.
        name: Vec<u8>,
        /// Its value, folded with line feeds.
        value: Vec<u8>,
    },
    /// `i`: a field more at a place in the header.
    InsertHeader {
        /// Before which field, counted from 1.
        at: u32,
        /// Its name.
        name: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// `m`: another value for a field; none takes it out.
    ChangeHeader {
        /// Which of the fields of this name, counted from 1.
        at: u32,
        /// Its name.
        name: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// `b`: a piece of the new body. The first takes the place of the old one.
    ReplaceBody(Vec<u8>),
    /// `e`: another sender.
    ChangeSender(String),
    /// `+`: a recipient more.
    AddRecipient(String),
    /// `2`: a recipient more, with parameters.
    AddRecipientWithParameters(String),
    /// `-`: a recipient less.
    DeleteRecipient(String),
    /// `q`: the message is to be set aside, for this reason.
    Quarantine(String),
}

impl Change {
    /// What must have been negotiated for it: one of these is enough.
    pub fn needs(&self) -> Actions {
        match self {
            Change::AddHeader { .. } | Change::InsertHeader { .. } => Actions::ADD_HEADERS,
            Change::ChangeHeader { .. } => Actions::CHANGE_HEADERS,
            Change::ReplaceBody(_) => Actions::CHANGE_BODY,
            Change::ChangeSender(_) => Actions::CHANGE_SENDER,
            Change::AddRecipient(_) => Actions::ADD_RECIPIENTS,
            Change::AddRecipientWithParameters(_) => Actions::ADD_RECIPIENTS_WITH_PARAMETERS,
            Change::DeleteRecipient(_) => Actions::DELETE_RECIPIENTS,
            Change::Quarantine(_) => Actions::QUARANTINE,
        }
    }
}

/// Octets that are no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The length says more than anybody sends, or nothing.
    #[error("a packet of {0} octets")]
    Length(u32),
    /// No answer has this letter.
    #[error("an answer with the letter 0x{0:02x}, which has no meaning")]
    Letter(u8),
    /// What follows the letter is not what belongs there.
    #[error("an answer `{0}` that is cut short or badly formed")]
    Contents(char),
}

impl Answer {
    /// Reads what a packet holds.
    ///
    /// # Errors
    /// It is no answer.
    pub fn read(packet: &[u8]) -> Result<Self, Malformed> {
        let Some((letter, rest)) = packet.split_first() else { return Err(Malformed::Length(0)) };
        let mut rest = Contents { letter: *letter, rest };
        Ok(match letter {
            b'O' => Answer::Negotiated {
                version: rest.number()?,
                actions: Actions(rest.number()?),
                steps: Steps(rest.number()?),
            },
            b'a' => Answer::Accept,
            b'c' => Answer::Continue,
            b'd' => Answer::Discard,
            b'r' => Answer::Reject,
            b't' => Answer::TempFail,
            b'y' => Answer::ReplyCode(rest.words()?),
            b's' => Answer::Skip,
            b'p' => Answer::Progress,
            b'f' => Answer::ConnectionFailure,
            b'4' => Answer::Shutdown,
            b'h' => Answer::Change(Change::AddHeader { name: rest.text()?, value: rest.text()? }),
            b'i' => Answer::Change(Change::InsertHeader {
                at: rest.number()?,
                name: rest.text()?,
                value: rest.text()?,
            }),
            b'm' => Answer::Change(Change::ChangeHeader {
                at: rest.number()?,
                name: rest.text()?,
                value: rest.text()?,
            }),
            b'b' => Answer::Change(Change::ReplaceBody(rest.rest.to_vec())),
            b'e' => Answer::Change(Change::ChangeSender(rest.words()?)),
            b'+' => Answer::Change(Change::AddRecipient(rest.words()?)),
            b'2' => Answer::Change(Change::AddRecipientWithParameters(rest.words()?)),
            b'-' => Answer::Change(Change::DeleteRecipient(rest.words()?)),
            b'q' => Answer::Change(Change::Quarantine(rest.words()?)),
            letter => return Err(Malformed::Letter(*letter)),
        })
    }
}

/// What follows the letter of an answer.
struct Contents<'a> {
    letter: u8,
    rest: &'a [u8],
}

impl Contents<'_> {
    fn malformed(&self) -> Malformed {
        Malformed::Contents(char::from(self.letter))
    }

    fn number(&mut self) -> Result<u32, Malformed> {
        let (number, rest) = self.rest.split_first_chunk().ok_or_else(|| self.malformed())?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*number))
    }

    /// The octets up to a NUL.
    fn text(&mut self) -> Result<Vec<u8>, Malformed> {
        let end = self.rest.iter().position(|octet| *octet == 0).ok_or_else(|| self.malformed())?;
        let text = self.rest[..end].to_vec();
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }

    fn words(&mut self) -> Result<String, Malformed> {
        Ok(String::from_utf8_lossy(&self.text()?).into_owned())
    }
}

/// What has been received and not yet been read, in any pieces.
#[derive(Debug, Default)]
pub struct Packets(Vec<u8>);

impl Packets {
    /// Adds what was received.
    pub fn feed(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// Whether everything received was read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next answer, if it is there as a whole.
    ///
    /// # Errors
    /// What comes next is none; nothing after it can be read.
    pub fn next_answer(&mut self) -> Result<Option<Answer>, Malformed> {
        let Some((length, rest)) = self.0.split_first_chunk() else { return Ok(None) };
        let stated = u32::from_be_bytes(*length);
        let length = usize::try_from(stated).unwrap_or(usize::MAX);
        if !(1..=PACKET_LIMIT).contains(&length) {
            return Err(Malformed::Length(stated));
        }
        let Some(packet) = rest.get(..length) else { return Ok(None) };
        let answer = Answer::read(packet)?;
        self.0.drain(..length + 4);
        Ok(Some(answer))
    }
}

#[cfg(test)]
mod tests;
