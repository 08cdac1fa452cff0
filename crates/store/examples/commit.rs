//! How many messages a second one grouping writer commits, at several sizes of the group. A
//! measurement, not a test: `cargo run --release -p natter-store --example commit --
//! sqlite:/some/where/bench.db` or a `postgres://…` URL of an empty database.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use proto::id;
use store::{Batch, NewMessage, NewUser, Options, Store};

const PEOPLE: usize = 400;
const MEASURED: Duration = Duration::from_secs(4);
const SIZES: [usize; 4] = [1, 16, 64, 256];

#[tokio::main]
#[expect(clippy::print_stdout, reason = "its figures are what it is for")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).context("which database? sqlite:PATH or postgres://…")?;
    let now = 1_800_000_000_000;
    let store = Store::open(&[url], &Options::default()).await?;
    let pairs = pairs(&store, now).await?;
    let mut next = 0;
    for (said, online) in [("everybody is online", true), ("nobody is online", false)] {
        println!("{said}");
        println!("messages in one transaction | messages/s | ms per transaction: median, 99 %");
        for size in SIZES {
            measure(&store, &pairs, size, online, &mut next, now).await?;
        }
    }
    let faults = store.integrity().await?;
    println!("integrity: {}", if faults.is_empty() { "whole".into() } else { faults.join("; ") });
    store.close().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "its figures are what it is for")]
async fn measure(
    store: &Store,
    pairs: &[(i64, i64)],
    size: usize,
    online: bool,
    next: &mut usize,
    now: i64,
) -> Result<()> {
    let mut spent = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < MEASURED {
        let sends = (0..size).map(|_| {
            *next += 1;
            message(pairs[*next % pairs.len()], *next)
        });
        let batch = Batch { sends: sends.collect(), moves: Vec::new() };
        let start = Instant::now();
        store.commit_and_nudge(0, &batch, &|_| online, now).await?;
        spent.push(start.elapsed());
    }
    let rate = (spent.len() * size) as f64 / begin.elapsed().as_secs_f64();
    spent.sort_unstable();
    let at = |share: f64| spent[((spent.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("{size:27} | {rate:10.0} | {:.2}, {:.2}", at(0.5), at(0.99));
    Ok(())
}

/// Pairs of people with a direct conversation each: (conversation, sender).
async fn pairs(store: &Store, now: i64) -> Result<Vec<(i64, i64)>> {
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        let user = NewUser {
            user_id: id::new(0, now),
            handle: format!("bench{n}"),
            name: format!("Bench {n}"),
            email: None,
            pass_hash: String::new(),
        };
        store.create_user(&user, now).await?;
        people.push(user.user_id);
    }
    let mut pairs = Vec::new();
    for pair in people.chunks(2) {
        pairs.push((store.open_direct(pair[0], pair[1], now).await?.0, pair[0]));
    }
    Ok(pairs)
}

fn message((conv_id, sender_id): (i64, i64), n: usize) -> NewMessage {
    NewMessage {
        conv_id,
        sender_id,
        client_key: n as i64 + 1,
        reply_seq: 0,
        body: "a message of sixty-six bytes, as the comparisons of chat servers use".into(),
        mentions: Vec::new(),
    }
}
