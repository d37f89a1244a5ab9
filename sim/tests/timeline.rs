//! The timeline: one page that is whole in itself, whatever the run says.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use sim::draw::Seed;
use sim::engine::Leap;
use sim::render::timeline::{LARGEST, Shown, timeline};
use sim::scenario::{Library, Scenario};
use sim::trace::Keep;
use sim::verdict::Replay;

/// A gateway with a mailbox and a mail server, without clients.
const WORLD: &str = r#"
title = "TITLE"
starts = "2026-03-02T08:00:00Z"
duration = "12h"
seed = 1
releases = ["current"]

[gateway]
name = "gw.contoso.test"
address = "192.0.2.25"

[gateway.config]
administrator = "administrator@contoso.test"
route = [{ domain = "contoso.test", to = "<inbound>" }]
relay = { networks = ["192.0.2.30"] }
mailbox = [{ address = "administrator@contoso.test" }, { address = "bob@contoso.test" }]

[[server]]
name = "mail.partner.test"
address = "203.0.113.25"
domains = ["partner.test"]

[[client]]
name = "desk.contoso.test"
address = "192.0.2.30"
"#;

/// Everything that could end a script, begin an element or end a line of a script.
const HOSTILE: &str =
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> <!-- {script} \u{2028}\u{2029} &quot;";

fn page(scenario: &Scenario, release: &str, snapshots: &Path) -> String {
    let (release, seed) = (release.parse().unwrap(), scenario.seed());
    let replay = Replay::new(scenario, release, seed, &Leap, Keep::Capture, snapshots).unwrap();
    let shown =
        Shown { replay: &replay, title: scenario.title(), engine: "leap", command: "postmortem show it" };
    timeline(&shown)
}

