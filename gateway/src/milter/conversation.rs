//! One connection to one milter: what is sent, what comes back and when, and whose turn it is.
//!
//! A milter that says nothing for too long, goes away, says what is no answer or none that is due, has failed. What is
//! then done with the mail is not decided here.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::MilterAddress;
use super::codec::{Answer, Command, Malformed, Packets};
use super::flags::{Actions, OLDEST_VERSION, Steps, VERSION};
use crate::dns::Resolver;
use crate::env::{Net, Stream};

/// How long a milter may take to be reached (Postfix's `milter_connect_timeout`).
const CONNECT_TIME: Duration = Duration::from_secs(30);
/// How long it may take over what a client has said (`milter_command_timeout`).
const COMMAND_TIME: Duration = Duration::from_secs(30);
/// How long it may take over a piece of the message, and over the whole of it (`milter_content_timeout`).
const CONTENT_TIME: Duration = Duration::from_mins(5);

/// How long it may go on saying that it is still working: a client waits five minutes for an answer (RFC 5321,
/// 4.5.3.2). Over a whole message [`super::session`] has a limit.
const WORKING_TIME: Duration = Duration::from_mins(5);

/// What a milter is told, and may be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Negotiation,
    Connect,
    Helo,
    Mail,
    Rcpt,
    Data,
    Header,
    EndOfHeaders,
    Body,
    EndOfMessage,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Negotiation => "the negotiation",
            Stage::Connect => "the connection",
            Stage::Helo => "HELO",
            Stage::Mail => "MAIL",
            Stage::Rcpt => "RCPT",
            Stage::Data => "DATA",
            Stage::Header => "a header field",
            Stage::EndOfHeaders => "the end of the header",
            Stage::Body => "the body",
            Stage::EndOfMessage => "the end of the message",
        }
    }

    /// What a milter sets that is not to be told.
    fn unwanted(self) -> Steps {
        match self {
            Stage::Connect => Steps::NO_CONNECT,
            Stage::Helo => Steps::NO_HELO,
            Stage::Mail => Steps::NO_MAIL,
            Stage::Rcpt => Steps::NO_RCPT,
            Stage::Data => Steps::NO_DATA,
            Stage::Header => Steps::NO_HEADERS,
            Stage::EndOfHeaders => Steps::NO_END_OF_HEADERS,
            Stage::Body => Steps::NO_BODY,
            // These it cannot do without.
            Stage::Negotiation | Stage::EndOfMessage => Steps(u32::MAX),
        }
    }

    /// What a milter sets that does not answer.
    fn unanswered(self) -> Steps {
        match self {
            Stage::Connect => Steps::NO_REPLY_TO_CONNECT,
            Stage::Helo => Steps::NO_REPLY_TO_HELO,
            Stage::Mail => Steps::NO_REPLY_TO_MAIL,
            Stage::Rcpt => Steps::NO_REPLY_TO_RCPT,
            Stage::Data => Steps::NO_REPLY_TO_DATA,
            Stage::Header => Steps::NO_REPLY_TO_HEADERS,
            Stage::EndOfHeaders => Steps::NO_REPLY_TO_END_OF_HEADERS,
            Stage::Body => Steps::NO_REPLY_TO_BODY,
            Stage::Negotiation | Stage::EndOfMessage => Steps(u32::MAX),
        }
    }

    fn time(self) -> Duration {
        if self < Stage::Header { COMMAND_TIME } else { CONTENT_TIME }
    }

    /// Whether it is of the connection and of no message.
    pub(super) fn is_before_messages(self) -> bool {
        self < Stage::Mail
    }
}

