//! A milter: is asked by the gateway what becomes of mail, and says what the plan has it say, but for what the plan has
//! it do amiss.
//!
//! It knows a message by its `Message-ID`, and its clients, senders and recipients by what it is told of them. What it
//! says is in the journal before it is sent: an answer that is never given is never there.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway::env::Connection;
use tokio::time::sleep;

use super::packets::{Packet, Packets};
use crate::engine::Seat;
use crate::fault::{Fault, MilterFails, Stage};
use crate::filter::{self, MilterDoes};
use crate::mailbag;
use crate::plan::MilterPlan;
use crate::record::{Filtering, What};
use crate::scene::Scene;

/// Where every milter listens.
const PORT: u16 = 8891;
/// How long one that lingers waits before it says again that it is still working.
const PROGRESS: Duration = Duration::from_secs(20);
/// A version of the protocol that there is not.
const NO_VERSION: u32 = 99;
/// What it asks to be allowed: to change fields and bodies, to add and delete recipients, to have mail set aside.
const ACTIONS: u32 = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x20;
/// The steps of one that wants to know everything: it has enough of a body when it has seen some, and hears of refused
/// recipients.
const CURIOUS: u32 = 0x400 | 0x800;
/// The steps of one that wants little: not to be told of DATA, not to answer to fields and to the body, and to have the
/// white space of fields.
const TERSE: u32 = 0x200 | 0x80 | 0x8_0000 | 0x10_0000;

/// The software of a milter.
#[derive(Clone)]
pub(crate) struct Milter {
    plan: Arc<MilterPlan>,
    scene: Scene,
    /// How many connections it has ever accepted.
    connections: Arc<Mutex<u64>>,
}

impl Milter {
    pub(crate) fn new(plan: &MilterPlan, scene: &Scene) -> Self {
        Milter { plan: Arc::new(plan.clone()), scene: scene.clone(), connections: Arc::default() }
    }

    /// Serves until the run ends.
    pub(crate) async fn run(self, seat: Seat) {
        let mut listener = seat
            .net
            .listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)))
            .await
            .expect("nothing else listens on a milter");
        loop {
            if let Ok(Connection { stream, .. }) = listener.accept().await {
                let mut talk = Talk::new(&self, Packets::new(stream));
                let talk = async move {
                    // A connection that breaks ends its conversation.
                    let _ = talk.run().await;
                };
                seat.spawn.spawn("milter conversation", Box::pin(talk));
            }
        }
    }

    fn next_connection(&self) -> u64 {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        *connections += 1;
        *connections
    }
}

/// One conversation.
struct Talk {
    plan: Arc<MilterPlan>,
    scene: Scene,
    packets: Packets,
    /// What goes wrong in it, each line with its place in the plan.
    lapses: Vec<(usize, MilterFails)>,
    /// The lines that have had their way.
    done: BTreeSet<usize>,
    /// The message of the plan that it is asked about.
    message: String,
    /// The trace headers on top of that.
    traces: u32,
    /// Whether other fields came after them.
    is_below_traces: bool,
}

/// Whether the conversation goes on.
#[derive(PartialEq, Eq)]
enum Go {
    On,
    Away,
}

impl Talk {
    fn new(milter: &Milter, packets: Packets) -> Self {
        let (now, nth) = (milter.scene.now(), milter.next_connection());
        let lapses = milter.scene.faults().filter_map(|(place, fault)| match fault {
            Fault::Milter { milter: about, connection, at, until, does } => {
                let is_meant = **about == *milter.plan.name && connection.is_none_or(|wanted| wanted == nth);
                (is_meant && (at.0..until.0).contains(&now)).then(|| (place, does.clone()))
            }
            _ => None,
        });
        Talk {
            plan: Arc::clone(&milter.plan),
            lapses: lapses.collect(),
            scene: milter.scene.clone(),
            packets,
            done: BTreeSet::new(),
            message: String::new(),
            traces: 0,
            is_below_traces: false,
        }
    }

