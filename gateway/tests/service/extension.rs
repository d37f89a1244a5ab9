//! What extensions do to a message on its way in.

use std::collections::BTreeMap;
use std::future::pending;
use std::panic;
use std::time::Duration;

use gateway::address::Address;
use gateway::env::BoxFuture;
use gateway::extension::{Disposition, Extension, Factory, Subject};
use gateway::reach::Point;
use tokio::time::Instant;

use crate::machine::{Machine, pass};

const MINUTE: Duration = Duration::from_secs(60);

/// An extension whose settings say what it answers about which recipients, by local part: `drop`, `hang`, `panic`, or a
/// text that it has every message end in.
pub(crate) fn scripted() -> Factory {
    Box::new(|settings, _| {
        let answers = settings.into_iter().map(|(who, answer)| (who, answer.as_str().unwrap().to_owned()));
        let extension: Box<dyn Extension> = Box::new(Scripted(answers.collect()));
        Box::pin(async { Ok(extension) })
    })
}

struct Scripted(BTreeMap<String, String>);

impl Extension for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn route<'a>(&'a self, subject: Subject<'a>, recipient: &'a Address) -> BoxFuture<'a, Disposition> {
        let who = recipient.to_string();
        let answer = who.split('@').next().and_then(|who| self.0.get(who));
        Box::pin(async move {
            match answer.map(String::as_str) {
                None => Disposition::Continue,
                Some("drop") => Disposition::Drop,
                Some("hang") => pending().await,
                Some("panic") => panic::resume_unwind(Box::new("it cannot be read")),
                Some(end) if subject.content.ends_with(format!("{end}\r\n").as_bytes()) => {
                    Disposition::Continue
                }
                Some(end) => {
                    Disposition::Rewrite([subject.content, format!("{end}\r\n").as_bytes()].concat())
                }
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_an_extension_drops_for_one_recipient_reaches_the_others() {
    let machine = Machine::with("extension = [{ name = \"scripted\", alice = \"drop\" }]").await;
    machine.send("eve@fabrikam.test", &["alice@contoso.test", "administrator@contoso.test"]).await;
    assert_eq!((machine.mailbox("alice").len(), machine.mailbox("administrator").len()), (0, 1));
    let [dropped] = &machine.events(4123)[..] else { panic!("one event") };
    assert!(dropped.contains("alice@contoso.test") && dropped.contains("`scripted`"), "{dropped}");
    assert_eq!((machine.spool("in"), machine.spool("bad")), Default::default());
}

#[tokio::test(start_paused = true)]
async fn a_rewritten_message_has_its_new_content_everywhere() {
    let chain = "extension = [
        { name = \"scripted\", administrator = \"Seen.\" },
        { name = \"scripted\", administrator = \"Seen again.\" },
    ]";
    let machine = Machine::with(chain).await;
    machine.network.host("partner.test", 10, "mx1.partner.test", "203.0.113.1", &[&[]]);
    let to = ["alice@contoso.test", "administrator@contoso.test", "bob@partner.test"];
    machine.send("eve@fabrikam.test", &to).await;
    for mailbox in ["alice", "administrator"] {
        assert!(machine.mailbox(mailbox)[0].ends_with("Please.\r\nSeen.\r\nSeen again.\r\n"));
    }
    pass(MINUTE).await;
    let said = machine.network.visits().pop().unwrap().said;
    assert!(said.ends_with(&["Seen again.".to_owned(), ".".to_owned(), "QUIT".to_owned()]), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_processed_again_after_a_crash_is_rewritten_again() {
    let chain = "extension = [{ name = \"scripted\", alice = \"Seen.\", nobody = \"Seen.\" }]";
    let machine = Machine::with(chain).await;
    machine.halt_at_reports(true);
    machine.send("administrator@contoso.test", &["nobody@contoso.test", "alice@contoso.test"]).await;
    machine.kill().await;
    machine.halt_at_reports(false);
    machine.start(chain).await;
    pass(MINUTE).await;
    let [message] = &machine.mailbox("alice")[..] else { panic!("one message") };
    assert_eq!(message.matches("Seen.").count(), 1, "{message}");
    let reports = machine.mailbox("administrator").concat();
    assert!(reports.contains("Undeliverable") && reports.contains("Seen."), "{reports}");
}

#[tokio::test(start_paused = true)]
async fn an_extension_that_never_answers_is_waited_for_its_time_and_holds_nobody_up() {
    let settings = "extension = [{ name = \"scripted\", nobody = \"hang\", nowhere = \"hang\" }]
        quarantine.extension_time = \"2m\"";
    let machine = Machine::with(settings).await;
    let start = Instant::now();
    machine.send("eve@fabrikam.test", &["nobody@contoso.test", "nowhere@contoso.test"]).await;
    machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(machine.mailbox("alice").len(), 1);
    while machine.events(4117).is_empty() {
        pass(Duration::from_secs(1)).await;
    }
    assert!((120..130).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let [set_aside] = &machine.events(4117)[..] else { panic!("one event") };
    assert!(set_aside.contains("the extension `scripted` gave no answer in time"), "{set_aside}");
    pass(MINUTE).await;
    assert_eq!((machine.spool("bad").len(), machine.mailbox("administrator").len()), (1, 1));
    assert!(machine.in_hand().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_historical_release_waits_for_its_extension_for_ever() {
    let settings = "extension = [{ name = \"scripted\", nobody = \"hang\" }]\n release = \"5.5 SP3\"";
    let machine = Machine::with(settings).await;
    machine.send("eve@fabrikam.test", &["nobody@contoso.test"]).await;
    pass(24 * 60 * MINUTE).await;
    assert_eq!((machine.spool("in").len(), machine.events(4117)), (1, Vec::new()));
}

/// A machine with an extension that fails over nobody's mail, and rewrites alice's before that.
async fn failing(how: &str, on_failure: &str) -> Machine {
    Machine::with(&format!(
        "extension = [{{ name = \"scripted\", alice = \"Seen.\", nobody = \"{how}\", on_failure = \"{on_failure}\" }}]
        delivery = {{ retry = [\"10m\"], expire = \"1h\" }}"
    ))
    .await
}

/// A letter without the line ends that its encoding brings.
fn unfolded(letter: &str) -> String {
    letter.replace("=\r\n", "").replace("\r\n ", " ")
}

const BOTH: [&str; 2] = ["alice@contoso.test", "nobody@contoso.test"];

#[tokio::test(start_paused = true)]
async fn a_message_over_which_an_extension_fails_goes_on_as_if_it_were_not_in_the_chain() {
    for (how, exceptions) in [("panic", 1), ("hang", 0)] {
        let machine = failing(how, "bypass").await;
        machine.send("eve@fabrikam.test", &BOTH).await;
        pass(5 * MINUTE).await;
        let [message] = &machine.mailbox("alice")[..] else { panic!("{how}: one message") };
        assert!(message.ends_with("Please.\r\n"), "{how}: what it had rewritten is undone: {message}");
        assert_eq!(machine.events(4037).len(), exceptions);
        let [bypassed] = &machine.events(3020)[..] else { panic!("one event") };
        assert!(bypassed.contains("goes on without the extension scripted"), "{bypassed}");
        assert!(machine.reached(Point::ExtensionBypassed));
        let told = machine.mailbox("administrator").concat();
        assert!(!told.contains("could not be processed"), "{told}");
        assert_eq!((machine.spool("in"), machine.spool("bad"), machine.journals()), Default::default());
    }
}

#[tokio::test(start_paused = true)]
async fn the_sender_of_a_message_over_which_an_extension_fails_is_told() {
    let machine = failing("panic", "report").await;
    machine.send("administrator@contoso.test", &BOTH).await;
    pass(MINUTE).await;
    let [report, told] = &machine.mailbox("administrator")[..] else { panic!("a report, a notification") };
    for recipient in BOTH {
        assert!(report.contains(recipient) && told.contains(recipient), "{report}{told}");
    }
    assert!(
        [report, told].iter().all(|letter| unfolded(letter).contains("it cannot be read")),
        "{report}{told}"
    );
    assert!(machine.reached(Point::ExtensionReported));
    assert_eq!((machine.mailbox("alice"), machine.spool("in"), machine.spool("bad")), Default::default());
}

#[tokio::test(start_paused = true)]
async fn a_message_is_kept_for_an_extension_that_fails_until_it_expires() {
    let machine = failing("panic", "retry").await;
    machine.send("administrator@contoso.test", &BOTH).await;
    machine.send("eve@fabrikam.test", &["alice@contoso.test"]).await;
    pass(55 * MINUTE).await;
    assert_eq!((machine.spool("in").len(), machine.events(4182).len()), (1, 6));
    assert_eq!((machine.mailbox("alice").len(), machine.in_hand().len()), (1, 0));
    pass(6 * MINUTE).await;
    let reports = unfolded(&machine.mailbox("administrator").concat());
    assert!(reports.contains("Message time-out exceeded after 6 retries"), "{reports}");
    assert!(machine.reached(Point::ExtensionAwaited) && machine.reached(Point::ExpiredInIn));
    assert_eq!(machine.mailbox("alice").len(), 1, "the other one");
    assert_eq!((machine.spool("in"), machine.spool("bad")), Default::default());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_for_an_extension_goes_on_when_it_is_well_again() {
    let machine = failing("panic", "retry").await;
    machine.send("eve@fabrikam.test", &BOTH).await;
    pass(25 * MINUTE).await;
    machine.kill().await;
    machine.start("extension = [{ name = \"scripted\", alice = \"Seen.\" }]").await;
    pass(MINUTE).await;
    assert_eq!((machine.mailbox("alice").len(), machine.spool("in").len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_historical_release_does_when_its_extension_fails_is_nobodys_choice() {
    let settings = "extension = [{ name = \"scripted\", nobody = \"panic\", on_failure = \"bypass\" }]
        release = \"5.5 SP3\"";
    let machine = Machine::with(settings).await;
    machine.send("eve@fabrikam.test", &["nobody@contoso.test"]).await;
    pass(MINUTE).await;
    assert_eq!(
        (machine.events(4037).len(), machine.events(3020).len(), machine.spool("in").len()),
        (1, 0, 1)
    );
}
