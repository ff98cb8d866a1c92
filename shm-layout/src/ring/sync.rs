//! A bounds-checked view of words that other processes may write at any moment.
//!
//! Counters, regions, the image and the kill page are safe code on top of it: every access is an atomic load or store of
//! one `u64`, so a peer's write can be stale but never undefined behaviour. Under `cfg(loom)` the words are loom's.

use std::any::Any;
use std::sync::Arc;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::AtomicU64;
#[cfg(loom)]
pub use loom::sync::atomic::fence;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::AtomicU64;
#[cfg(not(loom))]
pub use std::sync::atomic::fence;

pub use std::sync::atomic::Ordering;

/// Asks for the word's cache line, to be loaded soon. A hint: it changes no value, orders nothing and cannot fault.
#[inline(always)]
pub(super) fn prefetch_for_reading(word: &AtomicU64) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    // SAFETY: a prefetch accesses nothing in the sense of the language, and faults are suppressed by the instruction.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(word.as_ptr().cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    let _ = word;
}

/// Asks for the word's cache line as this core's own, to be stored to soon. A hint, as [`prefetch_for_reading`].
#[inline(always)]
pub(super) fn prefetch_for_writing(word: &AtomicU64) {
    // By name: without the target feature the compiler makes the intrinsic a prefetch for reading. Where a processor does
    // not know the instruction it is a no-op, by its encoding.
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    // SAFETY: as above; the instruction touches no register, flag or stack.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) word.as_ptr().addr(), options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    let _ = word;
}

/// Words of a cache line.
pub(super) const LINE_WORDS: usize = 8;

/// The words of a cache line as they are now, each of them whole and as a relaxed load would find it; they are not found
/// at one moment.
///
/// The language has no relaxed load of more than a word, and a reader that copies word by word is held back by the count of
/// its instructions. So on x86-64 they are loaded in pairs: an aligned load of 16 bytes is one access on every processor
/// with AVX (Intel SDM volume 3, 9.1.1; AMD APM volume 2, 7.3.2), is ordered among other loads as a load of a word is, and
/// in assembly cannot be a race in the compiler's eyes. A processor without AVX still loads each word whole.
///
/// The line comes as a pointer: a reference to its first word would be good for that word alone.
///
/// # Safety
/// `first` is aligned to a cache line and valid for loads of eight words: it was made from a view of all of them.
#[inline(always)]
pub(super) unsafe fn load_line(first: *const AtomicU64) -> [u64; LINE_WORDS] {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    {
        use std::arch::x86_64::__m128i;
        let (one, two, three, four): (__m128i, __m128i, __m128i, __m128i);
        // SAFETY: 64 aligned bytes are loaded that the caller's pointer is valid for, and nothing else is touched.
        unsafe {
            std::arch::asm!(
                "movdqa {one}, [{line}]",
                "movdqa {two}, [{line} + 16]",
                "movdqa {three}, [{line} + 32]",
                "movdqa {four}, [{line} + 48]",
                line = in(reg) first,
                one = out(xmm_reg) one,
                two = out(xmm_reg) two,
                three = out(xmm_reg) three,
                four = out(xmm_reg) four,
                options(nostack, preserves_flags, readonly),
            );
        }
        // SAFETY: both are 64 bytes without padding, and every bit pattern is a number.
        unsafe { std::mem::transmute([one, two, three, four]) }
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    {
        std::array::from_fn(|index| {
            // SAFETY: the caller's pointer is valid for eight words from `first` on, which are only reached as atomics.
            let word = unsafe { &*first.wrapping_add(index) };
            word.load(Ordering::Relaxed)
        })
    }
}

/// Bytes that a region's start is aligned to at least: one 128-byte slot.
pub const REGION_ALIGN: usize = 128;

/// Shared words, alive as long as any view of them.
#[derive(Clone)]
pub struct SharedWords {
    first: *const AtomicU64,
    words: usize,
    writable: bool,
    /// Keeps the mapping or the heap block alive.
    _owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: the pointed-to words are only ever accessed as atomics, and `_owner` (Send + Sync) keeps them alive.
unsafe impl Send for SharedWords {}
// SAFETY: as above; `&SharedWords` gives atomic access only.
unsafe impl Sync for SharedWords {}

impl std::fmt::Debug for SharedWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedWords").field("words", &self.words).field("writable", &self.writable).finish()
    }
}

/// One cache-line-pair of a heap block, to give it a region's alignment.
#[repr(C, align(128))]
struct Line([AtomicU64; REGION_ALIGN / 8]);

impl SharedWords {
    /// Zeroed words on this process's heap, writable: for tests, simulation and loom.
    #[must_use]
    pub fn heap(words: usize) -> Self {
        let lines = words.div_ceil(REGION_ALIGN / 8).max(1);
        let block: Box<[Line]> = (0..lines).map(|_| Line(std::array::from_fn(|_| AtomicU64::new(0)))).collect();
        let first = block.as_ptr().cast::<AtomicU64>();
        Self { first, words, writable: true, _owner: Arc::new(block) }
    }

