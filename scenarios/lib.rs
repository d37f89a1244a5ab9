//! Every scenario, replayed by the tests in `tests/replay.rs`.
