//! The report on a terminal: the machine, a table of summaries, the trials one by one, the goals.

use crate::goal::{GoalFigure, Verdict};
use crate::report::{Measurement, Report, Summary, Trial, Unit};
use comfy_table::{ContentArrangement, Table, presets};

/// The whole report as text, without a line's end.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut parts = vec![report.fingerprint.line(), summaries(report), trials(report)];
    let discarded: Vec<String> = report
        .measurements
        .iter()
        .flat_map(|found| found.discarded.iter().map(move |discard| (found, discard)))
        .map(|(found, discard)| {
            format!("discarded: {} {} {}: {}", found.id, report.words.start, discard.number, discard.reason)
        })
        .collect();
    parts.push(discarded.join("\n"));
    parts.push(goals(report));
    let limit = Some(format!("Limit. {}", report.limit)).filter(|_| !report.limit.is_empty());
    let notes = limit.iter().chain(&report.notes).map(|note| format!("- {note}"));
    parts.push(notes.collect::<Vec<_>>().join("\n"));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| (*heading).to_owned()));
    table
}

fn lines(table: &Table) -> String {
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn summaries(report: &Report) -> String {
    let mut out = table(&[
        "measurement",
        "lane",
        "cores",
        &format!("{}s", report.words.start),
        "discarded",
        "A",
        "limit",
        "value",
        "range",
        "/ limit",
        "single p50",
        "p99",
        "p99 / A",
        "max",
        "samples",
    ]);
    for found in &report.measurements {
        for summary in &found.summaries {
            out.add_row(summary_row(report, found, summary));
        }
        if found.summaries.is_empty() {
            let mut cells = vec![found.id.clone(), found.subject.clone(), dash(), report.kept(0)];
            cells.push(found.discarded.len().to_string());
            cells.extend([dash(), dash(), format!("no {} counted", report.words.start)]);
            out.add_row(cells);
        }
    }
    lines(&out)
}

fn summary_row(report: &Report, found: &Measurement, summary: &Summary) -> Vec<String> {
    let ns = |value: Option<f64>| value.map_or_else(dash, |ns| in_unit(ns, Unit::Ns));
    let ratio = |value: Option<f64>| value.map_or_else(dash, |ratio| format!("{ratio:.2}"));
    let [low, high] = summary.range.map(|value| in_unit(value, found.unit));
    vec![
        found.id.clone(),
        found.subject.clone(),
        summary.placement.map_or_else(dash, |placement| placement.to_string()),
        report.kept(summary.trials),
        found.discarded.len().to_string(),
        ns(summary.a_ns),
        ns(summary.limit_ns.filter(|_| found.unit == Unit::Ns)),
        in_unit(summary.value, found.unit),
        format!("{low} .. {high}"),
        ratio(summary.over_limit),
        ns(summary.p50_ns),
        ns(summary.p99_ns),
        ratio(summary.p99_over_a),
        ns(summary.max_ns.map(|ns| ns as f64)),
        summary.samples.to_string(),
    ]
}

fn trials(report: &Report) -> String {
    let mut out = table(&[
        "measurement",
        &report.words.start,
        "cores",
        "A before",
        "A after",
        "value",
        "p99",
        "max",
        "jitter floor max",
        "CPU",
        "messages",
        "achieved",
        "full",
        "lost",
        "checksum",
    ]);
    for found in &report.measurements {
        for trial in &found.trials {
            let anchor = |ns: Option<f64>| ns.map_or_else(dash, |ns| format!("{ns:.1}"));
            let ns = |ns: Option<u64>| ns.map_or_else(dash, |ns| in_unit(ns as f64, Unit::Ns));
            let count = |count: Option<u64>| count.map_or_else(dash, |count| count.to_string());
            out.add_row(vec![
                found.id.clone(),
                trial.number.to_string(),
                trial.placement.map_or_else(dash, |placement| placement.to_string()),
                anchor(trial.anchors.map(|anchors| anchors.before.one_way_ns)),
                anchor(trial.anchors.map(|anchors| anchors.after.one_way_ns)),
                in_unit(trial.value, found.unit),
                ns(trial.figures.p99_ns),
                ns(trial.figures.max_ns),
                jitter_floor(trial).unwrap_or_else(dash),
                trial.cpu_share().map_or_else(dash, |share| format!("{:.1} %", share * 100.0)),
                count(trial.work().map(|work| work.messages)),
                achieved(trial).unwrap_or_else(dash),
                count(trial.full()),
                count(trial.lost()),
                checksum(trial).unwrap_or_else(dash),
            ]);
        }
    }
    lines(&out)
}

/// The jitter floor of a start, and for how long it was watched.
#[must_use]
pub fn jitter_floor(trial: &Trial) -> Option<String> {
    let (max_ns, watched_ns) = trial.jitter_max_ns().zip(trial.jitter_watched_ns())?;
    Some(format!("{} in {:.0} ms", in_unit(max_ns as f64, Unit::Ns), watched_ns as f64 / 1e6))
}

/// The rate that an open loop came to.
#[must_use]
pub fn achieved(trial: &Trial) -> Option<String> {
    let rate = trial.achieved_per_second()?;
    // Finely: a loop that falls behind by a hundredth is overloaded.
    Some(if rate < 1e6 { format!("{rate:.0}/s") } else { format!("{:.3} M/s", rate / 1e6) })
}

/// The checksum of a start's work; `ok` where a receiver came to the same.
#[must_use]
pub fn checksum(trial: &Trial) -> Option<String> {
    let ok = if trial.lost().is_some() { " ok" } else { "" };
    trial.work().map(|work| format!("{:08x}{ok}", work.checksum >> 32))
}

fn goals(report: &Report) -> String {
    let all: Vec<(&Measurement, &Verdict)> = report
        .measurements
        .iter()
        .flat_map(|found| found.verdicts.iter().map(move |verdict| (found, verdict)))
        .collect();
    if all.is_empty() {
        return String::new();
    }
    let mut out = table(&["goal", "cores", "bound", "found", ""]);
    for (found, verdict) in all {
        let cells = verdict_cells(report, found, verdict);
        out.add_row(cells);
    }
    lines(&out)
}

/// Goal, cores, bound, found, met: as they stand in tables.
#[must_use]
pub fn verdict_cells(report: &Report, found: &Measurement, verdict: &Verdict) -> [String; 5] {
    let figure = |value: f64| match verdict.figure {
        GoalFigure::Value => in_unit(value, found.unit),
        GoalFigure::P99 => in_unit(value, Unit::Ns),
        GoalFigure::OverA | GoalFigure::P99OverA => format!("{value:.3} A"),
        GoalFigure::Compared => format!("{value:.3}"),
    };
    let sign = if verdict.at_least { ">=" } else { "<=" };
    [
        verdict.goal.clone(),
        verdict.placement.map_or_else(dash, |placement| placement.to_string()),
        format!("{sign} {}", figure(verdict.bound)),
        verdict.found.map_or_else(dash, figure),
        report
            .unjudged(found, verdict)
            .unwrap_or_else(|| if verdict.met == Some(true) { "met" } else { "MISSED" }.to_owned())
            + &beyond(found, verdict),
    ]
}

/// Says so where a goal asks for less than the limit that was measured beside it.
fn beyond(found: &Measurement, verdict: &Verdict) -> String {
    let limit_ns = found.at(verdict.placement).and_then(|summary| summary.limit_ns);
    let bounds_time = verdict.figure == GoalFigure::Value && found.unit == Unit::Ns && !verdict.at_least;
    let limit_ns = limit_ns.filter(|limit_ns| bounds_time && verdict.bound < *limit_ns);
    limit_ns.map_or_else(String::new, |ns| format!(" (the limit here is {})", in_unit(ns, Unit::Ns)))
}

fn dash() -> String {
    "-".to_owned()
}

/// A value in a unit that reads well.
#[must_use]
pub fn in_unit(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ns if value < 1_000.0 => format!("{value:.1} ns"),
        Unit::Ns if value < 1e6 => format!("{:.2} us", value / 1e3),
        Unit::Ns => format!("{:.2} ms", value / 1e6),
        Unit::PerSecond if value < 1e6 => format!("{value:.0}/s"),
        Unit::PerSecond => format!("{:.1} M/s", value / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_well() {
        let ns = |value| in_unit(value, Unit::Ns);
        assert_eq!([ns(52.04), ns(12_345.0), ns(1.5e7)], ["52.0 ns", "12.35 us", "15.00 ms"]);
        assert_eq!(in_unit(356e6, Unit::PerSecond), "356.0 M/s");
    }
}