    async fn run(&mut self) -> io::Result<()> {
        while let Some(packet) = self.packets.next().await? {
            let go = match packet.letter {
                b'O' => {
                    self.packets.put_octets(&self.negotiation(6));
                    self.answer(Stage::Connection, None).await?
                }
                b'C' => self.about(Stage::Connection, "connection", packet.address()).await?,
                b'H' => self.about(Stage::Ehlo, "HELO", packet.text(0)).await?,
                b'M' => {
                    (self.message, self.traces, self.is_below_traces) = (String::new(), 0, false);
                    self.about(Stage::Mail, "MAIL", bare(&packet.text(0))).await?
                }
                // It hears of a recipient that was refused, and has nothing to add.
                b'R' if self.packets.macro_of("{rcpt_mailer}") == "error" => {
                    self.say(Stage::Rcpt, b'c', &[], None).await?
                }
                b'R' => self.about(Stage::Rcpt, "RCPT", bare(&packet.text(0))).await?,
                b'T' => self.say(Stage::Data, b'c', &[], None).await?,
                b'L' => {
                    self.field(&packet);
                    if self.plan.is_terse {
                        Go::On
                    } else {
                        self.say(Stage::Content, b'c', &[], None).await?
                    }
                }
                b'N' => self.end_of_header().await?,
                b'B' if self.plan.is_terse => Go::On,
                b'B' => self.say(Stage::Content, b's', &[], None).await?,
                b'E' => self.end_of_message().await?,
                b'A' => {
                    self.scene.points.reached(super::FILTERING_ABORTED);
                    Go::On
                }
                _ => Go::Away,
            };
            if go == Go::Away {
                break;
            }
        }
        Ok(())
    }

    fn negotiation(&self, version: u32) -> Vec<u8> {
        let steps = if self.plan.is_terse { TERSE } else { CURIOUS };
        let words = [version, ACTIONS, steps];
        [b"O".as_slice(), &words.map(u32::to_be_bytes).concat()].concat()
    }

    /// Is asked about a client, a sender or a recipient.
    async fn about(&mut self, stage: Stage, name: &'static str, whom: String) -> io::Result<Go> {
        let names = |list: &[String]| list.iter().any(|known| known.eq_ignore_ascii_case(&whom));
        let is_of_client = matches!(stage, Stage::Connection | Stage::Ehlo);
        let (letter, does) = if names(&self.plan.refuses) {
            (b'r', Some(MilterDoes::Rejects))
        } else if is_of_client && names(&self.plan.trusts) {
            (b'a', Some(MilterDoes::Accepts))
        } else {
            (b'c', None)
        };
        let said =
            does.map(|does| Filtering { stage: name, about: whom, id: String::new(), does: vec![does] });
        self.say(stage, letter, &[], said).await
    }

    fn field(&mut self, packet: &Packet) {
        let [name, value] = [0, 1].map(|nth| packet.text(nth));
        let is_trace = matches!(name.as_str(), "Received" | "Return-Path");
        self.is_below_traces |= !is_trace;
        self.traces += u32::from(!self.is_below_traces);
        if let Some(message) = mailbag::header_names(format!("{name}: {}\r\n", value.trim()).as_bytes()) {
            self.message = message;
        }
    }

    /// What it does to the message that it has seen the header of.
    fn acts(&self) -> Vec<MilterDoes> {
        let acts = self.plan.acts.iter().filter(|(message, _)| *message == self.message);
        acts.map(|(_, does)| does.clone()).collect()
    }

    fn filtering(&self, does: Vec<MilterDoes>) -> Filtering {
        let id = self.packets.macro_of("i").to_owned();
        Filtering { stage: "message", about: self.message.clone(), id, does }
    }

    async fn end_of_header(&mut self) -> io::Result<Go> {
        if self.acts().contains(&MilterDoes::Accepts) {
            let said = self.filtering(vec![MilterDoes::Accepts]);
            return self.say(Stage::Content, b'a', &[], Some(said)).await;
        }
        self.say(Stage::Content, b'c', &[], None).await
    }

    async fn end_of_message(&mut self) -> io::Result<Go> {
        let acts = self.acts();
        for does in &acts {
            self.put_change(does);
        }
        let verdict = acts.iter().find(|does| does.is_verdict());
        let (letter, words) = match verdict {
            Some(MilterDoes::Discards) => (b'd', vec![]),
            Some(MilterDoes::Rejects) => (b'r', vec![]),
            Some(MilterDoes::PutsOff) => (b't', vec![]),
            Some(MilterDoes::Replies(words)) => (b'y', vec![words.clone()]),
            _ => (b'c', vec![]),
        };
        let said = self.filtering(acts);
        self.say(Stage::FinalDot, letter, &words, Some(said)).await
    }

