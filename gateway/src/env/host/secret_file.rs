//! A file that its owner alone can read.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Writes such a file, in place of one that has the name.
///
/// # Errors
/// The disk's.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// Reads a text.
///
/// # Errors
/// The disk's.
pub fn read(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}
