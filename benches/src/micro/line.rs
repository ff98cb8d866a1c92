//! Figures as lines of a table for the terminal.

use super::Figure;

/// The table's heading.
#[must_use]
pub fn heading() -> String {
    format!(
        "{:<36} {:>10} {:>10} {:>10} {:>7} {:>12}  {:<16}",
        "ns per operation", "median", "least", "most", "slices", "operations", "work checksum"
    )
}

/// A figure's line.
#[must_use]
pub fn line(figure: &Figure) -> String {
    let spread = &figure.spread;
    format!(
        "{:<36} {:>10.2} {:>10.2} {:>10.2} {:>7} {:>12}  {:016x}",
        figure.name,
        spread.median_ns,
        spread.least_ns,
        spread.most_ns,
        spread.slices,
        figure.operations,
        figure.checksum
    )
}
