//! What the `gateway` program does beside serving: it checks a configuration, and asks a running service.

pub(super) mod check;
pub(super) mod operate;
