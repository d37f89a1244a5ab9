//! What a power cut leaves on the simulated disk.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::path::Path;

use futures_util::FutureExt;
use gateway::env::Disk;
use sim::machine::disk::SimDisk;

/// The simulated disk never makes anyone wait.
fn now<T>(work: impl Future<Output = io::Result<T>>) -> T {
    work.now_or_never().expect("the disk answers at once").expect("the disk does as it is told")
}

fn disk() -> SimDisk {
    let disk = SimDisk::new();
    for dir in ["/work", "/in", "/bad"] {
        now(disk.create_dir_all(Path::new(dir)));
    }
    now(disk.sync_dir(Path::new("/")));
    disk
}

fn write(disk: &SimDisk, path: &str, bytes: &str) {
    now(now(disk.create(Path::new(path))).write_all(bytes.as_bytes()));
}

fn write_and_sync(disk: &SimDisk, path: &str, bytes: &str) {
    let mut file = now(disk.create(Path::new(path)));
    now(file.write_all(bytes.as_bytes()));
    now(file.sync());
}

fn rename(disk: &SimDisk, from: &str, to: &str) {
    now(disk.rename(Path::new(from), Path::new(to)));
}

fn sync_dir(disk: &SimDisk, dir: &str) {
    now(disk.sync_dir(Path::new(dir)));
}

fn files(disk: &SimDisk) -> BTreeMap<String, String> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    disk.tree().into_iter().map(|(path, bytes)| (path.display().to_string(), text(bytes))).collect()
}

fn after_a_power_cut(disk: &SimDisk) -> BTreeMap<String, String> {
    disk.crash();
    files(disk)
}

fn only(path: &str, bytes: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(path.to_owned(), bytes.to_owned())])
}

#[test]
fn nothing_is_lost_when_only_the_process_dies() {
    let disk = disk();
    write(&disk, "/in/a", "hello");
    let next_process = disk.clone();
    drop(disk);
    assert_eq!(files(&next_process), only("/in/a", "hello"));
}

#[test]
fn a_file_that_nobody_synchronised_is_gone() {
    let disk = disk();
    write(&disk, "/in/a", "hello");
    assert_eq!(after_a_power_cut(&disk), BTreeMap::new());
}

#[test]
fn a_file_whose_name_was_not_synchronised_is_gone() {
    let disk = disk();
    write_and_sync(&disk, "/in/a", "hello");
    assert_eq!(after_a_power_cut(&disk), BTreeMap::new());
}

#[test]
fn a_file_whose_bytes_were_not_synchronised_is_empty() {
    let disk = disk();
    write(&disk, "/in/a", "hello");
    sync_dir(&disk, "/in");
    assert_eq!(after_a_power_cut(&disk), only("/in/a", ""));
}

#[test]
fn a_file_synchronised_with_its_name_is_there() {
    let disk = disk();
    write_and_sync(&disk, "/in/a", "hello");
    sync_dir(&disk, "/in");
    assert_eq!(after_a_power_cut(&disk), only("/in/a", "hello"));
}

#[test]
fn a_rename_that_nobody_synchronised_never_was() {
    let disk = disk();
    write_and_sync(&disk, "/in/a", "hello");
    sync_dir(&disk, "/in");
    rename(&disk, "/in/a", "/bad/a");
    assert_eq!(files(&disk), only("/bad/a", "hello"));
    assert_eq!(after_a_power_cut(&disk), only("/in/a", "hello"));
}

#[test]
fn a_draft_renamed_and_not_synchronised_is_gone_under_both_names() {
    let disk = disk();
    write_and_sync(&disk, "/work/a", "hello");
    rename(&disk, "/work/a", "/in/a");
    assert_eq!(after_a_power_cut(&disk), BTreeMap::new());
}

#[test]
fn a_rename_is_durable_under_exactly_one_name_whichever_directory_is_synchronised() {
    for synchronised in ["/work", "/in"] {
        for name_was_durable in [false, true] {
            let disk = disk();
            write_and_sync(&disk, "/work/a", "hello");
            if name_was_durable {
                sync_dir(&disk, "/work");
            }
            rename(&disk, "/work/a", "/in/a");
            sync_dir(&disk, synchronised);
            assert_eq!(files(&disk), only("/in/a", "hello"));
            let left = after_a_power_cut(&disk);
            assert_eq!(left, only("/in/a", "hello"), "{synchronised} synchronised, {name_was_durable}");
        }
    }
}

#[test]
fn a_rename_on_top_of_another_keeps_both_in_step() {
    let disk = disk();
    write_and_sync(&disk, "/work/a", "hello");
    rename(&disk, "/work/a", "/in/a");
    rename(&disk, "/in/a", "/bad/a");
    sync_dir(&disk, "/in");
    assert_eq!(files(&disk), only("/bad/a", "hello"));
    assert_eq!(after_a_power_cut(&disk), only("/bad/a", "hello"));
}

