//! The figures of this process, under the names that every Prometheus client gives them. What a
//! system does not tell is left out.

use std::fs;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::counters::Text;

/// When these figures were first asked for or [`begin`] was called, in unix seconds.
static STARTED: LazyLock<f64> = LazyLock::new(|| {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
});

/// Remembers that the process starts now.
pub(crate) fn begin() {
    LazyLock::force(&STARTED);
}

pub(crate) fn write(text: &mut Text) {
    let mut gauge = |name: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            text.head(name, "gauge", help);
            text.row(name, "", value);
        }
    };
    gauge("process_start_time_seconds", "When the process started, unix time.", Some(*STARTED));
    gauge("process_resident_memory_bytes", "Memory in RAM.", resident_bytes());
    gauge("process_open_fds", "Open file descriptors.", open_fds());
    let fds_max = getrlimit(Resource::Nofile).current;
    gauge("process_max_fds", "How many file descriptors may be open.", fds_max.map(|n| n as f64));
    let tasks = tokio::runtime::Handle::try_current().map(|h| h.metrics().num_alive_tasks() as f64);
    gauge("natter_tasks", "Tasks that run or wait inside of the process.", tasks.ok());
    let name = "process_cpu_seconds_total";
    text.head(name, "counter", "CPU time of the process, user and system.");
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    text.row(name, "", cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
    let name = "natter_build_info";
    text.head(name, "gauge", "Always 1; the label says which natter this is.");
    text.row(name, concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), 1);
}

/// The second number of `/proc/self/statm`, in pages. Linux only.
fn resident_bytes() -> Option<f64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as f64)
}

fn open_fds() -> Option<f64> {
    // One of them is the directory that is being read.
    let open = ["/proc/self/fd", "/dev/fd"].iter().find_map(|path| fs::read_dir(path).ok())?;
    Some(open.count().saturating_sub(1) as f64)
}
