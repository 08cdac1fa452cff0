//! Which friends a client takes for online, and what it is told where that is wrong: who came or
//! went on another gateway while a link of the bus was dead was not heard here.
//! `docs/flows/cross-gateway.md`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::server_frame::Body;
use proto::{Person, Presence, Relation, frame};

use super::Gateway;
use super::connection::Connection;
use super::wire::{End, Wire};
use crate::clock;
use crate::config::Timers;

/// What one client was told of who is there. Only of friends is anybody told, so it holds
/// `CONTACTS_MAX` at the most.
#[derive(Debug, Default)]
pub(crate) struct Believed {
    online: BTreeSet<i64>,
    doubt: Option<Doubt>,
}

/// News may have been lost.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    since: Instant,
    /// Who came was looked for. Who has gone is looked for when it is sure.
    looked: bool,
}

impl Believed {
    /// Takes down what the client is told.
    pub(crate) fn note(&mut self, told: Option<&Body>) {
        match told {
            Some(Body::Presence(presence)) => self.set(presence.user_id, presence.online),
            Some(Body::Person(person)) => self.set(person.user_id, person.online),
            Some(Body::Found(found)) => self.note_people(&found.people),
            Some(Body::Paint(paint)) => self.note_people(&paint.people),
            _ => {}
        }
    }

    fn note_people(&mut self, people: &[Person]) {
        people.iter().for_each(|person| self.set(person.user_id, person.online));
    }

    fn set(&mut self, user_id: i64, online: bool) {
        match online {
            true => self.online.insert(user_id),
            false => self.online.remove(&user_id),
        };
    }

    pub(crate) fn doubt(&mut self) {
        self.doubt = Some(Doubt { since: Instant::now(), looked: false });
    }

    /// Is it time to look?
    pub(crate) fn is_due(&self, timers: &Timers) -> bool {
        self.doubt.is_some_and(|doubt| !doubt.looked || doubt.is_over(timers))
    }
}

impl Doubt {
    /// Two leases later whoever seems to have gone has gone. Before that his own gateway may just
    /// not have found Redis again yet; if it stays away for longer, it is taken for dead, and when
    /// it is back it tells anew whom it has.
    fn is_over(&self, timers: &Timers) -> bool {
        self.since.elapsed() >= Duration::from_millis(2 * timers.lease_ms)
    }
}

/// Holds what the client believes against the bus: at once for those who came, and once more for
/// those who have gone. As long as something new is found, it is looked again.
pub(super) async fn look(c: &mut Connection, wire: &mut Wire) -> Result<(), End> {
    let Some(doubt) = c.friends.doubt else {
        return Ok(());
    };
    let gateway = Arc::clone(&c.gateway);
    let turn = gateway.paints.acquire().await.expect("this semaphore is never closed");
    let is_over = doubt.is_over(&gateway.config.timers);
    let again = Doubt { since: if is_over { Instant::now() } else { doubt.since }, looked: true };
    c.friends.doubt = Some(again);
    let seen = match friends_seen(&gateway, c.user_id).await {
        Ok(seen) => seen,
        Err(error) => {
            tracing::warn!(%error, "a look at who is there has to wait");
            return Ok(());
        }
    };
    drop(turn);
    let mut is_settled = is_over;
    for (friend, online) in seen {
        let believed = c.friends.online.contains(&friend.user_id);
        is_settled &= online == Some(believed);
        let Some(online) = online.filter(|online| *online != believed && (*online || is_over))
        else {
            continue;
        };
        let last_seen = match friend.last_seen {
            seen if online && seen > 0 => clock::now(),
            seen => seen,
        };
        let news = Body::Presence(Presence { user_id: friend.user_id, online, last_seen });
        c.friends.note(Some(&news));
        wire.feed(&frame::push(news)).await?;
    }
    if is_settled {
        c.friends.doubt = None;
    }
    Ok(())
}

/// Each friend, and whether he is there; `None` where that cannot be asked. Who has blocked the
/// viewer is not.
async fn friends_seen(
    gateway: &Gateway,
    viewer: i64,
) -> Result<Vec<(Person, Option<bool>)>, store::Error> {
    let mut friends = gateway.store.contacts(viewer).await?;
    friends.retain(|person| person.relation() == Relation::Friend);
    let user_ids: Vec<i64> = friends.iter().map(|friend| friend.user_id).collect();
    let hidden = gateway.store.blocked_by(viewer, &user_ids).await?;
    let seen = gateway.bus.seen(&user_ids).await;
    let visible = |(friend, seen): (Person, Option<bool>)| {
        let hides = hidden.contains(&friend.user_id);
        (friend, if hides { Some(false) } else { seen })
    };
    Ok(friends.into_iter().zip(seen).map(visible).collect())
}
