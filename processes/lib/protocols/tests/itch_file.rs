//! ITCH against a file that nobody on this project wrote, where it lies beside the checkout.
#![forbid(unsafe_code)]

use protocols::itch::Message;
use protocols::itch::binary_file::Reader;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// `shared/data/<name>` beside any folder above this crate.
fn beside_the_checkout(name: &str) -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = above.map(|folder| folder.join("shared/data").join(name)).find(|path| path.is_file());
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: shared/data/{name} is not beside the checkout");
    }
    found
}

#[test]
fn a_real_file_counts_by_type_as_its_index_says() {
    let Some(path) = beside_the_checkout("ritch_reframed.itch50") else { return };
    let file = std::fs::read(path).unwrap();
    let mut counts = BTreeMap::new();
    let mut encoded = [0; 50];
    for frame in Reader::new(&file) {
        let (offset, bytes) = frame.unwrap();
        let message = Message::parse(bytes).unwrap_or_else(|malformed| panic!("offset {offset}: {malformed}"));
        *counts.entry(char::from(message.message_type())).or_insert(0) += 1;
        let length = message.repr().expect("a known type").encode_into(&mut encoded).unwrap();
        assert_eq!(&encoded[..length], bytes, "offset {offset}");
    }
    let expected = [
        ('A', 4997),
        ('D', 1745),
        ('E', 198),
        ('F', 3),
        ('H', 3),
        ('P', 5000),
        ('R', 3),
        ('S', 6),
        ('U', 12),
        ('X', 45),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
    assert_eq!(counts.values().sum::<i32>(), 12_012);
}

#[test]
fn a_file_whose_lengths_are_zero_is_refused_at_its_start() {
    let Some(path) = beside_the_checkout("ritch_ex20101224.TEST_ITCH_50") else { return };
    let file = std::fs::read(path).unwrap();
    let mut reader = Reader::new(&file);
    let error = reader.next().unwrap().unwrap_err();
    assert_eq!(error.offset, 0);
    assert!(error.to_string().contains("length is zero"), "{error}");
    assert_eq!(reader.next(), None);
}
