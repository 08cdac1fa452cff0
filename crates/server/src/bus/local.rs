//! The bus of one process: which connections listen on which channel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::GoodbyeReason;

use super::{SessionId, Subscriber};
use crate::outbound::Event;
use crate::{limits, seam};

/// The bus of one process: a map from user to queues, in slices that are locked one at a time and
/// briefly.
pub(crate) struct Local {
    shards: Vec<Mutex<HashMap<i64, Vec<Subscriber>>>>,
}

impl Default for Local {
    fn default() -> Self {
        Self { shards: (0..Self::SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Local {
    const SHARDS: usize = 64;

    /// `true`: it is the user's first one. `meanwhile` runs before anybody can take it away again.
    pub(super) fn subscribe(
        &self,
        user_id: i64,
        subscriber: Subscriber,
        meanwhile: impl FnOnce(),
    ) -> bool {
        let mut users = self.lock(user_id);
        let subscribers = users.entry(user_id).or_default();
        let was_offline = subscribers.is_empty();
        subscribers.push(subscriber);
        let lasting = subscribers.iter().filter(|subscriber| !subscriber.brief).count();
        if lasting > limits::CONNECTIONS_PER_USER_MAX
            && let Some(oldest) = subscribers.iter().position(|subscriber| !subscriber.brief)
        {
            subscribers.remove(oldest).queue.end(GoodbyeReason::TooMany);
        }
        meanwhile();
        was_offline
    }

    /// `true`: it was the user's last one, and `last` has run before he could come back.
    pub(super) fn unsubscribe(&self, user_id: i64, connection: u64, last: impl FnOnce()) -> bool {
        let mut users = self.lock(user_id);
        let Some(subscribers) = users.get_mut(&user_id) else {
            return false;
        };
        subscribers.retain(|s| s.connection != connection);
        if !subscribers.is_empty() {
            return false;
        }
        users.remove(&user_id);
        last();
        true
    }

    pub(super) fn publish(&self, user_id: i64, event: &Arc<Event>) -> usize {
        let users = self.lock(user_id);
        let Some(subscribers) = users.get(&user_id) else {
            return 0;
        };
        for subscriber in subscribers.iter().filter(|s| s.connection != event.origin) {
            if !seam::is_deaf_here() {
                subscriber.queue.offer(event);
            }
        }
        subscribers.len()
    }

    pub(super) fn is_online(&self, user_id: i64) -> bool {
        self.lock(user_id).contains_key(&user_id)
    }

    pub(super) fn revoke(&self, user_id: i64, session: SessionId) {
        let users = self.lock(user_id);
        for subscriber in users.get(&user_id).into_iter().flatten() {
            if subscriber.session == session {
                subscriber.queue.end(GoodbyeReason::Revoked);
            }
        }
    }

    /// Everybody who is here, in no order.
    pub(super) fn user_ids(&self) -> Vec<i64> {
        let mut user_ids = Vec::new();
        for shard in &self.shards {
            let users = shard.lock().unwrap_or_else(PoisonError::into_inner);
            user_ids.extend(users.keys());
        }
        user_ids
    }

    pub(super) fn end_all(&self) {
        for shard in &self.shards {
            let users = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for subscriber in users.values().flatten() {
                subscriber.queue.end(GoodbyeReason::Unspecified);
            }
        }
    }

    /// Bells may have been lost: the user's connections are to look into the store.
    pub(super) fn look_again(&self, user_id: i64) {
        for subscriber in self.lock(user_id).get(&user_id).into_iter().flatten() {
            subscriber.queue.look_again();
        }
    }

    fn lock(&self, user_id: i64) -> MutexGuard<'_, HashMap<i64, Vec<Subscriber>>> {
        // The low bits of an id count up with each new one, so neighbours do not meet.
        let shard = user_id.unsigned_abs() as usize % Self::SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
