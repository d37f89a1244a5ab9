//! A deterministic simulator for an Internet mail gateway.

#[cfg(not(tokio_unstable))]
compile_error!(
    "build with --cfg tokio_unstable (the project's .cargo/config.toml sets it): without it turmoil leaves each \
     host's runtime unseeded, and `select!` would differ from run to run"
);
