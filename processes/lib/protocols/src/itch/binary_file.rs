//! BinaryFILE framing of a day's messages: a 2-byte big-endian length, then that many bytes, to the end of the file.
//!
//! The reader takes the file as a byte slice (mapped or read by the caller) and never skips: at the first frame that
//! cannot be, it reports the offset and stops, because after a wrong length every later frame would be a guess.

/// Bytes of the length before each message.
pub const PREFIX_LENGTH: usize = 2;

/// Why reading a file stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offset {offset}: {what}")]
pub struct FrameError {
    /// Offset of the frame's length bytes from the start of the slice.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// The frames of a file, in order: `(offset of the frame, message bytes)`. It ends after the first error.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their start.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Offset of the next frame.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    #[inline]
    fn frame(&self, rest: &'a [u8]) -> Result<&'a [u8], FrameError> {
        let error = |what| FrameError { offset: self.offset, what };
        let (prefix, rest) = rest.split_first_chunk().ok_or(error("the file ends inside a length"))?;
        let length = usize::from(u16::from_be_bytes(*prefix));
        if length == 0 {
            return Err(error("message length is zero: not a BinaryFILE, or damaged"));
        }
        rest.get(..length).ok_or(error("the file ends inside a message"))
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<(usize, &'a [u8]), FrameError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.offset..).filter(|rest| !rest.is_empty())?;
        let frame = self.frame(rest);
        let offset = self.offset;
        self.offset = match frame {
            Ok(message) => offset + PREFIX_LENGTH + message.len(),
            Err(_) => self.bytes.len(),
        };
        Some(frame.map(|message| (offset, message)))
    }
}

impl std::iter::FusedIterator for Reader<'_> {}

/// Writes one frame to the start of `out` and returns its length in bytes; `None` when the message is empty, longer
/// than 65,535 bytes, or does not fit.
#[must_use]
pub fn encode_frame(message: &[u8], out: &mut [u8]) -> Option<usize> {
    let length = u16::try_from(message.len()).ok().filter(|length| *length > 0)?;
    let frame = out.get_mut(..PREFIX_LENGTH + message.len())?;
    let (prefix, body) = frame.split_at_mut(PREFIX_LENGTH);
    prefix.copy_from_slice(&length.to_be_bytes());
    body.copy_from_slice(message);
    Some(PREFIX_LENGTH + message.len())
}
