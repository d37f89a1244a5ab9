//! How a client says who it is: with the mechanism of its account, or as somebody who would be another.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::client::{Caller, Talk, lost};
use super::scram::Scram;
use crate::plan::{Account, Mechanism};
use crate::record::Outcome;
use crate::scene::Scene;

/// How often a client guesses before it has had enough.
const GUESSES: usize = 10;
const SCRAM: &str = "AUTH SCRAM-SHA-256";
/// What a client says after a challenge.
const PROOF: &str = "the proof";
/// A wrong password of an account that every profile's gateway has.
const GUESS: &str = "AUTH PLAIN AHVzZXIxAGd1ZXNz";

/// Whether a server that has answered EHLO like this offers SCRAM.
fn is_scram_offered(ehlo: &str) -> bool {
    let mut lines = ehlo.split(" / ").filter_map(|line| line.get(4..));
    lines.any(|line| line.starts_with("AUTH ") && line.contains(" SCRAM-SHA-256"))
}

/// The text of a challenge.
fn challenge(reply: &str) -> String {
    let octets = BASE64_STANDARD.decode(reply.strip_prefix("334 ").unwrap_or_default()).unwrap_or_default();
    String::from_utf8_lossy(&octets).into_owned()
}

impl Talk {
    /// Authenticates with the client's account, if it has one. `who`: what its nonce is made of.
    ///
    /// # Errors
    /// The conversation ended there.
    pub(super) async fn authenticate(
        &mut self,
        scene: &Scene,
        account: Option<&Account>,
        who: &str,
        ehlo: &str,
    ) -> Result<(), Outcome> {
        let Some(account) = account else { return Ok(()) };
        match account.mechanism {
            Mechanism::Login => {
                self.ask("AUTH LOGIN", "AUTH LOGIN", 334).await?;
                self.ask(&BASE64_STANDARD.encode(&account.name), "the account", 334).await?;
                self.ask(&BASE64_STANDARD.encode(&account.password), "the password", 235).await?;
            }
            Mechanism::ScramSha256 if is_scram_offered(ehlo) => {
                let scram = Scram::new(account, who);
                let first = format!("{SCRAM} {}", BASE64_STANDARD.encode(scram.first()));
                let told = challenge(&self.ask(&first, SCRAM, 334).await?);
                let answer = scram.answer(&told).ok_or_else(|| lost("a challenge"))?;
                let theirs = self.ask(&BASE64_STANDARD.encode(answer.message), PROOF, 334).await?;
                if challenge(&theirs) != answer.server {
                    // Whoever this is, it is not the server that the account is of.
                    return Err(lost("the server's proof"));
                }
                scene.points.reached(super::SERVER_PROVEN);
                self.ask("", PROOF, 235).await?;
            }
            Mechanism::Plain | Mechanism::ScramSha256 => {
                let command = format!("AUTH PLAIN {}", account.sasl_plain());
                self.ask(&command, &command, 235).await?;
            }
        }
        Ok(())
    }

    /// Says a line and waits for the wanted reply. The reply as it was said; `what` is what the line is.
    async fn ask(&mut self, line: &str, what: &str, wanted: u16) -> Result<String, Outcome> {
        self.send(format!("{line}\r\n").as_bytes(), what).await?;
        Ok(self.expect(what, wanted).await?.text)
    }

    /// Says a line and hears whatever is said to it.
    async fn try_out(&mut self, line: &str) -> Result<String, Outcome> {
        self.send(format!("{line}\r\n").as_bytes(), line).await?;
        Ok(self.hear(line).await?.text)
    }

    /// Breaks authentications off, tries to be let in with what proves nothing, then guesses passwords until it is thrown
    /// out or has had enough.
    ///
    /// # Errors
    /// Always: the conversation ended there.
    pub(super) async fn guess(&mut self, caller: &Caller<'_>, ehlo: &str) -> Result<(), Outcome> {
        self.try_out("AUTH LOGIN").await?;
        self.try_out("*").await?;
        if is_scram_offered(ehlo) {
            self.forge(caller).await?;
        }
        let mut last = lost(GUESS);
        for _ in 0..GUESSES {
            let reply = self.try_out(GUESS).await?;
            last = Outcome::Refused { command: GUESS.to_owned(), reply };
        }
        Err(last)
    }

    /// Tries to be let in with messages that are cut off, and with a right proof of the client's own account that was
    /// overheard: as it was, and under the nonce of another exchange.
    async fn forge(&mut self, caller: &Caller<'_>) -> Result<(), Outcome> {
        let stranger = Account {
            name: "user1".to_owned(),
            password: "guess".to_owned(),
            mechanism: Mechanism::ScramSha256,
        };
        let scram = Scram::new(caller.account.unwrap_or(&stranger), "overheard");
        let message = scram.first();
        let first = BASE64_STANDARD.encode(&message);
        // One character of base64 too few, and a message without its nonce.
        self.try_out(&format!("{SCRAM} {}", &first[..first.len() - 1])).await?;
        let (cut_off, _) = message.rsplit_once(",r=").unwrap_or_default();
        self.try_out(&format!("{SCRAM} {}", BASE64_STANDARD.encode(cut_off))).await?;
        let overheard = self.overhear(&scram, &first).await?;
        self.try_out("*").await?;
        self.overhear(&scram, &first).await?;
        self.try_proof(&overheard[..overheard.len() - 4]).await?;
        self.overhear(&scram, &first).await?;
        if self.try_proof(&overheard).await?.starts_with("535") {
            caller.scene.points.reached(super::REPLAY_REFUSED);
        }
        let fresh = self.overhear(&scram, &first).await?;
        let (nonce, _) = fresh.rsplit_once(",p=").unwrap_or_default();
        let (_, proof) = overheard.rsplit_once(",p=").unwrap_or_default();
        self.try_proof(&format!("{nonce},p={proof}")).await?;
        Ok(())
    }

    /// Says what is to pass for a proof, and goes on to the end if it does.
    async fn try_proof(&mut self, proof: &str) -> Result<String, Outcome> {
        let reply = self.try_out(&BASE64_STANDARD.encode(proof)).await?;
        if reply.starts_with("334") { self.try_out("").await } else { Ok(reply) }
    }

    /// Begins an exchange. What would be a right answer.
    async fn overhear(&mut self, scram: &Scram<'_>, first: &str) -> Result<String, Outcome> {
        self.ask(SCRAM, SCRAM, 334).await?;
        let told = challenge(&self.ask(first, SCRAM, 334).await?);
        Ok(scram.answer(&told).ok_or_else(|| lost("a challenge"))?.message)
    }
}
