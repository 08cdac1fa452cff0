//! How cost grows: the same small loads on a database with few and with many messages, with few and
//! with many people; connections; members of a group.

use std::time::Instant;

use proto::Position;
use proto::client_frame::Body as Say;
use proto::server_frame::Body as Heard;

use crate::child::{self, Server};
use crate::course::Pace;
use crate::pair::Pair;
use crate::raw::{self, Person};
use crate::report::{Chart, Figure, Latencies, Line, Section, lower, number};
use crate::{
    Error, Options, Outcome, Result, fanout, idle, limits, paint, people, population, say, search,
    send,
};

/// Pairs whose conversations hold the messages, and which then write.
const PAIRS: usize = 10;
/// Messages of one pair under way.
const WINDOW: usize = 4;
/// Messages that somebody missed who comes back.
const MISSED: i64 = 100;
/// Growth that is no growth: what a figure may differ from the smallest size.
const TARGET_RATIO: f64 = 1.2;
/// Members of groups.
const GROUPS: [usize; 3] = [2, 30, 1_000];

/// Messages, and people.
const SIZES: [u64; 2] = [1_000, 100_000];

/// What one figure came to at each size.
struct Curve {
    name: &'static str,
    unit: &'static str,
    /// Whether it should stay the same.
    flat: bool,
    points: Vec<(f64, f64)>,
}

/// The figures of one size: name, unit, value.
type Probe = Vec<(&'static str, &'static str, Option<f64>)>;

pub(crate) async fn run(options: &Options) -> Result<Outcome> {
    if options.server.is_some() {
        return Err(Error::Invalid("growth is measured on a server of our own".into()));
    }
    let sizes = options.sizes.clone().unwrap_or_else(|| SIZES.to_vec());
    let smallest = sizes[0];
    let (mut of_messages, mut of_people) = (Vec::new(), Vec::new());
    for size in &sizes {
        say(&format!("{} messages, {} people", number(*size as f64), number(smallest as f64)));
        add(&mut of_messages, *size as f64, true, probe(options, *size, smallest as usize).await?);
    }
    for size in &sizes {
        let people = (*size as usize).min(limits::CROWD_MAX);
        say(&format!("{} messages, {} people", number(smallest as f64), number(people as f64)));
        add(&mut of_people, people as f64, true, probe(options, smallest, people).await?);
    }
    let mut of_groups = Vec::new();
    for members in GROUPS {
        say(&format!("a group of {members}"));
        let options =
            Options { connections: Some(members), windows: vec![WINDOW], ..options.clone() };
        let outcome = Box::pin(fanout::run(&options)).await?;
        let names = [("server CPU of a delivery", "µs"), ("to a member p50", "ms")];
        add(&mut of_groups, members as f64, false, picked(&outcome, &names));
    }
    let (mut of_connections, most) = (Vec::new(), options.connections.unwrap_or(1_000));
    for connections in [100, 1_000, 10_000].into_iter().filter(|count| *count <= most) {
        say(&format!("{connections} connections"));
        let options = Options { connections: Some(connections), ..options.clone() };
        let outcome = Box::pin(idle::run(&options)).await?;
        let names = [("… of the second half of them", "KiB")];
        add(&mut of_connections, connections as f64, true, picked(&outcome, &names));
    }
    let families = [
        ("messages in the database", of_messages),
        ("people in the database", of_people),
        ("members of the group", of_groups),
        ("idle connections", of_connections),
    ];
    Ok(Outcome {
        sections: families.iter().flat_map(|(over, curves)| section(over, curves)).collect(),
        charts: families.iter().map(|(over, curves)| chart(over, curves)).collect(),
        notes: vec![
            "limit: the same at the smallest size, so the ratio is the growth".to_owned(),
            format!(
                "{PAIRS} pairs, whose conversations hold the messages, write at window {WINDOW}; \
                 who comes back has missed {MISSED}"
            ),
        ],
        violations: Vec::new(),
    })
}

