//! The spool and the local store survive a crash at every point between two disk operations, and an error at every
//! disk operation.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use gateway::address::{Address, ReversePath};
use gateway::dsn::DsnRequest;
use gateway::env::{Disk, Entropy, File, IoFuture, sync_with_ancestors};
use gateway::envelope::{Envelope, Origin, SpoolId};
use gateway::spool::{Aside, EntryName, Folder, Message, Progress, Spool};
use gateway::store::Store;
use sim::machine::disk::SimDisk;

/// What comes in the way of a disk operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The process dies before the operation: nothing more is done.
    ProcessDies,
    /// The same, and the power is cut.
    PowerCut,
    /// The operation fails, and those after it do not.
    Error,
}

const TROUBLES: [Trouble; 3] = [Trouble::ProcessDies, Trouble::PowerCut, Trouble::Error];

/// A disk on which operation number `at` meets trouble. Counting begins at 0.
#[derive(Clone)]
struct Troubled {
    disk: SimDisk,
    at: u64,
    trouble: Trouble,
    done: Arc<AtomicU64>,
}

impl Troubled {
    fn new(disk: &SimDisk, at: u64, trouble: Trouble) -> Self {
        Troubled { disk: disk.clone(), at, trouble, done: Arc::default() }
    }

    fn met(&self) -> bool {
        self.done.load(Ordering::Relaxed) > self.at
    }

    fn step(&self) -> io::Result<()> {
        let number = self.done.fetch_add(1, Ordering::Relaxed);
        match self.trouble {
            Trouble::Error if number != self.at => Ok(()),
            _ if number < self.at => Ok(()),
            trouble => Err(io::Error::other(format!("{trouble:?}"))),
        }
    }
}

impl Disk for Troubled {
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move { self.step().map(|()| self.disk.create_dir_all(dir))?.await })
    }

    fn create<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        Box::pin(async move {
            self.step()?;
            let file = self.disk.create(path).await?;
            Ok(Box::new(TroubledFile { file, disk: self.clone() }) as Box<dyn File>)
        })
    }

    fn append<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        Box::pin(async move {
            self.step()?;
            let file = self.disk.append(path).await?;
            Ok(Box::new(TroubledFile { file, disk: self.clone() }) as Box<dyn File>)
        })
    }

    fn read<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Vec<u8>> {
        Box::pin(async move { self.step().map(|()| self.disk.read(path))?.await })
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move { self.step().map(|()| self.disk.rename(from, to))?.await })
    }

    fn link<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move { self.step().map(|()| self.disk.link(from, to))?.await })
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move { self.step().map(|()| self.disk.remove(path))?.await })
    }

    fn exists<'a>(&'a self, path: &'a Path) -> IoFuture<'a, bool> {
        Box::pin(async move { self.step().map(|()| self.disk.exists(path))?.await })
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        Box::pin(async move { self.step().map(|()| self.disk.list(dir))?.await })
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move { self.step().map(|()| self.disk.sync_dir(dir))?.await })
    }

    fn free<'a>(&'a self, at: &'a Path) -> IoFuture<'a, u64> {
        self.disk.free(at)
    }
}

struct TroubledFile {
    file: Box<dyn File>,
    disk: Troubled,
}

impl File for TroubledFile {
    fn write_all<'a>(&'a mut self, bytes: &'a [u8]) -> IoFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.disk.step() {
                // Half of it reaches the file.
                self.file.write_all(&bytes[..bytes.len() / 2]).await?;
                return Err(error);
            }
            self.file.write_all(bytes).await
        })
    }

    fn sync(&mut self) -> IoFuture<'_, ()> {
        Box::pin(async move { self.disk.step().map(|()| self.file.sync())?.await })
    }
}

/// Names in a row: `AAAAAAAA`, `BBBBBBBB`.
#[derive(Default)]
struct Letters(AtomicU8);

impl Entropy for Letters {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("the simulated disk answers at once")
}

fn root() -> &'static Path {
    Path::new("/spool")
}

fn empty_disk() -> SimDisk {
    SimDisk::new()
}

async fn open(disk: impl Disk + 'static) -> Spool {
    Spool::open(Arc::new(disk), Arc::new(Letters::default()), root()).await.unwrap()
}

fn bob() -> Address {
    "bob@b.example".parse().unwrap()
}

fn message(content: &str) -> Message {
    let envelope = Envelope {
        next_hop: None,
        dsn: DsnRequest::default(),
        is_international: false,
        reverse_path: ReversePath::Null,
        recipients: vec![bob()],
        received: "1998-03-02T09:30:00Z".parse().unwrap(),
        origin: Origin::Gateway,
    };
    Message { envelope, content: content.as_bytes().to_vec() }
}

