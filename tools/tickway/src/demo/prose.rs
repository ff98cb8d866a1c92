//! The report for people.

use super::latency::Figures;
use super::report::Report;
use crate::output::{count, duration};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// The whole report.
#[must_use]
pub fn text(report: &Report) -> String {
    let parts = [
        headline(report),
        equations(report),
        counts(report),
        positions(report),
        latencies(report),
        processes(report),
        places(report),
        verdict(report),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn printed(table: &Table) -> String {
    let text = table.to_string();
    text.lines().map(|line| format!(" {}", line.trim_end())).collect::<Vec<_>>().join("\n")
}

fn headline(report: &Report) -> String {
    let (source, messages) = (&report.market.source, report.market.messages);
    let line = format!("Tickway demo: {} in {} s ({source})", count(messages, "market message"), report.seconds);
    match &report.market.itch_file {
        Some(file) if file.played < file.total => format!(
            "{line}\nthe file was too long: played {} of {} messages, {} of {} s of its time; raise --seconds or --pace",
            file.played,
            file.total,
            file.played_ns / 1_000_000_000,
            file.total_ns / 1_000_000_000
        ),
        _ => line,
    }
}

fn equations(report: &Report) -> String {
    let mut table = table();
    for equation in &report.equations {
        let mark = if equation.holds { "holds" } else { "DIFFERS" };
        table.add_row([equation.name.replace('_', " "), mark.to_owned(), equation.text.clone()]);
    }
    printed(&table)
}

fn counts(report: &Report) -> String {
    let (feed, orders, fills) = (&report.feed, &report.orders, &report.fills);
    let named = |counts: &std::collections::BTreeMap<String, u64>| {
        let all: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    };
    let mut table = table();
    table.add_row([
        "feed".to_owned(),
        format!(
            "{} received, {}, {} recovered, {} dropped; malformed: {} ({} injected); integrity faults: {}",
            feed.received,
            count(feed.gaps, "gap"),
            feed.recovered,
            count(feed.duplicates, "duplicate"),
            named(&feed.malformed),
            report.market.injected.malformed,
            named(&feed.integrity_faults)
        ),
    ]);
    table.add_row([
        "orders".to_owned(),
        format!(
            "{} sent, {} accepted, {} cancelled, {} replaced, {} refused by risk, {} refused later",
            orders.sent, orders.accepted, orders.cancelled, orders.replaced, orders.rejected_by_risk, orders.rejected
        ),
    ]);
    table.add_row([
        "fills".to_owned(),
        format!("{}, {}", count(fills.count, "execution"), count(fills.quantity, "share")),
    ]);
    let mut kill = match (report.kill.engaged, report.kill.confirmed_ns) {
        (false, _) => "not engaged".to_owned(),
        (true, Some(ns)) => format!("engaged, the gateway answered after {}", duration(ns)),
        (true, None) => "engaged, without the gateway's answer".to_owned(),
    };
    if report.kill.released {
        kill.push_str(", released before the end");
    }
    table.add_row(["kill".to_owned(), kill]);
    printed(&table)
}

fn positions(report: &Report) -> String {
    if report.positions.is_empty() {
        return String::new();
    }
    let mut table = table();
    table.set_header(["position", "venue", "journal", "strategies"]);
    for row in &report.positions {
        let whole =
            |shares: Option<i64>| shares.map_or_else(|| "no whole number".to_owned(), |shares| shares.to_string());
        let numbers = [row.quantity, row.journal, row.strategy].map(whole);
        let mut cells = vec![Cell::new(&row.symbol)];
        cells.extend(numbers.map(|number| Cell::new(number).set_alignment(CellAlignment::Right)));
        table.add_row(cells);
    }
    printed(&table)
}

fn latencies(report: &Report) -> String {
    let mut table = table();
    table.set_header(["latency", "samples", "p50", "p99", "p99.9", "max"]);
    let rows = [
        ("tick to order", &report.tick_to_order_ns),
        ("  socket to feed handler's read", &report.parts_ns.receive),
        ("  from there to the order's bytes", &report.parts_ns.path),
        ("  the write to the socket", &report.parts_ns.send),
        ("hop market_data", &report.hops_ns.market_data),
        ("hop order_intent", &report.hops_ns.order_intent),
        ("hop order_entry", &report.hops_ns.order_entry),
    ];
    for (name, figures) in rows {
        table.add_row(figures_row(name, figures));
    }
    let mut text = printed(&table);
    let ns = |value: Option<u64>| value.map_or_else(|| "not measured".to_owned(), duration);
    let (before, after) = (ns(report.anchor_ns.before), ns(report.anchor_ns.after));
    text.push_str(&format!("\n anchor: a cache line from core to core takes {before} before, {after} after"));
    let anchor = report.anchor_ns.before.filter(|ns| *ns > 0);
    if let Some((p50, anchor)) = report.tick_to_order_ns.p50.zip(anchor) {
        text.push_str(&format!("; tick to order p50 is {} of those", p50 / anchor));
    }
    let steal = report.cpu_steal_pct.map_or_else(String::new, |pct| format!(", {pct:.2} % of the CPU stolen"));
    text.push_str(&format!(
        "\n placement: {}, waiting: {}{steal}; not in these figures: {} that a timer caused",
        report.placement,
        report.wait_strategy,
        count(report.timer_caused_orders, "order")
    ));
    if let Some((max_ns, lost_pct)) = report.jitter_floor.max_ns.zip(report.jitter_floor.lost_pct) {
        text.push_str(&format!(
            "\n jitter floor: before the start the machine took {lost_pct:.2} % of a hot CPU from a thread that only read \
             the clock, {} at the longest",
            duration(max_ns)
        ));
    }
    text
}

fn figures_row(name: &str, figures: &Figures) -> Vec<Cell> {
    let of = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), duration);
    let cells = [figures.count.to_string(), of(figures.p50), of(figures.p99), of(figures.p999), of(figures.max)];
    let mut row = vec![Cell::new(name)];
    row.extend(cells.map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right)));
    row
}

