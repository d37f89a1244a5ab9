//! What the numbers support, and what they do not, in sentences; and the numbers themselves for another program.

use std::fmt::Write;

use super::measure::NOT_DELIVERED;
use super::{Compared, Difference, Estimate, Measure, Row, Unit, Variant, Verdict};

/// An amount as people say it: a time in its own unit, a count with as many places as say something.
pub fn amount(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count => places(value, ""),
        Unit::Time => {
            let (scale, name) = scale(value.abs());
            places(value / scale, name)
        }
    }
}

/// The unit of time in which so many seconds are said, and how many seconds it has.
pub(super) fn scale(seconds: f64) -> (f64, &'static str) {
    match seconds {
        0.0 => (1.0, " s"),
        ..0.9995 => (0.001, " ms"),
        ..120.0 => (1.0, " s"),
        ..7_200.0 => (60.0, " min"),
        _ => (3_600.0, " h"),
    }
}

fn places(value: f64, unit: &str) -> String {
    match value.abs() {
        0.0 => format!("0{unit}"),
        100.0.. => format!("{value:.0}{unit}"),
        10.0.. => format!("{value:.1}{unit}"),
        0.0995.. => format!("{value:.2}{unit}"),
        0.00995.. => format!("{value:.3}{unit}"),
        _ => format!("{value:.4}{unit}"),
    }
}

/// The ends of an interval in one direction, the smaller first.
fn range(unit: Unit, by: Estimate) -> String {
    let (near, far) = if by.low.abs() < by.high.abs() { (by.low, by.high) } else { (by.high, by.low) };
    let (near, far) = (amount(unit, near.abs()), amount(unit, far.abs()));
    if near == far { near } else { format!("{near} to {far}") }
}

/// An interval that may lie on both sides of nothing.
fn interval(unit: Unit, by: Estimate) -> String {
    format!("{} to {}", amount(unit, by.low), amount(unit, by.high))
}

/// What the numbers say of each variant beside the base, a paragraph each.
pub fn sentences(compared: &Compared) -> Vec<String> {
    let Some((base, variants)) = compared.variants.split_first() else { return Vec::new() };
    (1..).zip(variants).map(|(place, variant)| paragraph(compared, base, variant, place)).collect()
}

fn paragraph(compared: &Compared, base: &Variant, variant: &Variant, place: usize) -> String {
    let (ours, theirs) = (variant.beside(base), base.beside(variant));
    let mut text = match ours.settings.is_empty() {
        true => format!("With {} seeds, {variant} beside itself:", compared.compared),
        false => format!("With {} seeds, {ours} instead of {theirs}:", compared.compared),
    };
    let of = |verdicts: &[Verdict]| -> Vec<(&Row, &Difference)> {
        let all = compared.rows.iter().map(|row| (row, &row.differences[place]));
        all.filter(|(_, difference)| verdicts.contains(&difference.verdict)).collect()
    };
    let supported: Vec<String> = of(&[Verdict::More, Verdict::Less])
        .into_iter()
        .filter_map(|(row, difference)| Some(clause(row.measure, difference.verdict, difference.by?)))
        .collect();
    match supported.is_empty() {
        true => text.push_str(" no difference that the numbers support."),
        false => write!(text, " {}.", supported.join("; ")).expect("a string takes it"),
    }
    let differs = |row: &Row| {
        row.measure.name == NOT_DELIVERED
            && !matches!(row.differences[place].verdict, Verdict::Same | Verdict::Never | Verdict::Few)
    };
    if compared.rows.iter().any(differs) {
        text.push_str(
            " It is not the same mail that is delivered in both, so the times of all deliveries are of different \
             mail; held-up mail is the same in both.",
        );
    }
    let names = |verdict| {
        of(&[verdict]).iter().map(|(row, _)| row.measure.name.to_owned()).collect::<Vec<_>>().join("; ")
    };
    let unsure = of(&[Verdict::Open, Verdict::Few]).into_iter().map(|(row, difference)| {
        let Measure { name, unit, .. } = row.measure;
        match (difference.verdict, difference.by) {
            (Verdict::Few, _) if difference.seeds == 1 => format!("{name} (only 1 seed differs)"),
            (Verdict::Few, _) => format!("{name} (only {} seeds differ)", difference.seeds),
            (_, Some(by)) => format!("{name} (from {})", interval(*unit, by)),
            (_, None) => format!("{name} (too little of it)"),
        }
    });
    let unsure = unsure.collect::<Vec<_>>().join("; ");
    for (intro, what) in [
        ("Nothing can be said about", unsure),
        ("The same in both:", names(Verdict::Same)),
        ("Nothing of this occurred:", names(Verdict::Never)),
    ] {
        if !what.is_empty() {
            write!(text, " {intro} {what}.").expect("a string takes it");
        }
    }
    text
}

fn clause(measure: &Measure, verdict: Verdict, by: Estimate) -> String {
    let [subject, more, less, end] = measure.words;
    let direction = if verdict == Verdict::More { more } else { less };
    format!("{subject} {} {direction} {end}", range(measure.unit, by))
}

/// The numbers: a line for each measure of each variant. Times are in seconds.
pub fn csv(compared: &Compared) -> String {
    let mut out =
        "measure,unit,variant,value,low,high,difference,difference_low,difference_high,seeds_that_differ,\
                   seeds,verdict\n"
            .to_owned();
    let number = |of: Option<f64>| of.map(|value| value.to_string()).unwrap_or_default();
    let three = |of: Option<Estimate>| {
        [of.map(|it| it.value), of.map(|it| it.low), of.map(|it| it.high)].map(number).join(",")
    };
    for row in &compared.rows {
        let unit = match row.measure.unit {
            Unit::Time => "s",
            Unit::Count => "",
        };
        let columns = row.values.iter().zip(&row.differences).zip(&compared.variants);
        for ((value, difference), variant) in columns {
            writeln!(
                out,
                "{},{unit},{},{},{},{},{},{}",
                quoted(row.measure.name),
                quoted(&variant.to_string()),
                three(*value),
                three(difference.by),
                difference.seeds,
                compared.compared,
                difference.verdict.word()
            )
            .expect("a string takes it");
        }
    }
    out
}

/// A field of a line (RFC 4180).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_said_in_a_unit_that_suits_it() {
        let said =
            [0.0, 0.0421, 3.5, 119.0, 754.0, 90_000.0, -754.0].map(|seconds| amount(Unit::Time, seconds));
        assert_eq!(said, ["0 s", "42.1 ms", "3.50 s", "119 s", "12.6 min", "25.0 h", "-12.6 min"]);
        let said = [0.0, 0.004, 0.25, 12.34, 1234.5].map(|count| amount(Unit::Count, count));
        assert_eq!(said, ["0", "0.0040", "0.25", "12.3", "1234"]);
    }

    #[test]
    fn a_difference_is_told_from_the_nearer_end_to_the_farther() {
        let by = Estimate { value: -900.0, low: -1080.0, high: -720.0 };
        let measure = &super::super::MEASURES[0];
        assert_eq!(
            clause(measure, Verdict::Less, by),
            "what is delivered takes 12.0 min to 18.0 min less at the median"
        );
    }
}
