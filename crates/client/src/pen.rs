//! The one who writes the cache. Takes whatever waits, writes it as one transaction, then answers
//! everybody.
//!
//! What a person said must survive a power cut before `send` returns, so a transaction with
//! something for the outbox is synced to the disk (`synchronous=FULL`). The copy of what the server
//! has is not (`NORMAL`): after a power cut its last moments are fetched again, because positions
//! and messages are lost together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use proto::{Conversation, Message, MessageKind, Person, server_frame::Body};
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{Connection, QueryBuilder, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::cache::{Position, bytes};
use crate::limits;
use crate::search::fold;
use crate::types::{Error, Queued, Result};

/// Rows in one statement; far below what SQLite takes.
const ROWS_PER_STATEMENT: usize = 250;

/// Something to be written, and who waits for it.
pub(crate) struct Job {
    pub write: Write,
    /// true: it was done. false: there was nothing to do or no room.
    pub done: oneshot::Sender<Result<bool>>,
}

pub(crate) enum Write {
    /// What the line brought.
    Copy(Box<Copy>),
    /// Into the outbox; false: it is full. A key that is there already is made to wait again.
    Queue(Queued),
    /// A refused one waits again, as new.
    Retry {
        client_key: i64,
        now: i64,
    },
    Unqueue {
        client_key: i64,
    },
    /// An empty one is forgotten.
    Draft {
        conv_id: i64,
        body: String,
    },
    /// The last job.
    Close,
}

/// What one round of the line brought: each row as it is now.
#[derive(Debug, Default)]
pub(crate) struct Copy {
    pub messages: Vec<Message>,
    pub conversations: Vec<Conversation>,
    pub people: Vec<Person>,
    pub positions: Vec<Position>,
    /// Keys that leave the outbox: the server has them.
    pub sent: Vec<i64>,
    /// Keys that stay in the outbox, with the reason.
    pub refused: Vec<(i64, String)>,
}

impl Copy {
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
            && self.conversations.is_empty()
            && self.people.is_empty()
            && self.positions.is_empty()
            && self.sent.is_empty()
            && self.refused.is_empty()
    }
}

/// Runs until `Write::Close`, or until nobody can write any more.
pub(crate) async fn write(mut file: SqliteConnection, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Vec::with_capacity(limits::WRITES_PER_COMMIT_MAX);
    while jobs.recv_many(&mut waiting, limits::WRITES_PER_COMMIT_MAX).await > 0 {
        let outcome = commit(&mut file, &waiting).await;
        let mut closing = None;
        for (nth, job) in waiting.drain(..).enumerate() {
            let answer = match &outcome {
                Ok(done) => Ok(done[nth]),
                Err(e) => Err(Error::Disk(format!("the cache: {e}"))),
            };
            if matches!(job.write, Write::Close) {
                closing = Some(job.done);
            } else {
                // whoever stopped waiting does not want to know
                let _ = job.done.send(answer);
            }
        }
        if let Some(done) = closing {
            let _ = file.close().await;
            let _ = done.send(Ok(true));
            return;
        }
    }
}

