//! The commands.

mod audit;
mod ci;
mod compare;
mod explain;
mod explore;
mod findings;
mod list;
mod merge;
mod parity;
mod plan;
mod replay;
mod seeds;
mod shrink;
mod suite;
mod wanted;

use std::path::PathBuf;

use audit::AuditArgs;
use ci::CiArgs;
use clap::{Args, Parser, Subcommand, ValueEnum};
use compare::CompareArgs;
use explain::ExplainArgs;
use explore::ExploreArgs;
use gateway::release::Release;
use merge::MergeArgs;
use miette::{IntoDiagnostic, WrapErr};
use parity::ParityArgs;
use plan::PlanArgs;
use shrink::ShrinkArgs;
use sim::engine::{Classic, Engine, Leap};
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
    /// Makes each run a second time in another process, and compares the digests.
    Audit(AuditArgs),
    /// Runs each scenario on both engines, and compares what happened.
    Parity(ParityArgs),
    /// Checks everything: replays, canaries, seeds that nobody has run before, and a sample for determinism.
    Ci(CiArgs),
    /// Joins the results of the shards of `ci`, and says which are missing.
    Merge(MergeArgs),
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
    /// The scenario's or the profile's name, as `list` shows it; or a finding, the file of a capsule.
    scenario: String,
    /// The release, such as `5.0`, `5.5-sp1` or `current`; the scenario's first if none is given, `current` for a
    /// profile.
    #[arg(long, short)]
    release: Option<Release>,
    /// The seed; the scenario's own if none is given, 0 for a profile.
    #[arg(long, short)]
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
    /// What carries the machines.
    #[arg(long, value_enum, default_value_t)]
    engine: EngineName,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum EngineName {
    /// From event to event.
    #[default]
    Leap,
    /// Classic turmoil, tick by tick.
    Turmoil,
}

impl EngineArg {
    fn engine(self) -> &'static dyn Engine {
        match self.engine {
            EngineName::Leap => &Leap,
            EngineName::Turmoil => &Classic::COARSE,
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
        miette::miette!(
            help = format!(
                "the scenarios are: {}; the profiles are: {}",
                scenarios.join(", "),
                profiles.join(", ")
            ),
            "there is no scenario and no profile `{name}`"
        )
    })
}

impl Cli {
    /// Runs the command. True if all is as it should be.
    ///
    /// # Errors
    /// Bad usage or a bad scenario file, found before anything was run.
    pub(crate) fn run(self) -> miette::Result<bool> {
        if let Some(Command::Answer { root, engine }) = &self.command {
            return audit::answer(root, *engine);
        }
        let here = std::env::current_dir().into_diagnostic().wrap_err("the current folder cannot be read")?;
        // A finding, or a file, is enough by itself: these need no project.
        match &self.command {
            Some(Command::Shrink(args)) => return shrink::run(&here, args),
            Some(Command::Explain(args)) => return explain::print(&here, args),
            Some(Command::Replay(args)) => {
                if let Some(text) = shrink::file(&args.scenario)? {
                    return replay::finding(args, &text);
                }
            }
            _ => {}
        }
        let library = Library::open(&here)?;
        match self.command {
            None => Ok(suite::run(&library, self.engine)),
            Some(Command::List) => {
                list::print(&library);
                Ok(true)
            }
            Some(Command::Replay(args)) => replay::run(&library, &args),
            Some(Command::Plan(args)) => plan::print(&library, &args),
            Some(Command::Explore(args)) => explore::run(&library, &args),
            Some(Command::Compare(args)) => compare::run(&library, &args),
            Some(Command::Audit(args)) => audit::audit(&library, &args),
            Some(Command::Parity(args)) => parity::run(&library, &args),
            Some(Command::Ci(args)) => ci::run(&library, &args),
            Some(Command::Merge(args)) => merge::run(&library, &args),
            Some(Command::Answer { .. } | Command::Shrink(_) | Command::Explain(_)) => {
                unreachable!("answered above")
            }
        }
    }
}