/// Why a milter cannot be asked any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("it cannot be reached: {0}; see that it runs and listens there")]
    Unreachable(String),
    #[error("the connection was lost: {0}")]
    Lost(#[from] io::Error),
    #[error("it closed the connection")]
    Closed,
    #[error("it said nothing to {} for {} seconds", .0.name(), .0.time().as_secs())]
    Silent(Stage),
    #[error("it took longer than {} seconds, though it said that it was still working", .0.as_secs())]
    Slow(Duration),
    #[error("it said {0}")]
    Malformed(#[from] Malformed),
    #[error("it answered {answer} to {}, where that is none", stage.name())]
    NoAnswer { answer: String, stage: Stage },
    #[error("it spoke before it was asked about {}", .0.name())]
    OutOfTurn(Stage),
    #[error("it speaks version {0} of the protocol; {OLDEST_VERSION} to {VERSION} are known")]
    Version(u32),
    #[error("it wants actions 0x{actions:x} and steps 0x{steps:x}, of which not all were offered")]
    NotOffered { actions: u32, steps: u32 },
    #[error("it said more than {0} octets of one message")]
    TooMuch(u64),
}

/// A conversation with a milter.
pub(super) struct Conversation {
    stream: Box<dyn Stream>,
    packets: Packets,
    unsent: Vec<u8>,
    pub(super) actions: Actions,
    pub(super) steps: Steps,
}

/// The first version of the protocol in which a filter is told of DATA.
const FIRST_WITH_DATA: u32 = 4;

impl Conversation {
    /// Reaches a milter and negotiates with it.
    pub(super) async fn open(
        address: &MilterAddress,
        net: &dyn Net,
        resolver: &dyn Resolver,
    ) -> Result<Self, Failure> {
        let stream = timeout(CONNECT_TIME, connect(address, net, resolver)).await;
        let nobody =
            || Failure::Unreachable(format!("nothing came back for {} seconds", CONNECT_TIME.as_secs()));
        let mut conversation = Conversation {
            stream: stream.map_err(|_| nobody())??,
            packets: Packets::default(),
            unsent: Vec::new(),
            actions: Actions::default(),
            steps: Steps::default(),
        };
        conversation.say(&Command::Negotiate);
        match conversation.answer(Stage::Negotiation).await? {
            Answer::Negotiated { version, .. } if !(OLDEST_VERSION..=VERSION).contains(&version) => {
                Err(Failure::Version(version))
            }
            Answer::Negotiated { actions, steps, .. } if !(actions.is_offered() && steps.is_offered()) => {
                Err(Failure::NotOffered { actions: actions.0, steps: steps.0 })
            }
            Answer::Negotiated { version, actions, mut steps } => {
                // Older filters know no DATA, and so cannot say that they do not want it.
                if version < FIRST_WITH_DATA {
                    steps.0 |= Steps::NO_DATA.0;
                }
                (conversation.actions, conversation.steps) = (actions, steps);
                Ok(conversation)
            }
            answer => Err(no_answer(&answer, Stage::Negotiation)),
        }
    }

    /// Whether a milter is told of a stage.
    pub(super) fn wants(&self, stage: Stage) -> bool {
        !self.steps.has(stage.unwanted())
    }

    /// Adds a command to what is to be sent.
    pub(super) fn say(&mut self, command: &Command<'_>) {
        command.write(&mut self.unsent);
    }

    /// Tells of a stage, and waits for the answer if there is to be one. A milter that does not want to know, or does not
    /// answer, has nothing against it.
    pub(super) async fn tell(
        &mut self,
        stage: Stage,
        command: &Command<'_>,
        macros: &[(&'static str, String)],
    ) -> Result<Answer, Failure> {
        if !self.wants(stage) {
            return Ok(Answer::Continue);
        }
        if !macros.is_empty() {
            self.say(&Command::Macros { of: command.letter(), values: macros });
        }
        self.listen_for_nothing(stage)?;
        self.say(command);
        if self.steps.has(stage.unanswered()) {
            // The body goes out in pieces; the rest is small, and goes with what follows.
            if stage == Stage::Body {
                self.send(stage).await?;
            }
            return Ok(Answer::Continue);
        }
        match self.answer(stage).await? {
            Answer::Skip if stage == Stage::Body && self.steps.has(Steps::SKIP) => Ok(Answer::Skip),
            Answer::Discard if stage.is_before_messages() => Err(no_answer(&Answer::Discard, stage)),
            answer @ (Answer::Negotiated { .. } | Answer::Skip | Answer::Change(_)) => {
                Err(no_answer(&answer, stage))
            }
            answer => Ok(answer),
        }
    }

    /// Sees to it that a milter has said no more than it was asked for: what it said would be taken for its answer to
    /// what comes next.
    pub(super) fn listen_for_nothing(&mut self, stage: Stage) -> Result<(), Failure> {
        let mut octet = [0];
        match self.stream.read(&mut octet).now_or_never() {
            None if self.packets.is_empty() => Ok(()),
            None | Some(Ok(1..)) => Err(Failure::OutOfTurn(stage)),
            Some(Ok(0)) => Err(Failure::Closed),
            Some(Err(lost)) => Err(lost.into()),
        }
    }

    /// Sends what there is to be sent.
    pub(super) async fn send(&mut self, stage: Stage) -> Result<(), Failure> {
        let unsent = std::mem::take(&mut self.unsent);
        let sent = async {
            self.stream.write_all(&unsent).await?;
            self.stream.flush().await
        };
        Ok(timeout(stage.time(), sent).await.map_err(|_| Failure::Silent(stage))??)
    }

    /// Sends what there is to be sent, and waits for an answer. One that says that it is still working has its time
    /// again.
    pub(super) async fn answer(&mut self, stage: Stage) -> Result<Answer, Failure> {
        self.send(stage).await?;
        let end = Instant::now() + WORKING_TIME;
        loop {
            let next = Instant::now() + stage.time();
            let until = if stage < Stage::Header { next.min(end) } else { next };
            match timeout_at(until, self.read()).await {
                Ok(Ok(Answer::Progress)) => {}
                Ok(answer) => return answer,
                Err(_) if until < next => return Err(Failure::Slow(WORKING_TIME)),
                Err(_) => return Err(Failure::Silent(stage)),
            }
        }
    }

    async fn read(&mut self) -> Result<Answer, Failure> {
        let mut octets = [0; 4096];
        loop {
            if let Some(answer) = self.packets.next_answer()? {
                return Ok(answer);
            }
            match self.stream.read(&mut octets).await? {
                0 => return Err(Failure::Closed),
                read => self.packets.feed(&octets[..read]),
            }
        }
    }

    /// Ends the conversation. Whether the milter still hears of it is its own affair.
    pub(super) async fn quit(mut self) {
        self.say(&Command::Quit);
        let _ = self.send(Stage::Negotiation).await;
        let _ = timeout(COMMAND_TIME, self.stream.shutdown()).await;
    }
}

/// An answer that is none at a stage.
pub(super) fn no_answer(answer: &Answer, stage: Stage) -> Failure {
    let shown = format!("{answer:?}");
    let name = shown.split(['(', ' ']).next().unwrap_or_default().to_owned();
    Failure::NoAnswer { answer: name, stage }
}

/// Connects to the first address of a milter's host that can be connected to.
async fn connect(
    address: &MilterAddress,
    net: &dyn Net,
    resolver: &dyn Resolver,
) -> Result<Box<dyn Stream>, Failure> {
    let MilterAddress { host, port } = address;
    let addresses: Vec<IpAddr> = match host.parse() {
        Ok(address) => vec![address],
        Err(_) => {
            let found = resolver.addresses(host).await;
            found.map_err(|why| Failure::Unreachable(format!("{host} was not found, {why}")))?
        }
    };
    let mut last = format!("{host} has no address");
    for address in addresses {
        match net.connect(SocketAddr::from((address, *port))).await {
            Ok(stream) => return Ok(stream),
            Err(why) => last = why.to_string(),
        }
    }
    Err(Failure::Unreachable(last))
}
