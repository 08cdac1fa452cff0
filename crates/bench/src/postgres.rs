//! Private PostgreSQL servers for runs under faults: real ones, on free ports, gone with the value
//! that stands for them.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::{Error, Result, procfs};

/// Where `initdb` and `postgres` are. `cargo xtask` sets it.
pub const PROGRAMS: &str = "NATTER_TEST_POSTGRES_BIN";
/// Until it takes connections, also behind a crash.
const START_WAIT: Duration = Duration::from_secs(60);
/// How often it is asked meanwhile.
const ASKED_EVERY: Duration = Duration::from_millis(20);
/// Another program may take a port between our look and the server's: then the next one is tried.
const PORT_TRIES_MAX: u32 = 5;
/// PostgreSQL refuses to run as root; this account, which has no rights, is on every Unix.
const NOBODY: u32 = 65_534;

/// What is the same in every start. Durability as in production.
const OPTIONS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "shared_buffers=32MB",
    "max_connections=100",
    "max_wal_size=256MB",
    "logging_collector=off",
];

/// A disk of its own, in a mount namespace that ends with the server; then all as for any other.
/// Who is not root may mount in a user namespace, in which he is; PostgreSQL, which does not run as
/// root, then gets another one in it, in which he is himself again.
const ON_A_DISK: &str = r#"
mount -t tmpfs -o "size=$DISK,mode=0700" natter "$DATA" || exit 1
run='"$BIN/initdb" $INIT --pgdata="$DATA/db" >&2 && exec "$BIN/postgres" "$@"'
if [ "$ID" = 0 ]; then
    chown 65534:65534 "$DATA"
    exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "$run" postgres "$@"
fi
exec unshare --user --map-user="$ID" --map-group="$ID" sh -c "$run" postgres "$@"
"#;

