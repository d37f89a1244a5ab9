//! The client of the administrative listener.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Refused;
use crate::env::Env;

/// A service that is asked.
pub struct Client {
    env: Env,
    address: SocketAddr,
    token: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("nobody answers at {address}: {why}")]
    NoConnection {
        /// Where.
        address: SocketAddr,
        /// What the network said.
        why: std::io::Error,
    },
    /// The service would not.
    #[error("{0}")]
    Refused(String),
    /// What came is no answer of this service.
    #[error("{address} answers as no gateway of this version does: {why}")]
    Strange {
        /// Who.
        address: SocketAddr,
        /// What was wrong.
        why: String,
    },
}

impl Client {
    /// A client of the service at `address`.
    pub fn new(env: Env, address: SocketAddr, token: &str) -> Self {
        Client { env, address, token: token.trim().to_owned() }
    }

    /// Asks for something.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Has something done.
    ///
    /// # Errors
    /// Why it is not, or not known to be.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.strange(&error))?;
        self.ask(Method::POST, path, body.into()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let address = self.address;
        let stream = self.env.net.connect(address).await;
        let stream = stream.map_err(|why| ClientError::NoConnection { address, why })?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.strange(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, address.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Full::new(body))
            .map_err(|error| self.strange(&error))?;
        let conversation = async {
            let response = sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            Ok::<_, hyper::Error>((head.status, body.collect().await?.to_bytes()))
        };
        // The connection is driven for as long as the answer takes.
        let answered = tokio::select! {
            answered = conversation => answered,
            Err(error) = connection => Err(error),
        };
        let (status, body) = answered.map_err(|error| self.strange(&error))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| self.strange(&error));
        }
        Err(match serde_json::from_slice::<Refused>(&body) {
            Ok(Refused { error }) => ClientError::Refused(error),
            Err(_) => self.strange(&status),
        })
    }

    fn strange(&self, why: &impl ToString) -> ClientError {
        ClientError::Strange { address: self.address, why: why.to_string() }
    }
}
