//! `disclaimer`: text before or behind the text of each message, for each way it goes; reconstructed after `Imsext.dll`.
//!
//! Documented (KB Q262119, Q262122): the extension of the BackOffice Resource Kit for 5.5 prepended and appended text,
//! in RTF, to inbound and to outbound mail. Reconstructed: which part of a message is its text (`text_parts`), and how
//! text is put there (`insert`). It is plain text here; in HTML each line is one.
//!
//! A message that has the text already keeps it once. Reports of the gateway's and copies for a journal get none.

mod insert;
mod text_parts;

use serde::Deserialize;

use super::{Disposition, Extension, LoadError, Passage, Subject};
use crate::address::Address;
use crate::env::{BoxFuture, Env};
use crate::envelope::Origin;
use crate::reach::{Point, reached};
use crate::report::Direction;

/// The name of this extension in a configuration.
pub const NAME: &str = "disclaimer";

/// The longest line of the text, in octets: as long as one may be in a message (RFC 5322, 2.1.1).
const LINE_LIMIT: usize = 998;

/// What the configuration says of this extension.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// For what goes to mailboxes here.
    #[serde(default)]
    inbound: Texts,
    /// For what goes to other hosts.
    #[serde(default)]
    outbound: Texts,
}

/// The text for one way.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    /// Before the message's own.
    prepend: Option<String>,
    /// Behind it.
    append: Option<String>,
}

/// Loads the extension.
pub(super) async fn load(settings: toml::Table, _: Env) -> Result<Box<dyn Extension>, LoadError> {
    let failed = |why: Fault| LoadError::new(NAME, why);
    let settings: Settings = settings
        .try_into()
        .map_err(|error: toml::de::Error| failed(Fault::Settings(error.message().trim().into())))?;
    let Settings { inbound, outbound } = &settings;
    let texts = [&inbound.prepend, &inbound.append, &outbound.prepend, &outbound.append];
    for text in texts.into_iter().flatten() {
        if text.trim().is_empty()
            || text.replace("\r\n", "\n").contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t'))
        {
            return Err(failed(Fault::Text(text.clone())));
        }
        if text.lines().any(|line| line.len() > LINE_LIMIT) {
            return Err(failed(Fault::LongLine));
        }
    }
    Ok(Box::new(Disclaimer(settings)))
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(
        "its settings are wrong: {0}; they are `inbound` and `outbound`, each with `prepend` and `append`, such as \
         `outbound = {{ append = \"Confidential.\" }}`"
    )]
    Settings(String),
    #[error("{0:?} is no text for people; write lines without control characters")]
    Text(String),
    #[error("a line of its text is longer than {LINE_LIMIT} octets; break it into shorter ones")]
    LongLine,
}

struct Disclaimer(Settings);

impl Extension for Disclaimer {
    fn name(&self) -> &str {
        NAME
    }

    fn chooses_routes(&self) -> bool {
        false
    }

    fn route<'a>(&'a self, _: Subject<'a>, _: &'a Address) -> BoxFuture<'a, Disposition> {
        Box::pin(async { Disposition::Continue })
    }

    fn pass<'a>(&'a self, subject: Subject<'a>, way: Direction) -> BoxFuture<'a, Passage> {
        Box::pin(async move {
            let Texts { prepend, append } = match way {
                Direction::Inbound => &self.0.inbound,
                Direction::Outbound => &self.0.outbound,
            };
            let is_ours = !matches!(subject.envelope.origin, Origin::Client { .. });
            if is_ours || prepend.is_none() && append.is_none() {
                return Passage::Unchanged;
            }
            match add(subject.content, prepend.as_deref(), append.as_deref()) {
                Some(content) => {
                    reached(Point::DisclaimerAdded);
                    Passage::Rewritten(content)
                }
                None => {
                    reached(Point::DisclaimerNotAdded);
                    Passage::Unchanged
                }
            }
        })
    }
}

/// The message with the text; nothing if it has no text of its own that could be added to, or has this one already.
fn add(content: &[u8], prepend: Option<&str>, append: Option<&str>) -> Option<Vec<u8>> {
    let (mut added, mut is_changed) = (Vec::with_capacity(content.len()), false);
    let mut from = 0;
    for part in text_parts::of(content)? {
        let body = content.get(part.body.clone())?;
        added.extend_from_slice(content.get(from..part.body.start)?);
        from = part.body.end;
        match insert::into(&part, body, prepend, append) {
            Some(body) => {
                added.extend(body);
                is_changed = true;
            }
            None => added.extend_from_slice(body),
        }
    }
    added.extend_from_slice(content.get(from..)?);
    is_changed.then_some(added)
}

#[cfg(test)]
mod tests;
