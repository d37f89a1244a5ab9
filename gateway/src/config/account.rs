//! What a client authenticates with.

use std::fmt;
use std::hint::black_box;

/// An account and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The account's name.
    pub account: String,
    /// Its password.
    pub password: Password,
}

/// A password. It is kept in plain text, as it is in the file: protect the file. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub(super) fn new(text: String) -> Self {
        Password(text)
    }

    /// Whether this is the password. Takes as long for a wrong one of the same length as for the right one.
    pub fn is(&self, offered: &str) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), offered.as_bytes());
        let difference = ours.iter().zip(theirs).fold(0, |all, (a, b)| black_box(all | (a ^ b)));
        ours.len() == theirs.len() && difference == 0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(not shown)")
    }
}
