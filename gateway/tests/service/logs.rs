//! The message tracking log and the SMTP protocol log, as an administrator finds them, and what becomes of mail when they
//! cannot be written.
#![expect(
    clippy::disallowed_methods,
    reason = "the test is an administrator, who looks at the disk beside the gateway"
)]

use std::fs;
use std::time::Duration;

use jiff::SignedDuration;

use crate::disk::Trouble;
use crate::machine::{Machine, pass};

const KIND: crate::network::Manners = &[];

/// A machine that keeps the protocol log that `keys` asks for, or else the tracking log; and `partner.test` in its network,
/// which takes everything.
async fn machine(keys: &str) -> Machine {
    let machine = Machine::new();
    let place = if keys.is_empty() { "tracking" } else { "protocol_directory" };
    let directory = machine.path("logs").join(place.trim_end_matches("_directory"));
    machine.start(&format!("[log]\n{keys}\n{place} = \"{}\"", directory.display())).await;
    machine.network.host("partner.test", 10, "mx.partner.test", "203.0.113.1", &[KIND]);
    machine
}

fn read(machine: &Machine, path: &str) -> String {
    fs::read_to_string(machine.path("logs").join(path)).unwrap_or_default()
}

/// The records of a file: the event, the partner, the sender and the recipients of each.
fn records(machine: &Machine, file: &str) -> Vec<String> {
    let mut records = Vec::new();
    for line in read(machine, &format!("tracking/{file}")).lines() {
        let fields: Vec<_> = line.split('\t').collect();
        match fields[..] {
            [_, event, _, "ims.contoso.test", partner, _, from, _, octets, "0", "1", _, count] => {
                assert_ne!(octets, "0");
                records.push(format!("{event} {partner} {from} {count}:"));
            }
            [recipient] => *records.last_mut().unwrap() += &format!(" {recipient}"),
            [recipient, status] => *records.last_mut().unwrap() += &format!(" {recipient}={status}"),
            _ => panic!("{line}"),
        }
    }
    records
}

