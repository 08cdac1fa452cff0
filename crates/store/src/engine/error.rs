//! What a database says when it does not do something, in the words of this room.
//!
//! Nothing that a user wrote may come out of here: of PostgreSQL's errors the code and the names of
//! table and constraint are kept, never message details, which quote values.

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

use crate::Error;

/// What `Unavailable` says after a deadlock: running the whole transaction again helps.
const CONFLICT: &str = "two transactions stood in each other's way";

pub(crate) fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Unavailable(why) if why == CONFLICT)
}

pub(crate) fn fault(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
            Some(error) => of_postgres(error),
            None => of_sqlite(&*database),
        },
        sqlx::Error::PoolTimedOut => Error::Unavailable("no connection was free in time".into()),
        sqlx::Error::PoolClosed => Error::Unavailable("it is closed".into()),
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => Error::Full,
        sqlx::Error::Io(error) => Error::Unavailable(error.to_string()),
        sqlx::Error::WorkerCrashed => Error::Unavailable("its thread ended".into()),
        sqlx::Error::Protocol(why) => Error::Unavailable(why),
        other => Error::Internal(other.to_string()),
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn of_postgres(error: &PgDatabaseError) -> Error {
    match error.code() {
        "53100" => Error::Full,
        "40001" | "40P01" => Error::Unavailable(CONFLICT.into()),
        "55P03" => Error::Unavailable("a lock was not free in time".into()),
        "57014" => Error::Unavailable("a statement took too long".into()),
        "28000" | "28P01" => Error::Unavailable("it refuses the name or the password".into()),
        "3D000" => Error::Unavailable("it has no database of that name".into()),
        "25006" => Error::Unavailable("it takes no writes".into()),
        // connection trouble, resources, a state that passes (a database that is closed for
        // connections), operator intervention (shutdown, failover), the system
        code if ["08", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class)) => {
            Error::Unavailable(format!("PostgreSQL says {code}"))
        }
        code => Error::Internal(format!(
            "PostgreSQL says {code} (table {}, constraint {})",
            error.table().unwrap_or("?"),
            error.constraint().unwrap_or("?"),
        )),
    }
}

/// <https://www.sqlite.org/rescode.html>; the lowest byte is the primary code.
fn of_sqlite(error: &dyn DatabaseError) -> Error {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const READ_ONLY: u32 = 8;
    const IO: u32 = 10;
    const FULL: u32 = 13;
    const CANNOT_OPEN: u32 = 14;
    const NO_ROOM_FOR_SHARED_MEMORY: u32 = IO | (19 << 8);
    let code: u32 = error.code().and_then(|code| code.parse().ok()).unwrap_or_default();
    if code == NO_ROOM_FOR_SHARED_MEMORY {
        return Error::Full;
    }
    match code & 0xFF {
        FULL => Error::Full,
        BUSY | LOCKED => Error::Unavailable("it is locked by another program".into()),
        READ_ONLY | IO | CANNOT_OPEN => Error::Unavailable(format!("SQLite says {code}")),
        _ => Error::Internal(format!("SQLite says {code}: {}", error.message())),
    }
}
