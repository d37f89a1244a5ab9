//! What comes over the wire, without a conversation: the reply of a server, the data of a message.

use futures_util::FutureExt;
use gateway::smtp::data::{DataReader, LineCheck, stuff};
use gateway::smtp::line::Wire;
use gateway::smtp::reply::Reply;

use super::machine::Scripted;

/// A reply that was read is written so that it reads as the same.
pub fn reply(octets: &[u8]) {
    let read = |octets: &[u8]| {
        let mut wire = Wire::new(Box::new(Scripted::new(octets)));
        Reply::read(&mut wire).now_or_never().expect("the octets are all there")
    };
    if let Ok(reply) = read(octets) {
        assert_eq!(read(&reply.to_bytes()).unwrap(), reply);
        let with_status = read(&reply.to_bytes_with_status()).unwrap();
        assert_eq!((with_status.code(), with_status.lines().len()), (reply.code(), reply.lines().len()));
    }
}

/// Data is the same in any pieces; and content without flaws, sent on and read again, is the same.
pub fn data(octets: &[u8]) {
    let read = |octets: &[u8], piece: usize| {
        let (mut reader, mut content, mut taken) = (DataReader::new(), Vec::new(), 0);
        for piece in octets.chunks(piece.max(1)) {
            taken += reader.feed(piece, &mut content);
        }
        reader.has_ended().then(|| (content, reader.flaws(), taken))
    };
    let whole = read(octets, octets.len());
    assert_eq!(read(octets, 1), whole);
    let Some((content, flaws, taken)) = whole else { return };
    assert!(octets[..taken].ends_with(b".\r\n"));
    let mut check = LineCheck::default();
    check.see(&content);
    assert_eq!(check.finish(), flaws);
    if !flaws.bare_cr && !flaws.bare_lf {
        let sent = stuff(&content, 4096).collect::<Vec<_>>().concat();
        assert_eq!(read(&sent, 7), Some((content, flaws, sent.len())));
    }
}
