//! How the end of a journal is taken up again: one table of every case, and the plan that follows from it.
//!
//! A bad record beyond every committed cursor is torn: cut. One below is corruption: stop, whatever follows. The cursors
//! are the sync blocks anywhere in the segment, its trailer, and the durable watermark of a tail that survived.

use crate::flusher::{sync, write_all};
use crate::scan::{HASH_OF_NOTHING, Scan, Stop, Walk};
use crate::segment::{BadPage, PAGE_BYTES, SegmentHeader, Trailer};
use crate::store::{SegmentStore, StoreError};
use crate::tail::TailSnapshot;
use std::ops::Range;

/// The header page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderIs {
    /// Whole.
    Valid,
    /// Never written.
    Zero,
    /// Not whole.
    Bad,
    /// Whole as far as its magic and version, which is another one.
    OtherVersion,
}

/// The segment's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlaceIs {
    /// Another one follows.
    Earlier,
    /// The last.
    Last,
}

/// The trailer page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrailerIs {
    /// Never written.
    Zero,
    /// Whole, and it says what the records say.
    Valid,
    /// Not whole.
    Torn,
    /// Whole, and it says something else.
    Disagrees,
}

/// Where the records end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopIs {
    /// Zeros, or the segment is full.
    Clean,
    /// Not a whole record.
    Torn,
    /// A whole record that is not the next one.
    Foreign,
}

/// Where the end of the records lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CursorIs {
    /// At or beyond every committed cursor.
    Beyond,
    /// Below one.
    Below,
}

/// What follows the end of the records, up to the trailer page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestIs {
    /// Zeros.
    Zero,
    /// Something.
    NonZero,
}

/// A segment, as recovery sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Case {
    /// Header page.
    pub header: HeaderIs,
    /// Place.
    pub place: PlaceIs,
    /// Trailer page.
    pub trailer: TrailerIs,
    /// End of the records.
    pub stop: StopIs,
    /// The end against the cursors.
    pub cursor: CursorIs,
    /// What follows the end.
    pub rest: RestIs,
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing is changed: the operator repairs from a replica, or decides.
    Halt,
    /// Created and never begun, or its header was being written: begin it.
    Begin,
    /// Complete: on to the next.
    Next,
    /// Complete and the last: the next record opens a new one.
    Roll,
    /// Its trailer was being written: erase that and go on in it.
    Unseal,
    /// Go on in it.
    Resume,
    /// Erase from the end of the records on: the rest was written back out of order.
    CutReordered,
    /// Erase from the torn record on.
    CutTorn,
}

/// A row: the cases that it takes (an empty list takes all), and what is done.
struct RowOf {
    header: &'static [HeaderIs],
    place: &'static [PlaceIs],
    trailer: &'static [TrailerIs],
    stop: &'static [StopIs],
    cursor: &'static [CursorIs],
    rest: &'static [RestIs],
    action: Action,
}

macro_rules! row {
    ($h:expr, $p:expr, $t:expr, $s:expr, $c:expr, $r:expr => $action:ident) => {
        RowOf { header: &$h, place: &$p, trailer: &$t, stop: &$s, cursor: &$c, rest: &$r, action: Action::$action }
    };
}

use CursorIs::{Below, Beyond};
use HeaderIs::{Bad as BadHeader, OtherVersion, Valid as GoodHeader, Zero as NoHeader};
use PlaceIs::{Earlier, Last};
use RestIs::{NonZero, Zero};
use StopIs::{Clean, Foreign, Torn};
use TrailerIs::{Disagrees, Torn as TornTrailer, Valid as GoodTrailer, Zero as NoTrailer};

