//! The client against a host that plays a script: `S:` is what the host says, `C:` what it expects to hear. At the
//! end of its script it hangs up. At `S: (silence)` it waits until the client does, at `S: (deaf)` it reads nothing for
//! four minutes.

#![expect(clippy::unwrap_used, reason = "the scripts and addresses are the tests' own")]

use std::time::Duration;

use gateway::address::{Address, Domain, ReversePath};
use gateway::dsn::{DsnRequest, RecipientRequest};
use gateway::release::Release;
use gateway::smtp::client::{Conversation, Deferral, Interruption, Letter, NoService, Outcome, Sent, Stage};
use gateway::smtp::extensions::Extensions;
use gateway::smtp::international::PastAscii;
use gateway::smtp::line::Wire;
use gateway::smtp::reply::Reply;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::time::Instant;

const GREETED: &str = "
    S: 220 mx.example
    C: EHLO gateway.example
    S: 250 mx.example
    C: MAIL FROM:<jane@example.com>
";

const BOTH_TAKEN: &str = "
    S: 250 OK
    C: RCPT TO:<one@example.org>
    S: 250 OK
    C: RCPT TO:<two@example.org>
    S: 250 OK
    C: DATA
";

const MESSAGE: &str = "
    S: 354 go on
    C: Hello
    C: ..dot
    C: .
";

const QUIT: &str = "
    C: QUIT
    S: 221 bye
";

async fn play(script: &str, stream: DuplexStream) {
    let mut stream = BufReader::new(stream);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut heard = String::new();
        if line == "S: (silence)" {
            stream.read_line(&mut heard).await.unwrap();
            assert_eq!(heard, "", "the client went on without an answer");
        } else if line == "S: (deaf)" {
            tokio::time::sleep(Duration::from_secs(4 * 60)).await;
        } else if let Some(words) = line.strip_prefix("S: ") {
            stream.write_all(format!("{words}\r\n").as_bytes()).await.unwrap();
        } else if let Some(words) = line.strip_prefix("C:").map(str::trim_start) {
            stream.read_line(&mut heard).await.unwrap();
            assert_eq!(heard, format!("{words}\r\n"));
        } else {
            panic!("`{line}` says neither S: nor C:");
        }
    }
}

/// Hands one message to one host, and takes leave of it.
async fn send(stream: DuplexStream, helo: &Domain, letter: Letter<'_>) -> Result<Sent, NoService> {
    let mut conversation =
        Conversation::open(Wire::new(Box::new(stream)), helo, Extensions::of(Release::Current), None).await?;
    let sent = conversation.send(letter).await;
    conversation.quit().await;
    Ok(sent)
}

/// Sends `content` from Jane to recipients one and two, to a host that plays `script`.
async fn send_content(content: &[u8], script: &[&str]) -> Result<Vec<Outcome>, NoService> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let reverse_path = ReversePath::Mailbox("jane@example.com".parse().unwrap());
    let recipients: [Address; 2] = ["one@example.org", "two@example.org"].map(|text| text.parse().unwrap());
    let helo = "gateway.example".parse().unwrap();
    let mut dsn = DsnRequest::new(Some("HDRS".parse().unwrap()), Some("QQ31".parse().unwrap()));
    let original = Some("rfc822;Two@example.net".parse().unwrap());
    dsn.ask(&recipients[1], RecipientRequest { notify: Some("SUCCESS".parse().unwrap()), original }, false);
    let letter = Letter {
        reverse_path: &reverse_path,
        recipients: &recipients,
        dsn: &dsn,
        is_international: false,
        content,
    };
    let sending = send(near, &helo, letter);
    let script = script.concat();
    tokio::join!(sending, play(&script, far)).0.map(|sent| sent.outcomes)
}

async fn converse(script: &[&str]) -> Result<Vec<Outcome>, NoService> {
    send_content(b"Hello\r\n.dot\r\n", script).await
}

