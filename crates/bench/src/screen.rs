//! What a person at the screen waits for: a frame, the first frame after the start, the frame after
//! a key.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::child::{self, Server};
use crate::report::{Figure, Latencies, Section, lower};
use crate::terminal::{self, Terminal};
use crate::{Error, Options, Outcome, Result, limits, population, say, text};

/// Messages in the open conversation.
const SIZES: [u64; 3] = [100, 10_000, 100_000];
/// Milliseconds of a frame, whatever the conversation …
const TARGET_FRAME_MS: f64 = 2.0;
/// … and from the start to the first frame.
const TARGET_START_MS: f64 = 50.0;
/// After so many letters the line is emptied, so that every frame is about as large as the others.
const LETTERS_OF_A_LINE: usize = 50;
/// Letters that no sequence of a terminal has in it.
const LETTERS: [&str; 8] = ["ä", "é", "ñ", "ö", "ø", "ß", "ü", "å"];
const PASSWORD: &str = "correct horse battery";

/// What was measured in terminals, for one conversation.
struct Waits {
    messages: u64,
    start: Latencies,
    key: Latencies,
}

pub(crate) async fn run(options: &Options) -> Result<Outcome> {
    if options.server.is_some() {
        return Err(Error::Invalid("screen measures this machine's screen, no server".into()));
    }
    let sizes = options.sizes.clone().unwrap_or_else(|| SIZES.to_vec());
    say("frames in memory");
    let mut sections = vec![frames(&sizes)];
    let home = child::directory_on_disk()?;
    fill(&sizes, home.path()).await?;
    say("starts and keys in a terminal");
    let measured = tokio::task::spawn_blocking(move || measure(&sizes, home.path()));
    let (waits, limit) = measured.await.map_err(|error| Error::Refused(error.to_string()))??;
    sections.extend(waits.iter().map(|waits| section(waits, &limit)));
    Ok(Outcome {
        sections,
        charts: Vec::new(),
        notes: vec![
            "frames: 120x40, in memory; limit: the same cells, copied".to_owned(),
            "start: from Enter in a terminal to the newest message on its screen, from the copy on \
             disk, without a server; limit: `natter --version`"
                .to_owned(),
            "keys: letters in the message box, to their frame; limit: cat".to_owned(),
        ],
        violations: Vec::new(),
    })
}

// ── in memory ────────────────────────────────────────────────────────────────────────────────────

fn frames(sizes: &[u64]) -> Section {
    let mut figures = Vec::new();
    for messages in sizes {
        let cost =
            tui::frame_cost(usize::try_from(*messages).unwrap_or(usize::MAX), limits::FRAMES);
        let copied = latencies(&cost.copied);
        for (what, frames) in [("at the end", cost.at_end), ("reading up", cost.reading_up)] {
            let frames = latencies(&frames);
            for (point, share) in [("p50", 0.5), ("p99", 0.99)] {
                let name = format!("of {messages} messages, {what}, {point}");
                figures.push(Figure {
                    limit: copied.at(share),
                    target: Some(TARGET_FRAME_MS),
                    ..lower(&name, "ms", frames.at(share))
                });
            }
        }
    }
    Section { title: "screen: a frame in memory".into(), figures }
}

fn latencies(durations: &[Duration]) -> Latencies {
    let mut latencies = Latencies::new();
    durations.iter().for_each(|duration| latencies.record(*duration));
    latencies
}

// ── in a terminal ────────────────────────────────────────────────────────────────────────────────

fn profile(messages: u64) -> String {
    format!("has{messages}")
}

