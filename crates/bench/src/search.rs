//! What searching costs: for a text in a conversation, and for people in a crowd.

use std::time::{Duration, Instant};

use proto::client_frame::Body as Say;
use proto::server_frame::Body as Heard;

use crate::child::{Child, Server};
use crate::raw::{self, Person, Socket};
use crate::report::{Figure, Latencies, Section, higher, latency_chart, lower, plain};
use crate::rows::Reading;
use crate::usage::Usage;
use crate::{Error, Options, Outcome, Result, echo, limits, people, population, say};

/// People and messages in the database of a server of our own.
const CROWD: usize = 10_000;
const MESSAGES: u64 = 10_000;

/// One question, asked again and again.
pub(crate) struct Question {
    pub(crate) name: &'static str,
    ask: Say,
}

/// The answers to one question.
struct Asked {
    name: &'static str,
    latencies: Latencies,
    asked: u64,
    took: Duration,
    cpu_us: Option<f64>,
    answer_bytes: usize,
    found: usize,
}

pub(crate) async fn run(options: &Options) -> Result<Outcome> {
    let mut server = Server::start(options).await?;
    let people = people::sign_up(server.address(), 2).await?;
    let (mut socket, _) = people::connect(server.address(), &people[0]).await?;
    let conv_id = socket.open_direct(people[1].user_id).await?.conv_id;
    socket.close().await;
    let mut rows = Vec::new();
    if let Some(database) = server.pause().await? {
        say(&format!("{CROWD} people and {MESSAGES} messages are written"));
        let store = population::open(&database).await?;
        population::people(&store, CROWD).await?;
        population::messages(&store, &[(conv_id, people[0].user_id)], MESSAGES).await?;
        for question in questions(conv_id) {
            rows.push(alone(&store, &people[0], &question.ask).await?);
        }
        store.close().await;
    }
    server.resume().await?;
    let usage = server.usage()?;
    let (mut socket, _) = people::connect(server.address(), &people[0]).await?;
    let mut asked = Vec::new();
    for question in questions(conv_id) {
        say(&format!("natter: {}, {} s", question.name, options.seconds));
        asked.push(ask(&mut socket, question, options.seconds, &usage).await?);
    }
    socket.close().await;
    server.stop().await?;
    let mut sections = Vec::new();
    for (place, asked) in asked.iter().enumerate() {
        let echo = echoed(asked.answer_bytes).await?;
        sections.push(section(asked, &echo, rows.get(place).copied()));
    }
    let curves = asked.iter().map(|asked| asked.latencies.curve(asked.name)).collect();
    Ok(Outcome {
        sections,
        charts: vec![latency_chart("from the question to the answer", curves)],
        notes: vec![
            format!(
                "one connection, one question at a time, among {CROWD} people and in a \
                 conversation of {MESSAGES} messages where the server is our own"
            ),
            "limit: a frame of the size of the answer by the echo server, plus the same question \
             to the same engine without a network"
                .to_owned(),
        ],
        violations: Vec::new(),
    })
}

pub(crate) fn questions(conv_id: i64) -> Vec<Question> {
    let text = |name, text: &str| {
        let search = proto::Search { conv_id, text: text.to_owned(), before_seq: 0, limit: 50 };
        Question { name, ask: Say::Search(search) }
    };
    let find = |name, text: &str| {
        let find = proto::Find { text: text.to_owned(), limit: 20 };
        Question { name, ask: Say::Find(find) }
    };
    vec![
        text("a word of every message", "number"),
        text("a word of no message", "xylophone"),
        find("people by the beginning of a name", "jan"),
        find("people by first and last name", "milo stern"),
        find("people with one letter wrong", "novac"),
    ]
}

async fn ask(
    socket: &mut Socket,
    question: Question,
    seconds: u64,
    usage: &Usage,
) -> Result<Asked> {
    let (mut latencies, mut asked) = (Latencies::new(), 0);
    let (mut answer_bytes, mut found) = (0, 0);
    let (before, since) = (usage.cpu_us(), Instant::now());
    while since.elapsed() < Duration::from_secs(seconds) {
        let now = Instant::now();
        let answer = socket.ask(7, question.ask.clone()).await?;
        latencies.record(now.elapsed());
        asked += 1;
        found = match &answer {
            Heard::Page(page) => page.messages.len(),
            Heard::Found(found) => found.people.len(),
            _ => return Err(Error::Refused("a question was not answered".into())),
        };
        answer_bytes = proto::Codec::Protobuf.write_server(&proto::frame::answer(7, answer)).len();
    }
    let spent = usage.cpu_us().zip(before).map(|(after, before)| after - before);
    let cpu_us = spent.map(|us| us / asked as f64);
    let (name, took) = (question.name, since.elapsed());
    Ok(Asked { name, latencies, asked, took, cpu_us, answer_bytes, found })
}

