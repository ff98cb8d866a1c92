//! The report as one self-contained page: no script, no network, readable without this project at hand.

use crate::anchor::{FAR_FROM_NS, Placement};
use crate::goal::Verdict;
use crate::report::{Measurement, Report, Unit};
use crate::text::{in_unit, verdict_cells};
use crate::{plot, trial};
use std::fmt::Write as _;

const STYLE: &str = "
:root{--ink:#1c2430;--soft:#5b6675;--rule:#d9dee5;--near:#1261a0;--far:#b3541e;--limit:#8a1f4d;--good:#1c7a3d;--bad:#b3261e}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);max-width:1120px;margin:24px auto;padding:0 20px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:20px;margin:34px 0 6px;border-top:1px solid var(--rule);padding-top:20px}
p{margin:6px 0;max-width:95ch}.soft{color:var(--soft)}ul{margin:6px 0;max-width:95ch}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;max-width:105ch;margin:10px 0}dt{font-weight:600}dd{margin:0}
table{border-collapse:collapse;margin:10px 0;font-size:14px;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}
th,td{text-align:right;padding:3px 8px;border-bottom:1px solid var(--rule);white-space:nowrap;vertical-align:bottom}
th:first-child,td:first-child{text-align:left}th{font-weight:600;color:var(--soft);white-space:normal}
td:first-child{white-space:normal}
.met{color:var(--good);font-weight:600}.missed{color:var(--bad);font-weight:600}.near{color:var(--near)}.far{color:var(--far)}
.plots{display:flex;flex-wrap:wrap;gap:16px}.plots figure{margin:0;flex:1 1 480px;max-width:640px}
figcaption{font-size:13px;color:var(--soft)}svg{width:100%;height:auto;font:11px system-ui,sans-serif}
svg text{fill:var(--soft)}.grid{stroke:var(--rule)}polyline{fill:none;stroke-width:1.4;opacity:.85}
polyline.near{stroke:var(--near)}polyline.far{stroke:var(--far)}polyline.one{stroke:var(--near)}
line.limit{stroke:var(--limit);stroke-dasharray:5 3}
svg text.limit{fill:var(--limit);stroke:#fff;stroke-width:4px;paint-order:stroke}.limit{color:var(--limit)}
.warn{background:#fff4e0;border-left:4px solid #d98c00;padding:8px 12px;max-width:95ch}
details{margin:8px 0}summary{cursor:pointer;color:var(--soft)}";

/// The page.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut page = String::with_capacity(1 << 16);
    let title = format!("tickway bench {}", escape(&report.command));
    let _ = write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
    );
    in_short(&mut page, report);
    for note in &report.notes {
        let class = if note.starts_with("VM") || note.starts_with("Built") { "warn" } else { "" };
        let _ = write!(page, "<p class=\"{class}\">{}</p>", escape(note));
    }
    overview(&mut page, report);
    goals(&mut page, report);
    for found in &report.measurements {
        section(&mut page, found);
    }
    machine(&mut page, report);
    page.push_str("</html>\n");
    page
}

