//! Which row of one side is which row of the other.
//!
//! Rows are aligned by what they say (`similar`), whenever they happened. A row that is on both sides but not at the same
//! place in the order was moved. Of what is left, two rows at the same place that are of the same sort are two versions
//! of one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::Row;

/// A line of the comparison: a row of each side, or of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// The same on both sides.
    Alike(usize, usize),
    /// Two versions of one.
    Changed(usize, usize),
    /// On the left alone.
    Left(usize),
    /// On the right alone.
    Right(usize),
    /// On the left; on the right it is elsewhere.
    MovedLeft(usize),
    /// On the right; on the left it is elsewhere.
    MovedRight(usize),
}

/// Aligns the rows of two sides.
pub(super) fn align(left: &[Row], right: &[Row]) -> Vec<Line> {
    let (left_keys, right_keys): (Vec<&str>, Vec<&str>) = (keys(left), keys(right));
    let ops = capture_diff_slices(Algorithm::Patience, &left_keys, &right_keys);
    let mut unmatched: BTreeMap<&str, VecDeque<usize>> = BTreeMap::new();
    for row in ops.iter().filter(|op| !is_equal(op)).flat_map(|op| op.old_range()) {
        unmatched.entry(left_keys[row]).or_default().push_back(row);
    }
    let (mut moved_left, mut moved_right) = (BTreeSet::new(), BTreeSet::new());
    for row in ops.iter().filter(|op| !is_equal(op)).flat_map(|op| op.new_range()) {
        if let Some(other) = unmatched.get_mut(right_keys[row]).and_then(VecDeque::pop_front) {
            moved_left.insert(other);
            moved_right.insert(row);
        }
    }
    // What is so at the end, at no time, comes last.
    let at = |row: &Row| row.at.unwrap_or(Duration::MAX);
    let gap = |lefts: &mut Vec<usize>, rights: &mut Vec<usize>| {
        let lefts = lefts.drain(..).map(|row| match moved_left.contains(&row) {
            true => (at(&left[row]), Line::MovedLeft(row)),
            false => (at(&left[row]), Line::Left(row)),
        });
        let rights = rights.drain(..).map(|row| match moved_right.contains(&row) {
            true => (at(&right[row]), Line::MovedRight(row)),
            false => (at(&right[row]), Line::Right(row)),
        });
        let mut both: Vec<(Duration, Line)> = lefts.chain(rights).collect();
        both.sort_by_key(|(at, _)| *at);
        both.into_iter().map(|(_, line)| line).collect::<Vec<_>>()
    };
    let mut lines = Vec::new();
    for op in &ops {
        let (old, new) = (op.old_range(), op.new_range());
        if is_equal(op) {
            lines.extend(old.zip(new).map(|(left, right)| Line::Alike(left, right)));
            continue;
        }
        // Between two versions of one row, what is on one side alone is in the order of time.
        let (mut gap_left, mut gap_right, mut rest) =
            (Vec::new(), Vec::new(), new.collect::<VecDeque<usize>>());
        for row in old {
            let is_version = |other: &usize| {
                !moved_left.contains(&row)
                    && !moved_right.contains(other)
                    && right[*other].sort == left[row].sort
            };
            if let Some(place) = rest.iter().position(is_version) {
                gap_right.extend(rest.drain(..place));
                lines.extend(gap(&mut gap_left, &mut gap_right));
                lines.extend(rest.pop_front().map(|other| Line::Changed(row, other)));
            } else {
                gap_left.push(row);
            }
        }
        gap_right.extend(rest);
        lines.extend(gap(&mut gap_left, &mut gap_right));
    }
    lines
}

fn is_equal(op: &DiffOp) -> bool {
    matches!(op, DiffOp::Equal { .. })
}

fn keys(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.key.as_str()).collect()
}
