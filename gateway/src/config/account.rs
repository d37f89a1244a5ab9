//! What a client authenticates with.

use crate::secret::Secret;

/// An account, and what is stored of its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The account's name.
    pub account: String,
    /// What is stored of its password.
    pub secret: Secret,
}
