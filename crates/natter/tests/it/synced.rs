//! Synced, then acked: what the kernel saw. Every `Sent` that leaves the server comes after a sync
//! of its database that began after the message came, and that was over.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use client::{Client, Event};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::cluster::{database, drop_database};
use crate::talk::person;
use crate::world::{PATIENCE, Running, Server, World};

/// One after the other: each must have its own sync.
const MESSAGES: usize = 40;

/// `strace` on processes that run; what it wrote is read when it has let go of them.
struct Traced {
    strace: Child,
    file: tempfile::NamedTempFile,
}

impl Traced {
    /// Returns when every one of them is traced.
    fn attach(pids: &[u32], calls: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("strace");
        command.args(["-f", "-ttt", "-T", "-y", "-s", "16", "-e", calls, "-o"]).arg(file.path());
        command.args(pids.iter().flat_map(|pid| ["-p".to_owned(), pid.to_string()]));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let strace = command.spawn().expect("`cargo xtask test` installs strace");
        let since = Instant::now();
        while !pids.iter().all(|pid| is_traced(*pid)) {
            assert!(since.elapsed() < PATIENCE, "strace does not get hold of {pids:?}");
            std::thread::yield_now();
        }
        Self { strace, file }
    }

    /// The calls, each with when it began and when it was over, in unix seconds.
    fn calls(mut self) -> Vec<Call> {
        let pid = rustix::process::Pid::from_child(&self.strace);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it lives");
        self.strace.wait().expect("it ends");
        let text = std::fs::read_to_string(self.file.path()).expect("its report");
        calls(&text)
    }
}

/// Every thread of the process has a tracer.
fn is_traced(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut status = tasks.map(|task| std::fs::read_to_string(task.path().join("status")));
    status.all(|text| text.is_ok_and(|text| !text.contains("TracerPid:\t0\n")))
}

#[derive(Debug)]
struct Call {
    name: String,
    /// What it was about, as far as strace tells: the file or the socket.
    about: String,
    began: f64,
    over: f64,
}

/// `PID TIME name(FD</path>, …) = N <SECONDS>`; a call that another thread interrupts has two
/// lines.
fn calls(text: &str) -> Vec<Call> {
    let mut open: Vec<(&str, Call)> = Vec::new();
    let mut done = Vec::new();
    for line in text.lines() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let Some((time, rest)) = rest.trim_start().split_once(' ') else { continue };
        let Ok(time) = time.parse::<f64>() else { continue };
        if rest.starts_with("<... ") {
            if let Some(at) = open.iter().position(|(known, _)| *known == pid) {
                let (_, mut call) = open.swap_remove(at);
                call.over = call.began + took(rest).unwrap_or(time - call.began);
                done.push(call);
            }
            continue;
        }
        let Some((name, arguments)) = rest.split_once('(') else { continue };
        let about = arguments.split([',', ')']).next().unwrap_or_default().to_owned();
        let call = Call { name: name.to_owned(), about, began: time, over: time };
        match took(rest) {
            Some(took) => done.push(Call { over: time + took, ..call }),
            None => open.push((pid, call)),
        }
    }
    done
}

fn took(line: &str) -> Option<f64> {
    line.rsplit_once('<')?.1.trim_end().strip_suffix('>')?.parse().ok()
}

/// Between each answer and the one before there was a sync that was over before it left.
fn judge(answers: &[f64], syncs: &[(f64, f64)]) {
    assert_eq!(answers.len(), MESSAGES, "an answer for each message was seen");
    let mut before = 0.0;
    for (n, answered) in answers.iter().enumerate() {
        let synced = syncs.iter().any(|(began, over)| *began > before && over <= answered);
        assert!(synced, "answer {n} left at {answered}, and nothing was synced since {before}");
        before = *answered;
    }
}

/// Sends one message after the other, each when the one before is answered. When each answer came
/// here, in unix seconds: it left the server before that.
async fn talk(ann: &Client, events: &mut mpsc::Receiver<Event>, conv_id: i64) -> Vec<f64> {
    let mut answers = Vec::new();
    for n in 0..MESSAGES {
        ann.send(conv_id, &format!("message {n}"), 0, None).await.expect("the outbox takes it");
        let sent = async {
            while !matches!(events.recv().await.expect("the client lives"), Event::Sent(_)) {}
        };
        timeout(PATIENCE, sent).await.expect("an answer");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        answers.push(now.as_secs_f64());
    }
    answers
}

