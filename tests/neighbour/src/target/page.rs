//! Pages of other processes, of any words: read without a panic, and without a code that is none of its table's.

use crate::bytes::Bytes;
use shm_layout::control_page::{CONTROL_PAGE_WORDS, ControlPageReader, ROSTER};
use shm_layout::image::{IMAGE_LEVELS, ImageMiss, ImageReader, ImageWriter, image_words};
use shm_layout::kill_page::{Engager, KILL_PAGE_WORDS, KillPage, KillReader};
use shm_layout::region::{RegionHeader, RegionSpec};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::status::{STATUS_WORDS, StatusReader, StatusWriter};
use shm_layout::types::{InstrumentId, Nanos, Role, Side};

/// Instruments of the image.
const INSTRUMENTS: usize = 2;

/// Stores what is left of the input: pairs of a place and a word.
fn scribble(words: &SharedWords, input: &mut Bytes<'_>) {
    while !input.is_empty() {
        let place = usize::from(input.u16()) % words.len();
        words.store(place, input.edge(), Ordering::Relaxed);
    }
}

/// A market image.
pub fn image(input: &[u8]) {
    let words = SharedWords::heap(image_words(INSTRUMENTS));
    for (index, chunk) in input.chunks_exact(8).take(words.len()).enumerate() {
        words.store(index, u64::from_le_bytes(chunk.try_into().expect("eight bytes")), Ordering::Relaxed);
    }
    read_image(&words);
    scribble(&words, &mut Bytes::new(input));
    read_image(&words);
    // The feed handler writes over whatever is there.
    let mut writer = ImageWriter::new(&words);
    let entry = shm_layout::image::ImageEntry::default();
    writer.write(&entry);
    assert_eq!(
        ImageReader::new(&words).read(InstrumentId(0)).map_err(|miss| miss == ImageMiss::Unwritten).ok(),
        expected(&words, entry)
    );
}

/// What was just written, but for a count of writes that wrapped to "never".
fn expected(words: &SharedWords, entry: shm_layout::image::ImageEntry) -> Option<shm_layout::image::ImageEntry> {
    ImageReader::new(words).stamp(InstrumentId(0)).filter(|stamp| *stamp != 0).map(|_| entry)
}

/// Reads everything of an image in every way; returns what was refused.
pub fn read_image(words: &SharedWords) -> u64 {
    let mut refused = 0;
    let reader = ImageReader::new(words);
    let mut references = runtime::references::References::new(reader.clone());
    let _ = reader.channel();
    for instrument in (0..INSTRUMENTS as u32 + 1).chain([u32::MAX]).map(InstrumentId) {
        let _ = reader.stamp(instrument);
        match reader.read(instrument) {
            Ok(entry) => {
                assert_eq!(entry.instrument_id, instrument);
                let _ = (entry.validity(), entry.trading_status());
                for side in [Side::Buy, Side::Sell] {
                    assert!(entry.levels(side).len() <= IMAGE_LEVELS);
                }
            }
            Err(miss) => {
                assert_eq!(miss == ImageMiss::OutOfRange, instrument.index() >= reader.instruments());
                refused += u64::from(matches!(miss, ImageMiss::Busy | ImageMiss::Malformed));
            }
        }
        let _ = (references.changed(instrument), references.reload(instrument), references.is_synchronized());
    }
    refused
}

