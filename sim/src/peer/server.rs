//! A well-behaved mail server: takes every message for any recipient and keeps it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use smtp_proto::Request;

use super::dialogue::Dialogue;
use crate::engine::Seat;
use crate::mailbag::{self, Item};
use crate::record::What;
use crate::scene::Scene;

/// What a server took, shared with who reads it at the end of the run.
pub(crate) type Taken = Arc<Mutex<Vec<(Item, Vec<String>)>>>;

/// The software of a mail server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) machine: Arc<str>,
    pub(crate) scene: Scene,
    pub(crate) taken: Taken,
}

impl Server {
    /// Serves until the run ends.
    pub(crate) async fn run(self, seat: Seat) {
        let mut listener = seat
            .net
            .listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 25)))
            .await
            .expect("nothing else listens on a mail server");
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                let server = self.clone();
                seat.spawn.spawn(
                    "mail server session",
                    Box::pin(async move {
                        // A connection that breaks ends its session; what was not acknowledged was not taken.
                        let _ = server.session(Dialogue::new(stream)).await;
                    }),
                );
            }
        }
    }

    async fn session(&self, mut dialogue: Dialogue) -> std::io::Result<()> {
        dialogue.say(&format!("220 {} ESMTP", self.machine)).await?;
        let mut recipients = Vec::new();
        while let Some(line) = dialogue.line().await? {
            match Request::parse(&mut [&line[..], b"\r\n"].concat().iter()) {
                Ok(Request::Ehlo { .. }) => {
                    dialogue.say(&format!("250-{}", self.machine)).await?;
                    dialogue.say("250-8BITMIME").await?;
                    dialogue.say("250 SIZE").await?;
                }
                Ok(Request::Rcpt { to }) => {
                    recipients.push(to.address.into_owned());
                    dialogue.say("250 OK").await?;
                }
                Ok(Request::Data) => {
                    dialogue.say("354 go ahead").await?;
                    let Some(content) = content(&mut dialogue).await? else { return Ok(()) };
                    self.keep(&content, std::mem::take(&mut recipients));
                    dialogue.say("250 taken").await?;
                }
                Ok(Request::Mail { .. } | Request::Rset) => {
                    recipients.clear();
                    dialogue.say("250 OK").await?;
                }
                Ok(Request::Helo { .. } | Request::Noop { .. }) => dialogue.say("250 OK").await?,
                Ok(Request::Quit) => return dialogue.say("221 bye").await,
                Ok(_) | Err(_) => dialogue.say("500 not understood").await?,
            }
        }
        Ok(())
    }

    fn keep(&self, content: &[u8], recipients: Vec<String>) {
        let item = mailbag::identify(content);
        let entry = What::Accepted { message: item.kind.to_string(), recipients: recipients.clone() };
        self.scene.journal.note(&self.machine, entry);
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push((item, recipients));
    }
}

/// The content up to the final dot, or `None` if the connection closed before it.
async fn content(dialogue: &mut Dialogue) -> std::io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    while let Some(line) = dialogue.line().await? {
        if line == b"." {
            return Ok(Some(content));
        }
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        content.extend_from_slice(b"\r\n");
    }
    Ok(None)
}
