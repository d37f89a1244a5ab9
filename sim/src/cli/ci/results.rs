//! The results of a shard as files.
//!
//! | file | |
//! |---|---|
//! | `explore-PROFILE.I-of-N.json` | the Report of a profile's seeds, as `explore --json` writes it |
//! | `checks.I-of-N.json` | all else that was checked; written last, so it says that the shard is done |
//! | `explore-PROFILE.json` | the sum of Reports that `explore --json` wrote |
//!
//! A name says which shard of how many it is. Nothing of time or machine is in them.

use std::fs;
use std::path::{Path, PathBuf};

use gateway::release::Release;
use miette::{IntoDiagnostic, WrapErr};
use serde::{Deserialize, Serialize};
use sim::engine::{Engine, Leap};
use sim::explore::Report;

use super::super::explore::write;
use super::super::seeds::Shard;
use super::super::typed;
use super::case::Case;

/// What was checked but for the exploring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checks {
    /// What the shards are parts of, such as `the night of 2026-11-26`.
    pub(crate) of: String,
    /// The checks, by group and name.
    pub(crate) cases: Vec<Case>,
}

/// The name of the file with the checks.
pub(crate) const CHECKS: &str = "checks";
/// How the name of a file with a report begins.
pub(crate) const EXPLORE: &str = "explore-";

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
        self.write(&self.file(&name_of(report)), report)
    }

    /// Writes a sum of what was explored, which is of no shard.
    pub(crate) fn write_explored(&self, report: &Report) -> miette::Result<()> {
        self.write(&self.folder.join(format!("{}.json", name_of(report))), report)
    }

    /// Writes all else, and so that the shard is done.
    pub(crate) fn write_checks(&self, checks: &Checks) -> miette::Result<()> {
        self.write(&self.file(CHECKS), checks)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{}-of-{}.json", self.shard.position(), self.shard.count()))
    }

    fn write(&self, file: &Path, what: &impl Serialize) -> miette::Result<()> {
        let json = serde_json::to_string_pretty(what).into_diagnostic()?;
        write(file, &format!("{json}\n"))
    }
}

/// What a report's file is called: by its profile, and by its release and its engine where they are not the usual ones.
fn name_of(report: &Report) -> String {
    let mut name = format!("{EXPLORE}{}", report.profile);
    if report.release != Release::Current {
        name += &format!("-{}", typed(report.release));
    }
    if report.engine != Leap.name() {
        name += &format!("-{}", report.engine);
    }
    name
}

/// Takes `NAME.I-of-N.json` apart. Other files are none of `ci`.
pub(crate) fn name_and_shard(path: &Path) -> Option<(String, Shard)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
    let (name, shard) = name.rsplit_once('.')?;
    let shard = shard.replacen("-of-", "/", 1).parse().ok()?;
    (name == CHECKS || name.starts_with(EXPLORE)).then(|| (name.to_owned(), shard))
}