fn deferred(reply: Reply) -> Outcome {
    Outcome::Deferred(Deferral::Refused(reply))
}

fn interrupted(interruption: Interruption) -> Outcome {
    Outcome::Deferred(Deferral::Interrupted(interruption))
}

fn lost(stage: Stage) -> Interruption {
    Interruption::Lost { stage, why: "the connection was closed".to_owned() }
}

#[tokio::test]
async fn a_message_that_the_host_takes_is_delivered_to_every_recipient() {
    let outcomes = converse(&[GREETED, BOTH_TAKEN, MESSAGE, "S: 250 queued\n", QUIT]).await;
    let delivered = Outcome::Delivered(Reply::new(250, "queued"));
    assert_eq!(outcomes, Ok(vec![delivered.clone(), delivered]));
}

#[tokio::test]
async fn each_recipient_has_an_outcome_of_its_own() {
    let script = "
        S: 250 OK
        C: RCPT TO:<one@example.org>
        S: 550 no such user
        C: RCPT TO:<two@example.org>
        S: 250 OK
        C: DATA
    ";
    let outcomes = converse(&[GREETED, script, MESSAGE, "S: 250 queued\n", QUIT]).await.unwrap();
    assert_eq!(outcomes[0], Outcome::Failed(Reply::new(550, "no such user")));
    assert_eq!(outcomes[1], Outcome::Delivered(Reply::new(250, "queued")));
}

#[tokio::test]
async fn a_recipient_too_many_is_kept_for_later_though_the_host_says_552() {
    let both = |first: &str, second: &str, then: &str| {
        format!(
            "S: 250 OK\nC: RCPT TO:<one@example.org>\nS: {first}\nC: RCPT TO:<two@example.org>\nS: {second}\n{then}\n"
        )
    };
    for (second, is_kept) in [
        ("552 too many recipients", true),
        ("552 5.5.3 too many recipients", true),
        ("552 5.2.2 mailbox full", false),
        ("550 too many recipients", false),
    ] {
        let script = both("250 OK", second, "C: DATA");
        let outcomes = converse(&[GREETED, &script, MESSAGE, "S: 250 queued\n", QUIT]).await.unwrap();
        let (code, text) = second.split_once(' ').unwrap();
        let reply = Reply::new(code.parse().unwrap(), text);
        assert_eq!(outcomes[0], Outcome::Delivered(Reply::new(250, "queued")));
        assert_eq!(outcomes[1], if is_kept { deferred(reply) } else { Outcome::Failed(reply) });
    }
    // Where no recipient is taken, it is not that there are too many.
    let script = both("552 full", "552 full", "");
    let outcomes = converse(&[GREETED, &script, QUIT]).await.unwrap();
    assert_eq!(outcomes, vec![Outcome::Failed(Reply::new(552, "full")); 2]);
}

#[tokio::test]
async fn no_data_is_sent_when_no_recipient_is_taken() {
    let script = "
        S: 250 OK
        C: RCPT TO:<one@example.org>
        S: 550 no such user
        C: RCPT TO:<two@example.org>
        S: 452 later
    ";
    let outcomes = converse(&[GREETED, script, QUIT]).await.unwrap();
    assert_eq!(
        outcomes,
        [Outcome::Failed(Reply::new(550, "no such user")), deferred(Reply::new(452, "later"))]
    );
}

#[tokio::test]
async fn size_and_eight_bit_content_are_declared_to_a_host_that_wants_to_know() {
    let script = "
        S: 220 mx.example
        C: EHLO gateway.example
        S: 250-mx.example
        S: 250-size 5000
        S: 250 8BITMIME
        C: MAIL FROM:<jane@example.com> SIZE=6 BODY=8BITMIME
        S: 552 too big
    ";
    let outcomes = send_content("f\u{fc}r\r\n".as_bytes(), &[script, QUIT]).await.unwrap();
    assert_eq!(outcomes, vec![Outcome::Failed(Reply::new(552, "too big")); 2]);
}

