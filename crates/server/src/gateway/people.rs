//! Finding people, and how they stand to each other.

use proto::limits::{FOUND_DEFAULT, FOUND_MAX, PEOPLE_PER_FRAME_MAX};
use proto::server_frame::Body;
use proto::{ErrorCode, Find, Found, Person, Presence, Relation, Who, check};
use store::{Relations, Store};

use super::connection::Connection;
use super::dispatch::Obeyed;
use super::refusal::Refusal;
use super::{Gateway, presence};
use crate::bus::Bus;
use crate::clock;
use crate::outbound::Event;

pub(crate) async fn find(c: &Connection, said: Find) -> Obeyed {
    check::search(&said.text)?;
    check::count("people to be found", said.limit as usize, 0..=FOUND_MAX as usize)?;
    let limit = if said.limit == 0 { FOUND_DEFAULT } else { said.limit };
    let people = c.gateway.store.find_people(c.user_id, &said.text, limit).await?;
    found(c, people).await
}

pub(crate) async fn who(c: &Connection, said: Who) -> Obeyed {
    check::count("people", said.user_ids.len(), 1..=PEOPLE_PER_FRAME_MAX)?;
    let people = c.gateway.store.people(c.user_id, &said.user_ids).await?;
    found(c, people).await
}

async fn found(c: &Connection, mut people: Vec<Person>) -> Obeyed {
    tell_presence(&c.gateway.store, &c.gateway.bus, c.user_id, &mut people).await?;
    Ok(Some(Body::Found(Found { people })))
}

pub(crate) async fn befriend(c: &Connection, peer: i64) -> Obeyed {
    check_peer(c, peer)?;
    let relations = c.gateway.store.befriend(c.user_id, peer, clock::now()).await?;
    tell_both(c, peer, relations).await
}

pub(crate) async fn accept(c: &Connection, peer: i64) -> Obeyed {
    check_peer(c, peer)?;
    let relations = c.gateway.store.accept(c.user_id, peer, clock::now()).await?;
    tell_both(c, peer, relations).await
}

/// Decline and Unfriend.
pub(crate) async fn drop_contact(c: &Connection, peer: i64) -> Obeyed {
    check_peer(c, peer)?;
    let relations = c.gateway.store.drop_contact(c.user_id, peer).await?;
    tell_both(c, peer, relations).await
}

/// Nothing tells the other one. To a friend it looks as if I had just left.
pub(crate) async fn block(c: &Connection, peer: i64) -> Obeyed {
    check_peer(c, peer)?;
    let relations = c.gateway.store.block(c.user_id, peer, clock::now()).await?;
    if relations.theirs == Relation::Friend {
        let asked = c.gateway.store.friends_and_hides(c.user_id).await;
        let last_seen = presence::shown(asked.map_or(true, |(_, hides)| hides));
        let gone = Presence { user_id: c.user_id, online: false, last_seen };
        c.gateway.bus.publish(&[peer], &Event::new(Body::Presence(gone), 0)).await;
    }
    tell_me(c, peer).await
}

pub(crate) async fn unblock(c: &Connection, peer: i64) -> Obeyed {
    check_peer(c, peer)?;
    c.gateway.store.unblock(c.user_id, peer).await?;
    tell_me(c, peer).await
}

fn check_peer(c: &Connection, peer: i64) -> Result<(), Refusal> {
    check::positive("user_id", peer)?;
    if peer == c.user_id {
        return Err(Refusal::new(ErrorCode::Invalid, "that is you"));
    }
    Ok(())
}

async fn tell_both(c: &Connection, peer: i64, relations: Relations) -> Obeyed {
    // Somebody who blocked me hears nothing of me.
    if relations.theirs != Relation::Blocked {
        let me = person(&c.gateway, peer, c.user_id).await?;
        c.gateway.bus.publish(&[peer], &Event::new(Body::Person(me), 0)).await;
    }
    tell_me(c, peer).await
}

/// The answer, and the same to my other connections.
async fn tell_me(c: &Connection, peer: i64) -> Obeyed {
    let them = person(&c.gateway, c.user_id, peer).await?;
    c.gateway.bus.publish(&[c.user_id], &Event::new(Body::Person(them.clone()), c.id)).await;
    Ok(Some(Body::Person(them)))
}

/// One person as the viewer may see him.
async fn person(gateway: &Gateway, viewer: i64, user_id: i64) -> Result<Person, store::Error> {
    let mut people = gateway.store.people(viewer, &[user_id]).await?;
    tell_presence(&gateway.store, &gateway.bus, viewer, &mut people).await?;
    people.pop().ok_or(store::Error::NotFound)
}

/// Fills in which friends are online, with one question to the bus. Who has blocked the viewer is
/// offline to him.
pub(crate) async fn tell_presence(
    store: &Store,
    bus: &Bus,
    viewer: i64,
    people: &mut [Person],
) -> Result<(), store::Error> {
    let friends = people.iter().filter(|p| p.relation() == Relation::Friend);
    let friends: Vec<i64> = friends.map(|p| p.user_id).collect();
    if friends.is_empty() {
        return Ok(());
    }
    let hidden = store.blocked_by(viewer, &friends).await?;
    let online = bus.online(&friends).await;
    let visible: Vec<i64> = friends
        .into_iter()
        .zip(online)
        .filter(|(id, online)| *online && !hidden.contains(id))
        .map(|(id, _)| id)
        .collect();
    for person in people {
        person.online = visible.contains(&person.user_id);
    }
    Ok(())
}

/// What a sender may know of a friend who is offline; all 0 of anybody else.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Away {
    pub(crate) since: i64,
    /// When a mail will tell him, if he does not come before.
    pub(crate) mail_at: i64,
}

pub(crate) async fn away(
    gateway: &Gateway,
    viewer: i64,
    user_id: i64,
    conv_id: i64,
) -> Result<Away, store::Error> {
    let store = &gateway.store;
    let people = store.people(viewer, &[user_id]).await?;
    // Hidden, or no friend.
    let Some(since) = people.first().map(|person| person.last_seen).filter(|seen| *seen > 0) else {
        return Ok(Away::default());
    };
    let mail_at = match store.nudge_due(user_id, conv_id, clock::now()).await? {
        Some(due_at) => store.recipient(user_id).await?.and_then(|person| person.mail_at(due_at)),
        None => None,
    };
    Ok(Away { since, mail_at: mail_at.unwrap_or(0) })
}
