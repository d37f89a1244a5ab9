//! Reading along: what two sides say to each other over TLS 1.3, from the octets of both directions and the secrets that
//! one of the sides wrote down. As Wireshark does it, and for the suite that the peers have. Where a side goes on with what
//! is no record of TLS, it is in clear from there on.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk};

use super::Secrets;
use super::secrets::ClientRandom;

/// A record's head: type, version, length (RFC 8446, 5.1).
const HEAD: usize = 5;
/// Where in the first record of a client its random octets are: behind the head, and the type, length and version of the
/// ClientHello (RFC 8446, 4.1.2).
const RANDOM: std::ops::Range<usize> = 11..43;
/// A record of the handshake, which a client begins with.
pub(crate) const HANDSHAKE: u8 = 22;
/// A record of application data, which every encrypted one says that it is.
const APPLICATION_DATA: u8 = 23;
/// What a record can say that it is: a change of ciphers, an alert, a handshake, application data.
const RECORDS: std::ops::RangeInclusive<u8> = 20..=APPLICATION_DATA;

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one that began the handshake.
    Client,
    /// The other.
    Server,
}

/// A reader of one connection.
pub(crate) struct Tap {
    secrets: Secrets,
    connection: Option<ClientRandom>,
    client: Direction,
    server: Direction,
}

/// What one side sends.
#[derive(Default)]
struct Direction {
    /// The octets of the record that is not whole yet.
    octets: Vec<u8>,
    key: Option<(LessSafeKey, [u8; 12])>,
    /// How many records were read with the key.
    read: u64,
    /// Whether it speaks TLS no longer.
    is_in_clear: bool,
}

/// What a side says in some octets.
#[derive(Default)]
pub(crate) struct Said {
    /// Over TLS, decrypted.
    pub(crate) encrypted: Vec<u8>,
    /// After that, in clear.
    pub(crate) clear: Vec<u8>,
}

impl Tap {
    /// Reads a connection from its first TLS octet.
    pub(crate) fn new(secrets: &Secrets) -> Self {
        let (client, server) = (Direction::default(), Direction::default());
        Tap { secrets: secrets.clone(), connection: None, client, server }
    }

    /// What a side says in these octets.
    pub(crate) fn read(&mut self, side: Side, octets: &[u8]) -> Said {
        let (direction, label) = match side {
            Side::Client => (&mut self.client, "CLIENT_TRAFFIC_SECRET_0"),
            Side::Server => (&mut self.server, "SERVER_TRAFFIC_SECRET_0"),
        };
        direction.octets.extend_from_slice(octets);
        let mut said = Said::default();
        while let Some(record) = direction.record() {
            if side == Side::Client && self.connection.is_none() {
                self.connection = record.get(RANDOM).and_then(|random| random.try_into().ok());
            }
            if record[0] != APPLICATION_DATA {
                continue;
            }
            if direction.key.is_none() {
                let connection = self.connection.as_ref();
                direction.key = connection.and_then(|it| keys(&self.secrets.of(it, label)?));
            }
            said.encrypted.extend(direction.decrypt(record).unwrap_or_default());
        }
        direction.is_in_clear |= direction.octets.first().is_some_and(|first| !RECORDS.contains(first));
        if direction.is_in_clear {
            said.clear = std::mem::take(&mut direction.octets);
        }
        said
    }
}

impl Direction {
    /// The next whole record.
    fn record(&mut self) -> Option<Vec<u8>> {
        if self.is_in_clear || self.octets.first().is_some_and(|first| !RECORDS.contains(first)) {
            return None;
        }
        let length = HEAD + usize::from(u16::from_be_bytes(self.octets.get(3..HEAD)?.try_into().ok()?));
        (self.octets.len() >= length).then(|| self.octets.drain(..length).collect())
    }

    /// The application data in a record. A record of the handshake is encrypted with another key: nothing.
    fn decrypt(&mut self, mut record: Vec<u8>) -> Option<Vec<u8>> {
        let (key, iv) = self.key.as_ref()?;
        let mut nonce = *iv;
        nonce[4..].iter_mut().zip(self.read.to_be_bytes()).for_each(|(octet, count)| *octet ^= count);
        let (head, sealed) = record.split_at_mut(HEAD);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let inner = key.open_in_place(nonce, Aad::from(head), sealed).ok()?;
        self.read += 1;
        // The type stands last, before any padding (RFC 8446, 5.2).
        let end = inner.iter().rposition(|octet| *octet != 0)?;
        (inner[end] == APPLICATION_DATA).then(|| inner[..end].to_vec())
    }
}

/// The key and the initial vector of a traffic secret (RFC 8446, 7.3).
fn keys(secret: &[u8]) -> Option<(LessSafeKey, [u8; 12])> {
    let secret = Prk::new_less_safe(HKDF_SHA256, secret);
    let (mut key, mut iv) = ([0; 16], [0; 12]);
    expand(&secret, b"tls13 key", &mut key)?;
    expand(&secret, b"tls13 iv", &mut iv)?;
    Some((LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?), iv))
}

/// HKDF-Expand-Label with no context (RFC 8446, 7.1).
fn expand(secret: &Prk, label: &[u8], out: &mut [u8]) -> Option<()> {
    struct Octets(usize);
    impl KeyType for Octets {
        fn len(&self) -> usize {
            self.0
        }
    }
    let lengths = [0, out.len() as u8, label.len() as u8];
    let info = [&lengths[..], label, &[0]];
    secret.expand(&info, Octets(out.len())).ok()?.fill(out).ok()
}