async fn commit(file: &mut SqliteConnection, jobs: &[Job]) -> sqlx::Result<Vec<bool>> {
    let durable = jobs.iter().any(|job| {
        matches!(job.write, Write::Queue(_) | Write::Retry { .. } | Write::Unqueue { .. })
    });
    let sync = if durable { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
    sqlx::query(sync).execute(&mut *file).await?;
    let mut all = file.begin_with("BEGIN IMMEDIATE").await?;
    let mut done = Vec::with_capacity(jobs.len());
    for job in jobs {
        done.push(match &job.write {
            Write::Copy(copy) => write_copy(&mut all, copy).await?,
            Write::Queue(queued) => queue(&mut all, queued).await?,
            Write::Retry { client_key, now } => retry(&mut all, *client_key, *now).await?,
            Write::Unqueue { client_key } => unqueue(&mut all, *client_key).await?,
            Write::Draft { conv_id, body } => draft(&mut all, *conv_id, body).await?,
            Write::Close => true,
        });
    }
    all.commit().await?;
    Ok(done)
}

async fn write_copy(all: &mut Transaction<'_, Sqlite>, copy: &Copy) -> sqlx::Result<bool> {
    write_messages(all, &copy.messages).await?;
    write_conversations(all, &copy.conversations).await?;
    write_people(all, &copy.people).await?;
    write_positions(all, &copy.positions).await?;
    for client_key in &copy.sent {
        unqueue(all, *client_key).await?;
    }
    for (client_key, why) in &copy.refused {
        sqlx::query("UPDATE outbox SET refused = $2 WHERE client_key = $1")
            .bind(client_key)
            .bind(why)
            .execute(&mut **all)
            .await?;
    }
    Ok(true)
}

/// An older version of a message never replaces a newer one, whatever the order in which they come.
/// What can be searched for changes with it.
pub(crate) async fn write_messages(
    all: &mut Transaction<'_, Sqlite>,
    messages: &[Message],
) -> sqlx::Result<()> {
    for rows in messages.chunks(ROWS_PER_STATEMENT) {
        let rows = newest_versions(rows);
        let mut sql = QueryBuilder::new("INSERT INTO message (conv_id, seq, rev, sent_at, frame) ");
        sql.push_values(rows.iter(), |mut row, message| {
            row.push_bind(message.conv_id)
                .push_bind(message.seq)
                .push_bind(message.rev)
                .push_bind(message.sent_at)
                .push_bind(bytes(Body::Message((*message).clone())));
        });
        sql.push(
            " ON CONFLICT (conv_id, seq) DO UPDATE SET rev = excluded.rev, \
             frame = excluded.frame WHERE excluded.rev >= rev RETURNING id, conv_id, seq",
        );
        let written: Vec<(i64, i64, i64)> =
            sql.build_query_as().persistent(false).fetch_all(&mut **all).await?;
        index(all, &rows, &written).await?;
    }
    Ok(())
}

/// Each message once, as it was told last.
fn newest_versions(messages: &[Message]) -> Vec<&Message> {
    let mut at: HashMap<(i64, i64), usize> = HashMap::with_capacity(messages.len());
    let mut newest: Vec<&Message> = Vec::with_capacity(messages.len());
    for message in messages {
        match at.entry((message.conv_id, message.seq)) {
            Entry::Vacant(free) => {
                free.insert(newest.len());
                newest.push(message);
            }
            Entry::Occupied(known) if message.rev >= newest[*known.get()].rev => {
                newest[*known.get()] = message;
            }
            Entry::Occupied(_) => {}
        }
    }
    newest
}

/// Keeps the index of texts in step with the rows that were written.
async fn index(
    all: &mut Transaction<'_, Sqlite>,
    messages: &[&Message],
    written: &[(i64, i64, i64)],
) -> sqlx::Result<()> {
    let ids: HashMap<(i64, i64), i64> =
        written.iter().map(|(id, conv_id, seq)| ((*conv_id, *seq), *id)).collect();
    let mut texts: Vec<(i64, String)> = Vec::with_capacity(written.len());
    for message in messages {
        let Some(&id) = ids.get(&(message.conv_id, message.seq)) else {
            continue;
        };
        if message.kind() == MessageKind::Text {
            texts.push((id, fold(&message.body)));
        } else {
            forget_text(all, id).await?;
        }
    }
    if texts.is_empty() {
        return Ok(());
    }
    let mut sql = QueryBuilder::new("INSERT OR REPLACE INTO message_text (rowid, body) ");
    sql.push_values(texts, |mut row, (id, text)| {
        row.push_bind(id).push_bind(text);
    });
    sql.build().persistent(false).execute(&mut **all).await?;
    Ok(())
}

async fn forget_text(all: &mut Transaction<'_, Sqlite>, id: i64) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM message_text WHERE rowid = $1").bind(id).execute(&mut **all).await?;
    Ok(())
}

async fn write_conversations(
    all: &mut Transaction<'_, Sqlite>,
    conversations: &[Conversation],
) -> sqlx::Result<()> {
    for conversation in conversations {
        sqlx::query(
            "INSERT INTO conversation (conv_id, last_at, frame) VALUES ($1, $2, $3) \
             ON CONFLICT DO UPDATE SET last_at = excluded.last_at, frame = excluded.frame",
        )
        .bind(conversation.conv_id)
        .bind(conversation.last_at)
        .bind(bytes(Body::Conversation(conversation.clone())))
        .execute(&mut **all)
        .await?;
    }
    Ok(())
}

async fn write_people(all: &mut Transaction<'_, Sqlite>, people: &[Person]) -> sqlx::Result<()> {
    for person in people {
        sqlx::query(
            "INSERT INTO person (user_id, handle, frame) VALUES ($1, $2, $3) \
             ON CONFLICT DO UPDATE SET handle = excluded.handle, frame = excluded.frame",
        )
        .bind(person.user_id)
        .bind(&person.handle)
        .bind(bytes(Body::Person(person.clone())))
        .execute(&mut **all)
        .await?;
    }
    Ok(())
}

/// Positions only move forward: another process of this profile may be further.
async fn write_positions(
    all: &mut Transaction<'_, Sqlite>,
    positions: &[Position],
) -> sqlx::Result<()> {
    for position in positions {
        sqlx::query(
            "INSERT INTO position (conv_id, seq, rev, read_seq) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq), rev = max(rev, excluded.rev), \
             read_seq = max(read_seq, excluded.read_seq)",
        )
        .bind(position.conv_id)
        .bind(position.seq)
        .bind(position.rev)
        .bind(position.read_seq)
        .execute(&mut **all)
        .await?;
        let oldest = position.seq.saturating_sub(limits::CACHED_MESSAGES_MAX);
        if oldest > 0 {
            drop_messages(all, position.conv_id, oldest).await?;
        }
    }
    Ok(())
}

/// Forgets the messages up to `oldest`, and their texts.
async fn drop_messages(
    all: &mut Transaction<'_, Sqlite>,
    conv_id: i64,
    oldest: i64,
) -> sqlx::Result<()> {
    for sql in [
        "DELETE FROM message_text WHERE rowid IN \
         (SELECT id FROM message WHERE conv_id = $1 AND seq <= $2)",
        "DELETE FROM message WHERE conv_id = $1 AND seq <= $2",
    ] {
        sqlx::query(sql).bind(conv_id).bind(oldest).execute(&mut **all).await?;
    }
    Ok(())
}

async fn queue(all: &mut Transaction<'_, Sqlite>, queued: &Queued) -> sqlx::Result<bool> {
    let waiting: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&mut **all).await?;
    if waiting >= limits::OUTBOX_MAX as i64 {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO outbox (client_key, conv_id, body, reply_seq, queued_at, refused) \
         VALUES ($1, $2, $3, $4, $5, '') ON CONFLICT DO UPDATE SET refused = ''",
    )
    .bind(queued.client_key)
    .bind(queued.conv_id)
    .bind(&queued.body)
    .bind(queued.reply_seq)
    .bind(queued.queued_at)
    .execute(&mut **all)
    .await?;
    Ok(true)
}

