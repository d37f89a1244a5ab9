//! The page of the commands: what both programs say of themselves when they are asked for help.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};

use super::schema::in_a_cell;

const OPENING: &str = "\
`postmortem` is `cargo run --release --` in the project's folder, and `gateway` is `cargo run --release -p gateway --`.
What is said here, `--help` says too. [What the exit codes mean](../exit-codes.md).
";

/// The page.
pub(super) fn page() -> String {
    let programs =
        [named("postmortem", crate::cli::Cli::command()), named("gateway", gateway::cli::Cli::command())];
    let mut text = format!("# Commands\n\n{OPENING}\n| command | |\n|---|---|\n");
    for command in programs.iter().flat_map(commands) {
        let (name, about) = (full_name(command), about(command));
        let first = about.split_once("\n\n").map_or(&*about, |(first, _)| first);
        let _ = writeln!(text, "| [{name}](#{}) | {} |", name.replace(' ', "-"), in_a_cell(first));
    }
    for command in programs.iter().flat_map(commands) {
        section(command, &mut text);
    }
    text
}

fn named(name: &'static str, command: Command) -> Command {
    let mut command = command.name(name).bin_name(name);
    command.build();
    command
}

/// The program or command and all commands below it, but for the hidden ones and the help.
fn commands(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help");
    std::iter::once(command).chain(below.flat_map(commands)).collect()
}

fn full_name(command: &Command) -> String {
    command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn about(command: &Command) -> String {
    sentence(command.get_long_about().or(command.get_about()).map(ToString::to_string))
}

fn section(command: &Command, text: &mut String) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").replace("\n       ", "\n");
    let _ = write!(text, "\n## {}\n\n{}\n\n```text\n{usage}\n```\n", full_name(command), about(command));
    let mut args = command.get_arguments().filter(|arg| !is_of_clap(arg)).peekable();
    if args.peek().is_some() {
        *text += "\n| argument | |\n|---|---|\n";
    }
    for arg in args {
        let _ = writeln!(text, "| {} | {} |", shown(arg), in_a_cell(&words(arg)));
    }
}

fn is_of_clap(arg: &Arg) -> bool {
    arg.is_hide_set() || matches!(arg.get_id().as_str(), "help" | "version")
}

/// An argument as it is typed.
fn shown(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    format!("{short}`{}`", arg.to_string().trim_end_matches("..."))
}

/// A help text with the full stop that clap has taken off.
fn sentence(text: Option<String>) -> String {
    match text.unwrap_or_default() {
        text if text.is_empty() || text.ends_with(['.', '?']) => text,
        text => text + ".",
    }
}

/// What it is for, the words that it takes, and what it is if nothing is said.
fn words(arg: &Arg) -> String {
    let mut words =
        sentence(arg.get_long_help().or(arg.get_help()).map(ToString::to_string)).replace("\n\n", " ");
    if arg.get_action().takes_values() {
        for value in arg.get_possible_values().iter().filter(|value| !value.is_hide_set()) {
            let about = value.get_help().map(|help| format!(": {help}")).unwrap_or_default();
            let _ = write!(words, " {}", sentence(Some(format!("`{}`{about}", value.get_name()))));
        }
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        let _ = write!(words, " Default: `{}`.", defaults.join(" "));
    }
    words
}
