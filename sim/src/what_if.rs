//! What if: a scenario with other settings of the gateway, and without some lines of its plan; and what then came out
//! otherwise.
//!
//! What speaks of a message that is taken out goes with it, as when a scenario is shrunk. The expectations of the file are
//! left behind: they are about the scenario as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use toml::Table;

use crate::compare::{Measured, Unit, amount};
use crate::mailbag::Item;
use crate::nearest::did_you_mean;
use crate::oracle::Finding;
use crate::plan::Plan;
use crate::record::{Record, Service, What};
use crate::scenario::{Scenario, ScenarioError, Setting, SettingError};
use crate::shrink::tree::{Path, Step, keys, then, without};

/// How many messages are spoken of one by one.
const FEW: usize = 4;

/// A line of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A fault, by its number in the plan, from 1.
    Fault(usize),
    /// A message that a client hands over, by its name.
    Message(String),
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let line = match text.split_once(':') {
            Some(("fault", number)) => number.parse().ok().map(Line::Fault),
            Some(("message", name)) if !name.is_empty() => Some(Line::Message(name.to_owned())),
            _ => None,
        };
        line.ok_or_else(|| "write `fault:` and its number, or `message:` and its name".to_owned())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Fault(number) => write!(f, "fault:{number}"),
            Line::Message(name) => write!(f, "message:{name}"),
        }
    }
}

/// What is to be otherwise.
#[derive(Clone, Debug, Default)]
pub struct WhatIf {
    /// The settings, in the order in which they are made.
    pub settings: Vec<Setting>,
    /// The lines that are taken out.
    pub without: Vec<Line>,
}

/// What cannot be otherwise.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum WhatIfError {
    /// A setting.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Setting(#[from] SettingError),
    /// There is no such line.
    #[error("the plan has no line `{line}`")]
    #[diagnostic(help("{remedy}"))]
    NoLine {
        /// The line.
        line: Line,
        /// What there is.
        remedy: String,
    },
    /// What is left is no scenario.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Left(#[from] Box<ScenarioError>),
}

impl WhatIf {
    /// Whether anything is to be otherwise.
    pub fn is_nothing(&self) -> bool {
        self.settings.is_empty() && self.without.is_empty()
    }

    /// The scenario as it would be.
    ///
    /// # Errors
    /// There is no such line, the gateway does not take a setting, or what is left is no scenario.
    pub fn of(&self, scenario: &Scenario) -> Result<Scenario, WhatIfError> {
        let root: Table =
            scenario.to_toml().parse().expect("a scenario is written as TOML, and read as what was written");
        let paths = self.without.iter().map(|line| place(&root, line)).collect::<Result<Vec<_>, _>>()?;
        let left = toml::to_string(&without(&root, &paths)).expect("a table that was read can be written");
        let left =
            Scenario::parse(&scenario.name, "the scenario without these lines", &left).map_err(Box::new)?;
        Ok(left.with(&self.settings)?)
    }
}

impl fmt::Display for WhatIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings.iter().map(ToString::to_string);
        let without = self.without.iter().map(|line| format!("without {line}"));
        f.write_str(&settings.chain(without).collect::<Vec<_>>().join(", "))
    }
}

/// Where a line is in the file.
fn place(root: &Table, line: &Line) -> Result<Path, WhatIfError> {
    let list =
        |value: Option<&toml::Value>| value.and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let faults = list(root.get("fault")).len();
    let mut messages: BTreeMap<String, Path> = BTreeMap::new();
    for (client_at, client) in list(root.get("client")).iter().enumerate() {
        for (message_at, message) in list(client.get("message")).iter().enumerate() {
            let name = message.get("name").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
            let path =
                then(&then(&keys(&["client"]), Step::Place(client_at)), Step::Key("message".to_owned()));
            messages.insert(name, then(&path, Step::Place(message_at)));
        }
    }
    let found = match line {
        Line::Fault(number) => {
            (1..=faults).contains(number).then(|| then(&keys(&["fault"]), Step::Place(number - 1)))
        }
        Line::Message(name) => messages.get(name).cloned(),
    };
    found.ok_or_else(|| {
        let there_are: Vec<String> = match line {
            Line::Fault(_) => (1..=faults).map(|number| Line::Fault(number).to_string()).collect(),
            Line::Message(_) => messages.into_keys().map(|name| Line::Message(name).to_string()).collect(),
        };
        let meant = did_you_mean(&line.to_string(), there_are.iter().map(String::as_str));
        let remedy = match there_are.is_empty() {
            true => "it has none".to_owned(),
            false => format!("{meant}there are: {}", there_are.join(", ")),
        };
        WhatIfError::NoLine { line: line.clone(), remedy }
    })
}

/// A run and what was found in it.
pub struct Made<'a> {
    /// What was to happen.
    pub plan: &'a Plan,
    /// What happened.
    pub record: &'a Record,
    /// What the oracles found.
    pub findings: &'a [Finding],
}

/// What came out otherwise than in the plain run: where the messages of both are, and the numbers that differ. Empty if
/// nothing did.
pub fn differences(plain: &Made<'_>, other: &Made<'_>) -> Vec<String> {
    let (before, after) = (places(plain.record), places(other.record));
    let is_in_both = |shown: &&String| {
        let name = shown.rsplit(' ').next().unwrap_or_default();
        [plain, other].iter().all(|made| made.plan.messages().any(|message| message.name == name))
    };
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).filter(is_in_both).collect();
    let moved: Vec<String> = all
        .into_iter()
        .filter(|message| before.get(*message) != after.get(*message))
        .map(|message| {
            format!("{message} {} instead of {}", shown(after.get(message)), shown(before.get(message)))
        })
        .collect();
    let mut lines = Vec::new();
    if !moved.is_empty() {
        let few = moved.iter().take(FEW).cloned().collect::<Vec<_>>().join("; ");
        let more = moved.len().saturating_sub(FEW);
        lines.push(if more > 0 { format!("{few}; and {more} more") } else { few });
    }
    let numbers = numbers(plain).into_iter().zip(numbers(other));
    let differing = numbers.filter(|((_, before), (_, after))| before != after);
    let differing: Vec<String> =
        differing.map(|((name, before), (_, after))| format!("{name} {after} instead of {before}")).collect();
    if !differing.is_empty() {
        lines.push(differing.join("; "));
    }
    lines
}

