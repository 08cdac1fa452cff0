//! What a message costs: pairs of people in closed loops and at fixed rates, everything stored,
//! delivered and confirmed; beside it the same frames without storing, and the same rows without
//! sockets.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use proto::client_frame::Body as Say;
use proto::server_frame::Body as Heard;
use proto::{Codec, frame};
use tokio::task::JoinSet;

use crate::child::{self, Child, Server};
use crate::course::{self, Course, Load, Pace};
use crate::echo_pair::{self, EchoPair, Shape};
use crate::ledger::Schedule;
use crate::pair::{self, Pair};
use crate::report::{Figure, Latencies, Section, higher, latency_chart, lower, plain};
use crate::rows::{self, Grouping, Rows};
use crate::{Options, Outcome, Result, clock, limits, people, raw, say, text};

/// The load that the targets are for.
const TARGET_PAIRS: usize = 50;
/// At window 16.
const TARGET_PER_SECOND: f64 = 15_000.0;
const TARGET_CPU_US: f64 = 90.0;
/// From the Send to the recipient, at window 1.
const TARGET_P50_MS: f64 = 4.0;
const TARGET_P99_MS: f64 = 15.0;

/// Everything that was measured at one pace.
pub(crate) struct Measured {
    pace: Pace,
    pub(crate) natter: Load,
    pub(crate) grouping: Option<Grouping>,
    pub(crate) shape: Shape,
    /// Of the disk, right afterwards.
    sync: Latencies,
}

/// The limits at one pace.
struct Limits {
    echo: Load,
    rows: Rows,
    grouping: Grouping,
}

pub(crate) async fn run(options: &Options) -> Result<Outcome> {
    let directory = child::directory_on_disk()?;
    let server = Server::start(options).await?;
    say(&format!("{} people sign up", 2 * options.pairs));
    let people = people::sign_up(server.address(), 2 * options.pairs).await?;
    let opening = stream::iter(people.chunks_exact(2).enumerate())
        .map(|(n, two)| Pair::open([server.address_for(n), server.address_for(n + 1)], two));
    let mut pairs: Vec<Pair> = opening.buffered(limits::OPENING_AT_ONCE).try_collect().await?;
    let closed = options.windows.iter().map(|window| Pace::Closed { window: *window });
    let open = options.rates.iter().map(|per_second| Pace::Open { per_second: *per_second });
    let mut measured = Vec::new();
    for pace in closed.chain(open) {
        say(&format!("natter: {} pairs, {}, {} s", pairs.len(), name(pace), options.seconds));
        let (back, one) = natter(&server, pairs, pace, options.seconds, directory.path()).await?;
        pairs = back;
        measured.push(one);
    }
    stream::iter(pairs)
        .for_each_concurrent(limits::OPENING_AT_ONCE, async |pair| {
            pair.sender.close().await;
            pair.recipient.close().await;
        })
        .await;
    server.stop().await?;

    let curve = |one: &Measured| one.natter.tally.to_recipient.curve(&name(one.pace));
    let curves = measured.iter().map(curve).collect();
    let charts = vec![latency_chart("from the Send to the recipient", curves)];
    let mut sections = Vec::new();
    let mut violations = Vec::new();
    for one in measured {
        let limits = limits_of(&one, options, directory.path()).await?;
        violations.extend(one.natter.tally.violations.iter().cloned());
        sections.push(section(options.pairs, &one, &limits));
    }
    Ok(Outcome { sections, charts, notes: notes(directory.path()), violations })
}

fn name(pace: Pace) -> String {
    match pace {
        Pace::Closed { window } => format!("closed loop, window {window}"),
        Pace::Open { per_second } => format!("open loop, {per_second} msg/s"),
    }
}

/// Messages of one pair that may be under way.
fn window(pace: Pace) -> usize {
    match pace {
        Pace::Closed { window } => window,
        Pace::Open { .. } => proto::limits::SENDS_IN_FLIGHT_MAX,
    }
}

/// One load on natter; the pairs come back for the next one.
pub(crate) async fn natter(
    server: &Server,
    pairs: Vec<Pair>,
    pace: Pace,
    seconds: u64,
    directory: &Path,
) -> Result<(Vec<Pair>, Measured)> {
    let course = Arc::new(Course::default());
    let mut tasks = JoinSet::new();
    let before = counters(server.address()).await;
    let (count, start) = (pairs.len(), Instant::now());
    for (n, mut pair) in pairs.into_iter().enumerate() {
        let course = Arc::clone(&course);
        let schedule = Schedule::of(pace, n, count, start);
        tasks.spawn(async move {
            let tally = pair::drive(&mut pair, window(pace), schedule, &course).await?;
            Ok((pair, tally))
        });
    }
    let (pairs, natter) = course::run(tasks, course, &server.usage()?, seconds).await?;
    let grouping = before.zip(counters(server.address()).await).and_then(|(b, a)| grouping(b, a));
    let shape = shape(&pairs[0], &natter);
    Ok((pairs, Measured { pace, natter, grouping, shape, sync: rows::sync_latency(directory)? }))
}

