//! The task that keeps the links to Redis: it subscribes and leaves in the order that was given,
//! and when a link breaks it finds Redis again, subscribes everybody, and only then tells them to
//! look for what they missed meanwhile.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::Pipeline;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::envelope;
use super::redis::{Redis, ear};
use crate::limits;
use crate::links::{self, Fault, Network, OnPush, Pair, find};
use crate::listen::announced;

/// What the keeper is to do about one channel. `done` is told when Redis has confirmed it, and
/// dropped when that cannot be known.
#[derive(Debug)]
pub(super) enum Order {
    Listen { user_id: i64, done: oneshot::Sender<()> },
    Leave { user_id: i64, done: oneshot::Sender<()> },
}

/// How the search for Redis goes.
struct Search {
    under_way: JoinSet<Result<Arc<Network>, Fault>>,
    wanted: bool,
    not_before: Instant,
    pause_ms: u64,
}

pub(super) async fn run(
    redis: Arc<Redis>,
    mut queue: mpsc::Receiver<Order>,
    ready: oneshot::Sender<()>,
    mut finish: watch::Receiver<bool>,
) {
    let on_push = ear(&redis);
    let mut search = Search {
        under_way: JoinSet::new(),
        wanted: true,
        not_before: Instant::now(),
        pause_ms: limits::REDIS_RETRY_MS,
    };
    let (mut orders, mut ready) = (Vec::new(), Some(ready));
    loop {
        let may_search = search.wanted && search.under_way.is_empty();
        tokio::select! {
            biased;
            Some(found) = search.under_way.join_next() => {
                settle(&redis, &mut search, found.unwrap_or(Err(Fault::Away))).await;
                // Whoever waited for the first try has gone on with whatever it brought.
                if let Some(ready) = ready.take() {
                    let _ = ready.send(());
                }
            }
            () = tokio::time::sleep_until(search.not_before), if may_search => {
                search.start(&redis, &on_push);
            }
            () = redis.links.doubted() => search.wanted = true,
            n = queue.recv_many(&mut orders, limits::BUS_COMMANDS_AT_ONCE) => {
                if n == 0 {
                    return;
                }
                carry_out(&redis, orders.drain(..)).await;
            }
            () = announced(&mut finish) => return,
        }
    }
}

impl Search {
    fn start(&mut self, redis: &Redis, on_push: &OnPush) {
        self.wanted = false;
        let (links, network) = (Arc::clone(&redis.links), redis.links.network());
        self.under_way.spawn(find(links, network, Arc::clone(on_push)));
    }

    /// Tries again after a while.
    fn put_off(&mut self) {
        self.wanted = true;
        let pause_ms = rand::random_range(self.pause_ms / 2..=self.pause_ms);
        self.not_before = Instant::now() + Duration::from_millis(pause_ms);
        self.pause_ms = (self.pause_ms * 2).min(limits::REDIS_RETRY_MS_MAX);
    }
}

/// A search has ended.
async fn settle(redis: &Redis, search: &mut Search, found: Result<Arc<Network>, Fault>) {
    let network = match found {
        Ok(network) => network,
        Err(error) => {
            tracing::warn!(%error, "Redis is away; users of other gateways hear us later");
            // Dead connections are hung up: the other side may still believe in them.
            if redis.links.network().pairs().iter().all(|pair| pair.is_lost()) {
                redis.links.set_network(Arc::default());
            }
            return search.put_off();
        }
    };
    let old = redis.links.network();
    redis.links.set_network(Arc::clone(&network));
    let overrun = redis.overrun.swap(false, Ordering::Relaxed);
    if !subscribe_all(redis, &old, &network, overrun).await || !network.is_whole() {
        return search.put_off();
    }
    search.pause_ms = limits::REDIS_RETRY_MS;
    redis.tell_missed().await;
}

/// Everybody whose server is not the one of before listens there, and then looks for what was
/// missed on the way.
async fn subscribe_all(redis: &Redis, old: &Network, new: &Network, overrun: bool) -> bool {
    let is_new = |pair: &&Arc<Pair>| !old.pairs().iter().any(|known| Arc::ptr_eq(known, pair));
    redis.counters.bus_links.add(new.pairs().iter().filter(is_new).count() as u64);
    let moved: Vec<i64> = redis
        .here
        .user_ids()
        .into_iter()
        .filter(|user_id| {
            let channel = envelope::channel(*user_id);
            let (old, new) = (old.pair_of(channel.as_bytes()), new.pair_of(channel.as_bytes()));
            let is_same = old.zip(new).is_some_and(|(old, new)| Arc::ptr_eq(old, new));
            overrun || !is_same
        })
        .collect();
    let mut well = stand_up(redis, old, new).await;
    for some in moved.chunks(limits::BUS_COMMANDS_AT_ONCE) {
        let wants = some.iter().map(|user_id| (*user_id, true)).collect();
        let mut users = Pipeline::new();
        some.iter().for_each(|user_id| state(redis, &mut users, *user_id, true));
        record(redis, &users).await;
        let failed = send(redis, new, wants).await;
        well &= failed.is_empty();
        for user_id in some.iter().filter(|user_id| !failed.contains(user_id)) {
            redis.counters.resyncs.add(1);
            redis.here.look_again(*user_id);
        }
    }
    if !moved.is_empty() {
        tracing::info!(users = moved.len(), well, "subscribed again after a link was lost");
    }
    well
}