/// What was measured, where, against what, and what came of it: for a reader who knows nothing else of it.
fn in_short(page: &mut String, report: &Report) {
    let count = report.measurements.len();
    let discarded: usize = report.measurements.iter().map(|found| found.discarded.len()).sum();
    let mut rows = vec![
        (
            "What",
            format!(
                "{} {count} measurement{}, each of several starts of what it measures; one start is one line of a table and \
                 one line of a plot, and the headline is the median of the starts. {discarded} starts were discarded, each \
                 with its reason below.",
                escape(&report.what),
                if count == 1 { "" } else { "s" }
            ),
        ),
        ("Where", escape(&report.fingerprint.line())),
        ("When", utc(report.started_ns)),
    ];
    if report.measurements.iter().any(|found| found.summaries.iter().any(|summary| summary.a_ns.is_some())) {
        rows.push((
            "A",
            "<b class=limit>A</b>, what the machine itself takes to move a cache line from core to core, measured by the \
             same processes just before and after: the mean of many lines, because each takes its own time. At a headline \
             of 1.00 A a message takes as long as a bare line; single lines and messages lie on both sides of it, and a few \
             hundredths are not told apart. <b class=limit>Dashed</b> in the plots."
                .to_owned(),
        ));
        rows.push((
            "Cores",
            format!(
                "<b class=near>NEAR</b>: A is less than {FAR_FROM_NS} ns. <b class=far>FAR</b>: as long or longer. A virtual \
                 machine changes between the two by itself; results of one are never mixed with those of the other, and \
                 each goal holds for one."
            ),
        ));
    }
    let verdicts = || report.measurements.iter().flat_map(|found| &found.verdicts);
    if verdicts().next().is_some() {
        let of = |met: Option<bool>| verdicts().filter(|verdict| verdict.met == met).count();
        rows.push((
            "Goals",
            format!(
                "<span class=met>{} met</span>, <span class=missed>{} missed</span>, {} not judged by this run.",
                of(Some(true)),
                of(Some(false)),
                of(None)
            ),
        ));
    }
    page.push_str("<dl>");
    for (name, words) in rows {
        let _ = write!(page, "<dt>{name}</dt><dd>{words}</dd>");
    }
    page.push_str("</dl>");
}

fn overview(page: &mut String, report: &Report) {
    page.push_str("<h2>At a glance</h2>");
    head(
        page,
        &[
            "measurement",
            "lane",
            "cores",
            "starts kept",
            "dis\u{ad}carded",
            "A",
            "headline",
            "headline / A",
            "p99",
            "max",
        ],
    );
    for found in &report.measurements {
        for summary in &found.summaries {
            let ns = |value: Option<f64>| value.map_or_else(dash, |ns| in_unit(ns, Unit::Ns));
            row(
                page,
                &[
                    link(found),
                    escape(&found.subject),
                    summary.placement.map_or_else(dash, placed),
                    summary.trials.to_string(),
                    found.discarded.len().to_string(),
                    ns(summary.a_ns),
                    format!("<b>{}</b>", in_unit(summary.value, found.unit)),
                    summary.over_a.map_or_else(dash, |ratio| format!("{ratio:.2}")),
                    ns(summary.p99_ns),
                    ns(summary.max_ns.map(|ns| ns as f64)),
                ],
            );
        }
        if found.summaries.is_empty() {
            let count = found.discarded.len().to_string();
            let cells = [link(found), escape(&found.subject), dash(), "0".to_owned(), count, dash()];
            row(page, &[&cells[..], &["no start counted".to_owned()]].concat());
        }
    }
    page.push_str("</table></div>");
}

/// A measurement's title, as a link to its section.
fn link(found: &Measurement) -> String {
    format!("<a href=\"#{}-{}\">{}</a>", escape(&found.subject), escape(&found.id), escape(&found.title))
}

/// A placement in the color of its lines.
fn placed(placement: Placement) -> String {
    format!("<span class={}>{placement}</span>", plot::class(Some(placement)))
}

fn goals(page: &mut String, report: &Report) {
    let verdicts = || report.measurements.iter().flat_map(|found| found.verdicts.iter().map(move |v| (found, v)));
    if verdicts().next().is_none() {
        return;
    }
    page.push_str("<h2>Goals</h2>");
    head(page, &["goal", "cores", "bound", "found", "verdict"]);
    for (found, verdict) in verdicts() {
        let [goal, _, bound, value, met] = verdict_cells(found, verdict).map(|cell| escape(&cell));
        let cores = verdict.placement.map_or_else(dash, placed);
        row(page, &[goal, cores, bound, value, judged(found, verdict, met)]);
    }
    page.push_str("</table></div>");
}

