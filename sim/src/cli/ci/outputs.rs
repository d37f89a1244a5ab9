//! Where the outcome goes: JUnit, Markdown, annotations, results, and the terminal.

use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use clap::Args;
use miette::IntoDiagnostic;
use sim::count::count;

use super::super::explore::write;
use super::super::seeds::Shard;
use super::case::failed;
use super::results::Folder;
use super::summary::Summary;
use super::{annotations, junit};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// What to write, and where to.
#[derive(Args)]
pub(crate) struct OutputArgs {
    /// Write what was checked to this file, as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write what was checked to this file, as Markdown.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Write the results into this folder, as JSON, for `merge`.
    #[arg(long, value_name = "DIR")]
    json: Option<PathBuf>,
}

impl OutputArgs {
    /// Says what cannot be written before an hour of work, not after it. Gives the folder of the results.
    ///
    /// # Errors
    /// Something cannot be written.
    pub(crate) fn open(&self, shard: Shard) -> miette::Result<Option<Folder>> {
        // The folder first: the files may be in it.
        let folder = self.json.as_ref().map(|folder| Folder::open(folder, shard)).transpose()?;
        for file in self.junit.iter().chain(&self.summary) {
            write(file, "")?;
        }
        Ok(folder)
    }

    /// Writes and prints it all.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn write(&self, summary: &Summary<'_>) -> miette::Result<()> {
        if let Some(file) = &self.junit {
            write(file, &junit::report(summary.cases).to_string().into_diagnostic()?)?;
        }
        if let Some(file) = &self.summary {
            write(file, &summary.to_string())?;
        }
        print(summary);
        if annotations::wanted() {
            annotations::of(summary.cases).iter().for_each(|line| anstream::println!("{line}"));
        }
        Ok(())
    }
}

fn print(summary: &Summary<'_>) {
    for (case, failure) in failed(summary.cases) {
        anstream::println!("\n{BAD}{}: {}{BAD:#}", case.group.name(), case.name);
        failure.lines().for_each(|line| anstream::println!("    {line}"));
        if let Some(command) = case.command() {
            anstream::println!("    reproduce: {command}");
        }
        if let Some(capsule) = summary.capsules.of(&case.name) {
            anstream::println!("    capsule: {capsule}");
        }
    }
    let (checks, red) = (count(summary.cases.len(), "check"), failed(summary.cases).count());
    match red {
        0 => anstream::println!("\n{GOOD}{checks}, all good{GOOD:#}"),
        red => anstream::println!("\n{BAD}{checks}, {red} failed{BAD:#}"),
    }
}
