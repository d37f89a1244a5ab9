//! The gateway's disk in a live run: a temporary directory, in which every path of the scenario is found from the root
//! on.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a live run is on the real machine")]

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::machine::by_hand;
use crate::scenario::{SPOOL, STORE};

/// A directory of a run's own. It is removed with what is in it.
pub(super) struct Home {
    root: TempDir,
}

impl Home {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Home { root: tempfile::Builder::new().prefix("postmortem-live-").tempdir()? })
    }

    /// Where a path of the scenario is.
    pub(super) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.path().join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Writes a file, for nobody else to read: the gateway looks at that.
    pub(super) fn write(&self, path: impl AsRef<Path>, text: &str) -> io::Result<PathBuf> {
        let path = self.at(path);
        DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap_or(self.root.path()))?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }

    /// A text with the paths of the scenario in the place of those here.
    pub(super) fn there(&self, text: &str) -> String {
        text.replace(&self.root.path().display().to_string(), "")
    }

    /// Every file of the spool and of the mailboxes, by its path in the scenario, and its bytes.
    pub(super) fn files(&self) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
        let mut files = BTreeMap::new();
        let mut left = vec![PathBuf::from(SPOOL), PathBuf::from(STORE)];
        while let Some(dir) = left.pop() {
            for (name, is_dir) in self.names(&dir)? {
                let path = dir.join(name);
                match is_dir {
                    true => left.push(path),
                    false => {
                        files.insert(path.clone(), fs::read(self.at(&path))?);
                    }
                }
            }
        }
        Ok(files)
    }

    /// Whether no message is waiting in the spool or being written.
    pub(super) fn spool_is_empty(&self) -> bool {
        ["work", "in", "out"]
            .iter()
            .all(|folder| self.names(&Path::new(SPOOL).join(folder)).is_ok_and(|names| names.is_empty()))
    }

    /// Moves the file of a message out of `in`, to where the gateway does not look. Its name, if it is there.
    pub(super) fn set_aside(&self, message: &str) -> io::Result<Option<String>> {
        let folder = Path::new(SPOOL).join("in");
        for (name, _) in self.names(&folder)? {
            let file = self.at(folder.join(&name));
            let queued = gateway::spool::decode(&fs::read(&file)?);
            if queued.is_ok_and(|queued| by_hand::is(&queued.content, message)) {
                let set_aside = self.at("/set-aside");
                fs::create_dir_all(&set_aside)?;
                fs::rename(file, set_aside.join(&name))?;
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// What is in a directory, and whether it is a directory itself.
    fn names(&self, dir: &Path) -> io::Result<Vec<(String, bool)>> {
        let entries = match fs::read_dir(self.at(dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let name = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?.is_dir()))
        };
        entries.map(name).collect()
    }
}
