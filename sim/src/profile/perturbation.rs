//! The faults of a drawn scenario: some families on, the others fully off.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::Faults;
use super::cast::{Cast, Server};
use super::international;
use crate::draw::{Dice, Seed};
use crate::fault::{
    BrokenHandshake, ClientDoes, DiskFailure, DiskFolder, DiskOp, DnsAnswer, FalseEnd, Family, Fault,
    MilterFails, OF_TLS, ServerDoes, Stage, When,
};
use crate::scenario::file::{Client, Milter};
use crate::span::{Span, Step};

/// Kinds that are drawn apart from the others of their families, each from a stream of its own and in so many of a hundred
/// seeds: they came later, and what a seed drew before stays as it was.
const APART: [(&str, Family, u64); 8] = [
    ("client-asks-for-mail", Family::Clients, 5),
    ("client-floods", Family::Clients, 6),
    ("client-harvests", Family::Clients, 6),
    ("dns-cname-loop", Family::Dns, 4),
    ("dns-old-host", Family::Dns, 6),
    ("server-closes-between-messages", Family::Servers, 8),
    ("server-limits-messages", Family::Servers, 8),
    ("stop", Family::Process, 6),
];
/// Kinds that are drawn where there is TLS, likewise.
const CERTIFICATES: [&str; 2] = ["server-unknown-authority", "server-expired-certificate"];
/// The chance of one that has something to attack.
const ATTACK_CHANCE: u64 = 60;

/// A kind that has something to attack, and comes more often: with one of these messages, if any is named.
pub(super) struct Attacked {
    pub(super) kind: &'static str,
    pub(super) messages: Vec<String>,
}

fn is_apart(kind: &str) -> bool {
    APART.iter().any(|(apart, ..)| *apart == kind)
}

/// Draws the faults.
pub(super) fn draw(
    faults: &Faults,
    cast: &Cast,
    clients: &[Client],
    milters: &[Milter],
    attacked: &[Attacked],
    has_tls: bool,
    seed: Seed,
) -> Vec<Fault> {
    let messages: Vec<&str> = clients
        .iter()
        .flat_map(|client| &client.message)
        .map(|message| message.name.as_ref().as_str())
        .collect();
    let recipients = clients.iter().flat_map(|client| &client.message).flat_map(|message| &message.to);
    let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
    for recipient in recipients {
        *asked.entry(recipient.domain().as_str()).or_default() += 1;
    }
    let mut drawn = Vec::new();
    for (family, chance) in &faults.families {
        // Each family has a stream of its own: one more or less changes no other.
        let mut dice = Dice::of(seed, &format!("faults {family:?}"));
        if !dice.chance(*chance) {
            continue;
        }
        let lines = dice.small_number(faults.lines);
        let mut hand = Hand { faults, cast, messages: &messages, asked: &asked, milters, has_tls, dice };
        drawn.extend((0..lines).filter_map(|_| hand.line(*family)));
    }
    let is_on = |family: &Family| faults.families.get(family).is_some_and(|chance| *chance > 0);
    for (kind, family, chance) in APART.into_iter().filter(|(_, family, _)| is_on(family)) {
        let weight = faults.kinds.get(kind).copied().unwrap_or(1);
        let attacked = attacked.iter().find(|attacked| attacked.kind == kind);
        let chance = if attacked.is_some() { ATTACK_CHANCE } else { chance };
        let meant = attacked.iter().flat_map(|attacked| &attacked.messages).map(String::as_str);
        let meant: Vec<&str> = meant.collect();
        let messages = if meant.is_empty() { &messages } else { &meant };
        let mut dice = Dice::of(seed, &format!("faults {kind}"));
        if dice.chance(chance * weight) {
            let mut hand = Hand { faults, cast, messages, asked: &asked, milters, has_tls, dice };
            drawn.extend(match family {
                Family::Process => Some(hand.stop(clients)),
                _ => hand.line_of(family, kind),
            });
        }
    }
    if has_tls {
        let dice = Dice::of(seed, "faults tls");
        let mut hand = Hand { faults, cast, messages: &messages, asked: &asked, milters, has_tls, dice };
        drawn.extend(hand.attack_on_tls());
        hand.dice = Dice::of(seed, "faults certificates");
        drawn.extend(hand.wrong_certificate());
    }
    drawn
}

