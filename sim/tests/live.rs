//! `postmortem live`: two scenarios with the real gateway, which agrees with the simulated one; and with one that does
//! not.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "the test runs programs on the real machine")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The `gateway` program, if it has been built: tests of one package do not build the programs of another.
fn gateway() -> Option<PathBuf> {
    let gateway = Path::new(env!("CARGO_BIN_EXE_postmortem")).with_file_name("gateway");
    if gateway.is_file() {
        return Some(gateway);
    }
    assert!(std::env::var_os("CI").is_none(), "missing: {}", gateway.display());
    eprintln!("missing: {}, which `cargo build -p gateway` makes; nothing is run live", gateway.display());
    None
}

/// The exit code, and what is printed.
fn live(arguments: &[&str], gateway: &Path) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_postmortem"));
    let ran = program.arg("live").args(arguments).arg("--gateway").arg(gateway).output().unwrap();
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn the_real_process_does_what_the_simulated_one_does() {
    let Some(gateway) = gateway() else { return };
    let (code, printed) = live(&["Q178091", "a-message-that-kills-the-process"], &gateway);
    assert_eq!(code, Some(0), "{printed}");
    assert_eq!(printed.matches("  agrees  ").count(), 2, "{printed}");
    assert!(
        printed.contains("2 scenarios live on current: 2 agree, 0 do not; 0 cannot be live"),
        "{printed}"
    );
}

#[test]
fn the_crash_of_an_old_release_is_live_too() {
    let Some(gateway) = gateway() else { return };
    let (code, printed) = live(&["Q169681", "--release", "5.0"], &gateway);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("1 scenario live on 5.0 RTM: 1 agree, 0 do not"), "{printed}");
}

#[test]
fn a_gateway_that_does_something_else_is_found_out() {
    let Some(gateway) = gateway() else { return };
    let dir = tempfile::tempdir().unwrap();
    // It knows another mailbox than the one that is written to.
    let other = dir.path().join("other");
    let text = "#!/bin/sh\nsed -i s/orders@shop/order@shop/ \"$3\"\nexec";
    fs::write(&other, format!("{text} '{}' \"$@\"\n", gateway.display())).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o700)).unwrap();
    let (code, printed) = live(&["Q169681"], &other);
    assert_eq!(code, Some(1), "{printed}");
    for line in [
        "  DIFFERS  ",
        "not as expected: mailbox orders@shop.contoso.test: expected m1, found nothing",
        "--- simulated\n+++ live\n",
        "-mailbox orders@shop.contoso.test: m1 from alice@fabrikam.test \"Forty chairs\"\n",
    ] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
}

#[test]
fn what_cannot_be_live_is_said_and_is_no_failure() {
    let Some(gateway) = gateway() else { return };
    let (code, printed) = live(&["a-sender-hears-of-what-it-asked-to-hear"], &gateway);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("not live  partition: this machine's network does not fail"), "{printed}");
}

#[test]
fn who_has_no_gateway_is_told_how_to_get_one() {
    let (code, printed) = live(&[], Path::new("/no/such/gateway"));
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("there is no program `/no/such/gateway`"), "{printed}");
    assert!(printed.contains("cargo build --release -p gateway"), "{printed}");
}
