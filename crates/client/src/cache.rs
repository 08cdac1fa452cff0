//! The copy on disk: what this client has seen, what waits to be sent, what is half written.
//!
//! Nouns are kept as the very frames they came in, cleaned; beside them stand only the columns that
//! are asked for. Many connections read; one task writes (`pen.rs`). Two processes of one profile
//! may share the file.

mod migrate;
mod search;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use proto::{Codec, Conversation, Message, Person, frame, server_frame};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{mpsc, oneshot};

use crate::pen::{Job, Write};
use crate::sync::seen_by_reader;
use crate::types::{Error, Queued, Result};
use crate::{limits, pen};

/// The copy of another version is thrown away, unless `migrate.rs` can read it. Outbox and drafts
/// stay: their tables may only grow columns.
const VERSION: i64 = 2;

const COPY: &str = "
    DROP TABLE IF EXISTS conversation;
    DROP TABLE IF EXISTS person;
    DROP TABLE IF EXISTS message;
    DROP TABLE IF EXISTS message_text;
    DROP TABLE IF EXISTS position;
    CREATE TABLE conversation (
        conv_id INTEGER NOT NULL PRIMARY KEY,
        last_at INTEGER NOT NULL,
        frame   BLOB    NOT NULL
    );
    CREATE TABLE person (
        user_id INTEGER NOT NULL PRIMARY KEY,
        handle  TEXT    NOT NULL,
        frame   BLOB    NOT NULL
    );
    CREATE INDEX person_by_handle ON person (handle);
    -- everything up to seq, and every change up to rev, was told;
    -- read_seq is what the reader wants told
    CREATE TABLE position (
        conv_id  INTEGER NOT NULL PRIMARY KEY,
        seq      INTEGER NOT NULL,
        rev      INTEGER NOT NULL,
        read_seq INTEGER NOT NULL
    );
";

/// The index has the folded text of what people wrote, by the `id` of its message. It keeps neither
/// the text nor the order of its parts: what it finds is compared once more. Why so:
/// docs/decisions/0009-search-by-threes.md.
const MESSAGES: &str = "
    CREATE TABLE message (
        id      INTEGER NOT NULL PRIMARY KEY,
        conv_id INTEGER NOT NULL,
        seq     INTEGER NOT NULL,
        rev     INTEGER NOT NULL,
        sent_at INTEGER NOT NULL,
        frame   BLOB    NOT NULL,
        UNIQUE (conv_id, seq)
    );
    CREATE INDEX message_by_time ON message (sent_at);
    CREATE VIRTUAL TABLE message_text USING fts5 (
        body, content = '', contentless_delete = 1, detail = none,
        tokenize = 'trigram case_sensitive 1'
    );
";

const KEPT: &str = "
    CREATE TABLE IF NOT EXISTS meta (
        user_id INTEGER NOT NULL PRIMARY KEY
    );
    CREATE TABLE IF NOT EXISTS outbox (
        place      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        client_key INTEGER NOT NULL UNIQUE,
        conv_id    INTEGER NOT NULL,
        body       TEXT    NOT NULL,
        reply_seq  INTEGER NOT NULL,
        queued_at  INTEGER NOT NULL,
        refused    TEXT    NOT NULL
    );
    CREATE TABLE IF NOT EXISTS draft (
        conv_id INTEGER NOT NULL PRIMARY KEY,
        body    TEXT    NOT NULL
    );
";

/// How far the copy of one conversation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub conv_id: i64,
    pub seq: i64,
    pub rev: i64,
    pub read_seq: i64,
}

/// Everything a line starts from.
pub(crate) struct Loaded {
    pub conversations: Vec<Conversation>,
    pub people: Vec<Person>,
    pub positions: Vec<Position>,
    pub queued: Vec<Queued>,
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Cache {
    readers: SqlitePool,
    pen: mpsc::Sender<Job>,
}

impl Cache {
    /// Opens the cache of `user_id`. The copy of another account is emptied; `Invalid` while that
    /// one still has messages to send.
    pub(crate) async fn open(dir: &Path, user_id: i64) -> Result<Self> {
        let path = dir.join("cache.db");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_millis(limits::CACHE_BUSY_MS));
        let mut writer = connect(&options, &path).await?;
        prepare(&mut writer, user_id).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(limits::CACHE_READERS)
            .connect_lazy_with(options.read_only(true).create_if_missing(false));
        let (pen, jobs) = mpsc::channel(limits::WRITES_MAX);
        tokio::spawn(pen::write(writer, jobs));
        Ok(Self { readers, pen })
    }

    /// Hands something to the one who writes; answers when it is committed. false: there was
    /// nothing to do or no room.
    pub(crate) async fn write(&self, write: Write) -> Result<bool> {
        let (done, written) = oneshot::channel();
        let closed = || Error::Disk("the cache is closed".into());
        self.pen.send(Job { write, done }).await.map_err(|_| closed())?;
        written.await.map_err(|_| closed())?
    }

