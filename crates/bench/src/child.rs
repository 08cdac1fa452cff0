//! The processes that a benchmark starts, and the directory where they write. All of it is gone at
//! the end, also when the run fails or is interrupted.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::{Error, Result, limits, procfs, raw};

/// Settings of the outside that would make our server another one.
const NOT_INHERITED: [&str; 7] = [
    "NATTER_CONFIG",
    "NATTER_DATA",
    "NATTER_DATABASE",
    "NATTER_LISTEN",
    "NATTER_PUBLIC_URL",
    "NATTER_REDIS",
    "NATTER_ROLE",
];

/// A process of this same binary that listens on loopback. Dropped, it is killed.
pub(crate) struct Child {
    process: tokio::process::Child,
    pid: u32,
    /// `HOST:PORT`
    pub(crate) address: String,
    /// Open as long as the child shall live; the echo server ends with it.
    _stdin: ChildStdin,
    _stdout: BufReader<ChildStdout>,
}

impl Child {
    /// Runs `natter ARGS` and waits for its line "listening on http://HOST:PORT".
    pub(crate) async fn start(args: &[&OsStr]) -> Result<Self> {
        let what = args.first().map_or_else(String::new, |arg| arg.display().to_string());
        let failed = |why: String| Error::Child { what: what.clone(), why };
        let mut command = Command::new(std::env::current_exe()?);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        if std::env::var_os("NATTER_LOG").is_none() {
            command.env("NATTER_LOG", "error");
        }
        let mut process = command.spawn().map_err(|e| failed(e.to_string()))?;
        let pid = process.id().ok_or_else(|| failed("it ended at once".into()))?;
        let stdin = process.stdin.take().expect("it was asked for above");
        let mut stdout = BufReader::new(process.stdout.take().expect("it was asked for above"));
        let mut line = String::new();
        let said = timeout(limits::START_WAIT, stdout.read_line(&mut line)).await;
        said.map_err(|_| failed("it does not say that it listens".into()))??;
        let Some(address) = line.trim_end().strip_prefix("listening on http://") else {
            return Err(failed("it ended before it listened".into()));
        };
        let address = address.to_owned();
        Ok(Self { process, pid, address, _stdin: stdin, _stdout: stdout })
    }

    pub(crate) async fn start_echo() -> Result<Self> {
        Self::start(&[OsStr::new("bench-echo")]).await
    }

    /// Asks it to end, and kills it if it does not.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It fails where the process has ended by itself, which is what we want.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if timeout(limits::STOP_WAIT, self.process.wait()).await.is_err() {
            self.process.kill().await?;
        }
        Ok(())
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage { pid: Some(self.pid) }
    }
}

/// Where the processor time and the memory of a server are read. `pid` None: it is not on this
/// machine, or was not started by us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pid: Option<u32>,
}

impl Usage {
    pub(crate) fn own() -> Self {
        Self { pid: Some(std::process::id()) }
    }

    /// Microseconds so far.
    pub(crate) fn cpu_us(self) -> Option<f64> {
        self.pid.and_then(procfs::cpu_us)
    }

    pub(crate) fn resident_bytes(self) -> Option<f64> {
        self.pid.and_then(procfs::resident_bytes)
    }
}

/// The natter server under test.
pub(crate) struct Server {
    /// `HOST:PORT`
    pub(crate) address: String,
    process: Option<Child>,
    /// Of our own server: database and settings.
    directory: Option<TempDir>,
}

impl Server {
    /// The server that the user named, or one of our own on a fresh database.
    pub(crate) async fn start(server: Option<&str>) -> Result<Self> {
        if let Some(server) = server {
            return Ok(Self { address: raw::authority(server)?, process: None, directory: None });
        }
        let directory = directory_on_disk()?;
        std::fs::write(directory.path().join("natter.toml"), settings())?;
        let process = serve(directory.path()).await?;
        let address = process.address.clone();
        Ok(Self { address, process: Some(process), directory: Some(directory) })
    }

    /// The same data in a new process: what signing people up left in the memory is gone.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        if let (Some(process), Some(directory)) = (self.process.take(), &self.directory) {
            process.stop().await?;
            let process = serve(directory.path()).await?;
            self.address.clone_from(&process.address);
            self.process = Some(process);
        }
        Ok(())
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn usage(&self) -> Usage {
        self.process.as_ref().map_or(Usage { pid: None }, Child::usage)
    }

    /// Ends it if it is ours. What it wrote goes with the directory.
    pub(crate) async fn stop(self) -> Result<()> {
        match self.process {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }
}

async fn serve(directory: &Path) -> Result<Child> {
    let settings = directory.join("natter.toml");
    let data = directory.join("data");
    Child::start(&[
        OsStr::new("serve"),
        OsStr::new("--listen"),
        OsStr::new("127.0.0.1:0"),
        OsStr::new("--config"),
        settings.as_os_str(),
        OsStr::new("--data"),
        data.as_os_str(),
    ])
    .await
}

/// The defaults, except for what keeps people from being as fast as a benchmark.
fn settings() -> String {
    let rate = format!("{{ burst = {0}, per_minute = {0} }}", u32::MAX);
    let rates: String = ["auth_loopback", "sends", "light", "pages", "heavy"]
        .map(|name| format!("{name} = {rate}\n"))
        .concat();
    format!("connections_max = {}\n[rates]\n{rates}", limits::CONNECTIONS_MAX + 1_000)
}

/// A temporary directory where a sync reaches a disk: below `target` of the current directory, else
/// where the system puts temporary files.
pub(crate) fn directory_on_disk() -> Result<TempDir> {
    let places = [PathBuf::from("target"), std::env::temp_dir(), PathBuf::from(".")];
    let place = places.iter().find(|place| place.is_dir() && !is_memory(place));
    let place = place.ok_or(Error::NoDisk)?.canonicalize()?;
    Ok(tempfile::Builder::new().prefix("natter-bench-").tempdir_in(place)?)
}

/// A file system without a disk, where a sync costs nothing and every figure would be a lie.
#[cfg(target_os = "linux")]
fn is_memory(place: &Path) -> bool {
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    rustix::fs::statfs(place).is_ok_and(|disk| matches!(disk.f_type as u32, TMPFS | RAMFS))
}

#[cfg(not(target_os = "linux"))]
fn is_memory(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_system_in_memory_is_refused() {
        if Path::new("/dev/shm").is_dir() {
            assert!(is_memory(Path::new("/dev/shm")));
        }
        assert!(!is_memory(Path::new("/proc/self/nowhere")));
        let directory = directory_on_disk().unwrap();
        assert!(!is_memory(directory.path()));
    }
}
