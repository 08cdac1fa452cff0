//! How long a key takes to the screen, through a real terminal: `cargo run --release -p natter
//! --example key_to_frame -- PATH_OF_NATTER`. Beside it, in the same terminal, a program that does
//! nothing but write what it reads.

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

const KEYS: usize = 1_000;
/// After so many keys the line is emptied, so that every frame is about as large as the others.
const KEYS_OF_A_LINE: usize = 50;
const PATIENCE: Duration = Duration::from_secs(30);
/// Letters that no sequence of a terminal has in it.
const LETTERS: [char; 8] = ['ä', 'é', 'ñ', 'ö', 'ø', 'ß', 'ü', 'å'];

/// A program in a terminal of 120×40.
struct Terminal {
    keys: Box<dyn Write + Send>,
    shown: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    /// The terminal lives as long as this.
    _master: Box<dyn MasterPty + Send>,
}

fn main() -> Result<()> {
    let natter = std::env::args().nth(1).context("the path of natter, please")?;
    let home = tempfile::tempdir()?;
    let mut server = plain(&natter, home.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(home.path().join("served"))
        .stdout(Stdio::piped())
        .spawn()?;
    let measured = measure(&natter, home.path(), &mut server);
    server.kill()?;
    server.wait()?;
    let (ours, limit) = measured?;
    println!("key to frame, {KEYS} letters in the message box, 120x40, through a pty:");
    println!("  natter                     {}", figures(&ours));
    println!("  a program that only echoes {}", figures(&limit));
    Ok(())
}

fn measure(
    natter: &str,
    home: &Path,
    server: &mut Child,
) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let mut line = String::new();
    let stdout = server.stdout.take().context("the server's standard output")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let url = line.trim().strip_prefix("listening on ").context("the server's address")?;
    for handle in ["ann", "bob"] {
        let mut signup = plain(natter, home)
            .args(["--profile", handle, "--server", url, "signup", handle, "--password-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        signup.stdin.take().context("standard input")?.write_all(b"correct horse battery\n")?;
        signup.wait()?;
    }
    for n in 0..40 {
        let text = format!("message {n} of some words, as people write them");
        plain(natter, home)
            .args(["--profile", "bob", "send", "ann", &text])
            .stdout(Stdio::null())
            .status()?;
    }
    let mut command = CommandBuilder::new(natter);
    command.args(["--profile", "ann"]);
    let mut ann = open(command, home)?;
    ann.shows("● connected")?;
    // it opens at the first unread message
    ann.keys.write_all(b"G")?;
    ann.shows("message 39")?;
    ann.keys.write_all(b"i")?;
    ann.shows("INSERT")?;
    let ours = letters(&mut ann)?;
    ann.child.kill()?;
    ann.child.wait()?;

    let mut command = CommandBuilder::new("/bin/sh");
    command.args(["-c", "stty raw -echo; echo ready; exec cat"]);
    let mut echo = open(command, home)?;
    echo.shows("ready")?;
    let limit = letters(&mut echo)?;
    echo.child.kill()?;
    echo.child.wait()?;
    Ok((ours, limit))
}

fn plain(natter: &str, home: &Path) -> Command {
    let mut command = Command::new(natter);
    command.env("HOME", home).env("RUST_LOG", "off").stderr(Stdio::null());
    for (name, dir) in places() {
        command.env(name, home.join(dir));
    }
    command
}

fn places() -> [(&'static str, &'static str); 4] {
    [
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_RUNTIME_DIR", "run"),
    ]
}

fn open(mut command: CommandBuilder, home: &Path) -> Result<Terminal> {
    let size = PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size)?;
    command.env("HOME", home);
    command.env("TERM", "xterm-256color");
    for (name, dir) in places() {
        command.env(name, home.join(dir));
    }
    let child = pair.slave.spawn_command(command)?;
    let mut reader = pair.master.try_clone_reader()?;
    let keys = pair.master.take_writer()?;
    let (tell, shown) = channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        // the end of the program is the end of the terminal
        while let Ok(len @ 1..) = reader.read(&mut bytes) {
            if tell.send(bytes[..len].to_vec()).is_err() {
                return;
            }
        }
    });
    let (rows, columns) = (NonZero::new(40), NonZero::new(120));
    let (rows, columns) = (rows.context("rows")?, columns.context("columns")?);
    let screen = vt100::Parser::new(rows, columns, 0);
    Ok(Terminal { keys, shown, screen, child, _master: pair.master })
}

impl Terminal {
    /// Reads until the text stands on the screen.
    fn shows(&mut self, text: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while !self.screen.screen().contents().contains(text) {
            let left = until.saturating_duration_since(Instant::now());
            match self.shown.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(_) => bail!("{text:?} was not shown"),
            }
        }
        Ok(())
    }
}

/// Reads until these letters have come. A frame brings only what has changed, so this is for
/// letters that were not there before.
fn wait(terminal: &Terminal, text: &str) -> Result<()> {
    let mut seen = String::new();
    let until = Instant::now() + PATIENCE;
    while !seen.contains(text) {
        let left = until.saturating_duration_since(Instant::now());
        match terminal.shown.recv_timeout(left) {
            Ok(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            Err(_) => bail!("{text:?} was not shown"),
        }
    }
    Ok(())
}

/// From the moment a letter is typed to the moment in which its frame has been read.
fn letters(terminal: &mut Terminal) -> Result<Vec<Duration>> {
    let mut all = Vec::with_capacity(KEYS);
    for n in 0..KEYS {
        if n % KEYS_OF_A_LINE == 0 {
            // a mark behind it, another one than before, shows when the line is empty
            let mark = ["¤", "§"][n / KEYS_OF_A_LINE % 2];
            terminal.keys.write_all(format!("\u{15}{mark}").as_bytes())?;
            wait(terminal, mark)?;
        }
        let letter = LETTERS[n % LETTERS.len()].to_string();
        let start = Instant::now();
        terminal.keys.write_all(letter.as_bytes())?;
        wait(terminal, &letter)?;
        all.push(start.elapsed());
    }
    all.sort_unstable();
    Ok(all)
}

fn figures(sorted: &[Duration]) -> String {
    let ms = |part: usize| sorted[(sorted.len() - 1) * part / 1_000].as_secs_f64() * 1_000.0;
    format!("p50 {:.2} ms  p99 {:.2} ms  max {:.2} ms", ms(500), ms(990), ms(1_000))
}
