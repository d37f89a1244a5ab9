//! STARTTLS, the client's side (RFC 3207): before anything is said of the message.
//!
//! Where a host offers it, it is made use of, and nobody asks whose certificate the host shows: that helps against those
//! who only listen (RFC 7435). A host that declines is spoken to in clear on the same connection, and one with which no
//! handshake comes about is the caller's to go back to. Where the mail needs TLS, neither is done.

use tokio::time::timeout_at;

use super::{Conversation, NoService, Stage};
use crate::address::Domain;
use crate::reach::{Point, reached};
use crate::smtp::extensions::Extensions;
use crate::tls::{Secured, Shortfall, Tls, Trust};

/// How a connection is to be encrypted.
#[derive(Clone, Copy)]
pub struct Encryption<'a> {
    /// With what.
    pub tls: &'a Tls,
    /// The name or the address by which the host is connected to.
    pub host: &'a str,
    /// What the host has to show. For a certified one the mail needs TLS; otherwise it has it where the host offers it.
    pub trust: Trust,
}

impl Conversation {
    /// Encrypts the connection with a host that offers all this. What it offers then.
    pub(super) async fn encrypt(
        &mut self,
        helo: &Domain,
        offered: Extensions,
        encryption: Encryption<'_>,
    ) -> Result<Extensions, NoService> {
        let is_needed = encryption.trust == Trust::Certified;
        if !offered.starttls {
            return if is_needed { Err(not_offered("TLS is required and not offered")) } else { Ok(offered) };
        }
        let reply = self.ask(Stage::StartTls, "STARTTLS").await?;
        if !reply.is_completion() {
            if is_needed {
                return Err(not_offered(&format!("TLS is required, and STARTTLS was answered {reply}")));
            }
            if reply.code() == 421 {
                return Err(super::no_service(reply, Stage::StartTls));
            }
            reached(Point::StartTlsDeclined);
            return Ok(offered);
        }
        self.shake_hands(encryption).await.map_err(|why| match is_needed {
            true => NoService::Unencrypted { shortfall: Shortfall::NotVerified, why },
            false => NoService::NoHandshake { why },
        })?;
        reached(Point::HostEncrypted);
        // What was offered in clear is forgotten.
        self.hello(helo).await
    }

    async fn shake_hands(&mut self, Encryption { tls, host, trust }: Encryption<'_>) -> Result<(), String> {
        // Said in clear, and it would be taken for what the host says over TLS.
        if self.wire.has_input() {
            return Err("the host went on in clear behind its answer to STARTTLS".to_owned());
        }
        let stream = self.wire.take();
        match timeout_at(self.until(Stage::Handshake), tls.connect(stream, host, trust)).await {
            Ok(Ok(Secured { stream, .. })) => {
                self.wire.put(stream);
                Ok(())
            }
            Ok(Err(error)) => Err(format!("the TLS handshake failed: {error}")),
            Err(_) => Err(self.too_late(Stage::Handshake).to_string()),
        }
    }
}

fn not_offered(why: &str) -> NoService {
    NoService::Unencrypted { shortfall: Shortfall::NotOffered, why: why.to_owned() }
}
