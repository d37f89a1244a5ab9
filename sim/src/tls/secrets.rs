//! What the peers write down of their connections: the secrets by which they can be read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::KeyLog;

/// What names a connection: the random octets of its ClientHello.
pub(crate) type ClientRandom = [u8; 32];

/// A secret of a connection, by the label of the key log (RFC 9850).
type Log = BTreeMap<(ClientRandom, String), Vec<u8>>;

/// The secrets of a run's connections. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Arc<Mutex<Log>>);

impl Secrets {
    /// One of the secrets of a connection, once a peer has it.
    pub(crate) fn of(&self, connection: &ClientRandom, label: &str) -> Option<Vec<u8>> {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.get(&(*connection, label.to_owned())).cloned()
    }

    /// Everything that was written down, as the text of a key log file.
    pub(crate) fn to_text(&self) -> String {
        let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = secrets
            .iter()
            .map(|((connection, label), secret)| format!("{label} {} {}\n", hex(connection), hex(secret)));
        lines.collect()
    }
}

impl KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        if let Ok(connection) = client_random.try_into() {
            let mut secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            secrets.insert((connection, label.to_owned()), secret.to_owned());
        }
    }
}
