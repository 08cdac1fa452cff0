//! The facts of one process, in its memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Grant, hash};
use crate::limits;

/// Tickets that were not used yet.
#[derive(Default)]
pub(crate) struct Tickets {
    /// By the ticket's SHA-256: a look-up by hash tells a guesser nothing by its time.
    waiting: Mutex<HashMap<[u8; 32], Ticket>>,
}

struct Ticket {
    grant: Grant,
    dies: Instant,
}

impl Tickets {
    pub(super) fn put(&self, ticket: &str, grant: Grant, lives: Duration) -> bool {
        let now = Instant::now();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= limits::TICKETS_MAX {
            waiting.retain(|_, t| t.dies > now);
        }
        if waiting.len() >= limits::TICKETS_MAX {
            return false;
        }
        waiting.insert(hash(ticket), Ticket { grant, dies: now + lives });
        true
    }

    pub(super) fn take(&self, ticket: &str) -> Option<Grant> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting.remove(&hash(ticket))?;
        (found.dies > Instant::now()).then_some(found.grant)
    }
}