/// The table. A test shows that every case matches exactly one row.
#[rustfmt::skip]
const TABLE: [RowOf; 21] = [
    //   header        place      trailer                              stop              cursor    rest
    row!([OtherVersion], [],      [],                                  [],               [],       []        => Halt),
    // The header is durable before the first record is written: a segment without one is empty, or not ours to judge.
    row!([NoHeader, BadHeader], [Earlier], [],                         [],               [],       []        => Halt),
    row!([NoHeader, BadHeader], [Last], [NoTrailer],                   [Clean],          [Beyond], [Zero]    => Begin),
    row!([NoHeader, BadHeader], [Last], [NoTrailer],                   [Clean],          [Beyond], [NonZero] => Halt),
    row!([NoHeader, BadHeader], [Last], [NoTrailer],                   [Clean],          [Below],  []        => Halt),
    row!([NoHeader, BadHeader], [Last], [NoTrailer],                   [Torn, Foreign],  [],       []        => Halt),
    row!([NoHeader, BadHeader], [Last], [GoodTrailer, TornTrailer, Disagrees], [],       [],       []        => Halt),
    // Corruption, whatever follows.
    row!([GoodHeader], [],        [],                                  [],               [Below],  []        => Halt),
    row!([GoodHeader], [],        [Disagrees],                         [],               [Beyond], []        => Halt),
    // A complete segment.
    row!([GoodHeader], [Earlier], [GoodTrailer],                       [Clean],          [Beyond], [Zero]    => Next),
    row!([GoodHeader], [Last],    [GoodTrailer],                       [Clean],          [Beyond], [Zero]    => Roll),
    row!([GoodHeader], [],        [GoodTrailer],                       [Clean],          [Beyond], [NonZero] => Halt),
    row!([GoodHeader], [],        [GoodTrailer],                       [Torn, Foreign],  [Beyond], []        => Halt),
    // A segment is sealed, durably, before the next is created.
    row!([GoodHeader], [Earlier], [NoTrailer, TornTrailer],            [],               [Beyond], []        => Halt),
    // The trailer is written when every record is durable: nothing but the trailer can be torn then.
    row!([GoodHeader], [Last],    [TornTrailer],                       [Clean],          [Beyond], [Zero]    => Unseal),
    row!([GoodHeader], [Last],    [TornTrailer],                       [Clean],          [Beyond], [NonZero] => Halt),
    row!([GoodHeader], [Last],    [TornTrailer],                       [Torn, Foreign],  [Beyond], []        => Halt),
    // The segment that was being written.
    row!([GoodHeader], [Last],    [NoTrailer],                         [Clean],          [Beyond], [Zero]    => Resume),
    row!([GoodHeader], [Last],    [NoTrailer],                         [Clean],          [Beyond], [NonZero] => CutReordered),
    row!([GoodHeader], [Last],    [NoTrailer],                         [Torn],           [Beyond], []        => CutTorn),
    // A whole record that is not the next one is no crash's work.
    row!([GoodHeader], [Last],    [NoTrailer],                         [Foreign],        [Beyond], []        => Halt),
];

impl RowOf {
    fn takes(&self, case: &Case) -> bool {
        fn has<T: PartialEq>(set: &[T], value: &T) -> bool {
            set.is_empty() || set.contains(value)
        }
        has(self.header, &case.header)
            && has(self.place, &case.place)
            && has(self.trailer, &case.trailer)
            && has(self.stop, &case.stop)
            && has(self.cursor, &case.cursor)
            && has(self.rest, &case.rest)
    }
}

/// What is done in a case.
///
/// # Panics
/// Never: the table takes every case.
#[must_use]
pub fn decide(case: &Case) -> Action {
    let row = TABLE.iter().find(|row| row.takes(case));
    row.expect("the table takes every case").action
}

/// Where a flusher goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Resume {
    /// The last segment; 0 when there is none.
    pub file_id: u32,
    /// Last sequence in files.
    pub last_sequence: u64,
    /// Hash of the last complete segment's trailer; 0 when there is none.
    pub trailer_hash: u64,
    /// The segment to go on in; `None`: create the next.
    pub open: Option<ResumeOpen>,
}

