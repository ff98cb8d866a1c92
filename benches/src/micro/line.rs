//! Figures as lines of a table for the terminal.

use super::Figure;

/// The table's heading.
#[must_use]
pub fn heading() -> String {
    format!(
        "{:<44} {:>9} {:>9} {:>9} {:>7} {:>12}  {:<16}",
        "per operation, in ns", "median", "least", "most", "slices", "operations", "work checksum"
    )
}

/// A figure's line.
#[must_use]
pub fn line(figure: &Figure) -> String {
    let spread = &figure.spread;
    format!(
        "{:<44} {:>9.2} {:>9.2} {:>9.2} {:>7} {:>12}  {:016x}",
        figure.name,
        spread.median_ns,
        spread.least_ns,
        spread.most_ns,
        spread.slices,
        figure.operations,
        figure.checksum
    )
}

/// `ours` in relation to `other`, of the same run: how often ours fits into the other.
#[must_use]
pub fn against(ours: &Figure, other: &Figure) -> String {
    let ratio = other.spread.median_ns / ours.spread.median_ns;
    format!("{} against {}: {ratio:.2} x", ours.name, other.name)
}
