//! Coming back after 10,000 messages: how long until there is a first screen, and until nothing is
//! missing.

use std::time::Instant;

use bytes::Bytes;
use proto::limits::{CATCH_UP_MESSAGES_MAX, SENDS_IN_FLIGHT_MAX};
use proto::{Position, client_frame::Body as Say, server_frame::Body as Heard};
use tokio::time::timeout;

use crate::child::{self, Child, Server};
use crate::echo::{self, Order};
use crate::raw::{self, Person, Socket};
use crate::report::{Figure, Latencies, Section, lower, plain};
use crate::rows::{self, Reading};
use crate::usage::Usage;
use crate::{Error, Options, Outcome, Result, limits, people, say, text};

/// Milliseconds to a first screen …
const TARGET_PAINT_MS: f64 = 50.0;
/// … and to the last of 10,000 messages.
const TARGET_ALL_MS: f64 = 300.0;
/// The frames with messages are large; smaller ones are asked of the echo server in their average
/// size.
const LARGE_FRAME_BYTES: usize = 1_024;

/// The catch-ups at natter.
struct CatchUps {
    painted: Latencies,
    all: Latencies,
    cpu_us: Option<f64>,
    own_cpu_us: Option<f64>,
    /// Of the last one.
    frame_bytes: Vec<usize>,
    violations: Vec<String>,
}

pub(crate) async fn run(options: &Options) -> Result<Outcome> {
    let messages = options.messages.min(CATCH_UP_MESSAGES_MAX);
    let server = Server::start(options).await?;
    let people = people::sign_up(server.address(), 2).await?;
    say(&format!("{messages} messages are written to somebody who is away"));
    let (conv_id, first_seq) = write(server.address(), &people, messages).await?;
    say(&format!("{} returns", limits::CATCH_UPS));
    let have = Position { conv_id, seq: first_seq - 1, rev: 0 };
    let natter = come_back(&server, &people[1], have, messages).await?;
    server.stop().await?;
    let child = Child::start_echo().await?;
    let (echo, echo_cpu_ms) = echoed(&child, &natter.frame_bytes).await?;
    child.stop().await?;
    let directory = child::directory_on_disk()?;
    let rows = rows::read(directory.path(), messages).await?;
    Ok(outcome(messages, &natter, &echo, echo_cpu_ms, rows))
}

/// The conversation, and the seq of the first message in it.
async fn write(server: &str, people: &[Person], messages: u32) -> Result<(i64, i64)> {
    let (mut socket, _) = people::connect(server, &people[0]).await?;
    let conversation = socket.open_direct(people[1].user_id).await?;
    let conv_id = conversation.conv_id;
    let (mut sent, mut stored) = (0, 0);
    while stored < messages {
        while sent < messages && (sent - stored) < SENDS_IN_FLIGHT_MAX as u32 {
            let body = text::line(u64::from(sent));
            let client_key = proto::id::random_key();
            let send = proto::Send { conv_id, client_key, body, reply_seq: 0 };
            socket.feed(3, Say::Send(send)).await?;
            sent += 1;
        }
        socket.flush().await?;
        let heard = timeout(limits::PATIENCE, socket.hear()).await;
        if let Heard::Sent(_) = heard.map_err(|_| Error::Silent("Sent"))?? {
            stored += 1;
        }
    }
    socket.close().await;
    Ok((conv_id, conversation.last_seq + 1))
}

async fn come_back(
    server: &Server,
    person: &Person,
    have: Position,
    messages: u32,
) -> Result<CatchUps> {
    let (usage, own) = (server.usage()?, Usage::own());
    let (mut cpu_us, mut own_cpu_us) = (Some(0.0), Some(0.0));
    let (mut painted, mut all) = (Latencies::new(), Latencies::new());
    let (mut frame_bytes, mut violations) = (Vec::new(), Vec::new());
    for _ in 0..limits::CATCH_UPS {
        let ticket = raw::ticket(server.address(), person).await?;
        let (cpu, own_cpu, since) = (usage.cpu_us(), own.cpu_us(), Instant::now());
        let mut socket = raw::open(&ticket).await?;
        let arrival = socket.arrive(vec![have]).await?;
        cpu_us = spent(cpu_us, cpu, &usage);
        own_cpu_us = spent(own_cpu_us, own_cpu, &own);
        painted.record(arrival.painted - since);
        all.record(arrival.caught_up - since);
        violations.extend(wrong(&arrival.missed, &have, messages));
        frame_bytes = arrival.frame_bytes;
        socket.close().await;
    }
    violations.truncate(limits::VIOLATIONS_MAX);
    Ok(CatchUps { painted, all, cpu_us, own_cpu_us, frame_bytes, violations })
}

fn spent(sum: Option<f64>, before: Option<f64>, usage: &Usage) -> Option<f64> {
    Some(sum? + usage.cpu_us()? - before?)
}

/// What is wrong with what was missed: it must be all, each once, in order, with its own text.
fn wrong(missed: &[proto::Message], have: &Position, messages: u32) -> Option<String> {
    if missed.len() != messages as usize {
        return Some(format!("{} of {messages} messages came when catching up", missed.len()));
    }
    let expected = (have.seq + 1..).zip(0..);
    for (message, (seq, number)) in missed.iter().zip(expected) {
        if message.seq != seq || !text::is_line(&message.body, number) {
            let found = message.seq;
            return Some(format!("catching up brought message {found} where {seq} had to come"));
        }
    }
    None
}

