//! What the operating system says a process has used. Linux only; `None` elsewhere, which is
//! printed as "not measured".

/// Processor time of a process so far, all threads, user and kernel, in microseconds.
pub(crate) fn cpu_us(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(ticks(&stat)? as f64 * 1e6 / ticks_per_second() as f64)
}

/// Memory of a process that is in RAM now, in bytes. The kernel's socket buffers are not part of
/// it.
pub(crate) fn resident_bytes(pid: u32) -> Option<f64> {
    // The rollup is counted page by page; the status may lag by some pages for each processor.
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
    let exact = rollup.and_then(|text| kib(&text, "Rss:"));
    let known = exact.or_else(|| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        kib(&status, "VmRSS:")
    });
    known.map(|kib| kib as f64 * 1_024.0)
}

#[cfg(target_os = "linux")]
fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

#[cfg(not(target_os = "linux"))]
fn ticks_per_second() -> u64 {
    100
}

/// utime + stime: fields 14 and 15 of proc_pid_stat(5). The second field is the program's name in
/// parentheses and may itself hold spaces and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

/// The number of a line like `Rss:      1234 kB`.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_parentheses_in_its_name_has_its_processor_time_read() {
        let stat = "4711 (a) b (c)) S 1 4711 4711 0 -1 4194560 500 0 3 0 120 45 0 0 20 0 7 0 9 1 2";
        assert_eq!(ticks(stat), Some(165));
        assert_eq!(ticks("4711 (x) S 1 2"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn memory_is_read_from_either_file() {
        let rollup =
            "55d0-7ffc ---p 00000000 00:00 0  [rollup]\nRss:    10240 kB\nPss:    9000 kB\n";
        assert_eq!(kib(rollup, "Rss:"), Some(10_240));
        assert_eq!(kib("Name:\tx\nVmRSS:\t     77 kB\n", "VmRSS:"), Some(77));
        assert_eq!(kib("Rss: many kB\n", "Rss:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_memory_and_time() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).unwrap() > 100_000.0);
        assert!(cpu_us(pid).unwrap() >= 0.0);
        assert_eq!(cpu_us(u32::MAX), None);
    }
}
