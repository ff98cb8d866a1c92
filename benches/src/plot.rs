//! Two drawings as inline SVG: percentiles over a logarithmic scale of rarity, and maxima over time.
//!
//! Nothing is fetched and nothing runs: the picture is complete in the file.

use crate::anchor::Placement;
use crate::figures::Point;
use crate::report::{Measurement, Summary, Trial, Unit, Words};
use crate::text::in_unit;
use std::fmt::Write as _;

const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 40.0;

/// A logarithmic axis of nanoseconds, on decades that hold all values.
struct Decades {
    low: f64,
    high: f64,
}

impl Decades {
    fn holding(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value >= 1.0) {
            low = low.min(value);
            high = high.max(value);
        }
        let (low, high) = (low.log10().floor(), high.log10().ceil());
        low.is_finite().then(|| Self { low, high: high.max(low + 1.0) })
    }

    fn y(&self, ns: f64) -> f64 {
        let part = (ns.max(1.0).log10() - self.low) / (self.high - self.low);
        HEIGHT - BOTTOM - part.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn grid(&self, svg: &mut String) {
        for decade in self.low as i32..=self.high as i32 {
            let ns = 10_f64.powi(decade);
            let y = self.y(ns);
            let _ = write!(
                svg,
                "<line class=grid x1={LEFT} y1={y:.1} x2={:.1} y2={y:.1} /><text x={} y={:.1} text-anchor=end>{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                short(ns)
            );
        }
    }
}

/// A power of ten of nanoseconds.
fn short(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.0} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.0} ms", ns / 1e6),
        ns => format!("{:.0} s", ns / 1e9),
    }
}

/// The class of a placement: its color.
pub const fn class(placement: Option<Placement>) -> &'static str {
    match placement {
        Some(Placement::Near) => "near",
        Some(Placement::Far) => "far",
        None => "one",
    }
}

fn open(title: &str) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{title}\"><title>{title}</title>")
}

/// Height of a line of text.
const TEXT: f64 = 13.0;

/// The limit of each placement as a line, each with its words: above the line, and above the words of the limit below.
fn limit_lines(svg: &mut String, axis: &Decades, found: &Measurement) {
    let mut limits: Vec<(f64, &Summary)> =
        found.summaries.iter().filter_map(|summary| Some((summary.limit_ns?, summary))).collect();
    limits.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (limit_ns, _) in &limits {
        let (y, end) = (axis.y(*limit_ns), WIDTH - RIGHT);
        let _ = write!(svg, "<line class=limit x1={LEFT} y1={y:.1} x2={end:.1} y2={y:.1} />");
    }
    let mut free = HEIGHT;
    for (limit_ns, summary) in limits {
        let y = (axis.y(limit_ns) - 4.0).min(free);
        free = y - TEXT;
        let name = if summary.a_ns == Some(limit_ns) { "A" } else { "limit" };
        let place = summary.placement.map_or(String::new(), |placement| format!(" {placement}"));
        let _ = write!(
            svg,
            "<text class=limit x={:.1} y={y:.1} text-anchor=end>{name}{place} {}</text>",
            WIDTH - RIGHT - 4.0,
            in_unit(limit_ns, Unit::Ns)
        );
    }
}

