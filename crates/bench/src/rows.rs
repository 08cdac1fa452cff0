//! The limit of the storage: the rows of the same messages and cursors, written by the same engine
//! in the same groups, without a socket anywhere. And what the disk takes for one sync, below which
//! nothing durable can be.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use proto::history::From;
use proto::id;
use proto::limits::{PAGE_MESSAGES_MAX, PAINT_CONVERSATIONS_MAX};
use store::{Batch, CursorMove, NewMessage, NewUser, Store};

use crate::report::Latencies;
use crate::usage::Usage;
use crate::{Result, clock, limits, text};

const SYNC_BYTES: usize = 4_096;

/// How the server grouped what it stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grouping {
    /// Messages in one transaction.
    pub(crate) sends: usize,
    /// Cursors moved in one transaction.
    pub(crate) moves: usize,
}

/// What writing rows alone costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) messages_per_second: f64,
    /// Microseconds; all threads of this process.
    pub(crate) cpu_per_message_us: Option<f64>,
}

/// What reading a whole log costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) ms: f64,
    /// All threads of this process.
    pub(crate) cpu_ms: Option<f64>,
}

struct Direct {
    conv_id: i64,
    sender_id: i64,
    recipient_id: i64,
    last_seq: i64,
    delivered_seq: i64,
}

/// Writes messages of `text` for [`limits::ROWS_FOR`] into a fresh SQLite below `directory`.
pub(crate) async fn write(
    directory: &Path,
    pairs: usize,
    grouping: Grouping,
    text: &str,
) -> Result<Rows> {
    let file = format!("rows-{}-{}.db", grouping.sends, grouping.moves);
    let url = format!("sqlite:{}", directory.join(file).display());
    write_into(&url, pairs, grouping, text, &Usage::own()).await
}

/// The same into the empty database at `url`. `usage`: whose processor time it costs.
pub(crate) async fn write_into(
    url: &str,
    pairs: usize,
    grouping: Grouping,
    text: &str,
    usage: &Usage,
) -> Result<Rows> {
    let store = Store::open(&[url.to_owned()], &store::Options::default()).await?;
    let mut directs = Vec::with_capacity(pairs);
    for pair in 0..pairs {
        directs.push(direct(&store, pair).await?);
    }
    let (since, cpu) = (Instant::now(), usage.cpu_us());
    let (mut messages, mut next_send, mut next_move) = (0, 0, 0);
    while since.elapsed() < limits::ROWS_FOR {
        let mut batch = Batch::default();
        for _ in 0..grouping.moves {
            batch.moves.extend(deliver(&mut directs[next_move]));
            next_move = (next_move + 1) % pairs;
        }
        for _ in 0..grouping.sends {
            batch.sends.push(send(&mut directs[next_send], text));
            next_send = (next_send + 1) % pairs;
        }
        store.commit(0, &batch, clock::now_ms()).await?;
        messages += grouping.sends;
    }
    let seconds = since.elapsed().as_secs_f64();
    let cpu = usage.cpu_us().zip(cpu).map(|(after, before)| after - before);
    store.close().await;
    Ok(Rows {
        messages_per_second: messages as f64 / seconds,
        cpu_per_message_us: cpu.map(|us| us / messages.max(1) as f64),
    })
}

async fn direct(store: &Store, pair: usize) -> Result<Direct> {
    let now = clock::now_ms();
    let mut ids = [0; 2];
    for (place, side) in ["a", "b"].iter().enumerate() {
        ids[place] = id::new(0, now);
        let handle = format!("rows-{side}-{pair}");
        let user = NewUser {
            user_id: ids[place],
            name: handle.clone(),
            handle,
            email: None,
            pass_hash: "nobody logs in here".to_owned(),
        };
        store.create_user(&user, now).await?;
    }
    let [sender_id, recipient_id] = ids;
    let (conv_id, _) = store.open_direct(sender_id, recipient_id, now).await?;
    Ok(Direct { conv_id, sender_id, recipient_id, last_seq: 0, delivered_seq: 0 })
}

fn send(direct: &mut Direct, text: &str) -> NewMessage {
    direct.last_seq += 1;
    NewMessage {
        conv_id: direct.conv_id,
        sender_id: direct.sender_id,
        client_key: id::random_key(),
        reply_seq: 0,
        body: text.to_owned(),
        mentions: Vec::new(),
    }
}

