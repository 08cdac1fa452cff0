//! The real servers that tests talk to: one function per service, started for one run and gone
//! after it, whatever ended the run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Where tests find PostgreSQL. Set by hand, that server is used and none is started.
pub(crate) const POSTGRES: &str = "NATTER_TEST_POSTGRES";

/// The directory with the programs of PostgreSQL, for tests that start and kill one.
pub(crate) const POSTGRES_BIN: &str = "NATTER_TEST_POSTGRES_BIN";

/// Another program may take the port between our look and PostgreSQL's: then the next one is tried.
const PORT_TRIES_MAX: u32 = 5;

/// Starts PostgreSQL and holds it until its standard input is closed. The system closes that pipe
/// when xtask ends, be it by `kill -9`, so no server is ever left behind. Signals from the terminal
/// are for xtask; the minder ends with it.
const POSTGRES_MINDER: &str = r#"
trap '' INT TERM HUP
"$BIN/pg_ctl" --pgdata="$DATA" --log="$DATA/log" --wait --options="$OPTIONS" start >/dev/null 2>&1 \
    || { cat "$DATA/log" >&2; exit 1; }
echo ready
cat >/dev/null
"$BIN/pg_ctl" --pgdata="$DATA" --mode=immediate --wait stop >/dev/null
rm -rf "$DATA"
"#;

/// Durability as in production. Tests see many short connections and little data.
const POSTGRES_OPTIONS: &str = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c shared_buffers=32MB -c max_connections=200 -c max_wal_size=256MB -c log_min_messages=fatal";

pub(crate) enum Postgres {
    Given { url: String },
    Started { url: String, minder: Child, directory: PathBuf },
}

impl Postgres {
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Given { url } | Self::Started { url, .. } => url,
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Self::Started { minder, directory, .. } = self {
            drop(minder.stdin.take());
            let ended = minder.wait().and_then(|_| fs::remove_dir_all(&*directory));
            if let Err(error) = ended {
                eprintln!("{}: {error}", directory.display());
            }
        }
    }
}

/// The PostgreSQL that the environment names, or one of our own.
pub(crate) fn postgres(target: &Path) -> Result<Postgres> {
    match std::env::var(POSTGRES) {
        Ok(url) => Ok(Postgres::Given { url }),
        Err(_) => private_postgres(target),
    }
}

/// Empty, on a free loopback port, with its files below `target`.
fn private_postgres(target: &Path) -> Result<Postgres> {
    let programs = postgres_programs()?;
    let account = server_account()?;
    let directory = server_directory(target, account)?;
    let data = directory.join("data");
    init_database(&programs, &data, account)?;
    for _ in 0..PORT_TRIES_MAX {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let Some(minder) = start_postgres(&programs, &data, port, account)? else {
            continue;
        };
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        return Ok(Postgres::Started { url, minder, directory });
    }
    bail!("PostgreSQL did not start; its log is in {}", data.display())
}

/// Where `initdb` and its like are. Installs them where they are missing.
pub(crate) fn postgres_programs() -> Result<PathBuf> {
    match find_postgres() {
        Some(programs) => Ok(programs),
        None => install_postgres(),
    }
}

/// The directory that holds `initdb` and `pg_ctl`: the newest of Debian's, Homebrew's, PATH's.
fn find_postgres() -> Option<PathBuf> {
    let mut found = Vec::new();
    for parent in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"] {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let version = name.trim_start_matches("postgresql@").parse::<u32>();
            found.push((version.unwrap_or(0), entry.path().join("bin")));
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path).map(|programs| (0, programs)));
    found.retain(|(_, programs)| ["initdb", "pg_ctl"].iter().all(|p| programs.join(p).is_file()));
    found.into_iter().max_by_key(|(version, _)| *version).map(|(_, programs)| programs)
}

