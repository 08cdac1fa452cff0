//! What a Paint costs as the list of conversations grows: from the Hello to the last part of it.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use proto::client_frame::Body as Say;

use crate::catch_up::{hear, same_frames};
use crate::child::{self, Child, Server};
use crate::raw::{self, Person, Socket, Ticket};
use crate::report::{Chart, Figure, Latencies, Line, Section, lower, plain};
use crate::rows::{self, Reading};
use crate::usage::Usage;
use crate::{Options, Outcome, Result, limits, people, say};

/// Conversations of the person who is painted, one load after the other.
const CONVERSATIONS: [usize; 3] = [2, 50, 200];
/// A Paint with a ticket, in microseconds of the server's processor time.
const TARGET_CPU_US: f64 = 800.0;

/// Paints of one size.
#[derive(Default)]
pub(crate) struct Paints {
    pub(crate) latencies: Option<Latencies>,
    pub(crate) cpu_us: Option<f64>,
    /// Of the last one.
    frame_bytes: Vec<usize>,
}

pub(crate) async fn run(options: &Options) -> Result<Outcome> {
    let server = Server::start(options).await?;
    let people = people::sign_up(server.address(), 2).await?;
    let (mut have, mut painted) = (0, Vec::new());
    for conversations in CONVERSATIONS {
        say(&format!("natter: a Paint of {conversations} conversations, {} s", options.seconds));
        found_groups(&server, &people, conversations - have).await?;
        have = conversations;
        let usage = server.usage()?;
        painted.push(paint(server.address(), &people[0], options.seconds, &usage).await?);
    }
    server.stop().await?;
    let (mut sections, mut line) = (Vec::new(), Vec::new());
    for (conversations, paints) in CONVERSATIONS.into_iter().zip(&painted) {
        say(&format!("the same frames and the same rows, {conversations} conversations"));
        let child = Child::start_echo().await?;
        let echo = echoed(&child, &paints.frame_bytes).await?;
        child.stop().await?;
        let directory = child::directory_on_disk()?;
        let rows = rows::paint(directory.path(), conversations).await?;
        let p50 = paints.latencies.as_ref().and_then(|latencies| latencies.at(0.5));
        line.extend(p50.map(|ms| (conversations as f64, ms)));
        sections.push(section(conversations, paints, &echo, rows));
    }
    let chart = Chart {
        title: "from the Hello to the end of the Paint".to_owned(),
        x: "conversations in the Paint".to_owned(),
        y: "ms".to_owned(),
        x_ticks: CONVERSATIONS.map(|count| (count as f64, count.to_string())).to_vec(),
        lines: vec![Line { name: "p50".to_owned(), points: line }],
    };
    Ok(Outcome {
        sections,
        charts: vec![chart],
        notes: vec![
            "one after the other, from the Hello to the last part; the WebSocket was there; the \
             processor time includes the WebSocket"
                .to_owned(),
            "limit: a WebSocket and as many frames of the same sizes by the echo server, plus the \
             same questions to the same engine without a network"
                .to_owned(),
        ],
        violations: Vec::new(),
    })
}

async fn found_groups(server: &Server, people: &[Person], count: usize) -> Result<()> {
    let (mut socket, _) = people::connect(server.address(), &people[0]).await?;
    for n in 0..count {
        let title = format!("paint {n}");
        let (user_ids, client_key) = (vec![people[1].user_id], proto::id::random_key());
        let create = proto::CreateGroup { title, user_ids, client_key };
        socket.ask(6, Say::CreateGroup(create)).await?;
    }
    socket.close().await;
    Ok(())
}

/// Connects again and again for so many seconds.
pub(crate) async fn paint(
    server: &str,
    person: &Person,
    seconds: u64,
    usage: &Usage,
) -> Result<Paints> {
    let (mut latencies, mut frame_bytes) = (Latencies::new(), Vec::new());
    let (mut cpu_us, mut done) = (Some(0.0), 0.0);
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        let tickets = (0..limits::PAINTS_PER_ROUND).map(|_| raw::ticket(server, person));
        let tickets: Vec<Ticket> =
            stream::iter(tickets).buffered(limits::OPENING_AT_ONCE).try_collect().await?;
        let before = usage.cpu_us();
        let mut sockets: Vec<Socket> = Vec::new();
        for ticket in &tickets {
            let mut socket = raw::open(ticket).await?;
            let since = Instant::now();
            let arrival = socket.arrive(Vec::new()).await?;
            latencies.record(arrival.painted - since);
            frame_bytes = arrival.frame_bytes;
            sockets.push(socket);
        }
        let spent = usage.cpu_us().zip(before).map(|(after, before)| after - before);
        cpu_us = cpu_us.zip(spent).map(|(sum, spent)| sum + spent);
        done += limits::PAINTS_PER_ROUND as f64;
        people::close_all(sockets).await;
    }
    let cpu_us = cpu_us.filter(|_| done > 0.0).map(|us| us / done);
    Ok(Paints { latencies: Some(latencies), cpu_us, frame_bytes })
}

async fn echoed(child: &Child, frame_bytes: &[usize]) -> Result<Paints> {
    let request = same_frames(frame_bytes);
    let (mut latencies, usage) = (Latencies::new(), child.usage());
    let before = usage.cpu_us();
    let mut sockets = Vec::new();
    for _ in 0..limits::ECHO_CATCH_UPS {
        let mut socket = raw::open_echo(&child.address).await?;
        let since = Instant::now();
        socket.feed_bytes(request.clone()).await?;
        socket.flush().await?;
        hear(&mut socket, frame_bytes.len()).await?;
        latencies.record(since.elapsed());
        sockets.push(socket);
    }
    let spent = usage.cpu_us().zip(before).map(|(after, before)| after - before);
    let cpu_us = spent.map(|us| us / f64::from(limits::ECHO_CATCH_UPS));
    people::close_all(sockets).await;
    Ok(Paints { latencies: Some(latencies), cpu_us, frame_bytes: Vec::new() })
}

fn section(conversations: usize, natter: &Paints, echo: &Paints, rows: Reading) -> Section {
    let sum = |a: Option<f64>, b: Option<f64>| Some(a? + b?);
    let p50 = |paints: &Paints| paints.latencies.as_ref().and_then(|all| all.at(0.5));
    let mut figures = vec![Figure {
        limit: sum(echo.cpu_us, rows.cpu_ms.map(|ms| ms * 1_000.0)),
        target: (conversations == CONVERSATIONS[0]).then_some(TARGET_CPU_US),
        ..lower("server CPU of WebSocket and Paint", "µs", natter.cpu_us)
    }];
    let latencies = natter.latencies.as_ref().map(|all| all.figures("Paint"));
    figures.extend(latencies.into_iter().flatten());
    if let Some(first) = figures.get_mut(1) {
        first.limit = sum(p50(echo), Some(rows.ms));
    }
    figures.push(Figure { limit: p50(echo), ..plain("… of it sockets", "ms", None) });
    figures.push(Figure { limit: Some(rows.ms), ..plain("… of it rows", "ms", None) });
    let bytes: usize = natter.frame_bytes.iter().sum();
    figures.push(plain("bytes of one Paint", "KiB", Some(bytes as f64 / 1_024.0)));
    Section { title: format!("paint: {conversations} conversations"), figures }
}
