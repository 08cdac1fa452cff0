//! One connection: one task, one loop, all of its state.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proto::limits::{RECEIPT_MEMBERS_MAX, SENDS_IN_FLIGHT_MAX};
use proto::server_frame::Body;
use proto::{
    ClientFrame, CloseCode, Codec, ErrorCode, GoodbyeReason, Hello, Message, client_frame, frame,
};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::fragments::Watched;
use super::people::Away;
use super::refusal::Refusal;
use super::sync::{Sync, Verdict};
use super::typing::Audience;
use super::wire::{End, Incoming, Never, Wire};
use super::{Gateway, brief, connect, dispatch, friends, group, journey, people, presence};
use crate::bus::{Bus, SessionId};
use crate::cache::Grant;
use crate::counters::Counters;
use crate::listen::announced;
use crate::outbound::{Event, Item, Outbound, Settled};
use crate::spans::Context;
use crate::{clock, limits};

/// The state of one connection.
pub(crate) struct Connection {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) user_id: i64,
    /// Its number in this process; never 0.
    pub(crate) id: u64,
    pub(crate) session: SessionId,
    pub(crate) session_hash: Vec<u8>,
    pub(crate) queue: Arc<Outbound>,
    pub(crate) sync: Sync,
    pub(crate) subscribed: bool,
    /// The place of a command; None: a connection that stays.
    pub(crate) brief: Option<brief::Place>,
    /// Sends whose Sent has not come yet.
    pub(crate) in_flight: usize,
    pub(crate) budget: dispatch::Budget,
    /// Who sends too fast is not read before this.
    pub(crate) read_again: Option<Instant>,
    pub(crate) audience: Option<Audience>,
    /// Bells may have been lost: positions are to be compared as soon as the connection is live.
    pub(crate) look_again: bool,
    pub(crate) friends: friends::Believed,
    /// The client knows that some conversations are in a database that is away.
    pub(crate) told_incomplete: bool,
    /// Messages that are followed and wait in the write buffer, and when they were heard of.
    followed: Vec<(Context, Instant)>,
    /// How it stands with friends who are offline, and when we asked.
    away: HashMap<i64, (Instant, Away)>,
    heard: Instant,
    checked: Instant,
    drain: watch::Receiver<bool>,
}

impl Connection {
    pub(crate) fn new(gateway: &Arc<Gateway>, grant: Grant) -> Self {
        let now = Instant::now();
        let session = grant.session_hash.first_chunk().copied().unwrap_or_default();
        Self {
            gateway: Arc::clone(gateway),
            user_id: grant.user_id,
            id: gateway.connection_ids.fetch_add(1, Ordering::Relaxed),
            session,
            session_hash: grant.session_hash,
            queue: Arc::default(),
            sync: Sync::default(),
            subscribed: false,
            brief: None,
            in_flight: 0,
            budget: dispatch::Budget::full(&gateway.config.rates, now),
            read_again: None,
            audience: None,
            look_again: false,
            friends: friends::Believed::default(),
            told_incomplete: false,
            followed: Vec::new(),
            away: HashMap::new(),
            heard: now,
            checked: now,
            drain: gateway.drain.clone(),
        }
    }

    /// The origin of an event that this connection causes by a frame with this ref: it is left out
    /// of the event if it gets an answer instead.
    pub(crate) fn origin(&self, frame_ref: u32) -> u64 {
        if frame_ref == 0 { 0 } else { self.id }
    }

    /// Bells may have been lost: of what was said, and of who came and went.
    pub(crate) fn doubt(&mut self) {
        self.look_again = true;
        self.friends.doubt();
    }
}

/// Counts a connection for as long as it lives, even if its task panics.
struct Place(Arc<Gateway>);

impl Place {
    fn take(gateway: &Arc<Gateway>) -> Self {
        gateway.open.send_modify(|open| *open += 1);
        gateway.counters.connections.add(1);
        Self(Arc::clone(gateway))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.counters.connections.sub(1);
        self.0.open.send_modify(|open| *open -= 1);
    }
}

/// A connection from its upgrade to its end.
pub(super) async fn run(gateway: Arc<Gateway>, grant: Grant, codec: Codec, socket: Watched) {
    let _place = Place::take(&gateway);
    let mut c = Connection::new(&gateway, grant);
    let mut wire = Wire::new(socket, codec, Arc::clone(&c.queue), &gateway.config.timers).await;
    let Err(end) = converse(&mut c, &mut wire).await;
    count_end(&gateway.counters, &end);
    tracing::debug!(user_id = c.user_id, connection = c.id, ?end, "a connection ends");
    Box::pin(part(&gateway, &c)).await;
    Box::pin(wire.close(&end)).await;
}