#[test]
fn a_removal_that_nobody_synchronised_never_was() {
    let disk = disk();
    write_and_sync(&disk, "/in/a", "hello");
    sync_dir(&disk, "/in");
    now(disk.remove(Path::new("/in/a")));
    assert_eq!(files(&disk), BTreeMap::new());
    assert_eq!(after_a_power_cut(&disk), only("/in/a", "hello"));

    now(disk.remove(Path::new("/in/a")));
    sync_dir(&disk, "/in");
    assert_eq!(after_a_power_cut(&disk), BTreeMap::new());
}

#[test]
fn a_file_made_where_another_was_removed_has_none_of_its_bytes() {
    for durable in [false, true] {
        let disk = disk();
        write(&disk, "/in/a", "the first, and a long one");
        if durable {
            sync_dir(&disk, "/in");
        }
        now(disk.remove(Path::new("/in/a")));
        let mut file = now(disk.append(Path::new("/in/a")));
        now(file.write_all(b"second"));
        assert_eq!(files(&disk), only("/in/a", "second"));
        now(file.sync());
        sync_dir(&disk, "/in");
        assert_eq!(after_a_power_cut(&disk), only("/in/a", "second"));
    }
}

#[test]
fn appending_goes_on_where_the_file_ends() {
    let disk = disk();
    write_and_sync(&disk, "/in/a", "one ");
    now(now(disk.append(Path::new("/in/a"))).write_all(b"two"));
    assert_eq!(files(&disk), only("/in/a", "one two"));
    sync_dir(&disk, "/in");
    assert_eq!(after_a_power_cut(&disk), only("/in/a", "one "));
}

#[test]
fn errors_have_the_kinds_of_a_real_disk() {
    let disk = disk();
    let nothing = Path::new("/in/nothing");
    let kind = |error: Option<io::Error>| error.expect("there is no such file").kind();
    let wait = "the disk answers at once";
    assert_eq!(kind(disk.read(nothing).now_or_never().expect(wait).err()), ErrorKind::NotFound);
    assert_eq!(kind(disk.remove(nothing).now_or_never().expect(wait).err()), ErrorKind::NotFound);
    assert_eq!(kind(disk.rename(nothing, nothing).now_or_never().expect(wait).err()), ErrorKind::NotFound);
    assert_eq!(kind(disk.list(nothing).now_or_never().expect(wait).err()), ErrorKind::NotFound);
    assert_eq!(kind(disk.sync_dir(nothing).now_or_never().expect(wait).err()), ErrorKind::NotFound);
    write(&disk, "/in/a", "hello");
    let taken = disk.create(Path::new("/in/a")).now_or_never().expect(wait).err();
    assert_eq!(kind(taken), ErrorKind::AlreadyExists);
    assert!(!now(disk.exists(Path::new("/in"))), "a directory is no file");
    assert_eq!(now(disk.list(Path::new("/"))), [""; 0]);
}

#[test]
fn a_file_renamed_before_its_bytes_were_synchronised_is_whole_until_the_power_is_cut() {
    let disk = disk();
    write(&disk, "/work/a", "hello");
    rename(&disk, "/work/a", "/in/a");
    sync_dir(&disk, "/in");
    assert_eq!(files(&disk), only("/in/a", "hello"));
    assert_eq!(after_a_power_cut(&disk), only("/in/a", ""));
}

#[test]
fn a_directory_whose_name_was_not_synchronised_is_gone_with_all_that_is_in_it() {
    for synchronised in [false, true] {
        let disk = disk();
        now(disk.create_dir_all(Path::new("/in/deep/down")));
        write_and_sync(&disk, "/in/deep/down/a", "hello");
        sync_dir(&disk, "/in/deep/down");
        sync_dir(&disk, "/in/deep");
        if synchronised {
            sync_dir(&disk, "/in");
        }
        let left = after_a_power_cut(&disk);
        assert_eq!(left.contains_key("/in/deep/down/a"), synchronised, "{left:?}");
    }
}

#[test]
fn a_name_that_is_not_below_the_root_is_refused() {
    let relative = disk().create(Path::new("in/a")).now_or_never().expect("the disk answers at once");
    assert_eq!(relative.err().map(|error| error.kind()), Some(ErrorKind::InvalidInput));
}

#[test]
fn two_disks_have_nothing_in_common() {
    let (one, other) = (disk(), disk());
    let dropped = now(one.create(Path::new("/in/a")));
    let mut kept = now(other.create(Path::new("/in/a")));
    drop(dropped);
    now(kept.write_all(b"hello"));
    assert_eq!(files(&other), only("/in/a", "hello"));
    assert_eq!(files(&one), only("/in/a", ""));
}