fn install_postgres() -> Result<PathBuf> {
    if !may_install() {
        bail!(
            "the tests need PostgreSQL 13 or newer (initdb, pg_ctl). Install it: {}; or name a \
             running one: {POSTGRES}=postgres://USER@HOST:PORT/DATABASE",
            if is_debian() {
                "sudo apt-get install -y --no-install-recommends postgresql"
            } else if cfg!(target_os = "macos") {
                "brew install postgresql"
            } else {
                "the package postgresql-server of your system"
            }
        );
    }
    println!("installing PostgreSQL");
    apt_get(&["update"])?;
    // Debian makes and starts a cluster on installation unless this file says otherwise.
    apt_get(&["install", "-y", "--no-install-recommends", "postgresql-common"])?;
    fs::write("/etc/postgresql-common/createcluster.conf", "create_main_cluster = false\n")?;
    apt_get(&["install", "-y", "--no-install-recommends", "postgresql"])?;
    find_postgres().context("PostgreSQL was installed, but initdb and pg_ctl are not there")
}

fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists()
}

/// Whether what is missing can be installed here without asking anybody.
pub(crate) fn may_install() -> bool {
    is_debian() && rustix::process::geteuid().is_root()
}

pub(crate) fn apt_get(args: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let status = command.status()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// PostgreSQL refuses to run as root: then it gets another account. None: it runs as we do.
fn server_account() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    let account = ["postgres", "nobody"].iter().find_map(|name| account_of(&accounts, name));
    Ok(Some(account.context("neither postgres nor nobody is in /etc/passwd")?))
}

/// User and group number of a line `name:password:uid:gid:…`.
fn account_of(accounts: &str, name: &str) -> Option<(u32, u32)> {
    let fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut named = fields.filter(|fields| fields[0] == name);
    match named.next()?.as_slice() {
        [_, _, uid, gid, ..] => Some((uid.parse().ok()?, gid.parse().ok()?)),
        _ => None,
    }
}

/// A fresh directory below `target`, or in the system's temporary directory where the account of
/// the server may not enter `target` (a checkout in the home of root).
fn server_directory(target: &Path, account: Option<(u32, u32)>) -> Result<PathBuf> {
    fs::create_dir_all(target)?;
    let open_to_all = |directory: &Path| {
        fs::metadata(directory).is_ok_and(|found| found.permissions().mode() & 0o001 != 0)
    };
    let parent = if account.is_none() || target.ancestors().all(open_to_all) {
        target.to_path_buf()
    } else {
        std::env::temp_dir()
    };
    let directory = parent.join(format!("natter-test-postgres-{}", std::process::id()));
    fs::create_dir(&directory).with_context(|| directory.display().to_string())?;
    if let Some((uid, gid)) = account {
        chown(&directory, Some(uid), Some(gid))?;
    }
    Ok(directory)
}

fn init_database(programs: &Path, data: &Path, account: Option<(u32, u32)>) -> Result<()> {
    // People are found by byte order. macOS has that order only under the name C.
    let locale = if cfg!(target_os = "macos") { "C" } else { "C.UTF-8" };
    let mut command = as_account(programs.join("initdb"), account);
    command.arg("--pgdata").arg(data).args(["--username=postgres", "--auth=trust", "--no-sync"]);
    command.arg("--encoding=UTF8").arg(format!("--locale={locale}"));
    let output = command.current_dir("/").output().context("initdb")?;
    ensure!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// None: PostgreSQL could not start on this port; its log was printed.
fn start_postgres(
    programs: &Path,
    data: &Path,
    port: u16,
    account: Option<(u32, u32)>,
) -> Result<Option<Child>> {
    let mut command = as_account("sh".into(), account);
    command.args(["-c", POSTGRES_MINDER]).env("BIN", programs).env("DATA", data);
    command.env("OPTIONS", format!("-p {port} {POSTGRES_OPTIONS}")).current_dir("/");
    let mut minder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    let stdout = minder.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut line)?;
    if line.trim_end() == "ready" {
        return Ok(Some(minder));
    }
    minder.wait()?;
    Ok(None)
}

fn as_account(program: PathBuf, account: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = account {
        command.uid(uid).gid(gid);
    }
    command.env("LC_ALL", "C");
    command
}

