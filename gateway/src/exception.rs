//! The exception filter: what happens when handling one message panics.
//!
//! The original caught a structured exception, wrote event 4037 with its code, flags and address, and on the
//! releases replayed here the process then ended. Here an exception is a panic; one that replays an access
//! violation of the original carries an [`Exception`] as its payload.
//!
//! This module knows no message: the caller decides what becomes of the one in hand.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};

use futures_util::FutureExt;
use serde::Serialize;

/// An exception as event 4037 shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// The exception code, such as `0xc0000005` for an access violation.
    pub code: u32,
    /// The exception flags; 1 is "non-continuable".
    pub flags: u32,
    /// The address of the instruction, zero where it is not known.
    pub address: u32,
    /// What a panic said, for one that is not a replayed access violation.
    pub message: Option<String>,
}

impl Exception {
    /// An access violation at `address`.
    pub fn access_violation(address: u32) -> Self {
        Exception { code: 0xc000_0005, flags: 0, address, message: None }
    }

    /// Raises the exception: unwinds to the nearest [`filter`], without a word on standard error.
    pub fn raise(self) -> ! {
        panic::resume_unwind(Box::new(self))
    }

    /// Reads a panic's payload. A panic of Rust is shown with the code that Rust's own unwinding has on Windows,
    /// `0xe06d7363`, as non-continuable and at an unknown address.
    pub fn from_panic(payload: Box<dyn Any + Send>) -> Self {
        let message = match payload.downcast::<Exception>() {
            Ok(exception) => return *exception,
            Err(other) => match other.downcast::<String>() {
                Ok(text) => *text,
                Err(other) => other.downcast_ref::<&str>().map_or("no message", |text| text).to_owned(),
            },
        };
        Exception { code: 0xe06d_7363, flags: 1, address: 0, message: Some(message) }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code: {:#010x} Flags: {:#010x} Address: {:#010x}", self.code, self.flags, self.address)?;
        match &self.message {
            Some(message) => write!(f, " ({message})"),
            None => Ok(()),
        }
    }
}

/// Runs `work` and gives back the exception that it raised, if it did.
///
/// What `work` was changing when it unwound must not be used afterwards; hand it everything it changes.
///
/// # Errors
/// The exception.
pub async fn filter<T>(work: impl Future<Output = T>) -> Result<T, Exception> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(Exception::from_panic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_access_violation_is_shown_as_the_article_prints_it() {
        let raised = filter(async { Exception::access_violation(0x0040_2674).raise() }).await;
        let shown = raised.map(|(): ()| ()).unwrap_err().to_string();
        assert_eq!(shown, "Code: 0xc0000005 Flags: 0x00000000 Address: 0x00402674");
    }

    #[tokio::test]
    async fn a_panic_keeps_its_words() {
        let raised = filter(async { panic::resume_unwind(Box::new("no such table")) }).await;
        let shown = raised.map(|(): ()| ()).unwrap_err().to_string();
        assert_eq!(shown, "Code: 0xe06d7363 Flags: 0x00000001 Address: 0x00000000 (no such table)");
    }

    #[tokio::test]
    async fn work_that_ends_is_handed_back() {
        assert_eq!(filter(async { 7 }).await, Ok(7));
    }
}
