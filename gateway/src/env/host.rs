//! The real machine: tokio's sockets, the system's files, clock and random numbers.
