//! Which findings have a capsule in a folder.
//!
//! A capsule is a TOML file that says, among others, the `profile`, the `release`, the `oracle` and the `cause`. It is
//! not judged here: what cannot be read is left out, and what is not of today's release.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gateway::release::Release;

/// The capsules by the name of the check that has failed.
#[derive(Default)]
pub(crate) struct Capsules(BTreeMap<String, String>);

impl Capsules {
    /// Looks into a folder, shown as it is called in the project. Where there is no folder there are none.
    #[expect(clippy::disallowed_methods, reason = "findings are on the real disk")]
    pub(crate) fn look(folder: &Path, root: &Path) -> Self {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        let capsule = |name: &std::ffi::OsString| {
            let file = folder.join(name);
            let text = fs::read_to_string(&file).ok()?;
            let table: toml::Table = text.parse().ok()?;
            let [profile, release, oracle, cause] =
                ["profile", "release", "oracle", "cause"].map(|key| table.get(key)?.as_str());
            let case = format!("{}: {}: {}", profile?, oracle?, cause?);
            (release? == Release::Current.name())
                .then(|| (case, file.strip_prefix(root).unwrap_or(&file).display().to_string()))
        };
        Capsules(names.iter().filter_map(capsule).collect())
    }

    /// The capsule of a finding.
    pub(crate) fn of(&self, case: &str) -> Option<&str> {
        self.0.get(case).map(String::as_str)
    }
}
