//! Names in the spool, drawn from a source of random numbers that repeats itself.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};

use gateway::address::ReversePath;
use gateway::dsn::DsnRequest;
use gateway::env::{Entropy, host};
use gateway::envelope::{Envelope, Origin, SpoolId};
use gateway::spool::{Aside, EntryName, Folder, Spool};

/// Each draw gives the next letter, eight times: `AAAAAAAA`, `BBBBBBBB`. The last one repeats for ever.
struct Letters(Mutex<Vec<u8>>);

impl Letters {
    fn drawing(letters: &str) -> Arc<Self> {
        Arc::new(Letters(Mutex::new(letters.bytes().rev().map(|letter| letter - b'A').collect())))
    }
}

impl Entropy for Letters {
    fn fill(&self, bytes: &mut [u8]) {
        let mut left = self.0.lock().unwrap();
        bytes.fill(*left.last().unwrap());
        if left.len() > 1 {
            left.pop();
        }
    }
}

fn envelope() -> Envelope {
    Envelope {
        reverse_path: ReversePath::Null,
        recipients: Vec::new(),
        received: "1998-03-02T09:30:00Z".parse().unwrap(),
        origin: Origin::Gateway,
        next_hop: None,
        dsn: DsnRequest::default(),
        is_international: false,
    }
}

fn id(text: &str) -> SpoolId {
    text.parse().unwrap()
}

#[tokio::test]
async fn no_draft_gets_a_name_that_anything_in_the_spool_has() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(host::env().disk, Letters::drawing("AABCDE"), root.path()).await.unwrap();
    spool.file_in(Folder::In, &id("BBBBBBBB").into(), &envelope(), b"").await.unwrap();
    spool.set_aside(Folder::In, "BBBBBBBB", Aside::Archive).await.unwrap();
    spool.file_in(Folder::In, &id("CCCCCCCC").into(), &envelope(), b"").await.unwrap();
    spool.file_in(Folder::Out, &EntryName::part(id("DDDDDDDD"), 7), &envelope(), b"").await.unwrap();

    let being_written = spool.draft(&envelope()).unwrap();
    let next = spool.draft(&envelope()).unwrap();

    assert_eq!([being_written.id(), next.id()], [&id("AAAAAAAA"), &id("EEEEEEEE")]);
}

#[tokio::test]
async fn a_broken_source_of_random_numbers_is_an_error_and_no_endless_search() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(host::env().disk, Letters::drawing("A"), root.path()).await.unwrap();
    let first = spool.draft(&envelope()).unwrap();
    let second = spool.draft(&envelope()).map(|draft| draft.id().clone());
    assert_eq!(second.unwrap_err().cause.kind(), ErrorKind::AlreadyExists);
    assert_eq!(first.commit().await.unwrap(), id("AAAAAAAA"));
}

#[test]
fn what_is_made_of_a_message_has_a_name_that_follows_from_it() {
    let message = id("WKA6D6YM");
    assert_eq!(message.derive("report 1"), message.derive("report 1"));
    let names = [
        message.clone(),
        message.derive("report 1"),
        message.derive("report 2"),
        id("WKA6D6YN").derive("report 1"),
    ];
    assert!(names.iter().enumerate().all(|(place, name)| !names[..place].contains(name)), "{names:?}");
    assert_eq!(message.derive("report 1").to_string().parse(), Ok(message.derive("report 1")));
    // FNV-1a of `WKA6D6YM\0report 1`, worked out apart: the name must be the same in every release.
    assert_eq!(message.derive("report 1"), id("35S2BQBX"));
}
