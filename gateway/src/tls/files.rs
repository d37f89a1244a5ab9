//! The files that TLS needs: the certificate, its key, and the authorities that are trusted, in PEM (RFC 7468).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig};

use super::without_resumption;
use crate::config::TlsIdentity;
use crate::env::Env;

/// A file that TLS needs does not do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("`{}` cannot be read: {why}; name a file in [tls] that is there and that the service may read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// What is in it does not do.
    #[error("`{}` cannot be used for TLS: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl TlsError {
    pub(super) fn of(path: &Path, why: &impl ToString) -> Self {
        TlsError::Content { path: path.to_owned(), why: why.to_string() }
    }
}

/// What clients are shown.
pub(super) async fn server(
    identity: &TlsIdentity,
    env: &Env,
    crypto: &Arc<CryptoProvider>,
    time: &Arc<dyn TimeProvider>,
) -> Result<ServerConfig, TlsError> {
    let TlsIdentity { certificate, key } = identity;
    let chain = certificates(certificate, env).await?;
    let own = PrivateKeyDer::from_pem_slice(&read(key, env).await?)
        .map_err(|error| TlsError::of(key, &format!("it holds no private key in PEM ({error})")))?;
    let config = ServerConfig::builder_with_details(Arc::clone(crypto), Arc::clone(time))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, own));
    config.map(without_resumption).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let what = format!("it is not the key of the certificate in `{}`", certificate.display());
            TlsError::of(key, &what)
        }
        error => TlsError::of(certificate, &error),
    })
}

/// The authorities whose certificates are trusted.
pub(super) async fn authorities(path: &Path, env: &Env) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, env).await? {
        roots.add(certificate).map_err(|error| TlsError::of(path, &error))?;
    }
    Ok(roots)
}

async fn certificates(path: &Path, env: &Env) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path, env).await?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| TlsError::of(path, &error))?;
    if found.is_empty() {
        return Err(TlsError::of(path, &"it holds no certificate in PEM"));
    }
    Ok(found)
}

async fn read(path: &Path, env: &Env) -> Result<Vec<u8>, TlsError> {
    env.disk.read(path).await.map_err(|why| TlsError::Unreadable { path: path.to_owned(), why })
}
