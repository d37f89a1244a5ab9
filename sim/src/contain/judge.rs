//! The functions behind a call site, and whether they are on the list.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::{fmt, thread};

use super::Leak;
use super::call_site::{Call, CallSite};
use super::listed::LISTED;

/// What was judged harmless in this process. Addresses mean the same in all its threads, so this changes how long a
/// verdict takes, never the verdict.
static KNOWN: Mutex<Vec<CallSite>> = Mutex::new(Vec::new());

/// The call sites known to be harmless.
pub(super) fn known() -> Vec<CallSite> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Judges call sites: those that may ask, cut to what it took to see that, and the first that may not.
///
/// Reading symbols asks the machine for much, so it is done on a thread that belongs to no run.
pub(super) fn judge(sites: Vec<CallSite>) -> (Vec<CallSite>, Option<Leak>) {
    let verdicts: Vec<_> =
        thread::scope(|scope| scope.spawn(|| sites.into_iter().map(verdict).collect()).join())
            .expect("symbols can be read, or are not there");
    let mut first = None;
    let mut harmless = Vec::new();
    for verdict in verdicts {
        match verdict {
            Ok(site) => harmless.push(site),
            Err(leak) => first = first.or(Some(leak)),
        }
    }
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).extend(harmless.iter().cloned());
    (harmless, first)
}

fn verdict(mut site: CallSite) -> Result<CallSite, Leak> {
    for (depth, call) in site.calls.iter().enumerate() {
        for function in functions(call) {
            if LISTED.iter().any(|listed| listed.asked == site.asked && function.is_in(listed.place)) {
                site.calls.truncate(depth + 1);
                return Ok(site);
            }
            let hands_on = || {
                let of_this = LISTED.iter().filter(|listed| listed.asked == site.asked);
                of_this.flat_map(|listed| listed.through).any(|through| function.is_in(through))
            };
            if !function.hands_on() && !hands_on() {
                return Err(leak(&site));
            }
        }
    }
    Err(leak(&site))
}

fn leak(site: &CallSite) -> Leak {
    let functions: Vec<Function> = site.calls.iter().flat_map(functions).collect();
    let asker = functions.iter().find(|function| !function.hands_on());
    let ours = functions.iter().find(|function| function.ours && !function.hands_on());
    let culprit = match (asker, ours) {
        (None, _) => "a function without a name (build with symbols to see it)".to_owned(),
        (Some(asker), Some(ours)) if !asker.ours => format!("{asker} on behalf of {ours}"),
        (Some(asker), _) => asker.to_string(),
    };
    let lines = functions.iter().enumerate();
    let backtrace = lines.map(|(number, function)| format!("{number:4}: {function}\n")).collect();
    Leak { asked: site.asked, culprit, backtrace }
}

/// A function of the program.
struct Function {
    name: String,
    /// Its crate and the path of its module, such as `tokio/time/clock`. From the name of its file where there is
    /// one: that is right for functions inlined elsewhere, too, and line tables keep only the last part of their names.
    place: String,
    line: Option<u32>,
    /// Whether it is of this workspace, and neither the standard library's nor a dependency's.
    ours: bool,
}

/// The functions that a return address lies in, the innermost of those inlined first.
fn functions(call: &Call) -> Vec<Function> {
    let mut functions = Vec::new();
    backtrace::resolve(std::ptr::without_provenance_mut(call.returns_to), |symbol| {
        let name = symbol.name().map(|name| format!("{name:#}")).unwrap_or_default();
        let place = symbol.filename().map_or_else(|| place_of_name(&name), place_of_file);
        let ours = symbol.filename().is_some_and(|file| {
            !file
                .iter()
                .any(|part| ["rustc", "registry", "checkouts"].contains(&part.to_str().unwrap_or_default()))
        });
        functions.push(Function { name, place, line: symbol.lineno(), ours });
    });
    functions
}

/// `…/tokio-1.54.1/src/time/clock.rs` is in `tokio/time/clock`, `…/sim/tests/spool.rs` in `sim/tests/spool`.
fn place_of_file(file: &Path) -> String {
    let file = file.with_extension("");
    let parts: Vec<&str> = file.iter().filter_map(|part| part.to_str()).collect();
    let Some(top) = parts.iter().rposition(|part| ["src", "tests", "benches", "examples"].contains(part))
    else {
        return parts.join("/");
    };
    let package = parts[top.saturating_sub(1)];
    let is_version = |at: usize| package[at + 1..].starts_with(|first: char| first.is_ascii_digit());
    let name = package.rmatch_indices('-').map(|(at, _)| at).find(|at| is_version(*at));
    let below = if parts[top] == "src" { &parts[top + 1..] } else { &parts[top..] };
    [&[&package[..name.unwrap_or(package.len())]], below].concat().join("/")
}

/// `<tokio::time::Sleep as core::future::Future>::poll` is in `tokio/time/Sleep`.
fn place_of_name(name: &str) -> String {
    let path = name.trim_start_matches(['<', '&', '*', '(', '[']);
    path.split([' ', '<', '>']).next().unwrap_or_default().replace("::", "/")
}

impl Function {
    fn is_in(&self, place: &str) -> bool {
        self.place.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether it only hands on what others ask: this module, the standard library, or C.
    fn hands_on(&self) -> bool {
        let is_c = !self.place.contains('/');
        is_c || ["sim/contain", "std", "core", "alloc"].iter().any(|place| self.is_in(place))
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} ({}:{line})", self.name, self.place),
            None => write!(f, "{}", self.name),
        }
    }
}