#[tokio::test]
async fn a_host_that_takes_seven_bits_alone_is_sent_seven_bits() {
    let message = "
        S: 354 go on
        C: MIME-Version: 1.0
        C: Content-Type: text/plain; charset=unknown-8bit
        C: Content-Transfer-Encoding: quoted-printable
        C:
        C: Gr=FC=DFe
        C: .
        S: 250 queued
    ";
    let content = b"\r\nGr\xfc\xdfe\r\n";
    let outcomes = send_content(content, &[GREETED, BOTH_TAKEN, message, QUIT]).await.unwrap();
    assert_eq!(outcomes, vec![Outcome::Delivered(Reply::new(250, "queued")); 2]);
    // A header past ASCII cannot be put so, and nothing is said of the message.
    let greeted = "S: 220 mx.example\nC: EHLO gateway.example\nS: 250 mx.example\n";
    let outcomes =
        send_content("Subject: Gr\u{fc}\u{df}e\r\n\r\n".as_bytes(), &[greeted, QUIT]).await.unwrap();
    assert_eq!(outcomes, vec![Outcome::NotOffered(PastAscii::Content); 2]);
}

#[tokio::test]
async fn who_knows_no_eight_bits_sends_what_there_is() {
    let script =
        [GREETED, BOTH_TAKEN, "S: 354 go on\n", "C:\nC: \u{fc}\nC: .\nS: 250 queued\n", QUIT].concat();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let recipients: [Address; 2] = ["one@example.org", "two@example.org"].map(|text| text.parse().unwrap());
    let letter = Letter {
        reverse_path: &ReversePath::Mailbox("jane@example.com".parse().unwrap()),
        recipients: &recipients,
        dsn: &DsnRequest::default(),
        is_international: false,
        content: "\r\n\u{fc}\r\n".as_bytes(),
    };
    let helo = "gateway.example".parse().unwrap();
    let sending = async {
        let (wire, known) = (Wire::new(Box::new(near)), Extensions::of(Release::V55Sp3));
        let mut conversation = Conversation::open(wire, &helo, known, None).await.unwrap();
        let sent = conversation.send(letter).await;
        conversation.quit().await;
        sent
    };
    let (sent, ()) = tokio::join!(sending, play(&script, far));
    assert_eq!(sent.outcomes, vec![Outcome::Delivered(Reply::new(250, "queued")); 2]);
}

#[tokio::test]
async fn a_host_that_does_not_know_ehlo_is_greeted_with_helo() {
    let script = "
        S: 220 mx.example
        C: EHLO gateway.example
        S: 500 what
        C: HELO gateway.example
        S: 250 mx.example
        C: MAIL FROM:<jane@example.com>
        S: 451 not now
    ";
    let outcomes = converse(&[script, QUIT]).await.unwrap();
    assert_eq!(outcomes, vec![deferred(Reply::new(451, "not now")); 2]);
}

#[tokio::test]
async fn a_host_that_serves_no_mail_leaves_the_message_for_another() {
    let refused = converse(&["S: 554 no SMTP here"]).await.unwrap_err();
    assert_eq!(refused, NoService::Refused(Reply::new(554, "no SMTP here")));
    assert_eq!(Outcome::from(refused), Outcome::Failed(Reply::new(554, "no SMTP here")));

    let busy = converse(&["S: 421 busy"]).await.unwrap_err();
    assert_eq!(Outcome::from(busy), deferred(Reply::new(421, "busy")));

    assert_eq!(converse(&[""]).await, Err(NoService::Interrupted(lost(Stage::Greeting))));
    let not_smtp = converse(&["S: SSH-2.0-OpenSSH"]).await;
    assert!(matches!(not_smtp, Err(NoService::Interrupted(Interruption::Garbled { .. }))), "{not_smtp:?}");
}