/// One server.
#[derive(Debug)]
pub struct Postgres {
    directory: TempDir,
    programs: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Postgres {
    /// On a free port; it takes connections when this returns.
    pub fn start() -> Result<Self> {
        Self::start_as(|server| {
            let mut init = server.command("initdb");
            init.args(INIT).arg("--pgdata").arg(server.data());
            let done = init.output()?;
            if !done.status.success() {
                let why = String::from_utf8_lossy(&done.stderr).into_owned();
                return Err(failed(format!("initdb: {why}")));
            }
            server.restart()
        })
    }

    /// With a disk of its own, which is as large as tmpfs understands: `96m`.
    pub fn start_on_a_disk(size: &str) -> Result<Self> {
        Self::start_as(|server| {
            let mut command = Command::new("unshare");
            command.arg("--mount");
            if !geteuid().is_root() {
                command.arg("--map-root-user");
            }
            command.args(["sh", "-c", ON_A_DISK, "sh"]).args(server.arguments());
            command.env("ID", geteuid().as_raw().to_string());
            command.env("BIN", &server.programs).env("DATA", server.directory.path());
            command.env("DISK", size).env("INIT", INIT.join(" ")).env("LC_ALL", "C");
            server.run(command)
        })
    }

    fn start_as(begin: impl Fn(&mut Self) -> Result<()>) -> Result<Self> {
        let programs = std::env::var_os(PROGRAMS).map(PathBuf::from);
        let programs = programs.ok_or_else(|| failed(format!("`cargo xtask` sets {PROGRAMS}")))?;
        let mut last = None;
        for _ in 0..PORT_TRIES_MAX {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            let directory = TempDir::with_prefix("natter-postgres-")?;
            if geteuid().is_root() {
                chown(directory.path(), Some(NOBODY), Some(NOBODY))?;
            }
            let programs = programs.clone();
            let mut server = Self { directory, programs, port, process: None };
            match begin(&mut server) {
                Ok(()) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("it was tried at least once"))
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("db")
    }

    fn arguments(&self) -> Vec<String> {
        let port = self.port.to_string();
        let data = self.data().display().to_string();
        let mut arguments = vec!["-D".to_owned(), data, "-p".to_owned(), port];
        arguments.extend(OPTIONS.iter().flat_map(|option| ["-c".to_owned(), (*option).to_owned()]));
        arguments
    }

    /// A program of PostgreSQL's, under an account that it accepts.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        if geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.env("LC_ALL", "C").current_dir("/");
        command
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of one of its databases, by way of `address`, where the server itself is or a line
    /// to it.
    pub fn url(&self, address: &str, database: &str) -> String {
        format!("postgres://postgres@{address}/{database}")
    }

    /// Where it is.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `kill -9` of all its processes at once, as when a machine dies under it.
    pub fn kill(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        for pid in procfs::family(process.id()) {
            signal(pid, Signal::KILL);
        }
        let _ = process.wait();
    }

    /// On the same port, with the same data; it takes connections when this returns.
    pub fn restart(&mut self) -> Result<()> {
        let mut command = self.command("postgres");
        command.args(self.arguments());
        self.run(command)
    }

    fn run(&mut self, mut command: Command) -> Result<()> {
        self.kill();
        let log = File::options().create(true).append(true).open(self.log())?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.process = Some(command.spawn()?);
        let since = Instant::now();
        while !self.is_ready()? {
            let process = self.process.as_mut().expect("it was started above");
            if process.try_wait()?.is_some() || since.elapsed() > START_WAIT {
                let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                return Err(failed(format!("PostgreSQL does not start: {log}")));
            }
            std::thread::park_timeout(ASKED_EVERY);
        }
        Ok(())
    }

    fn is_ready(&self) -> Result<bool> {
        let port = self.port.to_string();
        let mut ask = self.command("pg_isready");
        ask.args(["--quiet", "--host=127.0.0.1", "--port", &port]);
        Ok(ask.status()?.success())
    }

    fn log(&self) -> PathBuf {
        self.directory.path().with_extension("log")
    }

    /// SIGSTOP to all its processes: it holds its connections and answers nothing.
    pub fn pause(&self) {
        self.signal_all(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal_all(Signal::CONT);
    }

    fn signal_all(&self, which: Signal) {
        let process = self.process.as_ref().map(Child::id);
        process.into_iter().flat_map(procfs::family).for_each(|pid| signal(pid, which));
    }

    /// How many processes it has: one for each connection, and a few of its own.
    pub fn processes(&self) -> usize {
        let process = self.process.as_ref().map(Child::id);
        process.map_or(0, |pid| procfs::family(pid).len())
    }

    /// Runs SQL; what it answers, unaligned and without heads.
    pub fn ask(&self, database: &str, sql: &str) -> Result<String> {
        let url = self.url(&self.address(), database);
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", &url, "-c", sql]);
        let done = psql.stdin(Stdio::null()).output()?;
        if !done.status.success() {
            return Err(failed(format!("psql: {}", String::from_utf8_lossy(&done.stderr))));
        }
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    }

    /// Fills the disk that it was started on.
    pub fn fill_disk(&self) -> Result<()> {
        let mut file = File::create(self.ballast()?)?;
        for bytes in [1 << 20, 4_096, 1] {
            let why = fill(&mut file, &vec![0_u8; bytes]);
            if why.kind() != ErrorKind::StorageFull {
                return Err(why.into());
            }
        }
        Ok(())
    }

    /// Makes room on it again.
    pub fn free_disk(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.ballast()?)?)
    }

    /// As the server sees its disk.
    fn ballast(&self) -> Result<PathBuf> {
        let process = self.process.as_ref().ok_or_else(|| failed("it does not run".to_owned()))?;
        let root = Path::new("/proc").join(process.id().to_string()).join("root");
        let directory = self.directory.path().strip_prefix("/").expect("it is absolute");
        Ok(root.join(directory).join("ballast"))
    }
}

/// Writes until nothing more fits. Why not.
fn fill(file: &mut File, chunk: &[u8]) -> std::io::Error {
    loop {
        if let Err(why) = file.write_all(chunk) {
            return why;
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(self.log());
    }
}

const INIT: &[&str] =
    &["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"];

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // One that has ended meanwhile needs none.
        let _ = kill_process(pid, signal);
    }
}

fn failed(why: String) -> Error {
    Error::Child { what: "test".to_owned(), why }
}