/// Does `work` once for each of its disk operations, with trouble at that one, on the disk that `before` prepares;
/// `after` is given the disk as the next process finds it and what `work` came to. Gives the number of operations.
fn with_trouble_at_each_operation<T>(
    trouble: Trouble,
    before: impl AsyncFn(&SimDisk),
    work: impl AsyncFn(Troubled) -> T,
    after: impl AsyncFn(SimDisk, T),
) -> u64 {
    for at in 0.. {
        let disk = empty_disk();
        run(before(&disk));
        let troubled = Troubled::new(&disk, at, trouble);
        let outcome = run(work(troubled.clone()));
        if trouble == Trouble::PowerCut {
            disk.crash();
        }
        run(after(disk, outcome));
        if !troubled.met() {
            return at;
        }
    }
    unreachable!("the work comes to its end")
}

#[test]
fn a_message_whose_commit_succeeded_is_there_and_any_other_is_whole_or_absent() {
    for trouble in TROUBLES {
        let committed = Mutex::new(BTreeMap::<bool, u32>::new());
        let operations = with_trouble_at_each_operation(
            trouble,
            async |_| (),
            async |disk| -> Option<SpoolId> {
                let spool = Spool::open(Arc::new(disk), Arc::new(Letters::default()), root()).await.ok()?;
                let mut draft = spool.draft(&message("").envelope).ok()?;
                draft.append(&message("hello").content).await.ok()?;
                draft.commit().await.ok()
            },
            async |disk, answered| {
                let spool = open(disk).await;
                let found = spool.list(Folder::In).await.unwrap();
                assert_eq!(found.misfits, [""; 0]);
                for name in &found.entries {
                    assert_eq!(spool.read(Folder::In, name).await.unwrap(), message("hello"));
                }
                *committed.lock().unwrap().entry(answered.is_some()).or_default() += 1;
                if trouble == Trouble::Error && answered.is_none() {
                    assert_eq!(found.entries, [], "what was refused is not kept");
                }
                if let Some(id) = answered {
                    assert_eq!(found.entries, [id.into()], "answered 250");
                }
            },
        );
        assert!(operations > 20, "{operations} operations");
        let committed = committed.into_inner().unwrap();
        assert!(committed[&false] > 20 && committed[&true] >= 1, "{trouble:?}: {committed:?}");
    }
}

/// What a gateway does with a message in `in/`: a part for a next hop, a report, the local mailbox, and done.
async fn process(disk: impl Disk + 'static) -> Option<()> {
    let disk = Arc::new(disk);
    let spool = Spool::open(disk.clone(), Arc::new(Letters::default()), root()).await.ok()?;
    let store = Store::new(disk, Path::new("/store"));
    let id: SpoolId = "WKA6D6YM".parse().unwrap();
    let name = EntryName::from(id.clone());
    if !spool.list(Folder::In).await.ok()?.entries.contains(&name) {
        return Some(());
    }
    spool.take_in_hand(&id).await.ok()?;
    let Message { envelope, content } = spool.read(Folder::In, &name).await.ok()?;
    spool.file_in(Folder::Out, &EntryName::part(id.clone(), 1), &envelope, &content).await.ok()?;
    let report = id.derive("report").into();
    spool.file_in(Folder::In, &report, &message("").envelope, b"sorry").await.ok()?;
    store.deliver(&bob(), &name, &Message { envelope, content }).await.ok()?;
    spool.set_aside(Folder::In, id.as_str(), Aside::Archive).await.ok()?;
    spool.put_down(&id).await.ok()
}

#[test]
fn processing_cut_off_at_any_point_and_done_again_comes_to_the_same_end() {
    let prepare = async |disk: &SimDisk| {
        let Message { envelope, content } = message("hello");
        let name = "WKA6D6YM".parse().unwrap();
        open(disk.clone()).await.file_in(Folder::In, &name, &envelope, &content).await.unwrap();
        // The service does this at its start.
        disk.create_dir_all(Path::new("/store")).await.unwrap();
        sync_with_ancestors(disk, Path::new("/store")).await.unwrap();
    };
    let undisturbed = empty_disk();
    run(prepare(&undisturbed));
    run(process(undisturbed.clone())).unwrap();
    undisturbed.crash();
    let end = undisturbed.tree();
    let names: Vec<String> = end.keys().map(|path| path.display().to_string()).collect();
    let report = "WKA6D6YM".parse::<SpoolId>().unwrap().derive("report");
    assert_eq!(
        names,
        [
            "/spool/archive/WKA6D6YM".to_owned(),
            format!("/spool/in/{report}"),
            "/spool/out/WKA6D6YM.1".to_owned(),
            "/store/bob@b.example/new/888831000.WKA6D6YM".to_owned(),
        ]
    );
    for trouble in TROUBLES {
        let operations = with_trouble_at_each_operation(trouble, prepare, process, async |disk, _| {
            process(disk.clone()).await.unwrap();
            open(disk.clone()).await;
            disk.crash();
            assert_eq!(disk.tree(), end);
        });
        assert!(operations > 40, "{operations} operations");
    }
}