fn add(curves: &mut Vec<Curve>, size: f64, flat: bool, probe: Probe) {
    for (name, unit, value) in probe {
        let at = curves.iter().position(|curve| curve.name == name).unwrap_or_else(|| {
            curves.push(Curve { name, unit, flat, points: Vec::new() });
            curves.len() - 1
        });
        curves[at].points.extend(value.map(|value| (size, value)));
    }
}

/// Figures of another scenario, by their names.
fn picked(outcome: &Outcome, names: &[(&'static str, &'static str)]) -> Probe {
    let figures = || outcome.sections.iter().flat_map(|section| &section.figures);
    let value = |wanted: &str| figures().find(|figure| figure.name == wanted)?.natter;
    names.iter().map(|(name, unit)| (*name, *unit, value(name))).collect()
}

/// A fresh database with so many messages and people, and small loads on it.
async fn probe(options: &Options, messages: u64, crowd: usize) -> Result<Probe> {
    let mut server = Server::start(options).await?;
    let people = people::sign_up(server.address(), 2 * PAIRS).await?;
    let conv_ids = populate(&mut server, &people, messages, crowd).await?;
    let mut synced = Latencies::new();
    for (pair, conv_id) in people.chunks_exact(2).zip(&conv_ids).take(limits::RETURN_STARTS) {
        synced.add(&come_back(server.address(), &pair[1], *conv_id).await?);
        server.restart().await?;
    }
    let address = server.address().to_owned();
    let (seconds, usage) = (options.seconds.min(limits::PROBE_SECONDS_MAX), server.usage()?);
    let paints = paint::paint(&address, &people[0], seconds, &usage).await?;
    let (mut socket, _) = people::connect(&address, &people[0]).await?;
    let mut asked = Vec::new();
    for question in search::questions(conv_ids[0]) {
        let name = question.name;
        asked.push((name, search::p50(&mut socket, question, seconds).await?));
    }
    socket.close().await;
    let mut pairs = Vec::new();
    for two in people.chunks_exact(2) {
        pairs.push(Pair::open([&address, &address], two).await?);
    }
    let directory = child::directory_on_disk()?;
    let pace = Pace::Closed { window: WINDOW };
    let (pairs, load) = send::natter(&server, pairs, pace, seconds, directory.path()).await?;
    for pair in pairs {
        pair.sender.close().await;
        pair.recipient.close().await;
    }
    server.stop().await?;
    if let Some(violation) = load.natter.tally.violations.first() {
        return Err(Error::Refused(violation.clone()));
    }
    let paint_p50 = paints.latencies.as_ref().and_then(|latencies| latencies.at(0.5));
    let mut probe = vec![
        ("Paint p50", "ms", paint_p50),
        ("server CPU of WebSocket and Paint", "µs", paints.cpu_us),
        ("100 messages missed, p50", "ms", synced.at(0.5)),
        ("to the recipient p50", "ms", load.natter.tally.to_recipient.at(0.5)),
        ("server CPU of a message", "µs", load.natter.cpu_per_message_us()),
    ];
    probe.extend(asked.into_iter().map(|(name, p50)| (name, "ms", p50)));
    Ok(probe)
}

/// Writes the crowd and the messages while the server is away; the pairs' conversations.
async fn populate(
    server: &mut Server,
    people: &[Person],
    messages: u64,
    crowd: usize,
) -> Result<Vec<i64>> {
    let database = server.pause().await?;
    let database = database.ok_or_else(|| Error::Invalid("this server is not ours".into()))?;
    let store = population::open(&database).await?;
    population::people(&store, crowd).await?;
    let mut convs = Vec::with_capacity(PAIRS);
    for two in people.chunks_exact(2) {
        let (from, to) = (two[0].user_id, two[1].user_id);
        let (conv_id, _) = store.open_direct(from, to, crate::clock::now_ms()).await?;
        convs.push((conv_id, from));
    }
    population::messages(&store, &convs, messages).await?;
    store.close().await;
    server.resume().await?;
    Ok(convs.into_iter().map(|(conv_id, _)| conv_id).collect())
}