/// Where in an open segment a flusher goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResumeOpen {
    /// Bytes of the file.
    pub segment_bytes: u64,
    /// Where the next record goes.
    pub offset: u64,
    /// Hash of the records before it.
    pub records_hash: u64,
    /// As in its header.
    pub previous_trailer_hash: u64,
    /// As in its header: its sync blocks carry the stamp of the boot that created it.
    pub boot_stamp: u64,
}

/// What has to be erased before the journal is written again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Erase {
    /// In this segment.
    pub file_id: u32,
    /// These bytes become zero.
    pub bytes: Range<u64>,
    /// Why.
    pub action: Action,
}

/// What recovery will do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// To erase, at most one range.
    pub erase: Option<Erase>,
    /// Where to go on after that.
    pub resume: Resume,
}

/// Why recovery stops. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Halted {
    /// The table says so.
    #[error("segment {file_id} at {offset}: {case:?}")]
    Case {
        /// Segment.
        file_id: u32,
        /// Where its records end.
        offset: u64,
        /// What was found.
        case: Case,
    },
    /// Segments do not follow each other: a number, a first sequence or a hash is not the next.
    #[error("segment {file_id} does not follow the one before")]
    Chain {
        /// Segment.
        file_id: u32,
    },
    /// The tail begins after the files' end, or says that more was durable, or a record in it is not whole.
    #[error("journal tail does not follow the files")]
    Tail,
}

/// Looks at all segments, in order of number, and at the tail if it survived.
///
/// # Errors
/// [`Halted`].
pub fn plan(segments: &[(u32, &[u8])], tail: Option<&TailSnapshot>) -> Result<Plan, Halted> {
    let mut resume = Resume::default();
    let mut erase = None;
    for (index, (file_id, bytes)) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        let (case, scan, header) = look(*file_id, bytes, last, tail);
        let follows = resume.file_id == 0 || resume.file_id.checked_add(1) == Some(*file_id);
        let chained = header.is_none_or(|header| {
            header.file_id == *file_id
                && header.segment_bytes == bytes.len() as u64
                && (resume.file_id == 0
                    || (header.first_sequence == resume.last_sequence + 1
                        && header.previous_trailer_hash == resume.trailer_hash))
        });
        if !follows || !chained {
            return Err(Halted::Chain { file_id: *file_id });
        }
        let action = decide(&case);
        let trailer_page = bytes.len() as u64 - (PAGE_BYTES as u64).min(bytes.len() as u64);
        let all = trailer_page..bytes.len() as u64;
        match action {
            Action::Halt => return Err(Halted::Case { file_id: *file_id, offset: scan.offset, case }),
            // An all-zero file is created again under the same number.
            Action::Begin => {
                let bytes = 0..PAGE_BYTES as u64;
                erase = (case.header == BadHeader).then_some(Erase { file_id: *file_id, bytes, action });
                continue;
            }
            Action::Next | Action::Roll => {
                let trailer = Trailer::decode(&bytes[trailer_page as usize..]).expect("the case says it is valid");
                resume = Resume {
                    file_id: *file_id,
                    last_sequence: scan.last_sequence,
                    trailer_hash: trailer.hash(),
                    open: None,
                };
                continue;
            }
            Action::Resume => {}
            Action::Unseal => erase = Some(Erase { file_id: *file_id, bytes: all, action }),
            Action::CutReordered | Action::CutTorn => {
                erase = Some(Erase { file_id: *file_id, bytes: scan.offset..trailer_page, action });
            }
        }
        let open = ResumeOpen {
            segment_bytes: bytes.len() as u64,
            offset: scan.offset,
            records_hash: scan.records_hash,
            previous_trailer_hash: header.map_or(0, |header| header.previous_trailer_hash),
            boot_stamp: header.map_or(0, |header| header.boot_stamp),
        };
        resume = Resume { file_id: *file_id, last_sequence: scan.last_sequence, open: Some(open), ..resume };
    }
    check_tail(&resume, tail)?;
    Ok(Plan { erase, resume })
}

