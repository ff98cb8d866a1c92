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
//! Who looks for the code in the file finds none then: a profiler its symbols, a debugger its breakpoints, a uprobe its
//! place. `host.own_code = false` leaves the code where it is.

use crate::huge_pages::{HUGE_PAGE_BYTES, populate_if_free, release, reserve};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Puts this process's code into memory of its own; returns its bytes, 0 when that was done before.
///
/// # Errors
/// What the system refuses before anything is changed, as a policy that forbids to run what was written. That the kernel
/// has no memory for the last step, which takes the old map away before it puts the new one there, ends the process.
pub fn take_in() -> io::Result<usize> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let code = code_around(&maps, (take_in as fn() -> io::Result<usize>) as usize);
    let Some(Code { map, offset, free_until, file }) = code else { return Ok(0) };
    // Started through a loader or an emulator, the process's binary is that one.
    if std::fs::read_link("/proc/self/exe")? != Path::new(&file) {
        return Err(io::Error::other(format!("the code is of {file}, which is not this process's binary")));
    }
    let (bytes, room) = (map.len(), map.len().next_multiple_of(HUGE_PAGE_BYTES));
    // Linked to lie on huge pages, with nothing else on the last of them: it is moved with what it does not fill.
    let whole = map.start.is_multiple_of(HUGE_PAGE_BYTES) && map.start + room <= free_until;
    let taken = if whole { room } else { bytes };
    let copy = reserve(room)?;
    populate_if_free(copy, room);
    // SAFETY: the first `bytes` bytes of this call's own map, present and zero, which nothing else refers to.
    let to = unsafe { std::slice::from_raw_parts_mut(copy, bytes) };
    // From the file, not from memory: there a uprobe may have written a trap that the kernel knows only at its old place.
    let moved = read(to, offset).and_then(|()| put(copy, taken, map.start));
    let kept = if moved.is_ok() { taken } else { 0 };
    // SAFETY: the rest of this call's own map, to which nothing refers any more.
    unsafe { release(copy.wrapping_add(kept), room - kept) };
    moved.map(|()| bytes)
}

/// Reads this process's binary from `offset` on. A map's last page goes on past the end of its file with zeros.
fn read(to: &mut [u8], offset: u64) -> io::Result<()> {
    let binary = File::open("/proc/self/exe")?;
    let length = binary.metadata()?.len().saturating_sub(offset).min(to.len() as u64);
    binary.read_exact_at(&mut to[..length as usize], offset)
}

/// Puts `taken` bytes of a copy where the code is that they are a copy of.
fn put(copy: *mut u8, taken: usize, start: usize) -> io::Result<()> {
    // SAFETY: the range is the caller's own map.
    if unsafe { libc::mprotect(copy.cast(), taken, libc::PROT_READ | libc::PROT_EXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    let place = std::ptr::with_exposed_provenance_mut::<libc::c_void>(start);
    // SAFETY: the copy takes the place of what it is a copy of, byte for byte (of the process's binary, which the map was
    // found to be of and which cannot be written while it runs), and of addresses behind it at which nothing was mapped when
    // the process began, and which no later map was asked for (the kernel places maps far from a binary). Whoever runs or faults there meanwhile waits for the lock of the process's maps, and goes on with the same bytes.
    if unsafe { libc::mremap(copy.cast(), taken, taken, flags, place) } == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A map of code, where in its file it begins, how far the addresses behind it are free, and its file.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Code {
    map: Range<usize>,
    offset: u64,
    free_until: usize,
    file: String,
}

/// The map of a file that holds `place`; `None` when it is no file's.
fn code_around(maps: &str, place: usize) -> Option<Code> {
    let parsed = |line: &'_ str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let map = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        let offset = u64::from_str_radix(rest.split_ascii_whitespace().nth(1)?, 16).ok()?;
        let file = rest.find('/').map(|at| rest[at..].to_owned());
        Some((map, file.filter(|_| rest.starts_with("r-x")).map(|file| (offset, file))))
    };
    let mut maps = maps.lines().filter_map(parsed).skip_while(|(map, _)| !map.contains(&place));
    let (map, of_file) = maps.next()?;
    let (offset, file) = of_file?;
    Some(Code { map, offset, free_until: maps.next().map_or(usize::MAX, |(next, _)| next.start), file })
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
        let (map, file) = (0x555e_03a2_0000..0x555e_03ab_7000, "/opt/tickway/tickway-risk".to_owned());
        let code = Code { map, offset: 0x20000, free_until: 0x7fbe_9339_4000, file };
        assert_eq!(code_around(MAPS, 0x555e_03a2_1000), Some(code));
        assert_eq!(code_around(MAPS, 0x555e_03a0_1000), None, "that is no code");
        assert_eq!(code_around(MAPS, 0x7fbe_9339_4000), None, "that is no file's any more");
        assert_eq!(code_around(MAPS, 1), None);
    }

    #[test]
    fn code_that_is_not_of_the_processs_binary_stays_where_it_is() {
        // A loader that is started with a program as its argument is the process's binary, and the program is not.
        let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
        if !loader.exists() {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: no loader at /lib64\n");
            return;
        }
        let own = std::env::current_exe().unwrap();
        let test = "code::tests::code_runs_on_from_memory_of_its_own";
        let output = std::process::Command::new(loader).arg(own).args([test, "--exact"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("not this process's binary") && output.status.code() == Some(101), "{output:?}");
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
