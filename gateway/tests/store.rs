//! The local store on a real disk.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "the test plays the mail program, which moves files")]

use std::fs;
use std::path::Path;

use gateway::address::{Address, ReversePath};
use gateway::dsn::DsnRequest;
use gateway::env::host;
use gateway::envelope::{Envelope, Origin};
use gateway::spool::{EntryName, Message};
use gateway::store::{Delivery, Store};

fn message(reverse_path: ReversePath) -> Message {
    let received = "1998-03-02T09:30:00Z".parse().unwrap();
    let envelope = Envelope {
        reverse_path,
        recipients: vec![bob()],
        received,
        origin: Origin::Gateway,
        next_hop: None,
        dsn: DsnRequest::default(),
        is_international: false,
    };
    Message { envelope, content: b"Subject: hello\r\n\r\nHello.\r\n".to_vec() }
}

fn bob() -> Address {
    "bob@b.example".parse().unwrap()
}

fn entry() -> EntryName {
    "WKA6D6YM".parse().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_message_arrives_in_new_with_its_return_path() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(host::env().disk, root.path());
    let message = message(ReversePath::Mailbox("ann@a.example".parse().unwrap()));
    assert_eq!(store.deliver(&bob(), &entry(), &message).await.unwrap(), Delivery::Delivered);

    let maildir = root.path().join("bob@b.example");
    let file = fs::read_to_string(maildir.join("new/888831000.WKA6D6YM")).unwrap();
    assert_eq!(file, "Return-Path: <ann@a.example>\r\nSubject: hello\r\n\r\nHello.\r\n");
    assert_eq!(names(&maildir.join("tmp")), [""; 0]);
}

#[tokio::test]
async fn a_report_has_the_null_return_path() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(host::env().disk, root.path());
    store.deliver(&bob(), &entry(), &message(ReversePath::Null)).await.unwrap();
    let file = fs::read_to_string(store.maildir(&bob()).join("new/888831000.WKA6D6YM")).unwrap();
    assert!(file.starts_with("Return-Path: <>\r\n"), "{file}");
}

#[tokio::test]
async fn delivery_done_again_after_a_crash_puts_nothing_in_the_mailbox_twice() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(host::env().disk, root.path());
    let maildir = store.maildir(&bob());
    let message = message(ReversePath::Null);
    store.deliver(&bob(), &entry(), &message).await.unwrap();
    assert_eq!(store.deliver(&bob(), &entry(), &message).await.unwrap(), Delivery::AlreadyThere);

    fs::rename(maildir.join("new/888831000.WKA6D6YM"), maildir.join("cur/888831000.WKA6D6YM:2,RS")).unwrap();
    assert_eq!(store.deliver(&bob(), &entry(), &message).await.unwrap(), Delivery::AlreadyThere);
    assert_eq!(names(&maildir.join("new")), [""; 0]);

    let other = store.deliver(&bob(), &"WKA6D6YM.1".parse().unwrap(), &message).await.unwrap();
    assert_eq!(other, Delivery::Delivered);
}

#[tokio::test]
async fn half_a_delivery_is_done_anew() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(host::env().disk, root.path());
    let maildir = store.maildir(&bob());
    fs::create_dir_all(maildir.join("tmp")).unwrap();
    fs::write(maildir.join("tmp/888831000.WKA6D6YM"), "Return-Pa").unwrap();
    let delivery = store.deliver(&bob(), &entry(), &message(ReversePath::Null)).await.unwrap();
    assert_eq!(delivery, Delivery::Delivered);
    let file = fs::read_to_string(maildir.join("new/888831000.WKA6D6YM")).unwrap();
    assert!(file.ends_with("Hello.\r\n"), "{file}");
}
