//! The bus of several gateways. Connections of this process are served directly; those of the
//! others through Redis, where each gateway listens on the channels of the users it has. How many
//! listen says whether somebody is there. `docs/flows/cross-gateway.md`.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use proto::server_frame::Body;
use redis::{Pipeline, PushInfo, PushKind, Value};
use tokio::sync::{mpsc, oneshot, watch};

use super::envelope::{self, Word};
use super::keeper::{self, Order};
use super::local::Local;
use super::{Elsewhere, Ring, SessionId, Subscriber};
use crate::counters::Counters;
use crate::links::{Links, Network, OnPush, Pair};
use crate::outbound::Event;
use crate::tasks::Tasks;
use crate::{limits, seam};

pub(crate) struct Redis {
    pub(super) here: Arc<Local>,
    pub(super) links: Arc<Links>,
    pub(super) counters: Arc<Counters>,
    /// The number of this process on the bus.
    pub(super) process: u64,
    orders: mpsc::Sender<Order>,
    /// There were more orders than places: the keeper subscribes everybody anew.
    pub(super) overrun: AtomicBool,
    /// Users whose gateways could not be told something.
    missed: Mutex<HashSet<i64>>,
    /// Who heard the last word for him on another gateway, and when that was.
    heard: Mutex<HashMap<i64, Instant>>,
}

impl Redis {
    pub(super) async fn start(
        tasks: &mut Tasks,
        links: Arc<Links>,
        counters: Arc<Counters>,
        finish: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let (orders, queue) = mpsc::channel(limits::BUS_ORDERS_MAX);
        let process = links.process;
        let redis = Arc::new(Self {
            process,
            here: Arc::default(),
            links,
            counters,
            orders,
            overrun: AtomicBool::new(false),
            missed: Mutex::default(),
            heard: Mutex::default(),
        });
        let (ready, is_ready) = oneshot::channel();
        let keeping = keeper::run(Arc::clone(&redis), queue, ready, finish);
        tasks.spawn("the keeper of the bus", keeping);
        // The first try has ended, well or not. Without Redis users of one gateway can chat.
        let _ = is_ready.await;
        redis
    }

    pub(super) fn here(&self) -> &Local {
        &self.here
    }

    pub(super) fn is_degraded(&self) -> bool {
        let network = self.links.network();
        !network.is_whole() || network.pairs().iter().any(|pair| pair.is_slow())
    }

    // ── subscribing ─────────────────────────────────────────────────────────────────────────────

    /// Asked before and not after: of two gateways that a user comes to at the same moment, both
    /// may say that he came, and never none.
    pub(super) async fn subscribe(&self, user_id: i64, subscriber: Subscriber) -> bool {
        let was_elsewhere = self.online_elsewhere(&[user_id]).await[0] == Some(true);
        let (done, is_done) = oneshot::channel();
        // The order is queued before anybody else can change what it is about.
        let was_offline = self.here.subscribe(user_id, subscriber, || {
            self.order(Order::Listen { user_id, done });
        });
        let patience = Duration::from_millis(limits::SUBSCRIBE_MS_MAX);
        let _ = tokio::time::timeout(patience, is_done).await;
        was_offline && !was_elsewhere
    }

    /// Waits until Redis does not count us any more, so that nobody takes the echo of a user for
    /// the user.
    pub(super) async fn unsubscribe(&self, user_id: i64, connection: u64) -> bool {
        let (done, is_done) = oneshot::channel();
        let was_last = self.here.unsubscribe(user_id, connection, || {
            self.order(Order::Leave { user_id, done });
        });
        if was_last {
            let patience = Duration::from_millis(limits::SUBSCRIBE_MS_MAX);
            let _ = tokio::time::timeout(patience, is_done).await;
        }
        was_last
    }

