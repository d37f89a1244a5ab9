//! The SMTP session, as a client sees it.

use std::io::ErrorKind;
use std::time::Duration;

use gateway::reach::Point;
use tokio::time::Instant;

use crate::machine::{Machine, RELAY_CLIENT, pass};

const MINUTE: Duration = Duration::from_secs(60);

/// From the banner to the point where a message is awaited.
const UP_TO_DATA: &str = "
    C: MAIL FROM:<eve@fabrikam.test>
    S: 250 OK - mail from <eve@fabrikam.test>
    C: RCPT TO:<alice@contoso.test>
    S: 250 OK - Recipient <alice@contoso.test>
    C: DATA
    S: 354
";

#[tokio::test(start_paused = true)]
async fn commands_out_of_their_order_are_refused_and_change_nothing() {
    let script = "
        S: 220 ims.contoso.test
        C: MAIL FROM:<eve@fabrikam.test>
        S: 503
        C: HELO client.example
        S: 250 OK
        C: RCPT TO:<alice@contoso.test>
        S: 503
        C: DATA
        S: 503
        C: MAIL FROM:<eve@fabrikam.test>
        S: 250
        C: DATA
        S: 503
        C: MAIL FROM:<mallory@fabrikam.test>
        S: 503
        C: RCPT TO:<alice@contoso.test>
        S: 250
        C: DATA
        S: 354
        C: .
        S: 250
        C: QUIT
        S: 221
        S: (closed)
    ";
    let machine = Machine::with("").await;
    machine.play(script).await;
    pass(MINUTE).await;
    assert!(machine.mailbox("alice")[0].starts_with("Return-Path: <eve@fabrikam.test>\r\n"));
}

#[tokio::test(start_paused = true)]
async fn ehlo_lists_the_extensions_and_helo_none() {
    let machine = Machine::with("limits.message_size = 5000").await;
    let mut client = machine.dial();
    client.play("S: 220\n C: HELO client.example\n S: 250 OK\n C: AUTH PLAIN\n S: 503").await;
    client.send(b"EHLO client.example\r\nQUIT\r\n").await;
    let said = client.rest().await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "250-ims.contoso.test Hello [client.example]");
    let offered = [
        "250-SIZE 5000",
        "250-8BITMIME",
        "250-PIPELINING",
        "250-ENHANCEDSTATUSCODES",
        "250-CHUNKING",
        "250-DSN",
        "250-SMTPUTF8",
        "250-ETRN",
        "250-AUTH SCRAM-SHA-256 PLAIN LOGIN",
        "250 HELP",
    ];
    assert_eq!(lines[1..11], offered);
}

#[tokio::test(start_paused = true)]
async fn a_historical_release_offers_what_it_had_and_says_no_enhanced_status_codes() {
    let machine = Machine::with("release = \"5.5 SP3\"").await;
    let mut client = machine.dial();
    client.send(b"EHLO client.example\r\nMAIL FROM:<>\r\nBDAT 5 LAST\r\nRSET\r\nQUIT\r\n").await;
    let said = client.rest().await;
    let lines: Vec<&str> = said.lines().skip(2).collect();
    let offered = ["250-SIZE 10485760", "250-DSN", "250-ETRN", "250-AUTH PLAIN LOGIN", "250 HELP"];
    assert_eq!(lines[..5], offered);
    assert_eq!(
        lines[5..],
        ["250 OK - mail from <>", "500 Command not recognized: BDAT", "250 OK", "221 closing connection"]
    );
}

#[tokio::test(start_paused = true)]
async fn rset_and_a_second_ehlo_forget_the_message_but_not_the_client() {
    let script = "
        C: MAIL FROM:<eve@fabrikam.test>
        S: 250
        C: RSET
        S: 250
        C: RCPT TO:<alice@contoso.test>
        S: 503
        C: MAIL FROM:<eve@fabrikam.test>
        S: 250
        C: EHLO client.example
        S: 250
        C: RCPT TO:<alice@contoso.test>
        S: 503
        C: MAIL FROM:<eve@fabrikam.test>
        S: 250
    ";
    Machine::with("").await.greeted().await.play(script).await;
}

