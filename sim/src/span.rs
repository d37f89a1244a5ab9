//! Spans of time as people write them, such as `"90s"` or `"2h 30m"`.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// A span of time; never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "SignedDuration", into = "String")]
pub struct Span(pub Duration);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(Duration::ZERO);

    /// Whether it is no time at all.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }
}

impl TryFrom<SignedDuration> for Span {
    type Error = String;

    fn try_from(span: SignedDuration) -> Result<Self, Self::Error> {
        Duration::try_from(span).map(Span).map_err(|_| "a span of time cannot be negative".to_owned())
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        format!("{:#}", SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX))
    }
}

/// A step of a clock, forwards or backwards, such as `"-1h"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SignedDuration", into = "String")]
pub struct Step(pub SignedDuration);

impl From<SignedDuration> for Step {
    fn from(step: SignedDuration) -> Self {
        Step(step)
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
    fn a_span_is_never_negative_and_a_step_may_be() {
        let value = toml::Value::from("-1h");
        assert!(value.clone().try_into::<Span>().is_err());
        assert_eq!(value.try_into::<Step>().unwrap(), Step(SignedDuration::from_hours(-1)));
        let step = Step(SignedDuration::from_mins(-90));
        assert_eq!(toml::Value::from(String::from(step)).try_into::<Step>().unwrap(), step);
        assert_eq!(String::from(step), "-1h 30m");
    }
}
