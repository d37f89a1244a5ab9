//! Which run is meant: by a name in the project, or by a file, which is a finding or a scenario.

use std::path::{Path, PathBuf};

use gateway::release::Release;
use miette::{IntoDiagnostic, WrapErr, miette};
use sim::capsule::{Capsule, Ready};
use sim::draw::Seed;
use sim::scenario::{Library, Scenario, Source};

/// What a word stands for.
pub(super) enum Named {
    /// A finding.
    Finding(Box<Ready>),
    /// The file of a scenario that is not, or not yet, among the project's.
    File(Box<Scenario>),
    /// A scenario or a profile of the project.
    InProject(Library),
}

/// A run to make.
pub(super) struct Chosen {
    pub(super) scenario: Scenario,
    pub(super) release: Release,
    pub(super) seed: Seed,
    /// Where its snapshot is, if it has one.
    pub(super) snapshots: PathBuf,
}

impl Named {
    /// Finds what the word stands for.
    ///
    /// # Errors
    /// The word is a file's name and there is none, or one that cannot be read; or there is no project here.
    pub(super) fn find(here: &Path, word: &str) -> miette::Result<Self> {
        let Some(text) = file(word)? else { return Ok(Named::InProject(super::open_for(word, here)?)) };
        if Capsule::is_one(&text) {
            return Ok(Named::Finding(Box::new(Capsule::read(word, &text)?.ready(word)?)));
        }
        let stem = Path::new(word).file_stem().unwrap_or_default().to_string_lossy();
        Ok(Named::File(Box::new(Scenario::parse(&stem, word, &text)?.apart())))
    }

    /// The run of it with this release and this seed; its own if none is given, and of a profile seed 0.
    ///
    /// # Errors
    /// There is no such scenario, or it is not replayed on that release.
    pub(super) fn choose(
        self,
        word: &str,
        release: Option<Release>,
        seed: Option<u64>,
    ) -> miette::Result<Chosen> {
        match self {
            Named::Finding(ready) => {
                let release = release.unwrap_or(ready.release);
                // What a finding's plan is replayed to is in no snapshot.
                let scenario = ready.scenario.apart();
                chosen(Source::Scenario(&scenario), Some(release), seed, PathBuf::new())
            }
            Named::File(scenario) => chosen(Source::Scenario(&scenario), release, seed, PathBuf::new()),
            Named::InProject(library) => {
                let source = super::find(&library, word)?;
                chosen(source, release, seed, library.snapshots())
            }
        }
    }
}

fn chosen(
    source: Source<'_>,
    release: Option<Release>,
    seed: Option<u64>,
    snapshots: PathBuf,
) -> miette::Result<Chosen> {
    let release = on_release(source, release)?;
    let seed = seed.map_or(source.seed(), Seed);
    Ok(Chosen { scenario: source.scenario(seed, release).into_owned(), release, seed, snapshots })
}

/// The release to replay it on: this one, or its first if none is given.
///
/// # Errors
/// It is not replayed on that release.
pub(super) fn on_release(source: Source<'_>, release: Option<Release>) -> miette::Result<Release> {
    match release {
        None => Ok(source.releases()[0]),
        Some(release) if matches!(source, Source::Profile(_)) || source.releases().contains(&release) => {
            Ok(release)
        }
        Some(release) => {
            let known: Vec<&str> = source.releases().iter().copied().map(Release::name).collect();
            Err(miette!(
                help = "add the release to `releases` in the scenario file to replay it there",
                "{} is not replayed on {release}, only on {}",
                source.name(),
                known.join(", ")
            ))
        }
    }
}

/// The text of a file, if the word is a file's name.
#[expect(clippy::disallowed_methods, reason = "findings and scenarios are on the real disk")]
pub(super) fn file(word: &str) -> miette::Result<Option<String>> {
    if !Path::new(word).is_file() {
        // What is written like a file's name and is none would be looked for among the scenarios in vain.
        let is_path = word.ends_with(".toml") || word.contains(std::path::MAIN_SEPARATOR);
        return if is_path { Err(miette!("there is no file {word}")) } else { Ok(None) };
    }
    std::fs::read_to_string(word)
        .map(Some)
        .into_diagnostic()
        .wrap_err_with(|| format!("{word} cannot be read"))
}
