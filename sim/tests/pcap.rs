//! The capture file, block by block and header by header, of connections made by hand.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use etherparse::{IpHeaders, PacketHeaders, PayloadSlice, TcpHeader, TransportHeader};
use gateway::release::Release;
use sim::capture::{Capture, Segment, SegmentKind};
use sim::engine::Leap;
use sim::plan::Plan;
use sim::record::Record;
use sim::render::pcap;
use sim::run::run;
use sim::scenario::Library;
use sim::trace::Keep;

use SegmentKind::{Again, Data, Fin, Reset, Syn, SynAck};

const CLIENT: &str = "192.0.2.80:49152";
const GATEWAY: &str = "192.0.2.25:25";

/// An acknowledgement that moves no window.
const ACK: SegmentKind = SegmentKind::Ack { read: 0 };

/// A packet of the file.
struct Packet {
    interface: u32,
    nanos: u64,
    tcp: TcpHeader,
    octets: Vec<u8>,
    comment: Option<String>,
}

fn arrives(at: u64, from: &str, to: &str, kind: SegmentKind, octets: &[u8]) -> Segment {
    let [from, to] = [from, to].map(|address| address.parse::<SocketAddr>().unwrap());
    Segment { at: Duration::from_millis(at), from, to, kind, octets: octets.to_vec(), is_lost: false }
}

fn lost(at: u64, from: &str, to: &str, kind: SegmentKind, octets: &[u8]) -> Segment {
    Segment { is_lost: true, ..arrives(at, from, to, kind, octets) }
}

fn q178091() -> (Plan, Record) {
    let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let source = library.find("Q178091").unwrap();
    let plan = source.scenario(source.seed(), Release::Current).plan(Release::Current, source.seed());
    let record = run(&plan, &Leap, Keep::Digest).unwrap();
    (plan, record)
}

fn file(segments: Vec<Segment>) -> Vec<u8> {
    let (plan, mut record) = q178091();
    record.capture = Some(Capture { segments, files: Vec::new(), ..Capture::default() });
    let mut file = Vec::new();
    pcap::write(&plan, &record, &mut file).unwrap();
    file
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().unwrap())
}

/// The kind and the body of each block.
fn blocks(mut file: &[u8]) -> Vec<(u32, &[u8])> {
    let mut blocks = Vec::new();
    while !file.is_empty() {
        let length = number(&file[4..]) as usize;
        assert_eq!(length % 4, 0);
        assert_eq!(number(&file[length - 4..]) as usize, length);
        blocks.push((number(file), &file[8..length - 4]));
        file = &file[length..];
    }
    blocks
}

/// Every packet, its checksums verified.
fn packets(segments: Vec<Segment>) -> Vec<Packet> {
    let file = file(segments);
    let packets = blocks(&file).into_iter().filter(|(kind, _)| *kind == 6);
    packets
        .map(|(_, body)| {
            let length = number(&body[12..]) as usize;
            let options = &body[20 + length.next_multiple_of(4)..];
            let comment = (!options.is_empty()).then(|| {
                let length = usize::from(u16::from_le_bytes([options[2], options[3]]));
                String::from_utf8(options[4..4 + length].to_vec()).unwrap()
            });
            let packet = PacketHeaders::from_ip_slice(&body[20..20 + length]).unwrap();
            let Some(TransportHeader::Tcp(tcp)) = packet.transport else { panic!("no TCP") };
            let PayloadSlice::Tcp(octets) = packet.payload else { panic!("no TCP") };
            match IpHeaders::from_slice(&body[20..]).unwrap().0 {
                IpHeaders::Ipv4(ip, _) => {
                    assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                    assert_eq!(tcp.checksum, tcp.calc_checksum_ipv4(&ip, octets).unwrap());
                }
                IpHeaders::Ipv6(ip, _) => {
                    assert_eq!(tcp.checksum, tcp.calc_checksum_ipv6(&ip, octets).unwrap());
                }
            }
            Packet {
                interface: number(body),
                nanos: u64::from(number(&body[4..])) << 32 | u64::from(number(&body[8..])),
                tcp,
                octets: octets.to_vec(),
                comment,
            }
        })
        .collect()
}

