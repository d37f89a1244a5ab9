//! The lapses of a mail server: what it does on one connection that it should not, as the plan says.
//!
//! A line of the plan is for connections that a server accepts within a time, or for its nth alone. Where several
//! speak of the same stage, the first in the plan has its way.

use std::time::Duration;

use tokio::time::sleep;

use super::dialogue::Dialogue;
use crate::fault::{BrokenHandshake, Fault, ServerDoes, Stage};
use crate::scene::Scene;
use crate::tls::Shows;

/// How long a server waits before each further line of a reply without an end.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest reply that has no end: nobody should listen for so long.
const FOR_EVER: usize = 10_000;

/// Octets of a reply line beyond any limit.
const TOO_LONG: usize = 100_000;

/// What is wrong with a server on one connection.
pub(super) struct Lapses {
    scene: Scene,
    lines: Vec<(usize, ServerDoes)>,
}

/// What became of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It was given as it was due.
    AsDue,
    /// Another was given, or something that is no reply: the command is not obeyed.
    Otherwise,
    /// There was none, and the conversation is over.
    Nothing,
}

impl Lapses {
    /// The lapses on the nth connection of a server, which it accepts now.
    pub(super) fn of(scene: &Scene, machine: &str, nth: u64) -> Self {
        let now = scene.now();
        let lines = scene.faults().filter_map(|(place, fault)| match fault {
            Fault::Server { server, connection, at, until, does } => {
                let is_meant = server == machine && connection.is_none_or(|wanted| wanted == nth);
                (is_meant && (at.0..until.0).contains(&now)).then(|| (place, does.clone()))
            }
            _ => None,
        });
        Lapses { lines: lines.collect(), scene: scene.clone() }
    }

    /// Looks for a lapse and, if there is one, counts it as a bite.
    pub(super) fn has(&self, is_it: impl Fn(&ServerDoes) -> bool) -> bool {
        self.find(is_it).is_some()
    }

    /// Looks for a lapse that does not bite yet.
    pub(super) fn would(&self, is_it: impl Fn(&ServerDoes) -> bool) -> bool {
        self.lines.iter().any(|(_, does)| is_it(does))
    }

    fn find(&self, is_it: impl Fn(&ServerDoes) -> bool) -> Option<&ServerDoes> {
        let (place, does) = self.lines.iter().find(|(_, does)| is_it(does))?;
        self.scene.bit(*place);
        Some(does)
    }

    /// How it breaks the handshake, if it does.
    pub(super) fn broken_handshake(&self) -> Option<BrokenHandshake> {
        match self.find(|does| matches!(does, ServerDoes::BreaksHandshake(_)))? {
            ServerDoes::BreaksHandshake(how) => Some(*how),
            _ => None,
        }
    }

    /// Which certificate the server shows. It does not bite yet.
    pub(super) fn certificate(&self) -> Shows {
        self.lines.iter().find_map(|(_, does)| shows(does)).unwrap_or(Shows::Its)
    }

    /// How long the server stops reading in the middle of a message.
    pub(super) fn stalls(&self) -> Option<Duration> {
        match self.find(|does| matches!(does, ServerDoes::Stalls { .. }))? {
            ServerDoes::Stalls { by } => Some(by.0),
            _ => None,
        }
    }

    /// How long the server waits for another message before it closes the connection. It does not bite yet.
    pub(super) fn closes_after(&self) -> Option<Duration> {
        self.lines.iter().find_map(|(_, does)| match does {
            ServerDoes::ClosesBetweenMessages { after } => Some(after.0),
            _ => None,
        })
    }

    /// Whether the server takes no more messages than these over one connection.
    pub(super) fn has_enough(&self, messages: u64) -> bool {
        self.has(|does| matches!(does, ServerDoes::LimitsMessages { to } if messages >= *to))
    }

    /// Whether the server keeps a message whose final dot it has read.
    pub(super) fn keep_the_message(&self) -> bool {
        let stands_there = |(_, does): &&(usize, ServerDoes)| stage_of(does) == Some(Stage::FinalDot);
        match self.lines.iter().find(stands_there) {
            None | Some((_, ServerDoes::RepliesTwice(_))) => true,
            Some((_, ServerDoes::ResetsAfterFinalDot { kept })) => *kept,
            Some(_) => false,
        }
    }

    /// Gives the reply that is due at a stage, or what this server has instead.
    pub(super) async fn reply(
        &self,
        dialogue: &mut Dialogue,
        stage: Stage,
        due: &[&str],
    ) -> std::io::Result<Said> {
        let instead = self.find(|does| stage_of(does) == Some(stage));
        self.say(dialogue, instead, due).await
    }

    /// Gives the reply that is due to HELO: with EHLO it makes one stage, but for a server that knows only this.
    pub(super) async fn reply_to_helo(&self, dialogue: &mut Dialogue, due: &[&str]) -> std::io::Result<Said> {
        if self.lines.iter().any(|(_, does)| *does == ServerDoes::KnowsNoEhlo) {
            self.scene.points.reached(super::GREETED_WITH_HELO);
        }
        let instead =
            self.find(|does| *does != ServerDoes::KnowsNoEhlo && stage_of(does) == Some(Stage::Ehlo));
        self.say(dialogue, instead, due).await
    }