/// Where each message is at the end, and each report.
fn places(record: &Record) -> BTreeMap<String, BTreeSet<String>> {
    let end = &record.end;
    let items = |list: &'_ [(String, Vec<Item>)], what: &str| -> Vec<(String, String)> {
        let of = |(name, items): &(String, Vec<Item>)| {
            items.iter().map(|item| (item.kind.to_string(), format!("{what} {name}"))).collect::<Vec<_>>()
        };
        list.iter().flat_map(of).collect()
    };
    let spool = end.spool.iter().flat_map(|(folder, files)| {
        let items = files.iter().filter_map(|file| file.item.as_ref());
        items.map(move |item| (item.kind.to_string(), format!("in {folder}/")))
    });
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let all = items(&end.mailboxes, "in mailbox").into_iter().chain(items(&end.servers, "on")).chain(spool);
    for (message, place) in all {
        places.entry(message).or_default().insert(place);
    }
    places
}

fn shown(places: Option<&BTreeSet<String>>) -> String {
    places.map_or_else(
        || "nowhere".to_owned(),
        |places| places.iter().cloned().collect::<Vec<_>>().join(" and "),
    )
}

/// What is counted of a run, and its longest time.
fn numbers(made: &Made<'_>) -> Vec<(&'static str, String)> {
    let Made { plan, record, findings } = made;
    let count = |is_one: fn(&What) -> bool| record.entries.iter().filter(|entry| is_one(&entry.what)).count();
    let longest = Measured::of(plan, record).delivery.into_values().max();
    vec![
        ("deaths", count(|what| matches!(what, What::Service(Service::Died(_)))).to_string()),
        ("service up at the end", if record.end.service_up { "yes" } else { "no" }.to_owned()),
        ("findings", findings.len().to_string()),
        (
            "longest delivery",
            longest.map_or_else(|| "none".to_owned(), |it| amount(Unit::Time, it.as_secs_f64())),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use gateway::release::Release;
    use miette::Diagnostic;

    use super::*;
    use crate::engine::Leap;
    use crate::oracle::judge;
    use crate::run::run;
    use crate::trace::Keep;

    const ONE_BAD: &str = include_str!("../../scenarios/kb/one-bad-message-among-good-ones.toml");

    fn scenario() -> Scenario {
        Scenario::parse("one", "one.toml", ONE_BAD).unwrap()
    }

    fn what_if(settings: &[&str], without: &[&str]) -> WhatIf {
        WhatIf {
            settings: settings.iter().map(|pair| Setting::parse(pair).unwrap()).collect(),
            without: without.iter().map(|line| line.parse().unwrap()).collect(),
        }
    }

    fn differing(what_if: &WhatIf) -> Vec<String> {
        let made = |scenario: &Scenario| {
            let plan = scenario.plan(Release::Current, scenario.seed());
            let record = run(&plan, &Leap, Keep::Digest).unwrap();
            let findings = judge(&plan, &record);
            (plan, record, findings)
        };
        let [plain, other] = [made(&scenario()), made(&what_if.of(&scenario()).unwrap())];
        let [plain, other] = [&plain, &other].map(|(plan, record, findings)| Made {
            plan,
            record,
            findings: findings.as_slice(),
        });
        differences(&plain, &other)
    }

    #[test]
    fn what_becomes_of_a_message_otherwise_is_said() {
        let bypassed = differing(&what_if(&["extension.on_failure=bypass"], &[]));
        let expected = "m3 in mailbox bob@contoso.test instead of in bad/; \
                        notification on m3 nowhere instead of in mailbox administrator@contoso.test";
        assert_eq!(bypassed, [expected]);
        assert_eq!(bypassed, differing(&what_if(&[], &["fault:1"])), "as if the extension did not fail");
        assert_eq!(differing(&what_if(&["limits.hops=29"], &["message:m5"])), [""; 0], "but for m5 itself");
    }

    #[test]
    fn what_speaks_of_a_message_goes_with_it() {
        let left = what_if(&[], &["message:m3", "message:m1"]).of(&scenario()).unwrap();
        let plan = left.plan(Release::Current, left.seed());
        assert_eq!(
            plan.messages().map(|message| message.name.as_str()).collect::<Vec<_>>(),
            ["m2", "m4", "m5"]
        );
        assert!(plan.faults.is_empty());
        assert_eq!(left.expectations(Release::Current).count(), 0);
    }

    #[test]
    fn a_line_that_is_not_there_is_refused_with_the_nearest() {
        for (line, helps) in
            [("message:m9", "did you mean `message:m"), ("fault:2", "did you mean `fault:1`?")]
        {
            let error = what_if(&[], &[line]).of(&scenario()).map(drop).unwrap_err();
            assert_eq!(error.to_string(), format!("the plan has no line `{line}`"));
            assert!(error.help().unwrap().to_string().contains(helps), "{}", error.help().unwrap());
        }
        assert!("faults:1".parse::<Line>().is_err() && "message:".parse::<Line>().is_err());
    }
}
