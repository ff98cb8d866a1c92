//! The kill page: the bytes drawn, latching, generations that name the state, and refusals.
#![forbid(unsafe_code)]

use proptest::prelude::*;
use shm_layout::kill_page::{Engager, KILL_PAGE_WORDS, KillPage, KillPageError, KillReader};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::types::Nanos;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64};

fn page() -> (SharedWords, KillPage) {
    let words = SharedWords::heap(KILL_PAGE_WORDS);
    let page = KillPage::create(&words);
    (words, page)
}

#[test]
fn the_file_is_the_bytes_drawn() {
    let (words, page) = page();
    let word = |offset: usize| words.load(offset / 8, Ordering::Relaxed);
    assert_eq!(word(0).to_le_bytes(), *b"TICKKILL");
    assert_eq!(word(8).to_le_bytes(), [1, 0, 0, 0, 8, 0, 0, 0]);
    assert_eq!(page.engage(Engager::Risk, Nanos(77), "firm loss limit"), 1);
    assert_eq!((word(16), word(128), word(128 + 2 * 8)), (1, 0, 1));
    let detail = 256 + 2 * 256;
    assert_eq!((word(detail), word(detail + 8), word(detail + 16)), (1, 77, 0));
    assert_eq!(word(detail + 24).to_le_bytes(), *b"firm los");
    assert!((2304..4096).step_by(8).all(|offset| word(offset) == 0));
}

#[test]
fn any_latched_word_kills_until_each_is_released() {
    let (words, page) = page();
    let reader = KillReader::open(&words.read_only()).unwrap();
    assert!(!reader.engaged());
    page.engage(Engager::Operator, Nanos(1), "drill");
    page.engage(Engager::Supervisor, Nanos(2), "risk died");
    assert!(reader.engaged());
    assert_eq!(page.release(Engager::Operator, Nanos(3)), Some(1));
    assert!(reader.engaged());
    assert_eq!(page.release(Engager::Supervisor, Nanos(4)), Some(2));
    assert!(!reader.engaged());
    assert_eq!(page.release(Engager::Supervisor, Nanos(5)), None, "not engaged");
    let engagement = reader.engagement(Engager::Operator).unwrap();
    assert_eq!((engagement.engaged_ns, engagement.released_ns, engagement.generation), (Nanos(1), Nanos(3), 0));
    assert_eq!(engagement.reason, "drill");
    assert_eq!(reader.engagement(Engager::Risk), None);
}

#[test]
fn the_kill_outlives_whoever_engaged_it() {
    let (words, page) = page();
    let generation = page.engage(Engager::Operator, Nanos(1), "drill");
    drop(page);
    let again = KillPage::open(&words).unwrap();
    assert_eq!(again.reader().generation(), generation);
    again.release(Engager::Operator, Nanos(2));
    assert!(again.engage(Engager::Operator, Nanos(3), "again") > generation);
}

#[test]
fn a_reason_is_cut_and_sanitised() {
    let (_, page) = page();
    page.engage(Engager::Operator, Nanos(1), &format!("\x1b[2J{}", "x".repeat(200)));
    let reason = page.reader().engagement(Engager::Operator).unwrap().reason;
    assert_eq!(reason, format!("?[2J{}", "x".repeat(116)));
}

#[test]
fn what_is_no_kill_page_is_refused() {
    assert_eq!(KillReader::open(&SharedWords::heap(8)).map(|_| ()), Err(KillPageError::Length(64)));
    let blank = SharedWords::heap(KILL_PAGE_WORDS);
    assert_eq!(KillReader::open(&blank).map(|_| ()), Err(KillPageError::Magic));
    let (words, _) = page();
    words.store(1, 2 | 8 << 32, Ordering::Relaxed);
    let error = KillPage::open(&words).map(|_| ()).unwrap_err();
    assert_eq!(error, KillPageError::Version(2 | 8 << 32));
    assert!(error.to_string().contains("keep the file as evidence"));
}

#[test]
fn a_lost_count_never_repeats_a_latched_generation() {
    let (words, page) = page();
    page.engage(Engager::Operator, Nanos(1), "a");
    page.engage(Engager::Operator, Nanos(2), "b");
    words.store(2, 0, Ordering::Relaxed);
    assert_eq!(page.engage(Engager::Risk, Nanos(3), "c"), 3);
    assert_eq!(page.engage(Engager::Risk, Nanos(4), "d"), 4);
}

/// One thread engages twice in a row, another releases whatever it finds. Once the page is clear, the *second* engagement
/// must have been released by its number: a release of the first must not have cleared it.
#[test]
fn a_release_never_clears_a_newer_engagement() {
    const ROUNDS: u64 = 10_000;
    let (_, page) = page();
    let (done, attempts, last_released) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                if let Some(generation) = page.release(Engager::Operator, Nanos(1)) {
                    last_released.store(generation, Ordering::Release);
                }
                attempts.fetch_add(1, Ordering::Release);
                std::thread::yield_now();
            }
        });
        let lost = (1..=ROUNDS).find(|_| {
            page.engage(Engager::Operator, Nanos(1), "first");
            let second = page.engage(Engager::Operator, Nanos(1), "second");
            while page.reader().engaged() {
                std::thread::yield_now();
            }
            // The release that cleared the page has returned once another attempt is over.
            let before = attempts.load(Ordering::Acquire);
            while attempts.load(Ordering::Acquire) < before + 2 {
                std::thread::yield_now();
            }
            last_released.load(Ordering::Acquire) != second
        });
        done.store(true, Ordering::Release);
        assert_eq!(lost, None, "an engagement was cleared by the release of an older one");
    });
}

proptest! {
    /// An acknowledgement is an echo that equals the newest latched generation: no state after an engagement may carry a
    /// number that an earlier state had, or an old echo would acknowledge a new kill.
    #[test]
    fn an_engagement_never_shows_a_generation_seen_before(steps in prop::collection::vec((any::<bool>(), 0..4_usize), 0..60)) {
        let (_, page) = page();
        let mut seen = HashSet::from([0]);
        let mut latched = [false; 4];
        for (engage, who) in steps {
            let engager = Engager::ALL[who];
            if engage {
                page.engage(engager, Nanos(1), "step");
                prop_assert!(seen.insert(page.reader().generation()));
            } else {
                prop_assert_eq!(page.release(engager, Nanos(2)).is_some(), latched[who]);
            }
            latched[who] = engage;
            prop_assert_eq!(page.reader().engaged(), latched.contains(&true));
        }
    }
}
