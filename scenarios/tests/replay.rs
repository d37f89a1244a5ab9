//! Replays every scenario.
fn main() {}
