//! THE ENGINES: a connection to SQLite or PostgreSQL, and one way to run a statement on either.
//!
//! The two differ in three places only: how a list of rows goes in (`each!`), what locks a row, and
//! how they are opened. Everything else is one text.
//!
//! PostgreSQL is waited for. SQLite works in the caller's thread, and what may take long there goes
//! `elsewhere`.

mod checkpoint;
mod error;
mod inspect;
pub(crate) mod lite;
mod migrate;
mod postgres;
mod seats;
mod sqlite;

use std::time::Duration;

use futures_util::FutureExt;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::{Error, Options, Pool, Result, seam};

pub(crate) use error::{fault, is_conflict};
pub(crate) use inspect::inspect;
pub(crate) use lite::{FromLite, record};
use postgres::PostgresDb;
use seats::Seat;
use sqlite::{SqliteDb, SqliteTx};

/// One database, ready for use.
pub(crate) enum Database {
    Sqlite(SqliteDb),
    Postgres(PostgresDb),
}

/// A transaction under way. Dropped without `commit`, it never happened.
pub(crate) enum Tx {
    Sqlite(SqliteTx),
    Postgres(Transaction<'static, Postgres>, Duration),
}

/// A connection for reading; every statement sees what is committed when it begins.
pub(crate) enum Reader {
    Sqlite(Seat),
    Postgres(PoolConnection<Postgres>, Duration),
}

/// What statements run on: the inside of a `Tx` or a `Reader`. With PostgreSQL the longest wait for
/// one of them.
pub(crate) enum Link<'a> {
    Sqlite(&'a mut rusqlite::Connection),
    Postgres(&'a mut PgConnection, Duration),
}

impl Database {
    /// Opens one of `parts` databases and brings its schema up to date. PostgreSQL shows `process`
    /// as the name of who is connected.
    pub(crate) async fn open(
        url: &str,
        parts: usize,
        process: &str,
        options: &Options,
    ) -> Result<Self> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") if parts == 1 => Ok(Self::Sqlite(SqliteDb::open(url, options).await?)),
            Some("sqlite") => {
                Err(Error::Invalid("SQLite is one database; several need PostgreSQL"))
            }
            Some("postgres" | "postgresql") => {
                Ok(Self::Postgres(PostgresDb::open(url, process, options).await?))
            }
            _ => Err(Error::Invalid("a database is sqlite:PATH or postgres://…")),
        }
    }

    /// A transaction that writes. `Full` where the disk has no room left for it.
    pub(crate) async fn begin(&self) -> Result<Tx> {
        if let Self::Sqlite(database) = self {
            database.disk.room()?;
        }
        self.begin_freeing().await
    }

    /// A transaction that makes room: it is let through although the disk is nearly full.
    pub(crate) async fn begin_freeing(&self) -> Result<Tx> {
        match self {
            Self::Sqlite(database) => {
                seam::slow_disk().await;
                Ok(Tx::Sqlite(database.begin().await?))
            }
            Self::Postgres(database) => Ok(Tx::Postgres(database.begin().await?, database.timeout)),
        }
    }

    /// A snapshot for a question that reads whole tables and may take its time.
    pub(crate) async fn begin_long_read(&self) -> Result<Tx> {
        match self {
            Self::Sqlite(database) => Ok(Tx::Sqlite(database.begin_read().await?)),
            Self::Postgres(database) => {
                Ok(Tx::Postgres(database.begin_long_read().await?, postgres::LONG_READ))
            }
        }
    }

    pub(crate) async fn reader(&self) -> Result<Reader> {
        match self {
            Self::Sqlite(database) => {
                seam::slow_disk().await;
                Ok(Reader::Sqlite(database.reader().await?))
            }
            Self::Postgres(database) => {
                let connection = database.pool.acquire().await.map_err(fault)?;
                Ok(Reader::Postgres(connection, database.timeout))
            }
        }
    }

    /// Does this work for one of our transactions as one piece: on SQLite, where it works and
    /// nothing in it waits, `elsewhere`.
    pub(crate) async fn at_once<T>(&self, work: impl Future<Output = T>) -> T {
        match self {
            Self::Sqlite(_) => {
                elsewhere(|| work.now_or_never().expect("SQLite does not let anybody wait"))
            }
            Self::Postgres(_) => work.await,
        }
    }