#[tokio::test(start_paused = true)]
async fn each_step_of_a_message_is_tracked() {
    let machine = machine("").await;
    machine.send("eve@fabrikam.test", &["alice@contoso.test", "erin@partner.test"]).await;
    assert_eq!(
        records(&machine, "19980302.log"),
        [
            "1012 client.example eve@fabrikam.test 2: alice@contoso.test erin@partner.test",
            "1013 the local store eve@fabrikam.test 1: alice@contoso.test",
            "1014 partner.test eve@fabrikam.test 1: erin@partner.test",
            "1011 mx.partner.test eve@fabrikam.test 1: erin@partner.test",
        ]
    );
    let text = read(&machine, "tracking/19980302.log");
    let ids: std::collections::BTreeSet<_> =
        text.lines().filter(|line| line.contains("\t1")).map(|line| &line[..8]).collect();
    assert_eq!(ids.len(), 1, "{text}");
    assert!(machine.events(2002)[0].contains(ids.first().unwrap()), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_report_is_tracked_from_its_making_to_its_end() {
    let machine = machine("").await;
    machine.send("erin@partner.test", &["nobody@contoso.test"]).await;
    // Its sender's host knows no such recipient either: a report on a report is none.
    machine.send("", &["nobody@contoso.test"]).await;
    let all = records(&machine, "19980302.log");
    let of = |event: &str| all.iter().filter(|record| record.starts_with(event)).cloned().collect::<Vec<_>>();
    assert_eq!(of("1017"), ["1017 ims.contoso.test erin@partner.test 1: nobody@contoso.test=1"]);
    assert_eq!(of("1010"), ["1010 partner.test <> 1: erin@partner.test"]);
    assert_eq!(of("1016"), ["1016 mx.partner.test <> 1: erin@partner.test"]);
    assert_eq!(of("1015"), ["1015 client.example <> 1: nobody@contoso.test"]);
    assert_eq!(of("1018"), ["1018 ims.contoso.test <> 1: nobody@contoso.test=1"]);
}

#[tokio::test(start_paused = true)]
async fn every_day_has_a_file_of_its_own() {
    let machine = machine("").await;
    machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
    machine.set_clock(SignedDuration::from_hours(24));
    machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
    assert_eq!(records(&machine, "19980302.log").len(), 2);
    assert_eq!(records(&machine, "19980303.log").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn mail_goes_its_way_where_the_logs_cannot_be_written_and_one_event_says_so() {
    for (keys, event) in [("", 3016), ("protocol = \"maximum\"", 3017)] {
        let machine = machine(keys).await;
        let logs = machine.path("logs");
        let refuse = logs.clone();
        machine.trouble(move |_, path| path.starts_with(&refuse).then_some(Trouble::Refuse));
        for _ in 0..3 {
            machine.send("eve@fabrikam.test", &["alice@contoso.test", "erin@partner.test"]).await;
        }
        assert_eq!((machine.mailbox("alice").len(), machine.network.visits().is_empty()), (3, false));
        assert_eq!(machine.events(event).len(), 1, "{:?}", machine.events(event));
        assert!(machine.events(event)[0].contains("Mail goes its way"));

        machine.heal();
        machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
        assert_eq!(machine.events(event).len(), 1);
        machine.trouble(move |_, path| path.starts_with(&logs).then_some(Trouble::Refuse));
        machine.set_clock(SignedDuration::from_hours(24));
        machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
        assert_eq!(machine.events(event).len(), 2, "it is said anew after it was well");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_never_answers_holds_up_neither_mail_nor_the_end_of_the_service() {
    let machine = Machine::new();
    let logs = machine.path("logs");
    let directory = format!("protocol_directory = \"{}\"", logs.display());
    machine.trouble(move |_, path| path.starts_with(&logs).then_some(Trouble::Halt));
    machine.start(&format!("[log]\nprotocol = \"maximum\"\n{directory}")).await;
    machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
    assert_eq!(machine.mailbox("alice").len(), 1);
    let mut client = machine.greeted().await;
    client.play("C: MAIL FROM:<eve@fabrikam.test>\n S: 250\n C: RCPT TO:<alice@contoso.test>\n S: 250").await;
    client.play("C: DATA\n S: 354").await;
    // More than may wait to be written.
    let line = format!("{}\r\n", "x".repeat(900));
    for _ in 0..6_000 {
        client.send(line.as_bytes()).await;
    }
    client.play("C: .\n S: 250").await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(machine.mailbox("alice").len(), 2);
    assert_eq!(machine.events(3017).len(), 1);
    assert!(machine.events(3017)[0].contains("too slow"));
    machine.tell_to_stop();
    machine.stopped().await;
    assert_eq!(machine.events(1001).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_connection_has_a_file_that_says_who_said_what() {
    let machine = machine("protocol = \"medium\"").await;
    assert_eq!(machine.events(2004).len(), 1);
    machine.send("alice@contoso.test", &["erin@partner.test"]).await;
    pass(Duration::from_secs(60)).await;
    let inbound = read(&machine, "protocol/L0000001.LOG");
    let lines: Vec<_> = inbound.lines().map(|line| line.split_once(" : ").unwrap()).collect();
    assert!(lines[0].0 == "3/2/98 9:00:00 AM" && inbound.ends_with("\r\n"), "{inbound}");
    let said: Vec<_> = lines.iter().map(|line| line.1).filter(|line| !line.starts_with(">>> 2")).collect();
    assert_eq!(
        said,
        [
            "A connection was accepted from 192.0.2.99.",
            "<<< HELO client.example",
            "<<< MAIL FROM:<alice@contoso.test>",
            "<<< RCPT TO:<erin@partner.test>",
            "<<< DATA",
            ">>> 354 Send data. End with CRLF.CRLF",
            "<<< Subject: Forty chairs",
            "The connection was closed.",
        ]
    );
    let outbound = read(&machine, "protocol/L0000002.LOG");
    for line in
        ["A connection to 203.0.113.1 was established.", ">>> DATA", ">>> Subject: Forty chairs", ">>> QUIT"]
    {
        assert!(outbound.contains(&format!(" : {line}")), "{line}:\n{outbound}");
    }
    assert!(!outbound.contains("Please."), "{outbound}");
    assert!(
        machine.events(2003)[0].contains("mx.partner.test was connected to at 203.0.113.1:25. ")
            && machine.events(2003)[0].contains("L0000002.LOG")
    );
}

#[tokio::test(start_paused = true)]
async fn no_level_writes_down_a_password() {
    for level in ["medium", "maximum"] {
        let machine = machine(&format!("protocol = \"{level}\"")).await;
        let mut client = machine.greeted().await;
        // "winter" is d2ludGVy, and \0alice\0winter is AGFsaWNlAHdpbnRlcg==.
        client.play("C: AUTH PLAIN AGFsaWNlAHdpbnRlcg==\n S: 235").await;
        client.play("C: RSET\n S: 250\n C: QUIT\n S: 221").await;
        let mut client = machine.greeted().await;
        client.play("C: AUTH LOGIN\n S: 334 \n C: YWxpY2U=\n S: 334 \n C: d2ludGVy\n S: 235").await;
        client.play("C: d2ludGVy\n S: 500\n C: QUIT\n S: 221").await;
        pass(Duration::from_secs(1)).await;
        let all = read(&machine, "protocol/L0000001.LOG") + &read(&machine, "protocol/L0000002.LOG");
        assert!(all.contains("<<< AUTH PLAIN ***") && all.contains("<<< AUTH LOGIN"), "{all}");
        for secret in ["AGFsaWNlAHdpbnRlcg", "d2ludGVy", "winter", "YWxpY2U"] {
            assert!(!all.contains(secret), "{secret}:\n{all}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn there_are_a_thousand_files_at_most_and_the_oldest_go() {
    let machine = Machine::new();
    let protocol = machine.path("logs/protocol");
    fs::create_dir_all(&protocol).unwrap();
    for number in 41..1_041 {
        fs::write(protocol.join(format!("L{number:07}.LOG")), "").unwrap();
    }
    fs::write(protocol.join("notes.txt"), "").unwrap();
    machine
        .start(&format!("[log]\nprotocol = \"minimum\"\nprotocol_directory = \"{}\"", protocol.display()))
        .await;
    machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
    machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
    pass(Duration::from_secs(1)).await;
    let mut names: Vec<_> = fs::read_dir(&protocol)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        (names.len(), &*names[0], &*names[999], &*names[1_000]),
        (1_001, "L0000043.LOG", "L0001042.LOG", "notes.txt")
    );
    let last = read(&machine, "protocol/L0001042.LOG");
    let said: Vec<_> = last.lines().map(|line| line.split_once(" : ").unwrap().1).collect();
    assert_eq!(said, ["A connection was accepted from 192.0.2.99.", "The connection was closed."]);
}
