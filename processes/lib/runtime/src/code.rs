//! The process's own code, in memory of its own.
//!
//! A binary is run where the kernel's cache of its file lies: in pages of 4 KiB, one by one, wherever one was free when the
//! linker wrote it. Measured under a hypervisor, which forgets translations every 50 us: the same gateway took 3.2 us of an
//! order's path as it was linked, and 1.8 us when its file had been copied since. So a hot process does not leave it to the
//! file's history: it copies its code once, at its start, to memory that lies together, on a page of 2 MiB where there is
//! one, and puts the copy where the code was.
//!
//! ```text
//! before   address ─▶ file's pages, 4 KiB each         r-xp  tickway-risk
//! after    the same address ─▶ one page of 2 MiB       r-xp  (no file)
//! ```
//! A profiler that looks for symbols by the map's file finds none then: `host.own_code = false` leaves the code where it is.

use crate::huge_pages::{HUGE_PAGE_BYTES, populate, release, reserve};
use std::io;
use std::ops::Range;

/// Puts this process's code into memory of its own; returns its bytes, 0 when that was done before.
///
/// # Errors
/// What the system refuses, as memory that is written and then run where a policy forbids it: the code then stays where it is.
pub fn take_in() -> io::Result<usize> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let code = code_around(&maps, (take_in as fn() -> io::Result<usize>) as usize);
    let Some(Code { map: code, free_until }) = code else { return Ok(0) };
    let (bytes, room) = (code.len(), code.len().next_multiple_of(HUGE_PAGE_BYTES));
    // Linked to lie on huge pages, with nothing else on the last of them: it is moved with what it does not fill.
    let whole = code.start.is_multiple_of(HUGE_PAGE_BYTES) && code.start + room <= free_until;
    let taken = if whole { room } else { bytes };
    let copy = reserve(room)?;
    populate(copy, room);
    let (from, protection) = (std::ptr::with_exposed_provenance::<u8>(code.start), libc::PROT_READ | libc::PROT_EXEC);
    // SAFETY: both ranges have `bytes` bytes: the code's map, which nobody writes, and the new map, which nobody else knows.
    unsafe { std::ptr::copy_nonoverlapping(from, copy, bytes) };
    // SAFETY: the range is this call's own map.
    let protected = unsafe { libc::mprotect(copy.cast(), taken, protection) } == 0;
    let moved = protected && {
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        let place = std::ptr::with_exposed_provenance_mut::<u8>(code.start);
        // SAFETY: the copy takes the place of what it is a copy of, byte for byte, in one step of the kernel's: who runs
        // there meanwhile waits for its lock and goes on with the same instructions.
        unsafe { libc::mremap(copy.cast(), taken, taken, flags, place) != libc::MAP_FAILED }
    };
    let (error, kept) = (io::Error::last_os_error(), if moved { taken } else { 0 });
    // SAFETY: the rest of this call's own map, to which nothing refers.
    unsafe { release(copy.wrapping_add(kept), room - kept) };
    if moved { Ok(bytes) } else { Err(error) }
}

/// A map of code, and how far the addresses behind it are free.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Code {
    map: Range<usize>,
    free_until: usize,
}

/// The map of a file that holds `place`; `None` when it is no file's.
fn code_around(maps: &str, place: usize) -> Option<Code> {
    let parsed = |line: &'_ str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let is_code = rest.starts_with("r-x") && rest.contains('/');
        Some((usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?, is_code))
    };
    let mut lines = maps.lines().filter_map(parsed).skip_while(|(map, _)| !map.contains(&place));
    let (map, _) = lines.next().filter(|(_, is_code)| *is_code)?;
    Some(Code { map, free_until: lines.next().map_or(usize::MAX, |(next, _)| next.start) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
555e03a00000-555e03a20000 r--p 00000000 fe:00 10258925                   /opt/tickway/tickway-risk
555e03a20000-555e03ab7000 r-xp 00020000 fe:00 10258925                   /opt/tickway/tickway-risk
7fbe93394000-7fbe934ea000 r-xp 00000000 00:00 0
";

    #[test]
    fn the_code_is_the_files_map_around_a_place() {
        let code = Code { map: 0x555e_03a2_0000..0x555e_03ab_7000, free_until: 0x7fbe_9339_4000 };
        assert_eq!(code_around(MAPS, 0x555e_03a2_1000), Some(code));
        assert_eq!(code_around(MAPS, 0x555e_03a0_1000), None, "that is no code");
        assert_eq!(code_around(MAPS, 0x7fbe_9339_4000), None, "that is no file's any more");
        assert_eq!(code_around(MAPS, 1), None);
    }

    #[test]
    fn code_runs_on_from_memory_of_its_own() {
        let place = (code_around as fn(&str, usize) -> Option<Code>) as usize;
        let held = |maps: &str| code_around(maps, place).map_or(0, |code| code.map.len());
        let before = held(&std::fs::read_to_string("/proc/self/maps").unwrap());
        // Other tests run meanwhile, on the code that moves under them.
        let moved = take_in().unwrap();
        assert_eq!((moved, held(&std::fs::read_to_string("/proc/self/maps").unwrap())), (before, 0));
        assert!(moved > 0);
        assert_eq!(take_in().unwrap(), 0, "once is enough");
    }
}
