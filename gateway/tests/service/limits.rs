//! What one host may ask for, and who may have mail passed on.

use std::time::Duration;

use gateway::reach::Point;

use crate::machine::{CLIENT, Machine, RELAY_CLIENT, pass};

#[tokio::test(start_paused = true)]
async fn a_host_with_too_many_connections_is_turned_away_and_another_is_served() {
    let machine = Machine::with("limits = { connections_per_host = 2 }").await;
    let first = machine.greeted().await;
    let _second = machine.greeted().await;
    let refused = "S: 421 4.7.0 ims.contoso.test too many connections at one time\n S: (closed)";
    machine.play(refused).await;
    machine.network.dial("192.0.2.8").play("S: 220").await;
    let mut exempt: Vec<_> = (0..3).map(|_| machine.network.dial(RELAY_CLIENT)).collect();
    for client in &mut exempt {
        client.play("S: 220").await;
    }
    drop(first);
    pass(Duration::from_millis(1)).await;
    machine.greeted().await;
    assert!(machine.reached(Point::HostOverLimit));
    assert_eq!(
        machine.events(3035),
        [format!(
            "{CLIENT} has asked for too many connections at one time, and is asked to come back later."
        )]
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_that_sends_too_much_in_a_minute_is_put_off_until_the_next() {
    let limits = "limits = { messages_per_minute = 2, recipients_per_minute = 3 }";
    let machine = Machine::with(limits).await;
    let mut client = machine.greeted().await;
    let script = "
        C: MAIL FROM:<eve@fabrikam.test>
        S: 250
        C: RCPT TO:<alice@contoso.test>
        S: 250
        C: RCPT TO:<bob@contoso.test>
        S: 250
        C: RCPT TO:<administrator@contoso.test>
        S: 250
        C: RCPT TO:<postmaster@contoso.test>
        S: 450 4.7.1 too many recipients in a minute
        C: DATA
        S: 354
        C: .
        S: 250
        C: MAIL FROM:<eve@fabrikam.test>
        S: 250
        C: RSET
        S: 250
        C: MAIL FROM:<eve@fabrikam.test>
        S: 450 4.7.1 too many messages in a minute
    ";
    client.play(script).await;
    pass(Duration::from_secs(60)).await;
    client.play("C: MAIL FROM:<>\n S: 250\n C: RCPT TO:<alice@contoso.test>\n S: 250").await;
    assert!(machine.reached(Point::MessageOverLimit) && machine.reached(Point::RecipientOverLimit));
}

#[tokio::test(start_paused = true)]
async fn who_connects_to_an_address_that_is_named_may_have_mail_passed_on_but_not_who_is_denied() {
    let relay = "relay.authenticated = false\n relay.local_addresses = [\"10.0.0.25\"]\n relay.denied = [\"192.0.2.8\"]";
    let machine = Machine::with(relay).await;
    for (from, to, answer) in [
        (CLIENT, "192.0.2.25", "550 5.7.1 relaying prohibited"),
        (CLIENT, "10.0.0.25", "250"),
        ("192.0.2.8", "10.0.0.25", "550 5.7.1 relaying prohibited"),
    ] {
        let script = format!(
            "S: 220\n C: HELO client.example\n S: 250\n C: MAIL FROM:<>\n S: 250\n C: RCPT TO:<dave@partner.test>\n S: {answer}"
        );
        machine.network.dial_at(from, to).play(&script).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_without_restrictions_passes_mail_on_for_everybody() {
    let machine = Machine::with("release = \"5.0 SP2\"").await;
    machine
        .play("S: 220\n C: HELO x\n S: 250\n C: MAIL FROM:<>\n S: 250\n C: RCPT TO:<dave@partner.test>\n S: 250")
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_rejected_host_heard_220_from_the_release_that_had_the_defect() {
    for (release, greeting) in [("5.0 RTM", "220"), ("5.0 SP2", "521"), ("current", "521")] {
        let rejects = format!(
            "release = \"{release}\"\n accept.host = [{{ network = \"{CLIENT}\", rule = \"reject\" }}]"
        );
        let machine = Machine::with(&rejects).await;
        machine.play(&format!("S: {greeting} ims.contoso.test access denied\n S: (closed)")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn vrfy_and_expn_tell_what_the_policy_lets_them_tell() {
    let vague = Machine::with("").await;
    let script =
        "C: VRFY alice@contoso.test\n S: 252\n C: VRFY nobody@contoso.test\n S: 252\n C: EXPN a\n S: 502";
    vague.greeted().await.play(script).await;

    let silent = Machine::with("policy.vrfy = \"refuse\"").await;
    silent.greeted().await.play("C: VRFY alice@contoso.test\n S: 502\n C: EXPN a\n S: 502").await;

    let truthful = Machine::with("policy.vrfy = \"authenticated\"").await;
    let mut client = truthful.greeted().await;
    client.play("C: VRFY alice@contoso.test\n S: 252\n C: EXPN postmaster\n S: 550 5.7.1").await;
    client.play("C: AUTH PLAIN AGFsaWNlAHdpbnRlcg==\n S: 235").await;
    let script = "
        C: VRFY <Alice@contoso.test>
        S: 250 2.1.5 <alice@contoso.test>
        C: VRFY nobody@contoso.test
        S: 550 5.1.1
        C: VRFY dave@partner.test
        S: 252
        C: EXPN postmaster
        S: 250 2.1.5 <administrator@contoso.test>
        C: EXPN alice@contoso.test
        S: 550 5.2.4
        C: HELP
        S: 214 2.0.0 Commands: HELO EHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN HELP AUTH
    ";
    client.play(script).await;
    assert!(truthful.reached(Point::LookupAnswered) && !vague.reached(Point::LookupAnswered));
}

#[tokio::test(start_paused = true)]
async fn mail_for_nobody_is_refused_in_the_session_where_nothing_may_know_better() {
    const REFUSE: &str = "policy.unknown_recipients = \"refuse\"";
    let script = "
        C: MAIL FROM:<eve@fabrikam.test>
        S: 250
        C: RCPT TO:<nobody@contoso.test>
        S: 550 5.1.1
        C: RCPT TO:<alice@contoso.test>
        S: 250
        C: RCPT TO:<Postmaster>
        S: 250
    ";
    let machine = Machine::with(REFUSE).await;
    machine.greeted().await.play(script).await;
    assert!(machine.reached(Point::UnknownRecipientRefused));

    let disclaimer = "[[extension]]\nname = \"disclaimer\"\noutbound.append = \"Not for you.\"";
    Machine::with(&format!("{REFUSE}\n{disclaimer}")).await.greeted().await.play(script).await;
    // Another extension may send it somewhere.
    let scripted = Machine::with(&format!("{REFUSE}\n[[extension]]\nname = \"scripted\"")).await;
    scripted.greeted().await.play(&script.replace("550 5.1.1", "250")).await;
    assert!(!scripted.reached(Point::UnknownRecipientRefused));
}

#[tokio::test(start_paused = true)]
async fn anybody_may_send_to_a_server_behind_this_one() {
    let machine = Machine::new();
    let route = "{ domain = \"behind.test\", to = \"192.0.2.99\", from = \"anybody\" }, { domain = \"beside.test\", to = \"192.0.2.98\" }";
    machine.start_with_route(route, "").await;
    let mut client = machine.greeted().await;
    client
        .play("C: MAIL FROM:<eve@fabrikam.test>\n S: 250\n C: RCPT TO:<bob@sub.behind.test>\n S: 250")
        .await;
    client.play("C: RCPT TO:<bob@beside.test>\n S: 550 5.7.1\n C: RCPT TO:<bob@behind.test>\n S: 250").await;
    assert!(machine.reached(Point::PublicRoute) && !machine.reached(Point::RelayPermitted));
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_past_ascii_is_found_and_not_told_wrongly() {
    let machine = Machine::with("policy.vrfy = \"authenticated\"").await;
    let mut client = machine.greeted().await;
    client.play("C: AUTH PLAIN AGFsaWNlAHdpbnRlcg==\n S: 235").await;
    let script = "
        C: VRFY j\u{fc}rgen@contoso.test SMTPUTF8
        S: 252 2.6.8
        C: EXPN juergen@contoso.test SMTPUTF8
        S: 550 5.6.8
        C: VRFY alice@contoso.test SMTPUTF8
        S: 250 2.1.5 <alice@contoso.test>
        C: VRFY nobody@contoso.test SMTPUTF8
        S: 550 5.1.1
    ";
    client.play(script).await;
}