/// The tail's first record must be the files' next, or one that they have.
fn check_tail(resume: &Resume, tail: Option<&TailSnapshot>) -> Result<(), Halted> {
    if tail.is_some_and(|tail| tail.durable_sequence > resume.last_sequence) {
        return Err(Halted::Tail);
    }
    let mut next = None;
    for frame in tail.iter().flat_map(|tail| tail.frames()) {
        let sequence = frame.map_err(|_| Halted::Tail)?.header.sequence;
        let follows = next.map_or(sequence <= resume.last_sequence + 1, |next| sequence == next);
        if !follows {
            return Err(Halted::Tail);
        }
        next = Some(sequence + 1);
    }
    Ok(())
}

/// One segment's case.
fn look(file_id: u32, bytes: &[u8], last: bool, tail: Option<&TailSnapshot>) -> (Case, Scan, Option<SegmentHeader>) {
    let decoded = SegmentHeader::decode(bytes).ok().filter(|_| bytes.len() >= 2 * PAGE_BYTES);
    let header = match (decoded, SegmentHeader::decode(bytes)) {
        (Some(_), _) => GoodHeader,
        (None, Err(BadPage::Zero)) => NoHeader,
        (None, Err(BadPage::Version(_))) => OtherVersion,
        (None, _) => BadHeader,
    };
    let walked_as = decoded.unwrap_or(SegmentHeader { file_id, first_sequence: 1, ..SegmentHeader::default() });
    let scan = if bytes.len() >= 2 * PAGE_BYTES {
        Walk::new(bytes, walked_as).finish()
    } else {
        Scan { offset: 0, stop: Stop::Clean, last_sequence: 0, committed_bytes: 0, records_hash: HASH_OF_NOTHING }
    };
    let trailer_page = bytes.len().saturating_sub(PAGE_BYTES);
    let trailer = Trailer::decode(&bytes[trailer_page..]);
    let agrees = |trailer: &Trailer| {
        trailer.file_id == file_id
            && trailer.records_end == scan.offset
            && trailer.last_sequence == scan.last_sequence
            && trailer.records_hash == scan.records_hash
            && trailer.previous_trailer_hash == walked_as.previous_trailer_hash
    };
    let durable = tail.map_or(0, |tail| tail.durable_sequence);
    let below = scan.offset < scan.committed_bytes
        || trailer.is_ok_and(|trailer| trailer.file_id == file_id && scan.offset < trailer.records_end)
        || (last && decoded.is_some() && scan.last_sequence < durable);
    let rest = bytes.get(scan.offset as usize..trailer_page).unwrap_or(&[]);
    let case = Case {
        header,
        place: if last { Last } else { Earlier },
        trailer: match &trailer {
            Ok(trailer) if agrees(trailer) => GoodTrailer,
            Ok(_) => Disagrees,
            Err(BadPage::Zero) => NoTrailer,
            Err(_) => TornTrailer,
        },
        stop: match scan.stop {
            Stop::Clean => Clean,
            Stop::Torn(_) => Torn,
            Stop::Foreign => Foreign,
        },
        cursor: if below { Below } else { Beyond },
        rest: if rest.iter().all(|byte| *byte == 0) { Zero } else { NonZero },
    };
    (case, scan, decoded)
}

/// Carries the plan's erasure out, durably. Doing it twice does no harm.
///
/// # Errors
/// [`StoreError`]: do not go on.
pub fn repair(plan: &Plan, store: &mut impl SegmentStore) -> Result<(), StoreError> {
    let Some(erase) = &plan.erase else {
        return Ok(());
    };
    let zeros = [0; PAGE_BYTES];
    let mut offset = erase.bytes.start;
    while offset < erase.bytes.end {
        let bytes = (erase.bytes.end - offset).min(zeros.len() as u64);
        write_all(store, erase.file_id, offset, &zeros[..bytes as usize])?;
        offset += bytes;
    }
    sync(store, erase.file_id)
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
