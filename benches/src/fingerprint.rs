//! On what a figure was found: processor, kernel, cores, and the build. Read from the kernel's files; what is not there is
//! left out, never guessed.

use serde::{Deserialize, Serialize};
use std::fs::read_to_string;
use std::path::Path;

/// The machine and the build.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: Vec<usize>,
    /// Kernel.
    pub kernel: String,
    /// Governor of the first core; `None` where the kernel does not steer it (virtual machines).
    pub governor: Option<String>,
    /// Mitigations in force: name and state, without those that do not concern this processor.
    pub mitigations: Vec<(String, String)>,
    /// Transparent huge pages, the chosen one.
    pub transparent_huge_pages: Option<String>,
    /// Reserved huge pages.
    pub huge_pages: Option<u64>,
    /// Isolated cores of the kernel command line.
    pub isolated: String,
    /// Clock source.
    pub clocksource: String,
    /// The hypervisor, when there is one.
    pub virtual_machine: Option<String>,
    /// Ticks of the counter per nanosecond.
    pub ticks_per_ns: f64,
    /// Cost of a stamp in nanoseconds, and the smallest step that it can tell.
    pub stamp_ns: [f64; 2],
    /// Profile of the build.
    pub profile: String,
    /// Version of the build.
    pub version: String,
    /// Commit that it was built from; `None` when the build could not know (no clone, no git).
    pub revision: Option<String>,
    /// Whether its sources differed from that commit.
    #[serde(default)]
    pub changed: Option<bool>,
    /// Compiler, as it names itself.
    #[serde(default)]
    pub compiler: String,
    /// Target of the build.
    #[serde(default)]
    pub target: String,
}

impl Fingerprint {
    /// Of this machine and build.
    #[must_use]
    pub fn take(timeline: &crate::timeline::Timeline) -> Self {
        let cpuinfo = read_to_string("/proc/cpuinfo").unwrap_or_default();
        let stamp = crate::timeline::StampCost::measure(timeline);
        Self {
            cpu: field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cores: runtime::affinity::allowed_cpus().unwrap_or_default(),
            kernel: line_of("/proc/sys/kernel/osrelease").unwrap_or_default(),
            governor: line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            mitigations: mitigations(Path::new("/sys/devices/system/cpu/vulnerabilities")),
            transparent_huge_pages: line_of("/sys/kernel/mm/transparent_hugepage/enabled")
                .and_then(|line| chosen(&line)),
            huge_pages: line_of("/proc/sys/vm/nr_hugepages").and_then(|line| line.parse().ok()),
            isolated: line_of("/sys/devices/system/cpu/isolated").unwrap_or_default(),
            clocksource: line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource")
                .unwrap_or_default(),
            virtual_machine: hypervisor(&cpuinfo),
            ticks_per_ns: 1.0 / timeline.ns_per_tick,
            stamp_ns: [stamp.read_ns, stamp.step_ns],
            profile: if cfg!(debug_assertions) { "dev" } else { "release" }.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: known(env!("TICKWAY_COMMIT")),
            changed: known(env!("TICKWAY_CHANGED")).map(|changed| changed == "yes"),
            compiler: env!("TICKWAY_COMPILER").to_owned(),
            target: env!("TICKWAY_TARGET").to_owned(),
        }
    }

    /// The commit in words.
    #[must_use]
    pub fn commit(&self) -> String {
        let Some(revision) = &self.revision else { return "unknown".to_owned() };
        let changed = if self.changed == Some(true) { ", and changes that are not in it" } else { "" };
        format!("{revision}{changed}")
    }

    /// One line for a terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let machine = self.virtual_machine.as_ref().map_or("bare metal".to_owned(), |name| format!("VM ({name})"));
        format!(
            "{}, {} cores, {machine}, Linux {}, clocksource {}, a stamp costs {:.1} ns and steps by {:.1} ns, {} build of \
             commit {}",
            self.cpu,
            self.cores.len(),
            self.kernel,
            self.clocksource,
            self.stamp_ns[0],
            self.stamp_ns[1],
            self.profile,
            self.commit()
        )
    }
}

fn line_of(path: &str) -> Option<String> {
    let text = read_to_string(path).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

fn field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// The word in brackets: `always [madvise] never`.
fn chosen(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

fn mitigations(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<(String, String)> = entries
        .filter_map(|entry| {
            let state = read_to_string(entry.path()).ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), state.trim().to_owned()))
        })
        .filter(|(_, state)| state != "Not affected")
        .collect();
    all.sort();
    all
}

/// The processor says that it runs under a hypervisor; the firmware's tables usually say which.
fn hypervisor(cpuinfo: &str) -> Option<String> {
    let flags = field(cpuinfo, "flags")?;
    if !flags.split(' ').any(|flag| flag == "hypervisor") {
        return None;
    }
    Some(line_of("/sys/class/dmi/id/sys_vendor").unwrap_or_else(|| "unnamed".to_owned()))
}

/// What the build could find out; empty when it could not.
fn known(word: &str) -> Option<String> {
    (!word.is_empty()).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read_as_they_are_written() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC 9B14\nflags\t\t: fpu hypervisor sse\n";
        assert_eq!(field(cpuinfo, "model name"), Some("AMD EPYC 9B14"));
        assert!(hypervisor(cpuinfo).is_some());
        assert_eq!(hypervisor("flags : fpu sse\n"), None);
        assert_eq!(chosen("always [madvise] never"), Some("madvise".to_owned()));
    }

    #[test]
    fn the_build_names_itself_and_not_the_folder_it_is_started_in() {
        let here = Fingerprint::take(&crate::timeline::Timeline::measure());
        assert!(here.compiler.starts_with("rustc ") && here.target.contains('-'), "{here:?}");
        // A commit only with what is known of its changes: neither outside of a clone.
        assert_eq!(here.revision.is_some(), here.changed.is_some(), "{here:?}");
        assert!(here.revision.is_none_or(|hash| hash.len() >= 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }

    #[test]
    fn a_commit_says_when_it_is_not_all() {
        let commit = |revision: Option<&str>, changed| {
            Fingerprint { revision: revision.map(str::to_owned), changed, ..Fingerprint::default() }.commit()
        };
        assert_eq!(commit(None, None), "unknown");
        assert_eq!(commit(Some("0123abc"), Some(false)), "0123abc");
        assert_eq!(commit(Some("0123abc"), Some(true)), "0123abc, and changes that are not in it");
    }
}
