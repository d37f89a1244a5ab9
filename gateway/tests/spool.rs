//! The spool on a real disk, through the seam.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "the test plays the administrator, who looks at the files")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, io};

use futures_util::future::join_all;

use gateway::dsn::DsnRequest;
use gateway::env::{Disk, File, IoFuture, host};
use gateway::envelope::{Envelope, Origin};
use gateway::spool::{Aside, Damage, EntryName, Folder, Message, Progress, ReadError, Spool};

fn envelope() -> Envelope {
    Envelope {
        reverse_path: gateway::address::ReversePath::Mailbox("ann@a.example".parse().unwrap()),
        recipients: vec!["bob@b.example".parse().unwrap()],
        received: "1998-03-02T09:30:00Z".parse().unwrap(),
        next_hop: None,
        dsn: DsnRequest::default(),
        is_international: false,
        origin: Origin::Client {
            address: [192, 0, 2, 1].into(),
            helo: "a.example".to_owned(),
            account: None,
        },
    }
}

async fn open(root: &Path) -> Spool {
    let env = host::env();
    Spool::open(env.disk, env.entropy, root).await.unwrap()
}

async fn accept(spool: &Spool, content: &[u8]) -> EntryName {
    let mut draft = spool.draft(&envelope()).unwrap();
    draft.append(content).await.unwrap();
    draft.commit().await.unwrap().into()
}

#[tokio::test]
async fn an_accepted_message_is_read_back_byte_for_byte_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let spool = open(root.path()).await;
    let line = b"\x00\xff a line of any bytes\r\n";
    let mut draft = spool.draft(&envelope()).unwrap();
    for _ in 0..10_000 {
        draft.append(line).await.unwrap();
    }
    let name = draft.commit().await.unwrap().into();

    let restarted = open(root.path()).await;
    assert_eq!(restarted.list(Folder::In).await.unwrap().entries, [name]);
    let name = &restarted.list(Folder::In).await.unwrap().entries[0];
    let message = restarted.read(Folder::In, name).await.unwrap();
    assert_eq!(message, Message { envelope: envelope(), content: line.repeat(10_000) });
}

#[tokio::test]
async fn a_session_cut_off_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let spool = open(root.path()).await;
    let mut cut_off = spool.draft(&envelope()).unwrap();
    cut_off.append(&b"Subject: half a mess".repeat(5_000)).await.unwrap();
    drop(cut_off);
    let mut given_up = spool.draft(&envelope()).unwrap();
    given_up.append(&b"Subject: half a mess".repeat(5_000)).await.unwrap();
    given_up.discard().await.unwrap();
    assert_eq!(fs::read_dir(root.path().join("work")).unwrap().count(), 1);

    let restarted = open(root.path()).await;
    assert_eq!(fs::read_dir(root.path().join("work")).unwrap().count(), 0);
    assert_eq!(restarted.list(Folder::In).await.unwrap(), Default::default());
}

#[tokio::test]
async fn work_done_again_after_a_crash_files_nothing_twice() {
    let root = tempfile::tempdir().unwrap();
    let spool = open(root.path()).await;
    let message = accept(&spool, b"hello").await;
    let report = EntryName::from(message.id.derive("non-delivery report"));
    let part = EntryName::part(message.id.clone(), 1);
    for date in ["first", "second"] {
        spool.file_in(Folder::In, &report, &envelope(), date.as_bytes()).await.unwrap();
        spool.file_in(Folder::Out, &part, &envelope(), date.as_bytes()).await.unwrap();
    }
    assert_eq!(spool.list(Folder::Out).await.unwrap().entries, std::slice::from_ref(&part));
    assert_eq!(spool.read(Folder::Out, &part).await.unwrap().content, b"first");
    assert_eq!(spool.read(Folder::In, &report).await.unwrap().content, b"first");
}

#[tokio::test]
async fn a_failed_attempt_to_file_does_not_stand_in_the_way_of_the_next() {
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path()).await);
    let part: EntryName = "WKA6D6YM.1".parse().unwrap();
    fs::write(root.path().join("out/WKA6D6YM.1"), "ImCr 1\nhalf").unwrap();
    let spool = open(root.path()).await;
    fs::write(root.path().join("work/WKA6D6YM.1.made"), "half").unwrap();

    spool.file_in(Folder::Out, &part, &envelope(), b"whole").await.unwrap();

    assert_eq!(spool.read(Folder::Out, &part).await.unwrap().content, b"whole");
    assert_eq!(fs::read(root.path().join("bad/WKA6D6YM.1")).unwrap(), b"ImCr 1\nhalf");
}

