//! Real mail, well formed and not: what may be sent passes through byte for byte, what may not is refused and nothing of it
//! arrives. smtplib sends it, and aiosmtpd is the next hop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Trial;

use crate::aiosmtpd::{self, NextHop};
use crate::gateway::{Gateway, without_trace};
use crate::installed::{place, python, script};
use crate::machine::{run, wait_for};

/// The longest line of a message, in octets with its CRLF.
const LINE: usize = 1_000;

pub(crate) fn tests() -> Vec<Trial> {
    let passes = |name: &str, files: Vec<PathBuf>| {
        let is_there = !files.is_empty() && aiosmtpd::is_installed();
        let run = move || {
            pass_through(&files);
            Ok(())
        };
        Trial::test(format!("corpora::pass_through::{name}"), run).with_ignored_flag(!is_there)
    };
    vec![
        passes("mail_parser", below(&crate_sources("mail-parser"), &["eml"])),
        passes("python", python_mail().map_or_else(Vec::new, |folder| below(&folder, &["txt"]))),
        passes("flufl_bounce", below(&place("flufl.bounce"), &["txt"])),
    ]
}

/// Where the sources of a dependency are.
fn crate_sources(name: &str) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    // What other platforms need may not have been fetched.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cargo.args(["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", &platform]);
    cargo.arg("--manifest-path");
    let output = cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).output().unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == name).unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("")
}

/// The mail with which CPython tests its own `email`, if it came along.
fn python_mail() -> Option<PathBuf> {
    let said = Command::new(python())
        .args(["-c", "import test.test_email as tests; print(tests.__path__[0], end='')"])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(Path::new(&String::from_utf8(said.stdout).unwrap()).join("data"))
}

/// The files below a folder with one of these endings, by name.
fn below(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut below(&path, endings));
        } else if path.extension().is_some_and(|ending| endings.iter().any(|one| ending == *one)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A file as it goes over the wire: each line that ended in LF ends in CRLF. A CR that is alone stays so.
fn on_the_wire(file: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in file.split_inclusive(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        wire.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

/// Whether a message may be sent as it is (RFC 5321, 2.3.8 and 4.5.3.1.6).
fn is_legal(wire: &[u8]) -> bool {
    let mut lines = wire.split_inclusive(|octet| *octet == b'\n');
    lines.all(|line| line.len() <= LINE && !line[..line.len() - 2].contains(&b'\r'))
}

fn pass_through(files: &[PathBuf]) {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let next_hop = NextHop::start(folders[0].path());
    let gateway = Gateway::with(
        "relay.networks = [\"127.0.0.1\"]\nlimits.hops = 1000",
        &format!("[[route]]\ndomain = \"fabrikam.test\"\nto = \"127.0.0.1:{}\"", next_hop.port),
    );
    let wires: Vec<_> = files.iter().map(|file| on_the_wire(&fs::read(file).unwrap())).collect();
    for (number, wire) in wires.iter().enumerate() {
        fs::write(folders[1].path().join(format!("{number:05}")), wire).unwrap();
    }
    let mut client = Command::new(python());
    client.arg(script("send_files.py")).arg(gateway.port().to_string()).arg(folders[1].path());
    let said = run(&mut client);
    assert!(said.success, "{}", said.text);
    let codes: Vec<_> = said.text.lines().collect();
    assert_eq!(codes.len(), files.len(), "{}", said.text);
    for ((file, wire), code) in files.iter().zip(&wires).zip(codes) {
        assert_eq!(code.starts_with("250 "), is_legal(wire), "{}: {code}", file.display());
    }
    let mut sent: Vec<_> = wires.iter().filter(|wire| is_legal(wire)).map(Vec::as_slice).collect();
    sent.sort();
    assert!(!sent.is_empty());
    let mut stored = gateway.messages("bob", sent.len());
    stored.sort_by(|one, other| one.content().cmp(other.content()));
    assert!(
        stored.iter().map(|message| message.content()).eq(sent.iter().copied()),
        "a mailbox has other octets"
    );
    wait_for("the last message", || next_hop.messages().len() == sent.len());
    let relayed = next_hop.messages();
    let mut relayed: Vec<_> = relayed.iter().map(|(_, content)| without_trace(content)).collect();
    relayed.sort();
    assert!(relayed == sent, "the next hop has other octets");
    assert!(gateway.mailbox("alice").is_empty(), "{}", gateway.events());
}