#[tokio::test(start_paused = true)]
async fn what_asks_for_no_message_is_answered_at_any_time() {
    let script = "
        S: 220
        C: NOOP
        S: 250
        C: VRFY alice
        S: 252
        C: HELP
        S: 214
        C: EXPN staff
        S: 502
        C: XYZZY
        S: 500 Command not recognized: XYZZY
        C: RCPT FROM:<alice@contoso.test>
        S: 501
        C: MAIL FROM:<eve>
        S: 553
        C: QUIT now
        S: 501
        C: QUIT
        S: 221
        S: (closed)
    ";
    Machine::with("").await.play(script).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_is_refused_when_it_says_so_and_when_it_is() {
    let machine = Machine::with("limits.message_size = 20").await;
    let mut client = machine.greeted().await;
    client.play("C: MAIL FROM:<eve@fabrikam.test> SIZE=21\n S: 552").await;
    client.play(&format!("{UP_TO_DATA} C: This is far too much to take.\n C: .\n S: 552")).await;
    client.play(&format!("{UP_TO_DATA} C: This is not.\n C: .\n S: 250")).await;
    pass(MINUTE).await;
    assert_eq!(machine.mailbox("alice").len(), 1);
    assert_eq!(machine.spool("work"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn recipients_past_the_limit_are_put_off_and_the_others_are_taken() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    client.play("C: MAIL FROM:<eve@fabrikam.test>\n S: 250").await;
    for number in 0..100 {
        client.play(&format!("C: RCPT TO:<a{number}@contoso.test>\n S: 250")).await;
    }
    client.play("C: RCPT TO:<alice@contoso.test>\n S: 452\n C: DATA\n S: 354\n C: .\n S: 250").await;
}

#[tokio::test(start_paused = true)]
async fn mail_for_elsewhere_is_passed_on_for_clients_that_may_and_refused_for_others() {
    let machine = Machine::with("").await;
    let script = "
        C: MAIL FROM:<eve@fabrikam.test>
        S: 250
        C: RCPT TO:<bob@partner.test>
        S: 550 relaying prohibited: bob@partner.test
    ";
    machine.greeted().await.play(script).await;
    assert_eq!(machine.events(4188), ["client.example [192.0.2.7] may not relay mail to bob@partner.test."]);
    let script =
        "S: 220\n C: HELO pc\n S: 250\n C: MAIL FROM:<>\n S: 250\n C: RCPT TO:<bob@partner.test>\n S: 250";
    machine.network.dial(RELAY_CLIENT).play(script).await;
}

/// `\0alice\0winter`, `\0alice\0summer` and `bob\0alice\0winter` in base64.
const ALICE: &str = "AGFsaWNlAHdpbnRlcg==";
const WRONG: &str = "AGFsaWNlAHN1bW1lcg==";
const AS_BOB: &str = "Ym9iAGFsaWNlAHdpbnRlcg==";

#[tokio::test(start_paused = true)]
async fn a_client_that_authenticates_may_have_mail_passed_on() {
    let machine = Machine::with("").await;
    let message = "C: MAIL FROM:<alice@contoso.test>\n S: 250\n C: RCPT TO:<bob@partner.test>\n S: 250";
    for exchange in [
        format!("C: AUTH PLAIN {ALICE}\n S: 235"),
        format!("C: AUTH PLAIN\n S: 334\n C: {ALICE}\n S: 235"),
        "C: AUTH LOGIN\n S: 334 VXNlcm5hbWU6\n C: YWxpY2U=\n S: 334 UGFzc3dvcmQ6\n C: d2ludGVy\n S: 235"
            .to_owned(),
        "C: AUTH LOGIN YWxpY2U=\n S: 334 UGFzc3dvcmQ6\n C: d2ludGVy\n S: 235\n C: AUTH LOGIN\n S: 503"
            .to_owned(),
    ] {
        machine.greeted().await.play(&format!("{exchange}\n {message}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn three_failed_authentications_end_the_session() {
    let machine = Machine::with("").await;
    let script = format!(
        "
        C: AUTH CRAM-MD5
        S: 504
        C: AUTH PLAIN
        S: 334
        C: *
        S: 501
        C: AUTH PLAIN !
        S: 501
        C: AUTH PLAIN {WRONG}
        S: 535
        C: AUTH PLAIN {AS_BOB}
        S: 535
        C: AUTH LOGIN
        S: 334
        C: bWFsbG9yeQ==
        S: 334
        C: d2ludGVy
        S: 421
        S: (closed)
    "
    );
    machine.greeted().await.play(&script).await;
    assert_eq!(machine.events(4183).len(), 3);
    assert_eq!(machine.events(4183)[2], "client.example [192.0.2.7] failed to authenticate as mallory.");
}

#[tokio::test(start_paused = true)]
async fn an_authentication_that_makes_no_progress_is_answered_before_the_session_ends() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    client.play(&format!("C: AUTH PLAIN\n S: 334\n C: {}\n S: 500", "A".repeat(20_000))).await;
    client.play("C: AUTH LOGIN\n S: 334").await;
    let start = Instant::now();
    client.play("S: 421\n S: (closed)").await;
    assert_eq!(start.elapsed().as_secs(), 5 * 60);
}

const CLOSED: &str = r#"
    accept.require = "authentication"
    accept.host = [
        { network = "192.0.2.80", rule = "exempt" },
        { network = "192.0.2.66", rule = "reject" },
    ]
"#;

#[tokio::test(start_paused = true)]
async fn authentication_is_required_but_of_an_exempt_host() {
    let machine = Machine::with(CLOSED).await;
    machine.greeted().await.play("C: MAIL FROM:<alice@contoso.test>\n S: 530").await;
    let script = format!("C: AUTH PLAIN {ALICE}\n S: 235\n C: MAIL FROM:<alice@contoso.test>\n S: 250");
    machine.greeted().await.play(&script).await;
    let script = "S: 220\n C: EHLO printer\n S: 250\n C: MAIL FROM:<alice@contoso.test>\n S: 250";
    machine.network.dial("192.0.2.80").play(script).await;
}

#[tokio::test(start_paused = true)]
async fn a_rejected_host_is_turned_away_at_the_door() {
    let machine = Machine::with(CLOSED).await;
    machine.network.dial("192.0.2.66").play("S: 521 ims.contoso.test access denied\n S: (closed)").await;
}

#[tokio::test(start_paused = true)]
async fn a_sender_who_is_not_homed_here_is_refused_and_the_administrator_is_told() {
    let machine = Machine::with(&format!("{CLOSED} submission.homed_here_only = true")).await;
    let script = format!("C: AUTH PLAIN {ALICE}\n S: 235 {UP_TO_DATA} C: Subject: Forty chairs\n C:\n C: .");
    let mut client = machine.greeted().await;
    client.play(&script).await;
    client.play("S: 554 Mailbox is not local: <eve@fabrikam.test>\n C: NOOP\n S: 250").await;
    pass(MINUTE).await;
    assert_eq!(machine.mailbox("alice"), [""; 0]);
    let [notification] = &machine.mailbox("administrator")[..] else { panic!("one notification") };
    assert!(notification.contains("Subject: Notification: Inbound Mail Failure"), "{notification}");
    assert!(
        notification.contains("Account: alice\r\n") && notification.contains("Subject: Forty chairs\r\n")
    );
}

#[tokio::test(start_paused = true)]
async fn a_sender_who_is_not_the_account_is_refused_with_an_event() {
    let machine = Machine::with(&format!("{CLOSED} submission.account_matches_sender = true")).await;
    let script = format!(
        "C: AUTH PLAIN {ALICE}\n S: 235 {UP_TO_DATA} C: .\n S: 554 Originator address does not match"
    );
    machine.greeted().await.play(&script).await;
    assert_eq!(machine.events(4151), ["The account alice may not send as eve@fabrikam.test."]);
}

#[tokio::test(start_paused = true)]
async fn a_bare_line_feed_in_a_message_ends_the_session_and_smuggles_nothing() {
    for (line, refusal) in
        [("Hello\n.", "554"), ("Hello\r.", "554"), ("Hello\n.\nMAIL FROM:<a@b.test>", "554")]
    {
        let machine = Machine::with("").await;
        let mut client = machine.greeted().await;
        client.play(UP_TO_DATA).await;
        client.send(format!("{line}\r\n.\r\nNOOP\r\n").as_bytes()).await;
        client.play(&format!("S: {refusal}\n S: (closed)")).await;
        pass(MINUTE).await;
        assert_eq!(machine.mailbox("alice"), [""; 0]);
        assert_eq!(machine.spool("work"), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_ends_in_a_bare_line_feed_ends_the_session() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    client.send(b"NOOP\nNOOP\r\n").await;
    client.play("S: 500\n S: (closed)").await;
}

#[tokio::test(start_paused = true)]
async fn a_command_line_that_is_too_long_is_refused_and_the_next_is_obeyed() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    assert!(client.say(&"NOOP ".repeat(1_000)).await.starts_with("500 5.5.2 line too long"));
    assert!(client.say("NOOP").await.starts_with("250"));
}

#[tokio::test(start_paused = true)]
async fn dots_are_unstuffed_and_an_empty_message_is_a_message() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    client.play(&format!("{UP_TO_DATA} C: ..\n C: ..dot\n C: d.ot\n C: .\n S: 250")).await;
    pass(MINUTE).await;
    assert!(machine.mailbox("alice")[0].ends_with("\r\n.\r\n.dot\r\nd.ot\r\n"));
    client.play(&format!("{UP_TO_DATA} C: .\n S: 250")).await;
    pass(MINUTE).await;
    assert_eq!(machine.mailbox("alice").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn commands_in_one_write_are_answered_in_their_order() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    let message = "MAIL FROM:<>\r\nRCPT TO:<alice@contoso.test>\r\nDATA\r\n";
    client.send(format!("NOOP\r\n{message}Hello\r\n.\r\nHELP\r\n{message}.\r\nQUIT\r\n").as_bytes()).await;
    let said = client.rest().await;
    let codes: Vec<&str> = said.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["250", "250", "250", "354", "250", "214", "250", "250", "354", "250", "221"]);
    pass(MINUTE).await;
    assert_eq!(machine.mailbox("alice").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_cut_off_was_never_taken() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    client.play(&format!("{UP_TO_DATA} C: Half of")).await;
    drop(client);
    pass(MINUTE).await;
    assert_eq!(machine.mailbox("alice"), [""; 0]);
    assert_eq!(machine.spool("work"), [""; 0]);
    assert_eq!(machine.events(2002), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_only_wrong_is_sent_away() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    for _ in 0..19 {
        assert!(client.say("XYZZY").await.starts_with("500"));
    }
    client.play("C: XYZZY\n S: 500\n S: 421 ims.contoso.test too many errors\n S: (closed)").await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_sent_away_after_five_minutes() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    let start = Instant::now();
    client.play("S: 421\n S: (closed)").await;
    assert_eq!(start.elapsed().as_secs(), 5 * 60);

    let mut client = machine.greeted().await;
    client.play(UP_TO_DATA).await;
    let start = Instant::now();
    client.play("S: 421\n S: (closed)").await;
    assert_eq!(start.elapsed().as_secs(), 5 * 60);
    assert_eq!(machine.spool("work"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn one_client_more_than_the_limit_is_put_off_until_another_has_gone() {
    let machine = Machine::with("").await;
    let mut clients = Vec::new();
    for _ in 0..30 {
        clients.push(machine.greeted().await);
    }
    machine.play("S: 421 ims.contoso.test too many connections\n S: (closed)").await;
    clients[7].play("C: QUIT\n S: 221\n S: (closed)").await;
    pass(MINUTE).await;
    machine.play("S: 220").await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_lost_before_they_are_taken_concern_nobody_else() {
    let machine = Machine::with("").await;
    (0..100).for_each(|_| machine.network.fail_a_call(ErrorKind::ConnectionAborted));
    let start = Instant::now();
    machine.play("S: 220\n C: QUIT\n S: 221").await;
    assert_eq!(start.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_can_give_no_connection_is_not_asked_without_a_pause() {
    let machine = Machine::with("").await;
    (0..100).for_each(|_| machine.network.fail_a_call(ErrorKind::Other));
    let start = Instant::now();
    machine.play("S: 220\n C: QUIT\n S: 221").await;
    assert_eq!(start.elapsed().as_secs(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_drips_for_ever_ends_after_an_hour() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    client.play(UP_TO_DATA).await;
    let start = Instant::now();
    for _ in 0..14 {
        pass(4 * MINUTE).await;
        client.send(b"x").await;
    }
    client.play("S: 421 ims.contoso.test the message took too long\n S: (closed)").await;
    assert_eq!(start.elapsed().as_secs(), 60 * 60);
    assert_eq!((machine.spool("work"), machine.events(2002)), Default::default());
}

#[tokio::test(start_paused = true)]
async fn a_command_that_drips_has_the_time_of_a_command() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    let start = Instant::now();
    for octet in b"NOOP" {
        client.send(&[*octet]).await;
        pass(MINUTE).await;
    }
    client.play("S: 421\n S: (closed)").await;
    assert_eq!(start.elapsed().as_secs(), 5 * 60);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_keeps_its_connection_is_sent_away() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    for _ in 0..118 {
        assert!(client.say("NOOP").await.starts_with("250"));
    }
    client.play("C: NOOP\n S: 250\n S: 421 ims.contoso.test too many errors\n S: (closed)").await;
}

const RECIPIENT: &str = "
    C: MAIL FROM:<eve@fabrikam.test>
    S: 250
    C: RCPT TO:<alice@contoso.test>
    S: 250
";

#[tokio::test(start_paused = true)]
async fn a_message_may_come_in_chunks_cut_anywhere() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    client.play(RECIPIENT).await;
    client.send(b"BDAT 7\r\nHello\r\nBDAT 1\r\n.").await;
    client.play("S: 250 7 octets received\n S: 250 1 octets received").await;
    client.send(b"BDAT 9 LAST\r\n\r\n.dot\r\n.NOOP\r\n").await;
    client.play("S: 250 OK\n S: 250 OK\n C: BDAT 0 LAST\n S: 503\n C: QUIT\n S: 221").await;
    pass(MINUTE).await;
    assert!(
        machine.mailbox("alice")[0].ends_with("\r\nHello\r\n.\r\n.dot\r\n.\r\n"),
        "{:?}",
        machine.mailbox("alice")
    );
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_cannot_be_taken_is_read_to_its_end_and_refused() {
    let machine = Machine::with("limits.message_size = 1000").await;
    let mut client = machine.greeted().await;
    client.send(b"BDAT 6\r\nQUIT\r\nNOOP\r\n").await;
    client.play("S: 503 5.5.1\n S: 250 2.0.0").await;
    client.play(RECIPIENT).await;
    client.send(format!("BDAT 1002\r\n{}\r\nBDAT 2 LAST\r\n\r\n", "x".repeat(1_000)).as_bytes()).await;
    client.play("S: 552\n S: 503").await;
    client.play(RECIPIENT).await;
    client.send(b"BDAT 3 LAST\r\na\nb").await;
    client.play("S: 554 5.6.0 bare CR or LF\n S: (closed)").await;
    pass(MINUTE).await;
    assert!(machine.mailbox("alice").is_empty() && machine.spool("work").is_empty());
}

#[tokio::test(start_paused = true)]
async fn between_chunks_nothing_else_belongs_to_the_message() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    // More than is gathered before it is written.
    let chunk = format!("BDAT 70000\r\n{}", format!("{}\r\n", "x".repeat(98)).repeat(700));
    client.play(RECIPIENT).await;
    client.send(chunk.as_bytes()).await;
    client.play("S: 250").await;
    for refused in ["RCPT TO:<alice@contoso.test>", "MAIL FROM:<>", "DATA", "AUTH PLAIN"] {
        client.play(&format!("C: {refused}\n S: 503")).await;
    }
    assert_eq!(machine.spool("work").len(), 1);
    client.play("C: RSET\n S: 250\n C: BDAT 0 LAST\n S: 503").await;
    assert!(machine.spool("work").is_empty());
    client.play(RECIPIENT).await;
    client.send(chunk.as_bytes()).await;
    client.play("S: 250").await;
    assert_eq!(machine.spool("work").len(), 1);
    drop(client);
    pass(MINUTE).await;
    assert!(machine.spool("work").is_empty() && machine.mailbox("alice").is_empty());
}

#[tokio::test(start_paused = true)]
async fn chunks_that_bring_nothing_keep_no_connection() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    client.play(RECIPIENT).await;
    // EHLO was the first command of that kind.
    for _ in 0..118 {
        client.play("C: BDAT 0\n S: 250").await;
    }
    client.play("C: BDAT 0\n S: 250\n S: 421 ims.contoso.test too many errors\n S: (closed)").await;
    assert!(machine.spool("work").is_empty());
}

#[tokio::test(start_paused = true)]
async fn chunks_whose_octets_come_with_the_command_end_after_an_hour_too() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    client.play(RECIPIENT).await;
    for _ in 0..60 {
        client.send(b"BDAT 1\r\nx").await;
        client.play("S: 250 1 octets").await;
        pass(MINUTE).await;
    }
    client.send(b"BDAT 1\r\nx").await;
    client.play("S: 421 ims.contoso.test the message took too long\n S: (closed)").await;
    assert!(machine.reached(Point::MessageTooSlow) && machine.spool("work").is_empty());
}

#[tokio::test(start_paused = true)]
async fn recipients_that_are_put_off_keep_a_connection_only_so_long() {
    for limits in ["limits.recipients = 100", "limits.recipients_per_minute = 100"] {
        let machine = Machine::with(limits).await;
        let mut client = machine.greeted().await;
        client.play("C: MAIL FROM:<>\n S: 250").await;
        for number in 0..1119 {
            let reply = client.say(&format!("RCPT TO:<a{number}@contoso.test>")).await;
            assert!(reply.starts_with(if number < 100 { "250" } else { "45" }), "{limits}: {number}");
        }
        client.play("C: RCPT TO:<bob@contoso.test>\n S: 45").await;
        client.play("S: 421 ims.contoso.test too many errors\n S: (closed)").await;
    }
}

#[tokio::test(start_paused = true)]
async fn messages_refused_in_flush_mode_keep_a_connection_only_so_long() {
    let machine = Machine::with("limits.disk_low_water = 1000").await;
    machine.leave_free(10);
    let mut client = machine.greeted().await;
    for _ in 0..118 {
        assert!(client.say("MAIL FROM:<>").await.starts_with("452"));
    }
    client.play("C: MAIL FROM:<>\n S: 452\n S: 421 ims.contoso.test too many errors\n S: (closed)").await;
}

#[tokio::test(start_paused = true)]
async fn a_recipient_that_is_named_twice_has_the_message_once() {
    let machine = Machine::with("").await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[&[]]);
    machine.send("alice@contoso.test", &["bob@partner.test", "carol@partner.test", "bob@partner.test"]).await;
    let said = &machine.network.visits()[0].said;
    let recipients: Vec<_> = said.iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(recipients, ["RCPT TO:<bob@partner.test>", "RCPT TO:<carol@partner.test>"]);
}
