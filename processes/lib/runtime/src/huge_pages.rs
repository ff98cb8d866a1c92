//! Pages of 2 MiB under what the hot path reads at random: rings, journal tail, tables of orders and books.
//!
//! With pages of 4 KiB a table of 16 MiB has 4,096 translations, more than a CPU keeps; and under a hypervisor each miss
//! can cost a walk through two tables, or an exit of 100 us and more (measured: 1 of 100 random reads). Everything here is
//! a wish: where the kernel does not grant it (before Linux 6.1, or without transparent huge pages) the small pages stay.

use crate::arena;
use crate::clock::monotonic_ns;
use crate::mmap::PAGE_BYTES;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// How long a region may take to move, in nanoseconds: where memory is in fragments the kernel may first have to clear a
/// way, and a start does not wait for that.
const PATIENCE_NS: u64 = 300_000_000;
/// Bytes of a huge page of x86-64.
pub const HUGE_PAGE_BYTES: usize = 2 << 20;

/// A file's map whose first byte lies on a huge page's boundary, as the kernel needs it to use them.
#[derive(Debug)]
pub(crate) struct AlignedMap {
    first: *mut u8,
    length: usize,
}

// SAFETY: the pointer is only handed out; the map it names is this value's own until it is dropped.
unsafe impl Send for AlignedMap {}
// SAFETY: as above; `&AlignedMap` reads the two fields.
unsafe impl Sync for AlignedMap {}

impl AlignedMap {
    /// Maps the first `length` bytes of `file` (whole pages of the filesystem, or less), every page present.
    pub(crate) fn new(file: &File, length: usize, writable: bool) -> io::Result<Self> {
        let length = length.next_multiple_of(PAGE_BYTES);
        let room = length.checked_add(HUGE_PAGE_BYTES).ok_or(io::ErrorKind::InvalidInput)?;
        let reserve = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a map at addresses of the kernel's choice; without rights it is only a reservation of them.
        let reserved = unsafe { libc::mmap(std::ptr::null_mut(), room, libc::PROT_NONE, reserve, -1, 0) };
        if reserved == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let before = reserved.addr().next_multiple_of(HUGE_PAGE_BYTES) - reserved.addr();
        let first = reserved.cast::<u8>().wrapping_add(before);
        let rights = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let flags = libc::MAP_SHARED | libc::MAP_FIXED | libc::MAP_POPULATE;
        // SAFETY: `first..first + length` lies within the reservation, which nothing else refers to.
        let mapped = unsafe { libc::mmap(first.cast(), length, rights, flags, file.as_raw_fd(), 0) };
        let error = io::Error::last_os_error();
        // Only the ends, also after a failure: a map that failed late has given up what lies between, and another thread may
        // have it by now.
        // SAFETY: the end is of the reservation above, and nothing was made of it.
        unsafe { release(reserved.cast(), before) };
        // SAFETY: as above.
        unsafe { release(first.wrapping_add(length), room - before - length) };
        if mapped == libc::MAP_FAILED { Err(error) } else { Ok(Self { first, length }) }
    }

    /// The first byte.
    pub(crate) const fn as_ptr(&self) -> *mut u8 {
        self.first
    }

    /// Puts the whole extents of the map on huge pages.
    pub(crate) fn collapse(&self) -> bool {
        collapse(self.first.addr(), self.first.addr() + self.length, &mut Allowance::now()) > 0
    }
}

impl Drop for AlignedMap {
    fn drop(&mut self) {
        // SAFETY: the map is this value's own, and who was given its pointer keeps the value alive.
        unsafe { release(self.first, self.length) };
    }
}

/// Gives addresses back.
///
/// # Safety
/// They are of the caller's own map, and nothing refers to them any more.
pub(crate) unsafe fn release(first: *mut u8, length: usize) {
    if length > 0 {
        // SAFETY: by the contract. A failure leaves them mapped, which harms nobody.
        unsafe { libc::munmap(first.cast(), length) };
    }
}

