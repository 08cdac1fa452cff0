//! SQLite: one writer, readers beside it, checkpoints off the writer's path, a disk that is
//! watched.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::checkpoint::Checkpointer;
use super::error::of_sqlite;
use super::seats::{Seat, Seats};
use super::{elsewhere, migrate};
use crate::{Error, Options, Pool, Result, limits};

pub(crate) struct SqliteDb {
    /// One connection: SQLite has one writer, and who waits for it waits here, in order, not in
    /// busy loops.
    write: Arc<Seats>,
    read: Arc<Seats>,
    /// The longest wait for another process that writes.
    timeout: Duration,
    pub(crate) disk: Disk,
    checkpointer: Mutex<Option<Checkpointer>>,
}

/// A transaction under way. Dropped without `commit`, it never happened.
pub(crate) struct SqliteTx(Seat);

impl SqliteTx {
    /// Committed and synced when this returns Ok.
    pub(crate) fn commit(self) -> Result<()> {
        elsewhere(|| self.0.execute_batch("COMMIT")).map_err(of_sqlite)
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.0
    }
}

impl SqliteDb {
    pub(crate) async fn open(url: &str, options: &Options) -> Result<Self> {
        let path = path_of(url)?;
        make_private(&path).map_err(|error| {
            Error::Unavailable(format!("{} cannot be opened: {error}", path.display()))
        })?;
        let timeout = Duration::from_millis(options.timeout_ms);
        let write = Seats::new(1, timeout, {
            let path = path.clone();
            move || connect(&path, Access::Write, timeout)
        });
        let tx = begin(&write, timeout).await?;
        // IMMEDIATE keeps out every other process that would migrate now.
        migrate::sqlite(tx).await?;
        let read = Seats::new(options.connections.max(1), timeout, {
            let path = path.clone();
            move || connect(&path, Access::Read, timeout)
        });
        let connection = connect(&path, Access::Write, limits::CHECKPOINT_BUSY)?;
        let checkpointer = Checkpointer::start(connection, wal_of(&path), Arc::clone(&write));
        Ok(Self {
            write,
            read,
            timeout,
            disk: Disk::new(&path, options.disk_reserve_bytes),
            checkpointer: Mutex::new(Some(checkpointer)),
        })
    }

    /// IMMEDIATE: whoever has begun can also finish, nobody has to give up half-way for another
    /// writer.
    pub(crate) async fn begin(&self) -> Result<SqliteTx> {
        begin(&self.write, self.timeout).await
    }

    /// One snapshot for several questions.
    pub(crate) async fn begin_read(&self) -> Result<SqliteTx> {
        let seat = self.read.take().await?;
        seat.execute_batch("BEGIN").map_err(of_sqlite)?;
        Ok(SqliteTx(seat))
    }

    pub(crate) async fn reader(&self) -> Result<Seat> {
        self.read.take().await
    }

    /// The writer and the readers beside it.
    pub(crate) fn pool(&self) -> Pool {
        let (write, read) = (self.write.pool(), self.read.pool());
        Pool {
            open: write.open + read.open,
            idle: write.idle + read.idle,
            max: write.max + read.max,
            away: false,
        }
    }

    pub(crate) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
        // It empties the WAL a last time, now that the writer has gone.
        let checkpointer = self.checkpointer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(checkpointer) = checkpointer {
            checkpointer.stop().await;
        }
    }
}

async fn begin(writer: &Arc<Seats>, timeout: Duration) -> Result<SqliteTx> {
    const BEGIN: &str = "BEGIN IMMEDIATE";
    let seat = writer.take().await?;
    let begun = seat.busy_timeout(Duration::ZERO).and_then(|()| seat.execute_batch(BEGIN));
    let begun = match begun {
        // A program beside us writes.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            elsewhere(|| seat.busy_timeout(timeout).and_then(|()| seat.execute_batch(BEGIN)))
        }
        begun => begun,
    };
    begun.map_err(of_sqlite)?;
    Ok(SqliteTx(seat))
}

