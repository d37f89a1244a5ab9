//! The variants of a comparison: every combination of the values that were asked for.

use std::fmt;

use crate::scenario::{Setting, SettingError};

/// The most variants that a comparison has.
const MOST: usize = 64;

/// The values of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variation(Vec<Setting>);

/// One combination. The first of a grid is the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What is set.
    pub settings: Vec<Setting>,
}

/// Values that make no comparison.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum GridError {
    /// One of them cannot be set.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Setting(#[from] SettingError),
    /// There is nothing to compare with.
    #[error("there is one variant, and nothing to compare it with")]
    #[diagnostic(help("name two values or more, parted by commas, such as --vary delivery.expire=24h,48h"))]
    One,
    /// A key is varied twice.
    #[error("`{0}` is varied twice")]
    #[diagnostic(help("name all values of a key in one --vary, parted by commas"))]
    Twice(String),
    /// There are too many.
    #[error("{0} variants are more than a reader can compare")]
    #[diagnostic(help("name fewer values: at most {MOST} combinations"))]
    TooMany(usize),
}

impl Variation {
    /// Reads `KEY=VALUE,VALUE,…`.
    ///
    /// # Errors
    /// It is not of that form, or there is no such key.
    pub fn parse(text: &str) -> Result<Self, SettingError> {
        let (key, values) = text.split_once('=').ok_or_else(|| SettingError::NoPair(text.to_owned()))?;
        let settings = values.split(',').map(|value| Setting::new(key.trim(), value.trim()));
        Ok(Variation(settings.collect::<Result<_, _>>()?))
    }
}

/// Every combination, in the order of the values; the last key changes first.
///
/// # Errors
/// There is one only, there are too many, or a key is varied twice.
pub fn grid(variations: &[Variation]) -> Result<Vec<Variant>, GridError> {
    let keys: Vec<&str> = variations.iter().filter_map(|it| it.0.first()).map(Setting::key).collect();
    if let Some(twice) = keys.iter().enumerate().find_map(|(at, key)| keys[..at].contains(key).then_some(key))
    {
        return Err(GridError::Twice((*twice).to_owned()));
    }
    match variations.iter().map(|variation| variation.0.len()).product() {
        0 | 1 => return Err(GridError::One),
        2..=MOST => {}
        many => return Err(GridError::TooMany(many)),
    }
    let mut variants = vec![Variant { settings: Vec::new() }];
    for Variation(values) in variations {
        let with = |variant: &Variant, value: &Setting| Variant {
            settings: variant.settings.iter().chain([value]).cloned().collect(),
        };
        variants =
            variants.iter().flat_map(|so_far| values.iter().map(|value| with(so_far, value))).collect();
    }
    Ok(variants)
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: Vec<String> = self.settings.iter().map(ToString::to_string).collect();
        f.write_str(&settings.join(" "))
    }
}

impl Variant {
    /// What is otherwise than in the base.
    pub fn beside(&self, base: &Variant) -> Variant {
        let others = self.settings.iter().zip(&base.settings).filter(|(ours, theirs)| ours != theirs);
        Variant { settings: others.map(|(ours, _)| ours.clone()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Result<Vec<String>, GridError> {
        let variations: Result<Vec<Variation>, _> = texts.iter().map(|text| Variation::parse(text)).collect();
        Ok(grid(&variations?)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_combination_is_a_variant_and_the_first_is_the_base() {
        let variants =
            of(&["delivery.retry=15m+1h,30m", "extension.on_failure=quarantine,bypass,report"]).unwrap();
        assert_eq!(variants.len(), 6);
        assert_eq!(variants[0], "delivery.retry=15m+1h extension.on_failure=quarantine");
        assert_eq!(variants[1], "delivery.retry=15m+1h extension.on_failure=bypass");
        assert_eq!(variants[5], "delivery.retry=30m extension.on_failure=report");
    }

    #[test]
    fn what_makes_no_comparison_is_refused() {
        for (texts, says) in [
            (&["delivery.expire=1h"][..], "one variant"),
            (&["delivery.expire"], "sets nothing"),
            (&["delivery.expire=1h", "delivery.expire=2h"], "varied twice"),
            (&["delivery.expires=1h,2h"], "no key `delivery.expires`"),
            (&["limits.hops=1,2,3,4,5,6,7,8,9", "limits.recipients=1,2,3,4,5,6,7,8"], "72 variants"),
        ] {
            let error = of(texts).unwrap_err().to_string();
            assert!(error.contains(says), "{texts:?}: {error}");
        }
        assert_eq!(
            of(&["delivery.expire=1h,1h"]).unwrap().len(),
            2,
            "the same twice shows that nothing differs"
        );
    }

    #[test]
    fn a_variant_is_told_from_the_base_by_what_is_otherwise() {
        let variations =
            ["delivery.retry=15m,1h", "limits.hops=9,12"].map(|it| Variation::parse(it).unwrap());
        let variants = grid(&variations).unwrap();
        assert_eq!(variants[1].beside(&variants[0]).to_string(), "limits.hops=12");
        assert_eq!(variants[3].beside(&variants[0]), variants[3]);
    }
}