#[test]
fn a_connection_has_the_numbers_that_its_ends_would_have_counted() {
    let packets = packets(vec![
        arrives(1000, CLIENT, GATEWAY, Syn, b""),
        arrives(1001, GATEWAY, CLIENT, SynAck, b""),
        arrives(1002, CLIENT, GATEWAY, ACK, b""),
        arrives(1003, GATEWAY, CLIENT, Data, b"220 hello\r\n"),
        arrives(1004, CLIENT, GATEWAY, Data, b"QUIT\r\n"),
        arrives(1005, GATEWAY, CLIENT, Fin, b""),
        arrives(1006, CLIENT, GATEWAY, Reset, b""),
    ]);
    let [ours, theirs] = [0, 1].map(|packet: usize| packets[packet].tcp.sequence_number);
    let shown = packets.iter().map(|Packet { tcp, .. }| {
        let (ours, theirs) = if tcp.destination_port == 25 { (ours, theirs) } else { (theirs, ours) };
        let heard = tcp.ack.then(|| tcp.acknowledgment_number - theirs);
        (tcp.sequence_number - ours, heard, [tcp.syn, tcp.psh, tcp.fin, tcp.rst])
    });
    let [syn, psh, fin, rst] = [0, 1, 2, 3].map(|flag| std::array::from_fn(|place| place == flag));
    let expected = [
        (0, None, syn),
        (0, Some(1), syn),
        (1, Some(1), [false; 4]),
        (1, Some(1), psh),
        (1, Some(12), psh),
        (12, Some(7), fin),
        (7, Some(13), rst),
    ];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
}

#[test]
fn a_packet_is_caught_by_the_machine_it_comes_to_at_the_time_of_the_run() {
    let packets = packets(vec![
        arrives(1000, CLIENT, GATEWAY, Syn, b""),
        arrives(1056, GATEWAY, CLIENT, SynAck, b""),
        arrives(2000, "127.0.0.1:49153", "127.0.0.1:25", Syn, b""),
    ]);
    assert_eq!(packets.iter().map(|packet| packet.interface).collect::<Vec<_>>(), [0, 1, 3]);
    let starts = u64::try_from(q178091().1.starts.as_nanosecond()).unwrap();
    let times: Vec<u64> = packets.iter().map(|packet| packet.nanos - starts).collect();
    assert_eq!(times, [1_000_000_000, 1_056_000_000, 2_000_000_000]);
}

#[test]
fn what_is_longer_than_a_packet_is_split_and_loses_nothing() {
    let content: Vec<u8> = (0..65_536).map(|octet| (octet % 251) as u8).collect();
    for (client, gateway, most) in
        [(CLIENT, GATEWAY, 1460), ("[2001:db8::1]:49152", "[2001:db8::2]:25", 1440)]
    {
        let packets = packets(vec![
            arrives(1, client, gateway, Syn, b""),
            arrives(2, client, gateway, Data, &content),
            arrives(3, client, gateway, Fin, b""),
        ]);
        let (syn, rest) = packets.split_first().unwrap();
        let mut next = syn.tcp.sequence_number + 1;
        for packet in rest {
            assert_eq!(packet.tcp.sequence_number, next);
            next += packet.octets.len() as u32;
            assert!(packet.octets.len() <= most);
        }
        assert_eq!(rest.iter().flat_map(|packet| packet.octets.clone()).collect::<Vec<_>>(), content);
        assert!(rest[rest.len() - 1].tcp.fin);
    }
}

