//! One key of the gateway's configuration set to another value, whatever the scenario says: for those who ask "what if".
//!
//! Which keys there are, and what a value must be, the gateway says itself: its reader lists the keys
//! ([`gateway::config::keys`]), and a text is read in each way that it can be written in TOML until the gateway takes one.
//!
//! | text | is read as |
//! |---|---|
//! | `30` | a number |
//! | `true` | yes or no |
//! | `48h`, `bypass` | a text |
//! | `15m+30m+1h` | a list of texts; one alone is a list of one, nothing the empty list |
//!
//! A key of a list of tables (`[[extension]]`, `[[mailbox]]`, `[[route]]`, `[[accept.host]]`) is set in each of them.

use std::fmt;

use gateway::config::{ConfigError, Key, keys};
use miette::Diagnostic;
use toml::{Table, Value};

use super::{Scenario, config};
use crate::fault::Family;
use crate::nearest::nearest;

/// What a key is called besides: a schedule of tries is what everybody looks for.
const CALLED: [(&str, &str); 1] = [("retry.schedule", "delivery.retry")];

/// A key and the text of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    key: Key,
    text: String,
}

/// What cannot be set.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum SettingError {
    /// It is no key and value.
    #[error("`{0}` sets nothing")]
    #[diagnostic(help(
        "write a key of the gateway's configuration and a value, such as delivery.expire=24h"
    ))]
    NoPair(String),
    /// No such key.
    #[error("the gateway's configuration has no key `{key}`")]
    #[diagnostic(help("{remedy}"))]
    UnknownKey {
        /// The key.
        key: String,
        /// What may have been meant.
        remedy: String,
    },
    /// The key is not the scenario's to set.
    #[error("`{0}` is the same in every scenario")]
    #[diagnostic(help(
        "the release is named with --release; host, listen, spool and store follow from the scenario"
    ))]
    Decided(String),
    /// The list of tables in which the key stands is empty.
    #[error("there is no [[{list}]] in which `{key}` could be set")]
    #[diagnostic(help("a key of a list of tables is set in each of them; this configuration has none"))]
    NothingThere {
        /// The key.
        key: String,
        /// The list.
        list: String,
    },
    /// The gateway does not take the value.
    #[error("`{key}` cannot be `{text}`: {what}")]
    #[diagnostic(help("{remedy}"))]
    Refused {
        /// The key.
        key: String,
        /// The text of the value.
        text: String,
        /// What the gateway says.
        what: String,
        /// What to do about it.
        remedy: String,
    },
}

impl Setting {
    /// A key and its value.
    ///
    /// # Errors
    /// There is no such key, or it is not a scenario's to set.
    pub fn new(key: &str, text: &str) -> Result<Self, SettingError> {
        let key = CALLED.iter().find(|(called, _)| *called == key).map_or(key, |(_, name)| name);
        if config::is_decided(key) {
            return Err(SettingError::Decided(key.to_owned()));
        }
        let mut known = keys();
        known.retain(|key| !config::is_decided(&key.name));
        match known.iter().find(|known| known.name == key) {
            Some(found) => Ok(Setting { key: found.clone(), text: text.to_owned() }),
            None => {
                let known: Vec<&str> = known.iter().map(|key| key.name.as_str()).collect();
                let meant =
                    meant(key, &known).map(|key| format!("did you mean `{key}`? ")).unwrap_or_default();
                let remedy = format!("{meant}the keys are: {}", known.join(", "));
                Err(SettingError::UnknownKey { key: key.to_owned(), remedy })
            }
        }
    }

    /// Reads `KEY=VALUE`.
    ///
    /// # Errors
    /// As of [`Setting::new`]; or it is not of that form.
    pub fn parse(pair: &str) -> Result<Self, SettingError> {
        let (key, text) = pair.split_once('=').ok_or_else(|| SettingError::NoPair(pair.to_owned()))?;
        Setting::new(key.trim(), text.trim())
    }

    /// The name of the key.
    pub fn key(&self) -> &str {
        &self.key.name
    }

    /// The text of the value.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The ways in which the text can be read.
    fn readings(&self) -> Vec<Value> {
        let text = self.text.as_str();
        let number = text.parse::<i64>().ok().map(Value::Integer);
        let choice = text.parse::<bool>().ok().map(Value::Boolean);
        let list = text.split('+').map(str::trim).filter(|part| !part.is_empty()).map(Value::from);
        number.into_iter().chain(choice).chain([text.into(), list.collect::<Vec<_>>().into()]).collect()
    }

