//! The milter protocol from the filter's side, as plainly as it can be done: packets in and out.

use std::collections::BTreeMap;
use std::io;

use gateway::env::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A connection from a mail server that asks.
pub(super) struct Packets {
    stream: Box<dyn Stream>,
    /// The macros that came last with each command.
    macros: BTreeMap<String, String>,
    unsent: Vec<u8>,
}

/// A packet: its letter, and the texts and octets in it.
pub(super) struct Packet {
    pub(super) letter: u8,
    octets: Vec<u8>,
}

impl Packet {
    /// Its texts, each up to a NUL.
    pub(super) fn texts(&self) -> Vec<String> {
        let mut texts: Vec<String> =
            self.octets.split(|octet| *octet == 0).map(|text| String::from_utf8_lossy(text).into()).collect();
        texts.pop();
        texts
    }

    /// The nth of its texts.
    pub(super) fn text(&self, nth: usize) -> String {
        self.texts().into_iter().nth(nth).unwrap_or_default()
    }

    /// The address of the client, in a packet about a connection.
    pub(super) fn address(&self) -> String {
        // The name, a NUL, the family, two octets of the port, and the address.
        let name = self.octets.iter().position(|octet| *octet == 0).unwrap_or_default();
        let address = self.octets.get(name + 4..).unwrap_or_default();
        String::from_utf8_lossy(address).trim_end_matches('\0').to_owned()
    }
}

impl Packets {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Packets { stream, macros: BTreeMap::new(), unsent: Vec::new() }
    }

    /// The next packet that is none of macros. None when the other side has closed.
    pub(super) async fn next(&mut self) -> io::Result<Option<Packet>> {
        loop {
            let mut length = [0; 4];
            if self.stream.read(&mut length[..1]).await? == 0 {
                return Ok(None);
            }
            self.stream.read_exact(&mut length[1..]).await?;
            let mut octets = vec![0; u32::from_be_bytes(length) as usize];
            self.stream.read_exact(&mut octets).await?;
            let letter = octets.remove(0);
            if letter != b'D' {
                return Ok(Some(Packet { letter, octets }));
            }
            octets.remove(0);
            let texts = Packet { letter, octets }.texts();
            let pairs = texts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
            self.macros.extend(pairs);
        }
    }

    /// The value that a macro was given last.
    pub(super) fn macro_of(&self, name: &str) -> &str {
        self.macros.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Adds a packet to what is to be sent.
    pub(super) fn put(&mut self, letter: u8, number: Option<u32>, texts: &[&str]) {
        let mut octets = vec![letter];
        octets.extend(number.into_iter().flat_map(u32::to_be_bytes));
        texts.iter().for_each(|text| octets.extend([text.as_bytes(), b"\0"].concat()));
        self.put_octets(&octets);
    }

    /// Adds a packet of these octets.
    pub(super) fn put_octets(&mut self, octets: &[u8]) {
        self.unsent.extend((octets.len() as u32).to_be_bytes());
        self.unsent.extend(octets);
    }

    /// Adds what is no packet.
    pub(super) fn put_garbage(&mut self) {
        self.unsent.extend(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    }

    /// Has everything that is to be sent sent twice.
    pub(super) fn double(&mut self) {
        self.unsent.extend_from_within(..);
    }

    /// Takes back what is to be sent, to be [put](Packets::put_back) back later.
    pub(super) fn take_back(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unsent)
    }

    pub(super) fn put_back(&mut self, unsent: Vec<u8>) {
        self.unsent = unsent;
    }

    /// Sends what is to be sent.
    pub(super) async fn send(&mut self) -> io::Result<()> {
        let unsent = std::mem::take(&mut self.unsent);
        self.stream.write_all(&unsent).await?;
        self.stream.flush().await
    }
}