async fn part(gateway: &Gateway, c: &Connection) {
    if c.subscribed {
        let was_last = gateway.bus.unsubscribe(c.user_id, c.id).await;
        presence::left(gateway, c.user_id, was_last).await;
    }
}

fn count_end(counters: &Counters, end: &End) {
    let counter = match end {
        End::Gone => &counters.ended_gone,
        End::Broken(..) | End::Goodbye(GoodbyeReason::Broken) => &counters.ended_broken,
        End::Fault | End::Goodbye(GoodbyeReason::Unspecified) => &counters.ended_fault,
        End::Goodbye(GoodbyeReason::Draining) => &counters.ended_draining,
        End::Goodbye(GoodbyeReason::Revoked) => &counters.ended_revoked,
        End::Goodbye(GoodbyeReason::TooSlow) => &counters.ended_slow,
        End::Goodbye(GoodbyeReason::Silent) => &counters.ended_silent,
        End::Goodbye(GoodbyeReason::TooMany) => &counters.ended_too_many,
    };
    counter.add(1);
}

/// Hello, catching up, then live until something ends it.
async fn converse(c: &mut Connection, wire: &mut Wire) -> Result<Never, End> {
    let (hello_ref, hello) = Box::pin(hello(c, wire)).await?;
    tracing::info!(user_id = c.user_id, connection = c.id, client = ?hello.client, "connected");
    let said_hello = Instant::now();
    Box::pin(connect::catch_up(c, wire, hello_ref, &hello)).await?;
    c.gateway.counters.catch_up.observe(said_hello.elapsed());
    drop(hello);
    live(c, wire).await
}