    /// Sets the key. False if it stands in a list of tables that is empty.
    fn set(&self, config: &mut Table, value: &Value) -> bool {
        let list = self.key.list.as_deref();
        let path: Vec<&str> = self.key.name.split('.').collect();
        let depth = list.map_or(0, |list| list.split('.').count());
        set(config, &path, depth, value)
    }
}

/// Sets what is at the end of a path; the table at its `list`th step, counted from 1, is each of a list.
fn set(table: &mut Table, path: &[&str], list: usize, value: &Value) -> bool {
    let [name, rest @ ..] = path else { return false };
    if rest.is_empty() {
        table.insert((*name).to_owned(), value.clone());
        return true;
    }
    if list == 1 {
        let elements = table.get_mut(*name).and_then(Value::as_array_mut).into_iter().flatten();
        let elements = elements.filter_map(Value::as_table_mut);
        let mut is_set = false;
        elements.for_each(|element| is_set |= set(element, rest, 0, value));
        return is_set;
    }
    let below = table.entry((*name).to_owned()).or_insert_with(|| Table::new().into());
    below.as_table_mut().is_some_and(|below| set(below, rest, list.saturating_sub(1), value))
}

/// The key that somebody meant: of those with a part in common, if there are any, and else of all.
fn meant<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let in_common = |known: &&str| known.split('.').any(|part| key.split('.').any(|other| other == part));
    let related: Vec<&str> = known.iter().copied().filter(in_common).collect();
    match related[..] {
        [] => nearest(key, known.iter().copied()),
        [only] => Some(only),
        _ => nearest(key, related),
    }
}

/// Whether the gateway wants another type of value: what is wrong with one of the right type says more.
fn is_of_another_type(error: &ConfigError) -> bool {
    ["invalid type", "wanted "].iter().any(|start| error.what().starts_with(start))
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key.name, self.text)
    }
}

impl Scenario {
    /// The same scenario with other settings. It goes on longer where mail may be under way for longer.
    ///
    /// # Errors
    /// The first setting that the gateway does not take, or that has nowhere to stand.
    pub fn with(&self, settings: &[Setting]) -> Result<Scenario, SettingError> {
        let mut other = self.clone().apart();
        settings.iter().try_for_each(|setting| other.set(setting))?;
        let longer = other.patience().saturating_sub(self.patience());
        other.file.duration.as_mut().0 += 2 * longer;
        Ok(other)
    }

    fn set(&mut self, setting: &Setting) -> Result<(), SettingError> {
        let before = self.file.gateway.config.clone();
        let mut refused: Option<ConfigError> = None;
        for reading in setting.readings() {
            let config = self.file.gateway.config.as_mut();
            let fails = self.file.fault.iter().any(|fault| fault.as_ref().family() == Family::Extension);
            if fails && setting.key.list.as_deref() == Some("extension") {
                config::add_faulty_extension(config);
            }
            let is_set = setting.set(config, &reading);
            let mut releases = self.file.releases.as_ref().iter();
            let taken = releases.try_for_each(|release| config::config(&self.file, *release).map(drop));
            match taken {
                Ok(()) if is_set => return Ok(()),
                Ok(()) => {
                    let list = setting.key.list.clone().unwrap_or_default();
                    self.file.gateway.config = before;
                    return Err(SettingError::NothingThere { key: setting.key.name.clone(), list });
                }
                Err(error) => {
                    refused =
                        refused.filter(|refused| !is_of_another_type(refused) || is_of_another_type(&error));
                    refused.get_or_insert(error);
                }
            }
            self.file.gateway.config = before.clone();
        }
        let error = refused.expect("a text can always be read as a text");
        Err(setting.refused(&error))
    }

    /// How long a message may be under way on the release that waits longest.
    fn patience(&self) -> std::time::Duration {
        let releases = self.file.releases.as_ref().iter();
        let deliveries =
            releases.filter_map(|release| Some(config::config(&self.file, *release).ok()?.delivery));
        let longest =
            deliveries.map(|it| it.expire + it.retry.iter().max().copied().unwrap_or_default()).max();
        longest.unwrap_or_default()
    }
}

