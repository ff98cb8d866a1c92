//! A measurement's section of the page: what, the limit, what was found, the plots, each start.

use super::{dash, escape, head, judged, limit_of, placed, row};
use crate::goal::Verdict;
use crate::plot;
use crate::report::{Measurement, Report, Summary, Unit};
use crate::text::{achieved, checksum, in_unit, jitter_floor, verdict_cells};
use std::fmt::Write as _;

/// What was found, against the limit and the goals, in a sentence for each placement.
fn found_in_words(page: &mut String, report: &Report, found: &Measurement) {
    for summary in &found.summaries {
        let _ = write!(page, "<p><b>Found.</b> {}", in_unit(summary.value, found.unit));
        if let Some(placement) = summary.placement {
            let _ = write!(page, " with the cores {}", placed(placement));
        }
        if let Some((words, ratio)) = limit_of(found, summary) {
            let _ = write!(page, ", {ratio:.2} times the limit of {words}");
        }
        page.push('.');
        let here = |verdict: &&Verdict| verdict.met.is_some() && verdict.placement == summary.placement;
        for verdict in found.verdicts.iter().filter(here) {
            let [goal, _, bound, value, met] = verdict_cells(report, found, verdict).map(|cell| escape(&cell));
            let _ = write!(page, " Goal {goal} {bound}: {value}, {}.", judged(verdict, met));
        }
        page.push_str("</p>");
    }
}

/// The section.
pub(super) fn section(page: &mut String, report: &Report, found: &Measurement) {
    let _ = write!(
        page,
        "<h2 id=\"{}-{}\">{} <span class=soft>{}</span></h2><p>{}</p><p><b>Limit.</b> {}</p>",
        escape(&found.subject),
        escape(&found.id),
        escape(&found.title),
        escape(&found.subject),
        escape(&found.what),
        escape(&found.limit)
    );
    found_in_words(page, report, found);
    let _ = write!(page, "<p class=soft>Settings: {}</p>", escape(&found.settings));
    let words = &report.words;
    let plots = [(plot::percentiles(found, words), words.percentiles()), (plot::maxima(found, words), words.maxima())];
    if plots.iter().any(|(svg, _)| svg.is_some()) {
        page.push_str("<div class=plots>");
        for (svg, caption) in plots {
            if let Some(svg) = svg {
                let _ = write!(page, "<figure>{svg}<figcaption>{caption}</figcaption></figure>");
            }
        }
        page.push_str("</div>");
    }
    trials(page, report, found);
    work(page, report, found);
    for discard in &found.discarded {
        let _ = write!(
            page,
            "<p class=soft>Discarded: {} {}: {}</p>",
            words.start,
            discard.number,
            escape(&discard.reason)
        );
    }
}

/// The starts one by one, and together.
fn trials(page: &mut String, report: &Report, found: &Measurement) {
    let start = report.words.start.as_str();
    head(
        page,
        &[
            start,
            "cores",
            "A before",
            "A after",
            "headline",
            "p50",
            "p99",
            "p99.9",
            "max",
            "samples",
            "jitter floor max",
        ],
    );
    for one in &found.trials {
        let ns = |value: Option<u64>| value.map_or_else(dash, |ns| in_unit(ns as f64, Unit::Ns));
        let anchor = |value: Option<f64>| value.map_or_else(dash, |ns| in_unit(ns, Unit::Ns));
        row(
            page,
            &[
                one.number.to_string(),
                one.placement.map_or_else(dash, placed),
                anchor(one.anchors.map(|anchors| anchors.before.one_way_ns)),
                anchor(one.anchors.map(|anchors| anchors.after.one_way_ns)),
                format!("<b>{}</b>", in_unit(one.value, found.unit)),
                ns(one.figures.p50_ns),
                ns(one.figures.p99_ns),
                ns(one.figures.p999_ns),
                ns(one.figures.max_ns),
                one.figures.samples.to_string(),
                jitter_floor(one).unwrap_or_else(dash),
            ],
        );
    }
    found.summaries.iter().filter(|summary| summary.trials > 1).for_each(|summary| together(page, found, summary));
    page.push_str("</table></div>");
}

/// What the roles did in each start, where they counted it.
fn work(page: &mut String, report: &Report, found: &Measurement) {
    if found.trials.iter().all(|one| one.work().is_none() && one.cpu_share().is_none()) {
        return;
    }
    let start = report.words.start.as_str();
    head(
        page,
        &[start, "least CPU / wall", &format!("{}s", report.words.sample), "achieved", "ring full", "lost", "checksum"],
    );
    let count = |value: Option<u64>| value.map_or_else(dash, |count| count.to_string());
    for one in &found.trials {
        row(
            page,
            &[
                one.number.to_string(),
                one.cpu_share().map_or_else(dash, |share| format!("{:.1} %", share * 100.0)),
                count(one.work().map(|work| work.messages)),
                achieved(one).unwrap_or_else(dash),
                count(one.full()),
                count(one.lost()),
                checksum(one).unwrap_or_else(dash),
            ],
        );
    }
    page.push_str("</table></div>");
}

/// The line below the starts of a placement: all their samples as one.
fn together(page: &mut String, found: &Measurement, summary: &Summary) {
    let ns = |value: Option<f64>| value.map_or_else(dash, |ns| in_unit(ns, Unit::Ns));
    let a = ns(summary.a_ns);
    row(
        page,
        &[
            "all".to_owned(),
            summary.placement.map_or_else(dash, placed),
            a.clone(),
            a,
            format!("<b>{}</b>", in_unit(summary.value, found.unit)),
            ns(summary.p50_ns),
            ns(summary.p99_ns),
            ns(summary.p999_ns),
            ns(summary.max_ns.map(|ns| ns as f64)),
            summary.samples.to_string(),
        ],
    );
}
