//! The connections to one SQLite file: each for one user at a time. Who finds none free waits in
//! order, and not for ever.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, Pool, Result};

/// Makes one more connection.
type Connect = Box<dyn Fn() -> Result<Connection> + Send + Sync>;

pub(crate) struct Seats {
    /// One place for each connection that may be used now.
    places: Arc<Semaphore>,
    free: Mutex<Vec<Connection>>,
    open: AtomicU32,
    max: u32,
    timeout: Duration,
    connect: Connect,
}

/// A connection for one user; it goes back when this is dropped.
pub(crate) struct Seat {
    /// None only while it is dropped.
    connection: Option<Connection>,
    seats: Arc<Seats>,
    _place: OwnedSemaphorePermit,
}

impl Seats {
    /// At most `max` connections; each is opened when it is first needed.
    pub(crate) fn new(
        max: u32,
        timeout: Duration,
        connect: impl Fn() -> Result<Connection> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(max as usize)),
            free: Mutex::default(),
            open: AtomicU32::new(0),
            max,
            timeout,
            connect: Box::new(connect),
        })
    }

    pub(crate) async fn take(self: &Arc<Self>) -> Result<Seat> {
        let places = Arc::clone(&self.places);
        // Nearly always there is one, and no timer has to be set.
        let place = match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => match tokio::time::timeout(self.timeout, places.acquire_owned()).await {
                Ok(Ok(place)) => place,
                Ok(Err(_)) => return Err(Error::Unavailable("it is closed".into())),
                Err(_) => {
                    return Err(Error::Unavailable("no connection was free in time".into()));
                }
            },
        };
        let free = self.free().pop();
        let connection = match free {
            Some(connection) => connection,
            None => {
                let connection = (self.connect)()?;
                self.open.fetch_add(1, Ordering::Relaxed);
                connection
            }
        };
        Ok(Seat { connection: Some(connection), seats: Arc::clone(self), _place: place })
    }

    pub(crate) fn pool(&self) -> Pool {
        let idle = u32::try_from(self.free().len()).unwrap_or(u32::MAX);
        Pool { open: self.open.load(Ordering::Relaxed), idle, max: self.max, away: false }
    }

    /// Waits until nobody has a connection any more. Who comes later is refused.
    pub(crate) async fn close(&self) {
        // An error says that it is closed already.
        let _all = self.places.acquire_many(self.max).await;
        self.places.close();
        self.free().clear();
        self.open.store(0, Ordering::Relaxed);
    }

    fn free(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Seat {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("it is there until the drop")
    }
}

impl DerefMut for Seat {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is there until the drop")
    }
}

impl Drop for Seat {
    /// What was begun and not committed is undone. A connection that cannot do even that is not
    /// used again.
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() {
            self.seats.free().push(connection);
        } else {
            self.seats.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_memory(max: u32, timeout_ms: u64) -> Arc<Seats> {
        Seats::new(max, Duration::from_millis(timeout_ms), || {
            Ok(Connection::open_in_memory().unwrap())
        })
    }

    #[tokio::test]
    async fn who_finds_no_connection_waits_and_then_gives_up() {
        let seats = in_memory(1, 20);
        let taken = seats.take().await.unwrap();
        let late = seats.take().await.map(|_| ());
        assert_eq!(late, Err(Error::Unavailable("no connection was free in time".into())));
        drop(taken);
        seats.take().await.unwrap();
        assert_eq!(seats.pool().open, 1, "the same one");
    }

    #[tokio::test]
    async fn what_was_begun_and_dropped_is_undone() {
        let seats = in_memory(1, 1_000);
        let seat = seats.take().await.unwrap();
        seat.execute_batch("CREATE TABLE t (n); BEGIN; INSERT INTO t VALUES (1)").unwrap();
        drop(seat);
        let seat = seats.take().await.unwrap();
        let rows = seat.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0));
        assert_eq!(rows, Ok(0));
        seat.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    }

    #[tokio::test]
    async fn closing_waits_for_who_works_and_refuses_who_comes() {
        let seats = in_memory(2, 1_000);
        let seat = seats.take().await.unwrap();
        let closing = Arc::clone(&seats);
        let closing = tokio::spawn(async move { closing.close().await });
        tokio::task::yield_now().await;
        assert!(!closing.is_finished());
        drop(seat);
        closing.await.unwrap();
        let late = seats.take().await.map(|_| ());
        assert_eq!(late, Err(Error::Unavailable("it is closed".into())));
        seats.close().await;
    }
}