/// It goes behind what was said since: the later ones are sent already.
async fn retry(all: &mut Transaction<'_, Sqlite>, client_key: i64, now: i64) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "UPDATE outbox SET refused = '', queued_at = $2, \
         place = (SELECT max(place) + 1 FROM outbox) WHERE client_key = $1 AND refused <> ''",
    )
    .bind(client_key)
    .bind(now)
    .execute(&mut **all)
    .await?;
    Ok(done.rows_affected() > 0)
}

async fn unqueue(all: &mut Transaction<'_, Sqlite>, client_key: i64) -> sqlx::Result<bool> {
    let done = sqlx::query("DELETE FROM outbox WHERE client_key = $1")
        .bind(client_key)
        .execute(&mut **all)
        .await?;
    Ok(done.rows_affected() > 0)
}

async fn draft(all: &mut Transaction<'_, Sqlite>, conv_id: i64, body: &str) -> sqlx::Result<bool> {
    if body.is_empty() {
        sqlx::query("DELETE FROM draft WHERE conv_id = $1")
            .bind(conv_id)
            .execute(&mut **all)
            .await?;
    } else {
        sqlx::query(
            "INSERT INTO draft (conv_id, body) VALUES ($1, $2) \
             ON CONFLICT DO UPDATE SET body = excluded.body",
        )
        .bind(conv_id)
        .bind(body)
        .execute(&mut **all)
        .await?;
    }
    Ok(true)
}
