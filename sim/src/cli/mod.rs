//! The commands.

mod audit;
mod ci;
mod compare;
mod diff;
mod explain;
mod explore;
mod findings;
mod interrupt;
mod list;
mod live;
mod matrix;
mod merge;
mod parity;
mod plan;
mod reference;
mod replay;
mod run_name;
mod seeds;
mod show;
mod shrink;
mod source;
mod suite;
mod wanted;

use std::path::{Path, PathBuf};

use audit::AuditArgs;
use ci::CiArgs;
use clap::{Args, Parser, Subcommand, ValueEnum};
use compare::CompareArgs;
use diff::DiffArgs;
use explain::ExplainArgs;
use explore::ExploreArgs;
use gateway::release::Release;
pub(crate) use interrupt::INTERRUPTED;
use live::{LiveArgs, ServeFailingArgs};
use matrix::MatrixArgs;
use merge::MergeArgs;
use miette::{IntoDiagnostic, WrapErr};
use parity::ParityArgs;
use plan::PlanArgs;
use show::ShowArgs;
use shrink::ShrinkArgs;
use sim::engine::{Classic, Engine, Leap};
use sim::nearest::nearest;
use sim::scenario::{Library, Setting, Source};
use sim::what_if::{self, WhatIf};

/// Replays documented crashes of an Internet mail gateway in a deterministic simulator.
///
/// Without a command: replays every scenario on every release it names, compares each event log with its snapshot,
/// and prints one table.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    engine: EngineArg,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the scenarios and the releases each is replayed on, and the profiles.
    List,
    /// Replays one scenario, or one seed of a profile, and prints its full Record; or says whether a finding is still
    /// there.
    Replay(ReplayArgs),
    /// Prints the scenario that a seed draws from a profile, as a file.
    Plan(PlanArgs),
    /// Runs many seeds of a profile and judges each run with every oracle.
    Explore(ExploreArgs),
    /// Runs the same seeds with other settings of the gateway, and says what differs and how sure that is.
    Compare(CompareArgs),
    /// Takes everything out of a failing scenario that the failure does not need.
    Shrink(ShrinkArgs),
    /// Tells the story of a failure on one page.
    Explain(ExplainArgs),
    /// Shows two runs side by side: two seeds, two releases, or what two commits made of one.
    Diff(DiffArgs),
    /// Runs every scenario on every release, and shows what happens where.
    Matrix(MatrixArgs),
    /// Makes one run and shows it: as a page for a browser, or as files for Wireshark, Perfetto, jq.
    Show(ShowArgs),
    /// Makes each run a second time in another process, and compares the digests.
    Audit(AuditArgs),
    /// Runs each scenario on both engines, and compares what happened.
    Parity(ParityArgs),
    /// Runs scenarios with the real gateway too, on sockets and in time, and compares the event logs.
    Live(LiveArgs),
    /// Checks everything: replays, canaries, seeds that nobody has run before, and a sample for determinism.
    Ci(CiArgs),
    /// Joins the results of the shards of `ci`, or of several explorations, and says what is missing.
    Merge(MergeArgs),
    /// Writes the pages of docs/reference/ and the schemas of docs/schema/, from the code.
    #[command(hide = true)]
    Reference {
        /// The folder to write into.
        into: PathBuf,
    },
    /// The gateway of a live run whose extension fails.
    #[command(hide = true)]
    ServeFailing(ServeFailingArgs),
    /// The other process of an audit: makes the runs that are asked for on standard input.
    #[command(hide = true)]
    Answer {
        /// The project's folder.
        root: PathBuf,
        #[command(flatten)]
        engine: EngineArg,
    },
}

/// What to replay.
#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// The scenario's or the profile's name, as `list` shows it; or a file: a finding's capsule, or a scenario.
    scenario: String,
    /// The release, such as `5.0`, `5.5-sp1` or `current`; the scenario's first if none is given, `current` for a
    /// profile.
    #[arg(long, short, value_parser = wanted::release)]
    release: Option<Release>,
    /// The seed; the scenario's own if none is given, 0 for a profile.
    #[arg(long, short, value_parser = seeds::seed, allow_hyphen_values = true)]
    seed: Option<u64>,
    /// Make the run twice and compare the two Records byte for byte.
    #[arg(long)]
    twice: bool,
    /// What if this key of the gateway's configuration had this value? As often as needed; a list is written with `+`. The
    /// scenario's expectations and snapshot do not count then.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// What if this line were not in the plan? A fault by its number, such as `fault:2`, or a message by its name, such as
    /// `message:m1`. As often as needed.
    #[arg(long, value_name = "LINE")]
    without: Vec<what_if::Line>,
    #[command(flatten)]
    engine: EngineArg,
}

impl ReplayArgs {
    /// What is to be otherwise than the scenario says.
    fn what_if(&self) -> miette::Result<WhatIf> {
        let settings = self.settings.iter().map(|pair| Setting::parse(pair)).collect::<Result<_, _>>()?;
        Ok(WhatIf { settings, without: self.without.clone() })
    }
}

