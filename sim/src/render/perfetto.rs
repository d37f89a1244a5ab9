//! x
use crate::{plan::Plan, record::Record};
use std::io::{self, Write};
/// x
pub fn write(_: &Plan, _: &Record, _: &mut impl Write) -> io::Result<()> {
    Ok(())
}
