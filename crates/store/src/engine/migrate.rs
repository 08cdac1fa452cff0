//! Brings the schema up to date when a database is opened: by itself, once, also when several nodes
//! start at the same moment.
//!
//! What was applied is written down in `natter_schema` with a checksum. A database that a newer
//! program has changed in a way that this one does not understand is refused.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgPool};

use super::error::of_sqlite;
use super::sqlite::SqliteTx;
use super::{Link, Tx, exec, fault, row, rows};
use crate::{Error, Result};

struct Migration {
    version: i64,
    /// A program that does not know it can go on working with the database: it only adds tables,
    /// indexes, sequences, and columns that may be left out. A test reads the text.
    additive: bool,
    text: &'static str,
}

const MIGRATIONS: [Migration; 7] = [
    Migration {
        version: 1,
        additive: false,
        text: include_str!("../../migrations/0001_first.sql"),
    },
    Migration {
        version: 2,
        additive: false,
        text: include_str!("../../migrations/0002_notify.sql"),
    },
    Migration {
        version: 3,
        additive: true,
        text: include_str!("../../migrations/0003_shards.sql"),
    },
    Migration { version: 4, additive: true, text: include_str!("../../migrations/0004_queue.sql") },
    Migration { version: 5, additive: false, text: include_str!("../../migrations/0005_told.sql") },
    Migration { version: 6, additive: true, text: include_str!("../../migrations/0006_doors.sql") },
    Migration {
        version: 7,
        additive: true,
        text: include_str!("../../migrations/0007_address.sql"),
    },
];

/// "natter" in ASCII; who else uses advisory locks in this database will have chosen another
/// number.
const LOCK: i64 = 0x6e61_7474_6572;

/// `tx` keeps out every other process that would migrate now.
pub(crate) async fn sqlite(tx: SqliteTx) -> Result<()> {
    migrate(Tx::Sqlite(tx)).await
}

pub(crate) async fn postgres(pool: &PgPool) -> Result<()> {
    let mut tx = pool.begin().await.map_err(fault)?;
    // Whoever comes second may have to wait for a long migration.
    for sql in ["SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0"] {
        sqlx::query(sql).execute(&mut *tx).await.map_err(fault)?;
    }
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
    lock.execute(&mut *tx).await.map_err(fault)?;
    migrate(Tx::Postgres(tx, MIGRATION_TIMEOUT)).await
}

/// For one statement of a migration. Nobody waits for it but the operator who watches the start.
const MIGRATION_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3_600);

async fn migrate(mut tx: Tx) -> Result<()> {
    let link = &mut tx.link();
    // Who may only read and write rows does not even ask for more: nothing may be left to do.
    if !is_known(link).await? {
        exec!(
            link,
            "CREATE TABLE natter_schema (
               version BIGINT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL,
               additive SMALLINT NOT NULL)"
        )?;
    }
    let applied: Vec<(i64, String, i16)> =
        rows!(link, "SELECT version, checksum, additive FROM natter_schema ORDER BY version")?;
    refuse_foreign(&applied)?;
    for migration in &MIGRATIONS {
        if !applied.iter().any(|(version, ..)| *version == migration.version) {
            apply(link, migration).await?;
        }
    }
    tx.commit().await
}

/// Whether natter has been here before.
pub(super) async fn is_known(link: &mut Link<'_>) -> Result<bool> {
    let found: Option<(i64,)> = row!(
        link,
        [
            "SELECT CAST(1 AS BIGINT) FROM sqlite_master WHERE name = 'natter_schema'",
            "SELECT CAST(1 AS BIGINT) WHERE to_regclass('natter_schema') IS NOT NULL"
        ]
    )?;
    Ok(found.is_some())
}

/// The versions that an opening would apply. Error: this program cannot work with the database.
pub(super) fn pending(applied: &[(i64, String, i16)]) -> Result<Vec<i64>> {
    refuse_foreign(applied)?;
    let known = MIGRATIONS.iter().map(|migration| migration.version);
    Ok(known.filter(|version| !applied.iter().any(|(done, ..)| done == version)).collect())
}

fn refuse_foreign(applied: &[(i64, String, i16)]) -> Result<()> {
    for (version, sum, additive) in applied {
        match MIGRATIONS.iter().find(|known| known.version == *version) {
            Some(known) if checksum(known.text) == *sum => {}
            Some(_) => {
                return Err(Error::Internal(format!(
                    "version {version} of the database's schema is not this program's: it was \
                     made by a different build of natter"
                )));
            }
            None if *additive == 1 => {}
            None => {
                return Err(Error::Internal(format!(
                    "the database has version {version} of the schema, newer than this program \
                     understands: start a newer natter"
                )));
            }
        }
    }
    Ok(())
}

async fn apply(link: &mut Link<'_>, migration: &Migration) -> Result<()> {
    match link {
        Link::Sqlite(connection) => {
            let text = migration.text.replace("/*clustered*/", "WITHOUT ROWID");
            connection.execute_batch(&text).map_err(of_sqlite)?;
        }
        Link::Postgres(connection, _) => {
            let text = migration.text.replace("/*bytes*/", "COLLATE \"C\"");
            let text = text.replace("--postgres:", "");
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut **connection).await.map_err(fault)?;
        }
    }
    exec!(
        link,
        "INSERT INTO natter_schema (version, checksum, additive) VALUES ($1, $2, $3)",
        migration.version,
        checksum(migration.text),
        i16::from(migration.additive)
    )?;
    Ok(())
}

fn checksum(text: &str) -> String {
    let normal: Cow<'_, str> = match text.contains('\r') {
        true => text.replace('\r', "").into(),
        false => text.into(),
    };
    Sha256::digest(normal.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its statements, without comments; those for PostgreSQL too.
    fn statements(text: &str) -> Vec<String> {
        let text = text.replace("--postgres:", "");
        let lines = text.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code));
        let text: String = lines.map(|line| format!("{line} ")).collect();
        let statements = text.split(';').map(|one| one.split_whitespace().collect::<Vec<_>>());
        statements.filter(|words| !words.is_empty()).map(|words| words.join(" ")).collect()
    }

    /// Whether every statement of a program of the version before still runs, and means the same.
    fn only_adds(statement: &str) -> bool {
        let words: Vec<&str> = statement.split(' ').collect();
        match words[..] {
            ["CREATE", "TABLE" | "INDEX" | "SEQUENCE", ..] => true,
            ["ALTER", "TABLE", _, "ADD", "COLUMN", ..] => {
                !statement.contains("NOT NULL") || statement.contains("DEFAULT")
            }
            _ => false,
        }
    }

    #[test]
    fn what_the_version_before_may_go_on_with_only_adds() {
        for migration in MIGRATIONS.iter().filter(|migration| migration.additive) {
            for statement in statements(migration.text) {
                assert!(only_adds(&statement), "version {}: {statement}", migration.version);
            }
        }
        for bad in [
            "ALTER TABLE nudge DROP COLUMN mails",
            "ALTER TABLE a ADD COLUMN b BIGINT NOT NULL",
            "CREATE UNIQUE INDEX a ON b (c)",
            "UPDATE a SET b = 1",
        ] {
            assert!(!only_adds(bad), "{bad}");
        }
    }
}
