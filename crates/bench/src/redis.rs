//! Private Redis servers for tests and for runs under faults: real ones, on free ports, gone with
//! the value that stands for them.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Error, Result};

/// Until a server answers, or the servers of a cluster have found each other.
const START_WAIT: Duration = Duration::from_secs(60);
/// Another program may take a port between our look and the server's: then the next one is tried.
const PORT_TRIES_MAX: u32 = 5;
/// Servers of a cluster: the fewest that can outvote one.
const CLUSTER_SERVERS: usize = 3;

/// One Redis server without persistence.
#[derive(Debug)]
pub struct Redis {
    directory: TempDir,
    port: u16,
    in_cluster: bool,
    /// The certificate, and its key, of one that speaks nothing but TLS.
    certificate: Option<(PathBuf, PathBuf)>,
    process: Option<Child>,
}

impl Redis {
    /// On a free port; it answers when this returns.
    pub fn start() -> Result<Self> {
        Self::start_as(false, None)
    }

    /// The same, reached by TLS only. Both files are PEM.
    pub fn start_with_tls(certificate: &Path, key: &Path) -> Result<Self> {
        Self::start_as(false, Some((certificate, key)))
    }

    fn start_as(in_cluster: bool, certificate: Option<(&Path, &Path)>) -> Result<Self> {
        let mut last = None;
        for _ in 0..PORT_TRIES_MAX {
            let port = free_port(in_cluster)?;
            let directory = TempDir::with_prefix("natter-redis-")?;
            let certificate = certificate.map(|(cert, key)| (cert.to_owned(), key.to_owned()));
            let mut server = Self { directory, port, in_cluster, certificate, process: None };
            match server.restart() {
                Ok(()) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("it was tried at least once"))
    }

    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `kill -9`. Nothing of what it knew is left.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A stopped process is killed all the same; both fail only where it is gone.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// On the same port, empty.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let port = self.port.to_string();
        let cluster = if self.in_cluster { "yes" } else { "no" };
        let mut command = Command::new("redis-server");
        match &self.certificate {
            None => command.args(["--port", &port]),
            Some((certificate, key)) => command
                .args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"])
                .args([Path::new("--tls-cert-file"), certificate])
                .args([Path::new("--tls-key-file"), key]),
        };
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--cluster-enabled", cluster, "--cluster-node-timeout", "1500"]);
        command.arg("--dir").arg(self.directory.path()).arg("--logfile").arg(self.log());
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let missing = |why| failed(format!("redis-server does not start: {why}; install Redis 7"));
        self.process = Some(command.spawn().map_err(missing)?);
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let process = self.process.as_mut().expect("it was started above");
            if process.try_wait()?.is_some() || since.elapsed() > START_WAIT {
                let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                return Err(failed(format!("redis-server does not listen: {log}")));
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// SIGSTOP: it holds its connections and answers nothing.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            let _ = kill_process(Pid::from_child(process), signal);
        }
    }

    /// What it answers to one command, as `redis-cli` prints it.
    pub fn ask(&self, command: &[&str]) -> Result<String> {
        cli(Some(self.port), command)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A Redis Cluster of three servers, which have no copies.
#[derive(Debug)]
pub struct RedisCluster {
    pub servers: Vec<Redis>,
}

impl RedisCluster {
    pub fn start() -> Result<Self> {
        let servers = (0..CLUSTER_SERVERS).map(|_| Redis::start_as(true, None));
        let servers = servers.collect::<Result<Vec<_>>>()?;
        let addresses: Vec<_> =
            servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", "0", "--cluster-yes"]);
        cli(None, &create)?;
        let cluster = Self { servers };
        let since = Instant::now();
        while !cluster.is_whole()? {
            if since.elapsed() > START_WAIT {
                return Err(failed("the servers of the cluster do not find each other".into()));
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(cluster)
    }

    fn is_whole(&self) -> Result<bool> {
        for server in &self.servers {
            if !server.ask(&["CLUSTER", "INFO"])?.contains("cluster_state:ok") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(Redis::url).collect()
    }
}

fn cli(port: Option<u16>, command: &[&str]) -> Result<String> {
    let mut cli = Command::new("redis-cli");
    if let Some(port) = port {
        cli.args(["-p", &port.to_string()]);
    }
    let output = cli.args(command).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(failed(format!("redis-cli {command:?}: {text}")));
    }
    Ok(text)
}

/// The servers of a cluster talk to each other on a second port, 10,000 above the first.
fn free_port(in_cluster: bool) -> Result<u16> {
    for _ in 0..1_000 {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let second = port.checked_add(10_000).filter(|_| in_cluster);
        if !in_cluster || second.is_some_and(|p| TcpListener::bind(("127.0.0.1", p)).is_ok()) {
            return Ok(port);
        }
    }
    Err(failed("no free port whose second port is free too".into()))
}

fn failed(why: String) -> Error {
    Error::Child { what: "redis-server".into(), why }
}
