//! The file of a shrunk scenario: with reasons, and with what is expected of it.

use std::collections::BTreeSet;
use std::fmt::Write;

use gateway::release::Release;
use toml::Value;

use super::tree::{Path, Step, then};
use super::{Need, Shrunk, findings, text};
use crate::count::count;
use crate::engine::Engine;
use crate::record::{Record, Service, What};
use crate::run::run;
use crate::scenario::Scenario;
use crate::trace::Keep;

/// The text of the scenario, for the release that it fails on.
pub(super) fn plan(shrunk: &Shrunk) -> String {
    head(shrunk) + &annotated(&shrunk.scenario.to_toml(), &shrunk.needs)
}

/// The text of a regression test.
pub(super) fn file(shrunk: &Shrunk, engine: &dyn Engine) -> String {
    let releases = releases(shrunk, engine);
    let mut root = shrunk.root.clone();
    let names = releases.iter().map(|release| Value::from(release.name())).collect::<Vec<_>>();
    root.insert("releases".to_owned(), names.into());
    let scenario = Scenario::parse(&shrunk.scenario.name, "the shrunk scenario", &text(&root))
        .expect("a scenario is one on a further release that takes its configuration");
    let mut out = head(shrunk);
    out.push_str(&annotated(&scenario.to_toml(), &shrunk.needs));
    for release in releases {
        let plan = scenario.plan(release, scenario.seed());
        if let Ok(record) = run(&plan, engine, Keep::Digest) {
            let broken = if release == shrunk.release() { broken(shrunk) } else { Vec::new() };
            out.push_str(&expectation(release, &record, &broken));
        }
    }
    out
}

/// The releases that the file is for: the one that it fails on, and today's, if nothing is found there.
fn releases(shrunk: &Shrunk, engine: &dyn Engine) -> Vec<Release> {
    let mut releases = vec![shrunk.release()];
    if shrunk.release() != Release::Current {
        let mut root = shrunk.root.clone();
        root.insert("releases".to_owned(), vec![Value::from(Release::Current.name())].into());
        let is_whole = Scenario::parse("shrunk", "the shrunk scenario", &text(&root)).is_ok_and(|scenario| {
            findings(&scenario.plan(Release::Current, scenario.seed()), engine).0.is_empty()
        });
        releases.extend(is_whole.then_some(Release::Current));
    }
    releases
}

fn head(shrunk: &Shrunk) -> String {
    let of = match shrunk.is_irreducible() {
        true => "none of which can be taken out".to_owned(),
        false => format!("of {} before", shrunk.lines_before),
    };
    let mut out =
        format!("# Shrunk in {}: {}, {of}.\n", count(shrunk.runs, "run"), count(shrunk.lines, "line"));
    if shrunk.is_cut_short {
        out.push_str("# There may be a smaller one: the runs that were allowed did not suffice.\n");
    }
    out.push('\n');
    out
}

/// The oracles that find something, in an order without end.
fn broken(shrunk: &Shrunk) -> Vec<String> {
    let oracles: BTreeSet<&str> = shrunk.found.iter().map(|found| found.oracle.as_str()).collect();
    // A run that gives no record is judged by none of them.
    oracles.into_iter().filter(|oracle| *oracle != "run").map(str::to_owned).collect()
}

fn expectation(release: Release, record: &Record, broken: &[String]) -> String {
    let died = |what: &What| matches!(what, What::Service(Service::Died(_)));
    let deaths = record.entries.iter().filter(|entry| died(&entry.what)).count();
    let service = if record.end.service_up { "up" } else { "down" };
    let mut out =
        format!("\n[[expect]]\nreleases = [\"{release}\"]\nservice = \"{service}\"\ndeaths = {deaths}\n");
    if !broken.is_empty() {
        writeln!(out, "broken = {}", Value::from(broken.to_vec())).expect("a string takes it");
    }
    out
}

/// The text with the needs of each line above it.
fn annotated(toml: &str, needs: &[Need]) -> String {
    let mut out = String::new();
    let mut here = Cursor::default();
    for row in toml.lines() {
        for need in needs.iter().filter(|need| here.is_at(row, need)) {
            let it = if here.is_obvious(row, need) { "it" } else { &need.line };
            let with_it = need.with_it.as_ref().map(|other| format!(" and {other}")).unwrap_or_default();
            let comment = format!("without {it}{with_it}: {}", need.without);
            for line in textwrap::wrap(&comment, 110) {
                writeln!(out, "# {line}").expect("a string takes it");
            }
        }
        here.step(row);
        out.push_str(row);
        out.push('\n');
    }
    out
}