/// Latency by percentile, one line per trial; `None` when no trial has latencies.
#[must_use]
pub fn percentiles(found: &Measurement, words: &Words) -> Option<String> {
    const TICKS: [(f64, &str); 7] =
        [(0.0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"), (0.99999, "99.999")];
    let pooled = || found.summaries.iter().filter(|summary| summary.trials > 1);
    let of_starts = || found.trials.iter().flat_map(|trial| &trial.figures.curve);
    let points = || of_starts().chain(pooled().flat_map(|summary| &summary.curve));
    let rarity = |percentile: f64| -(1.0 - percentile / 100.0).log10();
    let widest = points().map(|point| rarity(point.percentile)).fold(1.0, f64::max);
    let limits = found.summaries.iter().filter_map(|summary| summary.limit_ns);
    let axis = Decades::holding(points().map(|point| point.ns as f64).chain(limits))?;
    points().next()?;
    let x = |rarity: f64| LEFT + rarity / widest * (WIDTH - LEFT - RIGHT);
    let mut svg = open(&format!("{} by percentile, one line for each {}", words.length, words.start));
    axis.grid(&mut svg);
    for (quantile, name) in TICKS {
        let at = x(-(1.0_f64 - quantile).log10());
        if at <= WIDTH - RIGHT + 0.5 {
            let _ = write!(
                svg,
                "<line class=grid x1={at:.1} y1={TOP} x2={at:.1} y2={:.1} /><text x={at:.1} y={:.1} \
                 text-anchor=middle>{name}</text>",
                HEIGHT - BOTTOM,
                HEIGHT - BOTTOM + 15.0
            );
        }
    }
    let _ = write!(
        svg,
        "<text x={:.1} y={:.1} text-anchor=middle>percentile of {}s (logarithmic towards 100)</text>",
        f64::midpoint(LEFT, WIDTH - RIGHT),
        HEIGHT - 6.0,
        words.sample
    );
    let line = |curve: &[Point]| -> Vec<String> {
        let place = |point: &Point| format!("{:.1},{:.1}", x(rarity(point.percentile)), axis.y(point.ns as f64));
        curve.iter().map(place).collect()
    };
    for trial in &found.trials {
        polyline(&mut svg, class(trial.placement), &in_words(trial, words), &line(&trial.figures.curve));
    }
    for summary in pooled() {
        let class = format!("\"{} all\"", class(summary.placement));
        polyline(&mut svg, &class, &format!("{} {}s together", summary.trials, words.start), &line(&summary.curve));
    }
    limit_lines(&mut svg, &axis, found);
    svg.push_str("</svg>");
    Some(svg)
}

/// A start, as its line is called.
fn in_words(trial: &Trial, words: &Words) -> String {
    let place = trial.placement.map_or(String::new(), |placement| format!(", {placement}"));
    format!("{} {}{place}", words.start, trial.number)
}

fn polyline(svg: &mut String, class: &str, words: &str, points: &[String]) {
    let _ = write!(svg, "<polyline class={class} points=\"{}\"><title>{words}</title></polyline>", points.join(" "));
}

/// The largest latency of each interval over time, one line per trial; `None` when no trial has latencies.
#[must_use]
pub fn maxima(found: &Measurement, words: &Words) -> Option<String> {
    let points = || found.trials.iter().flat_map(|trial| &trial.series).filter(|point| point.samples > 0);
    let limits = found.summaries.iter().filter_map(|summary| summary.limit_ns);
    let axis = Decades::holding(points().map(|point| point.max_ns as f64).chain(limits))?;
    let last = points().map(|point| point.start_us).max()?.max(1);
    let x = |us: u64| LEFT + us as f64 / last as f64 * (WIDTH - LEFT - RIGHT);
    let mut svg =
        open(&format!("largest {} of each interval over time, one line for each {}", words.length, words.start));
    axis.grid(&mut svg);
    for quarter in 0..=4 {
        let us = last * quarter / 4;
        let at = x(us);
        let _ = write!(
            svg,
            "<line class=grid x1={at:.1} y1={TOP} x2={at:.1} y2={:.1} /><text x={at:.1} y={:.1} \
             text-anchor=middle>{:.0} ms</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 15.0,
            us as f64 / 1e3
        );
    }
    let _ = write!(
        svg,
        "<text x={:.1} y={:.1} text-anchor=middle>time since the first measured moment: maximum of each interval</text>",
        f64::midpoint(LEFT, WIDTH - RIGHT),
        HEIGHT - 6.0
    );
    for trial in &found.trials {
        let line: Vec<String> = trial
            .series
            .iter()
            .filter(|point| point.samples > 0)
            .map(|point| format!("{:.1},{:.1}", x(point.start_us), axis.y(point.max_ns as f64)))
            .collect();
        polyline(&mut svg, class(trial.placement), &in_words(trial, words), &line);
    }
    limit_lines(&mut svg, &axis, found);
    svg.push_str("</svg>");
    Some(svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anchor::{Anchor, Anchors};
    use crate::figures::Figures;

    /// A measurement with a start at each of these A, drawn from 100 ns to 10 us.
    fn measured(limits: &[f64]) -> Measurement {
        let anchor = Anchor::only;
        let curve = [(0.0, 100), (99.0, 10_000)].map(|(percentile, ns)| Point { percentile, ns, above: 10 }).to_vec();
        let trials = limits.iter().zip(1..).map(|(a_ns, number)| {
            let anchors = Anchors { before: anchor(*a_ns), after: anchor(*a_ns) };
            Trial {
                number,
                placement: anchors.placement().ok(),
                anchors: Some(anchors),
                value: 130.0,
                figures: Figures { curve: curve.clone(), ..Figures::default() },
                series: Vec::new(),
                roles: Vec::new(),
                intervals: Vec::new(),
            }
        });
        let mut found = Measurement {
            id: "one-way".to_owned(),
            title: String::new(),
            what: String::new(),
            limit: String::new(),
            subject: String::new(),
            settings: String::new(),
            unit: Unit::Ns,
            trials: trials.collect(),
            discarded: Vec::new(),
            summaries: Vec::new(),
            verdicts: Vec::new(),
        };
        found.conclude(&[]);
        found
    }

    /// Where the words of each limit stand, from the lowest limit up.
    fn words(svg: &str) -> Vec<(f64, &str)> {
        let texts = svg.split("<text class=limit ").skip(1);
        let place =
            |text: &str| text.split("y=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
        texts.map(|text| (place(text), text.split(['>', '<']).nth(1).unwrap())).collect()
    }

    #[test]
    fn the_words_of_limits_that_lie_close_stand_above_each_other() {
        let svg = percentiles(&measured(&[121.0, 118.0]), &Words::default()).unwrap();
        let [(near, near_words), (far, far_words)] = words(&svg)[..] else { panic!("two limits: {svg}") };
        assert_eq!([near_words, far_words], ["A NEAR 118.0 ns", "A FAR 121.0 ns"]);
        assert!(near - far >= TEXT, "{near} and {far}");
        // Words of limits that lie apart stand at their lines.
        let svg = percentiles(&measured(&[240.0, 55.0]), &Words::default()).unwrap();
        let [(near, _), (far, _)] = words(&svg)[..] else { panic!("two limits: {svg}") };
        assert!(
            svg.contains(&format!("y1={:.1}", near + 4.0)) && svg.contains(&format!("y1={:.1}", far + 4.0)),
            "{svg}"
        );
    }
}
