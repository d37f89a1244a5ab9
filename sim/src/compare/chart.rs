//! A chart: a point with its interval for each variant, on one scale, as SVG. It takes its colours from the page.

use std::fmt::Write;

use super::words::{amount, scale};
use super::{Estimate, Unit};

const WIDTH: f64 = 400.0;
const LEFT: f64 = 12.0;
const RIGHT: f64 = 130.0;
const ROW: f64 = 26.0;
const AXIS: f64 = 26.0;

/// A point and its interval.
pub(super) struct Dot {
    pub(super) of: Estimate,
    /// Whether it is drawn as one that says something.
    pub(super) is_strong: bool,
}

/// A scale from one end to the other, with round numbers in between.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// A scale that holds these, and zero.
    fn of(dots: &[Option<Dot>], unit: Unit) -> (Axis, f64) {
        let ends = || dots.iter().flatten().flat_map(|dot| [dot.of.low, dot.of.high, dot.of.value]);
        let (low, high) = (ends().fold(0.0, f64::min), ends().fold(0.0, f64::max));
        let unit_of_time = match unit {
            Unit::Time => scale(high.max(-low)).0,
            Unit::Count => 1.0,
        };
        let span = if high > low { high - low } else { unit_of_time };
        let rough = span / unit_of_time / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let round = [1.0, 2.0, 5.0, 10.0].into_iter().find(|round| round * power >= rough).unwrap_or(10.0);
        let step = round * power * unit_of_time;
        let axis =
            Axis { low: (low / step).floor() * step, high: (high / step).ceil().max(1.0) * step, step };
        (if high <= 0.0 && low < 0.0 { Axis { high: 0.0, ..axis } } else { axis }, unit_of_time)
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let count = ((self.high - self.low) / self.step).round() as usize;
        (0..=count).map(|number| self.low + number as f64 * self.step)
    }
}

/// A chart of these, one below the other. `title` is for those who do not see it.
pub(super) fn chart(title: &str, dots: &[Option<Dot>], unit: Unit) -> String {
    let (axis, _) = Axis::of(dots, unit);
    let bottom = dots.len() as f64 * ROW;
    let height = bottom + AXIS;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
        super::page::escaped(title)
    );
    let mut put = |part: String| svg.push_str(&part);
    for tick in axis.ticks() {
        let x = axis.x(tick);
        let class = if tick.abs() < axis.step / 1e6 { "zero" } else { "grid" };
        put(format!("<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{bottom}\"/>"));
        let label = if class == "zero" { "0".to_owned() } else { plain(&amount(unit, tick)) };
        put(format!("<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>", bottom + 16.0));
    }
    for (number, dot) in dots.iter().enumerate() {
        let y = (number as f64 + 0.5) * ROW;
        let text = |words: &str| {
            format!(
                "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{words}</text>",
                WIDTH - RIGHT + 14.0,
                y + 4.0
            )
        };
        let Some(Dot { of, is_strong }) = dot else {
            put(text("nothing to measure"));
            continue;
        };
        let class = if *is_strong { "strong" } else { "weak" };
        let (low, high, at) = (axis.x(of.low), axis.x(of.high), axis.x(of.value));
        put(format!("<g class=\"{class}\"><line x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{y}\" y2=\"{y}\"/>"));
        for end in [low, high] {
            put(format!("<line x1=\"{end:.1}\" x2=\"{end:.1}\" y1=\"{}\" y2=\"{}\"/>", y - 4.0, y + 4.0));
        }
        put(format!("<circle cx=\"{at:.1}\" cy=\"{y}\" r=\"4\"/></g>"));
        put(text(&amount(unit, of.value)));
    }
    svg.write_str("</svg>").expect("a string takes it");
    svg
}

/// A round number without the places that say nothing.
fn plain(amount: &str) -> String {
    let (number, unit) = amount.split_once(' ').unwrap_or((amount, ""));
    let number =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{number} {unit}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(value: f64, low: f64, high: f64) -> Option<Dot> {
        Some(Dot { of: Estimate { value, low, high }, is_strong: true })
    }

    #[test]
    fn a_scale_has_round_numbers_and_holds_zero_and_every_interval() {
        let (axis, _) = Axis::of(&[dot(0.0, 0.0, 0.0), dot(754.0, 720.0, 1080.0)], Unit::Time);
        assert_eq!((axis.low, axis.high), (0.0, 1200.0));
        assert_eq!(axis.ticks().collect::<Vec<_>>(), [0.0, 300.0, 600.0, 900.0, 1200.0]);
        let (axis, _) = Axis::of(&[dot(-0.4, -0.6, -0.2)], Unit::Count);
        assert_eq!((axis.low, axis.high), (-0.6000000000000001, 0.0));
        let (axis, _) = Axis::of(&[dot(0.0, 0.0, 0.0)], Unit::Count);
        assert!(axis.low == 0.0 && axis.high > 0.0);
    }

    #[test]
    fn a_variant_without_anything_to_measure_says_so() {
        let svg = chart("times", &[dot(1.0, 0.5, 2.0), None], Unit::Time);
        assert!(svg.contains("nothing to measure") && svg.matches("<circle").count() == 1);
    }
}
