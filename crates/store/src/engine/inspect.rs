//! What a database says of itself to somebody who only looks: nothing is made, migrated or locked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::{Connection, PgConnection};

use super::{Link, fault, in_time, migrate, postgres, row, rows, sqlite};
use crate::{Error, Inspection, Options, Result};

/// The oldest PostgreSQL that knows every statement of ours, as it numbers itself.
const POSTGRES_MIN: i32 = 130_000;

pub(crate) async fn inspect(url: &str, options: &Options) -> Result<Inspection> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => of_sqlite(url, options).await,
        Some("postgres" | "postgresql") => of_postgres(url, options).await,
        _ => Err(Error::Invalid("a database is sqlite:PATH or postgres://…")),
    }
}

async fn of_sqlite(url: &str, options: &Options) -> Result<Inspection> {
    let timeout = Duration::from_millis(options.timeout_ms);
    let Some(mut connection) = sqlite::look(url, timeout)? else {
        return Ok(Inspection {
            engine: "SQLite".into(),
            pending: migrate::pending(&[])?,
            notes: vec!["there is no file yet; it will be made".into()],
            ..Inspection::default()
        });
    };
    let mut link = Link::Sqlite(&mut connection);
    let version: Option<(String,)> = row!(&mut link, "SELECT sqlite_version()")?;
    let mut seen = Inspection { engine: "SQLite".into(), ..Inspection::default() };
    if let Some((version,)) = version {
        seen.engine = format!("SQLite {version}");
    }
    schema_of(&mut link, &mut seen).await?;
    let said: Vec<(String,)> = rows!(&mut link, "PRAGMA quick_check(20)")?;
    seen.wrong.extend(said.into_iter().map(|(line,)| line).filter(|line| line != "ok"));
    Ok(seen)
}

async fn of_postgres(url: &str, options: &Options) -> Result<Inspection> {
    let timeout = Duration::from_millis(options.timeout_ms);
    let connect = postgres::connect_options(url, "natter look", timeout)?;
    let mut connection = in_time(timeout, PgConnection::connect_with(&connect)).await?;
    let mut link = Link::Postgres(&mut connection, timeout);
    let mut seen = Inspection::default();
    let may_create = settings_of(&mut link, &mut seen).await?;
    let asked = unix_ms();
    let now: Option<(i64,)> =
        row!(&mut link, "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)")?;
    // Half of the way there and back.
    seen.clock_ahead_ms = now.map(|(now,)| now - (asked + unix_ms()) / 2);
    schema_of(&mut link, &mut seen).await?;
    if !may_create && !seen.pending.is_empty() {
        let why = "its schema is to be changed, and this role has no right to make tables (CREATE \
                   on the schema): start one process as the owner first";
        seen.wrong.push(why.into());
    }
    seen.wrong.extend(denied(&mut link).await?);
    connection.close().await.map_err(fault)?;
    Ok(seen)
}

/// Rights that every statement of ours together needs and this role does not have, by table.
async fn denied(link: &mut Link<'_>) -> Result<Vec<String>> {
    let denied: Vec<(String, String)> = rows!(
        link,
        "SELECT CAST(relname AS TEXT), string_agg(wanted, ', ')
           FROM pg_class
           CROSS JOIN LATERAL unnest(CASE relkind
             WHEN 'S' THEN ARRAY['USAGE']
             ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END) AS w (wanted)
          WHERE relkind IN ('r', 'p', 'S') AND relnamespace = current_schema()::regnamespace
            AND (relname <> 'natter_schema' OR wanted = 'SELECT')
            AND NOT CASE relkind WHEN 'S' THEN has_sequence_privilege(oid, wanted)
                                 ELSE has_table_privilege(oid, wanted) END
          GROUP BY relname ORDER BY relname"
    )?;
    let sentence = |(name, rights)| format!("no right to {rights} on {name}");
    Ok(denied.into_iter().map(sentence).collect())
}

/// The version, and settings that would make an acked message a promise that is not kept. Whether
/// this role may make tables.
async fn settings_of(link: &mut Link<'_>, seen: &mut Inspection) -> Result<bool> {
    let said: Option<(String, i32, String, String, String, bool, bool)> = row!(
        link,
        "SELECT current_setting('server_version'),
                CAST(current_setting('server_version_num') AS INTEGER),
                current_setting('server_encoding'), current_setting('fsync'),
                current_setting('synchronous_commit'), pg_is_in_recovery(),
                COALESCE(has_schema_privilege(current_schema(), 'CREATE'), FALSE)"
    )?;
    let Some((version, number, encoding, fsync, sync_commit, standby, may_create)) = said else {
        return Err(Error::Unavailable("it says nothing of itself".into()));
    };
    seen.engine = format!("PostgreSQL {version}");
    let mut wrong = |is_wrong: bool, why: String| {
        if is_wrong {
            seen.wrong.push(why);
        }
    };
    wrong(number < POSTGRES_MIN, "it is older than PostgreSQL 13".into());
    wrong(encoding != "UTF8", format!("its encoding is {encoding}, not UTF8"));
    wrong(standby, "it is a standby and takes no writes".into());
    let lost = "a stored message may be lost with the power";
    wrong(fsync == "off", format!("fsync is off: {lost}"));
    wrong(sync_commit == "off", format!("synchronous_commit is off: {lost}"));
    Ok(may_create)
}

async fn schema_of(link: &mut Link<'_>, seen: &mut Inspection) -> Result<()> {
    let applied = match migrate::is_known(link).await? {
        false => Vec::new(),
        true => rows!(link, "SELECT version, checksum, additive FROM natter_schema")?,
    };
    match migrate::pending(&applied) {
        Ok(pending) => seen.pending = pending,
        Err(error) => seen.wrong.push(error.to_string()),
    }
    Ok(())
}

/// The clock of this machine, which is what is compared.
fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
