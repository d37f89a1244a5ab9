//! Which faults belong together, and the name of each kind.

use super::{ClientDoes, DiskFailure, DnsAnswer, Fault, MilterFails, ServerDoes, When};

/// Faults of one sort: what a seed turns on, or leaves off altogether.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Between the machines.
    Network,
    /// To a process or a machine as a whole.
    Process,
    /// At the gateway's disk.
    Disk,
    /// At the gateway's clock.
    Clock,
    /// In what the gateway hears of names.
    Dns,
    /// In the mail servers.
    Servers,
    /// In the clients.
    Clients,
    /// In the gateway's extension.
    Extension,
    /// In the milters.
    Milters,
}

/// The kinds that can only do anything where there is TLS.
pub(crate) const OF_TLS: [&str; 7] = [
    "server-refuses-starttls",
    "server-breaks-handshake",
    "server-wrong-certificate",
    "server-unknown-authority",
    "server-expired-certificate",
    "client-injects-before-tls",
    "client-breaks-handshake",
];

impl Family {
    /// Every family.
    pub const ALL: [Family; 9] = [
        Family::Network,
        Family::Process,
        Family::Disk,
        Family::Clock,
        Family::Dns,
        Family::Servers,
        Family::Clients,
        Family::Extension,
        Family::Milters,
    ];

    /// The kinds of fault in it, as [`Fault::kind`] names them.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Family::Network => &["partition", "partition-one-way", "hold", "slow-link", "loss", "reset"],
            Family::Process => &[
                "kill-at",
                "kill-at-event",
                "kill-at-disk-operation",
                "power-cut-at",
                "power-cut-at-event",
                "power-cut-at-disk-operation",
                "stop",
            ],
            Family::Disk => &[
                "disk-eio",
                "disk-enospc",
                "torn-write",
                "lost-data",
                "lost-rename",
                "slow-sync",
                "file-vanishes",
                "low-space",
            ],
            Family::Clock => &["clock-jump", "clock-skew"],
            Family::Dns => &[
                "dns-timeout",
                "dns-servfail",
                "dns-nxdomain",
                "dns-no-mx",
                "dns-mx-to-itself",
                "dns-cname-chain",
                "dns-null-mx",
                "dns-refusing-addresses",
                "dns-lame",
                "dns-truncated",
                "dns-wrong-id",
                "dns-wrong-question",
                "dns-malformed",
                "dns-spoofed",
                "dns-slow",
                "dns-cname-loop",
                "dns-old-host",
            ],
            Family::Servers => &[
                "server-says-nothing",
                "server-drops",
                "server-replies-4xx",
                "server-replies-5xx",
                "server-refuses-one",
                "server-garbles",
                "server-replies-forever",
                "server-replies-too-long",
                "server-percent-replies",
                "server-replies-twice",
                "server-resets-with-mail-kept",
                "server-resets-with-mail-lost",
                "server-stalls",
                "server-drips",
                "server-knows-no-ehlo",
                "server-grants-data",
                "server-closes-between-messages",
                "server-limits-messages",
                "server-refuses-utf8",
                "server-withdraws-utf8",
                "server-hands-back",
                "server-refuses-starttls",
                "server-breaks-handshake",
                "server-wrong-certificate",
                "server-unknown-authority",
                "server-expired-certificate",
            ],
            Family::Clients => &[
                "client-drops",
                "client-resets",
                "client-stalls",
                "client-drips",
                "client-smuggles",
                "client-pipelines",
                "client-long-command",
                "client-long-line",
                "client-percent",
                "client-bare-lf",
                "client-misorders",
                "client-guesses-passwords",
                "client-dawdles",
                "client-chatters",
                "client-says-helo",
                "client-interrupts-chunks",
                "client-asks-for-mail",
                "client-floods",
                "client-harvests",
                "client-hides-utf8",
                "client-injects-before-tls",
                "client-breaks-handshake",
            ],
            Family::Extension => &[
                "extension-panics",
                "extension-kills",
                "extension-delays",
                "extension-hangs",
                "extension-drops",
                "extension-rewrites",
                "extension-reroutes",
            ],
            Family::Milters => &[
                "milter-is-down",
                "milter-says-nothing",
                "milter-drops",
                "milter-garbles",
                "milter-answers-amiss",
                "milter-answers-twice",
                "milter-wrong-version",
                "milter-lingers",
            ],
        }
    }
}

