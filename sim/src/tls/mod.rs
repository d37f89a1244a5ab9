//! TLS in the simulated world: certificates, the handshakes of the peers, and reading along.
//!
//! Everything here is a function of names and of the run's seed. The peers shake hands with the library that the gateway
//! uses, lent entropy of their own; each writes its secrets down, as a browser does for `SSLKEYLOGFILE`. With them an
//! encrypted dialogue is read off the gateway's own octets as one in clear is, and nothing has to be asked of the gateway.
//!
//! | module | what it knows |
//! |---|---|
//! | `authority` | who certifies the hosts of a scenario |
//! | `peers` | the handshakes of clients and servers |
//! | `secrets` | what the peers wrote down |
//! | `tap` | reading along with the secrets of one side |
//!
//! It knows no SMTP.

mod authority;
mod peers;
mod secrets;
mod tap;

pub(crate) use authority::files;
use authority::{AUTHORITY, Certificate, NO_AUTHORITY, Runs, authority, key};
pub(crate) use peers::{PeerTls, Shows, WRONG};
pub(crate) use secrets::Secrets;
pub(crate) use tap::{HANDSHAKE, Side, Tap};