    pub(crate) fn pool(&self) -> Pool {
        match self {
            Self::Sqlite(database) => database.pool(),
            Self::Postgres(database) => pool(&database.pool),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
            Self::Postgres(database) => database.pool.close().await,
        }
    }
}

/// Runs what may keep its thread for long (a sync, a lock of another process, a whole batch) where
/// no other task waits behind it. A runtime of one thread has no other place, and waits.
pub(crate) fn elsewhere<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn pool<DB: sqlx::Database>(pool: &sqlx::Pool<DB>) -> Pool {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    Pool { open: pool.size(), idle, max: pool.options().get_max_connections(), away: false }
}

impl Tx {
    pub(crate) fn link(&mut self) -> Link<'_> {
        match self {
            Self::Sqlite(tx) => Link::Sqlite(tx.connection()),
            Self::Postgres(tx, timeout) => Link::Postgres(&mut *tx, *timeout),
        }
    }

    /// Committed and synced when this returns Ok. `Unavailable`: it is not known whether it
    /// happened.
    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit(),
            Self::Postgres(tx, timeout) => in_time(timeout, tx.commit()).await,
        }
    }
}

impl Link<'_> {
    /// What only PostgreSQL is asked: several databases are never SQLite.
    pub(crate) fn postgres(&mut self) -> Result<(&mut PgConnection, Duration)> {
        match self {
            Self::Postgres(connection, timeout) => Ok((connection, *timeout)),
            Self::Sqlite(_) => Err(Error::Invalid("only PostgreSQL can do this")),
        }
    }
}

impl Reader {
    pub(crate) fn link(&mut self) -> Link<'_> {
        match self {
            Self::Sqlite(seat) => Link::Sqlite(&mut *seat),
            Self::Postgres(connection, timeout) => Link::Postgres(&mut *connection, *timeout),
        }
    }
}

/// PostgreSQL's own statement_timeout ends a slow statement; this ends the waiting for a server
/// that does not say anything any more. It comes later, so that the server has the first word.
pub(crate) async fn in_time<T>(
    timeout: Duration,
    statement: impl Future<Output = sqlx::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(timeout + timeout / 2, statement).await {
        Ok(done) => done.map_err(fault),
        Err(_) => Err(Error::Unavailable("no answer in time".into())),
    }
}

/// Runs one statement: `run!(fetch_all query_as, link, TEXT, arguments…)`, or `[SQLITE, POSTGRES]`
/// where the dialects differ. The texts are literals, so they stay prepared on each connection.
macro_rules! run {
    ($call:ident $query:ident, $link:expr, [$lite:expr, $pg:expr] $(, $arg:expr)* $(,)?) => {
        match $link {
            $crate::engine::Link::Sqlite(connection) => {
                $crate::engine::lite::run(connection, $lite, &[$(&$arg as &dyn rusqlite::ToSql),*])
            }
            $crate::engine::Link::Postgres(connection, timeout) => {
                let statement = sqlx::$query($pg)$(.bind($arg))*.$call(&mut **connection);
                $crate::engine::in_time(*timeout, statement).await.map(Into::into)
            }
        }
    };
}

/// All rows, as `Vec` of a tuple or a `FromRow`.
macro_rules! rows {
    ($link:expr, [$lite:expr, $pg:expr] $(, $arg:expr)* $(,)?) => {
        $crate::engine::run!(fetch_all query_as, $link, [$lite, $pg] $(, $arg)*)
    };
    ($link:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        $crate::engine::run!(fetch_all query_as, $link, [$sql, $sql] $(, $arg)*)
    };
}

/// One row or none.
macro_rules! row {
    ($link:expr, [$lite:expr, $pg:expr] $(, $arg:expr)* $(,)?) => {
        $crate::engine::run!(fetch_optional query_as, $link, [$lite, $pg] $(, $arg)*)
    };
    ($link:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        $crate::engine::run!(fetch_optional query_as, $link, [$sql, $sql] $(, $arg)*)
    };
}