fn path_of(url: &str) -> Result<PathBuf> {
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    let path = path.strip_prefix("//").unwrap_or(path);
    match path {
        "" | ":memory:" => Err(Error::Invalid("sqlite: needs the path of a file")),
        path => Ok(PathBuf::from(path)),
    }
}

/// For somebody who only looks. `None`: there is no file.
pub(super) fn look(url: &str, timeout: Duration) -> Result<Option<Connection>> {
    let path = path_of(url)?;
    path.exists().then(|| connect(&path, Access::Look, timeout)).transpose()
}

/// The file is made here and not by SQLite, so that nobody else can ever read it; the WAL inherits
/// its mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    Read,
    /// Nothing is set that a stranger's file might not like.
    Look,
}

fn connect(path: &Path, access: Access, timeout: Duration) -> Result<Connection> {
    let flags = match access {
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::Read | Access::Look => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let open = || {
        let connection =
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(timeout)?;
        connection.set_prepared_statement_cache_capacity(limits::STATEMENTS_MAX);
        if access == Access::Write {
            connection.execute_batch(FILE)?;
        }
        if access != Access::Look {
            connection.execute_batch(HABITS)?;
            connection.pragma_update(None, "journal_size_limit", limits::WAL_KEPT_BYTES)?;
            // Else SQLite reads a bound LIMIT when it plans, and such a statement is prepared anew
            // at every use.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        }
        Ok(connection)
    };
    open().map_err(of_sqlite)
}

/// What belongs to the file. A file that exists keeps its pages. Small ones, because the log takes
/// whole pages and a message touches one of its own in each table.
const FILE: &str = "
    PRAGMA page_size = 2048;
    PRAGMA journal_mode = WAL;
";

/// FULL syncs the WAL at every commit; NORMAL would lose acked messages with the power. The cache
/// is in KiB, for each connection; what is not there is in the kernel's. Nothing is mapped into
/// memory: a fault of the disk shall be an error of one statement, not a signal to the process.
const HABITS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA cache_size = -8192;
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = memory;
    PRAGMA foreign_keys = ON;
";

fn wal_of(path: &Path) -> PathBuf {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    wal.into()
}

/// The free space of the disk under the database, asked for at most once in `DISK_ASKED_EVERY`.
pub(crate) struct Disk {
    directory: PathBuf,
    reserve_bytes: u64,
    seen: Mutex<Option<(Instant, bool)>>,
}

impl Disk {
    fn new(path: &Path, reserve_bytes: u64) -> Self {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Self { directory, reserve_bytes, seen: Mutex::new(None) }
    }

    /// `Full` if less than the reserve is free.
    pub(crate) fn room(&self) -> Result<()> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = match *seen {
            Some((at, enough)) if at.elapsed() < limits::DISK_ASKED_EVERY => enough,
            _ => {
                let enough = match rustix::fs::statvfs(&self.directory) {
                    Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize) >= self.reserve_bytes,
                    // Who cannot be asked may still take the write, and says so himself if not.
                    Err(_) => true,
                };
                *seen = Some((Instant::now(), enough));
                enough
            }
        };
        if enough { Ok(()) } else { Err(Error::Full) }
    }
}

#[cfg(test)]
mod tests {
    use proto::id;
    use rusqlite::StatementStatus;

    use super::*;
    use crate::engine::Database;
    use crate::{Batch, NewMessage, NewUser, SendOutcome, Store};

    const NOW: i64 = 1_800_000_000_000;