    /// Gives the reply that is due to RCPT: one more line of the plan may be about the first of a message.
    pub(super) async fn reply_to_rcpt(
        &self,
        dialogue: &mut Dialogue,
        is_first: bool,
        due: &[&str],
    ) -> std::io::Result<Said> {
        let instead = self.find(|does| {
            let refuses = is_first && matches!(does, ServerDoes::RefusesOne { .. });
            refuses || stage_of(does) == Some(Stage::Rcpt)
        });
        self.say(dialogue, instead, due).await
    }

    async fn say(
        &self,
        dialogue: &mut Dialogue,
        instead: Option<&ServerDoes>,
        due: &[&str],
    ) -> std::io::Result<Said> {
        match instead {
            None => {
                let is_wild = !due.is_empty() && self.has(|does| *does == ServerDoes::PercentReplies);
                let wild = if is_wild { " %s%n%x%d" } else { "" };
                for line in due {
                    dialogue.say(&format!("{line}{wild}")).await?;
                }
                return Ok(Said::AsDue);
            }
            Some(ServerDoes::SaysNothing) => {
                // It listens until the other side has had enough.
                while let Ok(Some(_)) = dialogue.line().await {}
                self.scene.points.reached(super::SILENCE_GIVEN_UP);
                return Ok(Said::Nothing);
            }
            Some(ServerDoes::Replies { reply, .. } | ServerDoes::RefusesOne { reply }) => {
                for line in reply.lines() {
                    dialogue.say(line).await?;
                }
                return Ok(if reply.starts_with("421") { Said::Nothing } else { Said::Otherwise });
            }
            Some(ServerDoes::Garbles(_)) => dialogue.send(b"\x00\xffHTTP/1.1 400 Bad Request\r\n").await?,
            Some(ServerDoes::RepliesForever(_)) => {
                for _ in 0..FOR_EVER {
                    if let Err(broken) = dialogue.say("250-and so on").await {
                        self.scene.points.reached(super::REPLY_CUT_OFF);
                        return Err(broken);
                    }
                    sleep(PAUSE).await;
                }
                return Ok(Said::Nothing);
            }
            Some(ServerDoes::RepliesTooLong(_)) => {
                dialogue.say(&format!("250 {}", "x".repeat(TOO_LONG))).await?
            }
            Some(ServerDoes::RepliesTwice(_)) => {
                for line in due.iter().chain(due) {
                    dialogue.say(line).await?;
                }
                return Ok(Said::AsDue);
            }
            Some(ServerDoes::KnowsNoEhlo) => dialogue.say("502 not implemented").await?,
            Some(_) => return Ok(Said::Nothing),
        }
        Ok(Said::Otherwise)
    }
}

/// The wrong certificate that a server shows, if it is that which it does.
pub(super) fn shows(does: &ServerDoes) -> Option<Shows> {
    match does {
        ServerDoes::WrongCertificate => Some(Shows::Anothers),
        ServerDoes::UnknownAuthority => Some(Shows::AnotherAuthoritys),
        ServerDoes::ExpiredCertificate => Some(Shows::Expired),
        _ => None,
    }
}

/// The stage at which a lapse stands in the way of a reply.
fn stage_of(does: &ServerDoes) -> Option<Stage> {
    match does {
        ServerDoes::SaysNothing => Some(Stage::Connection),
        ServerDoes::KnowsNoEhlo => Some(Stage::Ehlo),
        ServerDoes::ResetsAfterFinalDot { .. } => Some(Stage::FinalDot),
        // In the middle of a message no reply is due, so none is given twice.
        ServerDoes::RepliesTwice(Stage::Content) => None,
        ServerDoes::Drops(stage)
        | ServerDoes::Replies { to: stage, .. }
        | ServerDoes::Garbles(stage)
        | ServerDoes::RepliesForever(stage)
        | ServerDoes::RepliesTooLong(stage)
        | ServerDoes::RepliesTwice(stage) => Some(*stage),
        ServerDoes::PercentReplies
        | ServerDoes::RefusesOne { .. }
        | ServerDoes::Stalls { .. }
        | ServerDoes::Drips
        | ServerDoes::GrantsData
        | ServerDoes::ClosesBetweenMessages { .. }
        | ServerDoes::LimitsMessages { .. }
        | ServerDoes::RefusesUtf8
        | ServerDoes::WithdrawsUtf8
        | ServerDoes::RefusesStartTls { .. }
        | ServerDoes::BreaksHandshake(_)
        | ServerDoes::WrongCertificate
        | ServerDoes::UnknownAuthority
        | ServerDoes::ExpiredCertificate
        | ServerDoes::HandsBack => None,
    }
}