/// Draws the lines of one family.
struct Hand<'a> {
    faults: &'a Faults,
    cast: &'a Cast,
    messages: &'a [&'a str],
    /// The domains that there is mail for, and for how many recipients of it.
    asked: &'a BTreeMap<&'a str, usize>,
    milters: &'a [Milter],
    has_tls: bool,
    dice: Dice,
}

impl<'a> Hand<'a> {
    fn line(&mut self, family: Family) -> Option<Fault> {
        let usual = |kind: &&'static str| u64::from(self.has_tls || !OF_TLS.contains(kind));
        let weight = |kind: &&'static str| match usual(kind) {
            0 => 0,
            usual => self.faults.kinds.get(*kind).copied().unwrap_or(usual),
        };
        let is_drawn_elsewhere = |kind: &&&str| {
            is_apart(kind) || international::KINDS.contains(kind) || CERTIFICATES.contains(kind)
        };
        let kinds = family.kinds().iter().filter(|kind| !is_drawn_elsewhere(kind));
        let kinds: Vec<_> = kinds.map(|kind| (*kind, weight(kind))).collect();
        let kind = self.dice.weighted(kinds.into_iter())?;
        self.line_of(family, kind)
    }

    fn line_of(&mut self, family: Family, kind: &str) -> Option<Fault> {
        Some(match family {
            Family::Network => self.network(kind),
            Family::Process => self.process(kind),
            Family::Disk => self.disk(kind),
            Family::Clock => self.clock(kind),
            Family::Dns => self.dns(kind),
            Family::Servers if is_apart(kind) => self.keeper(kind),
            Family::Servers => self.server(kind),
            Family::Clients => self.client(kind),
            Family::Extension => self.extension(kind),
            Family::Milters => return self.milter(kind),
        })
    }

    fn network(&mut self, kind: &str) -> Fault {
        let (at, until) = self.period();
        let peer = if self.dice.chance(50) {
            self.dice.pick(&self.cast.clients).name.clone()
        } else {
            self.mail_server().host.name.clone()
        };
        let gateway = self.cast.gateway.name.clone();
        let between = [gateway.clone(), peer.clone()];
        match kind {
            "partition" => Fault::Partition { between, at, until },
            "partition-one-way" if self.dice.chance(50) => {
                Fault::PartitionOneWay { from: gateway, to: peer, at, until }
            }
            "partition-one-way" => Fault::PartitionOneWay { from: peer, to: gateway, at, until },
            "hold" => Fault::Hold { between, at, until },
            "slow-link" => {
                let latency = self.dice.span([seconds(1), seconds(30)]);
                Fault::SlowLink { between, at, until, latency }
            }
            "loss" => Fault::Loss { between, at, until, one_in: self.dice.number([2, 8]) },
            _ => Fault::Reset { between, at },
        }
    }

    /// While a message is handed over, or right before.
    fn stop(&mut self, clients: &[Client]) -> Fault {
        let restart_after = self.dice.span(self.faults.restart_after);
        let times: Vec<Span> =
            clients.iter().flat_map(|client| &client.message).map(|message| message.at).collect();
        let after = self.dice.span([Span::ZERO, seconds(2)]);
        Fault::Stop { at: Span(self.dice.pick(&times).0 + after.0), restart_after }
    }

    fn process(&mut self, kind: &str) -> Fault {
        let restart_after = self.dice.span(self.faults.restart_after);
        let when = if kind.ends_with("-at") {
            When::At(self.dice.span(self.faults.begins))
        } else if kind.ends_with("-at-event") {
            // Started, handed on, taken, and what goes with failures.
            let id = *self.dice.pick(&[1000, 2001, 2002, 2006, 3010, 4031, 4070, 4117, 4182]);
            When::Event { id, nth: self.dice.number([1, 4]) }
        } else {
            let (op, folder) = self.disk_place();
            When::Disk { op, folder, nth: self.dice.number([1, 8]) }
        };
        let another = matches!(when, When::At(_)) && self.dice.chance(25);
        let machine = another.then(|| self.mail_server().host.name.clone());
        if kind.starts_with("kill") {
            Fault::Kill { machine, when, restart_after }
        } else {
            Fault::PowerCut { machine, when, restart_after }
        }
    }

    /// An operation and a folder in which the gateway does it.
    fn disk_place(&mut self) -> (DiskOp, DiskFolder) {
        use DiskFolder::{Bad, In, Mailboxes, Out, Queue, Work};
        use DiskOp::{Append, Create, List, Read, Remove, Rename, Sync, SyncDir, Write};
        *self.dice.pick(&[
            (Create, Work),
            (Create, Mailboxes),
            (Append, Queue),
            (Write, Work),
            (Write, Queue),
            (Write, Mailboxes),
            (Sync, Work),
            (Sync, Queue),
            (Sync, Mailboxes),
            (Rename, In),
            (Rename, Out),
            (Rename, Bad),
            (Rename, Mailboxes),
            (Remove, In),
            (Remove, Out),
            (Remove, Work),
            (Remove, Queue),
            (Read, In),
            (Read, Out),
            (Read, Queue),
            (List, In),
            (List, Out),
            (List, Queue),
            (SyncDir, In),
            (SyncDir, Out),
            (SyncDir, Queue),
            (SyncDir, Mailboxes),
        ])
    }

    fn disk(&mut self, kind: &str) -> Fault {
        let restart_after = self.dice.span(self.faults.restart_after);
        let nth = self.dice.number([1, 8]);
        match kind {
            "disk-eio" | "disk-enospc" => {
                let (op, folder) = self.disk_place();
                let times = self.dice.small_number([1, 20]);
                let error = if kind == "disk-eio" { DiskFailure::Eio } else { DiskFailure::Enospc };
                Fault::DiskFails { op, folder, nth, times, error }
            }
            "torn-write" => {
                let folder = *self.dice.pick(&[DiskFolder::Work, DiskFolder::Queue, DiskFolder::Mailboxes]);
                Fault::TornWrite { folder, nth, restart_after }
            }
            "lost-data" => {
                let folder = *self.dice.pick(&[DiskFolder::Work, DiskFolder::Queue, DiskFolder::Mailboxes]);
                Fault::LostData { folder, nth, restart_after }
            }
            "lost-rename" => {
                let folder = *self.dice.pick(&[DiskFolder::In, DiskFolder::Out, DiskFolder::Mailboxes]);
                Fault::LostRename { folder, nth, restart_after }
            }
            "slow-sync" => {
                let folder = *self.dice.pick(&[DiskFolder::Work, DiskFolder::In, DiskFolder::Queue]);
                let times = self.dice.number([1, 10]);
                Fault::SlowSync { folder, nth, times, by: self.dice.span([seconds(1), seconds(120)]) }
            }
            "file-vanishes" => {
                let folder = *self.dice.pick(&[DiskFolder::In, DiskFolder::Out]);
                let at = self.dice.span(self.faults.begins);
                Fault::FileVanishes { message: self.message(), folder, at }
            }
            _ => {
                let (at, until) = self.period();
                Fault::LowSpace { at, until, free: self.dice.small_number([0, 200_000]) }
            }
        }
    }

    fn clock(&mut self, kind: &str) -> Fault {
        let minutes = i64::try_from(self.dice.small_number([1, 3 * 24 * 60])).unwrap_or_default();
        let by = Step(SignedDuration::from_mins(if self.dice.chance(50) { minutes } else { -minutes }));
        if kind == "clock-jump" {
            Fault::ClockJump { at: self.dice.span(self.faults.begins), by }
        } else {
            Fault::ClockSkew { by }
        }
    }

    fn dns(&mut self, kind: &str) -> Fault {
        let (at, until) = self.period();
        let answer = match kind {
            "dns-timeout" => DnsAnswer::Timeout,
            "dns-servfail" => DnsAnswer::Servfail,
            "dns-nxdomain" => DnsAnswer::Nxdomain,
            "dns-no-mx" => DnsAnswer::NoMx,
            "dns-mx-to-itself" => DnsAnswer::MxToItself,
            "dns-cname-chain" => DnsAnswer::CnameChain,
            "dns-null-mx" => DnsAnswer::NullMx,
            "dns-lame" => DnsAnswer::Lame,
            "dns-truncated" => DnsAnswer::Truncated,
            "dns-wrong-id" => DnsAnswer::WrongId,
            "dns-wrong-question" => DnsAnswer::WrongQuestion,
            "dns-malformed" => DnsAnswer::Malformed,
            "dns-spoofed" => DnsAnswer::Spoofed,
            "dns-slow" => DnsAnswer::Slow,
            "dns-cname-loop" => DnsAnswer::CnameLoop,
            "dns-old-host" => DnsAnswer::OldHost,
            _ => DnsAnswer::RefusingAddresses,
        };
        let of_a_host = matches!(answer, DnsAnswer::RefusingAddresses)
            || self.dice.chance(30)
                && !matches!(answer, DnsAnswer::NullMx | DnsAnswer::MxToItself | DnsAnswer::NoMx);
        let server = self.mail_server();
        let name = match server.domains.first() {
            Some(_) if !of_a_host => {
                let domains = server.domains.clone();
                self.dice.pick(&domains).clone()
            }
            _ => server.host.name.clone(),
        };
        if answer == DnsAnswer::OldHost {
            // Soon over, so that the mail that goes astray is some that comes later.
            let until = self.dice.span([seconds(60), seconds(600)]);
            return Fault::Dns { name, answer, at: Span::ZERO, until };
        }
        Fault::Dns { name, answer, at, until }
    }

    fn server(&mut self, kind: &str) -> Fault {
        let (at, until) = self.period();
        let server = self.mail_server().host.name.clone();
        let connection = self.dice.chance(30).then(|| self.dice.number([1, 4]));
        // What is said of a recipient is where servers differ most.
        let stage = if self.dice.chance(30) { Stage::Rcpt } else { *self.dice.pick(&Stage::ALL) };
        // Nobody replies in the middle of a message.
        let reply_to = if stage == Stage::Content { Stage::FinalDot } else { stage };
        let does = match kind {
            "server-says-nothing" => ServerDoes::SaysNothing,
            "server-drops" => ServerDoes::Drops(stage),
            "server-replies-4xx" => {
                let replies =
                    ["421 4.3.2 closing", "450 4.2.1 busy", "451 4.3.0 local error", "452 4.3.1 no room"];
                ServerDoes::Replies { to: reply_to, reply: (*self.dice.pick(&replies)).to_owned() }
            }
            "server-replies-5xx" => {
                let replies = [
                    "550 5.1.1 no such user",
                    "552 too big",
                    "554-5.7.1 no,\n554 and that is that",
                    "521 no mail",
                ];
                ServerDoes::Replies { to: reply_to, reply: (*self.dice.pick(&replies)).to_owned() }
            }
            "server-refuses-one" => {
                let replies = ["450 4.2.1 busy", "550 5.1.1 no such user"];
                ServerDoes::RefusesOne { reply: (*self.dice.pick(&replies)).to_owned() }
            }
            "server-garbles" => ServerDoes::Garbles(reply_to),
            "server-replies-forever" => ServerDoes::RepliesForever(reply_to),
            "server-replies-too-long" => ServerDoes::RepliesTooLong(reply_to),
            "server-percent-replies" => ServerDoes::PercentReplies,
            "server-replies-twice" => ServerDoes::RepliesTwice(reply_to),
            "server-resets-with-mail-kept" => ServerDoes::ResetsAfterFinalDot { kept: true },
            "server-resets-with-mail-lost" => ServerDoes::ResetsAfterFinalDot { kept: false },
            "server-stalls" => ServerDoes::Stalls { by: self.dice.span([seconds(10), seconds(1200)]) },
            "server-drips" => ServerDoes::Drips,
            "server-knows-no-ehlo" => ServerDoes::KnowsNoEhlo,
            "server-grants-data" => ServerDoes::GrantsData,
            "server-refuses-starttls" => ServerDoes::RefusesStartTls { offered: self.dice.chance(50) },
            "server-breaks-handshake" => ServerDoes::BreaksHandshake(*self.dice.pick(&BrokenHandshake::ALL)),
            "server-wrong-certificate" => ServerDoes::WrongCertificate,
            "server-unknown-authority" => ServerDoes::UnknownAuthority,
            "server-expired-certificate" => ServerDoes::ExpiredCertificate,
            _ => ServerDoes::HandsBack,
        };
        Fault::Server { server, connection, at, until, does }
    }

    /// What a server does to a connection that is kept, for the whole time: the server that is given the most mail, since
    /// no other is given two messages one after the other for long.
    fn keeper(&mut self, kind: &str) -> Fault {
        let mail = |server: &&Server| {
            let domains = server.domains.iter();
            domains.filter_map(|domain| self.asked.get(domain.as_str())).sum::<usize>()
        };
        let server = self.cast.servers.iter().max_by_key(mail).expect("there is a server in every cast");
        let server = server.host.name.clone();
        let does = if kind == "server-limits-messages" {
            ServerDoes::LimitsMessages { to: self.dice.number([1, 2]) }
        } else {
            let after =
                if self.dice.chance(50) { Span::ZERO } else { self.dice.span([Span::ZERO, seconds(6)]) };
            ServerDoes::ClosesBetweenMessages { after }
        };
        Fault::Server { server, connection: None, at: Span::ZERO, until: self.faults.lasts[1], does }
    }

    fn client(&mut self, kind: &str) -> Fault {
        let stage = *self.dice.pick(&Stage::ALL);
        let does = match kind {
            "client-drops" => ClientDoes::Drops(stage),
            "client-resets" => ClientDoes::Resets(stage),
            "client-stalls" => {
                ClientDoes::Stalls { at: stage, by: self.dice.span([seconds(10), seconds(900)]) }
            }
            "client-drips" => ClientDoes::Drips,
            "client-smuggles" => ClientDoes::Smuggles(*self.dice.pick(&FalseEnd::ALL)),
            "client-pipelines" => ClientDoes::Pipelines,
            "client-long-command" => ClientDoes::LongCommand,
            "client-long-line" => ClientDoes::LongLine,
            "client-percent" => ClientDoes::Percent,
            "client-bare-lf" => ClientDoes::BareLf,
            "client-misorders" => ClientDoes::Misorders,
            "client-dawdles" => ClientDoes::Dawdles,
            "client-chatters" => ClientDoes::Chatters,
            "client-says-helo" => ClientDoes::SaysHelo,
            "client-interrupts-chunks" => ClientDoes::InterruptsChunks,
            "client-asks-for-mail" => ClientDoes::AsksForMail,
            "client-floods" => ClientDoes::Floods,
            "client-harvests" => ClientDoes::Harvests,
            "client-injects-before-tls" => ClientDoes::InjectsBeforeTls,
            "client-breaks-handshake" => ClientDoes::BreaksHandshake(*self.dice.pick(&BrokenHandshake::ALL)),
            _ => ClientDoes::GuessesPasswords,
        };
        Fault::Client { message: self.message(), attempt: self.dice.small_number([1, 3]) as usize, does }
    }

    fn extension(&mut self, kind: &str) -> Fault {
        let message = self.message();
        match kind {
            "extension-panics" => Fault::ExtensionPanics { message },
            "extension-kills" => Fault::ExtensionKills { message },
            "extension-delays" => {
                Fault::ExtensionDelays { message, by: self.dice.span([seconds(1), seconds(200)]) }
            }
            "extension-hangs" => Fault::ExtensionHangs { message },
            "extension-drops" => Fault::ExtensionDrops { message },
            "extension-rewrites" => Fault::ExtensionRewrites { message },
            _ => Fault::ExtensionReroutes { message },
        }
    }

    /// A line about TLS, for more than half of the seeds that have it: there are too few of them for the families alone.
    fn attack_on_tls(&mut self) -> Option<Fault> {
        let is_on = |family| self.faults.families.get(&family).is_some_and(|chance| *chance > 0);
        let (servers, clients) = (is_on(Family::Servers), is_on(Family::Clients));
        let kinds = OF_TLS.into_iter().filter(|kind| !CERTIFICATES.contains(kind));
        let kinds = kinds.filter(|kind| self.faults.kinds.get(*kind) != Some(&0));
        let kinds = kinds.filter(|kind| if kind.starts_with("server") { servers } else { clients });
        let kinds: Vec<&str> = kinds.collect();
        if kinds.is_empty() || !self.dice.chance(60) {
            return None;
        }
        let kind = *self.dice.pick(&kinds);
        if !kind.starts_with("server") {
            return Some(self.client(kind));
        }
        Some(self.on_every_connection(kind))
    }

    /// A certificate that is good for nothing, from the beginning.
    fn wrong_certificate(&mut self) -> Option<Fault> {
        let is_on = self.faults.families.get(&Family::Servers).is_some_and(|chance| *chance > 0);
        let kinds = CERTIFICATES.into_iter().filter(|kind| self.faults.kinds.get(*kind) != Some(&0));
        let kinds: Vec<&str> = kinds.filter(|_| is_on).collect();
        if kinds.is_empty() || !self.dice.chance(50) {
            return None;
        }
        let kind = *self.dice.pick(&kinds);
        Some(self.on_every_connection(kind))
    }

    /// What a server does on each connection, from the beginning.
    fn on_every_connection(&mut self, kind: &str) -> Fault {
        let mut fault = self.server(kind);
        if let Fault::Server { at, connection, .. } = &mut fault {
            (*at, *connection) = (Span(Duration::ZERO), None);
        }
        fault
    }

    /// Nothing where there is no milter.
    fn milter(&mut self, kind: &str) -> Option<Fault> {
        if self.milters.is_empty() {
            return None;
        }
        let (at, until) = self.period();
        let milter = self.dice.pick(self.milters).name.as_ref().clone();
        let connection = self.dice.chance(20).then(|| self.dice.number([1, 6]));
        let stages = [
            Stage::Connection,
            Stage::Ehlo,
            Stage::Mail,
            Stage::Rcpt,
            Stage::Data,
            Stage::Content,
            Stage::FinalDot,
            Stage::FinalDot,
        ];
        let stage = *self.dice.pick(&stages);
        let does = match kind {
            "milter-is-down" => MilterFails::IsDown,
            "milter-says-nothing" => MilterFails::SaysNothing(stage),
            "milter-drops" => MilterFails::Drops(stage),
            "milter-garbles" => MilterFails::Garbles(stage),
            "milter-answers-amiss" => MilterFails::AnswersAmiss(stage),
            "milter-answers-twice" => MilterFails::AnswersTwice(stage),
            "milter-wrong-version" => MilterFails::WrongVersion,
            _ => {
                let at = *self.dice.pick(&[Stage::Mail, Stage::Rcpt, Stage::Content, Stage::FinalDot]);
                MilterFails::Lingers { at, by: self.dice.span([seconds(5), seconds(200)]) }
            }
        };
        Some(Fault::Milter { milter, connection, at, until, does })
    }

    /// A mail server: nearly always one of a domain that there is mail for. What nobody meets can do no harm.
    fn mail_server(&mut self) -> &'a Server {
        let cast = self.cast;
        let is_asked =
            |server: &&Server| server.domains.iter().any(|domain| self.asked.contains_key(domain.as_str()));
        let busy: Vec<&Server> = cast.servers.iter().filter(is_asked).collect();
        if busy.is_empty() || self.dice.chance(15) {
            return self.dice.pick(&cast.servers);
        }
        busy[self.dice.number([0, busy.len() as u64 - 1]) as usize]
    }

    fn message(&mut self) -> String {
        (*self.dice.pick(self.messages)).to_owned()
    }

    /// When a fault begins and ends.
    fn period(&mut self) -> (Span, Span) {
        period(self.faults, &mut self.dice)
    }
}

/// From when until when something is wrong.
pub(super) fn period(faults: &Faults, dice: &mut Dice) -> (Span, Span) {
    let at = dice.span(faults.begins);
    let lasts = dice.span(faults.lasts);
    (at, Span(at.0 + lasts.0.max(Duration::from_secs(1))))
}

fn seconds(seconds: u64) -> Span {
    Span(Duration::from_secs(seconds))
}
