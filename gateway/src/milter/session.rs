//! The milters beside one SMTP session: told in their order what the client says, each until one has something against
//! it.
//!
//! A milter that fails is not asked again in this session. While the client is only being greeted nothing follows from
//! that; from MAIL on, every command and every message has the answer that is configured for it, so that the client
//! hears of it where it can act on it.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::Mail;
use super::codec::Command;
use super::conversation::{Conversation, Stage};
use super::decision::{Macros, Milter, State};
use crate::address::{Address, ReversePath};
use crate::config::MilterConfig;
use crate::dns::Resolver;
use crate::env::Net;
use crate::reach::{Point, reached};
use crate::smtp::reply::Reply;

/// How long all milters together may take over one message: a client waits ten minutes for the answer to its final dot
/// (RFC 5321, 4.5.3.2.6), and then sends the message again.
pub(super) const MESSAGE_TIME: Duration = Duration::from_mins(9);

/// What milters decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody has anything against it.
    Continue,
    /// The message is to be taken and thrown away.
    Discard {
        /// Who said so.
        milter: String,
    },
    /// The client is to hear this. With the code 421 it is the last that it hears.
    Refuse(Reply),
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may be taken as it now is.
    Taken {
        /// The recipients that it no longer has, each with the milter that took it off.
        taken_off: Vec<(Address, String)>,
        /// Which milter would have it set aside, and why.
        quarantine: Option<(String, String)>,
    },
    /// It is to be thrown away.
    Discarded {
        /// Who said so.
        milter: String,
    },
    /// The client is to hear this.
    Refused(Reply),
}

/// Who the client is.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// What the gateway is called.
    pub host: String,
    /// What the gateway is, and which version.
    pub software: String,
    /// What the client authenticated with, and as whom.
    pub account: Option<(String, String)>,
}

/// The milters beside one SMTP session.
pub struct Milters {
    milters: Vec<Milter>,
    client: Client,
}

impl Milters {
    /// The milters that are configured, for a client that has just connected. None of them is reached yet.
    pub fn new(config: &[MilterConfig], client: Client) -> Self {
        Milters { milters: config.iter().map(Milter::new).collect(), client }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.milters.is_empty()
    }

    /// Nobody knows any more who the client is.
    pub fn forget_the_account(&mut self) {
        self.client.account = None;
    }

    /// The client has authenticated.
    pub fn authenticated(&mut self, mechanism: &str, account: &str) {
        self.client.account = Some((mechanism.to_ascii_uppercase(), account.to_owned()));
    }

    /// Reaches the milters and tells them who has connected.
    pub async fn connect(&mut self, net: &dyn Net, resolver: &dyn Resolver) -> Verdict {
        let Client { address, host, software, .. } = &self.client;
        let (address, name) = (*address, format!("[{address}]"));
        let macros = vec![
            ("j", host.clone()),
            ("{daemon_name}", host.clone()),
            ("v", software.clone()),
            ("_", name.clone()),
            ("{client_name}", name.clone()),
            ("{client_addr}", address.to_string()),
        ];
        for milter in &mut self.milters {
            match Conversation::open(&milter.config.address, net, resolver).await {
                Ok(conversation) => milter.state = State::Asked(Box::new(conversation)),
                Err(failure) => milter.fail(&failure),
            }
        }
        self.tell(Stage::Connect, &Command::Connect { name: &name, address }, &macros).await
    }

    /// The client has said HELO or EHLO.
    pub async fn helo(&mut self, name: &str) -> Verdict {
        self.abort().await;
        self.tell(Stage::Helo, &Command::Helo(name), &Macros::new()).await
    }

    /// The client has said MAIL.
    pub async fn mail(&mut self, from: &ReversePath, size: Option<u64>, is_international: bool) -> Verdict {
        let mut macros = Macros::new();
        if let Some((mechanism, account)) = &self.client.account {
            macros.push(("{auth_type}", mechanism.clone()));
            macros.push(("{auth_authen}", account.clone()));
        }
        if let ReversePath::Mailbox(from) = from {
            macros.push(("{mail_addr}", from.to_string()));
            macros.push(("{mail_host}", from.domain().to_string()));
        }
        macros.push(("{mail_mailer}", "smtp".to_owned()));
        let mut words = vec![from.to_string()];
        words.extend(size.map(|size| format!("SIZE={size}")));
        words.extend(is_international.then(|| "SMTPUTF8".to_owned()));
        self.abort().await;
        self.tell(Stage::Mail, &Command::Mail(&words), &macros).await
    }

