//! A milter beside a session, as far as it takes what mail programs do not say.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::machine::{Machine, RELAY_CLIENT};
use crate::network::Heard;

/// A milter that wants to hear everything and has something against every greeting but the first, and that never decides on
/// a message which asks it to think. What it hears goes into `heard`, a letter each.
pub(crate) async fn refuse_later_greetings(mut stream: DuplexStream, heard: Heard) -> io::Result<()> {
    let (mut greetings, mut thinks) = (0, false);
    loop {
        let length = stream.read_u32().await?;
        let mut packet = vec![0; length as usize];
        stream.read_exact(&mut packet).await?;
        let letter = packet[0];
        if letter != b'D' {
            heard.lock().unwrap().push(char::from(letter));
        }
        let answer: &[u8] = match letter {
            // Version 6, no changes, every step.
            b'O' => b"O\0\0\0\x06\0\0\0\0\0\0\0\0",
            b'H' => {
                greetings += 1;
                if greetings == 1 { b"c" } else { b"r" }
            }
            b'B' => {
                thinks |= packet.starts_with(b"Bthink");
                b"c"
            }
            b'E' if thinks => std::future::pending().await,
            b'A' | b'D' => continue,
            b'Q' => return Ok(()),
            _ => b"c",
        };
        stream.write_u32(u32::try_from(answer.len()).unwrap()).await?;
        stream.write_all(answer).await?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_greeting_that_a_milter_refuses_ends_the_message_for_the_milters_and_for_the_session() {
    let machine = Machine::with("milter = [{ address = \"inet:8891@203.0.113.8\" }]").await;
    let heard = machine.network.milter("203.0.113.8");
    let mut client = machine.greeted().await;
    client.play("C: MAIL FROM:<eve@fabrikam.test>\n S: 250\n C: RCPT TO:<alice@contoso.test>\n S: 250").await;
    client.play("C: EHLO again.example\n S: 550").await;
    client
        .play("C: RCPT TO:<alice@contoso.test>\n S: 503\n C: DATA\n S: 503\n C: QUIT\n S: 221\n S: (closed)")
        .await;
    assert_eq!(heard.lock().unwrap().as_str(), "OCHMRAHQ");
}

#[tokio::test(start_paused = true)]
async fn a_large_message_for_which_there_is_no_room_beside_milters_is_put_off() {
    let machine =
        Machine::with("milter = [{ address = \"inet:8891@203.0.113.8\" }]\nlimits.octets_in_hand = 65536")
            .await;
    machine.network.milter("203.0.113.8");
    let mut clients = Vec::new();
    for body in ["think", "and do not"] {
        let mut client = machine.network.dial(RELAY_CLIENT);
        client
            .play("S: 220\n C: HELO client.example\n S: 250\n C: MAIL FROM:<eve@fabrikam.test>\n S: 250")
            .await;
        client.play("C: RCPT TO:<alice@contoso.test>\n S: 250\n C: DATA\n S: 354").await;
        let lines = format!("{}\r\n", "x".repeat(98)).repeat(400);
        client.send(format!("Subject: chairs\r\n\r\n{body}\r\n{lines}.\r\n").as_bytes()).await;
        clients.push(client);
    }
    clients[1].play("S: 452 4.3.1 too many large messages at once\n C: QUIT\n S: 221").await;
    assert!(machine.spool("work").is_empty() && machine.mailbox("alice").is_empty());
}
