//! The headers of a datagram.

use std::io;

use super::ip;
use crate::capture::Segment;

/// The packet that a datagram is, with its IP header.
pub(super) fn packet(datagram: &Segment) -> io::Result<Vec<u8>> {
    let Segment { from, to, octets, .. } = datagram;
    let mut packet = Vec::with_capacity(octets.len() + 48);
    let headers = ip::header(from.ip(), to.ip()).udp(from.port(), to.port());
    headers.write(&mut packet, octets).map_err(io::Error::other)?;
    Ok(packet)
}
