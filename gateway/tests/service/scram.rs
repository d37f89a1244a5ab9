//! AUTH SCRAM-SHA-256, as a client sees it that was written from RFC 5802 alone.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use gateway::reach::Point;

use crate::machine::Machine;
use crate::network::Client;

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    hmac.update(text.as_bytes());
    hmac.finalize().into_bytes().into()
}

fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

/// The text of a challenge.
fn decoded(reply: &str) -> String {
    let challenge = reply.strip_prefix("334 ").unwrap_or_else(|| panic!("no challenge: {reply}"));
    String::from_utf8(BASE64_STANDARD.decode(challenge).unwrap()).unwrap()
}

const FIRST: &str = "n=alice,r=fyko+d2lbbFgONRv9qkxdawL";

/// The proof that a client knows the password, as the last message with it; and the proof that the server does.
fn answer(first: &str, server_first: &str, password: &str) -> (String, String) {
    let fields: Vec<&str> = server_first.split(',').collect();
    let [nonce, salt, iterations] = fields[..] else { panic!("{server_first}") };
    let salt = BASE64_STANDARD.decode(&salt[2..]).unwrap();
    let salted: [u8; 32] =
        pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), &salt, iterations[2..].parse().unwrap());
    let without_proof = format!("c=biws,{nonce}");
    let exchange = format!("{first},{server_first},{without_proof}");
    let client_key = hmac(&salted, "Client Key");
    let mut proof = hmac(&Sha256::digest(client_key), &exchange);
    proof.iter_mut().zip(client_key).for_each(|(octet, key)| *octet ^= key);
    let signature = hmac(&hmac(&salted, "Server Key"), &exchange);
    (
        format!("{without_proof},p={}", BASE64_STANDARD.encode(proof)),
        format!("v={}", BASE64_STANDARD.encode(signature)),
    )
}

/// Begins an exchange. The first message of the server.
async fn begin(client: &mut Client, first: &str) -> String {
    decoded(&client.say(&format!("AUTH SCRAM-SHA-256 {}", encoded(&format!("n,,{first}")))).await)
}

#[tokio::test(start_paused = true)]
async fn who_knows_the_password_is_let_in_and_hears_that_the_server_knows_it_too() {
    let machine = Machine::with("").await;
    for with_initial_response in [true, false] {
        let mut client = machine.greeted().await;
        let server_first = if with_initial_response {
            begin(&mut client, FIRST).await
        } else {
            assert_eq!(client.say("AUTH SCRAM-SHA-256").await, "334");
            decoded(&client.say(&encoded(&format!("n,,{FIRST}"))).await)
        };
        let (ours, theirs) = answer(FIRST, &server_first, "winter");
        assert_eq!(decoded(&client.say(&encoded(&ours)).await), theirs);
        client.play("C:\n S: 235 2.7.0\n C: AUTH SCRAM-SHA-256\n S: 503").await;
        client
            .play("C: MAIL FROM:<alice@contoso.test>\n S: 250\n C: RCPT TO:<bob@partner.test>\n S: 250")
            .await;
    }
    assert!(machine.reached(Point::PasswordProven));
}

#[tokio::test(start_paused = true)]
async fn a_stranger_hears_what_a_wrong_password_hears() {
    let machine = Machine::with("").await;
    let mut salts = Vec::new();
    for account in ["alice", "mallory", "alice", "Mallory", "eve"] {
        let mut client = machine.greeted().await;
        let first = format!("n={account},r=fyko+d2lbbFgONRv9qkxdawL");
        let server_first = begin(&mut client, &first).await;
        let fields: Vec<&str> = server_first.split(',').collect();
        assert_eq!(fields[2], "i=4096");
        salts.push(fields[1].to_owned());
        let (wrong, _) = answer(&first, &server_first, "summer");
        client.play(&format!("C: {}\n S: 535 5.7.8 authentication failed", encoded(&wrong))).await;
    }
    // Asked again, a stranger's salt is the same, as an account's is.
    assert_eq!((&salts[0], &salts[1]), (&salts[2], &salts[3]));
    assert_ne!(salts[1], salts[4]);
    assert_eq!(machine.events(4183).len(), 5);
    assert!(machine.reached(Point::WrongProof));
}

#[tokio::test(start_paused = true)]
async fn what_was_overheard_proves_nothing() {
    let machine = Machine::with("").await;
    let mut overheard = machine.greeted().await;
    let server_first = begin(&mut overheard, FIRST).await;
    let (ours, _) = answer(FIRST, &server_first, "winter");
    overheard.play(&format!("C: {}\n S: 334\n C:\n S: 235", encoded(&ours))).await;
    let mut client = machine.greeted().await;
    let again = begin(&mut client, FIRST).await;
    assert_ne!(again, server_first);
    client.play(&format!("C: {}\n S: 535", encoded(&ours))).await;
    // Nor does it under the nonce of this exchange.
    let again = begin(&mut client, FIRST).await;
    let proof = ours.split(',').next_back().unwrap();
    let nonce = again.split(',').next().unwrap();
    client.play(&format!("C: {}\n S: 535", encoded(&format!("c=biws,{nonce},{proof}")))).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_may_break_off_and_must_not_stammer() {
    let machine = Machine::with("").await;
    let mut client = machine.greeted().await;
    for first in ["!", "=", &encoded("n,,n=alice"), &encoded(&format!("p=tls-unique,,{FIRST}"))] {
        client.play(&format!("C: AUTH SCRAM-SHA-256 {first}\n S: 501")).await;
    }
    client.play("C: AUTH SCRAM-SHA-256\n S: 334\n C: *\n S: 501").await;
    begin(&mut client, FIRST).await;
    client.play("C: *\n S: 501").await;
    begin(&mut client, FIRST).await;
    client.play(&format!("C: {}\n S: 501", encoded("c=biws,r=abc,p=AAAA"))).await;
    // Who has proven it and then breaks off is not let in.
    let server_first = begin(&mut client, FIRST).await;
    let (ours, _) = answer(FIRST, &server_first, "winter");
    client.play(&format!("C: {}\n S: 334\n C: *\n S: 501", encoded(&ours))).await;
    client.play("C: MAIL FROM:<a@b.test>\n S: 250\n C: RCPT TO:<bob@partner.test>\n S: 550").await;
    assert!(machine.events(4183).is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_historical_release_knows_it() {
    let machine = Machine::with("release = \"5.5 SP3\"").await;
    machine.greeted().await.play("C: AUTH SCRAM-SHA-256\n S: 504").await;
}
