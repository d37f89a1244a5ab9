//! Where the programs of others are: on the search path, or below `target/interop/`, where `.ci/run` puts what is not a
//! package of the system.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether a program can be run: this call of it succeeds.
pub(crate) fn runs(program: impl AsRef<Path>, arguments: &[&str]) -> bool {
    let output = Command::new(program.as_ref()).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

/// Whether this user may do what a server of mail must do, such as to become another user.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// A file or directory below `target/interop/`.
pub(crate) fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("interop").join(name)
}

/// The Python that has the packages of PyPI that the tests want.
pub(crate) fn python() -> PathBuf {
    place("venv/bin/python")
}

/// Whether that Python has a module.
pub(crate) fn python_has(module: &str) -> bool {
    runs(python(), &["-c", &format!("import {module}")])
}

/// A script of the tests.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}
