//! Typing: passed on to those who are there, never stored, never answered.

use std::time::{Duration, Instant};

use proto::limits::{TYPING_MEMBERS_MAX, TYPING_REPEAT_MS};
use proto::server_frame::Body;
use proto::{Relation, Typing, check};

use super::connection::Connection;
use super::dispatch::Obeyed;
use super::refusal::Refusal;
use crate::limits;
use crate::outbound::Event;

/// Who sees this connection type, in the conversation where it last did.
pub(crate) struct Audience {
    conv_id: i64,
    user_ids: Vec<i64>,
    asked: Instant,
    told: Option<Instant>,
}

pub(crate) async fn typing(c: &mut Connection, said: Typing) -> Obeyed {
    check::positive("conv_id", said.conv_id)?;
    let (now, fresh) = (Instant::now(), Duration::from_millis(limits::REMEMBERED_MS));
    let remembered = c.audience.take();
    let still = |a: &Audience| a.conv_id == said.conv_id && now.duration_since(a.asked) < fresh;
    let mut audience = match remembered.filter(still) {
        Some(audience) => audience,
        None => Audience {
            conv_id: said.conv_id,
            user_ids: audience_of(c, said.conv_id).await?,
            asked: now,
            told: None,
        },
    };
    // A little less than what clients keep to, so that their clock and ours need not agree.
    let pause = Duration::from_millis(TYPING_REPEAT_MS * 9 / 10);
    if audience.told.is_none_or(|told| now.duration_since(told) >= pause) {
        audience.told = Some(now);
        let typing = Typing { conv_id: said.conv_id, user_id: c.user_id };
        let event = Event::new(Body::Typing(typing), c.id);
        c.gateway.bus.publish(&audience.user_ids, &event).await;
    }
    c.audience = Some(audience);
    Ok(None)
}

/// The other members; nobody in a large group, or where one of two has blocked the other.
async fn audience_of(c: &Connection, conv_id: i64) -> Result<Vec<i64>, Refusal> {
    let store = &c.gateway.store;
    let mut others = store.member_ids(conv_id).await?;
    let before = others.len();
    others.retain(|id| *id != c.user_id);
    if others.len() == before {
        return Err(store::Error::NotFound.into());
    }
    if before > TYPING_MEMBERS_MAX as usize {
        return Ok(Vec::new());
    }
    let blocked_by = store.blocked_by(c.user_id, &others).await?;
    let mine = store.people(c.user_id, &others).await?;
    others.retain(|id| {
        let i_blocked = |p: &proto::Person| p.relation() == Relation::Blocked;
        !blocked_by.contains(id) && !mine.iter().any(|p| p.user_id == *id && i_blocked(p))
    });
    Ok(others)
}
