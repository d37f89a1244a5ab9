//! Differences of pairs, and how sure they are.
//!
//! A seed is a pair: the same mail and the same faults under two settings. Seeds are independent of each other, while the
//! messages of one seed are not. So it is the seeds that are drawn anew (a paired bootstrap, Efron 1979): 1,000 times as
//! many seeds as there are, with replacement, the same for both variants; the difference is computed of each draw, and 95
//! of 100 of these differences lie in the interval. The draws come from a seeded stream: the same comparison gives the same
//! intervals.
//!
//! An interval that comes from a handful of seeds says less than it seems to. Where fewer than six seeds differ nothing is
//! concluded: were they all to differ in one direction, the sign test would still not reach 5 % (2 × 0.5⁵ = 6.25 %).

use std::collections::BTreeMap;

use super::Row;
use super::measure::{MEASURES, Measure, Of, Sample};
use super::measured::{Counts, Times};
use crate::draw::{Seed, between};

/// How often the seeds are drawn anew.
const DRAWS: u64 = 1_000;
/// How many seeds must differ before anything is concluded.
const ENOUGH: usize = 6;

/// A number, and where it may as well be: a 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// What was measured.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// How a variant differs from the base.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// By how much; none where one of the two has nothing to be measured.
    pub by: Option<Estimate>,
    /// In how many seeds what is measured is not the same.
    pub seeds: usize,
    /// What the numbers support.
    pub verdict: Verdict,
}

/// What the numbers support.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It occurs in no run of the two.
    Never,
    /// It is the same: in every seed, or of all seeds together however they are drawn.
    Same,
    /// It differs in too few seeds to say anything.
    Few,
    /// It may be more as well as less.
    Open,
    /// It is more.
    More,
    /// It is less.
    Less,
}

impl Verdict {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Never => "never",
            Verdict::Same => "same",
            Verdict::Few => "too few differ",
            Verdict::Open => "open",
            Verdict::More => "more",
            Verdict::Less => "less",
        }
    }
}

/// A variant of all seeds.
struct Column<'a> {
    counts: Vec<&'a Counts>,
    /// The times of each sort, the shortest first, with the place of their seed.
    times: BTreeMap<Sample, Vec<(f64, usize)>>,
}

const SAMPLES: [Sample; 4] = [Sample::Delivery, Sample::HeldUp, Sample::Shift, Sample::Drain];

impl<'a> Column<'a> {
    fn of(seeds: &'a [Vec<(Counts, Times)>], variant: usize) -> Self {
        let sorted = |sample: Sample| {
            let of_seed = |(place, variants): (usize, &'a Vec<(Counts, Times)>)| {
                variants[variant].1.of(sample).iter().map(move |time| (*time, place))
            };
            let mut times: Vec<(f64, usize)> = seeds.iter().enumerate().flat_map(of_seed).collect();
            times.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            times
        };
        Column {
            counts: seeds.iter().map(|variants| &variants[variant].0).collect(),
            times: SAMPLES.into_iter().map(|sample| (sample, sorted(sample))).collect(),
        }
    }

    /// Every measure of the seeds, each counted so many times.
    fn measures(&self, times: &[u32]) -> Vec<Option<f64>> {
        let percentiles: BTreeMap<_, _> =
            SAMPLES.into_iter().map(|sample| (sample, self.percentiles(sample, times))).collect();
        let sum = |count: &dyn Fn(&Counts) -> u64| -> f64 {
            self.counts
                .iter()
                .zip(times)
                .map(|(counts, times)| count(counts) as f64 * f64::from(*times))
                .sum()
        };
        let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let of = MEASURES.iter().map(|measure| match measure.of {
            Of::Percentile(sample, percent) => {
                percentiles[&sample].iter().find(|(of, _)| *of == percent).and_then(|(_, time)| *time)
            }
            Of::EachRun(count) => ratio(sum(&count), sum(&|_| 1)),
            Of::EachMessage(count) => ratio(sum(&count), sum(&|counts| counts.messages)),
        });
        of.collect()
    }

    /// The percentiles of a sample that are asked for, in one walk.
    fn percentiles(&self, sample: Sample, weights: &[u32]) -> Vec<(u32, Option<f64>)> {
        let times = &self.times[&sample];
        let total: u64 = times.iter().map(|(_, seed)| u64::from(weights[*seed])).sum();
        let asked = MEASURES.iter().filter_map(|measure| match measure.of {
            Of::Percentile(of, percent) if of == sample => Some(percent),
            _ => None,
        });
        let mut so_far = 0;
        let mut walk = times.iter();
        let mut last = None;
        let found = asked.map(|percent| {
            let place = (total * u64::from(percent)).div_ceil(100);
            while so_far < place {
                let Some((time, seed)) = walk.next() else { break };
                so_far += u64::from(weights[*seed]);
                last = Some(*time);
            }
            (percent, last.filter(|_| total > 0))
        });
        found.collect()
    }
}

