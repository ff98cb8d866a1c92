//! What a queue holds that has no slots of its own: a message as it is, or one alone on its cache lines.
//!
//! Seven words at the alignment of a word lie across two cache lines in most places of an array, and each such message
//! costs both. Our slots are aligned; a peer whose elements are whatever its user gives it may have them so, too. Which is
//! better depends on the peer: a line for each message makes fewer lines cross for one message and more of them for many.
//! So each such peer is measured with both, and its better figure counts (see `promises`).

/// A message of W words in a queue.
pub trait Element<const W: usize>: Copy + Send + Sync + 'static {
    /// With these words.
    fn new(words: [u64; W]) -> Self;

    /// Its words.
    fn words(&self) -> &[u64; W];

    /// Its words, to be written.
    fn words_mut(&mut self) -> &mut [u64; W];
}

/// How elements lie.
pub trait Fit: Copy + Send + Sync + 'static {
    /// Whether each begins a cache line.
    const ALIGNED: bool;
    /// The element.
    type Element<const W: usize>: Element<W>;
}

/// Words after words.
#[derive(Clone, Copy, Debug)]
pub struct Packed;

/// Each on cache lines of its own.
#[derive(Clone, Copy, Debug)]
pub struct Aligned;

/// W words that begin a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct OnLines<const W: usize>([u64; W]);

const _: () = assert!(size_of::<OnLines<7>>() == 64 && size_of::<OnLines<15>>() == 128);

impl Fit for Packed {
    const ALIGNED: bool = false;
    type Element<const W: usize> = [u64; W];
}

impl Fit for Aligned {
    const ALIGNED: bool = true;
    type Element<const W: usize> = OnLines<W>;
}

impl<const W: usize> Element<W> for [u64; W] {
    #[inline(always)]
    fn new(words: [u64; W]) -> Self {
        words
    }

    #[inline(always)]
    fn words(&self) -> &[u64; W] {
        self
    }

    #[inline(always)]
    fn words_mut(&mut self) -> &mut [u64; W] {
        self
    }
}

impl<const W: usize> Element<W> for OnLines<W> {
    #[inline(always)]
    fn new(words: [u64; W]) -> Self {
        Self(words)
    }

    #[inline(always)]
    fn words(&self) -> &[u64; W] {
        &self.0
    }

    #[inline(always)]
    fn words_mut(&mut self) -> &mut [u64; W] {
        &mut self.0
    }
}
