//! Results that are found in files, and what they come to together: those of the shards of `ci`, or the Reports that
//! `explore --json` wrote.
//!
//! What is not there and should be, what is damaged and what is there twice is a *gap*. Whoever merges decides whether
//! gaps matter. What is of another run than the rest is never added to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr, miette};
use serde::de::DeserializeOwned;
use sim::count::count;
use sim::explore::Report;

use super::super::seeds;
use super::case::union;
use super::results::{CHECKS, Checks, EXPLORE, name_and_shard};

/// What was found in files.
#[derive(Default)]
pub(crate) struct Found {
    /// How many shards there are to be; none if there are only reports of `explore`.
    count: u64,
    /// The names of the files that each shard is to have.
    names: Vec<String>,
    /// For each profile's name, what each shard has, counted from 1.
    reports: Shards<Report>,
    /// The same of the checks, under their one name.
    checks: Shards<Checks>,
    /// What `explore --json` wrote.
    explored: Vec<(PathBuf, Report)>,
    /// The files that cannot be read, a line each.
    damaged: Vec<String>,
}

/// What is in the files of a name, for each shard.
type Shards<T> = BTreeMap<String, BTreeMap<u64, Vec<(PathBuf, T)>>>;

/// What it all comes to.
pub(crate) struct Sum {
    /// What was explored, each profile, release and engine once.
    pub(crate) reports: Vec<Report>,
    /// All else that was checked; nothing if no shard was done.
    pub(crate) checks: Option<Checks>,
    /// What is not in it and should be, and what was left out, a line each.
    pub(crate) gaps: Vec<String>,
}

impl Found {
    /// Looks into folders and files.
    ///
    /// # Errors
    /// One cannot be read, there are no results, or they are of different numbers of shards.
    #[expect(clippy::disallowed_methods, reason = "results are on the real disk")]
    pub(crate) fn look(places: &[PathBuf]) -> miette::Result<Self> {
        let mut found = Found::default();
        let mut counts: BTreeMap<u64, PathBuf> = BTreeMap::new();
        for place in places {
            let paths = if place.is_file() {
                Ok(vec![place.clone()])
            } else {
                let entries = fs::read_dir(place);
                entries.and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            };
            let mut paths =
                paths.into_diagnostic().wrap_err_with(|| format!("{} cannot be read", place.display()))?;
            paths.sort();
            for path in paths {
                if let Some((name, shard)) = name_and_shard(&path) {
                    counts.entry(shard.count()).or_insert_with(|| path.clone());
                    found.take_shard(name, shard, path);
                } else if place.is_file() || path.extension().is_some_and(|end| end == "json") {
                    found.take_explored(path, place.is_file());
                }
            }
        }
        let counts: Vec<(u64, PathBuf)> = counts.into_iter().collect();
        match &counts[..] {
            [] if found.explored.is_empty() && found.damaged.is_empty() => {
                let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
                Err(miette!(
                    help = "name the folders of `postmortem ci --json DIR`, or the files of `explore --json FILE`",
                    "there are no results in {}",
                    places.join(", ")
                ))
            }
            [] => Ok(found),
            [(_, one), ..] if !found.explored.is_empty() => Err(miette!(
                help = "merge the results of `ci` by themselves, and the reports of `explore` too",
                "{} is of `ci`, and {} is of `explore`",
                one.display(),
                found.explored[0].0.display()
            )),
            [(count, _)] => {
                found.count = *count;
                found.names.push(CHECKS.to_owned());
                found.names.sort();
                found.names.dedup();
                Ok(found)
            }
            [(few, one), .., (many, other)] => Err(miette!(
                help = "merge the results of one run alone",
                "{} is of {few} shards, and {} is of {many}",
                one.display(),
                other.display()
            )),
        }
    }

    fn take_shard(&mut self, name: String, shard: seeds::Shard, path: PathBuf) {
        self.names.push(name.clone());
        let taken = if name == CHECKS {
            read(&path).map(|checks| put(&mut self.checks, name, shard, path, checks))
        } else {
            read(&path).map(|report| put(&mut self.reports, name, shard, path, report))
        };
        self.damaged.extend(taken.err());
    }

    /// Takes a report of `explore`. A file that nobody named may be something else altogether.
    fn take_explored(&mut self, path: PathBuf, is_named: bool) {
        match read(&path) {
            Ok(report) => self.explored.push((path, report)),
            Err(_) if !is_named && read::<serde_json::Value>(&path).is_ok() => {}
            Err(damaged) => self.damaged.push(damaged),
        }
    }

