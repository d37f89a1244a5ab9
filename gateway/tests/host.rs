//! The real machine, asked through the seam.

use std::io::ErrorKind;

use gateway::env::{Connection, host};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn two_ends_of_a_connection_hear_each_other() {
    let env = host::env();
    let mut listener = env.net.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (done, mut served) = tokio::sync::mpsc::channel(1);
    env.spawn.spawn(
        "server",
        Box::pin(async move {
            let Connection { mut stream, from, .. } = listener.accept().await.unwrap();
            stream.write_all(b"220 ready\r\n").await.unwrap();
            done.send(from).await.unwrap();
        }),
    );
    let mut stream = env.net.connect(address).await.unwrap();
    let mut banner = String::new();
    stream.read_to_string(&mut banner).await.unwrap();
    assert_eq!(banner, "220 ready\r\n");
    assert!(served.recv().await.unwrap().ip().is_loopback());
}

#[tokio::test]
async fn files_do_what_the_seam_says() {
    let root = tempfile::tempdir().unwrap();
    let disk = host::env().disk;
    let [dir, file, other] = ["a/b", "a/b/file", "a/b/other"].map(|name| root.path().join(name));
    disk.create_dir_all(&dir).await.unwrap();
    assert!(disk.free(&dir).await.unwrap() > 0);
    disk.create(&file).await.unwrap().write_all(b"one ").await.unwrap();
    let again = disk.create(&file).await.err().map(|error| error.kind());
    assert_eq!(again, Some(ErrorKind::AlreadyExists));

    let mut appended = disk.append(&file).await.unwrap();
    appended.write_all(b"two ").await.unwrap();
    appended.write_all(b"three").await.unwrap();
    appended.sync().await.unwrap();
    assert_eq!(disk.read(&file).await.unwrap(), b"one two three");

    disk.append(&other).await.unwrap();
    assert_eq!(disk.list(&dir).await.unwrap(), ["file", "other"]);
    disk.rename(&file, &other).await.unwrap();
    disk.sync_dir(&dir).await.unwrap();
    assert_eq!(disk.list(&dir).await.unwrap(), ["other"]);
    assert!(!disk.exists(&file).await.unwrap());
    assert!(!disk.exists(&dir).await.unwrap(), "a directory is no file");
    assert_eq!(disk.list(&root.path().join("a")).await.unwrap(), [""; 0]);

    disk.remove(&other).await.unwrap();
    let gone = disk.remove(&other).await.unwrap_err().kind();
    assert_eq!(gone, ErrorKind::NotFound);
    assert_eq!(disk.read(&other).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn names_are_drawn_from_bytes_that_differ() {
    let env = host::env();
    let draw = || gateway::envelope::SpoolId::draw(&*env.entropy);
    assert_ne!(draw(), draw());
}
