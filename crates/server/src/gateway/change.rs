//! Edit, Delete and React: an old message as it is now, to everybody in the conversation.

use proto::server_frame::Body;
use proto::{Delete, Edit, Message, React, check};
use store::Changed;

use super::connection::Connection;
use super::dispatch::Obeyed;
use super::refusal::Refusal;
use crate::clock;
use crate::outbound::Event;

pub(crate) async fn edit(c: &mut Connection, frame_ref: u32, said: Edit) -> Obeyed {
    check_name(said.conv_id, said.seq)?;
    check::body(&said.body)?;
    let (me, now) = (c.user_id, clock::now());
    let changed = c.gateway.store.edit(me, said.conv_id, said.seq, &said.body, now).await?;
    tell(c, frame_ref, changed).await
}

pub(crate) async fn delete(c: &mut Connection, frame_ref: u32, said: Delete) -> Obeyed {
    check_name(said.conv_id, said.seq)?;
    let (me, now) = (c.user_id, clock::now());
    let changed = c.gateway.store.delete(me, said.conv_id, said.seq, now).await?;
    tell(c, frame_ref, changed).await
}

pub(crate) async fn react(c: &mut Connection, frame_ref: u32, said: React) -> Obeyed {
    check_name(said.conv_id, said.seq)?;
    check::emoji(&said.emoji)?;
    let (me, conv_id) = (c.user_id, said.conv_id);
    let store = &c.gateway.store;
    let changed = store.react(me, conv_id, said.seq, &said.emoji, said.remove).await?;
    tell(c, frame_ref, changed).await
}

fn check_name(conv_id: i64, seq: i64) -> Result<(), Refusal> {
    check::positive("conv_id", conv_id)?;
    check::positive("seq", seq)?;
    Ok(())
}

/// The change is committed: the others get an event, this connection its answer.
async fn tell(c: &mut Connection, frame_ref: u32, changed: Changed) -> Obeyed {
    if changed.moved {
        let event = Event::new(Body::Message(changed.message.clone()), c.origin(frame_ref));
        c.gateway.bus.publish(&changed.members, &event).await;
    }
    if frame_ref != 0 {
        note(c, &changed.message);
    }
    Ok(Some(Body::Message(changed.message)))
}

/// The answer brings the change. If another change was committed just before, there is a hole now,
/// and the caller fills it.
fn note(c: &mut Connection, message: &Message) {
    let _ = c.sync.judge(message);
}