    /// A store in a directory of its own, with one group in it: (store, directory, owner, group).
    async fn small_store() -> (Store, PathBuf, i64, i64) {
        let name = format!("natter_unit_{}_{:x}", std::process::id(), id::random_key());
        let directory = std::env::temp_dir().join(name);
        let url = format!("sqlite:{}", directory.join("natter.db").display());
        let store = Store::open(&[url], &Options::default()).await.unwrap();
        let user_id = id::new(0, NOW);
        let user = NewUser {
            user_id,
            handle: "ann".into(),
            name: "Ann".into(),
            email: None,
            pass_hash: String::new(),
        };
        store.create_user(&user, NOW).await.unwrap();
        let group = store.create_group(user_id, "Alone", &[], 0, NOW).await.unwrap().conv_id;
        (store, directory, user_id, group)
    }

    fn long_message(conv_id: i64, sender_id: i64) -> Batch {
        let send = NewMessage {
            conv_id,
            sender_id,
            client_key: id::random_key(),
            reply_seq: 0,
            body: "x".repeat(16_000),
            mentions: Vec::new(),
        };
        Batch { sends: vec![send], moves: Vec::new() }
    }

    async fn grow_no_further_than(store: &Store, pages: i64) {
        let Database::Sqlite(database) = store.directory() else { panic!("it is SQLite") };
        let writer = database.write.take().await.unwrap();
        writer.execute_batch(&format!("PRAGMA max_page_count = {pages}")).unwrap();
    }

    /// SQLite itself has no room: the same code that a disk without space gives.
    #[tokio::test]
    async fn when_sqlite_is_full_nothing_is_half_stored() {
        let (store, directory, ann, group) = small_store().await;
        grow_no_further_than(&store, 100).await;
        let mut stored = 1;
        let full = loop {
            match store.commit(0, &long_message(group, ann), NOW).await {
                Ok(done) => {
                    stored += 1;
                    assert_eq!(done.sends, [SendOutcome::Stored { seq: stored, sent_at: NOW }]);
                }
                Err(error) => break error,
            }
            assert!(stored < 200, "100 pages hold less");
        };
        assert_eq!(full, Error::Full);
        assert_eq!(store.digest(ann).await.unwrap().found[0].last_seq, stored);
        assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
        grow_no_further_than(&store, 1_000_000).await;
        let done = store.commit(0, &long_message(group, ann), NOW).await.unwrap();
        assert_eq!(done.sends, [SendOutcome::Stored { seq: stored + 1, sent_at: NOW }]);
        store.close().await;
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test]
    async fn the_wal_is_copied_when_nothing_happens_and_keeps_its_blocks() {
        let (store, directory, ann, group) = small_store().await;
        for _ in 0..50 {
            store.commit(0, &long_message(group, ann), NOW).await.unwrap();
        }
        let length = |name: &str| std::fs::metadata(directory.join(name)).unwrap().len();
        let begin = Instant::now();
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while length("natter.db") < 50 * 16_000 {
            assert!(begin.elapsed() < Duration::from_secs(30), "not copied");
            look.tick().await;
        }
        assert!(length("natter.db-wal") > 50 * 16_000, "its blocks are kept");
        store.close().await;
        assert!(!directory.join("natter.db-wal").exists(), "gone at the end");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test]
    async fn a_statement_is_prepared_once_whatever_is_asked_with_it() {
        let (store, directory, ann, _group) = small_store().await;
        let Database::Sqlite(database) = store.directory() else { panic!("it is SQLite") };
        let reader = database.reader().await.unwrap();
        let mut asked = reader
            .prepare(
                "SELECT c.conv_id FROM member me JOIN conversation c ON c.conv_id = me.conv_id
                  WHERE me.user_id = ?1 ORDER BY c.last_at DESC LIMIT ?2",
            )
            .unwrap();
        for (user_id, limit) in [(ann, 200), (ann + 1, 1), (i64::MAX, 0)] {
            let _: Vec<i64> = asked
                .query_map([user_id, limit], |row| row.get(0))
                .unwrap()
                .collect::<rusqlite::Result<_>>()
                .unwrap();
        }
        assert_eq!(asked.get_status(StatementStatus::RePrepare), 0);
        drop(asked);
        drop(reader);
        store.close().await;
        std::fs::remove_dir_all(directory).unwrap();
    }
}
