//! AUTH within a session: who the client is (RFC 4954).

use super::{Go, Over, Session, out_of_order};
use crate::eventlog::Event;
use crate::reach::{Point, reached};
use crate::sasl::{self, Credentials, SaslError, Step};
use crate::smtp::line::AUTH_LIMIT;
use crate::smtp::reply::Reply;
use crate::trace::Protocol;

/// How many authentications may fail in one session.
const FAILED_AUTHENTICATIONS: usize = 3;

impl Session {
    pub(super) async fn auth(&mut self, mechanism: &str, initial_response: Option<String>) -> Go {
        if self.account.is_some() || self.is_sending() {
            return self.refuse(out_of_order("not now")).await;
        }
        if self.hello.as_ref().is_none_or(|hello| hello.protocol == Protocol::Smtp) {
            return self.refuse(out_of_order("say EHLO first")).await;
        }
        if !self.may_authenticate() {
            return self.refuse_auth_in_clear().await;
        }
        let Some(exchanged) = self.exchange(mechanism, initial_response).await? else { return Ok(()) };
        match exchanged {
            Ok(credentials) => {
                // Nobody may act as another: an authorization identity must be the account itself (RFC 4616, 2).
                let own =
                    credentials.authorization.as_ref().is_none_or(|other| *other == credentials.account);
                let known = self.core.directory.authenticate(&credentials.account, &credentials.password);
                if own && known.is_some() {
                    reached(Point::Authenticated);
                    self.milters.authenticated(mechanism, &credentials.account);
                    self.account = Some(credentials.account);
                    let welcome = Reply::new(235, "authentication successful").with_status("2.7.0");
                    return self.answer(&welcome).await;
                }
                let client = self.hello.as_ref().map(|hello| hello.name.clone()).unwrap_or_default();
                Event::AuthenticationFailed { account: credentials.account, client }.log();
                self.failed_authentications += 1;
                if self.failed_authentications >= FAILED_AUTHENTICATIONS {
                    reached(Point::AuthenticationFailedTooOften);
                    let _ = self.say(421, "too many failed authentications, closing connection").await;
                    return Err(Over);
                }
                self.refuse(Reply::new(535, "authentication failed").with_status("5.7.8")).await
            }
            Err(error) => {
                if error == SaslError::Cancelled {
                    reached(Point::AuthenticationCancelled);
                }
                self.refuse(Reply::new(error.reply_code(), error.to_string())).await
            }
        }
    }

    /// The challenges and responses of one authentication (RFC 4954, 4); nothing if a response was no line, which
    /// the client has been told.
    async fn exchange(
        &mut self,
        mechanism: &str,
        initial_response: Option<String>,
    ) -> Result<Option<Result<Credentials, SaslError>>, Over> {
        let mut step = sasl::start(mechanism, initial_response.as_deref());
        loop {
            match step {
                Ok(Step::Challenge(challenge, exchange)) => {
                    self.say(334, &challenge).await?;
                    let Some(line) = self.hear(AUTH_LIMIT).await? else { return Ok(None) };
                    step = exchange.respond(&String::from_utf8_lossy(&line));
                }
                Ok(Step::Credentials(credentials)) => return Ok(Some(Ok(credentials))),
                Err(error) => return Ok(Some(Err(error))),
            }
        }
    }
}
