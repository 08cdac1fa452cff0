//! The bell: one channel per user. Being subscribed *is* being online. Whatever it loses is found
//! again in the store; `docs/flows/connect.md` tells how.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::GoodbyeReason;

use crate::limits;
use crate::outbound::{Event, Outbound};

/// The first 8 bytes of a session token's hash: names a session and opens nothing.
pub(crate) type SessionId = [u8; 8];

/// Where users are called.
pub(crate) enum Bus {
    /// All gateways are this process.
    Local(Local),
}

/// One connection that listens on a user's channel.
pub(crate) struct Subscriber {
    pub(crate) connection: u64,
    pub(crate) session: SessionId,
    pub(crate) queue: Arc<Outbound>,
}

impl Bus {
    pub(crate) fn local() -> Self {
        let shards = (0..Local::SHARDS).map(|_| Mutex::default()).collect();
        Self::Local(Local { shards })
    }

    /// From the return on, everything published to the user reaches this connection. `true`: the
    /// user was offline. A user with too many connections loses the oldest one.
    pub(crate) async fn subscribe(&self, user_id: i64, subscriber: Subscriber) -> bool {
        match self {
            Self::Local(local) => local.subscribe(user_id, subscriber),
        }
    }

    /// `true`: that was the user's last connection.
    pub(crate) async fn unsubscribe(&self, user_id: i64, connection: u64) -> bool {
        match self {
            Self::Local(local) => local.unsubscribe(user_id, connection),
        }
    }

    /// Rings at every connection of the user; how many there are. 0 = the user is offline.
    pub(crate) async fn publish(&self, user_id: i64, event: &Arc<Event>) -> usize {
        match self {
            Self::Local(local) => local.publish(user_id, event),
        }
    }

    /// Who of these is online, in the same order.
    pub(crate) async fn online(&self, user_ids: &[i64]) -> Vec<bool> {
        match self {
            Self::Local(local) => user_ids.iter().map(|id| local.is_online(*id)).collect(),
        }
    }

    /// Whether the user is online as far as this process knows, at once: for what may be wrong the
    /// one way ("not"), and costs a little then.
    pub(crate) fn surely_online(&self, user_id: i64) -> bool {
        match self {
            Self::Local(local) => local.is_online(user_id),
        }
    }

    /// Ends the connections of one session, wherever they are.
    pub(crate) async fn revoke(&self, user_id: i64, session: SessionId) {
        match self {
            Self::Local(local) => local.revoke(user_id, session),
        }
    }
}

/// The bus of one process: a map from user to queues, in slices that are locked one at a time and
/// briefly.
pub(crate) struct Local {
    shards: Vec<Mutex<HashMap<i64, Vec<Subscriber>>>>,
}

impl Local {
    const SHARDS: usize = 64;

    fn subscribe(&self, user_id: i64, subscriber: Subscriber) -> bool {
        let mut users = self.lock(user_id);
        let subscribers = users.entry(user_id).or_default();
        let was_offline = subscribers.is_empty();
        subscribers.push(subscriber);
        if subscribers.len() > limits::CONNECTIONS_PER_USER_MAX {
            subscribers.remove(0).queue.end(GoodbyeReason::TooMany);
        }
        was_offline
    }

    fn unsubscribe(&self, user_id: i64, connection: u64) -> bool {
        let mut users = self.lock(user_id);
        let Some(subscribers) = users.get_mut(&user_id) else {
            return false;
        };
        subscribers.retain(|s| s.connection != connection);
        if !subscribers.is_empty() {
            return false;
        }
        users.remove(&user_id);
        true
    }

    fn publish(&self, user_id: i64, event: &Arc<Event>) -> usize {
        let users = self.lock(user_id);
        let Some(subscribers) = users.get(&user_id) else {
            return 0;
        };
        for subscriber in subscribers.iter().filter(|s| s.connection != event.origin) {
            subscriber.queue.offer(event);
        }
        subscribers.len()
    }

    fn is_online(&self, user_id: i64) -> bool {
        self.lock(user_id).contains_key(&user_id)
    }

    fn revoke(&self, user_id: i64, session: SessionId) {
        let users = self.lock(user_id);
        for subscriber in users.get(&user_id).into_iter().flatten() {
            if subscriber.session == session {
                subscriber.queue.end(GoodbyeReason::Revoked);
            }
        }
    }

    fn lock(&self, user_id: i64) -> MutexGuard<'_, HashMap<i64, Vec<Subscriber>>> {
        // The low bits of an id count up with each new one, so neighbours do not meet.
        let shard = user_id.unsigned_abs() as usize % Self::SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