/// A verdict's word; of a goal that was not judged, why.
fn judged(found: &Measurement, verdict: &Verdict, word: String) -> String {
    match (verdict.met, verdict.placement) {
        (Some(true), _) => format!("<span class=met>{word}</span>"),
        (Some(false), _) => format!("<span class=missed>{word}</span>"),
        (None, Some(placement)) if found.at(verdict.placement).is_none() => {
            format!("<span class=soft>not judged: no start was {placement}</span>")
        }
        (None, _) => format!("<span class=soft>{word}</span>"),
    }
}

/// What was found, against the limit and the goals, in a sentence for each placement.
fn found_in_words(page: &mut String, found: &Measurement) {
    for summary in &found.summaries {
        let _ = write!(page, "<p><b>Found.</b> {}", in_unit(summary.value, found.unit));
        if let Some(placement) = summary.placement {
            let _ = write!(page, " with the cores {}", placed(placement));
        }
        if let Some((ratio, a_ns)) = summary.over_a.zip(summary.a_ns) {
            let _ = write!(page, ", {ratio:.2} times A, {}", in_unit(a_ns, Unit::Ns));
        }
        page.push('.');
        let here = |verdict: &&Verdict| verdict.met.is_some() && verdict.placement == summary.placement;
        for verdict in found.verdicts.iter().filter(here) {
            let [goal, _, bound, value, met] = verdict_cells(found, verdict).map(|cell| escape(&cell));
            let _ = write!(page, " Goal {goal} {bound}: {value}, {}.", judged(found, verdict, met));
        }
        page.push_str("</p>");
    }
}

fn section(page: &mut String, found: &Measurement) {
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
    found_in_words(page, found);
    let _ = write!(page, "<p class=soft>Settings: {}</p>", escape(&found.settings));
    let plots = [
        (plot::percentiles(found), "Latency by percentile: how late the rarest messages are."),
        (plot::maxima(found), "Worst message of each interval: when it was late."),
    ];
    if plots.iter().any(|(svg, _)| svg.is_some()) {
        page.push_str("<div class=plots>");
        for (svg, caption) in plots {
            if let Some(svg) = svg {
                let _ = write!(page, "<figure>{svg}<figcaption>{caption}</figcaption></figure>");
            }
        }
        page.push_str("</div>");
    }
    trials(page, found);
    for discard in &found.discarded {
        let _ = write!(page, "<p class=soft>Start {} discarded: {}</p>", discard.number, escape(&discard.reason));
    }
}

fn trials(page: &mut String, found: &Measurement) {
    head(
        page,
        &[
            "start",
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
            "least CPU / wall",
            "messages",
            "lost",
        ],
    );
    for one in &found.trials {
        let ns = |value: Option<u64>| value.map_or_else(dash, |ns| in_unit(ns as f64, Unit::Ns));
        let anchor = |value: Option<f64>| value.map_or_else(dash, |ns| in_unit(ns, Unit::Ns));
        let hot = || one.roles.iter().filter(|role| role.role != trial::Role::Tap);
        let share = hot().filter_map(|role| role.cpu.share()).fold(f64::INFINITY, f64::min);
        let lost: u64 = hot().flat_map(|role| &role.counts).map(|counts| counts.lost).sum();
        let sent = one.roles.first().and_then(|role| role.counts.first()).map(|counts| counts.messages);
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
                ns(one.jitter_max_ns()),
                if share.is_finite() { format!("{:.1} %", share * 100.0) } else { dash() },
                sent.map_or_else(dash, |sent| sent.to_string()),
                lost.to_string(),
            ],
        );
    }
    page.push_str("</table></div>");
}

