//! PostgreSQL: a pool whose every wait is bounded.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool, Postgres, Transaction};

use super::{fault, in_time, migrate};
use crate::{Options, Result, limits};

pub(crate) struct PostgresDb {
    pub(crate) pool: PgPool,
    pub(crate) timeout: Duration,
}

impl PostgresDb {
    pub(crate) async fn open(url: &str, process: &str, options: &Options) -> Result<Self> {
        let timeout = Duration::from_millis(options.timeout_ms);
        let pool = PgPoolOptions::new()
            .max_connections(options.connections.max(1))
            // Who moves a shard asks here whether every process can reach its new home.
            .min_connections(1)
            .acquire_timeout(timeout)
            .idle_timeout(limits::CONNECTION_IDLE)
            .max_lifetime(limits::CONNECTION_LIFE)
            // Asking before every use would be one more round trip in every send.
            .test_before_acquire(false)
            .before_acquire(|connection, rested| {
                Box::pin(async move {
                    if rested.idle_for > limits::REST_UNASKED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(connect_options(url, process, timeout)?)
            .await
            .map_err(fault)?;
        migrate::postgres(&pool).await?;
        Ok(Self { pool, timeout })
    }

    /// One snapshot, without the bounds and habits that are right for small statements.
    pub(crate) async fn begin_long_read(&self) -> Result<Transaction<'static, Postgres>> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let mut tx = in_time(self.timeout, self.pool.begin_with(begin)).await?;
        for sql in [
            "SET LOCAL statement_timeout = 0",
            "SET LOCAL enable_seqscan = on",
            "SET LOCAL enable_hashjoin = on",
            "SET LOCAL enable_mergejoin = on",
        ] {
            in_time(self.timeout, sqlx::query(sql).execute(&mut *tx)).await?;
        }
        Ok(tx)
    }

    /// A connection may have died while it rested (a restart of the server kills all of them at
    /// once). As long as nothing was asked, the next one is as good.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        let mut dead = 0;
        loop {
            match in_time(self.timeout, self.pool.begin()).await {
                Err(crate::Error::Unavailable(_)) if dead < self.pool.num_idle() => dead += 1,
                done => return done,
            }
        }
    }
}

/// For one statement that reads a whole table.
pub(super) const LONG_READ: Duration = Duration::from_secs(3_600);

pub(super) fn connect_options(
    url: &str,
    process: &str,
    timeout: Duration,
) -> Result<PgConnectOptions> {
    let timeout_ms = timeout.as_millis().to_string();
    let options = PgConnectOptions::from_str(url)
        .map_err(fault)?
        .application_name(process)
        .statement_cache_capacity(limits::STATEMENTS_MAX)
        .options([
            ("statement_timeout", timeout_ms.as_str()),
            ("lock_timeout", timeout_ms.as_str()),
            ("idle_in_transaction_session_timeout", timeout_ms.as_str()),
            ("default_transaction_isolation", "read committed"),
            // Every statement here was written for an index and a short list. The planner, which
            // remembers its plans, must not choose to read a table while it is small and keep doing
            // so when it has grown.
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
        ]);
    Ok(options)
}