/// No rows; answers how many were changed.
macro_rules! exec {
    ($link:expr, [$lite:expr, $pg:expr] $(, $arg:expr)* $(,)?) => {
        $crate::engine::run!(execute query, $link, [$lite, $pg] $(, $arg)*)
            .map(|done: $crate::engine::Done| done.0)
    };
    ($link:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        $crate::engine::exec!($link, [$sql, $sql] $(, $arg)*)
    };
}

/// A statement over a list: `WITH input AS (…)`, then the text that both engines share. The shared
/// arguments are $1 and so on; the list comes after them. PostgreSQL gets one array for each
/// column, and its planner knows how long it is. SQLite runs the statement for each row (`rows`),
/// which must be the same as once for all; or, where it is not, for one JSON array (`sqlite`).
macro_rules! each {
    ($call:ident $query:ident, $link:expr, [$($arg:expr),*],
     rows($rows:expr) $lite:literal, postgres($($column:expr),+) $pg:literal,
     $text:literal $(, postgres_end $end:literal)?) => {
        match $link {
            $crate::engine::Link::Sqlite(connection) => $crate::engine::lite::run_each(
                connection,
                concat!("WITH input AS (", $lite, ") ", $text),
                &[$(&$arg as &dyn rusqlite::ToSql),*],
                $rows,
            ),
            $crate::engine::Link::Postgres(connection, timeout) => {
                let statement =
                    sqlx::$query(concat!("WITH input AS (", $pg, ") ", $text $(, $end)?))
                    $(.bind($arg))*$(.bind($column))+.$call(&mut **connection);
                $crate::engine::in_time(*timeout, statement).await.map(Into::into)
            }
        }
    };
    ($call:ident $query:ident, $link:expr, [$($arg:expr),*],
     sqlite($json:expr) $lite:literal, postgres($($column:expr),+) $pg:literal,
     $text:literal $(, postgres_end $end:literal)?) => {
        match $link {
            $crate::engine::Link::Sqlite(connection) => {
                $crate::engine::lite::run(
                    connection,
                    concat!("WITH input AS (", $lite, ") ", $text),
                    &[$(&$arg as &dyn rusqlite::ToSql,)* &$crate::engine::json($json)],
                )
            }
            $crate::engine::Link::Postgres(connection, timeout) => {
                let statement =
                    sqlx::$query(concat!("WITH input AS (", $pg, ") ", $text $(, $end)?))
                    $(.bind($arg))*$(.bind($column))+.$call(&mut **connection);
                $crate::engine::in_time(*timeout, statement).await.map(Into::into)
            }
        }
    };
}

/// `again!(transaction)`: a whole transaction once more if PostgreSQL has ended it because it stood
/// in another one's way (a deadlock, or what it calls a serialization failure). Nothing of it has
/// happened then. At most `CONFLICT_TRIES` times.
macro_rules! again {
    ($transaction:expr) => {{
        let mut tries = 1;
        loop {
            match $transaction {
                Err(error)
                    if $crate::engine::is_conflict(&error)
                        && tries < $crate::limits::CONFLICT_TRIES =>
                {
                    tracing::debug!(tries, "a transaction runs again after a deadlock");
                    tries += 1;
                }
                done => break done,
            }
        }
    }};
}

/// A statement that only PostgreSQL is asked: `pg!(fetch_all query_as, link, TEXT, arguments…)`.
macro_rules! pg {
    ($call:ident $query:ident, $link:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $link.postgres() {
            Ok((connection, timeout)) => {
                let statement = sqlx::$query($sql)$(.bind($arg))*.$call(connection);
                $crate::engine::in_time(timeout, statement).await
            }
            Err(error) => Err(error),
        }
    };
}

pub(crate) use {again, each, exec, pg, row, rows, run};

/// How many rows a statement changed, on either engine.
#[derive(Default)]
pub(crate) struct Done(pub(crate) u64);

impl From<sqlx::postgres::PgQueryResult> for Done {
    fn from(done: sqlx::postgres::PgQueryResult) -> Self {
        Self(done.rows_affected())
    }
}

/// A list of rows for SQLite's `json_each`.
pub(crate) fn json<T: serde::Serialize>(rows: T) -> String {
    serde_json::to_string(&rows).expect("numbers and strings always have a JSON form")
}
