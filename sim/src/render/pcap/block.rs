//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng): five kinds, little-endian, times in nanoseconds.
//!
//! It knows no segment and no machine.

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const NAME_RESOLUTION: u32 = 4;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;

/// Secrets in the form of a TLS key log.
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// Packets begin with the IP header (LINKTYPE_RAW).
const RAW_IP: u16 = 101;

/// The options that are used, by their codes.
const COMMENT: u16 = 1;
const USER_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const TIME_RESOLUTION: u16 = 9;

/// Begins the file.
pub(super) fn section(out: &mut impl Write, program: &str, comment: &str) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(0x1a2b_3c4d_u32.to_le_bytes());
    body.extend(1_u16.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    // How long the section is, is not said.
    body.extend(u64::MAX.to_le_bytes());
    entry(&mut body, COMMENT, comment.as_bytes());
    entry(&mut body, USER_APPLICATION, program.as_bytes());
    end_of_entries(&mut body);
    block(out, SECTION_HEADER, &body)
}

/// Describes an interface. They are counted from 0, in this order.
pub(super) fn interface(out: &mut impl Write, name: &str) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(RAW_IP.to_le_bytes());
    body.extend([0; 2]);
    // No packet is cut.
    body.extend(0_u32.to_le_bytes());
    entry(&mut body, INTERFACE_NAME, name.as_bytes());
    entry(&mut body, TIME_RESOLUTION, &[9]);
    end_of_entries(&mut body);
    block(out, INTERFACE_DESCRIPTION, &body)
}

/// Says the names of addresses.
pub(super) fn names<'a>(
    out: &mut impl Write,
    names: impl Iterator<Item = (IpAddr, &'a str)>,
) -> io::Result<()> {
    let mut body = Vec::new();
    for (address, name) in names {
        let (kind, mut value) = match address {
            IpAddr::V4(address) => (1, address.octets().to_vec()),
            IpAddr::V6(address) => (2, address.octets().to_vec()),
        };
        value.extend(name.as_bytes());
        value.push(0);
        entry(&mut body, kind, &value);
    }
    end_of_entries(&mut body);
    block(out, NAME_RESOLUTION, &body)
}

/// What the TLS connections of the packets behind it are read by.
pub(super) fn tls_secrets(out: &mut impl Write, key_log: &str) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(TLS_KEY_LOG.to_le_bytes());
    body.extend(u32::try_from(key_log.len()).map_err(io::Error::other)?.to_le_bytes());
    body.extend(key_log.as_bytes());
    pad(&mut body);
    block(out, DECRYPTION_SECRETS, &body)
}

/// A packet. `time` is since 1970.
pub(super) fn packet(
    out: &mut impl Write,
    interface: u32,
    time: Duration,
    packet: &[u8],
    comment: Option<&str>,
) -> io::Result<()> {
    let time = u64::try_from(time.as_nanos()).map_err(io::Error::other)?.to_le_bytes();
    let length = u32::try_from(packet.len()).map_err(io::Error::other)?.to_le_bytes();
    let mut body = Vec::with_capacity(packet.len() + 32);
    body.extend(interface.to_le_bytes());
    body.extend(&time[4..]);
    body.extend(&time[..4]);
    body.extend(length);
    body.extend(length);
    body.extend(packet);
    pad(&mut body);
    if let Some(comment) = comment {
        entry(&mut body, COMMENT, comment.as_bytes());
        end_of_entries(&mut body);
    }
    block(out, ENHANCED_PACKET, &body)
}

/// An option, or a record of names. What is too long for one is cut.
fn entry(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    body.extend(code.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(&value[..usize::from(length)]);
    pad(body);
}

fn end_of_entries(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 12).map_err(io::Error::other)?.to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    out.write_all(body)?;
    out.write_all(&length)
}