fn machine(page: &mut String, report: &Report) {
    let print = &report.fingerprint;
    page.push_str("<h2>Machine and build</h2><table>");
    let or = |value: &Option<String>, none: &str| value.clone().unwrap_or_else(|| none.to_owned());
    let mitigations: Vec<String> = print.mitigations.iter().map(|(name, state)| format!("{name}: {state}")).collect();
    let rows = [
        ("processor", print.cpu.clone()),
        (
            "cores allowed",
            format!(
                "{:?}, isolated: {}",
                print.cores,
                if print.isolated.is_empty() { "none" } else { &print.isolated }
            ),
        ),
        ("virtual machine", or(&print.virtual_machine, "no")),
        ("kernel", print.kernel.clone()),
        ("governor", or(&print.governor, "not steered by this kernel")),
        ("clock source", print.clocksource.clone()),
        ("counter", format!("{:.3} ticks per ns", print.ticks_per_ns)),
        ("a stamp", format!("costs {:.1} ns, steps by {:.1} ns", print.stamp_ns[0], print.stamp_ns[1])),
        ("transparent huge pages", or(&print.transparent_huge_pages, "unknown")),
        ("reserved huge pages", print.huge_pages.map_or_else(dash, |pages| pages.to_string())),
        ("build", format!("{} {}, revision {}", print.version, print.profile, or(&print.revision, "unknown"))),
    ];
    for (name, value) in rows {
        let _ = write!(
            page,
            "<tr><td>{name}</td><td style=\"text-align:left;white-space:normal\">{}</td></tr>",
            escape(&value)
        );
    }
    let _ = write!(
        page,
        "</table><details><summary>Mitigations in force</summary><p>{}</p></details>",
        escape(&mitigations.join(" · "))
    );
}

fn head(page: &mut String, names: &[&str]) {
    page.push_str("<div class=wide><table><tr>");
    for name in names {
        let _ = write!(page, "<th>{name}</th>");
    }
    page.push_str("</tr>");
}

fn row(page: &mut String, cells: &[String]) {
    page.push_str("<tr>");
    for cell in cells {
        let _ = write!(page, "<td>{cell}</td>");
    }
    page.push_str("</tr>");
}

fn dash() -> String {
    "–".to_owned()
}

/// Text as HTML.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A moment as `2026-11-21 04:13:26 UTC`, by the proleptic Gregorian calendar.
#[must_use]
pub fn utc(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goal::{Goal, GoalFigure};

    #[test]
    fn moments_agree_with_known_dates() {
        // From `date -u -d @N`.
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_399_000_000_000), "2000-02-28 23:59:59 UTC");
        assert_eq!(utc(951_782_400_000_000_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_795_234_406_000_000_000), "2026-11-21 04:13:26 UTC");
    }

    #[test]
    fn the_page_fetches_nothing_and_escapes_what_it_is_told() {
        let mut report = Report::new("ring <b>", 0, crate::fingerprint::Fingerprint::default());
        report.notes.push("a & b".to_owned());
        let page = render(&report);
        assert!(page.contains("ring &lt;b&gt;") && page.contains("a &amp; b"));
        for mark in ["http", "src=", "<script", "@import", "url("] {
            assert!(!page.contains(mark), "{mark}");
        }
    }

    #[test]
    fn the_page_begins_with_what_was_measured_where_and_what_came_of_the_goals() {
        let mut report = Report::new("ring", 0, crate::fingerprint::Fingerprint::default());
        report.what = "The ring.".to_owned();
        let mut found = Measurement {
            id: "one-way".to_owned(),
            title: "One way".to_owned(),
            what: String::new(),
            limit: String::new(),
            subject: "tickway".to_owned(),
            settings: String::new(),
            unit: Unit::Ns,
            trials: Vec::new(),
            discarded: Vec::new(),
            summaries: Vec::new(),
            verdicts: Vec::new(),
        };
        found.conclude(&[Goal::at_most(GoalFigure::OverA, Placement::Near, 1.06, "p50")]);
        report.measurements.push(found);
        let page = render(&report);
        let (head, rest) = page.split_once("<h2>").unwrap();
        for mark in ["<dt>What</dt><dd>The ring. 1 measurement,", "<dt>Where</dt>", "0 met", "1 not judged by this run"]
        {
            assert!(head.contains(mark), "{mark}: {head}");
        }
        assert!(rest.contains("not judged: no start was NEAR"), "{rest}");
        assert!(
            !page.replace("<div class=wide><table>", "").contains("<table><tr><th>"),
            "each wide table can be moved"
        );
    }
}
