//! A RabbitMQ of the tests' own. What it takes to start one is in `rabbitmq.sh`, which tests that
//! kill a RabbitMQ run themselves.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::services;

/// Where tests find RabbitMQ. Set by hand, that server is used and none is started.
pub(crate) const RABBITMQ: &str = "NATTER_TEST_RABBITMQ";
/// The directory with the program `rabbitmq-server`, for tests that start and kill one.
pub(crate) const RABBITMQ_BIN: &str = "NATTER_TEST_RABBITMQ_BIN";

const MINDER: &str = include_str!("rabbitmq.sh");

/// Another program may take a port between our look and RabbitMQ's: then others are tried.
const PORT_TRIES_MAX: u32 = 5;

pub(crate) struct RabbitMq {
    pub(crate) url: String,
    pub(crate) bin: PathBuf,
    /// None: the environment named it, and we did not start it.
    minder: Option<Child>,
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        if let Some(minder) = &mut self.minder {
            drop(minder.stdin.take());
            if let Err(error) = minder.wait() {
                eprintln!("RabbitMQ: {error}");
            }
        }
    }
}

/// The RabbitMQ that the environment names, or one of our own with its files below `target`.
pub(crate) fn rabbitmq(target: &Path) -> Result<RabbitMq> {
    let bin = match find() {
        Some(bin) => bin,
        None => install()?,
    };
    if let Ok(url) = std::env::var(RABBITMQ) {
        return Ok(RabbitMq { url, bin, minder: None });
    }
    let directory = target.join(format!("natter-test-rabbitmq-{}", std::process::id()));
    for _ in 0..PORT_TRIES_MAX {
        let [port, node_port, epmd_port] = free_ports()?;
        let Some(minder) = start(&bin, &directory, port, node_port, epmd_port)? else {
            continue;
        };
        let url = format!("amqp://guest:guest@127.0.0.1:{port}/%2f");
        return Ok(RabbitMq { url, bin, minder: Some(minder) });
    }
    bail!("RabbitMQ did not start; its log is in {}", directory.display())
}

/// Three different ones: all are held before the first is let go.
fn free_ports() -> Result<[u16; 3]> {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(held) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}

/// None: it could not start on these ports; its log was printed.
fn start(bin: &Path, data: &Path, port: u16, node: u16, epmd: u16) -> Result<Option<Child>> {
    fs::create_dir_all(data).with_context(|| data.display().to_string())?;
    let mut command = Command::new("sh");
    command.args(["-c", MINDER]).env("BIN", bin).env("DATA", data).current_dir("/");
    for (name, port) in [("PORT", port), ("NODE_PORT", node), ("EPMD_PORT", epmd)] {
        command.env(name, port.to_string());
    }
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

/// Debian's own directory first: what it puts into PATH is for its one server only.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = ["/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin"];
    let mut places = places.iter().map(PathBuf::from).chain(std::env::split_paths(&path));
    places.find(|place| place.join("rabbitmq-server").is_file())
}

/// Debian starts a server that it installs, unless this file says that it may not.
const POLICY: &str = "/usr/sbin/policy-rc.d";

fn install() -> Result<PathBuf> {
    if !services::may_install() {
        bail!(
            "the tests need RabbitMQ 3.10 or newer. Install it (the package rabbitmq-server of \
             your system), or name a running one: {RABBITMQ}=amqp://NAME:PASSWORD@HOST:PORT/VHOST"
        );
    }
    println!("installing RabbitMQ");
    services::apt_get(&["update"])?;
    let ours = !Path::new(POLICY).exists();
    if ours {
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(POLICY, executable)?;
    }
    let installed =
        services::apt_get(&["install", "-y", "--no-install-recommends", "rabbitmq-server"]);
    if ours {
        fs::remove_file(POLICY)?;
    }
    installed?;
    find().context("RabbitMQ was installed, but rabbitmq-server is not there")
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn rabbitmq_answers_while_it_is_held_and_is_gone_afterwards() {
        let target = std::env::temp_dir().join(format!("natter-xtask-mq-{}", std::process::id()));
        let [port, node, epmd] = free_ports().unwrap();
        let bin = find().expect("the test command has installed it");
        let minder = start(&bin, &target, port, node, epmd).unwrap();
        let server = RabbitMq { url: String::new(), bin, minder };
        for port in [port, node, epmd] {
            TcpStream::connect(("127.0.0.1", port)).unwrap();
        }
        drop(server);
        for port in [port, node, epmd] {
            TcpStream::connect(("127.0.0.1", port)).unwrap_err();
        }
        assert!(!target.exists(), "the server has taken its files with it");
    }
}
