//! The bell: one channel per user. Being subscribed *is* being online. Whatever it loses is found
//! again in the store; `docs/flows/connect.md` tells how, and `docs/flows/cross-gateway.md` how a
//! bell rings on another gateway.

mod envelope;
mod keeper;
mod local;
mod redis;

use std::sync::Arc;

use tokio::sync::watch;

use crate::counters::Counters;
use crate::links::Links;
use crate::outbound::{Event, Outbound};
use crate::tasks::Tasks;
use local::Local;
use redis::Redis;

/// The first 8 bytes of a session token's hash: names a session and opens nothing.
pub(crate) type SessionId = [u8; 8];

/// Where users are called.
pub(crate) enum Bus {
    /// All gateways are this process.
    Local(Local),
    /// There are several, and Redis carries the bells between them.
    Redis(Arc<Redis>),
}

/// One connection that listens on a user's channel.
pub(crate) struct Subscriber {
    pub(crate) connection: u64,
    pub(crate) session: SessionId,
    /// A command that goes soon: it takes nobody's place.
    pub(crate) brief: bool,
    pub(crate) queue: Arc<Outbound>,
}

/// One event, and the users at whom it is to ring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ring<'a> {
    pub(crate) event: &'a Arc<Event>,
    pub(crate) user_ids: &'a [i64],
}

/// Who heard which ring on another gateway. Empty: nobody, or it is not known.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere(Vec<Vec<bool>>);

impl Elsewhere {
    /// Did the user at this place of this ring hear it on another gateway?
    pub(crate) fn heard(&self, ring: usize, user: usize) -> bool {
        self.0.get(ring).is_some_and(|users| users.get(user).copied().unwrap_or_default())
    }
}

impl Bus {
    pub(crate) fn local() -> Self {
        Self::Local(Local::default())
    }

    /// The links are kept by a task until `finish` is true.
    pub(crate) async fn redis(
        tasks: &mut Tasks,
        links: Arc<Links>,
        counters: Arc<Counters>,
        finish: watch::Receiver<bool>,
    ) -> Self {
        Self::Redis(Redis::start(tasks, links, counters, finish).await)
    }

    /// From the return on, everything published to the user reaches this connection, or the link
    /// to the other gateways is broken, and then the connection is told to look into the store as
    /// soon as it is there again. `true`: the user was offline. A user with too many connections
    /// loses the oldest one.
    pub(crate) async fn subscribe(&self, user_id: i64, subscriber: Subscriber) -> bool {
        match self {
            Self::Local(local) => local.subscribe(user_id, subscriber, || ()),
            Self::Redis(redis) => redis.subscribe(user_id, subscriber).await,
        }
    }

    /// `true`: that was the user's last connection here.
    pub(crate) async fn unsubscribe(&self, user_id: i64, connection: u64) -> bool {
        match self {
            Self::Local(local) => local.unsubscribe(user_id, connection, || ()),
            Self::Redis(redis) => redis.unsubscribe(user_id, connection).await,
        }
    }

    /// Rings at every connection of these users, wherever they are.
    pub(crate) async fn publish(&self, user_ids: &[i64], event: &Arc<Event>) {
        self.ring_elsewhere(&[Ring { event, user_ids }]).await;
        for user_id in user_ids {
            self.ring_here(*user_id, event);
        }
    }

    /// Rings on the other gateways only, all at once. The caller rings here himself, in his order.
    pub(crate) async fn ring_elsewhere(&self, rings: &[Ring<'_>]) -> Elsewhere {
        match self {
            Self::Local(_) => Elsewhere::default(),
            Self::Redis(redis) => redis.ring(rings).await,
        }
    }

    /// Rings on this gateway only; at how many connections.
    pub(crate) fn ring_here(&self, user_id: i64, event: &Arc<Event>) -> usize {
        self.here().publish(user_id, event)
    }

    /// Who of these is online, in the same order. While the other gateways cannot be asked: who is
    /// online on this one.
    pub(crate) async fn online(&self, user_ids: &[i64]) -> Vec<bool> {
        match self {
            Self::Local(local) => user_ids.iter().map(|id| local.is_online(*id)).collect(),
            Self::Redis(redis) => redis.online(user_ids).await,
        }
    }

    /// The same for who must not be taken for offline by mistake: `None` where another gateway may
    /// have him and cannot be asked.
    pub(crate) async fn seen(&self, user_ids: &[i64]) -> Vec<Option<bool>> {
        match self {
            Self::Local(local) => user_ids.iter().map(|id| Some(local.is_online(*id))).collect(),
            Self::Redis(redis) => redis.seen(user_ids).await,
        }
    }

    /// Whether the user is online as far as this process knows, at once: he is here, or has heard
    /// the last word that was for him on another gateway. For what may be wrong: who is told
    /// something learns from the ring itself whether it was heard.
    pub(crate) fn seems_online(&self, user_id: i64) -> bool {
        match self {
            Self::Local(local) => local.is_online(user_id),
            Self::Redis(redis) => redis.seems_online(user_id),
        }
    }

    /// Ends the connections of one session, wherever they are.
    pub(crate) async fn revoke(&self, user_id: i64, session: SessionId) {
        if let Self::Redis(redis) = self {
            redis.revoke(user_id, session).await;
        }
        self.here().revoke(user_id, session);
    }

    /// Is this gateway connected to the others? `true` where nobody can say.
    pub(crate) async fn is_reached(&self, process: u64) -> bool {
        match self {
            Self::Local(_) => true,
            Self::Redis(redis) => redis.is_reached(process).await,
        }
    }

    /// The users of a gateway that is taken for dead are not online any more.
    pub(crate) async fn cut_off(&self, process: u64) {
        if let Self::Redis(redis) = self {
            redis.cut_off(process).await;
        }
    }

    /// Redis has forgotten this gateway: it is to be told again whom we have.
    pub(crate) fn restate(&self) {
        if let Self::Redis(redis) = self {
            redis.restate();
        }
    }

    /// Who has a connection to this process.
    pub(crate) fn users_here(&self) -> Vec<i64> {
        self.here().user_ids()
    }

    /// Whether he is one of them.
    pub(crate) fn is_here(&self, user_id: i64) -> bool {
        self.here().is_online(user_id)
    }

    /// Ends all connections of this process.
    pub(crate) fn end_all(&self) {
        self.here().end_all();
    }

    /// Bells of other gateways may be missing right now, so positions are to be compared more
    /// often.
    pub(crate) fn is_degraded(&self) -> bool {
        match self {
            Self::Local(_) => false,
            Self::Redis(redis) => redis.is_degraded(),
        }
    }

    fn here(&self) -> &Local {
        match self {
            Self::Local(local) => local,
            Self::Redis(redis) => redis.here(),
        }
    }
}
