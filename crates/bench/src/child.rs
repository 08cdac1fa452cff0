//! The processes that a benchmark starts, and the directory where they write. All of it is gone at
//! the end, also when the run fails or is interrupted.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::usage::{self, Usage};
use crate::{Error, Options, Result, limits};

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
        Usage::of("server", self.pid)
    }
}

/// The natter server under test, or several that are one system.
pub(crate) struct Server {
    /// `HOST:PORT`, at least one.
    addresses: Vec<String>,
    /// What stands behind it on this machine.
    watched: Vec<String>,
    process: Option<Child>,
    /// Of our own server: database and settings.
    directory: Option<TempDir>,
}

impl Server {
    /// The servers that the user named, or one of our own on a fresh database.
    pub(crate) async fn start(options: &Options) -> Result<Self> {
        let watched = options.watch.clone();
        if let Some(servers) = &options.server {
            return Ok(Self::of(usage::authorities(servers)?, watched));
        }
        let directory = directory_on_disk()?;
        Self::start_in(directory, watched).await
    }

    /// One of our own, on what is in `directory`.
    pub(crate) async fn start_in(directory: TempDir, watched: Vec<String>) -> Result<Self> {
        std::fs::write(directory.path().join("natter.toml"), settings())?;
        let process = serve(directory.path()).await?;
        let addresses = vec![process.address.clone()];
        Ok(Self { addresses, watched, process: Some(process), directory: Some(directory) })
    }

    /// Of several that run already and are one system.
    pub(crate) fn of(addresses: Vec<String>, watched: Vec<String>) -> Self {
        Self { addresses, watched, process: None, directory: None }
    }

    /// The first of its addresses.
    pub(crate) fn address(&self) -> &str {
        &self.addresses[0]
    }

    /// The address for client number `n`: they take turns.
    pub(crate) fn address_for(&self, n: usize) -> &str {
        &self.addresses[n % self.addresses.len()]
    }

    /// The same data in a new process: what signing people up left in the memory is gone.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.pause().await?;
        self.resume().await
    }

    /// Ends the process, if it is ours, and answers where its database lies. It must be resumed
    /// before anything else is done with it.
    pub(crate) async fn pause(&mut self) -> Result<Option<PathBuf>> {
        match self.process.take() {
            Some(process) => process.stop().await?,
            None => return Ok(None),
        }
        Ok(self.directory.as_ref().map(|directory| directory.path().join("data/natter.db")))
    }

    /// Starts it again after a pause.
    pub(crate) async fn resume(&mut self) -> Result<()> {
        if let (None, Some(directory)) = (&self.process, &self.directory) {
            let process = serve(directory.path()).await?;
            self.addresses = vec![process.address.clone()];
            self.process = Some(process);
        }
        Ok(())
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.process.is_some()
    }

    /// The servers alone.
    pub(crate) fn servers(&self) -> Usage {
        match &self.process {
            Some(process) => process.usage(),
            None => Usage::of_servers(&self.addresses),
        }
    }

    /// The servers, and what the user named that stands behind them.
    pub(crate) fn usage(&self) -> Result<Usage> {
        self.servers().with(&self.watched)
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
pub(crate) fn settings() -> String {
    let rate = format!("{{ burst = {0}, per_minute = {0} }}", u32::MAX);
    let rates: String = ["auth_loopback", "tickets", "sends", "light", "pages", "heavy"]
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
