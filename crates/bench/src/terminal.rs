//! A program in a terminal of its own, for what a person waits for: the bytes that come out of it,
//! and when.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::{Error, Result, limits};

/// As large as the screen in all figures.
const SIZE: Winsize = Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
/// The program is about to begin.
const READY: &str = "ready";

/// Dropped, its program is killed.
pub(crate) struct Terminal {
    master: File,
    program: Child,
    /// What came since the last look.
    seen: Vec<u8>,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // it fails where the program has ended
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Terminal {
    /// A program in a new terminal, with a home of its own; it begins with [`Terminal::begin`].
    pub(crate) fn open(program: &Path, args: &[&str], home: &Path) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).map_err(failed)?;
        grantpt(&master).and_then(|()| unlockpt(&master)).map_err(failed)?;
        let name = ptsname(&master, Vec::new()).map_err(failed)?;
        let name = name.to_str().map_err(|_| Error::Invalid("a terminal without a name".into()))?;
        let slave = OpenOptions::new().read(true).write(true).open(name)?;
        tcsetwinsize(&slave, SIZE).map_err(failed)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bench-terminal").arg(program).args(args);
        at_home(&mut command, home).env("TERM", "xterm-256color").env_remove("TMUX");
        command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
        let program = command.spawn()?;
        let mut terminal = Self { master: File::from(master), program, seen: Vec::new() };
        terminal.wait_for(READY)?;
        Ok(terminal)
    }

    /// Lets the program begin; how long it takes until it has written this text.
    pub(crate) fn begin(&mut self, text: &str) -> Result<Duration> {
        self.type_and_see("\n", text)
    }

    /// From a key to what is shown for it.
    pub(crate) fn type_and_see(&mut self, keys: &str, text: &str) -> Result<Duration> {
        self.seen.clear();
        let since = Instant::now();
        self.master.write_all(keys.as_bytes())?;
        self.wait_for(text)?;
        Ok(since.elapsed())
    }

    fn wait_for(&mut self, text: &str) -> Result<()> {
        let until = Instant::now() + limits::PATIENCE;
        let mut bytes = [0; 16 * 1024];
        while !self.seen.windows(text.len()).any(|window| window == text.as_bytes()) {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).unwrap_or_default();
            let mut watched = [PollFd::new(&self.master, PollFlags::IN)];
            if poll(&mut watched, Some(&left)).map_err(failed)? == 0 {
                return Err(Error::Refused(format!("the terminal does not show {text:?}")));
            }
            let len = self.master.read(&mut bytes)?;
            self.seen.extend_from_slice(&bytes[..len]);
        }
        Ok(())
    }
}

fn failed(error: rustix::io::Errno) -> Error {
    Error::Io(error.into())
}

/// All that natter keeps goes below `home`.
pub(crate) fn at_home<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
    for (name, directory) in [
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_RUNTIME_DIR", "run"),
    ] {
        command.env(name, home.join(directory));
    }
    command.env("HOME", home)
}

/// What `natter bench-terminal PROGRAM ARGS` does: makes the terminal that it was started in its
/// own, as only a process itself can, and becomes the program when Enter is pressed there. Comes
/// back only when it fails.
pub fn become_in_terminal(command: &[String]) -> Error {
    let [program, args @ ..] = command else {
        return Error::Invalid("which program?".into());
    };
    let ready = || -> Result<()> {
        rustix::process::setsid().map_err(failed)?;
        let stdin = rustix::stdio::stdin();
        rustix::process::ioctl_tiocsctty(stdin).map_err(failed)?;
        std::io::stdout().write_all(READY.as_bytes())?;
        std::io::stdout().flush()?;
        rustix::io::read(stdin, &mut [0; 8]).map_err(failed)?;
        Ok(())
    };
    match ready() {
        Ok(()) => Error::Io(Command::new(program).args(args).exec()),
        Err(error) => error,
    }
}