    fn order(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            self.restate();
        }
    }

    // ── ringing ─────────────────────────────────────────────────────────────────────────────────

    /// Rings on the other gateways, with one round trip for everything.
    pub(super) async fn ring(&self, rings: &[Ring<'_>]) -> Elsewhere {
        let (network, mut calls) = (self.links.network(), Vec::new());
        let mut heard: Vec<Vec<bool>> = Vec::with_capacity(rings.len());
        for (ring, Ring { event, user_ids }) in rings.iter().enumerate() {
            heard.push(vec![false; user_ids.len()]);
            let word = Word::Frame { frame: event.wire.clone(), context: event.context };
            let word = envelope::seal(self.process, &word);
            let is_fleeting = matches!(event.body, Body::Typing(_));
            for (place, user_id) in user_ids.iter().enumerate() {
                let called = self.add(&network, &mut calls, *user_id, &word, (ring, place));
                if !called && !is_fleeting {
                    self.miss(*user_id);
                }
            }
        }
        for (ring, place) in self.carry_out(calls).await {
            heard[ring][place] = true;
        }
        Elsewhere(heard)
    }

    pub(super) async fn revoke(&self, user_id: i64, session: SessionId) {
        self.say(&[user_id], &Word::Revoked(session)).await;
    }

    /// Redis is there again: whoever could not be told is told to look.
    pub(super) async fn tell_missed(&self) {
        let user_ids = self.take_missed();
        self.say(&user_ids, &Word::LookAgain).await;
    }

    fn take_missed(&self) -> Vec<i64> {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.drain().collect()
    }

    async fn say(&self, user_ids: &[i64], word: &Word) {
        let (network, mut calls) = (self.links.network(), Vec::new());
        let word = envelope::seal(self.process, word);
        for user_id in user_ids {
            if !self.add(&network, &mut calls, *user_id, &word, (0, 0)) {
                self.miss(*user_id);
            }
        }
        self.carry_out(calls).await;
    }

    /// Puts a word for a user to the others for his server. `false`: that server is not reached.
    fn add(
        &self,
        network: &Network,
        calls: &mut Vec<Call>,
        user_id: i64,
        word: &[u8],
        place: (usize, usize),
    ) -> bool {
        let channel = envelope::channel(user_id);
        let Some(pair) = network.pair_of(channel.as_bytes()) else {
            return false;
        };
        let has_room = |call: &&mut Call| {
            call.told.len() < limits::BUS_COMMANDS_AT_ONCE && Arc::ptr_eq(&call.pair, pair)
        };
        let call = match calls.iter_mut().rev().find(has_room) {
            Some(call) => call,
            None => {
                let (pair, publish) = (Arc::clone(pair), Pipeline::new());
                calls.push(Call { pair, publish, told: Vec::new() });
                calls.last_mut().expect("the line above put it in")
            }
        };
        call.publish.cmd("SPUBLISH").arg(channel).arg(word);
        call.told.push(Told { user_id, place, is_here: self.here.is_online(user_id) });
        true
    }

    /// Who heard it on another gateway.
    async fn carry_out(&self, calls: Vec<Call>) -> Vec<(usize, usize)> {
        let published = calls.into_iter().map(|call| self.publish(call));
        join_all(published).await.into_iter().flatten().collect()
    }

    /// Nobody waits long for the answer: it only says who is there. When answers come late, they
    /// are not waited for at all until the heartbeat comes back in time.
    async fn publish(&self, call: Call) -> Vec<(usize, usize)> {
        let sending = self.links.call_all(call.pair.commands(), &call.publish);
        let answers = if call.pair.is_slow() {
            // Once is enough to hand it to the connection.
            sending.now_or_never()
        } else {
            let patience = Duration::from_millis(limits::PUBLISH_MS_MAX);
            tokio::time::timeout(patience, sending).await.ok()
        };
        let Some(answers) = answers else {
            call.pair.set_slow(true);
            call.told.iter().for_each(|told| self.miss(told.user_id));
            return Vec::new();
        };
        let answers = answers.unwrap_or_default();
        let (mut heard, now) = (Vec::new(), Instant::now());
        let mut known = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::HEARD_USERS_MAX {
            known.clear();
        }
        for (i, told) in call.told.iter().enumerate() {
            match answers.get(i) {
                // One of those who listen are we, if the user is here too.
                Some(Value::Int(count)) if *count > i64::from(told.is_here) => {
                    heard.push(told.place);
                    known.insert(told.user_id, now);
                }
                Some(Value::Int(_)) => drop(known.remove(&told.user_id)),
                _ => self.miss(told.user_id),
            }
        }
        heard
    }

    pub(super) fn seems_online(&self, user_id: i64) -> bool {
        let lasting = Duration::from_millis(limits::HEARD_MS);
        let known = || self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        self.here.is_online(user_id)
            || known().get(&user_id).is_some_and(|heard| heard.elapsed() < lasting)
    }

    fn miss(&self, user_id: i64) {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        // Beyond that their gateways find it by comparing positions.
        if missed.len() < limits::MISSED_USERS_MAX {
            missed.insert(user_id);
        }
    }

    /// Everybody is to be subscribed and written down anew.
    pub(super) fn restate(&self) {
        self.overrun.store(true, Ordering::Relaxed);
        self.links.raise_doubt();
    }

    /// Is this gateway connected to Redis? `true` where nobody can say.
    pub(super) async fn is_reached(&self, process: u64) -> bool {
        let channel = envelope::gateway_channel(process);
        let mut ask = redis::cmd("PUBSUB");
        ask.arg("SHARDNUMSUB").arg(&channel);
        let answer = self.links.call(&channel, &ask).await;
        answer.map_or(true, |answer| counts(&answer).iter().any(|count| *count > 0))
    }

    pub(super) async fn cut_off(&self, process: u64) {
        self.links.cut_off(process).await;
    }

    // ── who is there ────────────────────────────────────────────────────────────────────────────

    pub(super) async fn online(&self, user_ids: &[i64]) -> Vec<bool> {
        let seen = self.seen(user_ids).await;
        seen.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// The same; `None`: he is not here, and Redis cannot be asked for him now.
    pub(super) async fn seen(&self, user_ids: &[i64]) -> Vec<Option<bool>> {
        let elsewhere = self.online_elsewhere(user_ids).await;
        let here = user_ids.iter().map(|user_id| self.here.is_online(*user_id));
        here.zip(elsewhere)
            .map(|(here, elsewhere)| if here { Some(true) } else { elsewhere })
            .collect()
    }

    /// Who is on another gateway; `None` where Redis cannot be asked.
    async fn online_elsewhere(&self, user_ids: &[i64]) -> Vec<Option<bool>> {
        let mut online = vec![None; user_ids.len()];
        let network = self.links.network();
        for (pair, places) in by_pair(&network, user_ids) {
            for places in places.chunks(limits::BUS_COMMANDS_AT_ONCE) {
                let mut ask = redis::cmd("PUBSUB");
                ask.arg("SHARDNUMSUB");
                for place in places {
                    ask.arg(envelope::channel(user_ids[*place]));
                }
                let patience = Duration::from_millis(limits::PUBLISH_MS_MAX);
                let mut commands = pair.commands();
                let asked = commands.send_packed_command(&ask);
                let Ok(Ok(answer)) = tokio::time::timeout(patience, asked).await else {
                    continue;
                };
                for (place, count) in places.iter().zip(counts(&answer)) {
                    let own = i64::from(self.here.is_online(user_ids[*place]));
                    online[*place] = Some(count > own);
                }
            }
        }
        online
    }
}

/// `channel, count, channel, count, …`, as a list or as a map.
fn counts(answer: &Value) -> Vec<i64> {
    let count = |value: &Value| match value {
        Value::Int(count) => *count,
        _ => 0,
    };
    match answer {
        Value::Map(entries) => entries.iter().map(|(_, value)| count(value)).collect(),
        Value::Array(items) => items.iter().skip(1).step_by(2).map(count).collect(),
        _ => Vec::new(),
    }
}

/// The places of the users in the list, by the server that has their channel.
fn by_pair<'a>(network: &'a Network, user_ids: &[i64]) -> Vec<(&'a Arc<Pair>, Vec<usize>)> {
    let mut groups: Vec<(&Arc<Pair>, Vec<usize>)> = Vec::new();
    for (place, user_id) in user_ids.iter().enumerate() {
        let Some(pair) = network.pair_of(envelope::channel(*user_id).as_bytes()) else {
            continue;
        };
        match groups.iter_mut().find(|(known, _)| Arc::ptr_eq(known, pair)) {
            Some((_, places)) => places.push(place),
            None => groups.push((pair, vec![place])),
        }
    }
    groups
}