/// Where in a TOML file one is.
#[derive(Default)]
struct Cursor {
    table: Path,
    /// How many tables of each list there were.
    counts: Vec<(Path, usize)>,
    is_in_text: bool,
}

impl Cursor {
    /// The path of the table or the value that begins with this row.
    fn path(&self, row: &str) -> Option<Path> {
        if self.is_in_text {
            return None;
        }
        if let Some(header) = row.strip_prefix("[[").and_then(|row| row.strip_suffix("]]")) {
            let list = self.resolve(header);
            let place = self.count(&list);
            return Some(then(&list, Step::Place(place)));
        }
        if let Some(header) = row.strip_prefix('[').and_then(|row| row.strip_suffix(']')) {
            return Some(self.resolve(header));
        }
        let (key, _) = row.split_once(" = ")?;
        Some(then(&self.table, Step::Key(key.trim_matches('"').to_owned())))
    }

    fn count(&self, list: &[Step]) -> usize {
        self.counts.iter().find(|(known, _)| known == list).map_or(0, |(_, count)| *count)
    }

    /// The path that a header means: of each list on the way, its last table.
    fn resolve(&self, header: &str) -> Path {
        let mut path = Path::new();
        let steps: Vec<&str> = header.split('.').collect();
        for (number, step) in (1..).zip(&steps) {
            path.push(Step::Key(step.trim_matches('"').to_owned()));
            let count = self.count(&path);
            if count > 0 && number < steps.len() {
                path.push(Step::Place(count - 1));
            }
        }
        path
    }

    /// Whether a line is, or begins, in this row.
    fn is_at(&self, row: &str, need: &Need) -> bool {
        let Some(here) = self.path(row) else { return false };
        let there = &need.place.path;
        // Elements of a list of values, and tables within one, stand in the row of the list's key.
        here == *there || (!row.starts_with('[') && there.starts_with(&here))
    }

    /// Whether it goes without saying which line is meant.
    fn is_obvious(&self, row: &str, need: &Need) -> bool {
        need.place.row.is_none() && self.path(row).is_some_and(|here| here == need.place.path)
    }

    fn step(&mut self, row: &str) {
        if let Some(path) = self.path(row).filter(|_| row.starts_with('[')) {
            if let Some((Step::Place(_), list)) = path.split_last() {
                match self.counts.iter_mut().find(|(known, _)| known == list) {
                    Some((_, count)) => *count += 1,
                    None => self.counts.push((list.to_vec(), 1)),
                }
            }
            self.table = path;
        }
        if row.matches("\"\"\"").count() % 2 == 1 {
            self.is_in_text = !self.is_in_text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shrink::lines::Line;
    use crate::shrink::tree::keys;

    #[test]
    fn a_reason_stands_above_its_line() {
        let toml = "title = \"t\"\n\n[gateway.config.accept]\nrequire = \"authentication\"\n\n[[client]]\nname = \"c\"\n\n\
            [[client.message]]\nname = \"m1\"\n\n[[client]]\nname = \"d\"\n\n[[client.message]]\nto = [\"a\", \"b\"]\n";
        let message =
            [keys(&["client"]), vec![Step::Place(1)], keys(&["message"]), vec![Step::Place(0)]].concat();
        let recipient = [message.clone(), keys(&["to"]), vec![Step::Place(1)]].concat();
        let need = |path: &Path, line: &str| Need {
            line: line.to_owned(),
            without: "all is well".to_owned(),
            with_it: None,
            place: Line { path: path.clone(), row: None, name: line.to_owned() },
        };
        let setting = keys(&["gateway", "config", "accept", "require"]);
        let text =
            annotated(toml, &[need(&setting, "s"), need(&message, "m"), need(&recipient, "the recipient b")]);
        let expected = toml.replace("require", "# without it: all is well\nrequire").replace(
            "\n[[client.message]]\nto = ",
            "\n# without it: all is well\n[[client.message]]\n# without the recipient b: all is well\nto = ",
        );
        assert_eq!(text, expected);
    }
}
