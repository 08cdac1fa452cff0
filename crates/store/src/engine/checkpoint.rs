//! Copying SQLite's WAL into the database, off the writer's path.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::error::of_sqlite;
use super::seats::Seats;
use crate::{Error, Result, limits};

/// The task that copies. Dropped, it ends by itself.
pub(super) struct Checkpointer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Checkpointer {
    /// Copies over a connection of its own, so that no commit waits for it. `writer` is the seat of
    /// whoever writes in this process.
    pub(super) fn start(connection: Connection, wal: PathBuf, writer: Arc<Seats>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let copier = Copier { connection: Arc::new(Mutex::new(connection)), writer };
        Self { stop, task: tokio::spawn(copy_in_turn(copier, wal, stopped)) }
    }

    /// Empties the WAL a last time.
    pub(super) async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::warn!("the checkpointer ended badly");
        }
    }
}

/// When everything is copied, the writer by itself begins the WAL anew at its next commit, in the
/// blocks that the file has already: a sync of blocks that exist takes a fraction of one that makes
/// the file grow. So the file is not cut while the server lives.
async fn copy_in_turn(copier: Copier, wal: PathBuf, mut stopped: oneshot::Receiver<()>) {
    let mut written = SystemTime::UNIX_EPOCH;
    let mut copied = SystemTime::UNIX_EPOCH;
    loop {
        let stopped = timeout(limits::CHECKPOINT_EVERY, &mut stopped).await.is_ok();
        let (bytes, at) = length_of(&wal).unwrap_or((0, written));
        let idle = stopped || at == std::mem::replace(&mut written, at);
        let done = match bytes {
            _ if stopped => copier.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)").await.map(drop),
            0 => Ok(()),
            _ if at == copied => Ok(()),
            1..limits::WAL_COPY_BYTES if !idle => Ok(()),
            _ => copier.copy().await,
        };
        match done {
            Ok(()) if idle => copied = at,
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(%error, wal_bytes = bytes, "a checkpoint failed; the next may not");
            }
        }
        if stopped {
            return;
        }
    }
}

/// Bytes of the file, and when it was last written to. `None`: there is no WAL.
fn length_of(wal: &Path) -> Option<(u64, SystemTime)> {
    let found = std::fs::metadata(wal).ok()?;
    Some((found.len(), found.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
}

struct Copier {
    connection: Arc<Mutex<Connection>>,
    writer: Arc<Seats>,
}

impl Copier {
    /// Copies beside the writer. One who never rests always leaves something uncopied, and the WAL
    /// would grow without end: when it has become long, it is made to begin anew.
    async fn copy(&self) -> Result<()> {
        let bytes = self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)").await?;
        if bytes < limits::WAL_RESTART_BYTES { Ok(()) } else { self.begin_anew(bytes).await }
    }

    /// Holds the writer for the last pages, which are no more than came during the last copy.
    async fn begin_anew(&self, mut bytes: u64) -> Result<()> {
        for _ in 0..limits::WAL_COPIES_MAX {
            let before = bytes;
            bytes = self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)").await?;
            if bytes < before + limits::WAL_REST_BYTES {
                break;
            }
        }
        // SQLite's own lock goes to whoever asks at the right moment, which is always the writer.
        // His seat is given in order.
        let _held = self.writer.take().await?;
        self.checkpoint("PRAGMA wal_checkpoint(RESTART)").await.map(drop)
    }

    /// The length of what the WAL holds, in bytes; the file may be longer.
    async fn checkpoint(&self, pragma: &'static str) -> Result<u64> {
        let connection = Arc::clone(&self.connection);
        let work = move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let number = |sql, column| connection.query_row(sql, [], |row| row.get(column));
            let frames: i64 = number(pragma, 1).map_err(of_sqlite)?;
            let page_bytes: i64 = number("PRAGMA page_size", 0).map_err(of_sqlite)?;
            // -1 frames where there is no WAL
            Ok(u64::try_from(frames * (page_bytes + limits::WAL_HEADER_BYTES)).unwrap_or(0))
        };
        spawn_blocking(work).await.map_err(|error| Error::Unavailable(error.to_string()))?
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::id;
    use tokio::sync::watch;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_wal_begins_anew_although_the_writer_never_rests() {
        let name = format!("natter_unit_{}_{:x}", std::process::id(), id::random_key());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("lines.db");
        let wal = directory.join("lines.db-wal");
        let connect = move || {
            let open = || {
                let connection = Connection::open(&path)?;
                connection.busy_timeout(limits::CHECKPOINT_BUSY)?;
                let habits = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0";
                connection.execute_batch(habits)?;
                Ok(connection)
            };
            open().map_err(of_sqlite)
        };
        let connection = connect().unwrap();
        connection.execute_batch("CREATE TABLE line (body TEXT)").unwrap();
        let writer = Seats::new(1, Duration::from_secs(30), connect);
        let connection = Arc::new(Mutex::new(connection));
        let copier = Copier { connection, writer: Arc::clone(&writer) };
        let (written, mut lines) = watch::channel(0);
        let restless = tokio::spawn(async move {
            while let Ok(seat) = writer.take().await {
                seat.execute("INSERT INTO line VALUES (?1)", ["x".repeat(2_000)]).unwrap();
                drop(seat);
                written.send_modify(|lines| *lines += 1);
            }
        });
        for round in 1..=10 {
            let enough = *lines.borrow() + 50;
            lines.wait_for(|lines| *lines >= enough).await.unwrap();
            let begun = beginnings(&wal);
            copier.begin_anew(0).await.unwrap();
            // The one that is being written, and one that was begun after it.
            let next = *lines.borrow() + 2;
            lines.wait_for(|lines| *lines >= next).await.unwrap();
            assert_eq!(beginnings(&wal), begun + 1, "round {round}");
        }
        copier.writer.close().await;
        restless.await.unwrap();
        drop(copier);
        std::fs::remove_dir_all(directory).unwrap();
    }

    /// How often the WAL has begun anew: the fourth number of its header
    /// (<https://www.sqlite.org/fileformat2.html#walformat>).
    fn beginnings(wal: &Path) -> u32 {
        let bytes = std::fs::read(wal).unwrap();
        u32::from_be_bytes(bytes[12..16].try_into().unwrap())
    }
}
