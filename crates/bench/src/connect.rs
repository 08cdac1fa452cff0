//! A storm of arrivals: how many clients a second get a ticket, and how many a second get connected
//! and painted.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::child::{Child, Server};
use crate::raw::{self, Person, Socket, Ticket};
use crate::report::{Figure, Latencies, Section, higher, lower, plain};
use crate::usage::Usage;
use crate::{Options, Outcome, Result, limits, people, say};

/// Connections in one round where the user names no number.
const CONNECTIONS_DEFAULT: usize = 200;
/// Connections with a Paint in a second.
const TARGET_PER_SECOND: f64 = 2_000.0;
/// Processor time of one of them, in microseconds.
const TARGET_CPU_US: f64 = 800.0;

/// What one kind of work cost over all rounds.
#[derive(Default)]
struct Work {
    done: usize,
    took: Duration,
    cpu_us: f64,
    cpu_known: bool,
}

impl Work {
    fn per_second(&self) -> Option<f64> {
        (self.done > 0).then(|| self.done as f64 / self.took.as_secs_f64())
    }

    fn cpu_us(&self) -> Option<f64> {
        (self.done > 0 && self.cpu_known).then(|| self.cpu_us / self.done as f64)
    }

    fn add(&mut self, done: usize, since: Instant, before: Option<f64>, usage: &Usage) {
        self.done += done;
        self.took += since.elapsed();
        let spent = usage.cpu_us().zip(before).map(|(after, before)| after - before);
        self.cpu_known = spent.is_some();
        self.cpu_us += spent.unwrap_or(0.0);
    }
}

pub(crate) async fn run(options: &Options) -> Result<Outcome> {
    let count = options.connections.unwrap_or(CONNECTIONS_DEFAULT);
    let server = Server::start(options).await?;
    let persons = count.div_ceil(limits::CONNECTIONS_PER_PERSON).max(2);
    say(&format!("{persons} people sign up and open a conversation each"));
    let people = people::sign_up(server.address(), persons).await?;
    befriend_in_pairs(server.address(), &people).await?;
    let owners: Vec<_> = people.iter().cycle().take(count).cloned().collect();

    say("rounds of arrivals at natter");
    let (mut tickets, mut arrivals, mut latencies) =
        (Work::default(), Work::default(), Latencies::new());
    let own = Usage::own().cpu_us();
    let (usage, until) = (server.usage()?, Instant::now() + Duration::from_secs(options.seconds));
    while Instant::now() < until {
        let (since, before) = (Instant::now(), usage.cpu_us());
        let granted = take_tickets(server.address(), &owners).await?;
        tickets.add(granted.len(), since, before, &usage);
        let (since, before) = (Instant::now(), usage.cpu_us());
        let sockets = arrive(&granted, &mut latencies).await?;
        arrivals.add(sockets.len(), since, before, &usage);
        people::close_all(sockets).await;
    }
    let own = Usage::own().cpu_us().zip(own).map(|(after, before)| after - before);
    server.stop().await?;

    say("rounds of arrivals at the echo server");
    let child = Child::start_echo().await?;
    let mut echo = Work::default();
    let until = Instant::now() + Duration::from_secs(options.seconds);
    while Instant::now() < until {
        let (since, before) = (Instant::now(), child.usage().cpu_us());
        let sockets = people::connect_echo(&child.address, count).await?;
        echo.add(sockets.len(), since, before, &child.usage());
        people::close_all(sockets).await;
    }
    child.stop().await?;
    let own_us = own.map(|us| us / (arrivals.done.max(1)) as f64);
    Ok(outcome(count, &tickets, &arrivals, &echo, &latencies, own_us))
}

/// Everybody has a conversation, so that there is something to paint.
async fn befriend_in_pairs(server: &str, people: &[Person]) -> Result<()> {
    for pair in people.chunks_exact(2) {
        let (mut socket, _) = people::connect(server, &pair[0]).await?;
        socket.open_direct(pair[1].user_id).await?;
        socket.close().await;
    }
    Ok(())
}

async fn take_tickets(server: &str, owners: &[Person]) -> Result<Vec<Ticket>> {
    let taking = stream::iter(owners).map(|person| raw::ticket(server, person));
    taking.buffered(limits::OPENING_AT_ONCE).try_collect().await
}

async fn arrive(tickets: &[Ticket], latencies: &mut Latencies) -> Result<Vec<Socket>> {
    let arriving = stream::iter(tickets).map(|ticket| async move {
        let since = Instant::now();
        let mut socket = raw::open(ticket).await?;
        socket.arrive(Vec::new()).await?;
        Ok::<_, crate::Error>((socket, since.elapsed()))
    });
    let mut arriving = arriving.buffer_unordered(limits::OPENING_AT_ONCE);
    let mut sockets = Vec::with_capacity(tickets.len());
    while let Some((socket, latency)) = arriving.try_next().await? {
        latencies.record(latency);
        sockets.push(socket);
    }
    Ok(sockets)
}

fn outcome(
    count: usize,
    tickets: &Work,
    arrivals: &Work,
    echo: &Work,
    latencies: &Latencies,
    own_us: Option<f64>,
) -> Outcome {
    let mut figures = vec![
        Figure {
            limit: echo.per_second(),
            target: Some(TARGET_PER_SECOND),
            ..higher("connected and painted", "a second", arrivals.per_second())
        },
        Figure {
            limit: echo.cpu_us(),
            target: Some(TARGET_CPU_US),
            ..lower("server CPU of one", "µs", arrivals.cpu_us())
        },
        higher("tickets", "a second", tickets.per_second()),
        lower("server CPU of a ticket", "µs", tickets.cpu_us()),
        plain("generator CPU of ticket, arrival and close", "µs", own_us),
    ];
    figures.extend(latencies.figures("from TCP to CaughtUp"));
    let at_once = limits::OPENING_AT_ONCE.min(count);
    Outcome {
        sections: vec![Section {
            title: format!("connect: rounds of {count} arrivals, {at_once} at once"),
            figures,
        }],
        charts: Vec::new(),
        notes: vec![
            "a ticket is one HTTP call on a TCP connection of its own; an arrival is WebSocket, \
             Hello, Paint and CaughtUp on another"
                .to_owned(),
            "limit: only TCP connection and WebSocket handshake, by the echo server".to_owned(),
        ],
        violations: Vec::new(),
    }
}
