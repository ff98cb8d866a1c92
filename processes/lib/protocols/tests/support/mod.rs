//! Bytes written by hand: hexadecimal digits and 'text', in the order of the wire.

/// The bytes of `drawing`, such as `'A' 0001 'AAPL    '`. Spaces outside of quotes only separate.
pub fn wire(drawing: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in drawing.split('\'').enumerate() {
        if index % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u32> =
            part.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("hex")).collect();
        assert!(digits.len().is_multiple_of(2), "half a byte in {part:?}");
        bytes.extend(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8));
    }
    bytes
}
