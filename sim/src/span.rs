//! Spans of time as people write them, such as `"90s"` or `"2h 30m"`.

use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A span of time; never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(example = "90s", example = "2h 30m")]
pub struct Span(pub Duration);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(Duration::ZERO);

    /// Whether it is no time at all.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Step(span) = text.parse()?;
        Duration::try_from(span)
            .map(Span)
            .map_err(|_| format!("`{text}` is no span of time: it cannot be negative"))
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        format!("{:#}", SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX))
    }
}

/// A step of a clock, forwards or backwards, such as `"-1h"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(example = "-1h")]
pub struct Step(pub SignedDuration);

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Step).map_err(|_| format!("`{text}` is no span of time, such as 90s, 5m or 2h 30m"))
    }
}

impl TryFrom<String> for Step {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Step> for String {
    fn from(step: Step) -> String {
        let sign = if step.0.is_negative() { "-" } else { "" };
        format!("{sign}{:#}", step.0.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_back_as_it_was_written() {
        for text in ["0s", "15ms", "1m 30s", "2h 30m", "48h"] {
            let table: toml::Table = toml::from_str(&format!("at = \"{text}\"")).unwrap();
            let span: Span = table["at"].clone().try_into().unwrap();
            assert_eq!(String::from(span), text);
        }
    }

    #[test]
    fn what_is_no_span_is_answered_with_one_that_is() {
        for text in ["", "soon", "5", "5 parsecs"] {
            let why = text.parse::<Span>().unwrap_err();
            assert_eq!(why, format!("`{text}` is no span of time, such as 90s, 5m or 2h 30m"));
        }
        assert!("-1h".parse::<Span>().unwrap_err().contains("cannot be negative"));
    }

    #[test]
    fn a_span_is_never_negative_and_a_step_may_be() {
        let value = toml::Value::from("-1h");
        assert!(value.clone().try_into::<Span>().is_err());
        assert_eq!(value.try_into::<Step>().unwrap(), Step(SignedDuration::from_hours(-1)));
        let step = Step(SignedDuration::from_mins(-90));
        assert_eq!(toml::Value::from(String::from(step)).try_into::<Step>().unwrap(), step);
        assert_eq!(String::from(step), "-1h 30m");
    }
}