#[tokio::test]
async fn damage_is_told_apart_from_a_disk_that_does_not_answer() {
    let root = tempfile::tempdir().unwrap();
    let spool = open(root.path()).await;
    let torn = accept(&spool, b"hello").await;
    let path = root.path().join("in").join(torn.to_string());
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let read = spool.read(Folder::In, &torn).await;
    assert!(matches!(read, Err(ReadError::Damaged { damage: Damage::Truncated, .. })), "{read:?}");

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let read = spool.read(Folder::In, &torn).await;
    assert!(matches!(read, Err(ReadError::Disk(_))), "{read:?}");
}

#[tokio::test]
async fn a_file_that_is_no_entry_is_reported_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let spool = open(root.path()).await;
    for stray in ["in/readme.txt", "in/WKA6D6YM.1", "out/WKA6D6YM", "queue/notes"] {
        fs::write(root.path().join(stray), "by hand").unwrap();
    }
    let spool = {
        drop(spool);
        open(root.path()).await
    };
    assert_eq!(spool.list(Folder::In).await.unwrap().misfits, ["WKA6D6YM.1", "readme.txt"]);
    assert_eq!(spool.list(Folder::Out).await.unwrap().misfits, ["WKA6D6YM"]);
    assert_eq!(spool.list(Folder::In).await.unwrap().entries, []);
    assert!(root.path().join("queue/notes").exists());
}

#[tokio::test]
async fn setting_aside_overwrites_nothing() {
    let root = tempfile::tempdir().unwrap();
    let spool = open(root.path()).await;
    for content in ["one", "two", "three"] {
        fs::write(root.path().join("in/stray"), content).unwrap();
        spool.set_aside(Folder::In, "stray", Aside::Bad).await.unwrap();
    }
    let kept = |name: &str| fs::read_to_string(root.path().join("bad").join(name)).unwrap();
    assert_eq!([kept("stray"), kept("stray~2"), kept("stray~3")], ["one", "two", "three"]);
    assert_eq!(spool.list(Folder::In).await.unwrap().misfits, [""; 0]);
}

#[tokio::test]
async fn the_journal_of_an_entry_survives_a_torn_record_and_goes_with_the_entry() {
    let root = tempfile::tempdir().unwrap();
    let spool = open(root.path()).await;
    let part: EntryName = "WKA6D6YM.1".parse().unwrap();
    spool.file_in(Folder::Out, &part, &envelope(), b"hello").await.unwrap();
    let deferred = Progress::Deferred {
        attempt: 1,
        next: "1998-03-02T09:45:00Z".parse().unwrap(),
        why: "no route to host".to_owned(),
    };
    let delivered = Progress::Delivered { recipient: "bob@b.example".parse().unwrap(), relayed: false };
    spool.note(&part, &deferred).await.unwrap();
    let journal = root.path().join("queue/WKA6D6YM.1");
    let torn = fs::read_to_string(&journal).unwrap() + r#"{"failed":{"recip"#;
    fs::write(&journal, torn).unwrap();
    spool.note(&part, &delivered).await.unwrap();

    let restarted = open(root.path()).await;
    assert_eq!(restarted.progress(&part).await.unwrap(), [deferred, delivered]);
    restarted.remove(Folder::Out, &part).await.unwrap();
    assert_eq!(restarted.progress(&part).await.unwrap(), []);
}

#[tokio::test]
async fn a_journal_does_not_outlive_its_entry() {
    let root = tempfile::tempdir().unwrap();
    let spool = open(root.path()).await;
    let part: EntryName = "WKA6D6YM.1".parse().unwrap();
    let failed =
        Progress::Failed { recipient: "bob@b.example".parse().unwrap(), reply: "550 who?".to_owned() };
    spool.note(&part, &failed).await.unwrap();
    assert_eq!(spool.progress(&part).await.unwrap(), [failed]);
    let restarted = open(root.path()).await;
    assert_eq!(restarted.progress(&part).await.unwrap(), []);
}

#[tokio::test]
async fn each_death_with_a_message_in_hand_is_counted_until_the_process_survives_it() {
    let root = tempfile::tempdir().unwrap();
    let spool = open(root.path()).await;
    let poison = accept(&spool, b"poison").await.id;
    let harmless = accept(&spool, b"harmless").await.id;
    for deaths in 1..=3 {
        let spool = open(root.path()).await;
        spool.take_in_hand(&harmless).await.unwrap();
        spool.survived(&harmless).await.unwrap();
        // The disk gives it at the second try.
        spool.take_in_hand(&poison).await.unwrap();
        spool.put_down(&poison).await.unwrap();
        spool.take_in_hand(&poison).await.unwrap();
        let restarted = open(root.path()).await;
        assert_eq!(restarted.deaths().await, BTreeMap::from([(poison.clone(), deaths)]));
    }
    let spool = open(root.path()).await;
    spool.set_aside(Folder::In, poison.as_str(), Aside::Bad).await.unwrap();
    assert_eq!(spool.deaths().await, BTreeMap::new());
}