/// Messages, transactions and cursor moves so far. None: the server does not tell.
async fn counters(server: &str) -> Option<[u64; 3]> {
    let text = raw::get(server, "/metrics").await.ok()?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line?.trim().parse().ok()
    };
    Some([
        value("natter_messages_total")?,
        value("natter_batches_total")?,
        value("natter_cursor_moves_total")?,
    ])
}

fn grouping(before: [u64; 3], after: [u64; 3]) -> Option<Grouping> {
    let [messages, batches, moves] = [0, 1, 2].map(|n| after[n].saturating_sub(before[n]));
    let each = |count: u64| ((count as f64 / batches as f64).round()) as usize;
    (batches > 0).then(|| Grouping { sends: each(messages).max(1), moves: each(moves) })
}

/// The frames as they were, from one of each kind.
fn shape(pair: &Pair, load: &Load) -> Shape {
    let (conv_id, seq, now) = (pair.conv_id, pair.next_seq, clock::now_ms());
    let (client_key, body) = (proto::id::random_key(), text::line(seq.unsigned_abs()));
    let user_id = pair.recipient_id;
    let receipt = proto::Receipt {
        conv_id,
        user_id,
        delivered_seq: seq,
        read_seq: 0,
        at: now,
        ..proto::Receipt::default()
    };
    let message = message(conv_id, seq, user_id, now, body.clone());
    let tally = &load.tally;
    Shape {
        send_bytes: client_bytes(Say::Send(proto::Send {
            conv_id,
            client_key,
            body,
            reply_seq: 0,
        })),
        sent_bytes: server_bytes(1, Heard::Sent(sent(conv_id, seq, client_key, now))),
        message_bytes: server_bytes(0, Heard::Message(message)),
        delivered_bytes: client_bytes(Say::Delivered(proto::Delivered { conv_id, seq })),
        receipt_bytes: server_bytes(0, Heard::Receipt(receipt)),
        delivered_per_message: tally.per_message(tally.delivered_said),
        receipts_at_sender_per_message: tally.per_message(tally.receipts_at_sender),
        receipts_at_recipient_per_message: tally.per_message(tally.receipts_at_recipient),
    }
}

pub(crate) fn client_bytes(body: Say) -> usize {
    Codec::Protobuf.write_client(&frame::from_client(1, body)).len()
}