#[test]
fn a_message_that_is_passed_on_is_whole_in_one_folder_or_the_other_or_both() {
    let (id, part): (SpoolId, EntryName) = ("WKA6D6YM".parse().unwrap(), "WKA6D6YM.1".parse().unwrap());
    let arrival = EntryName::from(id.clone());
    for trouble in TROUBLES {
        let operations = with_trouble_at_each_operation(
            trouble,
            async |disk| {
                let Message { envelope, content } = message("hello");
                open(disk.clone()).await.file_in(Folder::In, &arrival, &envelope, &content).await.unwrap();
            },
            async |disk| {
                let spool = Spool::open(Arc::new(disk), Arc::new(Letters::default()), root()).await.ok()?;
                spool.take_in_hand(&id).await.ok()?;
                spool.pass_on(&id, &part).await.ok()
            },
            async |disk, passed_on| {
                let spool = open(disk).await;
                let mut there = Vec::new();
                for (folder, name) in [(Folder::In, &arrival), (Folder::Out, &part)] {
                    let found = spool.list(folder).await.unwrap().entries;
                    if !found.is_empty() {
                        assert_eq!(found, std::slice::from_ref(name));
                        assert_eq!(spool.read(folder, name).await.unwrap(), message("hello"));
                        there.push(folder);
                    }
                }
                match passed_on {
                    Some(()) => assert_eq!(there, [Folder::Out]),
                    None => assert!(!there.is_empty(), "it is nowhere"),
                }
                if there == [Folder::Out] {
                    assert_eq!(spool.deaths().await, BTreeMap::new());
                }
            },
        );
        assert!(operations > 20, "{operations} operations");
    }
}

#[test]
fn what_was_noted_stays_noted_and_a_message_that_was_removed_stays_removed() {
    let name: EntryName = "WKA6D6YM.1".parse().unwrap();
    let noted = |attempt| Progress::Deferred {
        attempt,
        next: "1998-03-02T09:45:00Z".parse().unwrap(),
        why: "no route to host".to_owned(),
    };
    for trouble in TROUBLES {
        let operations = with_trouble_at_each_operation(
            trouble,
            async |disk| {
                let Message { envelope, content } = message("hello");
                let spool = open(disk.clone()).await;
                spool.file_in(Folder::Out, &name, &envelope, &content).await.unwrap();
            },
            async |disk| {
                let Ok(spool) = Spool::open(Arc::new(disk), Arc::new(Letters::default()), root()).await
                else {
                    return (Vec::new(), false);
                };
                let mut durable = Vec::new();
                for attempt in 1..=3 {
                    if spool.note(&name, &noted(attempt)).await.is_ok() {
                        durable.push(noted(attempt));
                    }
                }
                let removed = durable.len() == 3 && spool.remove(Folder::Out, &name).await.is_ok();
                (durable, removed)
            },
            async |disk, (durable, removed)| {
                let spool = open(disk).await;
                let there = !spool.list(Folder::Out).await.unwrap().entries.is_empty();
                let found = spool.progress(&name).await.unwrap();
                assert!(!(removed && there), "removed");
                if there {
                    assert_eq!(spool.read(Folder::Out, &name).await.unwrap(), message("hello"));
                    assert!(durable.iter().all(|progress| found.contains(progress)), "{found:?}");
                } else {
                    assert_eq!(found, [], "a journal of nothing");
                }
            },
        );
        assert!(operations > 20, "{operations} operations");
    }
}

#[test]
fn a_message_in_hand_is_counted_when_the_process_dies_and_not_held_against_it_when_the_power_is_cut() {
    let disk = empty_disk();
    let id: SpoolId = "WKA6D6YM".parse().unwrap();
    let Message { envelope, content } = message("hello");
    let spool = run(open(disk.clone()));
    run(spool.file_in(Folder::In, &id.clone().into(), &envelope, &content)).unwrap();
    for _ in 0..2 {
        run(run(open(disk.clone())).take_in_hand(&id)).unwrap();
    }
    assert_eq!(run(run(open(disk.clone())).deaths()), BTreeMap::from([(id.clone(), 2)]));
    disk.crash();
    assert_eq!(run(run(open(disk)).deaths()), BTreeMap::new());
}
