//! The screen in a real terminal: two people, one server.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::world::{PATIENCE, Server, World, two};

/// A terminal with natter in it.
struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    seen: Arc<Seen>,
}

/// What the terminal has received, raw and as a screen.
struct Seen {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: vt100::Parser,
    raw: Vec<u8>,
    closed: bool,
}

impl Terminal {
    fn open(world: &World, profile: &str, rows: u16, cols: u16) -> Self {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pty");
        let plain = world.command(&["--profile", profile]);
        let mut command = CommandBuilder::new(plain.get_program());
        command.args(plain.get_args());
        command.env_clear();
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.env("TERM", "xterm-256color");
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
        Self { child, keys, master: pair.master, seen }
    }

    fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keys.flush().unwrap();
    }

    /// The terminal changes its size, and the program in it is told.
    fn resize(&self, rows: u16, cols: u16) {
        let mut state = self.seen.state.lock().unwrap();
        state.parser.screen_mut().set_size(cells(rows), cells(cols));
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("a pty can be resized");
    }

    /// Waits until the screen shows `text`.
    fn sees(&self, text: &str) {
        self.wait(text, |state| state.parser.screen().contents().contains(text));
    }

    fn wait(&self, what: &str, ready: impl Fn(&State) -> bool) {
        let state = self.seen.state.lock().unwrap();
        let waiting = |state: &mut State| !ready(state);
        let (state, late) = self.seen.changed.wait_timeout_while(state, PATIENCE, waiting).unwrap();
        let screen = state.parser.screen().contents();
        drop(state);
        assert!(!late.timed_out(), "no {what:?} on this screen:\n{screen}");
    }

    /// Waits for the end of natter; what the terminal was left with.
    fn ends(mut self) -> Vec<u8> {
        self.wait("end", |state| state.closed);
        assert!(self.child.wait().expect("it ends").success());
        std::mem::take(&mut self.seen.state.lock().unwrap().raw)
    }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has cells")
}

#[test]
fn two_people_talk_on_two_screens() {
    let (world, _server) = two();
    world.natter("ann", &["send", "bob", "hello from the shell"]);
    let mut bob = Terminal::open(&world, "bob", 30, 100);
    bob.sees("hello from the shell");
    bob.sees("● connected");
    let mut ann = Terminal::open(&world, "ann", 30, 100);
    ann.sees("hello from the shell");
    ann.keys("ihello from the screen\r");
    bob.sees("hello from the screen");
    ann.sees("✓✓ read");
    bob.keys("ime too\r");
    ann.sees("me too");
    for mut screen in [ann, bob] {
        screen.keys("\x1b");
        screen.sees("q quit");
        screen.keys("q");
        restored(&screen.ends());
    }
}

/// The terminal is as it was: main screen, visible cursor, no bracketed paste.
fn restored(raw: &[u8]) {
    let text = String::from_utf8_lossy(raw);
    for (on, off) in [("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?2004h", "\x1b[?2004l")] {
        assert!(text.rfind(off) > text.rfind(on), "{off:?} must be the last word");
    }
    assert!(text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l"), "the cursor is visible");
}

#[test]
fn the_screen_lives_through_a_restart_of_the_server_and_through_any_size() {
    let (world, server) = two();
    world.natter("ann", &["send", "bob", "before"]);
    let mut ann = Terminal::open(&world, "ann", 24, 80);
    ann.sees("● connected");
    let (address, data) = (server.address().to_owned(), server.data.clone());
    server.kill();
    ann.sees("reconnecting");
    ann.keys("iwritten while the server was away\r");
    ann.sees("…");
    let _server = Server::start_at(&world, &address, &data);
    ann.sees("● connected");
    ann.sees("✓ kept");
    for (rows, cols) in [(1, 1), (5, 20), (10, 40), (50, 200), (24, 80)] {
        ann.resize(rows, cols);
    }
    ann.sees("written while the server was away");
    let history = world.natter("bob", &["history", "ann", "--json"]);
    assert_eq!(history.lines().count(), 2, "{history}");
    ann.keys("\x1b");
    ann.sees("q quit");
    ann.keys("q");
    ann.ends();
}

#[test]
fn sigterm_gives_the_terminal_back() {
    let (world, _server) = two();
    let ann = Terminal::open(&world, "ann", 24, 80);
    ann.sees("● connected");
    let pid = ann.child.process_id().and_then(|pid| rustix::process::Pid::from_raw(pid as i32));
    rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::TERM).unwrap();
    ann.wait("end", |state| state.closed);
    restored(&ann.seen.state.lock().unwrap().raw);
}

#[test]
fn no_control_byte_of_a_stranger_reaches_the_terminal() {
    const ATTACKS: [&str; 9] = [
        "\x1b]0;owned\x07",
        "\x1b]52;c;b3duZWQ=\x07",
        "\x1b[31mowned",
        "\u{9b}31mowned",
        "\u{202e}denwo",
        "\x08\x08\x08owned",
        "\u{e006f}\u{e0077}",
        "\x1bP$q\x1b\\owned",
        "\r\x1b[2Kowned",
    ];
    let (world, server) = two();
    // A hostile server does not check texts: they go straight into the database.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(store_unchecked(&server, &ATTACKS));
    let bob = Terminal::open(&world, "bob", 60, 120);
    bob.sees("the last one");
    let raw = bob.seen.state.lock().unwrap().raw.clone();
    for attack in ATTACKS {
        let found = raw.windows(attack.len()).any(|window| window == attack.as_bytes());
        assert!(!found, "{attack:?} reached the terminal");
    }
    bob.sees("␛");
}

/// Messages from ann to bob that no honest server would have stored.
async fn store_unchecked(server: &Server, texts: &[&str]) {
    let url = format!("sqlite:{}", server.data.join("natter.db").display());
    let store = store::Store::open(&[url], &store::Options::default()).await.unwrap();
    let ids = store.user_ids(&["ann"]).await.unwrap();
    let bob = store.user_ids(&["bob"]).await.unwrap()[0];
    let now = 1_800_000_000_000;
    let (conv_id, _) = store.open_direct(ids[0], bob, now).await.unwrap();
    let mut batch = store::Batch::default();
    for (n, text) in texts.iter().chain(&["the last one"]).enumerate() {
        batch.sends.push(store::NewMessage {
            conv_id,
            sender_id: ids[0],
            client_key: n as i64 + 1,
            reply_seq: 0,
            body: (*text).to_owned(),
            mentions: Vec::new(),
        });
    }
    store.commit(0, &batch, now).await.unwrap();
    store.close().await;
}