/// Address space for `bytes` bytes of zeros that begins on a huge page's boundary and wishes for huge pages, before any of
/// them is written: pages are never moved later. That waits for a thread of the kernel on every CPU, which beside hot
/// processes has taken from 0.1 to 9 s.
pub(crate) fn reserve(bytes: usize) -> io::Result<*mut u8> {
    let room = bytes.checked_add(HUGE_PAGE_BYTES).ok_or(io::ErrorKind::InvalidInput)?;
    let (rights, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
    // SAFETY: a new map at addresses of the kernel's choice.
    let mapped = unsafe { libc::mmap(std::ptr::null_mut(), room, rights, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let before = mapped.addr().next_multiple_of(HUGE_PAGE_BYTES) - mapped.addr();
    let first = mapped.cast::<u8>().wrapping_add(before);
    // SAFETY: the end is of the map above, and nothing was made of it.
    unsafe { release(mapped.cast(), before) };
    // SAFETY: as above.
    unsafe { release(first.wrapping_add(bytes), room - before - bytes) };
    // SAFETY: the range is this call's own map; the advice changes no byte. Refused, the pages stay small.
    unsafe { libc::madvise(first.cast(), bytes, libc::MADV_HUGEPAGE) };
    Ok(first)
}

/// Makes the pages of a [`reserve`] present, whether or not they may be locked afterwards, and ends its wish: pages that
/// came out small are not moved while the process works.
pub(crate) fn populate(first: *mut u8, bytes: usize) {
    // SAFETY: the range is the caller's own map; the call changes no byte of it. Kernels before 5.14 refuse it: the pages
    // then come with the lock, or when they are first written.
    unsafe { libc::madvise(first.cast(), bytes, libc::MADV_POPULATE_WRITE) };
    // SAFETY: as above.
    unsafe { libc::madvise(first.cast(), bytes, libc::MADV_NOHUGEPAGE) };
}

/// As [`populate`], on huge pages only where enough of them lie free: for one more the kernel would clear a way through the
/// memory of neighbours that may be trading.
pub(crate) fn populate_if_free(first: *mut u8, bytes: usize) {
    if Allowance::now().pages < bytes.div_ceil(HUGE_PAGE_BYTES) {
        // SAFETY: the range is the caller's own map; the advice changes no byte of it.
        unsafe { libc::madvise(first.cast(), bytes, libc::MADV_NOHUGEPAGE) };
    }
    populate(first, bytes);
}

/// Most huge pages of an arena: 256 MiB hold the tables of a full day's books.
const ARENA_PAGES_MAX: usize = 128;

/// From now on what this thread allocates comes from an arena on huge pages, as large as half of those that lie free.
pub fn open_arena() {
    arena::open(Allowance::now().pages.min(ARENA_PAGES_MAX));
}

/// Ends [`open_arena`], of the same thread, before the process's memory is locked.
pub fn close_arena() {
    arena::close();
}

/// Runs `read` without the arena: for what is read whole and given back, as a journal is.
pub fn outside_arena<T>(read: impl FnOnce() -> T) -> T {
    arena::outside(read)
}

/// What may be taken without waiting: half of the huge pages that lie free, and for a region within [`PATIENCE_NS`]. For one
/// more the kernel would first clear a way through its caches.
struct Allowance {
    pages: usize,
    until_ns: u64,
}

impl Allowance {
    fn now() -> Self {
        let free = std::fs::read_to_string("/proc/buddyinfo").map_or(0, |buddyinfo| free_huge_pages(&buddyinfo));
        Self { pages: free / 2, until_ns: monotonic_ns() + PATIENCE_NS }
    }

    fn take(&mut self) -> bool {
        let granted = self.pages > 0 && monotonic_ns() < self.until_ns;
        self.pages = self.pages.saturating_sub(1);
        granted
    }
}

/// Free runs of 2 MiB or more, by /proc/buddyinfo: per zone the free blocks of 2^n pages, n from 0.
fn free_huge_pages(buddyinfo: &str) -> usize {
    let order = (HUGE_PAGE_BYTES / PAGE_BYTES).trailing_zeros() as usize;
    let of_zone = |line: &str| -> usize {
        let blocks = line.split_ascii_whitespace().skip(4 + order).map_while(|count| count.parse::<usize>().ok());
        blocks.enumerate().map(|(above, count)| count << above).sum()
    };
    buddyinfo.lines().map(of_zone).sum()
}

/// Collapses each whole extent of the range, as far as allowed; one that the kernel refuses is left.
fn collapse(first: usize, end: usize, allowance: &mut Allowance) -> usize {
    let extents = (first.next_multiple_of(HUGE_PAGE_BYTES)..end).step_by(HUGE_PAGE_BYTES);
    let whole = extents.take_while(|extent| extent + HUGE_PAGE_BYTES <= end && allowance.take());
    let moved = whole.filter(|extent| {
        let place = std::ptr::without_provenance_mut(*extent);
        // SAFETY: the call moves pages of this process's own maps and changes none of their bytes; a range that is none
        // of them is refused.
        unsafe { libc::madvise(place, HUGE_PAGE_BYTES, libc::MADV_COLLAPSE) == 0 }
    });
    moved.count() * HUGE_PAGE_BYTES
}

/// Bytes that this process has mapped of the files in `directory`, on huge pages.
#[must_use]
pub fn mapped_bytes(directory: &Path) -> u64 {
    of_smaps(&std::fs::read_to_string("/proc/self/smaps").unwrap_or_default(), directory)
}

fn of_smaps(smaps: &str, directory: &Path) -> u64 {
    let (mut file, mut files) = (None, BTreeMap::new());
    for line in smaps.lines() {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        if !first.ends_with(':') {
            let path = rest.find('/').map(|path| &rest[path..]);
            file = path.filter(|path| Path::new(path).starts_with(directory));
        } else if let Some(file) = file.filter(|_| first == "ShmemPmdMapped:") {
            let bytes = rest.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) << 10;
            // A file that is mapped twice has its pages once.
            let of_file = files.entry(file).or_insert(0);
            *of_file = bytes.max(*of_file);
        }
    }
    files.values().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_free_runs_of_a_huge_page_or_more_are_counted() {
        let buddyinfo = "\
Node 0, zone      DMA      1      1      1      1      1      1      1      1      0      1      3
Node 0, zone   Normal   2590   4084   2103    797    210     79     20      9      5      7      0
";
        // Orders 9 and 10: 1 + 2 x 3, and 7.
        assert_eq!(free_huge_pages(buddyinfo), 14);
        assert_eq!(free_huge_pages("no such file"), 0);
    }

    #[test]
    fn huge_pages_are_summed_over_the_files_of_one_directory() {
        let smaps = "\
7f00-7f40 rw-s 0 00:17 5                          /dev/shm/a/x.ring
Rss:                4096 kB
ShmemPmdMapped:     4096 kB
7f10-7f50 r--s 0 00:17 5                          /dev/shm/a/x.ring
ShmemPmdMapped:     4096 kB
7f40-7f80 rw-s 0 00:17 6                          /dev/shm/ab/y.ring
ShmemPmdMapped:     2048 kB
7f80-7fc0 r--s 0 00:17 7                          /dev/shm/a/z.ring
ShmemPmdMapped:     2048 kB
7fc0-7fd0 rw-p 0 00:00 0
ShmemPmdMapped:     2048 kB
";
        assert_eq!(of_smaps(smaps, Path::new("/dev/shm/a")), 6 << 20);
    }
}
