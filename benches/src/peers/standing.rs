//! How ours stands to each peer: one line per peer and placement of the cores, never over placements.

use crate::anchor::Placement;
use crate::lane::{Lane, Tickway};
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
    /// Our median over the lane's: below 1 ours is quicker.
    pub p50_ratio: Option<f64>,
    /// Our 99th percentile over the lane's: below 1 ours is quicker.
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
                p50_ratio: our_way.as_ref().zip(way.as_ref()).map(|(ours, its)| ours.value_over(its)),
                p99_ratio: our_way.as_ref().zip(way.as_ref()).and_then(|(ours, its)| ours.p99_over(its)),
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
        "{:<29}{:<6}{:>9}{:>9}{:>9}{:>9}   {:<17}{:>8}{:>8}{:>8}",
        "lane", "cores", "starts", "p50 / A", "p99 / A", "M/s", "ours beside it", "p50", "p99", "M/s"
    );
    for one in standings {
        text += &format!(
            "\n{:<29}{:<6}{:>9}{:>9}{:>9}{:>9}   {:<17}{:>8}{:>8}{:>8}",
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

/// The ratio that each promise of the ring is about, by its name. A peer is called by the first word of its lane: of one that
/// was measured in several settings (`rtrb`, `rtrb aligned`), the setting counts that is best for the peer, in its one way
/// and in its rate each for itself. A machine that moves between placements may leave one of two
/// lanes a single start in one of them, or none: a ratio is taken where the two have the most starts, NEAR if there are as many.
pub fn promises(standings: &[Standing]) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    let peers = standings.iter().filter(|one| !one.lane.starts_with(Tickway::NAME));
    let mut lanes: Vec<&str> = peers.map(|one| one.lane.as_str()).collect();
    lanes.dedup();
    for settings in lanes.chunk_by(|one, other| name_of(one) == name_of(other)) {
        let most = |lane: &str, work: usize, ratio: fn(&Standing) -> Option<f64>| {
            let starts = |one: &Standing| {
                let ours = standings.iter().find(|our| our.lane == one.ours && our.placement == one.placement);
                ours.map_or(0, |our| our.kept[work]).min(one.kept[work])
            };
            let both = standings.iter().filter(|one| one.lane == lane && ratio(one).is_some());
            // The first of those with the most: placements are in order, NEAR before FAR.
            both.rev().max_by_key(|one| starts(one)).and_then(ratio)
        };
        let name = name_of(settings[0]);
        let one_way = settings.iter().filter_map(|lane| most(lane, 0, |one| one.p50_ratio)).reduce(f64::max);
        let one_way = one_way.map(|ratio| (format!("ring_one_way_over_{name}"), ratio));
        let rate = settings.iter().filter_map(|lane| most(lane, 1, |one| one.rate_ratio)).reduce(f64::min);
        let rate = rate.map(|ratio| (format!("ring_throughput_gain_over_{name}"), ratio));
        found.extend(one_way.into_iter().chain(rate));
    }
    found
}

/// The peer's name.
fn name_of(lane: &str) -> &str {
    lane.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anchor::Placement::{Far, Near};

    fn standing(lane: &str, placement: Placement, kept: [usize; 2], ratios: [Option<f64>; 2]) -> Standing {
        Standing {
            lane: lane.to_owned(),
            ours: Tickway::NAME,
            placement: Some(placement),
            p50_over_a: None,
            p99_over_a: None,
            per_second: None,
            p50_ratio: ratios[0],
            p99_ratio: None,
            rate_ratio: ratios[1],
            kept,
        }
    }

    #[test]
    fn a_machine_between_placements_still_answers_every_promise() {
        // Ours met NEAR twice and a peer never, or once: as found on a machine whose A is about the border.
        let standings = [
            standing(Tickway::NAME, Near, [2, 1], [Some(1.0), Some(1.0)]),
            standing(Tickway::NAME, Far, [3, 4], [Some(1.0), Some(1.0)]),
            standing("ringfire", Far, [5, 5], [Some(0.97), Some(1.36)]),
            standing("rtrb", Near, [1, 1], [Some(0.5), Some(1.08)]),
            standing("rtrb", Far, [4, 4], [Some(0.73), Some(1.06)]),
            standing("disruptor", Far, [5, 5], [Some(0.7), Some(1.1)]),
            standing("disruptor aligned", Far, [5, 5], [Some(0.9), Some(1.2)]),
            standing("crossbeam ArrayQueue", Near, [5, 0], [Some(0.4), None]),
        ];
        let found = promises(&standings);
        let ratio = |name: &str| found.iter().find(|(promise, _)| promise == name).map(|(_, ratio)| *ratio);
        assert_eq!(ratio("ring_one_way_over_ringfire"), Some(0.97));
        assert_eq!(ratio("ring_throughput_gain_over_ringfire"), Some(1.36));
        assert_eq!(ratio("ring_one_way_over_rtrb"), Some(0.73), "three starts of both, not one");
        assert_eq!(ratio("ring_throughput_gain_over_rtrb"), Some(1.06));
        assert_eq!(ratio("ring_one_way_over_disruptor"), Some(0.9), "it is quicker aligned");
        assert_eq!(ratio("ring_throughput_gain_over_disruptor"), Some(1.1), "and carries more packed");
        assert_eq!(ratio("ring_one_way_over_crossbeam"), Some(0.4));
        assert_eq!(ratio("ring_throughput_gain_over_crossbeam"), None, "nothing was measured");
        assert_eq!(found.len(), 7);
        // As many of each: NEAR.
        let even = [(Tickway::NAME, [1.0; 2]), ("rtrb", [0.6, 0.7])];
        let even: Vec<Standing> = even
            .iter()
            .flat_map(|(lane, [near, far])| {
                [standing(lane, Near, [2; 2], [Some(*near), None]), standing(lane, Far, [2; 2], [Some(*far), None])]
            })
            .collect();
        assert_eq!(promises(&even), [("ring_one_way_over_rtrb".to_owned(), 0.6)]);
    }
}