fn syncs(calls: &[Call], of: impl Fn(&str) -> bool) -> Vec<(f64, f64)> {
    let is_sync = |call: &&Call| ["fdatasync", "fsync"].contains(&call.name.as_str());
    let synced = calls.iter().filter(is_sync).filter(|call| of(&call.about));
    synced.map(|call| (call.began, call.over)).collect()
}

/// The moments at which the server wrote to a socket, for each answer the last one before it came.
fn left(answers: &[f64], calls: &[Call]) -> Vec<f64> {
    let is_write = |call: &&Call| call.about.contains("socket:") || call.about.contains("TCP");
    let mut writes: Vec<f64> = calls
        .iter()
        .filter(|call| call.name == "sendto" || call.name == "writev" || call.name == "write")
        .filter(is_write)
        .map(|call| call.began)
        .collect();
    writes.sort_by(f64::total_cmp);
    let last = |came: &f64| writes.iter().rev().find(|left| *left <= came).copied();
    answers.iter().map(|came| last(came).expect("the answer left through a socket")).collect()
}

/// The processes of PostgreSQL that may sync its log for this database: those that serve its
/// connections, and the writer of the log. They write into their titles what they are.
fn who_syncs(database: &str) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let titled = processes.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let title = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.to_owned();
        title.starts_with("postgres: ").then_some((pid, title, parent))
    });
    let titled: Vec<_> = titled.collect();
    let serves = |title: &str| title.contains(&format!(" {database} "));
    let (_, _, server) = titled.iter().find(|(_, title, _)| serves(title)).expect("a connection");
    let may_sync = |title: &str| serves(title) || title.contains("walwriter");
    let of_this = titled.iter().filter(|(_, title, parent)| parent == server && may_sync(title));
    of_this.map(|(pid, ..)| *pid).collect()
}

const CALLS: &str = "trace=fdatasync,fsync,sendto,writev,write";

#[test]
fn on_sqlite_every_answer_leaves_after_a_sync() {
    let world = World::new();
    let server = Server::start(&world);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (ann, mut events) = runtime.block_on(person(&world, &server.url, "ann"));
    let (bob, _bob_events) = runtime.block_on(person(&world, &server.url, "bob"));
    let conv_id = runtime.block_on(ann.find_conversation("bob")).expect("a conversation");
    runtime.block_on(bob.close());
    let traced = Traced::attach(&[server.pid()], CALLS);
    let answers = runtime.block_on(talk(&ann, &mut events, conv_id));
    let calls = traced.calls();
    judge(&left(&answers, &calls), &syncs(&calls, |about| about.contains("natter.db-wal")));
    runtime.block_on(ann.close());
}

#[test]
fn on_postgresql_every_answer_leaves_after_a_sync() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (world, url) = (World::new(), runtime.block_on(database()));
    let data = world.home.path().join("served").display().to_string();
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", &data, "--database", &url];
    let mut running = Running::start(world.command(&args));
    let line = running.line();
    let server = line.strip_prefix("listening on ").expect("an address");
    let (ann, mut events) = runtime.block_on(person(&world, server, "ann"));
    let (bob, _bob_events) = runtime.block_on(person(&world, server, "bob"));
    let conv_id = runtime.block_on(ann.find_conversation("bob")).expect("a conversation");
    runtime.block_on(bob.close());
    let (_, name) = url.rsplit_once('/').unwrap();
    let pids = who_syncs(name);
    let engine = Traced::attach(&pids, CALLS);
    let server = Traced::attach(&[running.child.id()], CALLS);
    let answers = runtime.block_on(talk(&ann, &mut events, conv_id));
    let (engine, server) = (engine.calls(), server.calls());
    judge(&left(&answers, &server), &syncs(&engine, |about| about.contains("pg_wal")));
    runtime.block_on(ann.close());
    drop(running);
    runtime.block_on(drop_database(&url));
}
