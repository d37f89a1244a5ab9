//! A message as milters see it and change it: the envelope, the fields of the header, the body.
//!
//! What no client could have handed over no milter can make of a message either: lines end in CRLF, a field stays a
//! field, and a line has no more than 1,000 octets. A change that would break this is refused.
//!
//! The `Received` line that the gateway has put on top is not shown and stays on top (RFC 5321, 4.4). This module knows
//! no connection.

use super::codec::Change;
use crate::address::{Address, ReversePath};
use crate::smtp::data::TEXT_LINE_LIMIT;

/// A message that is being filtered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its sender.
    pub reverse_path: ReversePath,
    /// Its recipients.
    pub recipients: Vec<Address>,
    fields: Vec<Field>,
    /// What stands between the header and the body: an empty line, or nothing.
    separator: Vec<u8>,
    body: Vec<u8>,
    is_changed: bool,
}

/// A field of the header as it stands there, its CRLF included.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    octets: Vec<u8>,
    colon: usize,
}

/// Why a change is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// It is no name of a field.
    #[error("`{0}` is not the name of a header field")]
    Name(String),
    /// It would not stay one field.
    #[error("the value of the field {0} does not stay within its field, or has a line that is too long")]
    Value(String),
    /// It is no address.
    #[error("`{0}` is not a mailbox in angle brackets")]
    Address(String),
    /// The body has a line that no client could send.
    #[error("the new body has a line longer than {TEXT_LINE_LIMIT} octets")]
    Body,
    /// There are too many recipients.
    #[error("a message is given no more than {ADDED} recipients")]
    Recipients,
}

/// How many recipients a message is given by one milter at most.
const ADDED: usize = 1_000;

impl Field {
    /// The field at the beginning of `text`, if there is one.
    fn at_start(text: &[u8]) -> Option<Self> {
        let mut end = 0;
        for line in text.split_inclusive(|octet| *octet == b'\n') {
            if end > 0 && !matches!(line[0], b' ' | b'\t') {
                break;
            }
            end += line.len();
        }
        let octets = text[..end].to_vec();
        let colon = octets.iter().position(|octet| *octet == b':')?;
        is_name(octets[..colon].trim_ascii_end()).then_some(Field { octets, colon })
    }

    /// A field of this name and value. A value with its white space has what stands between it and the colon.
    fn new(name: &[u8], value: &[u8], with_leading_space: bool) -> Result<Self, Unsound> {
        let shown = || String::from_utf8_lossy(name).into_owned();
        if !is_name(name) {
            return Err(Unsound::Name(shown()));
        }
        let mut octets = [name, b":"].concat();
        if !with_leading_space && !value.is_empty() {
            octets.push(b' ');
        }
        octets.extend(with_crlf(value));
        octets.extend_from_slice(b"\r\n");
        let field = Field { octets, colon: name.len() };
        let is_whole = Field::at_start(&field.octets).as_ref() == Some(&field);
        // A line of white space alone may be taken for the end of the header (RFC 5322, 3.2.2).
        let is_folded = field.lines().all(|line| !line.trim_ascii().is_empty());
        if is_whole && is_folded && field.lines().all(is_short) {
            Ok(field)
        } else {
            Err(Unsound::Value(shown()))
        }
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.octets.split_inclusive(|octet| *octet == b'\n')
    }

    fn name(&self) -> &[u8] {
        self.octets[..self.colon].trim_ascii_end()
    }

    /// The value as it goes to a milter: folded with line feeds alone.
    fn value(&self, with_leading_space: bool) -> Vec<u8> {
        let value = &self.octets[self.colon + 1..];
        let value = value.strip_suffix(b"\r\n").unwrap_or(value);
        let value: Vec<u8> = value.iter().copied().filter(|octet| *octet != b'\r').collect();
        let leading = value.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
        if with_leading_space { value } else { value[leading..].to_vec() }
    }
}

/// Whether this may be the name of a field: printable ASCII without a colon (RFC 5322, 2.2).
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|octet| octet.is_ascii_graphic() && *octet != b':')
}

fn is_short(line: &[u8]) -> bool {
    line.len() <= TEXT_LINE_LIMIT
}

/// The same lines, each ended by CRLF where it was ended by CR, LF or CRLF.
fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(text.len());
    let mut octets = text.iter().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' => {
                octets.next_if(|next| **next == b'\n');
                lines.extend_from_slice(b"\r\n");
            }
            b'\n' => lines.extend_from_slice(b"\r\n"),
            other => lines.push(*other),
        }
    }
    lines
}

impl Mail {
    /// A message with this content, which does not hold the gateway's own `Received` line.
    pub fn new(reverse_path: ReversePath, recipients: Vec<Address>, content: &[u8]) -> Self {
        let (mut rest, mut fields) = (content, Vec::new());
        while let Some(field) = Field::at_start(rest) {
            rest = &rest[field.octets.len()..];
            fields.push(field);
        }
        let body = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        let separator = rest[..rest.len() - body.len()].to_vec();
        Mail { reverse_path, recipients, fields, separator, body: body.to_vec(), is_changed: false }
    }

