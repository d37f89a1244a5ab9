//! The handshakes of clients and mail servers: TLS 1.3 with one cipher suite and one key exchange, those that everybody
//! has to know (RFC 8446, 9.1) and those that draw from what is lent.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gateway::env::{Entropy, Stream};
use gateway::tls::{Borrowing, lend, provider};
use jiff::Timestamp;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, NamedGroup, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{AUTHORITY, Certificate, NO_AUTHORITY, Runs, Secrets, authority, key};
use crate::draw::{Seed, SeededEntropy};

/// What servers call themselves that have shown a wrong certificate: that of another host, of another authority, and one
/// that has run out. So the Record says what they showed.
pub(crate) const WRONG: [&str; 3] = ["another.test", "another-authority.test", "expired.test"];

/// The certificate that a server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// Its own.
    Its,
    /// That of another host.
    Anothers,
    /// One of an authority that nobody trusts.
    AnotherAuthoritys,
    /// One that has run out.
    Expired,
}

impl Shows {
    /// What a server of this name calls itself over TLS.
    pub(crate) fn called(self, own: &str) -> &str {
        match self {
            Shows::Its => own,
            Shows::Anothers => WRONG[0],
            Shows::AnotherAuthoritys => WRONG[1],
            Shows::Expired => WRONG[2],
        }
    }

    /// The certificate of a server of this name.
    fn certificate(self, own: &str) -> Certificate<'_> {
        let its = Certificate { host: own, authority: AUTHORITY, runs: Runs::On };
        match self {
            Shows::Its => its,
            Shows::Anothers => Certificate { host: WRONG[0], ..its },
            Shows::AnotherAuthoritys => Certificate { authority: NO_AUTHORITY, ..its },
            Shows::Expired => Certificate { runs: Runs::Out, ..its },
        }
    }
}

/// One connection's side of TLS.
pub(crate) struct PeerTls {
    crypto: Arc<CryptoProvider>,
    time: Arc<Fixed>,
    entropy: Arc<dyn Entropy>,
    secrets: Secrets,
}

impl PeerTls {
    /// For the connection that goes by this name in the run.
    pub(crate) fn new(seed: Seed, connection: &str, starts: Timestamp, secrets: &Secrets) -> Self {
        let mut crypto = provider();
        crypto.cipher_suites = vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256];
        crypto.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
        PeerTls {
            crypto: Arc::new(crypto),
            time: Arc::new(Fixed(starts)),
            entropy: Arc::new(SeededEntropy::new(seed.stream(&format!("tls {connection}")))),
            secrets: secrets.clone(),
        }
    }

    /// As a client of the gateway, which has to show a certificate for its name.
    pub(crate) async fn connect(
        &self,
        stream: Box<dyn Stream>,
        gateway: &str,
    ) -> io::Result<Box<dyn Stream>> {
        let mut roots = RootCertStore::empty();
        roots.add(authority()).map_err(io::Error::other)?;
        let crypto = Arc::clone(&self.crypto);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&crypto));
        let verifier = verifier.build().map_err(io::Error::other)?;
        let mut config = ClientConfig::builder_with_details(crypto, Arc::clone(&self.time) as Arc<_>)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(io::Error::other)?
            .with_webpki_verifier(verifier)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.key_log = Arc::new(self.secrets.clone());
        let name = ServerName::try_from(gateway.to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::new(config));
        let handshake = lend(&self.entropy, || connector.connect(name, stream));
        let stream = Borrowing::new(handshake, &self.entropy).await?;
        Ok(Box::new(Borrowing::new(stream, &self.entropy)))
    }

    /// As a mail server of this name.
    pub(crate) async fn accept(
        &self,
        stream: Box<dyn Stream>,
        name: &str,
        shows: Shows,
    ) -> io::Result<Box<dyn Stream>> {
        let certificate = shows.certificate(name);
        let mut config =
            ServerConfig::builder_with_details(Arc::clone(&self.crypto), Arc::clone(&self.time) as Arc<_>)
                .with_protocol_versions(&[&rustls::version::TLS13])
                .and_then(|config| {
                    let chain = vec![certificate.made()];
                    config.with_no_client_auth().with_single_cert(chain, key(certificate.host).into())
                })
                .map_err(io::Error::other)?;
        config.send_tls13_tickets = 0;
        config.key_log = Arc::new(self.secrets.clone());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let handshake = lend(&self.entropy, || acceptor.accept(stream));
        let stream = Borrowing::new(handshake, &self.entropy).await?;
        Ok(Box::new(Borrowing::new(stream, &self.entropy)))
    }
}

/// The peers' time of day: that of the start. No certificate runs out within a run.
#[derive(Debug)]
struct Fixed(Timestamp);

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
