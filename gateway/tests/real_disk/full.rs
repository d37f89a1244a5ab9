//! A disk with no room left: mail is put off, what was taken stays, and all goes on when there is room.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::clients::{Client, Handed};
use crate::next_hop;
use crate::program::{Program, configure, files, free_address, wait_until};

/// A file system of its own, unmounted when the test is over.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Self> {
        mount(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"], at).then(|| Small(at.to_owned()))
    }

    fn grow(&self) {
        assert!(mount(&["-o", "remount,size=64m"], &self.0));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    let mount = Command::new("mount").args(arguments).arg(at).stderr(Stdio::null()).status();
    mount.is_ok_and(|status| status.success())
}

/// Whether this program may mount a file system.
pub(crate) fn can_mount() -> bool {
    let dir = tempfile::tempdir().unwrap();
    Small::mount(dir.path()).is_some()
}

pub(crate) fn put_off() {
    let dir = tempfile::tempdir().unwrap();
    let small = Small::mount(dir.path()).expect("it could be mounted a moment ago");
    let (address, (hop, passed_on)) = (free_address(), next_hop::listen());
    // Mail for fabrikam.test waits, so that the disk fills. Flush mode would put clients off before it is full.
    let held = format!(r#"{{ domain = "fabrikam.test", to = "{hop}", hold = "until-etrn" }}"#);
    let more = "limits = { disk_low_water = 0 }";
    let config = configure(dir.path(), address, hop, &held, more);
    let program = Program::start(&config, address);
    let body = "Forty chairs, please.\r\n".repeat(4000);
    let mut client = Client::connect(address).unwrap();
    let mut taken = 0;
    let refusal = loop {
        let Handed::Answered(reply) = client.send(taken, "eve@fabrikam.test", &body) else {
            panic!("the connection was lost");
        };
        if !reply.starts_with("250 ") {
            break reply;
        }
        taken += 1;
        assert!(taken < 1000, "the disk takes everything");
    };
    assert!(refusal.starts_with("452 4.3.1 "), "{refusal}");
    assert!(taken > 5, "only {taken} were taken");

    // Room again: the next is taken by the same process.
    small.grow();
    let Handed::Answered(reply) = client.send(taken, "eve@fabrikam.test", &body) else {
        panic!("it was lost")
    };
    assert!(reply.starts_with("250 "), "{reply}");
    drop(program);

    configure(dir.path(), address, hop, "", more);
    let spool = dir.path().join("spool");
    let _program = Program::start(&config, address);
    wait_until("all is passed on", || files(&spool.join("in")).len() + files(&spool.join("out")).len() == 0);
    let passed_on = passed_on.lock().unwrap();
    assert_eq!(passed_on.keys().copied().collect::<Vec<_>>(), (0..=taken).collect::<Vec<_>>());
    assert!(passed_on.values().all(|times| *times == 1), "{passed_on:?}");
}
