//! From Hello to CaughtUp, in the order that loses nothing: subscribe, then read the store, then
//! paint, then the missing pages, then what arrived meanwhile. `docs/flows/connect.md` tells why,
//! and `race.rs` tries every interleaving.

use std::collections::HashSet;
use std::sync::Arc;

use prost::Message as _;
use proto::server_frame::Body;
use proto::{CaughtUp, Conversation, GoodbyeReason, Hello, Paint, Person, check, frame};
use store::{Reached, Standing, Store};

use super::connection::{Connection, deliver};
use super::refusal::Refusal;
use super::sync::Sync;
use super::wire::{End, Wire};
use super::{people, presence};
use crate::bus::{Bus, Subscriber};
use crate::{clock, limits, seam};

/// What a Paint is made of.
pub(crate) struct Snapshot {
    me: Person,
    people: Vec<Person>,
    conversations: Vec<Conversation>,
    /// Where all conversations stand, as far as their databases answer.
    standings: Reached<Standing>,
    now: i64,
}

/// Is this a Hello that can be obeyed?
pub(crate) fn check_hello(hello: &Hello) -> Result<(), Refusal> {
    check::count("positions", hello.have.len(), 0..=proto::limits::HELLO_POSITIONS_MAX)?;
    let client_max = proto::limits::CLIENT_NAME_BYTES_MAX;
    check::count("bytes in the client's name", hello.client.len(), 0..=client_max)?;
    for position in &hello.have {
        check::positive("conv_id", position.conv_id)?;
        check::positive("seq plus one", position.seq.saturating_add(1))?;
        check::positive("rev plus one", position.rev.saturating_add(1))?;
    }
    Ok(())
}

/// What is done between Hello and live. `take` says which step follows which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Subscribe,
    /// Reads the store and paints what it says.
    Read {
        round: u32,
    },
    Fill {
        round: u32,
    },
    Play {
        round: u32,
    },
    Live,
}

impl Step {
    pub(crate) const FIRST: Self = Self::Subscribe;
}

/// Everything between Hello and live.
pub(crate) async fn catch_up(
    c: &mut Connection,
    wire: &mut Wire,
    hello_ref: u32,
    hello: &Hello,
) -> Result<(), End> {
    let mut step = Step::FIRST;
    while step != Step::Live {
        step = take(c, wire, hello_ref, hello, step).await?;
    }
    Ok(())
}

/// Takes one step and says which is next.
pub(crate) async fn take(
    c: &mut Connection,
    wire: &mut Wire,
    hello_ref: u32,
    hello: &Hello,
    step: Step,
) -> Result<Step, End> {
    match step {
        Step::Subscribe => {
            if !seam::subscribes_late() {
                subscribe(c).await;
            }
            is_signed_in(c).await?;
            Ok(Step::Read { round: 0 })
        }
        Step::Read { round } => {
            read(c, wire, hello_ref, hello, round).await?;
            Ok(Step::Fill { round })
        }
        Step::Fill { round } => {
            fill(c, wire).await?;
            Ok(Step::Play { round })
        }
        Step::Play { round } => {
            if play(c, wire).await? {
                if !c.subscribed {
                    subscribe(c).await;
                }
                tell_caught_up(c, wire, hello_ref).await?;
                return Ok(Step::Live);
            }
            if round + 1 >= limits::CATCH_UP_ROUNDS_MAX {
                return Err(End::Goodbye(GoodbyeReason::TooSlow));
            }
            Ok(Step::Read { round: round + 1 })
        }
        Step::Live => Ok(Step::Live),
    }
}

/// Step 1: from here on nothing that is published passes this connection by.
async fn subscribe(c: &mut Connection) {
    let subscriber = Subscriber {
        connection: c.id,
        session: c.session,
        brief: c.brief.is_some(),
        queue: Arc::clone(&c.queue),
    };
    let was_offline = c.gateway.bus.subscribe(c.user_id, subscriber).await;
    c.subscribed = true;
    presence::arrived(&c.gateway, c.user_id, was_offline).await;
}

/// A ticket may be older than the end of its session. From the subscription on the bus tells such
/// an end; what was before is asked here.
async fn is_signed_in(c: &Connection) -> Result<(), End> {
    let store = &c.gateway.store;
    match store.use_session(&c.session_hash, clock::now()).await? {
        Some(_) => Ok(()),
        None => Err(End::Goodbye(GoodbyeReason::Revoked)),
    }
}

/// Steps 2 and 3. A second round goes on from what the first one sent.
async fn read(
    c: &mut Connection,
    wire: &mut Wire,
    hello_ref: u32,
    hello: &Hello,
    round: u32,
) -> Result<(), End> {
    let snapshot = {
        c.gateway.counters.paints_waiting.add(1);
        let turn = c.gateway.paints.acquire().await;
        c.gateway.counters.paints_waiting.sub(1);
        let _turn = turn.expect("this semaphore is never closed");
        snapshot(&c.gateway.store, &c.gateway.bus, c.user_id).await?
    };
    match round {
        0 => c.sync = Sync::start(c.user_id, &hello.have, &snapshot.standings),
        _ => c.sync.compare(&snapshot.standings),
    }
    for part in paint(snapshot) {
        let part = frame::answer(hello_ref, Body::Paint(part));
        c.friends.note(part.body.as_ref());
        wire.feed(&part).await?;
    }
    wire.flush().await
}

