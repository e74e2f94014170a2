//! What benchmarks measure, and how: medians, and the CPU time and memory of a process, as Linux reports them in `/proc`.

use std::time::Duration;

/// Returns the median of at least one figure.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Returns the CPU time that the threads of a process have used, in user and system mode, to the nanosecond
/// (<https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat>). Threads that have ended are missing. `/proc/PID/stat`
/// has them, but counts in hundredths of a second: some percent of what a benchmark measures.
#[must_use]
pub fn cpu(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let nanoseconds = threads.filter_map(|thread| {
        let spent = std::fs::read_to_string(thread.unwrap().path().join("schedstat"));
        let spent = spent.ok()?; // or it has just ended
        spent.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Returns the peak of the resident memory of a process, in KiB.
#[must_use]
pub fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    peak.split_whitespace().next().unwrap().parse().unwrap()
}