    /// Adds it all up, each shard and each seed once.
    ///
    /// # Errors
    /// A file is not of the same run as the others.
    pub(crate) fn sum(self) -> miette::Result<Sum> {
        let mut gaps = self.damaged.clone();
        gaps.extend(self.missing());
        let mut checks: Option<Checks> = None;
        for (file, next) in self.checks.into_values().flat_map(firsts) {
            let so_far = checks.get_or_insert_with(|| Checks { of: next.of.clone(), cases: Vec::new() });
            if so_far.of != next.of {
                return Err(other_run(&file));
            }
            so_far.cases = union(so_far.cases.drain(..).chain(next.cases));
        }
        let mut reports: Vec<Report> = Vec::new();
        for shards in self.reports.into_values() {
            let mut sum: Option<Report> = None;
            for (file, next) in firsts(shards) {
                match &mut sum {
                    None => sum = Some(next),
                    Some(sum) if is_alike(sum, &next) && !overlap(sum, &next) => sum.add(&next),
                    Some(_) => return Err(other_run(&file)),
                }
            }
            reports.extend(sum);
        }
        for (file, next) in self.explored {
            let file = file.display();
            if next.interrupted {
                gaps.push(format!("interrupted: {file}, after {}", count(next.count(), "seed")));
            }
            match reports.iter_mut().find(|sum| is_alike(sum, &next)) {
                None => reports.push(next),
                Some(sum) if !overlap(sum, &next) => sum.add(&next),
                Some(_) => gaps.push(format!("double: {file} has seeds that are in another file")),
            }
        }
        if self.count == 0 {
            reports.sort_by(|a, b| key(a).cmp(&key(b)));
            gaps.extend(reports.iter().flat_map(holes));
        }
        Ok(Sum { reports, checks, gaps })
    }

    /// Which shards are not there, and which are more than once: a line for each.
    fn missing(&self) -> Vec<String> {
        let how_many = |name: &String, number| {
            let reports = self.reports.get(name).and_then(|shards| shards.get(&number)).map_or(0, Vec::len);
            let checks = self.checks.get(name).and_then(|shards| shards.get(&number)).map_or(0, Vec::len);
            reports + checks
        };
        let mut gaps = Vec::new();
        for number in 1..=self.count {
            let of = |wrong: fn(usize) -> bool| {
                let wrong = self.names.iter().filter(|name| wrong(how_many(name, number)));
                let names: Vec<&str> = wrong.map(|name| name.strip_prefix(EXPLORE).unwrap_or(name)).collect();
                let of = if names.len() == self.names.len() {
                    String::new()
                } else {
                    format!(" of {}", names.join(", "))
                };
                (!names.is_empty()).then(|| format!("shard {number}/{}{of}", self.count))
            };
            gaps.extend(of(|files| files == 0).map(|shard| format!("missing: {shard}")));
            gaps.extend(of(|files| files > 1).map(|shard| format!("double: {shard}")));
        }
        gaps
    }
}

/// Of what is there more than once, the first.
fn firsts<T>(shards: BTreeMap<u64, Vec<(PathBuf, T)>>) -> impl Iterator<Item = (PathBuf, T)> {
    shards.into_values().filter_map(|files| files.into_iter().next())
}

fn put<T>(shards: &mut Shards<T>, name: String, shard: seeds::Shard, path: PathBuf, what: T) {
    shards.entry(name).or_default().entry(shard.position()).or_default().push((path, what));
}

fn key(report: &Report) -> (&str, gateway::release::Release, &str) {
    (&report.profile, report.release, &report.engine)
}

/// Whether two reports are of the same profile, release and engine.
fn is_alike(one: &Report, other: &Report) -> bool {
    key(one) == key(other)
}

/// Whether two reports have a seed in common.
fn overlap(one: &Report, other: &Report) -> bool {
    one.seeds
        .iter()
        .any(|ours| other.seeds.iter().any(|theirs| ours.start.max(theirs.start) < ours.end.min(theirs.end)))
}

/// The seeds between those of several explorations. Where a time was the limit each shard has a block of its own, and what
/// lies before a block is nobody's.
fn holes(report: &Report) -> Vec<String> {
    let pairs = report.seeds.windows(2).filter(|pair| pair[1].start % seeds::BLOCK != 0);
    pairs
        .map(|pair| format!("missing: seeds {}..{} of {}", pair[0].end, pair[1].start, report.profile))
        .collect()
}

fn other_run(file: &Path) -> miette::Report {
    miette!(
        help = "merge the results of one run alone: of one night, or of the same `--seeds`",
        "{} is of another run than the files before it",
        file.display()
    )
}

/// Reads a file, or says in a line that it cannot be read.
#[expect(clippy::disallowed_methods, reason = "results are on the real disk")]
fn read<T: DeserializeOwned>(file: &Path) -> Result<T, String> {
    let damaged = |why: String| format!("damaged: {}: {why}", file.display());
    let text = fs::read_to_string(file).map_err(|error| damaged(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))
}
