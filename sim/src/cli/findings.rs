//! The folder of findings: one capsule each, and none is ever overwritten.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use miette::{IntoDiagnostic, WrapErr};
use sim::capsule::{Capsule, Origin};
use sim::count::count;
use sim::draw::Seed;
use sim::engine::Engine;
use sim::explore::{Found, Report};
use sim::profile::Profile;
use sim::shrink::{MOST_RUNS, Shrink};

/// The folder that findings are written to.
pub(super) struct Findings {
    folder: PathBuf,
    /// Whether the folder was made for this exploration.
    is_new: bool,
}

impl Findings {
    /// Opens a folder, and makes it if it is not there.
    ///
    /// # Errors
    /// Nothing can be written into it.
    #[expect(clippy::disallowed_methods, reason = "findings go to the real disk")]
    pub(super) fn open(folder: PathBuf) -> miette::Result<Self> {
        let is_new = !folder.exists();
        let probe = folder.join(format!(".{}", std::process::id()));
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&probe, ""))
            .and_then(|()| fs::remove_file(&probe))
            .into_diagnostic()
            .wrap_err_with(|| format!("findings cannot be written to {}", folder.display()))?;
        Ok(Findings { folder, is_new })
    }

    /// Shrinks each finding of a report and writes its capsule, unless it is there already; says so line by line.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn write(
        &self,
        report: &Report,
        profile: &Profile,
        engine: &dyn Engine,
        root: &Path,
    ) -> miette::Result<()> {
        if report.findings.is_empty() {
            return Ok(());
        }
        anstream::println!("\ncapsules:");
        let (commit, compiler) = (commit(root), said(root, "rustc", &["--version"]));
        for found in &report.findings {
            let origin = Origin {
                profile: report.profile.clone(),
                seed: found.smallest,
                commit: commit.clone(),
                compiler: compiler.clone().unwrap_or_else(|| "unknown".to_owned()),
            };
            self.write_one(found, report, profile, engine, origin)?;
        }
        Ok(())
    }

    fn write_one(
        &self,
        found: &Found,
        report: &Report,
        profile: &Profile,
        engine: &dyn Engine,
        origin: Origin,
    ) -> miette::Result<()> {
        let (seed, release) = (Seed(found.smallest), report.release);
        let scenario = &profile.scenario(seed, release);
        let signature = &found.signature;
        let shrink = Shrink { scenario, release, seed, signature, engine, most_runs: MOST_RUNS };
        let shrunk = match shrink.shrink() {
            Ok(shrunk) => shrunk,
            Err(error) => {
                // Such as a run that differs from itself: made once, it shows nothing.
                anstream::println!("    none of this one: {error}");
                return Ok(());
            }
        };
        let capsule = Capsule::new(&shrunk, engine, origin);
        let file = self.folder.join(capsule.file_name());
        let text = match capsule.to_toml() {
            Ok(text) => text,
            Err(error) => {
                anstream::println!("    none of this one: {error}");
                return Ok(());
            }
        };
        let is_new = create(&file, &text)
            .into_diagnostic()
            .wrap_err_with(|| format!("{} cannot be written", file.display()))?;
        let here = std::env::current_dir().unwrap_or_default();
        let shown = file.strip_prefix(here).unwrap_or(&file).display();
        if is_new {
            let (before, after, runs) =
                (count(shrunk.lines_before, "line"), shrunk.lines, count(shrunk.runs, "run"));
            anstream::println!("    {shown}: {after} of {before}, after {runs}");
        } else {
            anstream::println!("    {shown}: known already, left as it is");
        }
        Ok(())
    }
}

impl Drop for Findings {
    fn drop(&mut self) {
        if self.is_new {
            // Nobody asked for an empty folder; one that is not empty stays.
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

/// Makes a file. False if there is one already.
#[expect(clippy::disallowed_types, reason = "findings go to the real disk")]
fn create(file: &Path, text: &str) -> std::io::Result<bool> {
    match fs::OpenOptions::new().write(true).create_new(true).open(file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        opened => opened?.write_all(text.as_bytes()).map(|()| true),
    }
}

/// The commit of the project, and whether anything was changed since.
fn commit(root: &Path) -> String {
    let Some(commit) = said(root, "git", &["rev-parse", "HEAD"]) else { return "unknown".to_owned() };
    match said(root, "git", &["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit} with changes"),
    }
}

/// What a program says.
fn said(root: &Path, program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