/// The first frame. Anything else is refused, and the clock runs on.
async fn hello(c: &mut Connection, wire: &mut Wire) -> Result<(u32, Hello), End> {
    let patience = Duration::from_millis(c.gateway.config.timers.hello_ms);
    let deadline = tokio::time::sleep(patience);
    tokio::pin!(deadline);
    loop {
        let incoming = tokio::select! {
            incoming = wire.read() => incoming?,
            () = &mut deadline => return Err(End::Goodbye(GoodbyeReason::Silent)),
            () = announced(&mut c.drain) => {
                return Err(End::Goodbye(GoodbyeReason::Draining));
            }
        };
        let Incoming::Frame(ClientFrame { r#ref, body }) = incoming else {
            continue;
        };
        let refused = match body {
            Some(client_frame::Body::Hello(hello)) => match admit(c, &hello) {
                Ok(()) => return Ok((r#ref, hello)),
                Err(refused) => refused,
            },
            _ => Refusal::new(ErrorCode::OutOfOrder, "the first frame must be Hello"),
        };
        wire.feed(&refused.frame(r#ref)).await?;
        wire.flush().await?;
    }
}

fn admit(c: &mut Connection, hello: &Hello) -> Result<(), Refusal> {
    connect::check_hello(hello)?;
    if hello.brief {
        c.brief = Some(brief::take(&c.gateway, c.user_id)?);
    }
    Ok(())
}

/// What the loop woke up for.
enum Wake {
    Said(Result<Incoming, End>),
    News,
    ReadAgain,
    LookAgain,
    Tick,
    Drain,
    Leave,
}

async fn live(c: &mut Connection, wire: &mut Wire) -> Result<Never, End> {
    let timers = c.gateway.config.timers;
    let tick_ms = (timers.silence_ms / 3).min(timers.position_check_ms).max(1);
    let mut tick = tokio::time::interval(Duration::from_millis(tick_ms));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    c.heard = Instant::now();
    let mut leave_at = None;
    let queue = Arc::clone(&c.queue);
    loop {
        let may_read = c.in_flight < SENDS_IN_FLIGHT_MAX && c.read_again.is_none();
        let away_until = c.told_incomplete.then(|| c.checked + away_pause(c.id));
        let wake = tokio::select! {
            said = wire.read(), if may_read => Wake::Said(said),
            () = queue.ready() => Wake::News,
            () = at(c.read_again), if c.read_again.is_some() => Wake::ReadAgain,
            () = at(away_until), if away_until.is_some() => Wake::LookAgain,
            _ = tick.tick() => Wake::Tick,
            () = announced(&mut c.drain), if leave_at.is_none() => Wake::Drain,
            () = at(leave_at), if leave_at.is_some() => Wake::Leave,
        };
        // What is done is in boxes while it is done: most connections are idle, and each carries
        // only what it waits with.
        match wake {
            Wake::Said(said) => Box::pin(listen(c, wire, said?)).await?,
            Wake::News => {}
            Wake::ReadAgain => c.read_again = None,
            Wake::LookAgain => c.look_again = true,
            Wake::Tick => Box::pin(look_around(c, wire)).await?,
            Wake::Drain => leave_at = Some(Instant::now() + drain_delay(&c.gateway)),
            Wake::Leave => return Box::pin(leave(c, wire)).await,
        }
        news(c, wire).await?;
        if std::mem::take(&mut c.look_again) {
            Box::pin(compare_positions(c, wire)).await?;
        }
        if c.friends.is_due(&timers) {
            Box::pin(friends::look(c, wire)).await?;
        }
        wire.flush().await?;
        for (context, heard) in c.followed.drain(..) {
            journey::tell_delivered(&c.gateway.spans, context, heard);
        }
    }
}

/// When a database that is away is asked for again. Connections differ, lest all ask at once.
fn away_pause(connection: u64) -> Duration {
    let spread_ms = connection % (limits::POSITION_CHECK_AWAY_MS / 2);
    Duration::from_millis(limits::POSITION_CHECK_AWAY_MS / 2 + spread_ms)
}

async fn at(moment: Option<Instant>) {
    if let Some(moment) = moment {
        Box::pin(tokio::time::sleep_until(moment.into())).await;
    }
}

/// Obeys what was said, and what was said already behind it, up to a bound: their answers leave in
/// one write.
async fn listen(c: &mut Connection, wire: &mut Wire, first: Incoming) -> Result<(), End> {
    let mut said = first;
    for turn in 1.. {
        c.heard = Instant::now();
        match said {
            Incoming::Frame(frame) => {
                if let Some(answer) = dispatch::obey(c, frame).await {
                    c.friends.note(answer.body.as_ref());
                    wire.feed(&answer).await?;
                }
                connect::fill(c, wire).await?;
            }
            Incoming::Alive => {
                if dispatch::take_light(c).is_err() {
                    return Err(End::Broken(CloseCode::Policy, "too many pings".to_owned()));
                }
            }
        }
        // Before the next is read, because what is read must be obeyed. What it causes may go to
        // this connection, too: a hundred people in a group are a hundred messages.
        let enough = turn >= limits::FRAMES_PER_TURN
            || c.in_flight >= SENDS_IN_FLIGHT_MAX
            || c.queue.is_filling();
        if enough || c.read_again.is_some() {
            break;
        }
        match wire.read_now() {
            Some(next) => said = next?,
            None => break,
        }
    }
    Ok(())
}

/// Takes everything that waits in the queue and puts it into the write buffer.
async fn news(c: &mut Connection, wire: &mut Wire) -> Result<(), End> {
    let taken = c.queue.take();
    if taken.look_again {
        c.doubt();
    }
    if !taken.items.is_empty() {
        Box::pin(deliver(c, wire, taken.items)).await?;
    }
    if let Some(reason) = taken.end {
        return Err(End::Goodbye(reason));
    }
    if taken.overflowed {
        return Err(End::Goodbye(GoodbyeReason::TooSlow));
    }
    Ok(())
}

/// Gives the client what the queue held, each message once and in order.
pub(crate) async fn deliver(
    c: &mut Connection,
    wire: &mut Wire,
    items: VecDeque<Item>,
) -> Result<(), End> {
    for item in items {
        match item {
            Item::Settled(settled) => deliver_settled(c, wire, *settled).await?,
            Item::Event(event) if event.origin == c.id => {}
            Item::Event(event) => deliver_event(c, wire, &event).await?,
        }
    }
    Ok(())
}

async fn deliver_event(c: &mut Connection, wire: &mut Wire, event: &Event) -> Result<(), End> {
    match &event.body {
        Body::Message(message) => match c.sync.judge(message) {
            Verdict::Push => {
                wire.feed_event(event).await?;
                c.gateway.counters.delivery_lag.observe(event.since.elapsed());
                c.followed.extend(event.context.map(|context| (context, event.since)));
                Ok(())
            }
            Verdict::Drop => Ok(()),
            Verdict::Fill => {
                c.gateway.counters.holes.add(1);
                connect::fill(c, wire).await
            }
        },
        Body::Conversation(conversation) if conversation.left => {
            c.sync.forget(conversation.conv_id);
            c.audience = None;
            wire.feed_event(event).await
        }
        Body::Conversation(changed) => {
            // What travels is only that it changed: cursors and settings are everybody's own.
            let with_members = changed.member_count <= RECEIPT_MEMBERS_MAX;
            let (me, conv_id) = (c.user_id, changed.conv_id);
            let gateway = Arc::clone(&c.gateway);
            let asked = gateway.store.conversation(me, conv_id, with_members);
            match Box::pin(asked).await {
                Ok(mine) => {
                    let mine = group::fit(mine);
                    c.sync.meet(&mine);
                    wire.feed(&frame::push(Body::Conversation(mine))).await
                }
                Err(store::Error::NotFound) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
        body => {
            c.friends.note(Some(body));
            wire.feed_event(event).await
        }
    }
}

async fn deliver_settled(
    c: &mut Connection,
    wire: &mut Wire,
    mut settled: Settled,
) -> Result<(), End> {
    c.in_flight = c.in_flight.saturating_sub(1);
    if let Some(Body::Sent(sent)) = &mut settled.frame.body {
        let stored = Message { conv_id: sent.conv_id, seq: sent.seq, ..Message::default() };
        if settled.kept_for != 0 {
            let away = Box::pin(away(c, settled.kept_for, sent.conv_id)).await;
            (sent.offline_since, sent.mail_at) = (away.since, away.mail_at);
        }
        // Without a ref there is no answer, and the message itself comes instead.
        if settled.frame.r#ref == 0 {
            return Ok(());
        }
        if c.sync.judge(&stored) == Verdict::Fill {
            c.gateway.counters.holes.add(1);
            connect::fill(c, wire).await?;
        }
    }
    wire.feed(&settled.frame).await
}

/// How it stands with a friend who is offline. Asked at most every now and then, and only when a
/// message was kept.
async fn away(c: &mut Connection, user_id: i64, conv_id: i64) -> Away {
    let now = Instant::now();
    let fresh = Duration::from_millis(limits::REMEMBERED_MS);
    if let Some((asked, away)) = c.away.get(&user_id)
        && now.duration_since(*asked) < fresh
    {
        return *away;
    }
    // The message is stored: a fault here costs only this ornament of its answer.
    let away = people::away(&c.gateway, c.user_id, user_id, conv_id).await.unwrap_or_default();
    if c.away.len() >= limits::REMEMBERED_FRIENDS_MAX {
        c.away.clear();
    }
    c.away.insert(user_id, (now, away));
    away
}

/// Now and then: is the client still there, is the session, and does the client have all there is?
async fn look_around(c: &mut Connection, wire: &mut Wire) -> Result<(), End> {
    let timers = c.gateway.config.timers;
    if c.heard.elapsed() >= Duration::from_millis(timers.silence_ms) {
        return Err(End::Goodbye(GoodbyeReason::Silent));
    }
    let longest_ms = match (c.gateway.bus.as_ref(), c.gateway.bus.is_degraded()) {
        (Bus::Local(_), _) => timers.position_check_ms,
        (Bus::Redis(_), false) => timers.position_check_ms.min(limits::POSITION_CHECK_BUS_MS),
        (Bus::Redis(_), true) => timers.position_check_ms.min(limits::POSITION_CHECK_DEGRADED_MS),
    };
    if c.checked.elapsed() < Duration::from_millis(longest_ms) {
        return Ok(());
    }
    compare_positions(c, wire).await
}

/// Holds what this connection was given against the store, and gives the rest. After a link of the
/// bus was lost all connections want that at once; so many at a time as may paint.
async fn compare_positions(c: &mut Connection, wire: &mut Wire) -> Result<(), End> {
    let gateway = Arc::clone(&c.gateway);
    let _turn = gateway.paints.acquire().await.expect("this semaphore is never closed");
    c.checked = Instant::now();
    let session = c.gateway.store.use_session(&c.session_hash, clock::now()).await;
    let standings = match session {
        Ok(None) => return Err(End::Goodbye(GoodbyeReason::Revoked)),
        Ok(Some(_)) => c.gateway.store.digest(c.user_id).await,
        Err(error) => Err(error),
    };
    match standings {
        Ok(standings) => c.sync.compare(&standings),
        // Whoever is connected stays connected while the database is away.
        Err(error) => tracing::warn!(%error, "a position check has to wait"),
    }
    if c.sync.has_holes() {
        c.gateway.counters.holes.add(1);
    }
    connect::fill(c, wire).await?;
    connect::tell_completeness(c, wire).await
}

/// Connections leave one after the other, so that their clients do not come back all at once.
fn drain_delay(gateway: &Gateway) -> Duration {
    let spread_ms = gateway.counters.connections.get().min(limits::DRAIN_SPREAD_MS_MAX);
    Duration::from_millis(rand::random_range(0..=spread_ms))
}

/// The orderly end: nothing more is read, what was sent gets its answer, then goodbye.
async fn leave(c: &mut Connection, wire: &mut Wire) -> Result<Never, End> {
    let queue = Arc::clone(&c.queue);
    let gateway = Arc::clone(&c.gateway);
    while c.in_flight > 0 {
        tokio::select! {
            () = queue.ready() => news(c, wire).await?,
            // What it took along is never answered; the client sends it again.
            () = gateway.writer_gone() => break,
        }
    }
    news(c, wire).await?;
    Err(End::Goodbye(GoodbyeReason::Draining))
}
