//! `postmortem compare`: the same seeds with other settings, on all cores.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use clap::Args;
use gateway::release::Release;
use sim::compare::{Compared, Comparison, Row, Variation, Verdict, amount, csv, grid, page, sentences};
use sim::count::count;
use sim::scenario::Library;

use super::explore::{bar, cores, find, now, write};
use super::interrupt::Interrupt;
use super::{Ending, EngineArg, seeds};

const SURE: Style = AnsiColor::Cyan.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// What to compare.
#[derive(Args)]
pub(crate) struct CompareArgs {
    /// The profile that the seeds draw from, as `list` shows it.
    pub(super) profile: String,
    /// A key of the gateway's configuration and its values, parted by commas, such as `delivery.retry=15m,15m+30m+1h`: a
    /// list is written with `+`. Every combination is a variant; the first is the base.
    #[arg(long, required = true, value_name = "KEY=VALUE,VALUE")]
    vary: Vec<String>,
    /// The release of the gateway, such as `5.0`, `5.5-sp1` or `current`.
    #[arg(long, short, default_value_t = Release::Current, value_parser = super::wanted::release)]
    release: Release,
    /// The seeds: each is run with every variant.
    #[arg(long, value_parser = seeds::range, allow_hyphen_values = true, default_value = "0..500")]
    seeds: Range<u64>,
    /// How many seeds side by side; as many as there are cores if not given.
    #[arg(long, short)]
    jobs: Option<NonZeroUsize>,
    /// Write a page with charts to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the numbers to this file.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArg,
}

/// Compares, and prints what the numbers support.
///
/// # Errors
/// There is no such profile, a key or a value is refused, or a file cannot be written. All of it is found before anything
/// runs.
pub(super) fn run(library: &Library, args: &CompareArgs) -> miette::Result<Ending> {
    let variations = args.vary.iter().map(|text| Variation::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let comparison = Comparison {
        profile: find(library, &args.profile)?,
        release: args.release,
        variants: grid(&variations)?,
        seeds: args.seeds.clone(),
        engine: args.engine.engine(),
        jobs: args.jobs.unwrap_or_else(cores),
    };
    comparison.check()?;
    for file in [&args.html, &args.csv].into_iter().flatten() {
        write(file, "")?;
    }
    let interrupt = Interrupt::watch();
    let bar = bar(&args.seeds, None);
    let start = now();
    let compared = comparison.compare(|done| {
        bar.set_position(done);
        let runs = done * comparison.variants.len() as u64;
        bar.set_message(format!(
            "{:.0} runs a second",
            runs as f64 / start.elapsed().as_secs_f64().max(0.001)
        ));
        interrupt.pressed()
    });
    bar.finish_and_clear();
    print(&compared);
    if interrupt.pressed() {
        anstream::println!("\ninterrupted: this is of the seeds until then");
    }
    if let Some(file) = &args.html {
        write(file, &page(&compared))?;
    }
    if let Some(file) = &args.csv {
        write(file, &csv(&compared))?;
    }
    // Without the seeds in which a run broke down the numbers may say something else.
    let is_whole = compared.broke_down.0 == 0;
    Ok(if interrupt.pressed() { Ending::Interrupted } else { is_whole.into() })
}

fn print(compared: &Compared) {
    let Compared { profile, release, variants, seeds, compared: done, refused, broke_down, rows } = compared;
    let (start, end) = (seeds.start, seeds.end);
    anstream::println!(
        "{profile} on {release}: seeds {start}..{end}, {done} compared, {} variants",
        variants.len()
    );
    for ((left_out, why), what) in
        [(refused, "the gateway does not take a variant there"), (broke_down, "a run broke down")]
    {
        if let Some(why) = why {
            anstream::println!("{DIM}{} left out: {what}: {why}{DIM:#}", count(*left_out, "seed"));
        }
    }
    for (place, variant) in variants.iter().enumerate().skip(1) {
        anstream::println!("\n{variant}, beside {}", variants[0]);
        let lines: Vec<[String; 4]> = rows
            .iter()
            .filter(|row| row.differences[place].verdict != Verdict::Never)
            .map(|row| line(row, place))
            .collect();
        let width =
            |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
        let widths = [0, 1, 2].map(width);
        let shown = rows.iter().filter(|row| row.differences[place].verdict != Verdict::Never);
        for ([name, base, value, difference], row) in lines.iter().zip(shown) {
            let style = match row.differences[place].verdict {
                Verdict::More | Verdict::Less => SURE,
                _ => DIM,
            };
            let [a, b, c] = widths;
            anstream::println!("  {name:<a$}  {base:>b$}  {value:>c$}  {style}{difference}{style:#}");
        }
    }
    for sentence in sentences(compared) {
        anstream::println!("\n{}", textwrap::fill(&sentence, 110));
    }
}

/// The measure, of the base, of the variant, and the difference.
fn line(row: &Row, place: usize) -> [String; 4] {
    let unit = row.measure.unit;
    let value = |at: usize| row.values[at].map_or_else(|| "-".to_owned(), |value| amount(unit, value.value));
    let difference = &row.differences[place];
    let shown = match (difference.verdict, difference.by) {
        (Verdict::Same, _) | (_, None) => difference.verdict.word().to_owned(),
        (verdict, Some(by)) => format!(
            "{} [{} to {}] {}",
            amount(unit, by.value),
            amount(unit, by.low),
            amount(unit, by.high),
            verdict.word()
        ),
    };
    [row.measure.name.to_owned(), value(0), value(place), shown]
}
