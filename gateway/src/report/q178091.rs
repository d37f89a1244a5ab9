//! Defect Q178091, 5.5 as first sold, fixed in 5.5 SP1: the notification that reads what is not there.
//!
//! What the article states: a host can be exempt from authentication; a message from it that fails the check
//! "homed on this server" leads to a non-delivery report to the administrator; the service then crashes, because
//! there is no authentication information; event 4037 shows an access violation at `0x00462f42`.
//!
//! What is inferred: that the fault is a read through the session's missing authentication information while the
//! report is composed, at the place where the account would be written. The article names neither the function nor
//! the field.
//!
//! This module knows no session: that an account was asked for and none was there is all it takes.

use crate::exception::Exception;

/// The address of the faulting instruction, as the article prints it.
const ADDRESS: u32 = 0x0046_2f42;

/// Reads the account of a session that has no authentication information.
pub fn read_missing_authentication() -> ! {
    Exception::access_violation(ADDRESS).raise()
}