    /// Ends the writer after what waits, then the readers.
    pub(crate) async fn close(&self) {
        // an error says that it is closed already
        let _ = self.write(Write::Close).await;
        self.readers.close().await;
    }

    pub(crate) async fn load(&self) -> Result<Loaded> {
        let positions: Vec<(i64, i64, i64, i64)> =
            sqlx::query_as("SELECT conv_id, seq, rev, read_seq FROM position")
                .fetch_all(&self.readers)
                .await?;
        let stored = self.stored_conversations().await?;
        let position = |(conv_id, seq, rev, read_seq)| Position { conv_id, seq, rev, read_seq };
        Ok(Loaded {
            conversations: stored.into_iter().map(|(conversation, _)| conversation).collect(),
            people: self.people().await?,
            positions: positions.into_iter().map(position).collect(),
            queued: self.queued().await?,
        })
    }

    /// Newest first, as their reader sees them.
    pub(crate) async fn conversations(&self) -> Result<Vec<Conversation>> {
        let stored = self.stored_conversations().await?;
        Ok(stored.iter().map(|(conversation, read)| seen_by_reader(conversation, *read)).collect())
    }

    /// As the gateway told them, each with how far its reader has read.
    async fn stored_conversations(&self) -> Result<Vec<(Conversation, i64)>> {
        let rows: Vec<(Vec<u8>, Option<i64>)> = sqlx::query_as(
            "SELECT frame, read_seq FROM conversation LEFT JOIN position USING (conv_id) \
             ORDER BY last_at DESC, conv_id DESC",
        )
        .fetch_all(&self.readers)
        .await?;
        let read = |(bytes, read): (Vec<u8>, Option<i64>)| {
            Some((read_conversation(&bytes)?, read.unwrap_or(0)))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    pub(crate) async fn conversation(&self, conv_id: i64) -> Result<Option<Conversation>> {
        let row: Option<(Vec<u8>, Option<i64>)> = sqlx::query_as(
            "SELECT frame, read_seq FROM conversation LEFT JOIN position USING (conv_id) \
             WHERE conv_id = $1",
        )
        .bind(conv_id)
        .fetch_optional(&self.readers)
        .await?;
        let Some((bytes, read)) = row else {
            return Ok(None);
        };
        Ok(read_conversation(&bytes).map(|c| seen_by_reader(&c, read.unwrap_or(0))))
    }

    pub(crate) async fn people(&self) -> Result<Vec<Person>> {
        let frames: Vec<Vec<u8>> = sqlx::query_scalar("SELECT frame FROM person ORDER BY handle")
            .fetch_all(&self.readers)
            .await?;
        Ok(frames.iter().filter_map(|bytes| read_person(bytes)).collect())
    }

    pub(crate) async fn person(&self, user_id: i64) -> Result<Option<Person>> {
        let bytes: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT frame FROM person WHERE user_id = $1")
                .bind(user_id)
                .fetch_optional(&self.readers)
                .await?;
        Ok(bytes.as_deref().and_then(read_person))
    }

    pub(crate) async fn person_called(&self, handle: &str) -> Result<Option<Person>> {
        let bytes: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT frame FROM person WHERE handle = $1 LIMIT 1")
                .bind(handle)
                .fetch_optional(&self.readers)
                .await?;
        Ok(bytes.as_deref().and_then(read_person))
    }

    pub(crate) async fn message(&self, conv_id: i64, seq: i64) -> Result<Option<Message>> {
        let bytes: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT frame FROM message WHERE conv_id = $1 AND seq = $2")
                .bind(conv_id)
                .bind(seq)
                .fetch_optional(&self.readers)
                .await?;
        Ok(bytes.as_deref().and_then(read_message))
    }

    /// The newest messages below `before_seq` (0 = from the end of the copy), oldest first, down to
    /// the first hole: what lies beyond a hole is not shown before the hole is filled.
    pub(crate) async fn messages(
        &self,
        conv_id: i64,
        before_seq: i64,
        limit: u32,
    ) -> Result<Vec<Message>> {
        let end = match before_seq {
            0 => self.position_seq(conv_id).await?.map(|seq| seq.saturating_add(1)),
            _ => Some(before_seq),
        };
        let frames: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT frame FROM message WHERE conv_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3",
        )
        .bind(conv_id)
        .bind(end.unwrap_or(i64::MAX))
        .bind(limit.clamp(1, limits::MESSAGES_PER_READ_MAX))
        .fetch_all(&self.readers)
        .await?;
        let mut expected = end.map(|end| end.saturating_sub(1));
        let mut messages = Vec::with_capacity(frames.len());
        for message in frames.iter().filter_map(|bytes| read_message(bytes)) {
            if expected.is_some_and(|expected| expected != message.seq) {
                break;
            }
            expected = Some(message.seq.saturating_sub(1));
            messages.push(message);
        }
        messages.reverse();
        Ok(messages)
    }

    /// The oldest messages after `after_seq` up to the first hole; true: up to the end of the copy.
    pub(crate) async fn messages_after(
        &self,
        conv_id: i64,
        after_seq: i64,
        limit: u32,
    ) -> Result<(Vec<Message>, bool)> {
        let frames: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT frame FROM message WHERE conv_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        )
        .bind(conv_id)
        .bind(after_seq)
        .bind(limit.clamp(1, limits::MESSAGES_PER_READ_MAX))
        .fetch_all(&self.readers)
        .await?;
        let mut last = after_seq;
        let mut messages = Vec::with_capacity(frames.len());
        for message in frames.iter().filter_map(|bytes| read_message(bytes)) {
            if message.seq != last.saturating_add(1) {
                break;
            }
            last = message.seq;
            messages.push(message);
        }
        let end = self.position_seq(conv_id).await?.is_none_or(|end| last >= end);
        Ok((messages, end))
    }

