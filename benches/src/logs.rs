//! HdrHistogram's own files: interval logs in format V2 (`.hlog`) and percentile tables (`.hgrm`), for the tools of its
//! family. Values are nanoseconds.

use crate::BenchError;
use crate::figures::{SAMPLES_ABOVE, merged};
use crate::recorder::IntervalCounts;
use crate::report::Report;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// First line of a log, by which readers know the format.
const VERSION: &str = "#[Histogram log format version 1.3]\n";
/// Names of the columns, which readers pass over and people read.
const LEGEND: &str = "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// Writes `<measurement>-<start>.hlog` and `.hgrm` for every trial with latencies; returns how many files.
///
/// # Errors
/// When the directory or a file cannot be written.
pub fn write_all(report: &Report, directory: &Path) -> Result<usize, BenchError> {
    make_directory(directory)?;
    let mut files = 0;
    for found in &report.measurements {
        for trial in found.trials.iter().filter(|trial| !trial.intervals.is_empty()) {
            let stem = format!("{}-{}-{}", found.subject, found.id, trial.number);
            let log = interval_log(&trial.intervals, began_ns(&trial.intervals, report.started_ns))?;
            let table = percentile_table(&merged(&trial.intervals));
            for (name, bytes) in [(format!("{stem}.hlog"), log), (format!("{stem}.hgrm"), table.into_bytes())] {
                let path = directory.join(name);
                fs::write(&path, bytes).map_err(|error| BenchError::file("write", &path, &error))?;
                files += 1;
            }
        }
    }
    Ok(files)
}

/// When the first of these intervals began; where that was not kept, when the run did.
fn began_ns(intervals: &[IntervalCounts], run_ns: u64) -> u64 {
    intervals.first().map(|interval| interval.first_ns).filter(|first_ns| *first_ns > 0).unwrap_or(run_ns)
}

/// Makes the directory of the logs, unless it is there.
///
/// # Errors
/// When it cannot be made.
pub fn make_directory(directory: &Path) -> Result<(), BenchError> {
    fs::create_dir_all(directory).map_err(|error| BenchError::file("create", directory, &error))
}

/// An interval log of format V2. `started_ns` is nanoseconds since the Unix epoch.
///
/// # Errors
/// Never on a healthy machine: it is written into memory.
pub fn interval_log(intervals: &[IntervalCounts], started_ns: u64) -> Result<Vec<u8>, BenchError> {
    let failed = |error: String| BenchError::new(format!("an interval log cannot be made: {error}"), "report this");
    let mut bytes = VERSION.as_bytes().to_vec();
    let start = SystemTime::UNIX_EPOCH + Duration::from_nanos(started_ns);
    IntervalLogWriterBuilder::new()
        .add_comment("[values are latencies in nanoseconds]")
        .with_start_time(start)
        .with_base_time(start)
        .begin_log_with(&mut bytes, &mut V2DeflateSerializer::new())
        .map_err(|error| failed(error.to_string()))?;
    bytes.extend_from_slice(LEGEND.as_bytes());
    let mut serializer = V2DeflateSerializer::new();
    // A second writer, without a heading: the library has no place for a legend.
    let mut writer = IntervalLogWriterBuilder::new()
        .with_max_value_divisor(1.0)
        .begin_log_with(&mut bytes, &mut serializer)
        .map_err(|error| failed(error.to_string()))?;
    for interval in intervals {
        let (start, length) = (Duration::from_micros(interval.start_us), Duration::from_micros(interval.length_us));
        writer
            .write_histogram(&interval.histogram(), start, length, None)
            .map_err(|error| failed(format!("{error:?}")))?;
    }
    Ok(bytes)
}

/// The percentile table that HdrHistogram's plotters read, five lines per halving of the distance to 100 %; lines with
/// fewer than ten samples above are left out, but for the maximum.
#[must_use]
pub fn percentile_table(all: &Histogram<u64>) -> String {
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let total = all.len();
    for step in all.iter_quantiles(5) {
        let count = all.count_between(0, step.value_iterated_to());
        let quantile = step.quantile_iterated_to();
        if quantile < 1.0 && total - count < SAMPLES_ABOVE {
            continue;
        }
        let value = step.value_iterated_to() as f64;
        let _ = if quantile < 1.0 {
            writeln!(text, "{value:>12.3} {quantile:>14.12} {count:>10} {:>14.2}", 1.0 / (1.0 - quantile))
        } else {
            writeln!(text, "{value:>12.3} {quantile:>14.12} {count:>10} {:>14}", "inf")
        };
    }
    let _ = writeln!(text, "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]", all.mean(), all.stdev());
    let _ = writeln!(text, "#[Max     = {:>12.3}, Total count    = {total:>12}]", all.max() as f64);
    let _ = writeln!(text, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", 26, 2048);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    fn interval(start_us: u64, counts: &[(u64, u64)]) -> IntervalCounts {
        let max_ns = counts.iter().map(|(value, _)| *value).max().unwrap_or(0);
        IntervalCounts { first_ns: 0, start_us, length_us: 20_000, max_ns, counts: counts.to_vec() }
    }

    #[test]
    fn the_log_is_read_back_by_the_formats_own_reader() {
        let log = interval_log(&[interval(0, &[(50, 3), (900, 1)]), interval(20_000, &[(70, 2)])], 1_500_000_000)
            .expect("into memory");
        let text = String::from_utf8(log.clone()).expect("text");
        // As the format's own tools write it.
        let head = [
            "#[Histogram log format version 1.3]",
            "#[values are latencies in nanoseconds]",
            "#[StartTime: 1.500 (seconds since epoch)]",
            "#[BaseTime: 1.500 (seconds since epoch)]",
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"",
        ];
        assert_eq!(text.lines().take(head.len()).collect::<Vec<_>>(), head);
        // A compressed V2 histogram begins with the cookie 0x1c849304, in Base64.
        let rows = text.lines().skip(head.len()).map(|row| row.split(',').nth(3).expect("four columns"));
        assert!(rows.clone().count() == 2 && rows.into_iter().all(|row| row.starts_with("HISTF")), "{text}");
        let entries: Vec<_> = IntervalLogIterator::new(&log).map(|entry| entry.expect("well formed")).collect();
        let maxima: Vec<(u64, f64)> = entries
            .iter()
            .filter_map(|entry| match entry {
                LogEntry::Interval(found) => Some((found.start_timestamp().as_millis() as u64, found.max())),
                _ => None,
            })
            .collect();
        assert_eq!(maxima, [(0, 900.0), (20, 70.0)]);
    }

    #[test]
    fn a_log_begins_when_its_own_start_did() {
        let of = |first_ns| vec![IntervalCounts { first_ns, ..interval(0, &[(50, 1)]) }];
        assert_eq!((began_ns(&of(7_000), 5_000), began_ns(&of(0), 5_000), began_ns(&[], 5_000)), (7_000, 5_000, 5_000));
    }

    #[test]
    fn the_table_ends_with_the_maximum_and_leaves_out_what_few_samples_carry() {
        let text = percentile_table(&interval(0, &[(100, 900), (200, 95), (5_000, 5)]).histogram());
        let values: Vec<&str> = text.lines().skip(2).filter(|line| !line.starts_with('#')).collect();
        assert!(values.first().expect("a line").trim_start().starts_with("100.000"));
        assert!(values.last().expect("a line").contains("inf") && values.last().expect("a line").contains("500"));
        // Beyond 200 there are five samples: no percentile is given there.
        assert!(values[..values.len() - 1].iter().all(|line| !line.trim_start().starts_with("500")), "{text}");
        assert!(text.contains("Total count    =         1000"));
    }
}
