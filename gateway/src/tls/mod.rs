//! TLS (RFC 8446): what a connection is encrypted with, for the server (STARTTLS of RFC 3207, and the port of RFC 8314)
//! and for the client.
//!
//! The time of day by which certificates are judged and all randomness come from the seam. Nothing is resumed: a session
//! is made anew each time, so that no ticket has to be remembered.
//!
//! It knows no SMTP: who asks for a handshake, and what failing means, is for the session and the client to say.

mod files;
mod lent;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme, SupportedCipherSuite};
use serde::{Deserialize, Serialize};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use files::TlsError;
pub use lent::{Borrowing, lend};

use crate::config::TlsConfig;
use crate::env::{Entropy, Env, Stream, WallClock};

/// What this gateway encrypts with.
pub struct Tls {
    entropy: Arc<dyn Entropy>,
    server: Option<TlsAcceptor>,
    /// For hosts whose certificates are not looked at.
    anybody: TlsConnector,
    /// For hosts that must show one of an authority that is trusted.
    trusted: Option<TlsConnector>,
}

/// How far another host is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Its certificate is not looked at: nobody knows whether it is the right one (RFC 7435).
    Anybody,
    /// It has to show a certificate for its name, of an authority in `tls.trust`.
    Certified,
}

/// Why mail that needs TLS could not be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortfall {
    /// The host offers none.
    NotOffered,
    /// No handshake came about, or not with a certificate that will do.
    NotVerified,
}

/// A connection that is encrypted.
pub struct Secured {
    /// The connection.
    pub stream: Box<dyn Stream>,
    /// What it is encrypted with, by the name in the IANA registry.
    pub cipher: String,
}

impl Tls {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// A file cannot be read, or what is in it does not do.
    pub async fn load(config: &TlsConfig, env: &Env) -> Result<Self, TlsError> {
        let crypto = Arc::new(provider());
        let time: Arc<dyn TimeProvider> = Arc::new(SeamClock(Arc::clone(&env.clock)));
        let server = match &config.identity {
            Some(identity) => Some(files::server(identity, env, &crypto, &time).await?),
            None => None,
        };
        let anybody = Arc::new(Anybody(crypto.signature_verification_algorithms));
        let trusted = match &config.trust {
            Some(path) => {
                let roots = Arc::new(files::authorities(path, env).await?);
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&crypto));
                let verifier = verifier.build().map_err(|error| TlsError::of(path, &error))?;
                Some(connector(&crypto, &time, verifier))
            }
            None => None,
        };
        Ok(Tls {
            entropy: Arc::clone(&env.entropy),
            server: server.map(|server| TlsAcceptor::from(Arc::new(server))),
            anybody: connector(&crypto, &time, anybody),
            trusted,
        })
    }

    /// Whether clients can be offered it: there is a certificate.
    pub fn has_certificate(&self) -> bool {
        self.server.is_some()
    }

    /// Shakes hands with a client. To be given up after a while by the caller.
    ///
    /// # Errors
    /// The connection's, or what is wrong with the handshake. The client has been told.
    pub async fn accept(&self, stream: Box<dyn Stream>) -> io::Result<Secured> {
        let server = self.server.as_ref().ok_or_else(|| io::Error::other("there is no certificate"))?;
        let handshake = lend(&self.entropy, || server.accept(stream));
        let stream = Borrowing::new(handshake, &self.entropy).await?;
        let cipher = name(stream.get_ref().1.negotiated_cipher_suite());
        Ok(Secured { stream: Box::new(Borrowing::new(stream, &self.entropy)), cipher })
    }

    /// Shakes hands with a server of this name or address. To be given up after a while by the caller.
    ///
    /// # Errors
    /// The connection's, or what is wrong with the handshake. The server has been told.
    pub async fn connect(&self, stream: Box<dyn Stream>, host: &str, trust: Trust) -> io::Result<Secured> {
        let connector = match trust {
            Trust::Anybody => &self.anybody,
            Trust::Certified => {
                self.trusted.as_ref().ok_or_else(|| io::Error::other("no authority is trusted"))?
            }
        };
        let host = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let handshake = lend(&self.entropy, || connector.connect(host, stream));
        let stream = Borrowing::new(handshake, &self.entropy).await?;
        let cipher = name(stream.get_ref().1.negotiated_cipher_suite());
        Ok(Secured { stream: Box::new(Borrowing::new(stream, &self.entropy)), cipher })
    }
}

/// What rustls is to compute with. Its random bytes and its first key exchange are drawn from what is [lent](lend); what
/// remains of the machine's own is the two curves behind it, for hosts that know no X25519, and signing with another key
/// than Ed25519.
pub fn provider() -> CryptoProvider {
    CryptoProvider {
        secure_random: &lent::LentRandom,
        kx_groups: vec![&lent::LentX25519, ring::kx_group::SECP256R1, ring::kx_group::SECP384R1],
        ..ring::default_provider()
    }
}

fn connector(
    crypto: &Arc<CryptoProvider>,
    time: &Arc<dyn TimeProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> TlsConnector {
    let config = ClientConfig::builder_with_details(Arc::clone(crypto), Arc::clone(time))
        .with_safe_default_protocol_versions()
        .expect("there is a cipher suite for each version");
    let config = config.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = config.with_no_client_auth();
    config.resumption = Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

/// A server's configuration without tickets and sessions to come back to.
fn without_resumption(mut config: ServerConfig) -> ServerConfig {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

/// A cipher suite by its name in the registry, which of TLS 1.3 says no version.
fn name(suite: Option<SupportedCipherSuite>) -> String {
    let known = suite.and_then(|suite| suite.suite().as_str().map(str::to_owned)).unwrap_or_default();
    known.replacen("TLS13_", "TLS_", 1)
}

/// The time of day, as rustls asks for it.
struct SeamClock(Arc<dyn WallClock>);

impl std::fmt::Debug for SeamClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SeamClock")
    }
}

impl TimeProvider for SeamClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// Takes any certificate. That the other side has its key is checked all the same.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