    /// The client has named a recipient, which the gateway takes. `is_here`: its mail stays on this server.
    pub async fn rcpt(&mut self, recipient: &Address, is_here: bool) -> Verdict {
        let macros = vec![
            ("{rcpt_addr}", recipient.to_string()),
            ("{rcpt_host}", recipient.domain().to_string()),
            ("{rcpt_mailer}", if is_here { "local" } else { "smtp" }.to_owned()),
        ];
        self.tell(Stage::Rcpt, &Command::Rcpt(&format!("<{recipient}>")), &macros).await
    }

    /// The client has named a recipient, which the gateway has refused: those who asked for it are told, and what they
    /// say to it changes nothing.
    pub async fn rcpt_refused(&mut self, recipient: &Address, reply: &Reply) {
        let macros = vec![
            ("{rcpt_addr}", reply.to_string()),
            ("{rcpt_host}", format!("{}.0.0", reply.code() / 100)),
            ("{rcpt_mailer}", "error".to_owned()),
        ];
        let path = format!("<{recipient}>");
        for milter in &mut self.milters {
            if milter.hears_of_refusals() {
                reached(Point::MilterToldOfRefusal);
                milter.tell(Stage::Rcpt, &Command::Rcpt(&path), &macros, true).await;
            }
        }
    }

    /// The client has said DATA for the message of this name.
    pub async fn data(&mut self, id: &str) -> Verdict {
        self.tell(Stage::Data, &Command::Data, &vec![("i", id.to_owned())]).await
    }

    /// The message is there. Each milter sees it as the one before has left it; none sees the changes of one that fails.
    pub async fn message(&mut self, id: &str, mail: &mut Mail, size_limit: u64) -> Outcome {
        let macros = vec![("i", id.to_owned())];
        let (mut taken_off, mut quarantine) = (Vec::new(), None);
        let deadline = Instant::now() + MESSAGE_TIME;
        let mut outcome = None;
        for milter in &mut self.milters {
            let (verdict, changes) = milter.message(mail, &macros, size_limit, deadline).await;
            match verdict {
                Verdict::Continue => {}
                Verdict::Discard { milter } => outcome = Some(Outcome::Discarded { milter }),
                Verdict::Refuse(reply) => outcome = Some(Outcome::Refused(reply)),
            }
            if outcome.is_some() {
                break;
            }
            let changed = milter.change(mail, changes);
            let name = milter.config.address.to_string();
            taken_off.extend(changed.taken_off.into_iter().map(|recipient| (recipient, name.clone())));
            quarantine = quarantine.or(changed.quarantine.map(|why| (name, why)));
        }
        self.abort().await;
        outcome.unwrap_or(Outcome::Taken { taken_off, quarantine })
    }

    /// What was begun with MAIL is not to be.
    pub async fn abort(&mut self) {
        for milter in &mut self.milters {
            milter.takes_message = false;
            if !std::mem::take(&mut milter.in_message) {
                continue;
            }
            if let State::Asked(conversation) = &mut milter.state {
                conversation.say(&Command::Abort);
                if let Err(failure) = conversation.send(Stage::Mail).await {
                    milter.fail(&failure);
                }
            }
        }
    }

    /// The client has gone.
    pub async fn quit(&mut self) {
        for milter in &mut self.milters {
            if let State::Asked(conversation) = std::mem::replace(&mut milter.state, State::Away) {
                conversation.quit().await;
            }
        }
    }

    async fn tell(&mut self, stage: Stage, command: &Command<'_>, macros: &Macros) -> Verdict {
        let mut verdict = Verdict::Continue;
        for milter in &mut self.milters {
            verdict = milter.tell(stage, command, macros, false).await;
            if verdict != Verdict::Continue {
                break;
            }
        }
        if let Verdict::Discard { .. } = verdict {
            // Nobody is asked about it any more: those after that one have not heard of it.
            self.abort().await;
            self.milters.iter_mut().for_each(|milter| milter.takes_message = true);
        }
        verdict
    }
}