/// Step 2: the store as it is after the subscription. The standings are read first, so that a
/// conversation can be newer in the Paint than in them, never older.
async fn snapshot(store: &Store, bus: &Bus, user_id: i64) -> Result<Snapshot, store::Error> {
    let mut standings = store.digest(user_id).await?;
    let newest = proto::limits::PAINT_CONVERSATIONS_MAX;
    let Reached { found: conversations, away } = store.conversations(user_id, newest).await?;
    // A database may have gone, or come back, between the two.
    standings.away = standings.away.and(away);
    standings.found.retain(|standing| !standings.away.has(standing.conv_id));
    let mut people = store.contacts(user_id).await?;
    let contacts: HashSet<i64> = people.iter().map(|person| person.user_id).collect();
    let partners = conversations.iter().map(|c| c.friend_id);
    let mut strangers: Vec<i64> =
        partners.filter(|id| *id != 0 && !contacts.contains(id)).collect();
    strangers.push(user_id);
    let mut others = store.people(user_id, &strangers).await?;
    let me = others.iter().position(|person| person.user_id == user_id);
    let me = me.map(|at| others.remove(at)).ok_or(store::Error::NotFound)?;
    people.append(&mut others);
    people::tell_presence(store, bus, user_id, &mut people).await?;
    Ok(Snapshot { me, people, conversations, standings, now: clock::now() })
}

/// Step 3: the Paint, in parts that each fit a frame.
pub(crate) fn paint(snapshot: Snapshot) -> Vec<Paint> {
    let first = Paint { me: Some(snapshot.me), now: snapshot.now, ..Paint::default() };
    let (mut parts, mut bytes) = (vec![first], 0);
    for person in snapshot.people {
        part_with_room(&mut parts, &mut bytes, person.encoded_len()).people.push(person);
    }
    for conversation in snapshot.conversations {
        let part = part_with_room(&mut parts, &mut bytes, conversation.encoded_len());
        part.conversations.push(conversation);
    }
    let last = parts.len() - 1;
    for part in &mut parts[..last] {
        part.more = true;
    }
    parts
}

fn part_with_room<'a>(
    parts: &'a mut Vec<Paint>,
    bytes: &mut usize,
    wanted: usize,
) -> &'a mut Paint {
    let now = parts[0].now;
    // A few bytes beside each entry for its tag and length.
    *bytes += wanted + 4;
    if *bytes > proto::limits::PAGE_BYTES_MAX {
        *bytes = wanted + 4;
        parts.push(Paint { now, ..Paint::default() });
    }
    parts.last_mut().expect("a Paint has a first part")
}

/// Step 4, and whenever a hole was found: pages until nothing is missing.
pub(crate) async fn fill(c: &mut Connection, wire: &mut Wire) -> Result<(), End> {
    while c.sync.has_holes() {
        // Boxed, as all that is seldom: an idle connection carries only what it needs.
        let Some(body) = Box::pin(c.sync.next(&c.gateway.store)).await? else {
            break;
        };
        wire.feed(&frame::push(body)).await?;
    }
    Ok(())
}

/// Step 5: what arrived meanwhile. `false`: the queue ran over, and the store has to be asked
/// again.
async fn play(c: &mut Connection, wire: &mut Wire) -> Result<bool, End> {
    loop {
        let taken = c.queue.take();
        if taken.look_again {
            c.doubt();
        }
        if let Some(reason) = taken.end {
            return Err(End::Goodbye(reason));
        }
        if taken.overflowed {
            return Ok(false);
        }
        if taken.items.is_empty() {
            return Ok(true);
        }
        deliver(c, wire, taken.items).await?;
    }
}

/// A database has gone away with some of the user's conversations, or has come back and everything
/// that was missing was sent.
pub(crate) async fn tell_completeness(c: &mut Connection, wire: &mut Wire) -> Result<(), End> {
    let incomplete = !c.sync.away.is_empty();
    if incomplete == c.told_incomplete {
        return Ok(());
    }
    c.told_incomplete = incomplete;
    let caught_up = CaughtUp { incomplete, ..CaughtUp::default() };
    wire.feed(&frame::push(Body::CaughtUp(caught_up))).await
}

/// Step 6.
async fn tell_caught_up(c: &mut Connection, wire: &mut Wire, hello_ref: u32) -> Result<(), End> {
    let caught_up = CaughtUp {
        messages: c.sync.messages,
        changes: c.sync.changes,
        unfinished: std::mem::take(&mut c.sync.unfinished),
        incomplete: !c.sync.away.is_empty(),
    };
    c.told_incomplete = caught_up.incomplete;
    wire.feed(&frame::answer(hello_ref, Body::CaughtUp(caught_up))).await?;
    wire.flush().await?;
    wire.patient = false;
    Ok(())
}