/// The recipient has what was committed so far; nothing where he was told already.
fn deliver(direct: &mut Direct) -> Option<CursorMove> {
    if direct.delivered_seq == direct.last_seq {
        return None;
    }
    direct.delivered_seq = direct.last_seq;
    Some(CursorMove {
        conv_id: direct.conv_id,
        user_id: direct.recipient_id,
        delivered_seq: direct.last_seq,
        read_seq: 0,
    })
}

/// How long it takes to read a log of `messages` page by page, as catching up does, without any
/// network. The mean of [`limits::CATCH_UPS`] runs.
pub(crate) async fn read(directory: &Path, messages: u32) -> Result<Reading> {
    let url = format!("sqlite:{}", directory.join("read.db").display());
    let store = Store::open(&[url], &store::Options::default()).await?;
    let mut direct = direct(&store, 0).await?;
    for first in (0..messages).step_by(limits::GROUP_DEFAULT) {
        let mut batch = Batch::default();
        for number in first..messages.min(first + limits::GROUP_DEFAULT as u32) {
            batch.sends.push(send(&mut direct, &text::line(u64::from(number))));
        }
        store.commit(0, &batch, clock::now_ms()).await?;
    }
    let (since, cpu) = (Instant::now(), Usage::own().cpu_us());
    for _ in 0..limits::CATCH_UPS {
        let mut seq = 0;
        loop {
            let from = From::AfterSeq(seq);
            let (me, conv_id) = (direct.recipient_id, direct.conv_id);
            let (page, more) = store.history(me, conv_id, from, PAGE_MESSAGES_MAX).await?;
            seq = page.last().map_or(seq, |message| message.seq);
            if !more {
                break;
            }
        }
    }
    let cpu = Usage::own().cpu_us().zip(cpu).map(|(after, before)| after - before);
    let ms = since.elapsed().as_secs_f64() * 1_000.0 / f64::from(limits::CATCH_UPS);
    store.close().await;
    Ok(Reading { ms, cpu_ms: cpu.map(|us| us / 1_000.0 / f64::from(limits::CATCH_UPS)) })
}

/// How long it takes to read what a Paint of so many groups needs, without any network. The mean of
/// [`limits::QUESTIONS_ALONE`] runs.
pub(crate) async fn paint(directory: &Path, conversations: usize) -> Result<Reading> {
    let url = format!("sqlite:{}", directory.join("paint.db").display());
    let store = Store::open(&[url], &store::Options::default()).await?;
    let direct = direct(&store, 0).await?;
    let (me, peer) = (direct.sender_id, direct.recipient_id);
    for n in 1..conversations {
        let key = id::random_key();
        store.create_group(me, &format!("paint {n}"), &[peer], key, clock::now_ms()).await?;
    }
    let (since, cpu) = (Instant::now(), Usage::own().cpu_us());
    let mut painted = 0;
    while painted < limits::QUESTIONS_ALONE && since.elapsed() < limits::ALONE_FOR {
        painted += 1;
        store.digest(me).await?;
        store.conversations(me, PAINT_CONVERSATIONS_MAX).await?;
        store.contacts(me).await?;
        store.people(me, &[me]).await?;
    }
    let each = f64::from(painted) * 1_000.0;
    let cpu = Usage::own().cpu_us().zip(cpu).map(|(after, before)| after - before);
    let ms = since.elapsed().as_secs_f64() * 1_000_000.0 / each;
    store.close().await;
    Ok(Reading { ms, cpu_ms: cpu.map(|us| us / each) })
}

/// How long one write of 4 KiB takes until it is on the disk, in a file that does not grow: no
/// durable message can be faster. Blocks for a moment; nothing else is being measured then.
pub(crate) fn sync_latency(directory: &Path) -> Result<Latencies> {
    let file = std::fs::File::create(directory.join("sync"))?;
    file.write_all_at(&vec![0; limits::SYNCS as usize * SYNC_BYTES], 0)?;
    file.sync_all()?;
    let mut latencies = Latencies::new();
    for number in 0..limits::SYNCS {
        let since = Instant::now();
        file.write_all_at(&[7; SYNC_BYTES], u64::from(number) * SYNC_BYTES as u64)?;
        file.sync_data()?;
        latencies.record(since.elapsed());
    }
    Ok(latencies)
}
