//! A machine of its own for each test: a home below a temporary directory, servers and users in it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// No step of any test takes longer unless something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct World {
    pub(crate) home: tempfile::TempDir,
}

/// What a finished command left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a temporary directory") }
    }

    /// `natter ARGS` as this machine's user would start it.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let home = self.home.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_natter"));
        command.args(args).env_clear().env("HOME", home).env("USER", "tester").env("TZ", "UTC");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for (name, dir) in [
            ("XDG_DATA_HOME", "data"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_RUNTIME_DIR", "run"),
        ] {
            command.env(name, home.join(dir));
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str], stdin: &str) -> Run {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("natter starts");
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
        let done = child.wait_with_output().expect("natter ends");
        Run {
            code: done.status.code().unwrap_or(-1),
            out: String::from_utf8(done.stdout).expect("natter prints UTF-8"),
            err: String::from_utf8(done.stderr).expect("natter prints UTF-8"),
        }
    }

    /// Runs a command that must succeed; what it printed.
    pub(crate) fn natter(&self, profile: &str, args: &[&str]) -> String {
        let all = [&["--profile", profile], args].concat();
        let run = self.run(&all, "");
        assert_eq!(run.code, 0, "natter {all:?}: {}{}", run.out, run.err);
        run.out
    }

    /// A new account on `server`, on a profile of the same name.
    pub(crate) fn signup(&self, handle: &str, server: &str) {
        let args = ["--profile", handle, "--server", server, "signup", handle, "--password-stdin"];
        let run = self.run(&args, &format!("{PASSWORD}\n"));
        assert_eq!(run.code, 0, "signup {handle}: {}{}", run.out, run.err);
    }

    /// Starts a command that goes on, its lines to be read one by one.
    pub(crate) fn start(&self, profile: &str, args: &[&str]) -> Running {
        let all = [&["--profile", profile], args].concat();
        Running::start(self.command(&all))
    }
}

/// A command that goes on. Ended when it is dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("natter starts");
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it lives");
    }

    /// The next line it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A server, and ann and bob on profiles of these names.
pub(crate) fn two() -> (World, Server) {
    let world = World::new();
    let server = Server::start(&world);
    world.signup("ann", &server.url);
    world.signup("bob", &server.url);
    (world, server)
}

/// `natter serve` as a process.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) data: PathBuf,
    running: Running,
}

impl Server {
    /// On a free port; the data below the world's home.
    pub(crate) fn start(world: &World) -> Self {
        Self::start_at(world, "127.0.0.1:0", &world.home.path().join("served"))
    }

    pub(crate) fn start_at(world: &World, listen: &str, data: &Path) -> Self {
        let data_arg = data.display().to_string();
        Self::started(world.command(&["serve", "--listen", listen, "--data", &data_arg]), data)
    }

    /// Its data on a disk of their own, which goes with it: `options` are those of a tmpfs. Its log
    /// is kept for the test.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_on_a_disk(world: &World, options: &str) -> Self {
        let data = world.home.path().join("disk");
        std::fs::create_dir(&data).expect("a directory");
        let serve = world.command(&["serve", "--listen", "127.0.0.1:0", "--data"]);
        let environment: Vec<_> = serve.get_envs().filter_map(|(k, v)| Some((k, v?))).collect();
        let script = "mount -t tmpfs -o \"$DISK\" natter \"$DATA\" && exec \"$@\" \"$DATA\"";
        let as_root = rustix::process::geteuid().is_root();
        let namespaces = if as_root { &["--mount"][..] } else { &["--mount", "--map-root-user"] };
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", script, "sh"]);
        command.arg(serve.get_program()).args(serve.get_args());
        command.env_clear().envs(environment).env("DISK", options).env("DATA", &data);
        command.stderr(Stdio::piped());
        Self::started(command, &data)
    }

    /// In a network namespace.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_behind(world: &World, namespace: &str, address: &str) -> Self {
        let data = world.home.path().join("served");
        let (data_arg, listen) = (data.display().to_string(), format!("{address}:0"));
        let serve = world.command(&["serve", "--listen", &listen, "--data", &data_arg]);
        let environment: Vec<_> = serve.get_envs().filter_map(|(k, v)| Some((k, v?))).collect();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(serve.get_program()).args(serve.get_args());
        command.env_clear().envs(environment);
        Self::started(command, &data)
    }

    fn started(command: Command, data: &Path) -> Self {
        let mut running = Running::start(command);
        let line = running.line();
        let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("it said {line:?}"));
        Self { url: url.to_owned(), data: data.to_owned(), running }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// What it writes to standard error.
    #[cfg(target_os = "linux")]
    pub(crate) fn take_log(&mut self) -> std::process::ChildStderr {
        self.running.child.stderr.take().expect("its log is kept")
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("an address")
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.running.child.kill().expect("kill -9");
        self.running.child.wait().expect("it is gone");
    }

    /// SIGTERM, and waits until it has drained.
    pub(crate) fn stop(mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.running.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("SIGTERM");
        self.running.child.wait().expect("it ends").success()
    }
}
