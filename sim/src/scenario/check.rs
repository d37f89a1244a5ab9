//! What must hold of a scenario file beyond its form: names mean one thing each, what is spoken of is there, and the
//! gateway takes its configuration.

use std::collections::BTreeSet;
use std::ops::Range;

use gateway::eventlog::Event;
use toml::Spanned;

use super::expect::Expectation;
use super::file::{File, Task};
use super::{ScenarioError, config};
use crate::fault::{Fault, ServerDoes, When};
use crate::nearest::did_you_mean;

/// The folders of a gateway's spool.
const FOLDERS: [&str; 7] = ["archive", "bad", "in", "out", "queue", "turf", "work"];

/// Looks a file through from top to bottom.
///
/// # Errors
/// The first thing that does not hold.
pub(super) fn check(file: &File, path: &str, text: &str) -> Result<(), ScenarioError> {
    let check = Check { file, path, text };
    check.duration()?;
    check.releases()?;
    check.machines()?;
    check.installed_files()?;
    check.messages()?;
    check.faults()?;
    check.configuration()?;
    check.expectations()
}

struct Check<'a> {
    file: &'a File,
    path: &'a str,
    text: &'a str,
}

impl Check<'_> {
    fn fail(&self, place: Range<usize>, what: String, remedy: impl Into<String>) -> ScenarioError {
        ScenarioError::new(self.path, self.text, what, Some(place)).with_remedy(remedy)
    }

    fn duration(&self) -> Result<(), ScenarioError> {
        let duration = &self.file.duration;
        if duration.as_ref().is_zero() {
            let what = "nothing happens in no time".to_owned();
            return Err(self.fail(
                duration.span(),
                what,
                "let the run end later, such as `duration = \"1h\"`",
            ));
        }
        Ok(())
    }

    fn releases(&self) -> Result<(), ScenarioError> {
        let replayed = self.file.releases.as_ref();
        if replayed.is_empty() {
            let what = "it is replayed on no release".to_owned();
            return Err(self.fail(self.file.releases.span(), what, "name at least one, such as \"current\""));
        }
        for release in self.file.expect.iter().flat_map(|expect| &expect.releases) {
            if !replayed.contains(release.as_ref()) {
                let what = format!("nothing is replayed on {}", release.as_ref());
                let remedy = "add the release to `releases`, or take it out of `expect`";
                return Err(self.fail(release.span(), what, remedy));
            }
        }
        Ok(())
    }

    fn machines(&self) -> Result<(), ScenarioError> {
        let File { gateway, client, server, milter, .. } = self.file;
        let machines = std::iter::once((&gateway.name, &gateway.address))
            .chain(client.iter().map(|client| (&client.name, &client.address)))
            .chain(server.iter().map(|server| (&server.name, &server.address)))
            .chain(milter.iter().map(|milter| (&milter.name, &milter.address)));
        let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for (name, address) in machines {
            if !names.insert(name.as_ref()) {
                let what = format!("there is another machine named `{}`", name.as_ref());
                return Err(self.fail(name.span(), what, "give every machine a name of its own"));
            }
            if !addresses.insert(address.as_ref()) {
                let what = format!("there is another machine at {}", address.as_ref());
                return Err(self.fail(address.span(), what, "give every machine an address of its own"));
            }
        }
        Ok(())
    }

    fn installed_files(&self) -> Result<(), ScenarioError> {
        let mut paths = BTreeSet::new();
        for path in self.file.gateway.file.iter().map(|file| &file.path) {
            let shown = path.as_ref().display();
            if !path.as_ref().is_absolute() || path.as_ref().file_name().is_none() {
                let remedy = "write the path of a file from the root, such as \"/imcdata/Imcroute.cfg\"";
                return Err(self.fail(path.span(), format!("`{shown}` is not the path of a file"), remedy));
            }
            if !paths.insert(path.as_ref()) {
                let what = format!("there is another file `{shown}`");
                return Err(self.fail(path.span(), what, "keep one of the two"));
            }
        }
        Ok(())
    }

    fn messages(&self) -> Result<(), ScenarioError> {
        let mut messages = BTreeSet::new();
        for name in self.file.client.iter().flat_map(|client| &client.message).map(|message| &message.name) {
            if !messages.insert(name.as_ref().as_str()) {
                let what = format!("there is another message named `{}`", name.as_ref());
                return Err(self.fail(name.span(), what, "give every message a name of its own"));
            }
        }
        let ids =
            self.file.client.iter().flat_map(|client| &client.message).filter_map(|it| it.envid.as_ref());
        for id in ids {
            let fits =
                |id: &str| (1..=100).contains(&id.len()) && id.bytes().all(|o| o.is_ascii_alphanumeric());
            if !fits(id.as_ref()) {
                let what = format!("`{}` cannot be an envelope identifier here", id.as_ref());
                return Err(self.fail(
                    id.span(),
                    what,
                    "write letters and digits, 100 at the most (RFC 3461, 4.4)",
                ));
            }
        }
        for errand in &self.file.administrator {
            if matches!(errand.task.as_ref(), Task::SetAside) && errand.message.is_none() {
                let what = "no message is named to set aside".to_owned();
                return Err(self.fail(errand.task.span(), what, "add `message` with the message's name"));
            }
        }
        let errands = self.file.administrator.iter().filter_map(|errand| errand.message.as_ref());
        let expected = self.file.expect.iter().flat_map(Expectation::messages);
        let filtered = self.file.milter.iter().flat_map(|milter| &milter.act).map(|act| &act.message);
        self.are_known("message sent by a client is", errands.chain(expected).chain(filtered), messages)
    }

    fn faults(&self) -> Result<(), ScenarioError> {
        let File { gateway, client, server, milter, .. } = self.file;
        let milters: BTreeSet<&str> = milter.iter().map(|milter| milter.name.as_ref().as_str()).collect();
        let servers: BTreeSet<&str> = server.iter().map(|server| server.name.as_ref().as_str()).collect();
        let clients = client.iter().map(|client| client.name.as_ref().as_str());
        let gateway = gateway.name.as_ref().as_str();
        let name_server = super::name_server(self.file).map(|server| server.name);
        let named = servers.iter().chain(&milters).copied().chain(clients).chain([gateway]);
        let machines = named.chain(name_server.as_deref());
        let machines: BTreeSet<&str> = machines.collect();
        let messages = client.iter().flat_map(|client| &client.message);
        let messages: BTreeSet<&str> = messages.map(|message| message.name.as_ref().as_str()).collect();
        for line in &self.file.fault {
            let fault = line.as_ref();
            let fail = |what: String, remedy: String| self.fail(line.span(), what, remedy);
            let known = |what: &str, name: &str, known: &BTreeSet<&str>| {
                if known.contains(name) {
                    return Ok(());
                }
                let meant = did_you_mean(name, known.iter().copied());
                Err(fail(format!("no {what} named `{name}`"), meant + &there_are(known)))
            };
            for machine in fault.machines() {
                known("machine is", machine, &machines)?;
            }
            if let Some(message) = fault.message() {
                known("message sent by a client is", message, &messages)?;
            }
            match fault {
                Fault::Server { server, .. } => known("server is", server, &servers)?,
                Fault::Dns { answer, .. } if answer.needs_packets() && name_server.is_none() => {
                    let what = "without packets nobody hears such an answer".to_owned();
                    return Err(fail(what, "take `names = \"map\"` out".to_owned()));
                }
                Fault::Milter { milter, .. } => known("milter is", milter, &milters)?,
                Fault::Kill { machine: Some(machine), when, .. }
                | Fault::PowerCut { machine: Some(machine), when, .. }
                    if machine != gateway =>
                {
                    known("mail server is", machine, &servers)?;
                    if !matches!(when, When::At(_)) {
                        let what = format!("`{machine}` can be stopped at a time only");
                        return Err(fail(what, "write `when = { at = \"5m\" }`".to_owned()));
                    }
                }
                _ => {}
            }
            if let Fault::Kill { when: When::Event { id, .. }, .. }
            | Fault::PowerCut { when: When::Event { id, .. }, .. } = fault
                && !Event::IDS.contains(id)
            {
                return Err(fail(no_event(*id), EVENTS.to_owned()));
            }
            if let Some((what, remedy)) = says_nothing(fault) {
                return Err(fail(what.to_owned(), remedy.to_owned()));
            }
        }
        Ok(())
    }

    fn configuration(&self) -> Result<(), ScenarioError> {
        if let Some(key) = config::not_its_own(self.file) {
            let place = self.file.gateway.config.span();
            let what = format!("`{key}` cannot be set in [gateway.config]: every scenario decides it alike");
            let remedy = "take it out: the release is in `releases`, the host's name in `gateway.name`";
            return Err(self.fail(place, what, remedy));
        }
        for release in self.file.releases.as_ref() {
            config::config(self.file, *release).map_err(|error| {
                let place = config::place(self.file, *release, self.text, &error);
                let what = format!("on {release}, the gateway refuses its configuration: {}", error.what());
                self.fail(place, what, error.remedy())
            })?;
        }
        Ok(())
    }

    fn expectations(&self) -> Result<(), ScenarioError> {
        let expected = &self.file.expect;
        if let Some(id) =
            expected.iter().flat_map(Expectation::events).find(|id| !Event::IDS.contains(id.as_ref()))
        {
            return Err(self.fail(id.span(), no_event(*id.as_ref()), EVENTS));
        }
        let stranger = super::stranger(self.file).map(|server| server.name);
        let named = self.file.server.iter().map(|server| server.name.as_ref().as_str());
        let servers = named.chain(stranger.as_deref()).collect();
        self.are_known("server is", expected.iter().flat_map(Expectation::servers), servers)?;
        let clients = self.file.client.iter().map(|client| client.name.as_ref().as_str());
        let servers = self.file.server.iter().map(|server| server.name.as_ref().as_str());
        let others = clients.chain(servers).collect();
        self.are_known("client or server is", expected.iter().flat_map(Expectation::others), others)?;
        let folders = FOLDERS.into_iter().collect();
        self.are_known("folder of the spool is", expected.iter().flat_map(Expectation::folders), folders)?;
        let oracles = crate::oracle::ORACLES.iter().map(|oracle| oracle.name).collect();
        self.are_known("oracle is", expected.iter().flat_map(Expectation::broken), oracles)?;
        let addresses = config::mailboxes(self.file);
        let mailboxes = addresses.iter().map(String::as_str).collect();
        self.are_known("mailbox is", expected.iter().flat_map(Expectation::mailboxes), mailboxes)
    }

    fn are_known<'a>(
        &self,
        what: &str,
        names: impl Iterator<Item = &'a Spanned<String>>,
        known: BTreeSet<&str>,
    ) -> Result<(), ScenarioError> {
        for name in names {
            if !known.contains(name.as_ref().as_str()) {
                let what = format!("no {what} named `{}`", name.as_ref());
                let meant = did_you_mean(name.as_ref(), known.iter().copied());
                return Err(self.fail(name.span(), what, meant + &there_are(&known)));
            }
        }
        Ok(())
    }
}

