//! A chart, as SVG: for each variant a point with its interval, and beside it the point and the interval of its difference
//! from the base. It takes its colours from the page.

use std::fmt::Write;

use super::words::{amount, scale};
use super::{Estimate, Unit};
use crate::render::page::escape;

const WIDTH: f64 = 1000.0;
/// How wide a panel is, between its scale's ends, and what is right of it for the numbers.
const PANEL: f64 = 380.0;
const NUMBERS: f64 = 100.0;
/// How high a variant is: its name, and below it the points.
const ROW: f64 = 38.0;
const AXIS: f64 = 24.0;

/// A variant.
pub(super) struct Line {
    /// Its name.
    pub(super) name: String,
    /// What was measured.
    pub(super) value: Option<Estimate>,
    /// The difference from the base; of the base none.
    pub(super) difference: Option<Estimate>,
    /// Whether it differs by more than chance explains.
    pub(super) is_sure: bool,
}

/// A scale from one end to the other, with round numbers in between.
struct Axis {
    left: f64,
    low: f64,
    high: f64,
    step: f64,
    unit: Unit,
    /// What the numbers are counted in, and its name.
    scale: (f64, &'static str),
}

impl Axis {
    /// A scale that holds these, and zero.
    fn of(left: f64, estimates: &[Option<Estimate>], unit: Unit) -> Axis {
        let ends = || estimates.iter().flatten().flat_map(|of| [of.low, of.high, of.value]);
        let (low, high) = (ends().fold(0.0, f64::min), ends().fold(0.0, f64::max));
        let scale = match unit {
            Unit::Time => scale(high.max(-low)),
            Unit::Count => (1.0, ""),
        };
        let span = if high > low { (high - low) / scale.0 } else { 1.0 };
        let power = 10_f64.powf((span / 4.0).log10().floor());
        let rounds = [1.0, 2.0, 5.0, 10.0].map(|round| round * power);
        let step = rounds.into_iter().find(|round| *round >= span / 4.0).unwrap_or(10.0 * power) * scale.0;
        let up = if high > 0.0 || low == 0.0 { (high / step).ceil().max(1.0) * step } else { 0.0 };
        Axis { left, low: (low / step).floor() * step, high: up, step, unit, scale }
    }

    fn x(&self, value: f64) -> f64 {
        self.left + (value - self.low) / (self.high - self.low) * PANEL
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (from, to) = ((self.low / self.step).round() as i64, (self.high / self.step).round() as i64);
        (from..=to).map(|number| number as f64 * self.step)
    }

    fn label(&self, tick: f64) -> String {
        let (size, name) = self.scale;
        let places = (-(self.step / size).log10().floor()).max(0.0) as usize;
        if tick == 0.0 { "0".to_owned() } else { format!("{:.places$}{name}", tick / size) }
    }

    fn draw(&self, svg: &mut String, bottom: f64) {
        for tick in self.ticks() {
            let (x, class) = (self.x(tick), if tick == 0.0 { "zero" } else { "grid" });
            put(svg, format_args!("<path class=\"{class}\" d=\"M{x:.1} 0V{bottom}\"/>"));
            let (y, label) = (bottom + 16.0, self.label(tick));
            put(svg, format_args!("<text class=\"tick\" x=\"{x:.1}\" y=\"{y:.1}\">{label}</text>"));
        }
    }

    fn point(&self, svg: &mut String, y: f64, of: Estimate, is_sure: bool) {
        let (low, high, at) = (self.x(of.low), self.x(of.high), self.x(of.value));
        let (top, bottom, class) = (y - 4.0, y + 4.0, if is_sure { "sure" } else { "open" });
        put(svg, format_args!("<g class=\"{class}\"><path d=\"M{low:.1} {y}H{high:.1}"));
        put(svg, format_args!("M{low:.1} {top}V{bottom}M{high:.1} {top}V{bottom}\"/>"));
        put(svg, format_args!("<circle cx=\"{at:.1}\" cy=\"{y}\" r=\"4\"/></g>"));
        self.say(svg, y, &amount(self.unit, of.value));
    }

    fn say(&self, svg: &mut String, y: f64, words: &str) {
        let (x, y) = (self.left + PANEL + 12.0, y + 4.0);
        put(svg, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>"));
    }
}

fn put(svg: &mut String, part: std::fmt::Arguments<'_>) {
    svg.write_fmt(part).expect("a string takes it");
}

/// A chart of these, one below the other. `title` is for those who do not see it.
pub(super) fn chart(title: &str, lines: &[Line], unit: Unit) -> String {
    let of = |what: fn(&Line) -> Option<Estimate>| lines.iter().map(what).collect::<Vec<_>>();
    let values = Axis::of(10.0, &of(|line| line.value), unit);
    let differences = Axis::of(WIDTH - PANEL - NUMBERS, &of(|line| line.difference), unit);
    let bottom = lines.len() as f64 * ROW;
    let (height, title) = (bottom + AXIS, escape(title));
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">");
    values.draw(&mut svg, bottom);
    differences.draw(&mut svg, bottom);
    for (number, line) in (0_u32..).zip(lines) {
        let top = f64::from(number) * ROW;
        let (name, y) = (escape(&line.name), top + 26.0);
        put(&mut svg, format_args!("<text class=\"name\" x=\"14\" y=\"{:.1}\">{name}</text>", top + 14.0));
        match line.value {
            Some(value) => values.point(&mut svg, y, value, line.is_sure),
            None => values.say(&mut svg, y, "nothing to measure"),
        }
        match line.difference {
            Some(difference) => differences.point(&mut svg, y, difference, line.is_sure),
            None if number == 0 => differences.say(&mut svg, y, "base"),
            None => differences.say(&mut svg, y, "unknown"),
        }
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(value: f64, low: f64, high: f64) -> Option<Estimate> {
        Some(Estimate { value, low, high })
    }

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().map(|tick| axis.label(tick)).collect()
    }

    #[test]
    fn a_scale_has_round_numbers_of_one_unit_and_holds_zero_and_every_interval() {
        let axis = |estimates: &[Option<Estimate>], unit| Axis::of(0.0, estimates, unit);
        let minutes = axis(&[estimate(0.0, 0.0, 0.0), estimate(754.0, 720.0, 1080.0)], Unit::Time);
        assert_eq!(labels(&minutes), ["0", "5 min", "10 min", "15 min", "20 min"]);
        let less = axis(&[estimate(-0.4, -0.6, -0.2)], Unit::Count);
        assert_eq!(labels(&less), ["-0.6", "-0.4", "-0.2", "0"]);
        let both = axis(&[estimate(0.5, -0.9, 1.3)], Unit::Time);
        assert_eq!(labels(&both), ["-1 s", "0", "1 s", "2 s"]);
        assert_eq!(labels(&axis(&[estimate(0.0, 0.0, 0.0), None], Unit::Count)), ["0", "0.5"]);
    }

    #[test]
    fn a_variant_without_anything_to_measure_says_so_and_the_base_differs_from_nothing() {
        let line = |value, difference| Line { name: "a<b".to_owned(), value, difference, is_sure: false };
        let lines = [line(estimate(1.0, 0.5, 2.0), None), line(None, None)];
        let svg = chart("times", &lines, Unit::Time);
        assert!(svg.contains(">base<") && svg.contains("nothing to measure") && svg.contains("a&lt;b"));
        assert_eq!(svg.matches("<circle").count(), 1);
    }
}