/// Which engine carries the machines.
#[derive(Args, Clone, Copy, Default)]
pub(crate) struct EngineArg {
    /// What carries the machines; `leap` if none is given, and of a finding the one that it was found on.
    #[arg(long, value_enum)]
    engine: Option<EngineName>,
}

#[derive(Clone, Copy, ValueEnum)]
enum EngineName {
    /// From event to event.
    Leap,
    /// Classic turmoil, tick by tick.
    Turmoil,
}

impl EngineArg {
    fn engine(self) -> &'static dyn Engine {
        self.or(&Leap)
    }

    /// The engine that was asked for, or else this one.
    fn or(self, other: &'static dyn Engine) -> &'static dyn Engine {
        match self.engine {
            None => other,
            Some(EngineName::Leap) => &Leap,
            Some(EngineName::Turmoil) => &Classic::COARSE,
        }
    }

    fn name(self) -> &'static str {
        self.engine().name()
    }
}

/// A release as it is typed.
fn typed(release: Release) -> String {
    release.name().replace(' ', "-").to_lowercase()
}

/// What a name stands for.
fn find<'a>(library: &'a Library, name: &str) -> miette::Result<Source<'a>> {
    library.find(name).ok_or_else(|| {
        let scenarios = library.scenarios().iter().map(|scenario| scenario.name.as_str());
        let profiles = library.profiles().iter().map(|profile| profile.name.as_str());
        let (scenarios, profiles): (Vec<_>, Vec<_>) = (scenarios.collect(), profiles.collect());
        let help = match nearest(name, scenarios.iter().chain(&profiles).copied()) {
            Some(meant) => format!("did you mean `{meant}`? `postmortem list` shows what there is"),
            None => {
                format!("`postmortem list` shows the scenarios; the profiles are: {}", profiles.join(", "))
            }
        };
        miette::miette!(help = help, "there is no scenario and no profile `{name}`")
    })
}

/// Opens the project for the scenario or the profile of this name, with a warning of each other file that is bad.
///
/// # Errors
/// There is no project, or the file of this name is bad itself.
fn open_for(name: &str, here: &Path) -> miette::Result<Library> {
    let (library, mut bad) = Library::read(here)?;
    if let Some(wanted) = bad.iter().position(|(other, _)| other.eq_ignore_ascii_case(name)) {
        return Err(bad.swap_remove(wanted).1.into());
    }
    for (_, why) in bad {
        anstream::eprintln!("warning: left out: {why}");
    }
    Ok(library)
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All is as it should be.
    Good,
    /// Something is not.
    Bad,
    /// It was interrupted: what was done until then is said, and is not the whole.
    Interrupted,
}

impl From<bool> for Ending {
    fn from(good: bool) -> Self {
        if good { Ending::Good } else { Ending::Bad }
    }
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Bad usage or a bad scenario file, found before anything was run.
    pub(crate) fn run(self) -> miette::Result<Ending> {
        if let Some(Command::Answer { root, engine }) = &self.command {
            return audit::answer(root, *engine).map(Ending::from);
        }
        if let Some(Command::ServeFailing(args)) = &self.command {
            return live::serve_failing(args).map(Ending::from);
        }
        let here = std::env::current_dir().into_diagnostic().wrap_err("the current folder cannot be read")?;
        let good = match self.command {
            None => suite::run(&Library::open(&here)?, self.engine),
            Some(Command::List) => {
                list::print(&Library::open(&here)?);
                true
            }
            Some(Command::Replay(args)) => match source::file(&args.scenario)? {
                // A file is enough by itself, and needs no project.
                Some(text) => replay::finding(&args, &text)?,
                None => replay::run(&open_for(&args.scenario, &here)?, &args)?,
            },
            Some(Command::Shrink(args)) => shrink::run(&here, &args)?,
            Some(Command::Explain(args)) => explain::print(&here, &args)?,
            Some(Command::Show(args)) => show::run(&here, &args)?,
            Some(Command::Diff(args)) => diff::run(&here, &args)?,
            Some(Command::Matrix(args)) => matrix::run(&Library::open(&here)?, &args)?,
            Some(Command::Plan(args)) => plan::print(&open_for(&args.profile, &here)?, &args)?,
            Some(Command::Explore(args)) => {
                return explore::run(&open_for(&args.profile, &here)?, &args);
            }
            Some(Command::Compare(args)) => {
                return compare::run(&open_for(&args.profile, &here)?, &args);
            }
            Some(Command::Audit(args)) => return audit::audit(&args.wanted.library(&here)?, &args),
            Some(Command::Parity(args)) => return parity::run(&args.wanted.library(&here)?, &args),
            Some(Command::Live(args)) => return live::run(&Library::open(&here)?, &args),
            Some(Command::Ci(args)) => ci::run(&Library::open(&here)?, &args)?,
            Some(Command::Reference { into }) => {
                reference::write(Library::open(&here)?.root(), &into)?;
                true
            }
            Some(Command::Merge(args)) => merge::run(&Library::open(&here)?, &args)?,
            Some(Command::Answer { .. } | Command::ServeFailing(_)) => unreachable!("answered above"),
        };
        Ok(good.into())
    }
}