fn library() -> Library {
    Library::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn of_the_project(name: &str, release: &str) -> String {
    let library = library();
    let scenario = library.find(name).unwrap().scenario(Seed(0), release.parse().unwrap()).into_owned();
    page(&scenario, release, &library.snapshots())
}

fn of_text(text: &str) -> String {
    page(&Scenario::parse("it", "it.toml", text).unwrap().apart(), "current", Path::new(""))
}

/// The data in a page, as text; and the page without it.
fn parts(page: &str) -> (&str, String) {
    let (before, rest) = page.split_once("<script type=\"application/json\" id=\"run\">").unwrap();
    let (data, after) = rest.split_once("</script>").unwrap();
    (data, format!("{before}{after}"))
}

fn data(page: &str) -> Value {
    serde_json::from_str(parts(page).0).unwrap()
}

/// The text of a row.
fn text(run: &Value, row: &Value) -> String {
    let place = &run["rows"]["text"][row.as_u64().unwrap() as usize];
    run["texts"][place.as_u64().unwrap() as usize].as_str().unwrap().to_owned()
}

#[test]
fn the_page_opens_with_the_entry_that_broke_the_oracle() {
    let run = data(&of_the_project("Q169681", "5.0"));
    assert_eq!(run["findings"][0]["oracle"], "service");
    assert_eq!(run["findings"][0]["row"], run["open"]);
    assert!(text(&run, &run["open"]).starts_with("event 4037 Error"));
    assert_eq!((&run["head"]["good"], &run["head"]["release"]), (&true.into(), &"5.0 RTM".into()));
}

#[test]
fn each_line_of_a_dialogue_and_each_event_knows_its_message() {
    let run = data(&of_the_project("one-bad-message-among-good-ones", "current"));
    let kinds: Vec<&str> = run["rows"]["kind"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| run["kinds"][kind.as_u64().unwrap() as usize].as_str().unwrap())
        .collect();
    for (row, kind) in kinds.iter().enumerate() {
        let about = run["rows"]["message"][row].as_u64().unwrap();
        let said = text(&run, &row.into());
        if ["said-by-client", "accepted", "taken", "disk"].contains(kind) || said.starts_with("event 2002") {
            assert_ne!(about, 0, "{kind}: {said}");
        }
        if *kind == "disk" {
            let name = run["messages"][about as usize - 1]["name"].as_str().unwrap();
            assert!(said.contains(name), "{said} is not about {name}");
        }
    }
    assert!(kinds.contains(&"disk"));
}

#[test]
fn the_page_asks_for_nothing_from_anywhere() {
    let page = of_the_project("Q178091", "5.5");
    let (_, shell) = parts(&page);
    // The one address in it is the name of the elements of SVG.
    let shell = shell.replace("'http://www.w3.org/2000/svg'", "");
    for asking in [
        "http:",
        "https:",
        "src=",
        "url(",
        "@import",
        "import(",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "<link",
    ] {
        assert!(!shell.contains(asking), "the page has {asking} in it");
    }
    assert!(shell.contains("Content-Security-Policy\" content=\"default-src 'none';"));
}

#[test]
fn no_text_of_a_run_is_markup() {
    let quoted = toml::Value::from(HOSTILE).to_string();
    let hostile = WORLD.replace("\"TITLE\"", &quoted)
        + &format!(
            r#"
[[client.message]]
name = "m1"
subject = {quoted}
at = "30s"
from = "bob@contoso.test"
to = ["carol@partner.test"]

[[fault]]
kind = "server"
server = "mail.partner.test"
until = "1h"
does = {{ replies = {{ to = "rcpt", reply = {} }} }}
"#,
            toml::Value::from(format!("550 {}", HOSTILE.replace(['\u{2028}', '\u{2029}'], "")))
        );
    let (hostile, harmless) = (of_text(&hostile), of_the_project("Q178091", "5.5"));
    let (text, shell) = parts(&hostile);
    let elements = |page: &str| page.matches('<').count();
    assert_eq!(elements(&shell), elements(&parts(&harmless).1), "something in the run became markup");
    assert!(!text.contains(['<', '\u{2028}', '\u{2029}']));
    let run = data(&hostile);
    assert_eq!(run["head"]["title"], HOSTILE);
    assert!(run["messages"][0]["subject"].as_str().unwrap().contains("<img src=x onerror=alert(2)>"));
    let replied = |text: &Value| text.as_str().unwrap().starts_with("550 </script><script>");
    assert!(run["texts"].as_array().unwrap().iter().any(replied), "the hostile reply is not shown");
}

#[test]
fn a_run_of_a_thousand_messages_is_shown_whole_in_less_than_two_megabytes() {
    let mut scenario = WORLD.to_owned();
    for number in 1..=1000 {
        let to = if number % 2 == 0 { "bob@contoso.test" } else { "carol@partner.test" };
        write!(
            scenario,
            "[[client.message]]\nname = \"m{number}\"\nsubject = \"Number {number}\"\nat = \"{number}s\"\n\
             from = \"bob@contoso.test\"\nto = [\"{to}\"]\n"
        )
        .unwrap();
    }
    let page = of_text(&scenario);
    assert!(page.len() < LARGEST, "{} octets", page.len());
    let run = data(&page);
    assert_eq!(run["leftOut"], Value::Array(Vec::new()));
    let delivered = |message: &Value| message["ends"].as_array().unwrap().len() == 1;
    assert!(run["messages"].as_array().unwrap().iter().all(delivered));
}

/// A world with a milter that fails for a while, and a message that is late, of which its sender wants to hear all.
fn filtered() -> String {
    let world = WORLD.replace(
        "relay = ",
        "milter = [{ address = \"inet:8891@filter.contoso.test\", on_failure = \"accept\" }]\nrelay = ",
    );
    world
        + r#"
[[client.message]]
name = "m1"
at = "30s"
from = "bob@contoso.test"
to = ["carol@partner.test"]
subject = "It"
notify = ["success", "delay"]

[[milter]]
name = "filter.contoso.test"
address = "192.0.2.61"

[[fault]]
kind = "milter"
milter = "filter.contoso.test"
at = "1m"
until = "30m"
does = "is-down"

[[fault]]
kind = "partition"
between = ["gw.contoso.test", "mail.partner.test"]
at = "1s"
until = "6h"
"#
}

#[test]
fn a_milter_has_a_lane_with_what_it_says_and_what_fails_of_it() {
    let run = data(&of_text(&filtered()));
    let roles: Vec<_> = run["lanes"].as_array().unwrap().iter().map(|lane| &lane["role"]).collect();
    assert_eq!(roles, ["client", "gateway", "server", "milter"]);
    let rows = 0..run["rows"]["lane"].as_array().unwrap().len();
    let of_milter: Vec<String> =
        rows.filter(|row| run["rows"]["lane"][row] == 3).map(|row| text(&run, &row.into())).collect();
    assert!(of_milter.iter().any(|text| text.starts_with("asked at ")), "{of_milter:?}");
    assert!(of_milter.iter().any(|text| text.ends_with("filter.contoso.test: begins")), "{of_milter:?}");
    let band = &run["faults"][0];
    let minutes = |minutes: u64| Value::from(minutes * 60_000_000);
    assert_eq!((&band["from"], &band["until"]), (&minutes(1), &minutes(30)));
    assert_eq!(band["lanes"], serde_json::json!([3]));
}

#[test]
fn a_name_server_has_a_lane_where_something_is_done_to_it() {
    let fault = "[[fault]]\nkind = \"partition\"\nbetween = [\"gw.contoso.test\", \"ns.test\"]\nat = \"1s\"\nuntil = \"2m\"\n";
    let run = data(&of_text(&format!("{}{fault}", filtered())));
    assert_eq!(run["lanes"][4]["role"], "name-server");
    assert_eq!(run["faults"][2]["lanes"], serde_json::json!([1, 4]));
}

#[test]
fn receipts_and_reports_of_a_delay_belong_to_their_message() {
    let run = data(&of_text(&filtered()));
    let ends: Vec<&str> =
        run["messages"][0]["ends"].as_array().unwrap().iter().map(|end| end.as_str().unwrap()).collect();
    for words in ["delay of ", "receipt on "] {
        assert!(ends.contains(&&*format!("{words}m1 in mailbox bob@contoso.test")), "{ends:?}");
        assert!(run["about"].as_array().unwrap().contains(&words.into()));
    }
}