#[test]
fn the_window_is_what_the_reader_has_room_for() {
    let packets = packets(vec![
        arrives(1, CLIENT, GATEWAY, Syn, b""),
        arrives(2, GATEWAY, CLIENT, SynAck, b""),
        arrives(3, CLIENT, GATEWAY, Data, &[b'.'; 65_536]),
        arrives(4, GATEWAY, CLIENT, SegmentKind::Ack { read: 32_768 }, b""),
        arrives(4, GATEWAY, CLIENT, SegmentKind::Ack { read: 32_768 }, b""),
    ]);
    let (half, whole) = (&packets[packets.len() - 2].tcp, &packets[packets.len() - 1].tcp);
    assert_eq!(half.acknowledgment_number, whole.acknowledgment_number);
    // It is said in units of two octets.
    assert_eq!((half.window_size, whole.window_size), (16_384, 32_768));
}

#[test]
fn what_was_lost_is_not_there_and_what_was_sent_again_for_it_says_so() {
    let packets = packets(vec![
        arrives(1, CLIENT, GATEWAY, Syn, b""),
        lost(10, CLIENT, GATEWAY, Data, b"EHLO a\r\n"),
        // An acknowledgement that was under way already: not what was lost.
        arrives(20, CLIENT, GATEWAY, ACK, b""),
        lost(1010, CLIENT, GATEWAY, Data, b"EHLO a\r\n"),
        arrives(3010, CLIENT, GATEWAY, Data, b"EHLO a\r\n"),
        arrives(3011, CLIENT, GATEWAY, Data, b"EHLO a\r\n"),
    ]);
    let comments: Vec<Option<&str>> = packets.iter().map(|packet| packet.comment.as_deref()).collect();
    let again = "sent again: lost 2 times, first 10ms after the start of the run";
    assert_eq!(comments, [None, None, Some(again), None]);
    assert_eq!(packets[3].tcp.sequence_number, packets[2].tcp.sequence_number + 8);
}

#[test]
fn a_repetition_brings_no_octet_and_uses_up_no_number() {
    let packets = packets(vec![
        arrives(1, CLIENT, GATEWAY, Syn, b""),
        arrives(2, CLIENT, GATEWAY, Syn, b""),
        arrives(3, CLIENT, GATEWAY, Data, b"NOOP\r\n"),
        arrives(4, CLIENT, GATEWAY, Again, b""),
        arrives(5, CLIENT, GATEWAY, Data, b"QUIT\r\n"),
    ]);
    let initial = packets[0].tcp.sequence_number;
    let numbers: Vec<u32> = packets.iter().map(|packet| packet.tcp.sequence_number - initial).collect();
    assert_eq!(numbers, [0, 0, 1, 6, 7]);
}

#[test]
fn another_connection_between_the_same_ports_begins_with_another_number() {
    let packets = packets(vec![
        arrives(1, CLIENT, GATEWAY, Syn, b""),
        arrives(2, GATEWAY, CLIENT, SynAck, b""),
        arrives(3, CLIENT, GATEWAY, Data, b"NOOP\r\n"),
        arrives(60_000, CLIENT, GATEWAY, Syn, b""),
    ]);
    assert_ne!(packets[0].tcp.sequence_number, packets[3].tcp.sequence_number);
    assert!(!packets[3].tcp.ack, "nothing was heard on it yet");
}

#[test]
fn a_run_without_a_capture_gives_a_file_without_packets() {
    let (plan, record) = q178091();
    let mut file = Vec::new();
    pcap::write(&plan, &record, &mut file).unwrap();
    let kinds: Vec<u32> = blocks(&file).iter().map(|(kind, _)| *kind).collect();
    // The gateway, the client, the name server, and what a machine sends itself.
    assert_eq!(kinds, [0x0a0d_0d0a, 1, 1, 1, 1, 4]);
    let text = String::from_utf8_lossy(&file);
    for name in ["ims1.contoso.test", "printserver.contoso.test", &record.digest.to_string()] {
        assert!(text.contains(name), "{name}");
    }
}
