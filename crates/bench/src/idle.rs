//! What a connection costs that does nothing: memory of the server, and the processor time of
//! heartbeats.

use std::time::Duration;

use bytes::Bytes;
use proto::client_frame::Body as Say;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::child::{Child, Server};
use crate::echo::{self, Order};
use crate::raw::Socket;
use crate::report::{Figure, Section, lower, plain};
use crate::usage::Usage;
use crate::{Options, Outcome, Result, limits, people, say};

/// Connections where the user names no number.
const CONNECTIONS_DEFAULT: usize = 1_000;
/// From here on the memory of a connection is not hidden behind what the process has anyway.
const TARGET_FROM: usize = 1_000;
/// Bytes; at 10,000 connections.
const TARGET_BYTES: f64 = 10.0 * 1_024.0;
/// A Ping and its Pong, in bytes.
const PING_BYTES: usize = 12;

/// Memory and processor time at 0, half and all of the connections.
struct Cost {
    /// Bytes per connection: all of them, and only the second half of them.
    each: Option<f64>,
    each_of_second_half: Option<f64>,
    /// Share of one processor while they do nothing.
    cpu_share: Option<f64>,
    own_cpu_share: Option<f64>,
    lost: usize,
}

/// What the keeper of one connection says to keep it alive.
#[derive(Clone)]
enum Heartbeat {
    Natter,
    Echo(Bytes),
}

pub(crate) async fn run(options: &Options) -> Result<Outcome> {
    let count = options.connections.unwrap_or(CONNECTIONS_DEFAULT);
    let mut server = Server::start(options).await?;
    let persons = count.div_ceil(limits::CONNECTIONS_PER_PERSON);
    say(&format!("{persons} people sign up, {} connections each", limits::CONNECTIONS_PER_PERSON));
    let people = people::sign_up(server.address(), persons).await?;
    let owners: Vec<_> = people.iter().cycle().take(count).cloned().collect();
    server.restart().await?;
    say(&format!("{count} connections to natter"));
    let (half, usage, address) = (count / 2, server.servers(), server.address().to_owned());
    let natter = cost(&usage, Heartbeat::Natter, options.seconds, count, async |second| {
        let part = if second { &owners[half..] } else { &owners[..half] };
        people::connect_all(&address, part).await
    })
    .await?;
    let ours = server.is_ours();
    server.stop().await?;

    say(&format!("{count} connections to the echo server"));
    let child = Child::start_echo().await?;
    let ping = echo::request(PING_BYTES, &[Order { frames: 1, bytes: PING_BYTES as u16 }]);
    let beat = Heartbeat::Echo(ping);
    let echo = cost(&child.usage(), beat, options.seconds, count, async |second| {
        let part = if second { count - half } else { half };
        people::connect_echo(&child.address, part).await
    })
    .await?;
    child.stop().await?;
    Ok(outcome(count, options.seconds, &natter, &echo, ours))
}

async fn cost(
    usage: &Usage,
    heartbeat: Heartbeat,
    seconds: u64,
    count: usize,
    open: impl AsyncFn(bool) -> Result<Vec<Socket>>,
) -> Result<Cost> {
    let (stop, stopped) = watch::channel(false);
    let mut keepers = JoinSet::new();
    let mut bytes = [usage.resident_bytes(), None, None];
    for (half, second) in [false, true].into_iter().enumerate() {
        for socket in open(second).await? {
            keepers.spawn(keep(socket, heartbeat.clone(), stopped.clone()));
        }
        sleep(limits::SETTLE).await;
        bytes[half + 1] = usage.resident_bytes();
    }
    let (cpu, own) = (usage.cpu_us(), Usage::own().cpu_us());
    sleep(Duration::from_secs(seconds)).await;
    let share = |after: Option<f64>, before: Option<f64>| {
        Some((after? - before?) / (seconds as f64 * 1e6) * 100.0)
    };
    let (cpu_share, own_cpu_share) =
        (share(usage.cpu_us(), cpu), share(Usage::own().cpu_us(), own));
    stop.send_replace(true);
    let kept = keepers.join_all().await;
    let [none, half, all] = bytes;
    let grown =
        |from: Option<f64>, to: Option<f64>, by: usize| Some((to? - from?) / by.max(1) as f64);
    Ok(Cost {
        each: grown(none, all, count),
        each_of_second_half: grown(half, all, count - count / 2),
        cpu_share,
        own_cpu_share,
        lost: kept.iter().filter(|kept| !**kept).count(),
    })
}

/// Keeps one connection alive until it is told to stop. false: the server ended it.
async fn keep(mut socket: Socket, beat: Heartbeat, mut stop: watch::Receiver<bool>) -> bool {
    let every = Duration::from_millis(proto::limits::HEARTBEAT_MS);
    // Connections that were opened together must not speak together.
    let first = Instant::now() + every.mul_f64(rand::random::<f64>());
    let mut due = interval_at(first, every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let alive = loop {
        let is_due = tokio::select! {
            _ = stop.changed() => break true,
            heard = socket.hear_bytes() => heard.map(|_| false),
            _ = due.tick() => Ok(true),
        };
        let said = match is_due {
            Ok(true) => say_alive(&mut socket, &beat).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if said.is_err() {
            break false;
        }
    };
    socket.close().await;
    alive
}

async fn say_alive(socket: &mut Socket, beat: &Heartbeat) -> Result<()> {
    match beat {
        Heartbeat::Natter => socket.feed(0, Say::Ping(proto::Ping { nonce: 7 })).await?,
        Heartbeat::Echo(request) => socket.feed_bytes(request.clone()).await?,
    }
    socket.flush().await
}

fn outcome(count: usize, seconds: u64, natter: &Cost, echo: &Cost, ours: bool) -> Outcome {
    let kib = |bytes: Option<f64>| bytes.map(|bytes| bytes / 1_024.0);
    let each = Figure {
        limit: kib(echo.each),
        target: (count >= TARGET_FROM).then_some(TARGET_BYTES / 1_024.0),
        ..lower("memory of a connection", "KiB", kib(natter.each))
    };
    let second = Figure {
        limit: kib(echo.each_of_second_half),
        ..lower("… of the second half of them", "KiB", kib(natter.each_of_second_half))
    };
    let cpu = Figure {
        limit: echo.cpu_share,
        ..lower("processor time of all heartbeats", "% of a core", natter.cpu_share)
    };
    let figures = vec![each, second, cpu, plain("generator", "% of a core", natter.own_cpu_share)];
    let title = format!("idle: {count} connections, authenticated and subscribed, {seconds} s");
    let mut notes = vec![
        "memory is what the process has in RAM beyond what it had without connections; \
         the kernel's socket buffers are not in it"
            .to_owned(),
        "limit: as many connections of the same WebSocket library and nothing behind".to_owned(),
    ];
    if ours {
        notes.push(
            "the server was started anew after the sign-ups: argon2's memory is not in it".into(),
        );
    }
    let lost = natter.lost + echo.lost;
    let violations =
        (lost > 0).then(|| format!("{lost} idle connections were ended by the server"));
    Outcome {
        sections: vec![Section { title, figures }],
        charts: Vec::new(),
        notes,
        violations: violations.into_iter().collect(),
    }
}