/// The same bytes in frames of the same sizes, by the echo server; and its processor time for one
/// return, in milliseconds.
async fn echoed(child: &Child, frame_bytes: &[usize]) -> Result<(Latencies, Option<f64>)> {
    let request = same_frames(frame_bytes);
    let (mut latencies, mut cpu_us) = (Latencies::new(), Some(0.0));
    for _ in 0..limits::ECHO_CATCH_UPS {
        let (cpu, since) = (child.usage().cpu_us(), Instant::now());
        let mut socket = raw::open_echo(&child.address).await?;
        socket.feed_bytes(request.clone()).await?;
        socket.flush().await?;
        let hearing = hear(&mut socket, frame_bytes.len());
        timeout(limits::PATIENCE, hearing).await.map_err(|_| Error::Silent("the echo"))??;
        latencies.record(since.elapsed());
        cpu_us = spent(cpu_us, cpu, &child.usage());
        socket.close().await;
    }
    let each_ms = cpu_us.map(|us| us / 1_000.0 / f64::from(limits::ECHO_CATCH_UPS));
    Ok((latencies, each_ms))
}

pub(crate) async fn hear(socket: &mut Socket, frames: usize) -> Result<()> {
    for _ in 0..frames {
        socket.hear_bytes().await?;
    }
    Ok(())
}

/// As many large and as many small frames, each kind in its average size.
pub(crate) fn same_frames(frame_bytes: &[usize]) -> Bytes {
    let (large, small): (Vec<usize>, Vec<usize>) =
        frame_bytes.iter().partition(|bytes| **bytes >= LARGE_FRAME_BYTES);
    let orders = [large, small].map(|sizes| {
        let average = sizes.iter().sum::<usize>() / sizes.len().max(1);
        Order {
            frames: u16::try_from(sizes.len()).unwrap_or(u16::MAX),
            bytes: u16::try_from(average).unwrap_or(u16::MAX),
        }
    });
    echo::request(0, &orders)
}

fn outcome(
    messages: u32,
    natter: &CatchUps,
    echo: &Latencies,
    echo_cpu_ms: Option<f64>,
    rows: Reading,
) -> Outcome {
    let is_target = messages == CATCH_UP_MESSAGES_MAX;
    let each_ms = |us: Option<f64>| us.map(|us| us / 1_000.0 / f64::from(limits::CATCH_UPS));
    let sum = |a: Option<f64>, b: Option<f64>| Some(a? + b?);
    let figures = vec![
        Figure {
            target: is_target.then_some(TARGET_PAINT_MS),
            ..lower("first screen p50", "ms", natter.painted.at(0.5))
        },
        lower("first screen max", "ms", natter.painted.at(1.0)),
        Figure {
            limit: sum(echo.at(0.5), Some(rows.ms)),
            target: is_target.then_some(TARGET_ALL_MS),
            ..lower("all of them p50", "ms", natter.all.at(0.5))
        },
        Figure { limit: echo.at(0.5), ..plain("… of it sockets", "ms", None) },
        Figure { limit: Some(rows.ms), ..plain("… of it rows", "ms", None) },
        lower("all of them max", "ms", natter.all.at(1.0)),
        Figure {
            limit: sum(echo_cpu_ms, rows.cpu_ms),
            ..lower("server CPU of one return", "ms", each_ms(natter.cpu_us))
        },
        plain("generator CPU of one return", "ms", each_ms(natter.own_cpu_us)),
        plain("frames of one return", "frames", Some(natter.frame_bytes.len() as f64)),
        plain(
            "bytes of one return",
            "KiB",
            Some(natter.frame_bytes.iter().sum::<usize>() as f64 / 1_024.0),
        ),
    ];
    let returns = limits::CATCH_UPS;
    Outcome {
        sections: vec![Section {
            title: format!("catchup: {messages} messages while away, {returns} returns"),
            figures,
        }],
        charts: Vec::new(),
        notes: vec![
            "from the TCP connection of the WebSocket on; the ticket was there".to_owned(),
            "limit: as many frames of the same sizes by the echo server, plus the same pages \
             of rows read by the same engine without a network"
                .to_owned(),
        ],
        violations: natter.violations.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: i64, number: u64) -> proto::Message {
        proto::Message { seq, body: text::line(number), ..Default::default() }
    }

    #[test]
    fn a_return_with_a_hole_a_double_or_a_swap_is_told() {
        let have = Position { conv_id: 1, seq: 4, rev: 0 };
        let good: Vec<_> = (0..5_u64).map(|n| message(5 + n as i64, n)).collect();
        assert_eq!(wrong(&good, &have, 5), None);
        let mut hole = good.clone();
        hole.remove(2);
        assert!(wrong(&hole, &have, 5).is_some());
        let mut doubled = good.clone();
        doubled[3] = doubled[2].clone();
        assert!(wrong(&doubled, &have, 5).is_some());
        let mut swapped = good.clone();
        swapped.swap(1, 2);
        assert!(wrong(&swapped, &have, 5).is_some());
        let mut other_text = good;
        other_text[0].body = text::line(7);
        assert!(wrong(&other_text, &have, 5).is_some());
    }
}
