//! From a byte span of the host file to a line and a key path, and from a key path to a span.
//!
//! toml's `DeTable` keeps the span of every key and value; `toml::Table` loses them, so the file is always read through
//! `DeTable`.

use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Line of the byte at `offset`, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

/// What stands before `=` on the line of `offset`, for text that did not become a key; `(file)` when nothing does.
pub(crate) fn key_on_line(text: &str, offset: usize) -> String {
    let line = text.lines().nth(line_of(text, offset) - 1).unwrap_or_default();
    let key = line.split(['=', '#']).next().unwrap_or_default().trim();
    if key.is_empty() { "(file)".to_owned() } else { key.to_owned() }
}

/// Path of the key whose name or value is the tightest around `span`; `None` when no key is.
pub(crate) fn key_at(root: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let mut best: Option<(usize, String)> = None;
    walk_table(root, "", &mut |path, around| {
        let covers = around.start <= span.start && span.end <= around.end;
        let width = around.end - around.start;
        if covers && best.as_ref().is_none_or(|(least, _)| width <= *least) {
            best = Some((width, path.to_owned()));
        }
    });
    best.map(|(_, path)| path)
}

/// Span of the value at `path` (`venues[0].group_port`), else of its nearest existing parent.
pub(crate) fn span_of(root: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let mut best: Option<(usize, Range<usize>)> = None;
    walk_table(root, "", &mut |at, around| {
        let rest = path.strip_prefix(at);
        let parent = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        if parent && best.as_ref().is_none_or(|(length, _)| at.len() >= *length) {
            best = Some((at.len(), around));
        }
    });
    best.map(|(_, span)| span)
}

/// Span of the value at exactly `path`.
pub(crate) fn exact_span_of(root: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let mut found = None;
    walk_table(root, "", &mut |at, around| {
        if at == path {
            found = Some(around);
        }
    });
    found
}

/// Visits every key (its name's span first, then its value's) and every item of an array, parents before children.
fn walk_table(table: &DeTable<'_>, parent: &str, visit: &mut impl FnMut(&str, Range<usize>)) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
        visit(&path, key.span());
        visit(&path, value.span());
        walk_value(value.get_ref(), &path, visit);
    }
}

fn walk_value(value: &DeValue<'_>, path: &str, visit: &mut impl FnMut(&str, Range<usize>)) {
    match value {
        DeValue::Table(table) => walk_table(table, path, visit),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                visit(&path, item.span());
                walk_value(item.get_ref(), &path, visit);
            }
        }
        _ => {}
    }
}