/// Somebody who has missed the newest [`MISSED`] messages of a conversation.
async fn come_back(server: &str, person: &Person, conv_id: i64) -> Result<Latencies> {
    let (mut socket, _) = people::connect(server, person).await?;
    let newest = proto::history::From::BeforeSeq(0);
    let heard = socket
        .ask(8, Say::History(proto::History { conv_id, limit: 1, from: Some(newest) }))
        .await?;
    socket.close().await;
    let Heard::Page(page) = heard else {
        return Err(Error::Refused("a question for a page was not answered with one".into()));
    };
    let last_seq = page.messages.last().map_or(0, |message| message.seq);
    let have = Position { conv_id, seq: last_seq - MISSED, rev: 0 };
    let mut latencies = Latencies::new();
    for _ in 0..limits::RETURNS {
        let ticket = raw::ticket(server, person).await?;
        let mut socket = raw::open(&ticket).await?;
        let since = Instant::now();
        let arrival = socket.arrive(vec![have]).await?;
        latencies.record(arrival.caught_up - since);
        if arrival.missed.len() as i64 != MISSED {
            let came = arrival.missed.len();
            return Err(Error::Refused(format!("{came} of {MISSED} missed messages came")));
        }
        socket.close().await;
    }
    Ok(latencies)
}

/// One section for each size beyond the smallest: its figures beside those of the smallest.
fn section(over: &str, curves: &[Curve]) -> Vec<Section> {
    let sizes = curves.iter().map(|curve| curve.points.len()).max().unwrap_or(0);
    let at = |size: usize| {
        let figures = curves.iter().filter_map(|curve| figure(curve, size)).collect();
        let [first, now] = [0, size].map(|n| curves.iter().find_map(|curve| curve.points.get(n)));
        let [first, now] = [first, now].map(|point| number(point.map_or(0.0, |point| point.0)));
        Section { title: format!("grow: {now} {over}, beside {first}"), figures }
    };
    (1..sizes).map(at).collect()
}

fn figure(curve: &Curve, size: usize) -> Option<Figure> {
    let (first, now) = (curve.points.first()?.1, curve.points.get(size)?.1);
    let target = curve.flat.then_some(first * TARGET_RATIO);
    Some(Figure { limit: Some(first), target, ..lower(curve.name, curve.unit, Some(now)) })
}

fn chart(over: &str, curves: &[Curve]) -> Chart {
    let lines = curves.iter().map(|curve| {
        let first = curve.points.first().map_or(1.0, |point| point.1);
        let points = curve.points.iter().map(|(size, value)| (*size, value / first)).collect();
        Line { name: curve.name.to_owned(), points }
    });
    Chart {
        title: format!("how cost grows with {over}"),
        x: over.to_owned(),
        y: "times".to_owned(),
        x_ticks: Vec::new(),
        lines: lines.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_size_is_the_limit_of_the_others() {
        let mut curves = Vec::new();
        for (size, ms) in [(1e3, 2.0), (1e5, 3.0)] {
            add(&mut curves, size, true, vec![("Paint p50", "ms", Some(ms)), ("gone", "ms", None)]);
        }
        let sections = section("messages", &curves);
        assert_eq!(sections.len(), 1);
        assert_eq!(sections[0].title, "grow: 100,000 messages, beside 1,000");
        let figures = &sections[0].figures;
        assert_eq!(
            (figures.len(), figures[0].ratio(), figures[0].met()),
            (1, Some(1.5), Some(false))
        );
        assert_eq!(chart("messages", &curves).lines[0].points, [(1e3, 1.0), (1e5, 1.5)]);
    }
}