/// The host's disk, on which a folder takes a moment to synchronise, and which counts how often that is done.
struct SlowFolders {
    host: Arc<dyn Disk>,
    synchronised: AtomicUsize,
    is_failing: AtomicBool,
}

impl Disk for SlowFolders {
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        self.host.create_dir_all(dir)
    }

    fn create<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        self.host.create(path)
    }

    fn append<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn File>> {
        self.host.append(path)
    }

    fn read<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Vec<u8>> {
        self.host.read(path)
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        self.host.rename(from, to)
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        self.host.remove(path)
    }

    fn exists<'a>(&'a self, path: &'a Path) -> IoFuture<'a, bool> {
        self.host.exists(path)
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        self.host.list(dir)
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            self.synchronised.fetch_add(1, Ordering::SeqCst);
            // On a paused clock: until nothing else can go on.
            tokio::time::sleep(Duration::from_secs(1)).await;
            if self.is_failing.load(Ordering::SeqCst) {
                return Err(io::Error::other("the drive does not answer"));
            }
            self.host.sync_dir(dir).await
        })
    }

    fn free<'a>(&'a self, at: &'a Path) -> IoFuture<'a, u64> {
        self.host.free(at)
    }
}

async fn commit_together(is_failing: bool) -> (Vec<bool>, usize, usize) {
    let root = tempfile::tempdir().unwrap();
    let env = host::env();
    let disk = Arc::new(SlowFolders {
        host: env.disk,
        synchronised: AtomicUsize::new(0),
        is_failing: AtomicBool::new(false),
    });
    let spool = Spool::open(disk.clone(), env.entropy, root.path()).await.unwrap();
    let mut drafts = Vec::new();
    for _ in 0..50 {
        drafts.push(spool.draft(&envelope()).unwrap());
    }
    disk.is_failing.store(is_failing, Ordering::SeqCst);
    let before = disk.synchronised.load(Ordering::SeqCst);
    let committed = join_all(drafts.into_iter().map(|draft| draft.commit())).await;
    let times = disk.synchronised.load(Ordering::SeqCst) - before;
    let committed = committed.iter().map(|committed| committed.is_ok()).collect();
    (committed, times, spool.list(Folder::In).await.unwrap().entries.len())
}

#[tokio::test(start_paused = true)]
async fn messages_that_come_together_share_a_synchronisation_of_their_folder() {
    let (committed, times, kept) = commit_together(false).await;
    assert_eq!((committed, kept), (vec![true; 50], 50));
    assert!(times < 50, "{times} synchronisations");
}

#[tokio::test(start_paused = true)]
async fn a_synchronisation_that_fails_fails_for_all_who_share_it() {
    let (committed, _, kept) = commit_together(true).await;
    assert_eq!((committed, kept), (vec![false; 50], 0));
}

#[tokio::test]
async fn what_is_in_hand_stays_known_however_many_were_in_hand_before() {
    let root = tempfile::tempdir().unwrap();
    let spool = open(root.path()).await;
    let poison = accept(&spool, b"poison").await.id;
    let harmless = accept(&spool, b"harmless").await.id;
    spool.take_in_hand(&poison).await.unwrap();
    for _ in 0..5_000 {
        spool.take_in_hand(&harmless).await.unwrap();
        spool.put_down(&harmless).await.unwrap();
    }
    assert!(fs::metadata(root.path().join("queue/hands")).unwrap().len() < 100_000);
    let restarted = open(root.path()).await;
    assert_eq!(restarted.deaths().await, BTreeMap::from([(poison, 1)]));
}

#[tokio::test]
async fn the_folder_of_what_is_in_hand_may_be_removed_at_any_time() {
    let root = tempfile::tempdir().unwrap();
    let spool = open(root.path()).await;
    let ids = [accept(&spool, b"one").await.id, accept(&spool, b"two").await.id];
    spool.take_in_hand(&ids[0]).await.unwrap();
    fs::remove_dir_all(root.path().join("queue")).unwrap();
    spool.put_down(&ids[0]).await.unwrap();
    fs::remove_dir_all(root.path().join("queue")).unwrap();
    spool.take_in_hand(&ids[1]).await.unwrap();
    assert_eq!(open(root.path()).await.deaths().await, BTreeMap::from([(ids[1].clone(), 1)]));
}