pub(crate) fn server_bytes(r#ref: u32, body: Heard) -> u16 {
    let bytes = Codec::Protobuf.write_server(&frame::answer(r#ref, body)).len();
    u16::try_from(bytes).expect("these frames are small")
}

pub(crate) fn message(
    conv_id: i64,
    seq: i64,
    sender_id: i64,
    sent_at: i64,
    body: String,
) -> proto::Message {
    proto::Message { conv_id, seq, sender_id, sent_at, body, ..Default::default() }
}

pub(crate) fn sent(conv_id: i64, seq: i64, client_key: i64, sent_at: i64) -> proto::Sent {
    let state = proto::SentState::OnItsWay.into();
    proto::Sent {
        conv_id,
        client_key,
        seq,
        sent_at,
        state,
        members_online: 1,
        members: 1,
        ..Default::default()
    }
}

async fn limits_of(one: &Measured, options: &Options, directory: &Path) -> Result<Limits> {
    let echo = echo(one, options.pairs, options.seconds).await?;
    let default = Grouping { sends: limits::GROUP_DEFAULT, moves: limits::GROUP_DEFAULT / 4 };
    let grouping = one.grouping.unwrap_or(default);
    say(&format!("the same rows without a network, {} in a transaction", grouping.sends));
    let rows = rows::write(directory, options.pairs, grouping, &text::line(0)).await?;
    Ok(Limits { echo, rows, grouping })
}

/// The same frames by a server that only echoes.
pub(crate) async fn echo(one: &Measured, pairs: usize, seconds: u64) -> Result<Load> {
    let shape = one.shape;
    // At a fixed rate hardly two frames meet, so there the limit is one pair alone.
    let (pairs, window) = match one.pace {
        Pace::Closed { window } => (pairs, window),
        Pace::Open { .. } => (1, 1),
    };
    say(&format!("the same frames by the echo server: {}, {} s", name(one.pace), seconds));
    let child = Child::start_echo().await?;
    let course = Arc::new(Course::default());
    let mut tasks = JoinSet::new();
    for _ in 0..pairs {
        let mut pair = EchoPair::open(&child.address).await?;
        let course = Arc::clone(&course);
        tasks.spawn(async move {
            let tally = echo_pair::drive(&mut pair, window, shape, &course).await?;
            Ok((pair, tally))
        });
    }
    let (pairs, echo) = course::run(tasks, course, &child.usage(), seconds).await?;
    stream::iter(pairs).for_each_concurrent(limits::OPENING_AT_ONCE, EchoPair::close).await;
    child.stop().await?;
    Ok(echo)
}

fn section(pairs: usize, one: &Measured, limits: &Limits) -> Section {
    let standard = pairs == TARGET_PAIRS;
    let target = |window: usize, value: f64| {
        (standard && one.pace == Pace::Closed { window }).then_some(value)
    };
    let mut figures = costs(one, limits, target(16, TARGET_PER_SECOND), target(16, TARGET_CPU_US));
    let mut latencies = one.natter.tally.to_recipient.figures("to the recipient");
    latencies.extend(one.natter.tally.to_answer.figures("to Sent"));
    let least = sum(limits.echo.tally.to_answer.at(0.5), one.sync.at(0.5));
    latencies[0].limit = least;
    latencies[0].target = target(1, TARGET_P50_MS);
    latencies[1].target = target(1, TARGET_P99_MS);
    latencies[4].limit = least;
    figures.extend(latencies);
    figures.extend(explanations(one, limits));
    let title = format!(
        "send: {pairs} pairs, {}, {:.0} s, {}-byte texts, stored, delivered, with receipts",
        name(one.pace),
        one.natter.seconds,
        limits::TEXT_BYTES
    );
    Section { title, figures }
}

fn costs(
    one: &Measured,
    limits: &Limits,
    per_second: Option<f64>,
    cpu_us: Option<f64>,
) -> Vec<Figure> {
    let (load, echo, rows) = (&one.natter, &limits.echo, &limits.rows);
    vec![
        delivered(one.pace, load, echo, per_second),
        higher("acked", "msg/s", Some(load.acked_per_second())),
        Figure {
            limit: sum(echo.cpu_per_message_us(), rows.cpu_per_message_us),
            target: cpu_us,
            ..lower("server CPU of a delivered message", "µs", load.cpu_per_message_us())
        },
        Figure { limit: echo.cpu_per_message_us(), ..plain("… of it sockets", "µs", None) },
        Figure { limit: rows.cpu_per_message_us, ..plain("… of it rows", "µs", None) },
        Figure {
            limit: Some(rows.messages_per_second),
            ..plain("rows alone, one transaction at a time", "msg/s", None)
        },
    ]
}

/// In an open loop the rate is given, and the limit is to keep it.
fn delivered(pace: Pace, load: &Load, echo: &Load, target: Option<f64>) -> Figure {
    let limit = match pace {
        Pace::Closed { .. } => echo.arrived_per_second(),
        Pace::Open { per_second } => f64::from(per_second),
    };
    let arrived = Some(load.arrived_per_second());
    Figure { limit: Some(limit), target, ..higher("delivered", "msg/s", arrived) }
}

/// What one has to know to judge the figures.
fn explanations(one: &Measured, limits: &Limits) -> Vec<Figure> {
    let (load, shape) = (&one.natter, &one.shape);
    let heard =
        2.0 + shape.receipts_at_sender_per_message + shape.receipts_at_recipient_per_message;
    let grouping = one.grouping.map(|grouping| grouping.sends as f64);
    let mut figures = per_process(load);
    figures.extend([
        Figure { limit: one.sync.at(0.5), ..plain("one sync of the disk p50", "ms", None) },
        Figure { limit: one.sync.at(0.99), ..plain("one sync of the disk p99", "ms", None) },
        Figure {
            limit: limits.echo.own_cpu_per_message_us(),
            ..plain("generator CPU of a message", "µs", load.own_cpu_per_message_us())
        },
        Figure {
            limit: Some(limits.grouping.sends as f64),
            ..plain("messages in one transaction", "messages", grouping)
        },
        plain(
            "frames to the server for a message",
            "frames",
            Some(1.0 + shape.delivered_per_message),
        ),
        plain("frames from the server for a message", "frames", Some(heard)),
    ]);
    figures
}

/// Where there are several processes: what each of them spent on a message.
pub(crate) fn per_process(load: &Load) -> Vec<Figure> {
    if load.spent.len() < 2 {
        return Vec::new();
    }
    let each = |cpu_us: f64| Some(cpu_us / load.arrived.max(1) as f64);
    let spent = load.spent.iter();
    spent.map(|spent| plain(&format!("… of {}", spent.name), "µs", each(spent.cpu_us))).collect()
}

fn sum(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? + b?)
}

fn notes(directory: &Path) -> Vec<String> {
    let place = directory.parent().map_or_else(String::new, |parent| parent.display().to_string());
    vec![
        "limit: as many frames of the same sizes by the echo server; for the processor \
         time plus the same rows in the same groups by the same engine without a network; for a \
         latency plus one sync of 4 KiB"
            .to_owned(),
        format!("the database was below {place}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grouping_is_what_happened_in_between() {
        let found = grouping([100, 10, 5], [740, 20, 25]).unwrap();
        assert_eq!((found.sends, found.moves), (64, 2));
        assert!(grouping([1, 2, 3], [1, 2, 3]).is_none());
    }
}
