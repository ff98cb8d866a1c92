//! What the parts of a report are called: not everything that is measured starts processes or sends messages.

use serde::{Deserialize, Serialize};

/// The words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Words {
    /// One repetition: a start of processes, or a round within one.
    pub start: String,
    /// One sample of a distribution.
    pub sample: String,
    /// What a sample is long in.
    pub length: String,
}

impl Default for Words {
    fn default() -> Self {
        Self::new("start", "message", "latency")
    }
}

impl Words {
    /// These.
    #[must_use]
    pub fn new(start: &str, sample: &str, length: &str) -> Self {
        Self { start: start.to_owned(), sample: sample.to_owned(), length: length.to_owned() }
    }

    /// The caption of the plot of percentiles.
    #[must_use]
    pub fn percentiles(&self) -> String {
        format!(
            "The {} of each {} by percentile: how the rarest are. Bold: all {}s together.",
            self.length, self.sample, self.start
        )
    }

    /// The caption of the plot over time.
    #[must_use]
    pub fn maxima(&self) -> String {
        format!("The largest {} of each interval: when it came.", self.length)
    }
}
