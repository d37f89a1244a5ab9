//! What Wireshark makes of a capture file. Where there is no `tshark`, these tests are shown as ignored.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(clippy::disallowed_methods, reason = "tshark reads files on the real disk")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gateway::release::Release;
use libtest_mimic::{Arguments, Failed, Trial};
use sim::draw::Seed;
use sim::engine::Leap;
use sim::plan::Plan;
use sim::record::{Content, Record, Speaker, What};
use sim::render::pcap;
use sim::run::run;
use sim::scenario::{Library, Scenario};
use sim::trace::Keep;
use tempfile::TempDir;

/// Where a packet has something wrong with it, in Wireshark's words.
const WRONG: &str = "_ws.malformed || _ws.expert.severity == error \
    || tcp.checksum.status == bad || udp.checksum.status == bad || ip.checksum.status == bad \
    || tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || tcp.analysis.out_of_order \
    || tcp.analysis.duplicate_ack || tcp.analysis.reused_ports || tcp.analysis.spurious_retransmission \
    || (tcp.analysis.retransmission && tcp.len > 0)";

fn main() {
    let is_there = Command::new("tshark").arg("--version").output().is_ok_and(|done| done.status.success());
    if !is_there {
        eprintln!("tshark is not installed: what needs it is ignored (Debian: apt-get install tshark)");
    }
    let tests: [(&str, fn()); 7] = [
        ("the_dialogues_in_the_file_are_those_of_the_record", dialogues),
        ("the_messages_in_the_file_are_those_of_the_plan", messages),
        ("nothing_is_wrong_with_any_packet", nothing_is_wrong),
        ("a_large_message_is_read_whole", large_message),
        ("what_is_encrypted_is_read_with_the_secrets_in_the_file", encrypted),
        ("names_are_asked_for_and_answered", names),
        ("a_damaged_octet_is_wrong", damage),
    ];
    let trials = tests.map(|(name, test)| {
        let test = move || -> Result<(), Failed> {
            test();
            Ok(())
        };
        Trial::test(name, test).with_ignored_flag(!is_there)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

/// A run and its file.
struct Caught {
    plan: Plan,
    record: Record,
    folder: TempDir,
}

impl Caught {
    fn new(plan: Plan) -> Self {
        let record = run(&plan, &Leap, Keep::Capture).unwrap();
        let mut file = Vec::new();
        pcap::write(&plan, &record, &mut file).unwrap();
        let caught = Caught { plan, record, folder: tempfile::tempdir().unwrap() };
        fs::write(caught.file(), file).unwrap();
        caught
    }

    /// A scenario, or a seed of a profile.
    fn of(name: &str, release: Release, seed: Option<u64>) -> Self {
        let library = Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let source = library.find(name).unwrap();
        let seed = seed.map_or(source.seed(), Seed);
        Caught::new(source.scenario(seed, release).plan(release, seed))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("run.pcapng")
    }

    /// What tshark prints of the packets that pass a filter, a line each.
    fn tshark(&self, filter: &str, fields: &[&str]) -> Vec<String> {
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(self.file()).args(["-Y", filter, "-T", "fields", "-E", "aggregator=|"]);
        tshark.args([
            "-o",
            "tcp.check_checksum:TRUE",
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "udp.check_checksum:TRUE",
        ]);
        for field in fields {
            tshark.args(["-e", field]);
        }
        let done = tshark.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    fn wrong(&self) -> Vec<String> {
        self.tshark(WRONG, &["frame.number", "_ws.expert.message"])
    }

    /// Every message that Wireshark saves.
    fn messages(&self) -> Vec<Vec<u8>> {
        let objects = self.folder.path().join("objects");
        let export = format!("imf,{}", objects.display());
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(self.file()).args(["-q", "--export-objects", &export]);
        assert!(tshark.output().unwrap().status.success());
        let files = fs::read_dir(objects).unwrap();
        let mut messages: Vec<_> = files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
        messages.sort();
        messages
    }
}

/// How often each dialogue was held: commands and replies, without the contents.
type Dialogues = BTreeMap<Vec<String>, usize>;

fn count(dialogues: BTreeMap<u32, Vec<String>>) -> Dialogues {
    let mut counts = Dialogues::new();
    dialogues.into_values().for_each(|dialogue| *counts.entry(dialogue).or_default() += 1);
    counts
}

fn recorded(record: &Record) -> Dialogues {
    let mut dialogues: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for entry in &record.entries {
        if let What::Smtp { connection, speaker: Speaker::Client | Speaker::Server, line } = &entry.what
            && !line.starts_with("(content of ")
            && line != "."
        {
            dialogues.entry(*connection).or_default().push(without_mark(line));
        }
    }
    count(dialogues)
}

/// A line of a reply that has more, without the mark of it: Wireshark shows code and text apart.
fn without_mark(line: &str) -> String {
    match line.split_at_checked(3) {
        Some((code, rest)) if code.parse::<u16>().is_ok() => {
            format!("{code} {}", rest.trim_start_matches(['-', ' ']))
        }
        _ => line.to_owned(),
    }
}

fn dissected(caught: &Caught) -> Dialogues {
    let fields =
        ["tcp.stream", "smtp.req.command", "smtp.req.parameter", "smtp.response.code", "smtp.rsp.parameter"];
    let mut dialogues: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for row in caught.tshark("smtp.req.command || smtp.response.code", &fields) {
        let [stream, command, parameter, code, replies] =
            row.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let said = dialogues.entry(stream.parse().unwrap()).or_default();
        if !command.is_empty() {
            said.push(format!("{command} {parameter}").trim_end().to_owned());
        }
        let replies: Vec<&str> = if code.is_empty() { Vec::new() } else { replies.split('|').collect() };
        said.extend(replies.iter().map(|reply| format!("{code} {reply}")));
    }
    count(dialogues)
}

fn dialogues() {
    let runs = [("Q178091", "5.5"), ("Q169681", "5.0-sp2"), ("one-bad-message-among-good-ones", "current")];
    for (name, release) in runs {
        let caught = Caught::of(name, release.parse().unwrap(), None);
        let recorded = recorded(&caught.record);
        assert!(recorded.keys().map(Vec::len).sum::<usize>() > 9, "{name}: {recorded:?}");
        assert_eq!(dissected(&caught), recorded, "{name}");
    }
}

fn messages() {
    for (name, release) in [("Q178091", "5.5"), ("one-bad-message-among-good-ones", "current")] {
        let caught = Caught::of(name, release.parse().unwrap(), None);
        let read = caught.messages();
        for message in caught.plan.messages() {
            assert!(read.contains(&message.content), "{name}: {} was not read", message.name);
        }
        let mut rest = read.clone();
        for entry in &caught.record.entries {
            if let What::Smtp { line, .. } = &entry.what
                && let Some(content) = Content::read(line)
            {
                let place = rest.iter().position(|message| message.len() == content.octets);
                rest.remove(place.unwrap_or_else(|| panic!("{name}: {line} was not read")));
            }
        }
        // What is left was returned in a report.
        let is_within = |part: &[u8]| {
            read.iter().any(|whole| {
                whole.len() > part.len() && whole.windows(part.len()).any(|octets| octets == part)
            })
        };
        assert!(rest.len() <= 1 && rest.iter().all(|part| is_within(part)), "{name}: {rest:?}");
    }
}

fn nothing_is_wrong() {
    let profiles = ["mixed", "hostile-peers", "bad-disk", "long-outage", "localhost-route"];
    let seeds = profiles.iter().flat_map(|profile| [9, 13].map(|seed| (*profile, seed)));
    // A server that does not stop talking.
    let seeds = seeds.chain([("hostile-peers", 102)]);
    let mut sent_again = 0;
    for (profile, seed) in seeds {
        let caught = Caught::of(profile, Release::Current, Some(seed));
        assert_eq!(caught.wrong(), [""; 0], "{profile}, seed {seed}");
        let all = caught.tshark("tcp", &["tcp.checksum.status", "frame.comment"]);
        assert!(all.iter().all(|packet| packet.starts_with('1')), "{profile}, seed {seed}: unverified");
        sent_again += all.iter().filter(|packet| packet.contains("sent again: ")).count();
    }
    assert!(sent_again > 10, "{sent_again}");
}

fn large_message() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/kb/Q178091-homed-sender.toml");
    let text = fs::read_to_string(path).unwrap().replace("subject = ", "octets = 300000\nsubject = ");
    let scenario = Scenario::parse("large", "large.toml", &text).unwrap();
    let caught = Caught::new(scenario.plan(Release::Current, scenario.seed()));
    assert_eq!(caught.wrong(), [""; 0]);
    let sent: Vec<_> = caught.plan.messages().map(|message| message.content.clone()).collect();
    assert!(sent[0].len() > 300_000);
    assert_eq!(caught.messages(), sent);
}

fn names() {
    let caught = Caught::of("one-bad-message-among-good-ones", Release::Current, None);
    let is_in_packets = caught.plan.name_server.is_some();
    assert!(is_in_packets);
    assert_eq!(caught.wrong(), [""; 0]);
    let fields = ["dns.qry.name", "dns.mx.mail_exchange", "udp.checksum.status"];
    let asked = caught.tshark("dns.qry.type == 15", &fields);
    let is_answer = |packet: &&String| packet.split('\t').nth(1).is_some_and(|exchange| !exchange.is_empty());
    assert!(asked.iter().filter(is_answer).count() > 0, "{asked:?}");
    assert!(asked.iter().filter(|packet| !is_answer(packet)).count() > 0, "{asked:?}");
    for server in &caught.plan.servers {
        for domain in &server.domains {
            let answered = |packet: &String| packet.starts_with(&format!("{domain}\t{}", server.name));
            let was_asked = asked.iter().any(|packet| packet.starts_with(&format!("{domain}\t")));
            assert!(!was_asked || asked.iter().any(answered), "{domain}: {asked:?}");
        }
    }
}

fn damage() {
    let caught = Caught::of("Q178091", Release::Current, None);
    let mut file = fs::read(caught.file()).unwrap();
    let place = file.windows(9).position(|octets| octets == b"MAIL FROM").unwrap();
    file[place + 10] ^= 1;
    fs::write(caught.file(), file).unwrap();
    assert_eq!(caught.wrong().len(), 1);
}

/// The same dialogues as in the Record: Wireshark reads them by the secrets that are in the file.
fn encrypted() {
    let caught = Caught::of("what-was-said-in-clear-is-forgotten-under-tls", Release::Current, None);
    let said = caught.tshark("tls && smtp.req.command", &["smtp.req.command"]);
    assert!(said.iter().filter(|command| *command == "MAIL").count() >= 3, "{said:?}");
    let in_clear = caught.tshark("!tls && smtp.command_line contains \"STARTTLS\"", &["frame.number"]);
    assert_eq!(in_clear.len(), 3, "{in_clear:?}");
    let messages = caught.messages();
    for name in ["m1", "m3"] {
        let message = caught.plan.messages().find(|message| message.name == name).unwrap();
        assert!(messages.contains(&message.content), "{name} was not read");
    }
}