#[tokio::test]
async fn a_host_that_closes_down_among_the_recipients_defers_those_it_had_taken_too() {
    let script = "
        S: 250 OK
        C: RCPT TO:<one@example.org>
        S: 250 OK
        C: RCPT TO:<two@example.org>
        S: 421 shutting down
        C: QUIT
    ";
    let outcomes = converse(&[GREETED, script]).await.unwrap();
    assert_eq!(outcomes, vec![deferred(Reply::new(421, "shutting down")); 2]);
}

#[tokio::test]
async fn a_message_refused_at_data_or_at_its_end_fails_for_those_who_were_taken() {
    let no = Outcome::Failed(Reply::new(554, "no"));
    let at_data = converse(&[GREETED, BOTH_TAKEN, "S: 554 no\n", QUIT]).await.unwrap();
    assert_eq!(at_data, vec![no.clone(); 2]);
    let at_the_end = converse(&[GREETED, BOTH_TAKEN, MESSAGE, "S: 554 no\n", QUIT]).await.unwrap();
    assert_eq!(at_the_end, vec![no; 2]);
}

#[tokio::test]
async fn a_connection_lost_before_the_answer_to_the_end_of_data_defers() {
    let outcomes = converse(&[GREETED, BOTH_TAKEN, MESSAGE]).await.unwrap();
    assert_eq!(outcomes, vec![interrupted(lost(Stage::EndOfData)); 2]);
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_defers() {
    let outcomes = converse(&[GREETED, BOTH_TAKEN, "S: 250 OK\n"]).await.unwrap();
    let why = "unexpected `250 OK`".to_owned();
    assert_eq!(outcomes, vec![interrupted(Interruption::Garbled { stage: Stage::Data, why }); 2]);
}

#[tokio::test]
async fn a_host_that_hangs_up_on_quit_has_still_taken_the_message() {
    let outcomes = converse(&[GREETED, BOTH_TAKEN, MESSAGE, "S: 250 queued\nC: QUIT\n"]).await.unwrap();
    assert_eq!(outcomes, vec![Outcome::Delivered(Reply::new(250, "queued")); 2]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_is_waited_for_as_long_as_the_standard_asks() {
    const MINUTE: Duration = Duration::from_secs(60);
    const SILENCE: &str = "S: (silence)\n";
    for (script, stage, patience) in [
        (vec![GREETED, SILENCE], Stage::Mail, 5 * MINUTE),
        (vec![GREETED, "S: 250 OK\nC: RCPT TO:<one@example.org>\n", SILENCE], Stage::Rcpt, 5 * MINUTE),
        (vec![GREETED, BOTH_TAKEN, SILENCE], Stage::Data, 2 * MINUTE),
        (vec![GREETED, BOTH_TAKEN, MESSAGE, SILENCE], Stage::EndOfData, 10 * MINUTE),
    ] {
        let start = Instant::now();
        let outcomes = converse(&script).await.unwrap();
        assert_eq!(outcomes, vec![interrupted(Interruption::TimedOut { stage }); 2]);
        let waited = start.elapsed();
        assert!(waited >= patience && waited < patience + MINUTE, "{stage}: {waited:?}");
    }
    let start = Instant::now();
    let no_greeting = converse(&[SILENCE]).await;
    assert_eq!(no_greeting, Err(NoService::Interrupted(Interruption::TimedOut { stage: Stage::Greeting })));
    assert_eq!(start.elapsed().as_secs(), 5 * 60);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stops_reading_is_given_up_in_less_than_four_minutes() {
    let content = b"x\r\n".repeat(100_000);
    let script = [GREETED, BOTH_TAKEN, "S: 354 go on\nC: x\nS: (deaf)\n"];
    let outcomes = send_content(&content, &script).await.unwrap();
    assert_eq!(outcomes, vec![interrupted(Interruption::TimedOut { stage: Stage::Content }); 2]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_answers_everything_at_the_last_moment_is_given_up_after_two_hours() {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let recipients: Vec<Address> =
        (0..100).map(|number| format!("r{number}@example.org").parse().unwrap()).collect();
    let slow = async {
        let mut far = BufReader::new(far);
        let mut heard = String::new();
        far.write_all(b"220 mx.example\r\n").await.unwrap();
        while far.read_line(&mut heard).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_secs(299)).await;
            if far.write_all(b"250 OK\r\n").await.is_err() {
                break;
            }
        }
        heard
    };
    let helo = "gateway.example".parse().unwrap();
    let start = Instant::now();
    let (reverse_path, dsn) = (&ReversePath::Null, &DsnRequest::default());
    let letter =
        Letter { reverse_path, recipients: &recipients, dsn, is_international: false, content: b"Hello\r\n" };
    let sending = send(near, &helo, letter);
    let (outcomes, heard) = tokio::join!(sending, slow);
    assert_eq!(
        outcomes.unwrap().outcomes,
        vec![interrupted(Interruption::TookTooLong { stage: Stage::Rcpt }); 100]
    );
    assert!(start.elapsed() < Duration::from_secs(2 * 60 * 60 + 300), "{:?}", start.elapsed());
    assert!(!heard.contains("DATA"));
}

const PIPELINED: &str = "
    S: 220 mx.example
    C: EHLO gateway.example
    S: 250-mx.example
    S: 250 PIPELINING
    C: MAIL FROM:<jane@example.com>
    C: RCPT TO:<one@example.org>
    C: RCPT TO:<two@example.org>
    C: DATA
";

#[tokio::test]
async fn commands_are_said_together_where_that_is_offered() {
    let replies = "S: 250 OK\nS: 550 no such user\nS: 250 OK\n";
    let outcomes = converse(&[PIPELINED, replies, MESSAGE, "S: 250 queued\n", QUIT]).await.unwrap();
    assert_eq!(outcomes[0], Outcome::Failed(Reply::new(550, "no such user")));
    assert_eq!(outcomes[1], Outcome::Delivered(Reply::new(250, "queued")));
}

#[tokio::test]
async fn what_was_said_together_with_a_refused_mail_is_refused_for_that_alone() {
    let replies = "S: 451 later\nS: 503 no\nS: 503 no\nS: 503 no\n";
    let outcomes = converse(&[PIPELINED, replies, QUIT]).await.unwrap();
    assert_eq!(outcomes, vec![deferred(Reply::new(451, "later")); 2]);
}

#[tokio::test]
async fn nothing_is_sent_to_a_host_that_grants_data_along_with_no_recipient() {
    let replies = "S: 250 OK\nS: 550 no\nS: 452 later\nS: 354 go on\nC: .\nS: 250 queued\n";
    let outcomes = converse(&[PIPELINED, replies, QUIT]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Failed(Reply::new(550, "no")), deferred(Reply::new(452, "later"))]);
}

#[tokio::test]
async fn a_host_that_closes_down_among_what_was_said_together_defers_the_rest() {
    let replies = "S: 250 OK\nS: 250 OK\nS: 421 closing\n";
    let outcomes = converse(&[PIPELINED, replies]).await.unwrap();
    assert_eq!(outcomes, vec![deferred(Reply::new(421, "closing")); 2]);
}

#[tokio::test]
async fn what_is_asked_of_reports_is_passed_on_to_a_host_that_reports() {
    let script = "
        S: 220 mx.example
        C: EHLO gateway.example
        S: 250-mx.example
        S: 250 DSN
        C: MAIL FROM:<jane@example.com> RET=HDRS ENVID=QQ31
        S: 250 OK
        C: RCPT TO:<one@example.org>
        S: 250 OK
        C: RCPT TO:<two@example.org> NOTIFY=SUCCESS ORCPT=rfc822;Two@example.net
        S: 250 OK
        C: DATA
    ";
    let outcomes = converse(&[script, MESSAGE, "S: 250 queued\n", QUIT]).await.unwrap();
    assert_eq!(outcomes, vec![Outcome::Delivered(Reply::new(250, "queued")); 2]);
}
