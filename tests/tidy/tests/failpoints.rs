//! Every failpoint of the product is listed, drawn in the architecture's table, and armed by a test: a place where nobody
//! ever died proves nothing.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use tidy::{Source, expect_none, sources};

/// Where product code may declare one.
const PRODUCT: &[&str] = &["shm-layout/src/", "processes/"];
/// The document whose table names them all.
const TABLE: &str = "processes/README.md";

/// One declared failpoint.
struct Point {
    name: String,
    /// Name of its static.
    symbol: String,
    path: String,
    line: usize,
}

/// What stands between the first `"` and the next.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

fn product(rust: &[Source]) -> impl Iterator<Item = &Source> {
    rust.iter().filter(|source| source.is_in(PRODUCT) && source.path.contains("/src/"))
}

/// `static SYMBOL: Failpoint = Failpoint::new("name");`, documentation and unit tests apart.
fn points(rust: &[Source]) -> Vec<Point> {
    let mut found = Vec::new();
    let is_test = |text: &str| text.starts_with("#[cfg(") && text.contains("test");
    for source in product(rust) {
        for (line, text) in source.product_lines().take_while(|(_, text)| !is_test(text.trim())) {
            let declared = text.trim_start().split_once(": Failpoint = Failpoint::new(");
            let Some((symbol, value)) = declared.filter(|(head, _)| !head.starts_with("//")) else { continue };
            let symbol = symbol.rsplit(' ').next().unwrap_or_default().to_owned();
            let name = quoted(value).unwrap_or_default().to_owned();
            found.push(Point { name, symbol, path: source.path.clone(), line });
        }
    }
    found
}

/// The folder of a file's crate.
fn crate_of(path: &str) -> &str {
    path.split_once("/src/").map_or(path, |(folder, _)| folder)
}

/// The statics in each crate's lists `FAILPOINTS`.
fn listed(rust: &[Source]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut lists: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in product(rust) {
        for declaration in source.text.split("pub static FAILPOINTS:").skip(1) {
            let items =
                declaration.split(';').nth(1).and_then(|rest| rest.split_once('=')).map_or("", |(_, items)| items);
            let symbols =
                items.split(['[', ',', ']']).filter_map(|item| item.trim().strip_prefix('&')?.rsplit(':').next());
            lists.entry(crate_of(&source.path)).or_default().extend(symbols);
        }
    }
    lists
}

/// True when a test names the point, for any process or for one, in a file that lets processes die.
fn is_armed(rust: &[Source], name: &str) -> bool {
    let forms = [format!("\"{name}\""), format!(":{name}\"")];
    let kills = |text: &str| text.contains("action = \\\"kill\\\"") || text.contains("\"--point\"");
    let tests = rust.iter().filter(|source| source.path.contains("/tests/") && kills(&source.text));
    tests.into_iter().any(|source| forms.iter().any(|form| source.text.contains(form.as_str())))
}

#[test]
fn every_failpoint_is_listed_and_armed_by_a_test() {
    let rust = sources("rs");
    let (points, lists) = (points(&rust), listed(&rust));
    assert!(points.len() > 10, "the declarations are still found: {}", points.len());
    let mut findings = Vec::new();
    for Point { name, symbol, path, line } in &points {
        if !lists.get(crate_of(path)).is_some_and(|symbols| symbols.contains(symbol.as_str())) {
            findings.push(format!("{path}:{line}: {symbol} is in no FAILPOINTS; no host file can arm it"));
        }
        if !is_armed(&rust, name) {
            findings
                .push(format!("{path}:{line}: no test dies at {name}; write one in tests/system or tests/neighbour"));
        }
        if points.iter().filter(|other| other.name == *name).count() > 1 {
            findings.push(format!("{path}:{line}: {name} is taken; a name is one place"));
        }
    }
    expect_none(&findings);
}

#[test]
fn the_table_of_failpoints_is_whole() {
    let declared: BTreeSet<String> = points(&sources("rs")).into_iter().map(|point| point.name).collect();
    let documents = sources("md");
    let table = documents.iter().find(|source| source.path == TABLE).expect("the architecture's document is there");
    let section = table.text.split("\n## Failpoints\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let section = section.expect("it has a section on failpoints");
    let named = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let named: BTreeSet<String> = named.map(str::to_owned).collect();
    let missing = declared.difference(&named).map(|name| format!("{TABLE}: {name} is missing; say where it lies"));
    let gone = named.difference(&declared).map(|name| format!("{TABLE}: {name} is no failpoint; take it out"));
    expect_none(&missing.chain(gone).collect::<Vec<_>>());
}
