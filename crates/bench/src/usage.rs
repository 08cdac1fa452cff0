//! What the processes under test use, by the books of the operating system: the servers, and what
//! stands behind them on this machine.

use crate::{Error, Result, procfs, raw};

/// Where processor time and memory are read. Empty: what is measured is not on this machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Usage {
    processes: Vec<Process>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    name: String,
    pid: u32,
    /// Whether what it has started counts as well.
    family: bool,
}

/// Processor time of one process while something was measured, in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spent {
    pub(crate) name: String,
    pub(crate) cpu_us: f64,
}

impl Usage {
    /// This process, without the servers that it has started.
    pub(crate) fn own() -> Self {
        let pid = std::process::id();
        Self { processes: vec![Process { name: "generator".to_owned(), pid, family: false }] }
    }

    pub(crate) fn of(name: &str, pid: u32) -> Self {
        Self { processes: vec![Process { name: name.to_owned(), pid, family: true }] }
    }

    /// The servers at these addresses (`HOST:PORT`) if all of them are on this machine; else none.
    pub(crate) fn of_servers(addresses: &[String]) -> Self {
        let one = |address: &String| {
            let (host, port) = address.rsplit_once(':')?;
            let here = matches!(host, "127.0.0.1" | "localhost" | "[::1]");
            let pid = here.then(|| procfs::listening_on(port.parse().ok()?))??;
            Some(Process { name: format!("natter at {port}"), pid, family: true })
        };
        let found: Option<Vec<Process>> = addresses.iter().map(one).collect();
        Self { processes: found.unwrap_or_default() }
    }

    /// Adds what was named as `NAME=PORT` or `NAME=pid:PID`.
    pub(crate) fn with(mut self, watched: &[String]) -> Result<Self> {
        for text in watched {
            self.processes.push(named(text)?);
        }
        Ok(self)
    }

    /// Microseconds so far, of all of them together.
    pub(crate) fn cpu_us(&self) -> Option<f64> {
        self.each_cpu_us().map(|each| each.iter().sum())
    }

    /// Of each, in their order. None: there are none, or one of them has ended.
    pub(crate) fn each_cpu_us(&self) -> Option<Vec<f64>> {
        if self.processes.is_empty() {
            return None;
        }
        let cpu_us = |process: &Process| match process.family {
            true => procfs::tree_cpu_us(process.pid),
            false => procfs::cpu_us(process.pid),
        };
        self.processes.iter().map(cpu_us).collect()
    }

    /// What each of them spent between two readings.
    pub(crate) fn spent(&self, before: Option<&Vec<f64>>, after: Option<&Vec<f64>>) -> Vec<Spent> {
        let (Some(before), Some(after)) = (before, after) else {
            return Vec::new();
        };
        let each = self.processes.iter().zip(before.iter().zip(after));
        each.map(|(process, (before, after))| Spent {
            name: process.name.clone(),
            cpu_us: after - before,
        })
        .collect()
    }

    pub(crate) fn resident_bytes(&self) -> Option<f64> {
        if self.processes.is_empty() {
            return None;
        }
        self.processes.iter().map(|process| procfs::resident_bytes(process.pid)).sum()
    }
}

fn named(text: &str) -> Result<Process> {
    let wrong = || Error::Invalid(format!("{text}: want NAME=PORT or NAME=pid:PID"));
    let (name, place) = text.split_once('=').ok_or_else(wrong)?;
    let pid = match place.strip_prefix("pid:") {
        Some(pid) => pid.parse().map_err(|_| wrong())?,
        None => {
            let port = place.parse().map_err(|_| wrong())?;
            procfs::listening_on(port).ok_or_else(|| {
                Error::Invalid(format!("{text}: no process of yours listens there"))
            })?
        }
    };
    if name.is_empty() || procfs::tree_cpu_us(pid).is_none() {
        return Err(wrong());
    }
    Ok(Process { name: name.to_owned(), pid, family: true })
}

/// `http://A,http://B` as `HOST:PORT` each.
pub(crate) fn authorities(servers: &str) -> Result<Vec<String>> {
    servers.split(',').map(|server| raw::authority(server.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_servers_are_separated_by_commas() {
        let found = authorities("http://127.0.0.1:7667, http://[::1]:7668/").unwrap();
        assert_eq!(found, ["127.0.0.1:7667", "[::1]:7668"]);
        assert!(authorities("http://a,").is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn processes_are_named_by_their_port_or_their_number() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, pid) = (listener.local_addr().unwrap().port(), std::process::id());
        let usage = Usage::default().with(&[format!("a={port}"), format!("b=pid:{pid}")]).unwrap();
        assert!(usage.processes.iter().all(|process| process.pid == pid));
        assert_eq!(usage.each_cpu_us().unwrap().len(), 2);
        let spent = usage.spent(Some(&vec![1.0, 2.0]), Some(&vec![4.0, 2.0]));
        assert_eq!((spent[0].name.as_str(), spent[0].cpu_us, spent[1].cpu_us), ("a", 3.0, 0.0));
        for bad in ["a", "=1", "a=x", "a=pid:", "a=pid:4194305", "=pid:1"] {
            assert!(Usage::default().with(&[bad.to_owned()]).is_err(), "{bad}");
        }
        let servers = [format!("127.0.0.1:{port}")];
        assert!(Usage::of_servers(&servers).cpu_us().is_some());
        assert!(Usage::of_servers(&["chat.example:80".to_owned()]).cpu_us().is_none());
    }
}
