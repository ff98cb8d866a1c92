//! How ours stands to each peer: one line per peer and placement of the cores, never over placements.

use crate::anchor::Placement;
use crate::report::{Measurement, Report, Summary};
use serde::Serialize;

/// One lane at one placement, and ours over it.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The lane.
    pub lane: String,
    /// Ours, with its ends in processes or in threads as the lane's are.
    pub ours: &'static str,
    /// Where the cores lay.
    pub placement: Option<Placement>,
    /// One way, median, in multiples of A.
    pub p50_over_a: Option<f64>,
    /// One way, 99th percentile, in multiples of A; two stamps are inside.
    pub p99_over_a: Option<f64>,
    /// Messages per second.
    pub per_second: Option<f64>,
    /// Our median over the lane's, both in A: below 1 ours is quicker.
    pub p50_ratio: Option<f64>,
    /// Our 99th percentile over the lane's, both in A: below 1 ours is quicker.
    pub p99_ratio: Option<f64>,
    /// Our messages per second over the lane's: above 1 ours carries more.
    pub rate_ratio: Option<f64>,
    /// Starts kept: round trips, throughput.
    pub kept: [usize; 2],
}

/// Ids of a lane's two measurements.
pub fn ids(lane: &str) -> [String; 2] {
    [format!("one-way {lane}"), format!("throughput {lane}")]
}

fn ratio(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(one? / other?)
}

impl Standing {
    /// The standing of `lane` at each placement that it met, against `ours`.
    pub fn of(report: &Report, lane: &str, ours: &'static str) -> Vec<Self> {
        let find = |id: &str| report.measurements.iter().find(|found| found.id == id);
        let pair = |lane: &str| ids(lane).map(|id| find(&id));
        let ([one_way, rate], [our_one_way, our_rate]) = (pair(lane), pair(ours));
        let at = |found: Option<&Measurement>, placement| found.and_then(|found| found.at(placement)).cloned();
        let mut placements: Vec<Option<Placement>> = [one_way, rate]
            .into_iter()
            .flatten()
            .flat_map(|found| &found.summaries)
            .map(|found| found.placement)
            .collect();
        placements.sort_unstable();
        placements.dedup();
        let standing = |placement| {
            let (way, rate) = (at(one_way, placement), at(rate, placement));
            let (our_way, our_rate) = (at(our_one_way, placement), at(our_rate, placement));
            let p50 = |way: &Option<Summary>| way.as_ref().and_then(|way| way.over_a);
            let p99 = |way: &Option<Summary>| way.as_ref().and_then(|way| way.p99_over_a);
            let per_second = |rate: &Option<Summary>| rate.as_ref().map(|rate| rate.value);
            Self {
                lane: lane.to_owned(),
                ours,
                placement,
                p50_over_a: p50(&way),
                p99_over_a: p99(&way),
                per_second: per_second(&rate),
                p50_ratio: ratio(p50(&our_way), p50(&way)),
                p99_ratio: ratio(p99(&our_way), p99(&way)),
                rate_ratio: ratio(per_second(&our_rate), per_second(&rate)),
                kept: [&way, &rate].map(|found| found.as_ref().map_or(0, |found| found.trials)),
            }
        };
        placements.into_iter().map(standing).collect()
    }
}

/// The table.
pub fn table(standings: &[Standing]) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let mut text = format!(
        "{:<22}{:<6}{:>9}{:>9}{:>9}{:>9}   {:<17}{:>8}{:>8}{:>8}",
        "lane", "cores", "starts", "p50 / A", "p99 / A", "M/s", "ours beside it", "p50", "p99", "M/s"
    );
    for one in standings {
        text += &format!(
            "\n{:<22}{:<6}{:>9}{:>9}{:>9}{:>9}   {:<17}{:>8}{:>8}{:>8}",
            one.lane,
            one.placement.map_or_else(|| "-".to_owned(), |placement| placement.to_string()),
            format!("{} + {}", one.kept[0], one.kept[1]),
            number(one.p50_over_a),
            number(one.p99_over_a),
            one.per_second.map_or_else(|| "-".to_owned(), |rate| format!("{:.1}", rate / 1e6)),
            one.ours,
            number(one.p50_ratio),
            number(one.p99_ratio),
            number(one.rate_ratio),
        );
    }
    text
}