/// Where the events are.
const EVENTS: &str = "the events are in docs/reference/events.md";

fn no_event(id: u16) -> String {
    format!("the gateway logs no event {id}")
}

fn there_are(known: &BTreeSet<&str>) -> String {
    match known.is_empty() {
        true => "there are none".to_owned(),
        false => format!("there are these: {}", Vec::from_iter(known.iter().copied()).join(", ")),
    }
}

/// What is wrong with a line that could never do anything, and the remedy.
fn says_nothing(fault: &Fault) -> Option<(&'static str, &'static str)> {
    match fault {
        Fault::Partition { between: [a, b], .. }
        | Fault::Hold { between: [a, b], .. }
        | Fault::SlowLink { between: [a, b], .. }
        | Fault::Loss { between: [a, b], .. }
        | Fault::Reset { between: [a, b], .. }
        | Fault::PartitionOneWay { from: a, to: b, .. }
            if a == b =>
        {
            Some(("a machine has no link to itself", "name two machines"))
        }
        _ if fault.lasts().is_some_and(|span| span.is_empty()) => {
            Some(("it ends before it begins", "let `until` be later than `at`"))
        }
        Fault::Loss { one_in: 0 | 1, .. } => Some((
            "a link that loses every segment is cut",
            "let `one_in` be at least 2, or write a partition",
        )),
        Fault::Server {
            does: ServerDoes::Replies { reply, .. } | ServerDoes::RefusesOne { reply }, ..
        } if !is_reply(reply) => Some((
            "this is no reply",
            "begin each line with a code of three digits, such as \"450 4.2.1 busy\"",
        )),
        Fault::ExtensionDelays { by, .. } | Fault::SlowSync { by, .. } if by.is_zero() => {
            Some(("the delay has no length", "add `by`, such as `by = \"1m\"`"))
        }
        Fault::Kill { when: When::Event { nth: 0, .. } | When::Disk { nth: 0, .. }, .. }
        | Fault::PowerCut { when: When::Event { nth: 0, .. } | When::Disk { nth: 0, .. }, .. }
        | Fault::DiskFails { nth: 0, .. }
        | Fault::TornWrite { nth: 0, .. }
        | Fault::LostData { nth: 0, .. }
        | Fault::LostRename { nth: 0, .. }
        | Fault::SlowSync { nth: 0, .. }
        | Fault::Server { connection: Some(0), .. }
        | Fault::Milter { connection: Some(0), .. }
        | Fault::Client { attempt: 0, .. } => Some(("nothing is the 0th", "count from 1")),
        _ => None,
    }
}

/// Whether each line of a text begins as a reply does (RFC 5321, 4.2): a code from 200 to 599, and then a space, a
/// hyphen or nothing.
fn is_reply(text: &str) -> bool {
    let begins_with_a_code = |line: &str| {
        let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
        code.is_some_and(|code| (200..600).contains(&code))
            && matches!(line.as_bytes().get(3), None | Some(b' ' | b'-'))
    };
    !text.is_empty() && text.lines().all(begins_with_a_code)
}
