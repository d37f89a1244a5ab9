//! Where scenarios, profiles and snapshots are: the folders `scenarios/` and `snapshots/` of the project one stands
//! in. A file right in `scenarios/perturbation/` is a profile, every other one is a scenario.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use gateway::release::Release;

use super::{Scenario, ScenarioError};
use crate::draw::Seed;
use crate::profile::Profile;

/// Every scenario and profile of a project.
pub struct Library {
    root: PathBuf,
    scenarios: Vec<Scenario>,
    /// The file of each scenario, from `scenarios/` on.
    files: Vec<PathBuf>,
    profiles: Vec<Profile>,
}

/// What a name stands for.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// A scenario.
    Scenario(&'a Scenario),
    /// A profile, which makes another scenario of each seed.
    Profile(&'a Profile),
}

impl<'a> Source<'a> {
    /// The name.
    pub fn name(self) -> &'a str {
        match self {
            Source::Scenario(scenario) => &scenario.name,
            Source::Profile(profile) => &profile.name,
        }
    }

    /// The releases that it is meant for: of a profile, today's.
    pub fn releases(self) -> &'a [Release] {
        match self {
            Source::Scenario(scenario) => scenario.releases(),
            Source::Profile(_) => &[Release::Current],
        }
    }

    /// The seed that is meant if none is given.
    pub fn seed(self) -> Seed {
        match self {
            Source::Scenario(scenario) => scenario.seed(),
            Source::Profile(_) => Seed(0),
        }
    }

    /// The scenario for a seed and a release.
    pub fn scenario(self, seed: Seed, release: Release) -> Cow<'a, Scenario> {
        match self {
            Source::Scenario(scenario) => Cow::Borrowed(scenario),
            Source::Profile(profile) => Cow::Owned(profile.scenario(seed, release)),
        }
    }
}

/// The scenarios cannot be had.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LibraryError {
    /// There is no project here.
    #[error("there is no folder `scenarios` here or in any folder above")]
    #[diagnostic(help("run this from within a checkout of the project"))]
    NoProject,
    /// A file cannot be read.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// What the system said.
        why: io::Error,
    },
    /// Two files have the same name in different folders.
    #[error("two files are named `{name}`: {first} and {second}")]
    #[diagnostic(help("rename one of the files: a scenario is asked for by its file's name alone"))]
    SameName {
        /// The name.
        name: String,
        /// One file.
        first: String,
        /// The other.
        second: String,
    },
    /// A file is no scenario.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Scenario(#[from] Box<ScenarioError>),
}

#[expect(clippy::disallowed_methods, reason = "scenario files are on the real disk, whatever is simulated")]
impl Library {
    /// Reads every scenario of the project that `from` is in.
    ///
    /// # Errors
    /// There is no project, a file cannot be read, or a file is no scenario: nothing is replayed then.
    pub fn open(from: &Path) -> Result<Self, LibraryError> {
        let (library, bad) = Library::read(from)?;
        match bad.into_iter().next() {
            None => Ok(library),
            Some((_, why)) => Err(why),
        }
    }

    /// Reads what can be read of the project that `from` is in; and of each file that is no scenario its name, and what
    /// is wrong with it.
    ///
    /// # Errors
    /// There is no project, or a folder cannot be read.
    pub fn read(from: &Path) -> Result<(Self, Vec<(String, LibraryError)>), LibraryError> {
        let root = from
            .ancestors()
            .find(|folder| folder.join("scenarios").is_dir())
            .ok_or(LibraryError::NoProject)?;
        let profiles_in = root.join("scenarios").join("perturbation");
        let (scenarios, files, profiles) = (Vec::new(), Vec::new(), Vec::new());
        let mut library = Library { root: root.to_owned(), scenarios, files, profiles };
        let (mut bad, mut paths) = (Vec::new(), BTreeMap::new());
        for path in toml_files(&root.join("scenarios"))? {
            let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let is_profile = path.parent() == Some(&profiles_in);
            let taken = match paths.insert(name.clone(), shown.clone()) {
                Some(first) => Err(LibraryError::SameName { name: name.clone(), first, second: shown }),
                None => library.take(&name, &path, &shown, is_profile),
            };
            bad.extend(taken.err().map(|why| (name, why)));
        }
        Ok((library, bad))
    }

    fn take(&mut self, name: &str, path: &Path, shown: &str, is_profile: bool) -> Result<(), LibraryError> {
        let text = std::fs::read_to_string(path)
            .map_err(|why| LibraryError::Unreadable { path: shown.to_owned(), why })?;
        match is_profile {
            true => self.profiles.push(Profile::parse(name, shown, &text).map_err(Box::new)?),
            false => {
                self.scenarios.push(Scenario::parse(name, shown, &text).map_err(Box::new)?);
                self.files.push(path.strip_prefix(self.root.join("scenarios")).unwrap_or(path).to_owned());
            }
        }
        Ok(())
    }

    /// Every scenario, in the order of folders and names.
    pub fn scenarios(&self) -> &[Scenario] {
        &self.scenarios
    }

    /// The scenarios in a folder of `scenarios/`, in the order of names.
    pub fn in_folder(&self, folder: &str) -> impl Iterator<Item = &Scenario> {
        let scenarios = self.files.iter().zip(&self.scenarios);
        scenarios.filter(move |(file, _)| file.starts_with(folder)).map(|(_, scenario)| scenario)
    }

    /// Every profile, in the order of names.
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// The scenario or the profile of this name, in any case.
    pub fn find(&self, name: &str) -> Option<Source<'_>> {
        let scenario = self.scenarios.iter().find(|scenario| scenario.name.eq_ignore_ascii_case(name));
        let profile = || self.profiles.iter().find(|profile| profile.name.eq_ignore_ascii_case(name));
        scenario.map(Source::Scenario).or_else(|| profile().map(Source::Profile))
    }

    /// The project's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the snapshots.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }
}

/// The scenario files under a folder, in order. `Cargo.toml` is the crate's.
#[expect(clippy::disallowed_methods, reason = "scenario files are on the real disk, whatever is simulated")]
fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, LibraryError> {
    let unreadable = |why| LibraryError::Unreadable { path: folder.display().to_string(), why };
    let mut files = Vec::new();
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(unreadable)?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files.extend(toml_files(&path)?);
        } else if path.extension().is_some_and(|end| end == "toml") && !path.ends_with("Cargo.toml") {
            files.push(path);
        }
    }
    Ok(files)
}
