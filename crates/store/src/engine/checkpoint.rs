//! Copying SQLite's WAL into the database, off the writer's path.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::elsewhere;
use super::error::of_sqlite;
use super::seats::Seats;
use crate::{Result, limits};

/// The task that copies. Dropped, it ends by itself.
pub(super) struct Checkpointer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Checkpointer {
    /// Copies over a connection of its own, so that no commit waits for it. `writer` is the
    /// connection of whoever writes in this process.
    pub(super) fn start(connection: Connection, wal: PathBuf, writer: Arc<Seats>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let copier = Copier { connection, writer, hold_from: Instant::now() };
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
/// the file grow. So the file is not cut while the server lives, unless it is longer than it should
/// ever be (`WAL_KEPT_BYTES`).
async fn copy_in_turn(mut copier: Copier, wal: PathBuf, mut stop: oneshot::Receiver<()>) {
    let mut written = SystemTime::UNIX_EPOCH;
    let mut copied = SystemTime::UNIX_EPOCH;
    loop {
        let ends = timeout(limits::CHECKPOINT_EVERY, &mut stop).await.is_ok();
        let (bytes, at) = length_of(&wal).unwrap_or((0, written));
        let idle = ends || at == std::mem::replace(&mut written, at);
        let done = match bytes {
            _ if ends => copier.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)"),
            0 => Ok(None),
            _ if at == copied => Ok(None),
            1..limits::WAL_COPY_BYTES if !idle => Ok(None),
            _ => copier.copy().await,
        };
        match done {
            Ok(Some(wal)) if idle && wal.uncopied_bytes == 0 => copied = at,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, wal_bytes = bytes, "a checkpoint failed; the next may not");
            }
        }
        if ends {
            return;
        }
    }
}