    /// Asks for a change.
    fn put_change(&mut self, does: &MilterDoes) {
        let name = Arc::clone(&self.plan.name);
        // What it says of a field begins as it was told of fields: with the white space, or without.
        let value = |field: String| {
            let (name, value) = field.split_once(':').unwrap_or_default();
            let value = value.trim_end().replace("\r\n", "\n");
            let value = if self.plan.is_terse { value.as_str() } else { value.trim_start() };
            (name.to_owned(), value.to_owned())
        };
        let packets = &mut self.packets;
        match does {
            MilterDoes::AddsField => {
                let (field, value) = value(filter::added_field(&name));
                packets.put(b'h', None, &[&field, &value]);
            }
            MilterDoes::InsertsField => {
                let (field, value) = value(filter::inserted_field(&name));
                packets.put(b'i', Some(self.traces + 1), &[&field, &value]);
            }
            MilterDoes::ChangesSubject => {
                let (_, value) = value(format!("Subject: {}", filter::new_subject(&name)));
                packets.put(b'm', Some(1), &["Subject", &value]);
            }
            MilterDoes::DeletesSubject => packets.put(b'm', Some(1), &["Subject", ""]),
            MilterDoes::ReplacesBody => {
                packets.put_octets(&[b"b", filter::new_body(&name).as_bytes()].concat());
            }
            MilterDoes::AddsRecipient(to) => packets.put(b'+', None, &[&format!("<{to}>")]),
            MilterDoes::AddsUnasked(to) => packets.put(b'2', None, &[&format!("<{to}>"), ""]),
            MilterDoes::TakesOff(to) => packets.put(b'-', None, &[&format!("<{to}>")]),
            MilterDoes::Quarantines => packets.put(b'q', None, &["it looks strange"]),
            _ => {}
        }
    }

    /// Answers with a letter.
    async fn say(
        &mut self,
        stage: Stage,
        letter: u8,
        words: &[String],
        said: Option<Filtering>,
    ) -> io::Result<Go> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.packets.put(letter, None, &words);
        self.answer(stage, said).await
    }

    /// Sends the answer that is due, or does what it should not.
    async fn answer(&mut self, stage: Stage, said: Option<Filtering>) -> io::Result<Go> {
        let is_now = |(place, does): &&(usize, MilterFails)| {
            stage_of(does) == Some(stage) && !self.done.contains(place)
        };
        let lapse = self.lapses.iter().find(is_now).cloned();
        if let Some((place, _)) = &lapse {
            self.scene.bit(*place);
            self.done.insert(*place);
        }
        match lapse.map(|(_, does)| does) {
            None => {}
            Some(MilterFails::Lingers { by, .. }) => {
                self.linger(by.0).await?;
                self.scene.points.reached(super::FILTER_WAITED_FOR);
            }
            Some(MilterFails::AnswersTwice(_)) => self.packets.double(),
            Some(does) => {
                self.packets.take_back();
                match does {
                    MilterFails::SaysNothing(_) => {
                        // It listens until the other side has had enough.
                        while let Ok(Some(_)) = self.packets.next().await {}
                        return Ok(Go::Away);
                    }
                    MilterFails::Garbles(_) => self.packets.put_garbage(),
                    MilterFails::WrongVersion => self.packets.put_octets(&self.negotiation(NO_VERSION)),
                    MilterFails::AnswersAmiss(Stage::Connection) => self.packets.put(b'c', None, &[]),
                    MilterFails::AnswersAmiss(_) => self.packets.put_octets(&self.negotiation(6)),
                    _ => return Ok(Go::Away),
                }
                self.packets.send().await?;
                return Ok(Go::On);
            }
        }
        if let Some(said) = said {
            self.scene.journal.note(&self.plan.name, What::Milter(said));
        }
        self.packets.send().await?;
        Ok(Go::On)
    }

    /// Takes its time, and says now and then that it is still working.
    async fn linger(&mut self, by: Duration) -> io::Result<()> {
        let due = self.packets.take_back();
        let mut rest = by;
        while !rest.is_zero() {
            let wait = rest.min(PROGRESS);
            sleep(wait).await;
            rest -= wait;
            if !rest.is_zero() {
                self.packets.put(b'p', None, &[]);
                self.packets.send().await?;
            }
        }
        self.packets.put_back(due);
        Ok(())
    }
}

/// A path without its angle brackets.
fn bare(path: &str) -> String {
    path.trim_start_matches('<').trim_end_matches('>').to_owned()
}

/// The stage at which a lapse stands in the way of an answer.
fn stage_of(does: &MilterFails) -> Option<Stage> {
    match does {
        MilterFails::IsDown => None,
        MilterFails::WrongVersion => Some(Stage::Connection),
        MilterFails::SaysNothing(stage)
        | MilterFails::Drops(stage)
        | MilterFails::Garbles(stage)
        | MilterFails::AnswersAmiss(stage)
        | MilterFails::AnswersTwice(stage)
        | MilterFails::Lingers { at: stage, .. } => Some(*stage),
    }
}
