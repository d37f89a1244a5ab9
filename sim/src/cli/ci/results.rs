//! The results of a shard as files, and the shards' files as one result.
//!
//! | file | |
//! |---|---|
//! | `explore-PROFILE.I-of-N.json` | the Report of a profile's seeds, as `explore --json` writes it |
//! | `checks.I-of-N.json` | all else that was checked; written last, so it says that the shard is done |
//!
//! A name says which shard of how many it is. Nothing of time or machine is in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr, miette};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sim::explore::Report;

use super::super::explore::write;
use super::super::seeds::Shard;
use super::case::{Case, union};

/// What was checked but for the exploring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checks {
    /// What the shards are parts of, such as `the night of 2026-11-26`.
    pub(crate) of: String,
    /// The checks, by group and name.
    pub(crate) cases: Vec<Case>,
}

const CHECKS: &str = "checks";

/// A folder that results go to.
pub(crate) struct Folder {
    folder: PathBuf,
    shard: Shard,
}

impl Folder {
    /// Opens a folder for the results of a shard, and makes it if it is not there.
    ///
    /// # Errors
    /// Nothing can be written into it.
    #[expect(clippy::disallowed_methods, reason = "results go to the real disk")]
    pub(crate) fn open(folder: &Path, shard: Shard) -> miette::Result<Self> {
        let probe = folder.join(format!(".{}", std::process::id()));
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&probe, ""))
            .and_then(|()| fs::remove_file(&probe))
            .into_diagnostic()
            .wrap_err_with(|| format!("results cannot be written to {}", folder.display()))?;
        let folder = Folder { folder: folder.to_owned(), shard };
        // Of an earlier run: what is written from now on is not done before it is written again.
        match fs::remove_file(folder.file(CHECKS)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).into_diagnostic().wrap_err("the results of an earlier run cannot be replaced")
            }
            _ => Ok(folder),
        }
    }

    /// Writes what exploring with a profile came to.
    pub(crate) fn write_report(&self, report: &Report) -> miette::Result<()> {
        self.write(&format!("explore-{}", report.profile), report)
    }

    /// Writes all else, and so that the shard is done.
    pub(crate) fn write_checks(&self, checks: &Checks) -> miette::Result<()> {
        self.write(CHECKS, checks)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{}-of-{}.json", self.shard.position(), self.shard.count()))
    }

    fn write(&self, name: &str, what: &impl Serialize) -> miette::Result<()> {
        let json = serde_json::to_string_pretty(what).into_diagnostic()?;
        write(&self.file(name), &format!("{json}\n"))
    }
}

/// The files of all shards.
pub(crate) struct Found {
    /// How many shards there are to be.
    count: u64,
    /// For each name, the files of each shard, counted from 1.
    files: BTreeMap<String, BTreeMap<u64, Vec<PathBuf>>>,
}

impl Found {
    /// Looks for results in some folders.
    ///
    /// # Errors
    /// A folder cannot be read, there are none, or they are of different numbers of shards.
    #[expect(clippy::disallowed_methods, reason = "results are on the real disk")]
    pub(crate) fn look(folders: &[PathBuf]) -> miette::Result<Self> {
        let mut files: BTreeMap<String, BTreeMap<u64, Vec<PathBuf>>> = BTreeMap::new();
        let mut counts: BTreeMap<u64, PathBuf> = BTreeMap::new();
        for folder in folders {
            let entries = fs::read_dir(folder).and_then(|entries| {
                entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
            });
            let mut paths =
                entries.into_diagnostic().wrap_err_with(|| format!("{} cannot be read", folder.display()))?;
            paths.sort();
            for path in paths {
                let Some((name, shard)) = name_and_shard(&path) else { continue };
                counts.entry(shard.count()).or_insert_with(|| path.clone());
                files.entry(name).or_default().entry(shard.position()).or_default().push(path);
            }
        }
        let counts: Vec<(u64, PathBuf)> = counts.into_iter().collect();
        match &counts[..] {
            [] => Err(miette!(
                help = "name the folders that `postmortem ci --json DIR` wrote to",
                "there are no results in {}",
                folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
            )),
            [(count, _)] => {
                files.entry(CHECKS.to_owned()).or_default();
                Ok(Found { count: *count, files })
            }
            [(few, one), .., (many, other)] => Err(miette!(
                help = "merge the results of one run alone",
                "{} is of {few} shards, and {} is of {many}",
                one.display(),
                other.display()
            )),
        }
    }

    /// Which results there should be and are not, and which there are more than once: a line for each shard.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for number in 1..=self.count {
            let of = |wrong: fn(usize) -> bool| {
                let how_many = |shards: &BTreeMap<u64, Vec<PathBuf>>| shards.get(&number).map_or(0, Vec::len);
                let wrong = self.files.iter().filter(|(_, shards)| wrong(how_many(shards)));
                let names: Vec<&str> = wrong.map(|(name, _)| shown(name)).collect();
                let of = if names.len() == self.files.len() {
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

    /// Adds it all up, each shard once. No checks if no shard was done.
    ///
    /// # Errors
    /// A file cannot be read, or is not of the same run as the others.
    pub(crate) fn add(&self) -> miette::Result<(Vec<Report>, Option<Checks>)> {
        let mut reports = Vec::new();
        let mut checks: Option<Checks> = None;
        for (name, shards) in &self.files {
            let firsts = shards.values().filter_map(|files| files.first());
            if name == CHECKS {
                for file in firsts {
                    let next: Checks = read(file)?;
                    let so_far =
                        checks.get_or_insert_with(|| Checks { of: next.of.clone(), cases: Vec::new() });
                    if so_far.of != next.of {
                        return Err(other_run(file));
                    }
                    so_far.cases = union(so_far.cases.drain(..).chain(next.cases));
                }
                continue;
            }
            let mut sum: Option<Report> = None;
            for file in firsts {
                let next: Report = read(file)?;
                let Some(so_far) = &mut sum else {
                    sum = Some(next);
                    continue;
                };
                let seeds = so_far.count() + next.count();
                let same = (&so_far.profile, so_far.release, &so_far.engine)
                    == (&next.profile, next.release, &next.engine);
                so_far.add(&next);
                // No seed twice: shards have none in common.
                if !same || so_far.count() != seeds {
                    return Err(other_run(file));
                }
            }
            reports.extend(sum);
        }
        Ok((reports, checks))
    }
}

fn other_run(file: &Path) -> miette::Report {
    miette!(
        help = "merge the results of one run alone: of one night, or of the same `--seeds`",
        "{} is of another run than the files before it",
        file.display()
    )
}

/// What a name of a file stands for.
fn shown(name: &str) -> &str {
    name.strip_prefix("explore-").unwrap_or(name)
}

/// Takes `NAME.I-of-N.json` apart. Other files are not ours.
fn name_and_shard(path: &Path) -> Option<(String, Shard)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
    let (name, shard) = name.rsplit_once('.')?;
    let shard = shard.replacen("-of-", "/", 1).parse().ok()?;
    (name == CHECKS || name.starts_with("explore-")).then(|| (name.to_owned(), shard))
}

#[expect(clippy::disallowed_methods, reason = "results are on the real disk")]
fn read<T: DeserializeOwned>(file: &Path) -> miette::Result<T> {
    let text = fs::read_to_string(file)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_str(&text)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} is no result of this build's `postmortem ci`", file.display()))
}