    /// A view of `words` words at `first`, which `owner` keeps mapped.
    ///
    /// # Safety
    /// `first` is aligned to [`REGION_ALIGN`] and valid for reads of `words` words (and for writes when `writable`) until
    /// `owner` is dropped; nothing ever forms a reference to the memory other than to atomics.
    #[cfg(not(loom))]
    #[must_use]
    pub unsafe fn from_raw(first: *const u64, words: usize, writable: bool, owner: Arc<dyn Any + Send + Sync>) -> Self {
        assert!(first.addr().is_multiple_of(REGION_ALIGN), "a region is aligned to {REGION_ALIGN} bytes");
        Self { first: first.cast(), words, writable, _owner: owner }
    }

    /// Words in view.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.words
    }

    /// True when no word is in view.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// Whether this view may store.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.writable
    }

    /// Whether the view begins where a region may begin. (Loom's words are wider than 8 bytes: nothing to check there.)
    pub(crate) fn is_aligned(&self) -> bool {
        cfg!(loom) || self.first.addr().is_multiple_of(REGION_ALIGN)
    }

    /// The same words, loads only.
    #[must_use]
    pub fn read_only(&self) -> Self {
        Self { writable: false, ..self.clone() }
    }

    /// The words `start..start + words` of this view.
    ///
    /// # Panics
    /// When they are not all in view.
    #[must_use]
    pub fn slice(&self, start: usize, words: usize) -> Self {
        let end = start.checked_add(words).expect("slice end overflows");
        assert!(end <= self.words, "slice {start}..{end} of {} words", self.words);
        Self { first: self.first.wrapping_add(start), words, ..self.clone() }
    }

    /// The word at `index`, without a check in the release profile: only for the ring, which checks its geometry once.
    ///
    /// # Safety
    /// `index < self.len()`.
    pub(crate) unsafe fn word_unchecked(&self, index: usize) -> &AtomicU64 {
        debug_assert!(index < self.words);
        // SAFETY: the caller keeps `index` in view, and the view's words are valid while `self` lives.
        unsafe { &*self.first.wrapping_add(index) }
    }

    /// All words, for loops that keep their place in a register.
    pub(crate) fn as_slice(&self) -> &[AtomicU64] {
        // SAFETY: the view's words are valid and aligned while `self` lives, and are only ever reached as atomics.
        unsafe { std::slice::from_raw_parts(self.first, self.words) }
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.words, "word {index} of {}", self.words);
        // SAFETY: just checked.
        unsafe { self.word_unchecked(index) }
    }

    fn word_mut(&self, index: usize) -> &AtomicU64 {
        assert!(self.writable, "store to a read-only view");
        self.word(index)
    }

    /// Loads the word at `index`.
    ///
    /// # Panics
    /// When `index` is not in view.
    #[must_use]
    pub fn load(&self, index: usize, ordering: Ordering) -> u64 {
        self.word(index).load(ordering)
    }

    /// Stores the word at `index`.
    ///
    /// # Panics
    /// When `index` is not in view or the view is read-only.
    pub fn store(&self, index: usize, value: u64, ordering: Ordering) {
        self.word_mut(index).store(value, ordering);
    }

    /// Stores bytes as words in memory order from the word at `index` on, relaxed; bytes after the last whole eight are left.
    ///
    /// # Panics
    /// When the words are not all in view or the view is read-only.
    #[inline]
    pub fn store_bytes(&self, index: usize, bytes: &[u8]) {
        let words = bytes.len() / 8;
        let end = index.checked_add(words).expect("store end overflows");
        assert!(self.writable && end <= self.words, "store of {index}..{end} of {} words", self.words);
        for (offset, chunk) in bytes.chunks_exact(8).enumerate() {
            let value = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
            // SAFETY: the last word of the run was just checked to be in view.
            let word = unsafe { self.word_unchecked(index + offset) };
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Loads words as bytes in memory order from the word at `index` on, relaxed; bytes of `out` after its last whole eight
    /// are left.
    ///
    /// # Panics
    /// When the words are not all in view.
    #[inline]
    pub fn load_bytes(&self, index: usize, out: &mut [u8]) {
        let words = out.len() / 8;
        let end = index.checked_add(words).expect("load end overflows");
        assert!(end <= self.words, "load of {index}..{end} of {} words", self.words);
        for (offset, chunk) in out.chunks_exact_mut(8).enumerate() {
            // SAFETY: the last word of the run was just checked to be in view.
            let word = unsafe { self.word_unchecked(index + offset) };
            chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
    }

    /// Adds to the word at `index` and returns its previous value.
    ///
    /// # Panics
    /// When `index` is not in view or the view is read-only.
    pub fn fetch_add(&self, index: usize, value: u64, ordering: Ordering) -> u64 {
        self.word_mut(index).fetch_add(value, ordering)
    }

    /// Replaces the word at `index` if it is `current`. True when it was.
    ///
    /// # Panics
    /// When `index` is not in view or the view is read-only.
    pub fn compare_exchange(&self, index: usize, current: u64, value: u64) -> bool {
        self.word_mut(index).compare_exchange(current, value, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