    async fn position_seq(&self, conv_id: i64) -> Result<Option<i64>> {
        Ok(sqlx::query_scalar("SELECT seq FROM position WHERE conv_id = $1")
            .bind(conv_id)
            .fetch_optional(&self.readers)
            .await?)
    }

    pub(crate) async fn queued(&self) -> Result<Vec<Queued>> {
        let rows: Vec<(i64, i64, String, i64, i64, String)> = sqlx::query_as(
            "SELECT conv_id, client_key, body, reply_seq, queued_at, refused FROM outbox \
             ORDER BY place",
        )
        .fetch_all(&self.readers)
        .await?;
        let queued = |(conv_id, client_key, body, reply_seq, queued_at, refused)| Queued {
            conv_id,
            client_key,
            body,
            reply_seq,
            queued_at,
            refused,
        };
        Ok(rows.into_iter().map(queued).collect())
    }

    pub(crate) async fn draft(&self, conv_id: i64) -> Result<String> {
        let body = sqlx::query_scalar("SELECT body FROM draft WHERE conv_id = $1")
            .bind(conv_id)
            .fetch_optional(&self.readers)
            .await?;
        Ok(body.unwrap_or_default())
    }
}

/// The first opening turns the file to WAL, which another process that does the same at this moment
/// can refuse without waiting; so it is tried a few times.
async fn connect(options: &SqliteConnectOptions, path: &Path) -> Result<SqliteConnection> {
    const TRIES: u32 = 40;
    let mut tried = 0;
    loop {
        tried += 1;
        match options.connect().await {
            Ok(connection) => return Ok(connection),
            Err(e) if tried < TRIES && e.to_string().contains("locked") => {
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
            Err(e) => return Err(Error::Disk(format!("{}: {e}", path.display()))),
        }
    }
}

async fn prepare(writer: &mut SqliteConnection, user_id: i64) -> Result<()> {
    let mut all = writer.begin_with("BEGIN IMMEDIATE").await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *all).await?;
    sqlx::raw_sql(KEPT).execute(&mut *all).await?;
    let owner: Option<i64> =
        sqlx::query_scalar("SELECT user_id FROM meta").fetch_optional(&mut *all).await?;
    let other = owner.is_some_and(|owner| owner != user_id);
    if other {
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&mut *all).await?;
        if waiting > 0 {
            return Err(Error::Invalid(format!(
                "{waiting} messages of another account wait here unsent: \
                 log in with that account, or use another profile"
            )));
        }
        sqlx::raw_sql("DELETE FROM draft; DELETE FROM meta").execute(&mut *all).await?;
    }
    match version {
        VERSION if !other => {}
        migrate::BEFORE_SEARCH if !other => migrate::index_what_is_here(&mut all).await?,
        _ => {
            sqlx::raw_sql(COPY).execute(&mut *all).await?;
            sqlx::raw_sql(MESSAGES).execute(&mut *all).await?;
        }
    }
    sqlx::raw_sql("PRAGMA user_version = 2").execute(&mut *all).await?;
    sqlx::query("INSERT INTO meta (user_id) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(user_id)
        .execute(&mut *all)
        .await?;
    all.commit().await?;
    Ok(())
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Disk(format!("the cache: {error}"))
    }
}

pub(crate) fn bytes(body: server_frame::Body) -> Vec<u8> {
    Codec::Protobuf.write_server(&frame::push(body))
}

/// A row that cannot be read is a row that is not there: it is fetched again.
fn read(bytes: &[u8]) -> Option<server_frame::Body> {
    Codec::Protobuf.read_server(bytes).ok()?.body
}

pub(crate) fn read_message(bytes: &[u8]) -> Option<Message> {
    match read(bytes) {
        Some(server_frame::Body::Message(message)) => Some(message),
        _ => None,
    }
}

fn read_conversation(bytes: &[u8]) -> Option<Conversation> {
    match read(bytes) {
        Some(server_frame::Body::Conversation(conversation)) => Some(conversation),
        _ => None,
    }
}

fn read_person(bytes: &[u8]) -> Option<Person> {
    match read(bytes) {
        Some(server_frame::Body::Person(person)) => Some(person),
        _ => None,
    }
}
