//! Every case of the recovery table matches exactly one row, over cuts, reordered writeback and bit rot.

use super::*;

const HEADERS: [HeaderIs; 4] = [HeaderIs::Valid, HeaderIs::Zero, HeaderIs::Bad, HeaderIs::OtherVersion];
const TRAILERS: [TrailerIs; 4] = [TrailerIs::Zero, TrailerIs::Valid, TrailerIs::Torn, TrailerIs::Disagrees];

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for header in HEADERS {
        for place in [Earlier, Last] {
            for trailer in TRAILERS {
                for stop in [Clean, Torn, Foreign] {
                    for cursor in [Beyond, Below] {
                        cases.extend([Zero, NonZero].map(|rest| Case { header, place, trailer, stop, cursor, rest }));
                    }
                }
            }
        }
    }
    cases
}

#[test]
fn every_case_matches_exactly_one_row() {
    let cases = cases();
    assert_eq!(cases.len(), 4 * 2 * 4 * 3 * 2 * 2);
    for case in &cases {
        let rows = TABLE.iter().filter(|row| row.takes(case)).count();
        assert_eq!(rows, 1, "{case:?}");
    }
    for (index, row) in TABLE.iter().enumerate() {
        assert!(cases.iter().any(|case| row.takes(case)), "row {index} takes no case");
    }
}

/// The rule itself, apart from the table: nothing below a cursor is ever cut, and only the last segment is ever changed.
#[test]
fn no_row_cuts_below_a_cursor_or_in_an_earlier_segment() {
    for case in cases() {
        let action = decide(&case);
        let changes = matches!(action, Action::CutTorn | Action::CutReordered | Action::Unseal | Action::Resume);
        if changes || matches!(action, Action::Begin | Action::Next | Action::Roll) {
            assert_eq!(case.cursor, Beyond, "{case:?}");
            assert_ne!(case.stop, Foreign, "{case:?}");
        }
        if changes {
            assert_eq!(case.place, Last, "{case:?}");
        }
    }
}
