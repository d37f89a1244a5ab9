//! AUTH within a session: who the client is (RFC 4954).

use super::{Core, Go, Over, Session, out_of_order};
use crate::eventlog::Event;
use crate::reach::{Point, reached};
use crate::sasl::{self, Credentials, Exchange, SaslError, Step};
use crate::smtp::line::AUTH_LIMIT;
use crate::smtp::reply::Reply;
use crate::trace::Protocol;

/// How many authentications may fail in one session.
const FAILED_AUTHENTICATIONS: usize = 3;
/// How much of the name of an account the event log has: a stranger may have made it up.
const ACCOUNT_SHOWN: usize = 100;

impl Session {
    pub(super) async fn auth(&mut self, mechanism: &str, initial_response: Option<String>) -> Go {
        if self.account.is_some() {
            return self.refuse(out_of_order("already authenticated")).await;
        }
        if self.is_sending() {
            return self.refuse(out_of_order("a message is being sent: end it, or say RSET")).await;
        }
        if self.hello.as_ref().is_none_or(|hello| hello.protocol == Protocol::Smtp) {
            return self.refuse(out_of_order("say EHLO first")).await;
        }
        if !self.may_authenticate() {
            return self.refuse_auth_in_clear().await;
        }
        let Some(exchanged) = self.exchange(mechanism, initial_response).await? else { return Ok(()) };
        match exchanged {
            Ok(Claim { account, is_right: true }) => {
                reached(Point::Authenticated);
                self.milters.authenticated(mechanism, &account);
                self.account = Some(account);
                let welcome = Reply::new(235, "authentication successful").with_status("2.7.0");
                self.answer(&welcome).await
            }
            Ok(Claim { account, is_right: false }) => {
                let client = self.caller();
                let account = account.chars().take(ACCOUNT_SHOWN).collect();
                Event::AuthenticationFailed { account, client }.log();
                self.failed_authentications += 1;
                if self.failed_authentications >= FAILED_AUTHENTICATIONS {
                    reached(Point::AuthenticationFailedTooOften);
                    let farewell = Reply::new(421, "too many failed authentications, closing connection");
                    let _ = self.answer(&farewell.with_status("4.7.0")).await;
                    return Err(Over);
                }
                self.refuse(Reply::new(535, "authentication failed").with_status("5.7.8")).await
            }
            Err(error) => {
                if error == SaslError::Cancelled {
                    reached(Point::AuthenticationCancelled);
                }
                self.refuse(error.reply()).await
            }
        }
    }

    /// The challenges and responses of one authentication (RFC 4954, 4); nothing if a response was no line, which
    /// the client has been told.
    async fn exchange(
        &mut self,
        mechanism: &str,
        initial_response: Option<String>,
    ) -> Result<Option<Result<Claim, SaslError>>, Over> {
        let offered = sasl::mechanisms(self.core.config.release);
        let mut step = sasl::start(offered, mechanism, initial_response.as_deref());
        loop {
            step = match step {
                Ok(Step::Challenge(challenge, exchange)) => {
                    self.say(334, &challenge).await?;
                    let Some(line) = self.hear(AUTH_LIMIT).await? else { return Ok(None) };
                    exchange.respond(&String::from_utf8_lossy(&line))
                }
                Ok(Step::Account(client)) => match self.core.directory.secret(client.account()) {
                    Some(secret) => Ok(Exchange::of(client.challenge(secret, self.nonce()))),
                    None => {
                        return Ok(Some(Ok(Claim { account: client.account().to_owned(), is_right: false })));
                    }
                },
                Ok(Step::Proven { account, is_right }) => {
                    reached(if is_right { Point::PasswordProven } else { Point::WrongProof });
                    return Ok(Some(Ok(Claim { account, is_right })));
                }
                Ok(Step::Credentials(credentials)) => {
                    return Ok(Some(Ok(check(&self.core, credentials).await)));
                }
                Err(error) => return Ok(Some(Err(error))),
            }
        }
    }

    fn nonce(&self) -> [u8; 18] {
        let mut nonce = [0; 18];
        self.core.env.entropy.fill(&mut nonce);
        nonce
    }
}

/// Who a client says it is, and whether that is so.
struct Claim {
    account: String,
    is_right: bool,
}

async fn check(core: &Core, Credentials { account, password, authorization }: Credentials) -> Claim {
    let is_password = core.directory.authenticate(&account, &password, &*core.env.keys).await;
    // Nobody may act as another: an authorization identity must be the account itself (RFC 4616, 2).
    let is_own = authorization.is_none_or(|other| other == account);
    Claim { account, is_right: is_password && is_own }
}
