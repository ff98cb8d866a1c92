//! Fault 8 on the real feed handler: it dies in the middle of an image's entry, again and again, under a reader's eyes.

use crate::failpoints::host_file;
use crate::report;
use runtime::mmap::{Access, map_region};
use shm_layout::image::{ImageEntry, ImageMiss, ImageReader};
use shm_layout::region::RegionHeader;
use shm_layout::types::{InstrumentId, Side};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;
use system::Bench;

/// Lives that end so. Which group of the image each tears, an entry or the channel's state, is the market's doing.
const DEATHS: u64 = 10;
/// Longer than a living writer is ever in the middle of an entry, unless it gets no CPU; shorter than a restart.
const DEAD_FOR: Duration = Duration::from_millis(2);

/// What a reader saw of the image while the demo ran.
#[derive(Default, Debug)]
struct Seen {
    /// Entries read whole.
    whole: u64,
    /// Times that an entry was busy and stayed so.
    torn: u64,
    /// Times that one of these was whole again.
    healed: u64,
}

/// A book's two sides, as no half-written entry would have them: in order, and nothing behind the levels in use.
fn assert_whole(entry: &ImageEntry) {
    for (side, all) in [(Side::Buy, &entry.bids), (Side::Sell, &entry.asks)] {
        let used = entry.levels(side);
        let better = |pair: &[shm_layout::image::Level]| {
            if side == Side::Buy { pair[0].price > pair[1].price } else { pair[0].price < pair[1].price }
        };
        assert!(used.windows(2).all(better), "levels out of order: {entry:?}");
        assert!(used.iter().all(|level| level.price.0 > 0 && level.qty.0 > 0), "a level of nothing: {entry:?}");
        assert!(all[used.len()..].iter().all(|level| level.price.0 == 0 && level.qty.0 == 0), "{entry:?}");
    }
}

/// Looks at every entry until `over`, through a mapping that outlives the region's name.
fn watch(path: &Path, over: &AtomicBool) -> Seen {
    let words = map_region(path, Access::ReadOnly, None).expect("the image is there").words;
    let reader = ImageReader::new(&RegionHeader::read(&words).expect("a whole header").body());
    let instruments = || (0..reader.instruments() as u32).map(InstrumentId);
    let mut seen = Seen::default();
    let mut is_torn = vec![false; reader.instruments()];
    while !over.load(Ordering::Relaxed) {
        for instrument in instruments() {
            let was_torn = &mut is_torn[instrument.index()];
            match reader.read(instrument) {
                Ok(entry) => {
                    assert_whole(&entry);
                    seen.whole += 1;
                    seen.healed += u64::from(std::mem::take(was_torn));
                }
                Err(ImageMiss::Busy) if !*was_torn => {
                    sleep(DEAD_FOR);
                    *was_torn = reader.read(instrument) == Err(ImageMiss::Busy);
                    seen.torn += u64::from(*was_torn);
                }
                Err(ImageMiss::Busy | ImageMiss::Unwritten) => {}
                Err(miss) => panic!("{instrument:?} is {miss:?}"),
            }
        }
        sleep(Duration::from_micros(100));
    }
    assert!(instruments().all(|instrument| reader.read(instrument).is_ok()), "the last life leaves all entries whole");
    assert!(reader.channel().is_some(), "and the channel's state");
    seen
}

#[test]
fn an_entry_torn_by_a_death_is_busy_and_never_read_until_the_next_life_writes_it() {
    let bench = Bench::new("torn-image");
    let point = "\"feed-handler/0:stamped.write.after_mark\"";
    let text = host_file(&format!("{point} = {{ action = \"kill\", after = 1500, lives = {DEATHS} }}\n"));
    let often = text.replacen("restarts_max = 5", "restarts_max = 30\nrestart_backoff_ms = 1", 1);
    assert_ne!(often, text);
    let host = bench.write("torn.toml", often);
    let demo = bench.demo(12, &["--host", host.to_str().unwrap(), "--seed", "13"]);
    let path = Bench::user_folder().join(bench.name()).join("image.0");
    let is_made = |words: &_| RegionHeader::read(words).is_ok();
    bench.wait_until("image", || map_region(&path, Access::ReadOnly, None).is_ok_and(|map| is_made(&map.words)));
    let over = AtomicBool::new(false);
    let (seen, run) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&path, &over));
        let run = demo.wait();
        over.store(true, Ordering::Relaxed);
        (watching.join().expect("the reader does not panic"), run)
    });
    let report = report::good(&run);
    assert_eq!(report::restarts(&report, "feed-handler"), DEATHS);
    assert!(seen.torn > 0, "a death in the middle of an entry was seen: {seen:?}");
    assert_eq!(seen.healed, seen.torn, "each was made whole: {seen:?}");
    assert!(seen.whole > 1000, "the reader looked: {seen:?}");
    bench.expect_nothing_left();
}
