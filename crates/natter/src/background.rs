//! This machine's own server: one per user, started by whichever `natter` needs it first, shared by
//! all profiles and terminals, as tmux does it. A lock file in the runtime directory keeps it
//! single; the operating system drops the lock when the server dies, however it dies.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Seek, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use etcetera::BaseStrategy;
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

/// In `session.json` in the place of an address: "this machine's own server, wherever it listens
/// now".
pub(crate) const LOCAL: &str = "local";
/// How long a stopped server may take to drain.
const STOP_MAX: Duration = Duration::from_secs(15);
/// A log larger than this is begun anew at the next start; the old one is kept as `server.log.1`.
const LOG_BYTES_MAX: u64 = 8 << 20;

/// The files of the background server.
pub(crate) struct Places {
    pub(crate) data: PathBuf,
    pub(crate) log: PathBuf,
    /// Held by the server for as long as it lives.
    lock: PathBuf,
    /// Held by whoever looks for the server, starts or stops it: one at a time.
    turn: PathBuf,
}

/// What the running server writes into its lock file, for everybody to find it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    pub(crate) url: String,
    pub(crate) version: String,
}

pub(crate) fn places() -> Result<Places> {
    let base = etcetera::choose_base_strategy().context("no home directory")?;
    let runtime = base.runtime_dir().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("natter-{}", rustix::process::getuid().as_raw()))
    });
    let runtime = runtime.join("natter");
    let state = base.state_dir().unwrap_or_else(|| base.data_dir()).join("natter");
    let data = base.data_dir().join("natter").join("server");
    for dir in [&runtime, &state, &data] {
        private_dir(dir)?;
    }
    Ok(Places {
        data,
        log: state.join("server.log"),
        lock: runtime.join("server.lock"),
        turn: runtime.join("turn.lock"),
    })
}

/// Makes a directory that is ours alone; refuses one that belongs to somebody else.
fn private_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| show(dir))?;
    let owner = fs::metadata(dir).with_context(|| show(dir))?.uid();
    ensure!(owner == rustix::process::geteuid().as_raw(), "{} belongs to somebody else", show(dir));
    Ok(())
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

/// This machine's own server has never run, so that nobody can have an account on it.
pub(crate) fn is_new() -> Result<bool> {
    Ok(!places()?.data.join("natter.db").exists())
}

/// The server that runs now, if one does.
pub(crate) fn running(places: &Places) -> Result<Option<Running>> {
    let _turn = take_turn(places)?;
    probe(places)
}

/// Looking takes the server's lock for a moment, and a server that starts in that moment would
/// believe that another one runs. So everybody who looks does it in turn.
fn take_turn(places: &Places) -> Result<File> {
    let options = &mut OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(&places.turn).with_context(|| show(&places.turn))?;
    file.lock().with_context(|| show(&places.turn))?;
    Ok(file)
}

fn probe(places: &Places) -> Result<Option<Running>> {
    let Ok(mut file) = File::open(&places.lock) else {
        return Ok(None);
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None), // nobody holds it: what is written there is history
        Err(TryLockError::WouldBlock) => {
            file.rewind()?;
            let mut text = String::new();
            BufReader::new(file).read_line(&mut text)?;
            // It holds the lock but has not written yet: it is starting.
            Ok(serde_json::from_str(&text).ok())
        }
        Err(TryLockError::Error(e)) => Err(e).context("server.lock"),
    }
}

/// The address of this machine's own server, which is started if it does not run.
pub(crate) fn ensure_running() -> Result<String> {
    Ok(found_or_started()?.0)
}

/// As [`ensure_running`]; and whether it had to be started.
pub(crate) fn found_or_started() -> Result<(String, bool)> {
    let places = places()?;
    let _turn = take_turn(&places)?;
    if let Some(running) = probe(&places)? {
        return Ok((running.url, false));
    }
    let child = spawn(&places)?;
    // The child says one line when it is ready, or ends without one when it cannot start.
    let mut said = String::new();
    let stdout = child.stdout.context("the server's standard output")?;
    BufReader::new(stdout).read_line(&mut said)?;
    match probe(&places)? {
        Some(running) => Ok((running.url, true)),
        None => bail!("the server did not start; `natter server log` tells why"),
    }
}

fn spawn(places: &Places) -> Result<Child> {
    if fs::metadata(&places.log).is_ok_and(|m| m.len() > LOG_BYTES_MAX) {
        fs::rename(&places.log, places.log.with_extension("log.1"))?;
    }
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&places.log)?;
    Command::new(std::env::current_exe().context("where am I?")?)
        .args(["server", "run"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("cannot start the server")
}

/// Taken by the server process for as long as it lives. None: another one runs.
pub(crate) fn lock(places: &Places) -> Result<Option<File>> {
    let options = &mut OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true).mode(0o600);
    let file = options.open(&places.lock).with_context(|| show(&places.lock))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(e).context("server.lock"),
    }
}

/// Tells everybody where the server is.
pub(crate) fn announce(mut lock: &File, address: SocketAddr) -> Result<()> {
    let running = Running {
        pid: std::process::id(),
        url: format!("http://{address}"),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", serde_json::to_string(&running)?)?;
    Ok(lock.flush()?)
}

/// Asks the server to drain and waits until it is gone. false: there was none.
pub(crate) fn stop(places: &Places) -> Result<bool> {
    let _turn = take_turn(places)?;
    let Some(running) = probe(places)? else {
        return Ok(false);
    };
    let pid = i32::try_from(running.pid).ok().and_then(Pid::from_raw).context("a pid")?;
    // Waiting for the lock is waiting for the end of the process.
    let file = File::open(&places.lock)?;
    rustix::process::kill_process(pid, Signal::TERM).context("cannot signal the server")?;
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(file.lock_shared()));
    ended.recv_timeout(STOP_MAX).context("the server does not stop")??;
    Ok(true)
}

/// The port of last time, so that addresses stay good over a restart; 0 = any.
pub(crate) fn last_port(places: &Places) -> u16 {
    let text = fs::read_to_string(places.data.join("port")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

pub(crate) fn remember_port(places: &Places, port: u16) -> Result<()> {
    Ok(fs::write(places.data.join("port"), port.to_string())?)
}