/// Programs that tests start themselves, and the Debian package that brings each.
const PROGRAMS: &[(&str, &str)] = &[
    ("redis-server", "redis-server"),
    ("redis-cli", "redis-tools"),
    ("ip", "iproute2"),
    ("haproxy", "haproxy"),
    ("faketime", "faketime"),
    ("strace", "strace"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
];

/// Installs what tests start.
pub(crate) fn programs() -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |name: &str| std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    let missing: Vec<_> = PROGRAMS.iter().filter(|(name, _)| !has(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    let debian = Path::new("/etc/debian_version").exists();
    ensure!(
        debian && rustix::process::geteuid().is_root(),
        "the tests need {}: install the packages {} (Redis 7 or newer)",
        missing.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
        packages.join(", ")
    );
    println!("installing {}", packages.join(", "));
    apt_get(&["update"])?;
    // The tests start their own; the package shall not start one for everybody. RUNLEVEL 1 is what
    // Debian's own scripts ask for that.
    let mut command = Command::new("apt-get");
    command.args(["install", "-y", "--no-install-recommends"]).args(&packages);
    command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1").stdin(Stdio::null());
    let status = command.status()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// The Python that tests run their mail server with: it must know the package `aiosmtpd`.
pub(crate) const MAIL_PYTHON: &str = "NATTER_TEST_MAIL_PYTHON";

/// Installs the mail server of the tests where it is missing. Each test starts its own.
pub(crate) fn mail_python() -> Result<String> {
    let knows = |python: &String| {
        let mut command = Command::new(python);
        command.args(["-c", "import aiosmtpd, ssl"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let pythons = || {
        let named = std::env::var(MAIL_PYTHON).ok();
        named.into_iter().chain(["python3", "/usr/bin/python3"].map(String::from))
    };
    if let Some(python) = pythons().find(knows) {
        return Ok(python);
    }
    ensure!(
        may_install(),
        "the tests need the mail server aiosmtpd: install the package python3-aiosmtpd, or run \
         pip install aiosmtpd; {MAIL_PYTHON} may name the Python that knows it"
    );
    println!("installing aiosmtpd");
    apt_get(&["update"])?;
    apt_get(&["install", "-y", "--no-install-recommends", "python3-aiosmtpd"])?;
    pythons().find(knows).context("aiosmtpd was installed, but no Python knows it")
}

/// SQLite is compiled from source, as a part of natter.
pub(crate) fn c_compiler() -> Result<()> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let found = Command::new(&compiler).arg("--version").output();
    ensure!(
        found.is_ok_and(|output| output.status.success()),
        "no C compiler ({compiler}). Install one: apt-get install -y gcc libc6-dev (Debian, \
         Ubuntu), xcode-select --install (macOS), the package gcc elsewhere"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn postgres_answers_while_it_is_held_and_is_gone_afterwards() {
        let target = std::env::temp_dir().join(format!("natter-xtask-{}", std::process::id()));
        let server = private_postgres(&target).unwrap();
        let url = server.url().to_owned();
        let address = url.split(['@', '/']).nth(3).unwrap();
        TcpStream::connect(address).unwrap();
        drop(server);
        TcpStream::connect(address).unwrap_err();
        fs::remove_dir(&target).expect("the server has taken its files with it");
    }

    #[test]
    fn a_server_under_another_account_does_not_live_where_it_may_not_enter() {
        let me = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let closed = std::env::temp_dir().join(format!("natter-closed-{}", std::process::id()));
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let directory = server_directory(&closed.join("target"), Some(me)).unwrap();
        assert_eq!(directory.parent(), Some(&*std::env::temp_dir()));
        fs::remove_dir(directory).unwrap();
        fs::remove_dir_all(closed).unwrap();
    }

    #[test]
    fn the_account_of_the_server_is_read_from_the_password_file() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\npostgres:x:101:103:,,,:/var:/bin/sh\nbad\n";
        assert_eq!(account_of(accounts, "postgres"), Some((101, 103)));
        assert_eq!(account_of(accounts, "nobody"), None);
        assert_eq!(account_of(accounts, "bad"), None);
    }
}
