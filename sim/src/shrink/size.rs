//! The order in which one scenario is smaller than another. It is well-founded: nothing shrinks for ever.

use toml::{Table, Value};

use super::calm;
use super::lines;
use super::tree::{get, leaves};

/// How large a scenario is. Compared from the top: a line fewer outweighs everything below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Size {
    /// Its lines.
    lines: usize,
    /// Its senders, recipients and subjects that are not the plainest. A sender outweighs the value that it is: the
    /// null reverse path is the odd one.
    odd: usize,
    /// Its values.
    values: usize,
    /// All its spans of time, in milliseconds, and all its numbers.
    sum: u128,
    /// What is left to tell two scenarios apart: the shorter first, then in the order of the alphabet.
    length: usize,
    text: String,
}

impl Size {
    /// The size of a scenario, whose text this is.
    pub(super) fn of(root: &Table, text: &str) -> Self {
        let leaves = leaves(root);
        let sum = leaves.iter().map(|path| match get(root, path) {
            Some(Value::Integer(number)) => u128::from(number.unsigned_abs()),
            Some(Value::String(text)) => calm::span(text).map_or(0, |span| span.as_millis().unsigned_abs()),
            _ => 0,
        });
        Size {
            lines: lines::count(root),
            odd: calm::odd(root),
            values: leaves.len(),
            sum: sum.fold(0, u128::saturating_add),
            length: text.len(),
            text: text.to_owned(),
        }
    }
}