/// What is to be published by one server.
struct Call {
    pair: Arc<Pair>,
    publish: Pipeline,
    told: Vec<Told>,
}

/// Who is told by one command.
struct Told {
    user_id: i64,
    /// Which ring, and which of its users.
    place: (usize, usize),
    is_here: bool,
}

// ── hearing ─────────────────────────────────────────────────────────────────────────────────────

/// What a word from Redis does. It runs in the task that reads the connection, so it waits for
/// nothing.
pub(super) fn ear(redis: &Arc<Redis>) -> OnPush {
    let (here, counters) = (Arc::clone(&redis.here), Arc::clone(&redis.counters));
    let process = redis.process;
    // A message to a group comes once for each member that is here: it is decoded once.
    let last: Mutex<Option<(Bytes, Arc<Event>)>> = Mutex::default();
    Arc::new(move |_: &Pair, push: PushInfo| {
        let Some((user_id, said)) = heard(push) else {
            return;
        };
        match envelope::open(said) {
            None => tracing::warn!(user_id, "a word on the bus that is none of ours"),
            Some((speaker, _)) if speaker == process => {}
            Some(_) if seam::is_deaf() => {}
            Some((_, word)) => {
                counters.bus_heard.add(1);
                obey(&here, &last, user_id, word);
            }
        }
    })
}

fn heard(push: PushInfo) -> Option<(i64, Bytes)> {
    if push.kind != PushKind::SMessage {
        return None;
    }
    let [Value::BulkString(channel), Value::BulkString(said)] =
        <[Value; 2]>::try_from(push.data).ok()?
    else {
        return None;
    };
    Some((envelope::user_of(&channel)?, Bytes::from(said)))
}

fn obey(here: &Local, last: &Mutex<Option<(Bytes, Arc<Event>)>>, user_id: i64, word: Word) {
    match word {
        Word::LookAgain => here.look_again(user_id),
        Word::Revoked(session) => here.revoke(user_id, session),
        Word::Frame { frame, context } => {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let known = last.as_ref().filter(|(bytes, _)| *bytes == frame);
            let event = match known {
                Some((_, event)) => Arc::clone(event),
                None => {
                    let Some(event) = Event::read(&frame, context) else {
                        // A newer gateway says something that this one does not know. The store
                        // knows it.
                        return here.look_again(user_id);
                    };
                    *last = Some((frame, Arc::clone(&event)));
                    event
                }
            };
            here.publish(user_id, &event);
        }
    }
}