impl Setting {
    fn refused(&self, error: &ConfigError) -> SettingError {
        // The values that there are stand in quotes.
        let values = error.remedy().split(['"', '`']).skip(1).step_by(2);
        let remedy = match nearest(&self.text, values) {
            Some(value) if !value.contains(' ') => format!("did you mean `{value}`? {}", error.remedy()),
            _ => error.remedy().to_owned(),
        };
        SettingError::Refused {
            key: self.key.name.clone(),
            text: self.text.clone(),
            what: error.what().to_owned(),
            remedy,
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway::extension::OnFailure;
    use gateway::release::Release;
    use miette::Diagnostic;

    use super::*;

    const ONE_BAD: &str = include_str!("../../../scenarios/kb/one-bad-message-among-good-ones.toml");

    fn scenario() -> Scenario {
        Scenario::parse("one", "one.toml", ONE_BAD).unwrap()
    }

    fn config(settings: &[&str]) -> gateway::config::Config {
        let settings: Vec<Setting> = settings.iter().map(|pair| Setting::parse(pair).unwrap()).collect();
        let scenario = scenario().with(&settings).unwrap();
        scenario.plan(Release::Current, scenario.seed()).gateway.config
    }

    fn refusal(pair: &str) -> (String, String) {
        let error = Setting::parse(pair).and_then(|setting| scenario().with(&[setting]).map(drop));
        let error = error.unwrap_err();
        (error.to_string(), error.help().unwrap().to_string())
    }

    #[test]
    fn a_value_is_read_as_what_the_gateway_takes() {
        let minutes = std::time::Duration::from_mins;
        let config = config(&[
            "delivery.retry=15m+1h",
            "delivery.expire=2h",
            "limits.hops=12",
            "relay.authenticated=false",
            "organization=5",
            "notifications.administrator=",
        ]);
        assert_eq!(config.delivery.retry, [minutes(15), minutes(60)]);
        assert_eq!((config.delivery.expire, config.limits.hops), (minutes(120), 12));
        assert_eq!((config.relay.authenticated, config.organization.as_str()), (false, "5"));
        assert!(config.notifications.administrator.is_empty());
    }

    #[test]
    fn what_becomes_of_a_message_is_set_in_every_link_and_in_the_one_that_fails_as_the_plan_says() {
        let text = include_str!(
            "../../../scenarios/perturbation/localhost-route/one-extension-drops-a-message-and-hangs-on-another.toml"
        );
        let scenario = Scenario::parse("two", "two.toml", text).unwrap();
        let with = scenario.with(&[Setting::parse("extension.on_failure=bypass").unwrap()]).unwrap();
        let chain = with.plan(Release::Current, with.seed()).gateway.config.extensions;
        let links: Vec<_> = chain.iter().map(|link| (link.name.as_str(), link.on_failure)).collect();
        assert_eq!(links, [("faulty", OnFailure::Bypass), ("imcext", OnFailure::Bypass)]);
    }

    #[test]
    fn a_scenario_in_which_mail_waits_longer_goes_on_longer() {
        let setting = Setting::parse("delivery.expire=96h").unwrap();
        let longer = scenario().with(&[setting]).unwrap();
        let duration = |scenario: &Scenario| scenario.plan(Release::Current, scenario.seed()).duration;
        assert_eq!(duration(&longer) - duration(&scenario()), std::time::Duration::from_hours(96));
    }

    #[test]
    fn what_cannot_be_set_is_refused_with_the_nearest_that_can() {
        for (pair, says, helps) in [
            ("delivery.expire", "sets nothing", "write a key"),
            ("retry.waits=1h", "no key `retry.waits`", "did you mean `delivery.retry`?"),
            ("delivery.expiry=1h", "no key `delivery.expiry`", "did you mean `delivery.expire`?"),
            ("release=5.0", "the same in every scenario", "--release"),
            ("extension.on_failure=bypas", "cannot be `bypas`", "did you mean `bypass`?"),
            ("delivery.expire=soon", "`soon` is not a span of time", "hours, minutes and seconds"),
            ("delivery.retry=15x", "`15x` is not a span of time", "hours, minutes and seconds"),
            ("delivery.retry=", "no wait between tries", "at least one wait"),
            ("limits.hops=0", "0 is out of range", "from 1 to"),
            ("limits.hops=many", "invalid type", "write a whole number"),
            ("accept.require=authenticate", "unknown variant", "did you mean `authentication`?"),
            ("submission.homed_here_only=true", "needs clients to authenticate", "require"),
            ("accept.host.rule=exempt", "no [[accept.host]]", "this configuration has none"),
        ] {
            let (said, help) = refusal(pair);
            assert!(said.contains(says) && help.contains(helps), "{pair}: {said}; {help}");
        }
    }
}
