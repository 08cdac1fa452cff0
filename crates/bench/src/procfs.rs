//! What the operating system says a process has used. Linux only; `None` elsewhere, which is
//! printed as "not measured".

/// Processor time of a process so far, all threads, user and kernel, in microseconds.
pub(crate) fn cpu_us(pid: u32) -> Option<f64> {
    let stat = read_stat(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    Some(stat.ticks as f64 * 1e6 / ticks_per_second() as f64)
}

/// The same of a process and of all that it has started, also of those that have ended
/// meanwhile: a PostgreSQL is one process for each connection.
pub(crate) fn tree_cpu_us(pid: u32) -> Option<f64> {
    let all = all_stats();
    let family = family_in(&all, pid);
    if family.is_empty() {
        return None;
    }
    let ticks: u64 = family.iter().map(|stat| stat.ticks + stat.ticks_of_ended_children).sum();
    Some(ticks as f64 * 1e6 / ticks_per_second() as f64)
}

/// A process, first, and all that it has started. Empty: there is no such process.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    family_in(&all_stats(), pid).iter().map(|stat| stat.pid).collect()
}

fn family_in(all: &[Stat], pid: u32) -> Vec<&Stat> {
    let mut family: Vec<&Stat> = all.iter().filter(|stat| stat.pid == pid).collect();
    let mut next = 0;
    while let Some(parent) = family.get(next).map(|stat| stat.pid) {
        family.extend(all.iter().filter(|stat| stat.parent == parent && stat.pid != parent));
        next += 1;
    }
    family
}

/// The process that listens on this TCP port of this machine. Of several, such as a server and the
/// workers that it has started, the one that started the others. Those of other users are only
/// visible to root.
pub(crate) fn listening_on(port: u16) -> Option<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| {
        let table = std::fs::read_to_string(path).unwrap_or_default();
        table.lines().filter_map(|line| listening_inode(line, port)).collect::<Vec<u64>>()
    });
    let sockets: Vec<String> =
        tables.concat().iter().map(|inode| format!("socket:[{inode}]")).collect();
    if sockets.is_empty() {
        return None;
    }
    let owners: Vec<Stat> =
        all_stats().into_iter().filter(|stat| has_open(stat.pid, &sockets)).collect();
    let is_root = |stat: &&Stat| !owners.iter().any(|other| other.pid == stat.parent);
    owners.iter().find(is_root).map(|stat| stat.pid)
}

/// One process in the table of all.
struct Stat {
    pid: u32,
    parent: u32,
    ticks: u64,
    ticks_of_ended_children: u64,
}

fn all_stats() -> Vec<Stat> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| {
        read_stat(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    })
    .collect()
}

/// Fields 4 and 14 to 17 of proc_pid_stat(5): the parent, and user and kernel time of the process
/// and of its ended children. The second field is the program's name in parentheses and may itself
/// hold spaces and parentheses.
fn read_stat(pid: u32, stat: &str) -> Option<Stat> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let sum = |times: &[&str]| times.iter().map(|time| time.parse::<u64>().ok()).sum();
    let ticks: Option<u64> = sum(fields.get(11..13)?);
    let ended: Option<u64> = sum(fields.get(13..15)?);
    Some(Stat { pid, parent, ticks: ticks?, ticks_of_ended_children: ended? })
}

/// The inode of a socket that listens on `port`, from a line of /proc/net/tcp.
fn listening_inode(line: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let here = u16::from_str_radix(local_port, 16).ok()? == port && *fields.get(3)? == LISTEN;
    here.then(|| fields.get(9)?.parse().ok())?
}

fn has_open(pid: u32, targets: &[String]) -> bool {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .any(|target| targets.iter().any(|wanted| target.as_os_str() == wanted.as_str()))
}

/// Memory of a process that is in RAM now, in bytes. The kernel's socket buffers are not part of
/// it.
pub fn resident_bytes(pid: u32) -> Option<f64> {
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
        let ticks = |stat| read_stat(4711, stat).map(|stat| stat.ticks);
        assert_eq!(ticks(stat), Some(165));
        assert_eq!(ticks("4711 (x) S 1 2"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn a_parent_has_the_time_of_its_ended_children() {
        let stat = "7 (postgres) S 3 7 7 0 -1 4194560 500 0 3 0 120 45 1000 200 20 0 7 0 9 1 2";
        let stat = read_stat(7, stat).unwrap();
        assert_eq!((stat.parent, stat.ticks, stat.ticks_of_ended_children), (3, 165, 1_200));
    }

    #[test]
    fn a_port_is_found_only_where_somebody_listens_on_it() {
        let listens = " 0: 0100007F:1DF3 00000000:0000 0A 00000000:00000000 00:00000000 00000000 \
                       1000 0 424242 1 0 100 0 0 10 0";
        assert_eq!(listening_inode(listens, 7_667), Some(424_242));
        assert_eq!(listening_inode(listens, 7_668), None);
        assert_eq!(listening_inode(&listens.replace(" 0A ", " 01 "), 7_667), None);
        assert_eq!(listening_inode("  sl  local_address rem_address   st", 7_667), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_listener_of_a_port_is_this_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listening_on(port), Some(std::process::id()));
        assert!(tree_cpu_us(std::process::id()).unwrap() >= 0.0);
        drop(listener);
        assert_eq!(listening_on(port), None);
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
        assert!(tree_cpu_us(pid).unwrap() >= 0.0);
        assert!(cpu_us(pid).unwrap() <= tree_cpu_us(pid).unwrap());
        assert_eq!((cpu_us(u32::MAX), tree_cpu_us(u32::MAX)), (None, None));
    }
}