/// Auth sends clients to gateways whose own channel has a listener.
async fn stand_up(redis: &Redis, old: &Network, new: &Network) -> bool {
    let channel = envelope::gateway_channel(redis.process);
    let (old, new) = (old.pair_of(channel.as_bytes()), new.pair_of(channel.as_bytes()));
    let Some(pair) = new else {
        return false;
    };
    if old.is_some_and(|old| Arc::ptr_eq(old, pair)) {
        return true;
    }
    let mut listen = Pipeline::new();
    listen.cmd("SSUBSCRIBE").arg(channel);
    redis.links.call_all(pair.listening(), &listen).await.is_ok()
}

/// Subscribes and leaves, in the order that was given.
async fn carry_out(redis: &Redis, orders: impl Iterator<Item = Order>) {
    let (mut wants, mut waiting) = (Vec::new(), Vec::new());
    let mut users = Pipeline::new();
    for order in orders {
        let (user_id, listens, done) = match order {
            Order::Listen { user_id, done } => (user_id, true, done),
            Order::Leave { user_id, done } => (user_id, false, done),
        };
        state(redis, &mut users, user_id, listens);
        wants.push((user_id, listens));
        waiting.push((user_id, listens, done));
    }
    let failed = send(redis, &redis.links.network(), wants).await;
    record(redis, &users).await;
    for (user_id, listens, done) in waiting {
        // Whoever did not wait so long has read the store before he was subscribed.
        if !failed.contains(&user_id) && done.send(()).is_err() && listens {
            redis.here.look_again(user_id);
        }
    }
}

/// Whom this gateway has is written down only for the case that it dies: then another one tells
/// their friends. What is lost of it is written again with the next link or lease.
fn state(redis: &Redis, users: &mut Pipeline, user_id: i64, is_here: bool) {
    let command = users.cmd(if is_here { "SADD" } else { "SREM" });
    command.arg(links::users_key(redis.process)).arg(user_id);
}

async fn record(redis: &Redis, users: &Pipeline) {
    let network = redis.links.network();
    if let Some(pair) = network.pair_of(links::GATEWAYS.as_bytes())
        && let Err(error) = redis.links.call_all(pair.commands(), users).await
    {
        tracing::debug!(%error, "who is here could not be written down");
    }
}

/// Sends each server its commands in one piece and waits until they are confirmed. Whose server did
/// not: they come again when its link does.
async fn send(redis: &Redis, network: &Network, wants: Vec<(i64, bool)>) -> HashSet<i64> {
    let mut failed = HashSet::new();
    let mut pieces: Vec<(&Arc<Pair>, Pipeline, Vec<i64>, usize)> = Vec::new();
    for (user_id, listens) in wants {
        let channel = envelope::channel(user_id);
        let Some(pair) = network.pair_of(channel.as_bytes()) else {
            failed.insert(user_id);
            continue;
        };
        let at = pieces.iter().position(|(known, ..)| Arc::ptr_eq(known, pair));
        let at = at.unwrap_or_else(|| {
            pieces.push((pair, Pipeline::new(), Vec::new(), 0));
            pieces.len() - 1
        });
        let (_, pipeline, users, leaving) = &mut pieces[at];
        pipeline.cmd(if listens { "SSUBSCRIBE" } else { "SUNSUBSCRIBE" }).arg(channel);
        users.push(user_id);
        *leaving += usize::from(!listens);
    }
    for (pair, pipeline, users, leaving) in pieces {
        pair.leave(leaving);
        let sent = redis.links.call_all(pair.listening(), &pipeline).await;
        let is_refused = |value: &redis::Value| matches!(value, redis::Value::ServerError(_));
        if sent.is_err() || sent.is_ok_and(|answers| answers.iter().any(is_refused)) {
            // What was confirmed and what not cannot be told any more.
            pair.lose();
            redis.links.raise_doubt();
            failed.extend(users);
        }
    }
    failed
}
