//! The exchangers of a domain: in which order they are tried, over which addresses, and for how long an old one is.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use gateway::address::Domain;
use gateway::dns::{DnsError, MailExchanger, Resolver};
use gateway::env::BoxFuture;
use gateway::extension::Registry;
use gateway::release::Release;
use gateway::service::{Exit, Gateway};
use sim::engine::{Classic, Leap};
use sim::oracle::judge;
use sim::plan::Plan;
use sim::record::Record;
use sim::run::{run, run_subject};
use sim::scenario::Scenario;
use sim::subject::{Process, Subject};
use sim::trace::Keep;

/// Two exchangers with these preferences, mail at these seconds, and something that is wrong.
fn plan(preferences: [u16; 2], handed_over: &[u64], fault: &str) -> Plan {
    let messages = (1..).zip(handed_over).map(|(number, at)| {
        format!(
            "[[client.message]]\nname = \"m{number}\"\nat = \"{at}s\"\nfrom = \"alice@fabrikam.test\"\n\
             to = [\"dave@partner.test\"]\nsubject = \"Hello\"\n"
        )
    });
    let [first, second] = preferences;
    let text = format!(
        r#"
        title = "Two exchangers"
        starts = "2026-03-02T08:00:00Z"
        duration = "50m"
        seed = 7
        releases = ["current"]
        [gateway]
        name = "gw.contoso.test"
        address = "192.0.2.25"
        [gateway.config]
        relay = {{ networks = ["198.51.100.7"] }}
        delivery = {{ retry = ["1m"] }}
        [[server]]
        name = "first.partner.test"
        address = "2001:db8::1"
        domains = ["partner.test"]
        preference = {first}
        [[server]]
        name = "second.partner.test"
        address = "203.0.113.2"
        domains = ["partner.test"]
        preference = {second}
        [[client]]
        name = "mail.fabrikam.test"
        address = "198.51.100.7"
        {}
        {fault}
        "#,
        messages.collect::<String>()
    );
    let scenario = Scenario::parse("exchangers", "exchangers.toml", &text).unwrap();
    scenario.plan(Release::Current, scenario.seed())
}

/// How many messages each server has taken.
fn taken(record: &Record) -> Vec<usize> {
    record.end.servers.iter().map(|(_, items)| items.len()).collect()
}

fn causes(plan: &Plan, record: &Record) -> Vec<(&'static str, String)> {
    judge(plan, record).into_iter().map(|finding| (finding.oracle, finding.cause)).collect()
}

fn lapse(does: &str) -> String {
    format!("[[fault]]\nkind = \"server\"\nserver = \"first.partner.test\"\nuntil = \"20m\"\ndoes = {does}\n")
}

fn says(answer: &str, until: &str) -> String {
    format!(
        "[[fault]]\nkind = \"dns\"\nname = \"partner.test\"\nanswer = \"{answer}\"\nuntil = \"{until}\"\n"
    )
}

#[test]
fn the_exchanger_that_is_preferred_has_the_mail_over_ipv6_as_over_ipv4() {
    for (preferences, expected) in [([5, 10], [3, 0]), ([10, 5], [0, 3])] {
        let plan = plan(preferences, &[10, 20, 30], "");
        let record = run(&plan, &Leap, Keep::Digest).unwrap();
        assert_eq!((taken(&record), causes(&plan, &record)), (expected.to_vec(), vec![]));
        let classic = run(&plan, &Classic::COARSE, Keep::Digest).unwrap();
        assert_eq!(taken(&classic), expected);
    }
}

#[test]
fn the_next_has_it_where_the_first_does_not_serve() {
    for does in ["{ replies = { to = \"connection\", reply = \"421 busy\" } }", "{ drops = \"mail\" }"] {
        let plan = plan([5, 10], &[10], &lapse(does));
        let record = run(&plan, &Leap, Keep::Digest).unwrap();
        assert_eq!((taken(&record), causes(&plan, &record)), (vec![0, 1], vec![]), "{does}");
    }
}

#[test]
fn a_gateway_that_tries_them_in_another_order_is_found_out() {
    let (right, reversed) = (plan([5, 10], &[10], ""), plan([10, 5], &[10], ""));
    let record = run(&reversed, &Leap, Keep::Digest).unwrap();
    let cause = "an exchanger was given mail before one that its domain prefers";
    assert_eq!(causes(&right, &record), [("policy", cause.to_owned())]);
}

#[test]
fn mail_waits_while_names_lead_to_each_other() {
    for names in ["packets", "map"] {
        let text = plan([5, 10], &[10], &says("cname-loop", "5m"));
        let mut plan = text;
        if names == "map" {
            plan.name_server = None;
        }
        let record = run(&plan, &Leap, Keep::Digest).unwrap();
        assert_eq!((taken(&record), causes(&plan, &record)), (vec![1, 0], vec![]), "{names}");
        assert!(record.bites[0].times > 3 && record.ended.as_secs() > 300, "{names}: {:?}", record.bites);
    }
}

/// The shipped gateway, but for a resolver that keeps every answer for ever.
struct Stubborn;

impl Subject for Stubborn {
    fn run(&self, process: Process) -> BoxFuture<'_, Result<Exit, String>> {
        Box::pin(async move {
            let Process { plan, env, names, stop, .. } = process;
            let names = Arc::new(ForEver { names, kept: Mutex::default() });
            let config = plan.gateway.config.clone();
            let started = Gateway::start(config, env, names, &Registry::builtin()).await;
            Ok(started.map_err(|error| error.to_string())?.run(stop).await)
        })
    }
}

struct ForEver {
    names: Arc<dyn Resolver>,
    kept: Mutex<BTreeMap<String, Vec<MailExchanger>>>,
}

impl Resolver for ForEver {
    fn mail_exchangers<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> BoxFuture<'a, Result<Vec<MailExchanger>, DnsError>> {
        Box::pin(async move {
            if let Some(kept) = self.kept.lock().unwrap().get(domain.as_str()) {
                return Ok(kept.clone());
            }
            let found = self.names.mail_exchangers(domain).await?;
            self.kept.lock().unwrap().insert(domain.to_string(), found.clone());
            Ok(found)
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        self.names.addresses(host)
    }
}

#[test]
fn an_old_exchanger_has_the_mail_for_as_long_as_the_answer_may_be_kept_and_no_longer() {
    let plan = plan([5, 10], &[10, 80, 1500], &says("old-host", "2m"));
    let record = run(&plan, &Leap, Keep::Digest).unwrap();
    // The second finds the answer of a minute before too old by ten seconds, and the same again.
    assert_eq!((taken(&record), causes(&plan, &record)), (vec![1, 0, 2], vec![]));
    let stubborn = run_subject(&plan, &(Arc::new(Stubborn) as Arc<_>), &Leap, Keep::Digest).unwrap();
    assert_eq!(taken(&stubborn), [0, 0, 3]);
    let cause = "a message went to a host to which nothing leads";
    assert_eq!(causes(&plan, &stubborn), [("policy", cause.to_owned())]);
}