    /// Whether a milter has changed it.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// The content.
    pub fn content(&self) -> Vec<u8> {
        let mut content: Vec<u8> = self.fields.iter().flat_map(|field| &field.octets).copied().collect();
        content.extend_from_slice(&self.separator);
        content.extend_from_slice(&self.body);
        content
    }

    /// The fields of the header, each its name and its value.
    pub(super) fn fields(&self, with_leading_space: bool) -> impl Iterator<Item = (&[u8], Vec<u8>)> {
        self.fields.iter().map(move |field| (field.name(), field.value(with_leading_space)))
    }

    /// The body.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Makes the changes that one milter asked for, in their order; gives those that were refused, and why the message
    /// is to be set aside, if it is.
    pub(super) fn change(&mut self, changes: Vec<Change>, with_leading_space: bool) -> Changed {
        let mut changed = Changed::default();
        self.is_changed |= !changes.is_empty();
        let mut body: Option<Vec<u8>> = None;
        let most = self.recipients.len() + ADDED;
        for change in changes {
            let made = match change {
                Change::AddHeader { name, value } => {
                    Field::new(&name, &value, with_leading_space).map(|field| self.fields.push(field))
                }
                Change::InsertHeader { at, name, value } => {
                    Field::new(&name, &value, with_leading_space).map(|field| {
                        // The place before the first counts the line that the gateway has put on top.
                        let place = usize::try_from(at).unwrap_or(usize::MAX).saturating_sub(1);
                        self.fields.insert(place.min(self.fields.len()), field);
                    })
                }
                Change::ChangeHeader { at, name, value } => {
                    self.change_field(at, &name, &value, with_leading_space)
                }
                Change::ReplaceBody(piece) => {
                    body.get_or_insert_default().extend(piece);
                    Ok(())
                }
                Change::ChangeSender(path) => reverse_path(&path).map(|path| self.reverse_path = path),
                Change::AddRecipient(path) | Change::AddRecipientWithParameters(path) => mailbox(&path)
                    .and_then(|recipient| {
                        if self.recipients.len() >= most {
                            return Err(Unsound::Recipients);
                        }
                        if !self.recipients.iter().any(|known| is_same(known, &recipient)) {
                            self.recipients.push(recipient);
                        }
                        Ok(())
                    }),
                Change::DeleteRecipient(path) => mailbox(&path).map(|recipient| {
                    let taken_off = self.recipients.extract_if(.., |known| is_same(known, &recipient));
                    changed.taken_off.extend(taken_off);
                }),
                Change::Quarantine(why) => {
                    changed.quarantine = Some(why);
                    Ok(())
                }
            };
            changed.refused.extend(made.err());
        }
        if let Some(body) = body {
            changed.refused.extend(self.replace_body(&body).err());
        }
        changed
    }

    fn change_field(
        &mut self,
        at: u32,
        name: &[u8],
        value: &[u8],
        with_leading_space: bool,
    ) -> Result<(), Unsound> {
        let nth = usize::try_from(at.max(1) - 1).unwrap_or(usize::MAX);
        let mut of_the_name =
            (0..self.fields.len()).filter(|at| self.fields[*at].name().eq_ignore_ascii_case(name));
        let place = of_the_name.nth(nth);
        if value.is_empty() {
            place.map(|at| self.fields.remove(at));
            return Ok(());
        }
        let field = Field::new(name, value, with_leading_space)?;
        match place {
            Some(at) => self.fields[at] = field,
            None => self.fields.push(field),
        }
        Ok(())
    }

    fn replace_body(&mut self, body: &[u8]) -> Result<(), Unsound> {
        let mut body = with_crlf(body);
        if !body.is_empty() && !body.ends_with(b"\r\n") {
            body.extend_from_slice(b"\r\n");
        }
        if !body.split_inclusive(|octet| *octet == b'\n').all(is_short) {
            return Err(Unsound::Body);
        }
        self.separator = b"\r\n".to_vec();
        self.body = body;
        Ok(())
    }
}

/// What came of a milter's changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// The changes that were not made.
    pub(super) refused: Vec<Unsound>,
    /// The recipients that the message had and has no more.
    pub(super) taken_off: Vec<Address>,
    /// Why it is to be set aside.
    pub(super) quarantine: Option<String>,
}

/// Two spellings of one mailbox; the directory compares addresses without case too.
fn is_same(one: &Address, other: &Address) -> bool {
    one.to_string().eq_ignore_ascii_case(&other.to_string())
}

fn bare(path: &str) -> &str {
    path.strip_prefix('<').and_then(|path| path.strip_suffix('>')).unwrap_or(path)
}

fn mailbox(path: &str) -> Result<Address, Unsound> {
    bare(path).parse().map_err(|_| Unsound::Address(path.to_owned()))
}

fn reverse_path(path: &str) -> Result<ReversePath, Unsound> {
    if bare(path).is_empty() { Ok(ReversePath::Null) } else { mailbox(path).map(ReversePath::Mailbox) }
}

#[cfg(test)]
mod tests;
