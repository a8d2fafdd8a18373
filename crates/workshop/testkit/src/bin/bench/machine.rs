//! What the kernel knows: CPU time of processes and threads, resident memory, which machine this is.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// User and system time of a process, its ended threads included, in the kernel's ticks of 10 ms.
pub(crate) fn cpu_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name, which stands in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = |field: usize| fields.split_whitespace().nth(field).and_then(|text| text.parse::<u64>().ok()).unwrap();
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// User and system time of this process.
pub(crate) fn own_cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

/// User and system time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let now = clock_gettime(id);
    Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
}

/// Resident memory of a process in MiB: all of it, and the part that no file backs.
pub(crate) fn resident_mib(pid: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let kib = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok()).unwrap()
    };
    (kib("VmRSS:") / 1024.0, kib("RssAnon:") / 1024.0)
}

/// Memory of a process that it wrote and shares with nobody.
pub(crate) fn private_dirty_bytes(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process runs");
    let line = text.lines().find(|line| line.starts_with("Private_Dirty:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// What the files under a folder take on the disk; links are not followed.
pub(crate) fn disk_bytes(folder: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => disk_bytes(&entry.path()),
        Ok(found) => found.blocks() * 512,
        // Gone meanwhile.
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

/// `4 × Some CPU, Linux 6.1`
pub(crate) fn named() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown CPU");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} × {model}, Linux {}", kernel.trim())
}

/// How busy the machine was, others included: the load average of the last minute.
pub(crate) fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}
