//! TLS within a session: STARTTLS (RFC 3207), TLS from the first octet (RFC 8314), and what is not done without it.
//!
//! What a client says behind STARTTLS without waiting was said in clear, by whoever is on the way: it is not obeyed
//! later (CVE-2011-0411). As with Postfix 3.9 (`smtpd_forbid_unauth_pipelining`), such a client hears 554 and is parted
//! from. What arrives once 220 is on its way is the handshake's, and is none.

use std::time::Duration;

use tokio::time::timeout;

use super::{Go, Over, Session, out_of_order};
use crate::eventlog::Event;
use crate::reach::{Point, reached};
use crate::smtp::reply::Reply;
use crate::tls::Secured;

/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_mins(2);

impl Session {
    pub(super) async fn starttls(&mut self) -> Go {
        if self.cipher.is_some() {
            return self.refuse(out_of_order("TLS is on already")).await;
        }
        if self.wire.has_input() {
            reached(Point::SpokeBehindStartTls);
            self.log_tls_failed("it went on in clear behind STARTTLS");
            let refusal = Reply::new(554, "commands were sent behind STARTTLS, closing connection");
            let _ = self.answer(&refusal.with_status("5.5.0")).await;
            return Err(Over);
        }
        self.answer(&Reply::new(220, "Ready to start TLS").with_status("2.0.0")).await?;
        self.secure().await?;
        reached(Point::StartedTls);
        // Nothing that the client said in clear is believed any more (RFC 3207, 4.2).
        self.hello = None;
        self.account = None;
        self.milters.forget_the_account();
        self.forget_the_message().await;
        self.milters.abort().await;
        Ok(())
    }

    /// Shakes hands with the client. From then on all is encrypted.
    pub(super) async fn secure(&mut self) -> Go {
        let stream = self.wire.take();
        match timeout(HANDSHAKE_TIME, self.core.tls.accept(stream)).await {
            Ok(Ok(Secured { stream, cipher })) => {
                self.wire.put(stream);
                self.cipher = Some(cipher);
                Ok(())
            }
            Ok(Err(error)) => {
                reached(Point::HandshakeFailed);
                self.log_tls_failed(&error.to_string());
                Err(Over)
            }
            Err(_) => {
                reached(Point::HandshakeTooSlow);
                self.log_tls_failed("it took too long over the handshake");
                Err(Over)
            }
        }
    }

    fn log_tls_failed(&self, why: &str) {
        Event::ClientTlsFailed { client: self.client, why: why.to_owned() }.log();
    }

    /// Whether passwords may be sent over the connection as it is.
    pub(super) fn may_authenticate(&self) -> bool {
        self.cipher.is_some() || self.core.config.tls.auth_in_clear
    }

    /// What is said to a client that would authenticate in clear (RFC 4954, 6).
    pub(super) async fn refuse_auth_in_clear(&mut self) -> Go {
        reached(Point::AuthInClearRefused);
        let refusal = Reply::new(538, "Encryption required for requested authentication mechanism");
        self.refuse(refusal.with_status("5.7.11")).await
    }

    /// Whether the client must encrypt before it may do this, which it has then been told.
    pub(super) async fn must_encrypt(&mut self) -> Result<bool, Over> {
        if !self.admission.needs_encryption() || self.cipher.is_some() {
            return Ok(false);
        }
        reached(Point::UnencryptedRefused);
        let refusal = Reply::new(530, "Must issue a STARTTLS command first").with_status("5.7.0");
        self.refuse(refusal).await.map(|()| true)
    }
}