/// Logins whose copy on disk has so many messages of one conversation, all of them read. Their
/// server is gone.
async fn fill(sizes: &[u64], home: &Path) -> Result<()> {
    let mut server = Server::start(&Options::default()).await?;
    for messages in sizes {
        let handle = profile(*messages);
        natter(home, &handle, server.address(), &["signup", &handle, "--password-stdin"])?;
    }
    let database = server.pause().await?.ok_or(Error::NoDisk)?;
    let store = population::open(&database).await?;
    let mut writers = Vec::new();
    for messages in sizes {
        let readers = store.user_ids(&[&profile(*messages)]).await?;
        let writer = population::people(&store, 1).await?[0];
        let (conv_id, _) = store.open_direct(writer, readers[0], 1).await?;
        population::messages(&store, &[(conv_id, writer)], *messages).await?;
        writers.extend(store.people(readers[0], &[writer]).await?);
    }
    store.close().await;
    server.resume().await?;
    for (messages, writer) in sizes.iter().zip(writers) {
        say(&format!("{messages} messages are copied to the disk"));
        let handle = profile(*messages);
        natter(home, &handle, server.address(), &["login", &handle, "--password-stdin"])?;
        natter(home, &handle, server.address(), &["--timeout", "100", "read", &writer.handle])?;
    }
    server.stop().await
}

/// Runs a command of natter's to its end.
fn natter(home: &Path, profile: &str, server: &str, args: &[&str]) -> Result<()> {
    use std::io::Write;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--profile", profile, "--server", &format!("http://{server}")]).args(args);
    terminal::at_home(&mut command, home);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "{PASSWORD}")?;
    }
    let done = child.wait_with_output()?;
    match done.status.success() {
        true => Ok(()),
        false => {
            let why = String::from_utf8_lossy(&done.stderr).trim().to_owned();
            Err(Error::Child { what: args.join(" "), why })
        }
    }
}

/// For each size; and the limits of both.
fn measure(sizes: &[u64], home: &Path) -> Result<(Vec<Waits>, Waits)> {
    let natter = std::env::current_exe()?;
    let mut limit = Waits { messages: 0, start: Latencies::new(), key: Latencies::new() };
    for _ in 0..limits::STARTS {
        let mut terminal = Terminal::open(&natter, &["--version"], home)?;
        limit.start.record(terminal.begin(env!("CARGO_PKG_VERSION"))?);
    }
    let cat = ["-c", "stty raw -echo; printf beg; printf un; exec cat"];
    let mut terminal = Terminal::open(Path::new("/bin/sh"), &cat, home)?;
    terminal.begin("begun")?;
    letters(&mut terminal, &mut limit.key)?;
    let mut all = Vec::new();
    for messages in sizes {
        let (mut start, mut key) = (Latencies::new(), Latencies::new());
        // a frame leaves out blanks that are there already: one word is looked for
        let newest = text::line(messages - 1).split(' ').take(1).collect::<String>();
        let handle = profile(*messages);
        for last in (0..limits::STARTS).rev() {
            let mut terminal = Terminal::open(&natter, &["--profile", &handle], home)?;
            start.record(terminal.begin(&newest)?);
            if last == 0 {
                terminal.type_and_see("i", "INSERT")?;
                letters(&mut terminal, &mut key)?;
            }
        }
        all.push(Waits { messages: *messages, start, key });
    }
    Ok((all, limit))
}

fn letters(terminal: &mut Terminal, latencies: &mut Latencies) -> Result<()> {
    for n in 0..limits::LETTERS {
        if n % LETTERS_OF_A_LINE == 0 {
            // a mark behind it, another one than before, shows when the line is empty
            let mark = ["¤", "§"][n / LETTERS_OF_A_LINE % 2];
            terminal.type_and_see(&format!("\u{15}{mark}"), mark)?;
        }
        let letter = LETTERS[n % LETTERS.len()];
        latencies.record(terminal.type_and_see(letter, letter)?);
    }
    Ok(())
}

fn section(waits: &Waits, limit: &Waits) -> Section {
    let mut figures = Vec::new();
    for (what, measured, alone, target) in [
        ("start to first frame", &waits.start, &limit.start, Some(TARGET_START_MS)),
        ("key to frame", &waits.key, &limit.key, None),
    ] {
        for (point, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            figures.push(Figure {
                limit: alone.at(share),
                target: target.filter(|_| share < 0.9),
                ..lower(&format!("{what} {point}"), "ms", measured.at(share))
            });
        }
    }
    Section { title: format!("screen: in a terminal, {} messages", waits.messages), figures }
}
