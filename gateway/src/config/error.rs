//! What is wrong with a configuration, where, and what to do about it.

use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use toml::Spanned;

use super::check::SECRET_REMEDY;

/// A text that is no configuration. Shown in one line as `name:line: what is wrong`; as a
/// [`Diagnostic`] it also has the place in the text and the remedy.
#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("{}:{line}: {what}", source_text.name())]
pub struct ConfigError {
    line: usize,
    what: String,
    #[source_code]
    source_text: Arc<NamedSource<String>>,
    #[label("here")]
    place: SourceSpan,
    #[help]
    remedy: String,
}

impl ConfigError {
    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// What is wrong.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

/// The text being read, which every error quotes.
pub(super) struct Source {
    pub(super) text: Arc<NamedSource<String>>,
}

impl Source {
    pub(super) fn new(text: &str, name: &str) -> Self {
        Source { text: Arc::new(NamedSource::new(name, text.to_owned()).with_language("TOML")) }
    }

    pub(super) fn error(
        &self,
        place: Range<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> ConfigError {
        let before = self.text.inner().get(..place.start).unwrap_or(self.text.inner());
        ConfigError {
            line: before.matches('\n').count() + 1,
            what: what.into(),
            source_text: Arc::clone(&self.text),
            place: place.into(),
            remedy: remedy.into(),
        }
    }

    /// The value that a text stands for.
    pub(super) fn read<T: FromStr<Err: Display>>(
        &self,
        text: &Spanned<String>,
        remedy: &str,
    ) -> Result<T, ConfigError> {
        text.as_ref().parse().map_err(|error: T::Err| self.error(text.span(), error.to_string(), remedy))
    }

    /// Says in our words what the TOML reader says in its own.
    pub(super) fn unreadable(&self, error: &toml::de::Error) -> ConfigError {
        const KEYS: &str = "docs/examples/gateway.toml shows every key";
        let message = error.message();
        let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
        let (what, remedy) = if let Some(key) = what.strip_prefix("missing field ") {
            (format!("the key {key} is missing"), format!("add {key}; {KEYS}"))
        } else if what == "unknown field `password`" {
            let remedy = format!("write `secret` instead of it: {SECRET_REMEDY}");
            ("a password never stands in the configuration".to_owned(), remedy)
        } else if let Some(key) = what.strip_prefix("unknown field ") {
            let known = expected.trim_start_matches("one of ");
            (format!("there is no key {key} here"), format!("the keys here are {known}; {KEYS}"))
        } else if ["invalid type", "invalid value", "unknown variant"]
            .iter()
            .any(|start| what.starts_with(start))
        {
            let wanted = match expected {
                "i64" => "a whole number",
                "a string" => "a text in quotes",
                "a boolean" => "true or false",
                "a sequence" => "a list in brackets",
                other => other,
            };
            (what.to_owned(), format!("write {wanted}; {KEYS}"))
        } else {
            (message.to_owned(), format!("write it as TOML asks, https://toml.io; {KEYS}"))
        };
        self.error(error.span().unwrap_or(0..0), what, remedy)
    }
}
