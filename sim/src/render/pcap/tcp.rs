//! What the engine leaves out of its segments and a TCP header has: sequence and acknowledgement numbers, options, and
//! an end to what one packet can hold.
//!
//! It reads the segments as they come and keeps count for each direction. It knows no file and no machine.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use etherparse::{TcpHeader, TcpOptionElement, TcpOptions};

use super::ip;
use crate::capture::{Segment, SegmentKind};

/// How long a packet may be, as on an Ethernet.
const MTU: usize = 1500;
const TCP_HEADER: usize = 20;

/// The engine's window. It is one octet larger than a header can say, so it is said in units of two (RFC 7323).
const WINDOW: usize = 1 << 16;
const WINDOW_SCALE: u8 = 1;

/// One direction of a connection.
#[derive(Clone, Copy)]
struct Direction {
    /// The number of its SYN.
    initial: u32,
    /// The number of the next octet.
    next: u32,
    /// How much has come that the receiver has not said to have read.
    unread: usize,
}

impl Direction {
    /// Begins now. The number is of a clock that ticks every four microseconds (RFC 9293, 3.4.1), so that another
    /// connection between the same ports has another.
    fn begins(at: Duration) -> Self {
        let initial = (at.as_micros() / 4) as u32;
        Direction { initial, next: initial.wrapping_add(1), unread: 0 }
    }
}

/// Every direction of every connection, by the addresses it is from and to.
#[derive(Default)]
pub(super) struct Directions(BTreeMap<(SocketAddr, SocketAddr), Direction>);

impl Directions {
    /// The packets that a segment is, each with its IP header.
    pub(super) fn packets(&mut self, segment: &Segment) -> io::Result<Vec<Vec<u8>>> {
        let Segment { from, to, kind, octets, .. } = segment;
        match kind {
            SegmentKind::Syn => self.begin(segment),
            SegmentKind::SynAck => {
                self.0.entry((*from, *to)).or_insert_with(|| Direction::begins(segment.at));
            }
            SegmentKind::Ack { read } => self.frees(segment, *read),
            _ => {}
        }
        let sent = self.0.get(&(*from, *to)).copied();
        let heard = self.0.get(&(*to, *from)).copied();
        let next = sent.map_or(0, |sent| sent.next);
        let window = WINDOW.saturating_sub(heard.map_or(0, |heard| heard.unread));
        let mut header = TcpHeader::new(from.port(), to.port(), next, (window >> WINDOW_SCALE) as u16);
        header.ack = heard.is_some();
        header.acknowledgment_number = heard.map_or(0, |heard| heard.next);
        match kind {
            SegmentKind::Syn | SegmentKind::SynAck => {
                header.syn = true;
                header.sequence_number = sent.map_or(0, |sent| sent.initial);
                header.options = options(most(segment))?;
                // The window beside a SYN has no scale.
                header.window_size = u16::MAX;
            }
            SegmentKind::Fin => {
                header.fin = true;
                self.count(segment, 1);
            }
            SegmentKind::Reset => header.rst = true,
            // As a sender asks whether anybody is there: before the next octet, and without one.
            SegmentKind::Again => header.sequence_number = next.wrapping_sub(1),
            SegmentKind::Ack { .. } | SegmentKind::Datagram => {}
            SegmentKind::Data => {
                self.count(segment, octets.len());
                self.fills(segment);
                return split(segment, header);
            }
        }
        Ok(vec![packet(segment, header, &[])?])
    }

    /// A SYN that is said again, before anything else was, belongs to the same connection.
    fn begin(&mut self, segment: &Segment) {
        let Segment { from, to, at, .. } = segment;
        let known = self.0.get(&(*from, *to));
        if known.is_none_or(|known| known.next != known.initial.wrapping_add(1)) {
            self.0.remove(&(*to, *from));
            self.0.insert((*from, *to), Direction::begins(*at));
        }
    }

    fn fills(&mut self, segment: &Segment) {
        if let Some(sent) = self.0.get_mut(&(segment.from, segment.to)) {
            sent.unread += segment.octets.len();
        }
    }

    fn frees(&mut self, segment: &Segment, read: usize) {
        if let Some(heard) = self.0.get_mut(&(segment.to, segment.from)) {
            heard.unread = heard.unread.saturating_sub(read);
        }
    }

    fn count(&mut self, segment: &Segment, octets: usize) {
        if let Some(sent) = self.0.get_mut(&(segment.from, segment.to)) {
            sent.next = sent.next.wrapping_add(octets as u32);
        }
    }
}

/// How many octets one packet of such a segment takes.
fn most(segment: &Segment) -> usize {
    let ip_header = if segment.from.is_ipv4() && segment.to.is_ipv4() { 20 } else { 40 };
    MTU - ip_header - TCP_HEADER
}

fn options(most: usize) -> io::Result<TcpOptions> {
    let most = TcpOptionElement::MaximumSegmentSize(most as u16);
    TcpOptions::try_from_elements(&[
        most,
        TcpOptionElement::Noop,
        TcpOptionElement::WindowScale(WINDOW_SCALE),
    ])
    .map_err(io::Error::other)
}

fn split(segment: &Segment, mut header: TcpHeader) -> io::Result<Vec<Vec<u8>>> {
    let mut packets = Vec::new();
    let mut rest = &segment.octets[..];
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(most(segment)));
        header.psh = after.is_empty();
        packets.push(packet(segment, header.clone(), piece)?);
        header.sequence_number = header.sequence_number.wrapping_add(piece.len() as u32);
        rest = after;
    }
    Ok(packets)
}

fn packet(segment: &Segment, header: TcpHeader, octets: &[u8]) -> io::Result<Vec<u8>> {
    let mut packet = Vec::with_capacity(MTU);
    let headers = ip::header(segment.from.ip(), segment.to.ip()).tcp_header(header);
    headers.write(&mut packet, octets).map_err(io::Error::other)?;
    Ok(packet)
}
