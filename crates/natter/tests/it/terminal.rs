//! A terminal with a program in it: a real pty, and what an emulator makes of what comes out of it.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::world::{PATIENCE, World};

/// A terminal with natter in it.
pub(crate) struct Terminal {
    pub(crate) child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    /// As they were at the beginning.
    modes: String,
    pub(crate) seen: Arc<Seen>,
}

/// What the terminal has received, raw and as a screen.
pub(crate) struct Seen {
    pub(crate) state: Mutex<State>,
    changed: Condvar,
}

pub(crate) struct State {
    pub(crate) parser: vt100::Parser,
    pub(crate) raw: Vec<u8>,
    pub(crate) closed: bool,
}

impl Terminal {
    pub(crate) fn open(world: &World, profile: &str, rows: u16, cols: u16) -> Self {
        Self::open_with(world, profile, rows, cols, &[])
    }

    /// With more in its environment.
    pub(crate) fn open_with(
        world: &World,
        profile: &str,
        rows: u16,
        cols: u16,
        environment: &[(&str, &str)],
    ) -> Self {
        let plain = world.command(&["--profile", profile]);
        let mut command = CommandBuilder::new(plain.get_program());
        command.args(plain.get_args());
        Self::start(world, command, rows, cols, environment)
    }

    /// Any program in a terminal, as this world's user would start it.
    pub(crate) fn start(
        world: &World,
        mut command: CommandBuilder,
        rows: u16,
        cols: u16,
        environment: &[(&str, &str)],
    ) -> Self {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pty");
        command.env_clear();
        for (name, value) in world.command(&[]).get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.env("TERM", "xterm-256color");
        for (name, value) in environment {
            command.env(name, value);
        }
        let modes = modes(pair.master.as_ref());
        let child = pair.slave.spawn_command(command).expect("natter starts");
        let keys = pair.master.take_writer().unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let parser = vt100::Parser::new(cells(rows), cells(cols), 0);
        let state = Mutex::new(State { parser, raw: Vec::new(), closed: false });
        let seen = Arc::new(Seen { state, changed: Condvar::new() });
        let writer = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let read = reader.read(&mut bytes).unwrap_or(0);
                let mut state = writer.state.lock().unwrap();
                state.parser.process(&bytes[..read]);
                state.raw.extend_from_slice(&bytes[..read]);
                state.closed = read == 0;
                writer.changed.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Self { child, keys, master: pair.master, modes, seen }
    }

    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keys.flush().unwrap();
    }

    /// The terminal changes its size, and the program in it is told.
    pub(crate) fn resize(&self, rows: u16, cols: u16) {
        let mut state = self.seen.state.lock().unwrap();
        state.parser.screen_mut().set_size(cells(rows), cells(cols));
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("a pty can be resized");
    }

    /// Waits until the screen shows `text`.
    pub(crate) fn sees(&self, text: &str) {
        self.wait(text, |state| state.parser.screen().contents().contains(text));
    }

    pub(crate) fn shows(&self, text: &str) -> bool {
        self.seen.state.lock().unwrap().parser.screen().contents().contains(text)
    }

    pub(crate) fn wait(&self, what: &str, ready: impl Fn(&State) -> bool) {
        self.wait_for(what, |state| ready(state).then_some(()));
    }

    /// What is found is of one moment: nothing arrives between the look and the answer.
    pub(crate) fn wait_for<T>(&self, what: &str, find: impl Fn(&State) -> Option<T>) -> T {
        let state = self.seen.state.lock().unwrap();
        let mut found = None;
        let waiting = |state: &mut State| {
            found = find(state);
            found.is_none()
        };
        let (state, _) = self.seen.changed.wait_timeout_while(state, PATIENCE, waiting).unwrap();
        let screen = state.parser.screen().contents();
        drop(state);
        found.unwrap_or_else(|| panic!("no {what:?} on this screen:\n{screen}"))
    }

    /// Waits until nothing comes any more: a frame may arrive in pieces.
    pub(crate) fn settles(&self) {
        const QUIET: std::time::Duration = std::time::Duration::from_millis(200);
        let mut state = self.seen.state.lock().unwrap();
        loop {
            let before = state.raw.len();
            state = self.seen.changed.wait_timeout(state, QUIET).unwrap().0;
            if state.raw.len() == before {
                return;
            }
        }
    }

    /// Waits until nothing of what is typed is shown: that comes a moment after the question for a
    /// password.
    pub(crate) fn hides(&self) {
        const LOOK: std::time::Duration = std::time::Duration::from_millis(5);
        let began = std::time::Instant::now();
        let mut state = self.seen.state.lock().unwrap();
        while self.is_cooked() {
            assert!(began.elapsed() < PATIENCE, "what is typed is still shown");
            state = self.seen.changed.wait_timeout(state, LOOK).unwrap().0;
        }
    }

    pub(crate) fn pid(&self) -> rustix::process::Pid {
        let pid =
            self.child.process_id().and_then(|pid| rustix::process::Pid::from_raw(pid as i32));
        pid.expect("it runs")
    }

    /// The terminal reads lines and shows what is typed, as before natter was started.
    pub(crate) fn is_cooked(&self) -> bool {
        modes(self.master.as_ref()) == self.modes
    }

    /// Waits for the end of natter; what the terminal was left with.
    pub(crate) fn ends(mut self) -> Vec<u8> {
        self.wait("end", |state| state.closed);
        assert!(self.child.wait().expect("it ends").success());
        std::mem::take(&mut self.seen.state.lock().unwrap().raw)
    }
}

/// How the terminal treats what is typed.
fn modes(master: &(dyn MasterPty + Send)) -> String {
    let modes = master.get_termios().expect("a terminal");
    format!("{:?} {:?}", modes.local_flags, modes.input_flags)
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has cells")
}

pub(crate) fn contains(raw: &[u8], text: &str) -> bool {
    raw.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The terminal is as it was: all that was switched on was switched off after it.
pub(crate) fn restored(raw: &[u8]) {
    let text = String::from_utf8_lossy(raw);
    for (on, off) in [
        ("\x1b[?1049h", "\x1b[?1049l"),
        ("\x1b[?2004h", "\x1b[?2004l"),
        ("\x1b[?1004h", "\x1b[?1004l"),
        ("\x1b[22;2t", "\x1b[23;2t"),
        ("\x1b[2 q", "\x1b[0 q"),
        ("\x1b[?25l", "\x1b[?25h"),
    ] {
        assert!(
            text.rfind(on).is_some() && text.rfind(off) > text.rfind(on),
            "{off:?} after {on:?}"
        );
    }
    assert_eq!(text.matches("\x1b[>1u").count(), text.matches("\x1b[<1u").count(), "kitty");
    for mouse in ["\x1b[?1000h", "\x1b[?1002h", "\x1b[?1003h", "\x1b[?1006h"] {
        assert!(!text.contains(mouse), "the mouse was taken");
    }
}
