//! A line a second on standard error: a bar on a terminal, plain lines elsewhere.

use crate::output::{count, duration, or_dash};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// The bar or the lines.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    seconds: u64,
}

/// What a line tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot {
    /// Market messages published.
    pub messages: u64,
    /// Orders that the venue read.
    pub orders: u64,
    /// Executions.
    pub fills: u64,
    /// Median tick to order so far.
    pub tick_to_order_p50: Option<u64>,
    /// Restarts of all processes.
    pub restarts: u64,
}

impl Progress {
    /// Begins.
    #[must_use]
    pub fn new(seconds: u64) -> Self {
        let style = ProgressStyle::with_template("demo: {bar:24} {pos:>3}/{len} s  {msg}");
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(seconds));
        if let (Some(bar), Ok(style)) = (&bar, style) {
            bar.set_style(style);
        }
        Self { bar, seconds }
    }

    /// Tells how it stands after `second` seconds.
    pub fn tell(&self, second: u64, now: &Snapshot) {
        let p50 = or_dash(now.tick_to_order_p50.map(duration));
        let [messages, orders] = [count(now.messages, "message"), count(now.orders, "order")];
        let [fills, restarts] = [count(now.fills, "fill"), count(now.restarts, "restart")];
        let text = format!("{messages}, {orders}, {fills}, tick to order p50 {p50}, {restarts}");
        match &self.bar {
            Some(bar) => {
                bar.set_position(second);
                bar.set_message(text);
            }
            None => eprintln!("demo: {second}/{} s: {text}", self.seconds),
        }
    }

    /// A line beside the bar.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("demo: {text}")),
            None => eprintln!("demo: {text}"),
        }
    }

    /// Ends the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