/// Every measure of the variants of these seeds.
pub(super) fn rows(seeds: &[Vec<(Counts, Times)>], variants: usize) -> Vec<Row> {
    let columns: Vec<Column<'_>> = (0..variants).map(|variant| Column::of(seeds, variant)).collect();
    let all = |weights: &[u32]| columns.iter().map(|column| column.measures(weights)).collect::<Vec<_>>();
    let found = all(&vec![1; seeds.len()]);
    let drawn: Vec<_> = (0..DRAWS).map(|draw| all(&drawn_anew(seeds.len(), draw))).collect();
    let row = |(at, measure): (usize, &'static Measure)| {
        let value = |of: &Vec<Vec<Option<f64>>>, variant: usize| of[variant][at];
        let difference = |of: &Vec<Vec<Option<f64>>>, variant| Some(value(of, variant)? - value(of, 0)?);
        let values = (0..variants).map(|variant| {
            estimate(value(&found, variant)?, drawn.iter().filter_map(|of| value(of, variant)).collect())
        });
        let differences = (0..variants).map(|variant| {
            let by = difference(&found, variant).and_then(|found| {
                estimate(found, drawn.iter().filter_map(|of| difference(of, variant)).collect())
            });
            let differing =
                seeds.iter().filter(|pair| differs(&MEASURES[at].of, &pair[0], &pair[variant])).count();
            let is_time = matches!(measure.of, Of::Percentile(..));
            let is_never =
                [0, variant].iter().all(|it| found[*it][at].is_none_or(|value| value == 0.0 && !is_time));
            Difference { by, seeds: differing, verdict: verdict(by, differing, is_never) }
        });
        Row { measure, values: values.collect(), differences: differences.collect() }
    };
    MEASURES.iter().enumerate().map(row).collect()
}

/// How often each seed is in a draw of as many as there are.
fn drawn_anew(seeds: usize, draw: u64) -> Vec<u32> {
    let mut stream = Seed(draw).stream("seeds drawn anew");
    let mut times = vec![0; seeds];
    for _ in 0..seeds {
        let place = between(&mut stream, 0, seeds as u64 - 1);
        times[usize::try_from(place).expect("a place in a list fits")] += 1;
    }
    times
}

/// A number with the interval in which 95 of 100 of the others lie; none where too many draws had nothing to measure.
fn estimate(value: f64, mut others: Vec<f64>) -> Option<Estimate> {
    others.sort_by(f64::total_cmp);
    let beyond = others.len() / 40;
    let is_enough = others.len() as u64 * 20 >= DRAWS * 19;
    is_enough.then(|| Estimate { value, low: others[beyond], high: others[others.len() - 1 - beyond] })
}

fn differs(of: &Of, base: &(Counts, Times), variant: &(Counts, Times)) -> bool {
    match of {
        Of::Percentile(sample, _) => base.1.of(*sample) != variant.1.of(*sample),
        Of::EachRun(count) => count(&base.0) != count(&variant.0),
        Of::EachMessage(count) => {
            (count(&base.0), base.0.messages) != (count(&variant.0), variant.0.messages)
        }
    }
}

fn verdict(by: Option<Estimate>, seeds: usize, is_never: bool) -> Verdict {
    match by {
        _ if seeds == 0 && is_never => Verdict::Never,
        _ if seeds == 0 => Verdict::Same,
        _ if seeds < ENOUGH => Verdict::Few,
        Some(Estimate { low: 0.0, high: 0.0, .. }) => Verdict::Same,
        Some(by) if by.low > 0.0 => Verdict::More,
        Some(by) if by.high < 0.0 => Verdict::Less,
        _ => Verdict::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds whose times of delivery under the first variant are these, and under the second longer.
    fn seeds(longer: impl Fn(usize) -> f64) -> Vec<Vec<(Counts, Times)>> {
        let times = |delivery: f64| Times { delivery: vec![delivery, delivery + 1.0], ..Times::default() };
        let variants =
            |seed: usize| [0.0, longer(seed)].map(|by| (Counts::default(), times(seed as f64 + by)));
        (0..40).map(|seed| variants(seed).to_vec()).collect()
    }

    fn median(longer: impl Fn(usize) -> f64) -> Difference {
        rows(&seeds(longer), 2).remove(0).differences.remove(1)
    }

    #[test]
    fn what_is_the_same_in_each_pair_differs_by_exactly_nothing() {
        let by = Some(Estimate { value: 0.0, low: 0.0, high: 0.0 });
        assert_eq!(median(|_| 0.0), Difference { by, seeds: 0, verdict: Verdict::Same });
    }

    #[test]
    fn what_each_pair_has_in_common_falls_out_of_the_difference() {
        let found = median(|_| 3.0);
        assert_eq!(
            found.by,
            Some(Estimate { value: 3.0, low: 3.0, high: 3.0 }),
            "though the seeds are 40 apart"
        );
        assert_eq!((found.seeds, found.verdict), (40, Verdict::More));
        assert_eq!(median(|_| -0.5).verdict, Verdict::Less);
    }

    #[test]
    fn a_difference_now_in_one_direction_and_now_in_the_other_is_open() {
        let found = median(|seed| if seed % 2 == 0 { 6.0 } else { -6.0 });
        let by = found.by.unwrap();
        assert!(by.low <= 0.0 && by.high >= 0.0 && by.low < by.high, "{by:?}");
        assert_eq!((found.seeds, found.verdict), (40, Verdict::Open));
    }

    #[test]
    fn nothing_is_concluded_from_a_handful_of_seeds() {
        let found = median(|seed| if (17..22).contains(&seed) { 500.0 } else { 0.0 });
        assert_eq!((found.seeds, found.verdict), (5, Verdict::Few));
    }

    #[test]
    fn what_never_occurs_is_told_from_what_never_differs() {
        let rows = rows(&seeds(|_| 0.0), 2);
        let verdicts: Vec<Verdict> = rows.iter().map(|row| row.differences[1].verdict).collect();
        assert_eq!(verdicts[0], Verdict::Same);
        assert!(verdicts[3..].iter().all(|verdict| *verdict == Verdict::Never), "{verdicts:?}");
    }

    #[test]
    fn without_a_seed_there_is_nothing_to_say() {
        let rows = rows(&[], 2);
        assert!(rows.iter().all(|row| row.values == [None, None] && row.differences[1].by.is_none()));
    }
}
