//! SQLite: one writer, readers beside it, checkpoints off the writer's path, a disk that is
//! watched.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool, Transaction};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{fault, migrate};
use crate::{Error, Options, Pool, Result, limits};

pub(crate) struct SqliteDb {
    /// One connection: SQLite has one writer, and who waits for it waits here, in order, not in
    /// busy loops.
    write: SqlitePool,
    pub(crate) read: SqlitePool,
    pub(crate) disk: Disk,
    /// Dropping it ends the checkpointer.
    stop: watch::Sender<bool>,
    checkpointer: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteDb {
    pub(crate) async fn open(url: &str, options: &Options) -> Result<Self> {
        let path = path_of(url)?;
        make_private(&path).map_err(|error| {
            Error::Unavailable(format!("{} cannot be opened: {error}", path.display()))
        })?;
        let timeout = Duration::from_millis(options.timeout_ms);
        let connect = connect_options(&path, timeout);
        let pool = SqlitePoolOptions::new()
            .acquire_timeout(timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false);
        // When a full disk stops a COMMIT, SQLite has rolled back by itself, and sqlx still counts
        // a transaction, for ever. The ping waits for the rollback that a dropped one asks for.
        let write = pool.clone().max_connections(1).after_release(|connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        });
        let write = write.connect_with(connect.clone()).await.map_err(fault)?;
        migrate::sqlite(&write).await?;

        let read = pool.max_connections(options.connections.max(1));
        let read = read.connect_with(connect.clone().read_only(true)).await.map_err(fault)?;
        let checkpoint = connect.busy_timeout(limits::CHECKPOINT_BUSY);
        let checkpoint = checkpoint.connect().await.map_err(fault)?;
        let (stop, stopped) = watch::channel(false);
        let checkpointer = tokio::spawn(checkpoint_in_turn(checkpoint, wal_of(&path), stopped));
        Ok(Self {
            write,
            read,
            disk: Disk::new(&path, options.disk_reserve_bytes),
            stop,
            checkpointer: Mutex::new(Some(checkpointer)),
        })
    }

    /// IMMEDIATE: whoever has begun can also finish, nobody has to give up half-way for another
    /// writer.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        self.write.begin_with("BEGIN IMMEDIATE").await.map_err(fault)
    }

    /// The writer and the readers beside it.
    pub(crate) fn pool(&self) -> Pool {
        let (write, read) = (super::pool(&self.write), super::pool(&self.read));
        Pool {
            open: write.open + read.open,
            idle: write.idle + read.idle,
            max: write.max + read.max,
            away: false,
        }
    }

    pub(crate) async fn close(&self) {
        // Ends the checkpointer, which empties the WAL a last time when the writer has gone.
        self.read.close().await;
        self.write.close().await;
        self.stop.send_replace(true);
        let checkpointer = self.checkpointer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(checkpointer) = checkpointer
            && let Err(error) = checkpointer.await
        {
            tracing::warn!(%error, "the checkpointer ended badly");
        }
    }
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
pub(super) fn look_options(url: &str, timeout: Duration) -> Result<Option<SqliteConnectOptions>> {
    let path = path_of(url)?;
    let options = SqliteConnectOptions::new().filename(&path).busy_timeout(timeout);
    Ok(path.exists().then(|| options.read_only(true)))
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

fn connect_options(path: &Path, timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL syncs the WAL at every commit; NORMAL would lose acked messages with the power.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(timeout)
        .statement_cache_capacity(limits::STATEMENTS_MAX)
        .pragma("wal_autocheckpoint", "0")
        // KiB; for each connection. What is not here is in the kernel's cache.
        .pragma("cache_size", "-8192")
        // No mmap: a fault of the disk shall be an error of one statement, not a signal to the
        // process.
        .pragma("mmap_size", "0")
        .pragma("temp_store", "memory")
        .pragma("journal_size_limit", "33554432")
}

fn wal_of(path: &Path) -> PathBuf {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    wal.into()
}

/// Copies the WAL into the database from a connection of its own, so that no commit waits for it.
///
/// When everything is copied, the writer by itself begins the WAL anew at its next commit, in the
/// blocks that the file has already: a sync of blocks that exist takes a fraction of one that makes
/// the file grow. So the file is not cut while the server lives. Should the WAL grow past
/// `WAL_RESTART_BYTES` although it is copied, the writer is held for the last few pages.
async fn checkpoint_in_turn(
    mut connection: SqliteConnection,
    wal: PathBuf,
    mut stop: watch::Receiver<bool>,
) {
    let mut written = SystemTime::UNIX_EPOCH;
    let mut copied = SystemTime::UNIX_EPOCH;
    loop {
        let stopped = tokio::select! {
            _ = stop.changed() => true,
            () = tokio::time::sleep(limits::CHECKPOINT_EVERY) => false,
        };
        let (bytes, at) = match std::fs::metadata(&wal) {
            Ok(found) => (found.len(), found.modified().unwrap_or(SystemTime::UNIX_EPOCH)),
            Err(_) => (0, written),
        };
        let idle = stopped || at == std::mem::replace(&mut written, at);
        let done = match bytes {
            _ if stopped => checkpoint(&mut connection, "PRAGMA wal_checkpoint(TRUNCATE)").await,
            0 => Ok(0),
            _ if at == copied => Ok(0),
            1..limits::WAL_COPY_BYTES if !idle => Ok(0),
            _ => copy(&mut connection).await,
        };
        match done {
            Ok(_) if idle => copied = at,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, wal_bytes = bytes, "a checkpoint failed; the next may not");
            }
        }
        if stopped {
            break;
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the checkpointer's connection did not close");
    }
}

/// Copies beside the writer; holds him only if the WAL has become too long.
async fn copy(connection: &mut SqliteConnection) -> Result<u64> {
    let bytes = checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)").await?;
    if bytes < limits::WAL_RESTART_BYTES {
        return Ok(bytes);
    }
    checkpoint(connection, "PRAGMA wal_checkpoint(RESTART)").await
}

/// The length of what the WAL holds, in bytes; the file may be longer.
async fn checkpoint(connection: &mut SqliteConnection, pragma: &'static str) -> Result<u64> {
    let (_busy, frames, _copied): (i64, i64, i64) =
        sqlx::query_as(pragma).fetch_one(connection).await.map_err(fault)?;
    // -1 where there is no WAL
    Ok(u64::try_from(frames).unwrap_or(0) * limits::WAL_FRAME_BYTES)
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
        let Database::Sqlite(database) = &store.databases[0] else { panic!("it is SQLite") };
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::raw_sql(sql).execute(&database.write).await.unwrap();
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
}
