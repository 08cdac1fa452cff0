//! What a database says when it does not do something, in the words of this room.
//!
//! Nothing that a user wrote may come out of here: of PostgreSQL's errors the code and the names of
//! table and constraint are kept, never message details, which quote values.

use sqlx::postgres::PgDatabaseError;

use crate::Error;
use rusqlite::ErrorCode;

/// What `Unavailable` says after a deadlock: running the whole transaction again helps.
const CONFLICT: &str = "two transactions stood in each other's way";

pub(crate) fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Unavailable(why) if why == CONFLICT)
}

pub(crate) fn fault(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(database) => of_postgres(database.downcast_ref::<PgDatabaseError>()),
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
        // A machine that has too much to do sends the next statement too late.
        "25P03" | "25P04" => Error::Unavailable("a transaction took too long".into()),
        "28000" | "28P01" => Error::Unavailable("it refuses the name or the password".into()),
        "3D000" => Error::Unavailable("it has no database of that name".into()),
        "42501" => Error::Internal(
            "this role has no right to do that: `natter check` says which is missing; what changes \
             the schema is done by its owner"
                .into(),
        ),
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

/// <https://www.sqlite.org/rescode.html>
pub(super) fn of_sqlite(error: rusqlite::Error) -> Error {
    let rusqlite::Error::SqliteFailure(failure, why) = error else {
        return Error::Internal(error.to_string());
    };
    let code = failure.extended_code;
    if code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE {
        return Error::Full;
    }
    match failure.code {
        ErrorCode::DiskFull => Error::Full,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Error::Unavailable("it is locked by another program".into())
        }
        ErrorCode::ReadOnly | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => {
            Error::Unavailable(format!("SQLite says {code}"))
        }
        _ => Error::Internal(format!("SQLite says {code}: {}", why.unwrap_or_default())),
    }
}