impl Fault {
    /// Its kind, as it is counted.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Partition { .. } => "partition",
            Fault::PartitionOneWay { .. } => "partition-one-way",
            Fault::Hold { .. } => "hold",
            Fault::SlowLink { .. } => "slow-link",
            Fault::Loss { .. } => "loss",
            Fault::Reset { .. } => "reset",
            Fault::Stop { .. } => "stop",
            Fault::Kill { when: When::At(_), .. } => "kill-at",
            Fault::Kill { when: When::Event { .. }, .. } => "kill-at-event",
            Fault::Kill { when: When::Disk { .. }, .. } => "kill-at-disk-operation",
            Fault::PowerCut { when: When::At(_), .. } => "power-cut-at",
            Fault::PowerCut { when: When::Event { .. }, .. } => "power-cut-at-event",
            Fault::PowerCut { when: When::Disk { .. }, .. } => "power-cut-at-disk-operation",
            Fault::DiskFails { error: DiskFailure::Eio, .. } => "disk-eio",
            Fault::DiskFails { error: DiskFailure::Enospc, .. } => "disk-enospc",
            Fault::TornWrite { .. } => "torn-write",
            Fault::LostData { .. } => "lost-data",
            Fault::LostRename { .. } => "lost-rename",
            Fault::SlowSync { .. } => "slow-sync",
            Fault::FileVanishes { .. } => "file-vanishes",
            Fault::LowSpace { .. } => "low-space",
            Fault::ClockJump { .. } => "clock-jump",
            Fault::ClockSkew { .. } => "clock-skew",
            Fault::Dns { answer, .. } => match answer {
                DnsAnswer::Timeout => "dns-timeout",
                DnsAnswer::Servfail => "dns-servfail",
                DnsAnswer::Nxdomain => "dns-nxdomain",
                DnsAnswer::NoMx => "dns-no-mx",
                DnsAnswer::MxToItself => "dns-mx-to-itself",
                DnsAnswer::CnameChain => "dns-cname-chain",
                DnsAnswer::NullMx => "dns-null-mx",
                DnsAnswer::RefusingAddresses => "dns-refusing-addresses",
                DnsAnswer::Lame => "dns-lame",
                DnsAnswer::Truncated => "dns-truncated",
                DnsAnswer::WrongId => "dns-wrong-id",
                DnsAnswer::WrongQuestion => "dns-wrong-question",
                DnsAnswer::Malformed => "dns-malformed",
                DnsAnswer::Spoofed => "dns-spoofed",
                DnsAnswer::Slow => "dns-slow",
                DnsAnswer::CnameLoop => "dns-cname-loop",
                DnsAnswer::OldHost => "dns-old-host",
            },
            Fault::Server { does, .. } => match does {
                ServerDoes::SaysNothing => "server-says-nothing",
                ServerDoes::Drops(_) => "server-drops",
                ServerDoes::Replies { reply, .. } if reply.starts_with('4') => "server-replies-4xx",
                ServerDoes::Replies { .. } => "server-replies-5xx",
                ServerDoes::RefusesOne { .. } => "server-refuses-one",
                ServerDoes::Garbles(_) => "server-garbles",
                ServerDoes::RepliesForever(_) => "server-replies-forever",
                ServerDoes::RepliesTooLong(_) => "server-replies-too-long",
                ServerDoes::PercentReplies => "server-percent-replies",
                ServerDoes::RepliesTwice(_) => "server-replies-twice",
                ServerDoes::ResetsAfterFinalDot { kept: true } => "server-resets-with-mail-kept",
                ServerDoes::ResetsAfterFinalDot { kept: false } => "server-resets-with-mail-lost",
                ServerDoes::Stalls { .. } => "server-stalls",
                ServerDoes::Drips => "server-drips",
                ServerDoes::KnowsNoEhlo => "server-knows-no-ehlo",
                ServerDoes::GrantsData => "server-grants-data",
                ServerDoes::ClosesBetweenMessages { .. } => "server-closes-between-messages",
                ServerDoes::LimitsMessages { .. } => "server-limits-messages",
                ServerDoes::RefusesUtf8 => "server-refuses-utf8",
                ServerDoes::WithdrawsUtf8 => "server-withdraws-utf8",
                ServerDoes::HandsBack => "server-hands-back",
                ServerDoes::RefusesStartTls { .. } => "server-refuses-starttls",
                ServerDoes::BreaksHandshake(_) => "server-breaks-handshake",
                ServerDoes::WrongCertificate => "server-wrong-certificate",
                ServerDoes::UnknownAuthority => "server-unknown-authority",
                ServerDoes::ExpiredCertificate => "server-expired-certificate",
            },
            Fault::Client { does, .. } => match does {
                ClientDoes::Drops(_) => "client-drops",
                ClientDoes::Resets(_) => "client-resets",
                ClientDoes::Stalls { .. } => "client-stalls",
                ClientDoes::Drips => "client-drips",
                ClientDoes::Smuggles(_) => "client-smuggles",
                ClientDoes::Pipelines => "client-pipelines",
                ClientDoes::LongCommand => "client-long-command",
                ClientDoes::LongLine => "client-long-line",
                ClientDoes::Percent => "client-percent",
                ClientDoes::BareLf => "client-bare-lf",
                ClientDoes::Misorders => "client-misorders",
                ClientDoes::GuessesPasswords => "client-guesses-passwords",
                ClientDoes::Dawdles => "client-dawdles",
                ClientDoes::Chatters => "client-chatters",
                ClientDoes::SaysHelo => "client-says-helo",
                ClientDoes::InterruptsChunks => "client-interrupts-chunks",
                ClientDoes::AsksForMail => "client-asks-for-mail",
                ClientDoes::Floods => "client-floods",
                ClientDoes::Harvests => "client-harvests",
                ClientDoes::HidesUtf8 => "client-hides-utf8",
                ClientDoes::InjectsBeforeTls => "client-injects-before-tls",
                ClientDoes::BreaksHandshake(_) => "client-breaks-handshake",
            },
            Fault::Milter { does, .. } => match does {
                MilterFails::IsDown => "milter-is-down",
                MilterFails::SaysNothing(_) => "milter-says-nothing",
                MilterFails::Drops(_) => "milter-drops",
                MilterFails::Garbles(_) => "milter-garbles",
                MilterFails::AnswersAmiss(_) => "milter-answers-amiss",
                MilterFails::AnswersTwice(_) => "milter-answers-twice",
                MilterFails::WrongVersion => "milter-wrong-version",
                MilterFails::Lingers { .. } => "milter-lingers",
            },
            Fault::ExtensionPanics { .. } => "extension-panics",
            Fault::ExtensionKills { .. } => "extension-kills",
            Fault::ExtensionDelays { .. } => "extension-delays",
            Fault::ExtensionHangs { .. } => "extension-hangs",
            Fault::ExtensionDrops { .. } => "extension-drops",
            Fault::ExtensionRewrites { .. } => "extension-rewrites",
            Fault::ExtensionReroutes { .. } => "extension-reroutes",
        }
    }

    /// The family of its kind.
    pub fn family(&self) -> Family {
        let kind = self.kind();
        Family::ALL
            .into_iter()
            .find(|family| family.kinds().contains(&kind))
            .expect("every kind is of a family: a test asks each")
    }
}