/// Bytes of the file, which may hold less, and when it was last written to. `None`: there is no
/// WAL.
fn length_of(wal: &Path) -> Option<(u64, SystemTime)> {
    let found = std::fs::metadata(wal).ok()?;
    Some((found.len(), found.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
}

struct Copier {
    connection: Connection,
    writer: Arc<Seats>,
    /// The writer is not held before this.
    hold_from: Instant,
}

/// How a checkpoint left the WAL.
#[derive(Debug, Clone, Copy)]
struct Wal {
    bytes: u64,
    uncopied_bytes: u64,
    /// Readers or another process kept it from what it was to do.
    was_busy: bool,
}

impl Copier {
    /// Copies beside the writer. One who never rests always leaves something uncopied, and the WAL
    /// would grow without end: when it has become long, it is made to begin anew. `None`: not now.
    async fn copy(&mut self) -> Result<Option<Wal>> {
        let wal = self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)")?;
        match wal {
            Some(wal) if wal.bytes >= limits::WAL_RESTART_BYTES => self.begin_anew(wal).await,
            wal => Ok(wal),
        }
    }

    /// Copies until little is left, then holds the writer for that and for the sync of the database
    /// file, which SQLite puts off as long as somebody writes.
    async fn begin_anew(&mut self, mut wal: Wal) -> Result<Option<Wal>> {
        for _ in 0..limits::WAL_COPIES_MAX {
            let before = wal.bytes;
            match self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)")? {
                Some(now) => wal = now,
                None => return Ok(None),
            }
            if wal.bytes < before + limits::WAL_REST_BYTES {
                break;
            }
        }
        // Somebody still reads what the WAL held long ago. The writer would wait for him in vain.
        if wal.uncopied_bytes > limits::WAL_REST_BYTES || Instant::now() < self.hold_from {
            return Ok(Some(wal));
        }
        // SQLite's own lock goes to whoever asks at the right moment, which is always the writer.
        // His connection is given in order.
        let Ok(_held) = self.writer.take().await else {
            return Ok(Some(wal));
        };
        let wal = self.checkpoint("PRAGMA wal_checkpoint(RESTART)")?;
        if wal.is_none_or(|wal| wal.was_busy) {
            self.hold_from = Instant::now() + limits::WAL_HOLD_PAUSE;
        }
        Ok(wal)
    }

    /// `None`: there is no WAL, another process copies it, or the beginning of a commit is just
    /// being written. All of that passes.
    fn checkpoint(&mut self, pragma: &str) -> Result<Option<Wal>> {
        let asked = elsewhere(|| {
            let found = self.connection.query_row(pragma, [], |row| {
                Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
            })?;
            let page: i64 = self.connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
            Ok((found, page))
        });
        let ((was_busy, frames, copied), page_bytes) = asked.map_err(of_sqlite)?;
        let bytes = |frames: i64| {
            u64::try_from(frames * (page_bytes + limits::WAL_HEADER_BYTES)).unwrap_or_default()
        };
        let wal = Wal { bytes: bytes(frames), uncopied_bytes: bytes(frames - copied), was_busy };
        Ok((frames >= 0).then_some(wal))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::id;
    use tokio::sync::watch;

    use super::*;

    const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

    /// A database with one table, in a directory of its own, and whoever copies its WAL.
    fn lines() -> (PathBuf, Copier) {
        let name = format!("natter_unit_{}_{:x}", std::process::id(), id::random_key());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let connect = {
            let directory = directory.clone();
            move || connect(&directory)
        };
        let connection = connect().unwrap();
        connection.execute_batch("CREATE TABLE line (body TEXT)").unwrap();
        let writer = Seats::new(1, Duration::from_secs(30), connect);
        (directory, Copier { connection, writer, hold_from: Instant::now() })
    }

    fn connect(directory: &Path) -> Result<Connection> {
        let open = || {
            let connection = Connection::open(directory.join("lines.db"))?;
            connection.busy_timeout(limits::CHECKPOINT_BUSY)?;
            let habits = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0";
            connection.execute_batch(habits)?;
            Ok(connection)
        };
        open().map_err(of_sqlite)
    }

    fn write(connection: &Connection, bytes: usize) {
        connection.execute("INSERT INTO line VALUES (?1)", ["x".repeat(bytes)]).unwrap();
    }

    /// Tried again where a commit was in the way, as the checkpointer does.
    async fn begin_anew(copier: &mut Copier) {
        loop {
            let wal = copier.checkpoint(PASSIVE).unwrap();
            if let Some(wal) = wal
                && copier.begin_anew(wal).await.unwrap().is_some()
            {
                return;
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_wal_begins_anew_although_the_writer_never_rests() {
        let (directory, mut copier) = lines();
        let (wal, writer) = (directory.join("lines.db-wal"), Arc::clone(&copier.writer));
        let (written, mut lines) = watch::channel(0);
        let restless = tokio::spawn(async move {
            while let Ok(seat) = writer.take().await {
                write(&seat, 2_000);
                drop(seat);
                written.send_modify(|lines| *lines += 1);
                // So that the runtime can end it where the test fails.
                tokio::task::yield_now().await;
            }
        });
        for round in 1..=10 {
            let enough = *lines.borrow() + 50;
            lines.wait_for(|lines| *lines >= enough).await.unwrap();
            let begun = beginnings(&wal);
            begin_anew(&mut copier).await;
            // The one that is being written, and one that was begun after it.
            let next = *lines.borrow() + 2;
            lines.wait_for(|lines| *lines >= next).await.unwrap();
            // Where everything happened to be copied between two commits, it was two times.
            assert!(beginnings(&wal) > begun, "round {round}");
        }
        copier.writer.close().await;
        restless.await.unwrap();
        drop(copier);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test]
    async fn who_reads_for_long_does_not_hold_the_writer() {
        let (directory, mut copier) = lines();
        let reader = connect(&directory).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM line").unwrap();
        write(&copier.connection, 2_000);
        let wal = copier.checkpoint(PASSIVE).unwrap().unwrap();
        let tried = copier.begin_anew(wal).await.unwrap().unwrap();
        assert!(tried.was_busy, "so little is tried");
        assert!(copier.hold_from > Instant::now(), "but not soon again");
        copier.hold_from = Instant::now();
        write(&copier.connection, 2 * limits::WAL_REST_BYTES as usize);
        let wal = copier.checkpoint(PASSIVE).unwrap().unwrap();
        let left = copier.begin_anew(wal).await.unwrap().unwrap();
        assert!(left.uncopied_bytes > limits::WAL_REST_BYTES, "{left:?}");
        assert!(!left.was_busy && copier.hold_from <= Instant::now(), "it was not tried");
        reader.execute_batch("COMMIT").unwrap();
        let free = copier.begin_anew(left).await.unwrap().unwrap();
        assert_eq!((free.was_busy, free.uncopied_bytes), (false, 0));
        drop((reader, copier));
        std::fs::remove_dir_all(directory).unwrap();
    }

    /// How often the WAL has begun anew: the fourth number of its header
    /// (<https://www.sqlite.org/fileformat2.html#walformat>).
    fn beginnings(wal: &Path) -> u32 {
        let bytes = std::fs::read(wal).unwrap();
        u32::from_be_bytes(bytes[12..16].try_into().unwrap())
    }
}