fn processes(report: &Report) -> String {
    let mut table = table();
    table.set_header(["process", "pid", "core", "restarts", "allocations"]);
    for process in &report.processes {
        let name = format!("{}/{}", process.role, process.index);
        let core = process.core.map_or_else(|| "-".to_owned(), |core| core.to_string());
        let allocations = report.allocations_after_start.get(&name).copied().unwrap_or(0).to_string();
        table.add_row([name, process.pid.to_string(), core, process.restarts.to_string(), allocations]);
    }
    printed(&table)
}

fn places(report: &Report) -> String {
    let mut text = format!(
        " regions: {} MiB on {}\n data: {}",
        report.regions.bytes >> 20,
        report.regions.backing,
        report.paths.data.display()
    );
    for file in &report.paths.files {
        text.push_str(&format!("\n       {}", file.display()));
    }
    text
}

fn verdict(report: &Report) -> String {
    if report.differences.is_empty() {
        return "verdict: ok, every count agrees to the unit".to_owned();
    }
    let mut text = format!("verdict: {}", count(report.differences.len() as u64, "difference"));
    for difference in &report.differences {
        text.push_str(&format!("\n - {difference}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_ends_with_its_verdict() {
        let mut report = Report { wait_strategy: "yield".to_owned(), ..Report::default() };
        report.tick_to_order_ns.p50 = Some(30_000);
        report.anchor_ns.before = Some(100);
        report.jitter_floor =
            super::super::report::JitterFloor { max_ns: Some(4_000_000), lost_pct: Some(33.3), by_core: Vec::new() };
        let good = text(&report.clone().sealed());
        assert!(good.ends_with("verdict: ok, every count agrees to the unit"), "{good}");
        assert!(good.contains("tick to order p50 is 300 of those"), "{good}");
        assert!(good.contains("the machine took 33.30 % of a hot CPU"), "{good}");
        report.differences.push("ring control: 2 published, 1 captured + 0 in gap records".to_owned());
        let bad = text(&report.sealed());
        assert!(bad.contains("verdict: 1 difference\n - ring control"), "{bad}");
    }
}