/// The median answer, in milliseconds.
pub(crate) async fn p50(
    socket: &mut Socket,
    question: Question,
    seconds: u64,
) -> Result<Option<f64>> {
    let asked = ask(socket, question, seconds, &Usage::default()).await?;
    Ok(asked.latencies.at(0.5))
}

/// The same question to the store alone.
async fn alone(store: &store::Store, person: &Person, ask: &Say) -> Result<Reading> {
    let (since, before) = (Instant::now(), Usage::own().cpu_us());
    let mut asked = 0;
    while asked < limits::QUESTIONS_ALONE && since.elapsed() < limits::ALONE_FOR {
        asked += 1;
        match ask {
            Say::Search(search) => {
                let (me, conv_id) = (person.user_id, search.conv_id);
                store.search(me, conv_id, &search.text, search.before_seq, search.limit).await?;
            }
            Say::Find(find) => {
                store.find_people(person.user_id, &find.text, find.limit).await?;
            }
            _ => {}
        }
    }
    let each = f64::from(asked) * 1_000.0;
    let spent = Usage::own().cpu_us().zip(before).map(|(after, before)| after - before);
    let ms = since.elapsed().as_secs_f64() * 1_000_000.0 / each;
    Ok(Reading { ms, cpu_ms: spent.map(|us| us / each) })
}

/// A frame as large as the answer; and the processor time for one, in microseconds.
async fn echoed(answer_bytes: usize) -> Result<(Latencies, Option<f64>)> {
    let child: Child = Child::start_echo().await?;
    let mut socket = raw::open_echo(&child.address).await?;
    let bytes = u16::try_from(answer_bytes).unwrap_or(u16::MAX);
    let request = echo::request(30, &[echo::Order { frames: 1, bytes }]);
    let (mut latencies, before) = (Latencies::new(), child.usage().cpu_us());
    for _ in 0..limits::ECHO_QUESTIONS {
        let since = Instant::now();
        socket.feed_bytes(request.clone()).await?;
        socket.flush().await?;
        socket.hear_bytes().await?;
        latencies.record(since.elapsed());
    }
    let spent = child.usage().cpu_us().zip(before).map(|(after, before)| after - before);
    socket.close().await;
    child.stop().await?;
    Ok((latencies, spent.map(|us| us / f64::from(limits::ECHO_QUESTIONS))))
}

fn section(asked: &Asked, echo: &(Latencies, Option<f64>), rows: Option<Reading>) -> Section {
    let sum = |a: Option<f64>, b: Option<f64>| Some(a? + b?);
    let rows_us = rows.and_then(|rows| rows.cpu_ms).map(|ms| ms * 1_000.0);
    let per_second = asked.asked as f64 / asked.took.as_secs_f64();
    let mut figures = vec![
        higher("answers", "a second", Some(per_second)),
        Figure {
            limit: sum(echo.1, rows_us),
            ..lower("server CPU of an answer", "µs", asked.cpu_us)
        },
    ];
    let mut latencies = asked.latencies.figures("answer");
    latencies[0].limit = sum(echo.0.at(0.5), rows.map(|rows| rows.ms));
    figures.extend(latencies);
    figures.push(plain("found", "entries", Some(asked.found as f64)));
    Section { title: format!("search: {}", asked.name), figures }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child;

    #[tokio::test]
    async fn every_question_but_one_finds_somebody_or_something() -> anyhow::Result<()> {
        let directory = child::directory_on_disk()?;
        let store = population::open(&directory.path().join("natter.db")).await?;
        let ids = population::people(&store, 400).await?;
        let (conv_id, _) = store.open_direct(ids[0], ids[1], 1).await?;
        population::messages(&store, &[(conv_id, ids[0])], 60).await?;
        for question in questions(conv_id) {
            let found = match &question.ask {
                Say::Search(search) => {
                    store.search(ids[0], conv_id, &search.text, 0, 50).await?.0.len()
                }
                Say::Find(find) => store.find_people(ids[0], &find.text, 20).await?.len(),
                _ => unreachable!("there are two kinds of questions"),
            };
            assert_eq!(found == 0, question.name == "a word of no message", "{}", question.name);
        }
        store.close().await;
        Ok(())
    }
}
