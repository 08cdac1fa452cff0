//! Delivered and Read: gathered per member and conversation, committed by the writer, told by a
//! Receipt.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::{Delivered, Read, check};
use store::CursorMove;
use tokio::sync::Notify;

use super::connection::Connection;
use super::dispatch::Obeyed;
use crate::limits;

pub(crate) fn delivered(c: &Connection, said: Delivered) -> Obeyed {
    move_cursor(c, said.conv_id, said.seq, 0)
}

pub(crate) fn read(c: &Connection, said: Read) -> Obeyed {
    move_cursor(c, said.conv_id, said.seq, said.seq)
}

fn move_cursor(c: &Connection, conv_id: i64, delivered_seq: i64, read_seq: i64) -> Obeyed {
    check::positive("conv_id", conv_id)?;
    check::positive("seq", delivered_seq)?;
    let database = c.gateway.store.database_of(conv_id);
    let moved = CursorMove { conv_id, user_id: c.user_id, delivered_seq, read_seq };
    c.gateway.writers[database].moves.put(moved);
    Ok(None)
}

/// Cursor moves that wait for a writer: for each member and conversation only the furthest.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    by_member: HashMap<(i64, i64), CursorMove>,
    /// When they go even if no send comes to ride with.
    due: Option<Instant>,
}

impl Moves {
    /// Adds a move. When too many wait, a new one is dropped.
    pub(crate) fn put(&self, moved: CursorMove) {
        let mut waiting = self.lock();
        let key = (moved.conv_id, moved.user_id);
        if waiting.by_member.len() >= limits::MOVES_WAITING_MAX
            && !waiting.by_member.contains_key(&key)
        {
            return;
        }
        let furthest = waiting.by_member.entry(key).or_insert(moved);
        furthest.delivered_seq = furthest.delivered_seq.max(moved.delivered_seq);
        furthest.read_seq = furthest.read_seq.max(moved.read_seq);
        if waiting.due.is_none() {
            waiting.due = Some(Instant::now() + Duration::from_millis(limits::MOVES_WAIT_MS));
            self.wake.notify_one();
        }
    }

    /// Puts moves back that could not be committed, to be tried again later. None: nothing changes.
    pub(crate) fn put_back(&self, moves: Vec<CursorMove>, wait: Duration) {
        if moves.is_empty() {
            return;
        }
        for moved in moves {
            self.put(moved);
        }
        let mut waiting = self.lock();
        if !waiting.by_member.is_empty() {
            waiting.due = Some(Instant::now() + wait);
        }
    }

    /// Waits until moves have to go without a send. Safe to be dropped while it waits.
    pub(crate) async fn due(&self) {
        loop {
            let due = self.lock().due;
            match due {
                None => self.wake.notified().await,
                Some(due) if due <= Instant::now() => return,
                Some(due) => tokio::time::sleep_until(due.into()).await,
            }
        }
    }

    /// Some of what waits, at most [`limits::BATCH_MOVES_MAX`].
    pub(crate) fn take(&self) -> Vec<CursorMove> {
        let mut waiting = self.lock();
        if waiting.by_member.len() <= limits::BATCH_MOVES_MAX {
            waiting.due = None;
            return std::mem::take(&mut waiting.by_member).into_values().collect();
        }
        waiting.due = Some(Instant::now());
        let some = waiting.by_member.keys().copied().take(limits::BATCH_MOVES_MAX);
        let some: Vec<_> = some.collect();
        some.iter().filter_map(|key| waiting.by_member.remove(key)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hundred_receipts_of_one_member_are_one_move() {
        let moves = Moves::default();
        for seq in (1..=100).rev() {
            let read_seq = if seq % 2 == 0 { seq } else { 0 };
            moves.put(CursorMove { conv_id: 1, user_id: 2, delivered_seq: seq, read_seq });
        }
        moves.due().await;
        let taken = moves.take();
        let all = CursorMove { conv_id: 1, user_id: 2, delivered_seq: 100, read_seq: 100 };
        assert_eq!(taken, [all]);
        assert_eq!(moves.take(), []);
    }

    #[test]
    fn a_batch_is_bounded_and_leaves_the_rest() {
        let moves = Moves::default();
        let many = limits::BATCH_MOVES_MAX as i64 + 5;
        for user_id in 1..=many {
            moves.put(CursorMove { conv_id: 1, user_id, delivered_seq: 1, read_seq: 0 });
        }
        assert_eq!(moves.take().len(), limits::BATCH_MOVES_MAX);
        assert_eq!(moves.take().len(), 5);
    }
}