/// The header of a region: what `read` accepts, `check` accepts as itself.
pub fn region(input: &[u8]) {
    let words = SharedWords::heap(64);
    for (index, chunk) in input.chunks_exact(8).take(words.len()).enumerate() {
        words.store(index, u64::from_le_bytes(chunk.try_into().expect("eight bytes")), Ordering::Relaxed);
    }
    let expected = RegionSpec::control_page(0, Nanos(0));
    let _ = RegionHeader::check(&words, &expected);
    match RegionHeader::read(&words) {
        Ok(header) => {
            let spec = *header.spec();
            assert!(spec.region_words() <= words.len());
            assert_eq!(header.body().len(), spec.body_words);
            RegionHeader::check(&words, &spec).expect("it is what it is");
            let _ = (header.writer_epoch(), header.writer_pid());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The status region of a process.
pub fn status(input: &[u8]) {
    let words = SharedWords::heap(STATUS_WORDS);
    let mut input = Bytes::new(input);
    let writer = StatusWriter::start(&words, input.u64(), input.u32(), Nanos(input.u64()));
    scribble(&words, &mut input);
    read_status(&words);
    // The owner goes on over what a neighbour left.
    writer.add_progress(u64::MAX);
    writer.heartbeat(Nanos(1));
    assert_eq!(StatusReader::new(&words).heartbeat(), Nanos(1));
    let _ = StatusWriter::start(&words, 2, 3, Nanos(4));
    let again = StatusReader::new(&words);
    assert_eq!((again.epoch(), again.pid(), again.counters().iter().count()), (2, 3, 0));
}

/// Reads everything of a status region; returns what was refused.
pub fn read_status(words: &SharedWords) -> u64 {
    let reader = StatusReader::new(words);
    let _ = (reader.heartbeat(), reader.progress(), reader.state(), reader.epoch(), reader.pid(), reader.armed());
    let _ = (reader.allocations_after_start(), reader.last_control_sequence(), reader.kill_echo());
    let _ = reader.fence_echo(Role::Risk, 0);
    assert!(reader.fence_echoes().count() <= 64 && reader.checkpoints().count() <= 64);
    assert!(reader.positions().count() <= 64);
    for (label, _) in reader.counters().iter() {
        assert!(label.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "printable: {label:?}");
    }
    // The watch of the supervisor, over any heartbeat.
    let mut watch = runtime::heartbeat::Watch::new(&reader, Nanos(5));
    let _ = watch.observe(&reader, Nanos(7));
    u64::from(reader.state().is_none()) + u64::from(reader.pid() == 0) + u64::from(reader.kill_echo().is_none())
}

/// The control page.
pub fn control(input: &[u8]) {
    let words = SharedWords::heap(CONTROL_PAGE_WORDS);
    scribble(&words, &mut Bytes::new(input));
    read_control(&words);
    for (index, chunk) in input.chunks_exact(8).take(words.len()).enumerate() {
        words.store(index, u64::from_le_bytes(chunk.try_into().expect("eight bytes")), Ordering::Relaxed);
    }
    read_control(&words);
}

/// Reads everything of a control page; returns what was refused.
pub fn read_control(words: &SharedWords) -> u64 {
    let page = ControlPageReader::new(words);
    let _ = (page.supervisor(), page.realtime(), page.recorder_mode());
    if let Some(anchor) = page.anchor() {
        assert!(anchor.shift < 64);
        for tsc in [0, 1, anchor.tsc, u64::MAX] {
            let _ = anchor.at(tsc);
        }
    }
    for index in [0, 63, 64, 255] {
        let _ = page.armed_by_operator(index);
    }
    assert!(page.roster().count() <= ROSTER);
    for slot in 0..ROSTER {
        let _ = page.parked_word(slot).load(0, Ordering::Relaxed);
    }
    let missing = (0..ROSTER).filter(|slot| page.roster_entry(*slot).is_none()).count() as u64;
    missing + u64::from(page.supervisor().is_none())
}

/// The kill page: whatever lies there, an engagement is seen, and a release clears only its own.
pub fn kill(input: &[u8]) {
    let words = SharedWords::heap(KILL_PAGE_WORDS);
    let page = KillPage::create(&words);
    let mut input = Bytes::new(input);
    while !input.is_empty() {
        // Never the magic and the version: what has none is refused at the opening.
        let place = 2 + usize::from(input.u16()) % (KILL_PAGE_WORDS - 2);
        words.store(place, input.edge(), Ordering::Relaxed);
        let reader = KillReader::open(&words).expect("magic and version stand");
        assert_eq!(reader.engaged(), reader.generation() != 0);
        let engager = Engager::ALL[usize::from(input.u8()) % Engager::ALL.len()];
        let _ = reader.engagement(engager);
        match input.u8() % 4 {
            0 => {
                let generation = page.engage(engager, Nanos(1), "fuzz");
                assert!(reader.engaged(), "an engagement is latched");
                assert!(reader.generation() >= generation);
            }
            1 => {
                let others = Engager::ALL.iter().filter(|other| **other != engager);
                let before: Vec<_> = others.clone().map(|other| latched(&words, *other)).collect();
                let _ = page.release(engager, Nanos(2));
                assert_eq!(latched(&words, engager), 0);
                assert!(others.map(|other| latched(&words, *other)).eq(before), "nobody else was released");
            }
            _ => {}
        }
    }
    let raw = SharedWords::heap(KILL_PAGE_WORDS);
    scribble(&raw, &mut input);
    let _ = KillReader::open(&raw);
}

/// The latched word of an engager, by the drawing of the page.
fn latched(words: &SharedWords, engager: Engager) -> u64 {
    words.load(16 + engager as usize, Ordering::Relaxed)
}
