//! Conversations: opening, founding, and who is in. Each change of a group leaves its trace in the
//! log, and every member gets the conversation as it is for him now.

use prost::Message as _;
use proto::limits::{PAGE_BYTES_MAX, PEOPLE_PER_FRAME_MAX};
use proto::server_frame::Body;
use proto::{
    Appoint, Conversation, ConversationKind, CreateGroup, ErrorCode, Invite, Kick, Leave, Members,
    Mute, OpenDirect, Rename, Role, check,
};
use store::GroupChange;

use super::connection::Connection;
use super::dispatch::Obeyed;
use super::refusal::Refusal;
use crate::clock;
use crate::outbound::Event;

pub(crate) async fn open_direct(c: &Connection, said: OpenDirect) -> Obeyed {
    check::positive("user_id", said.user_id)?;
    let (conv_id, made) =
        c.gateway.store.open_direct(c.user_id, said.user_id, clock::now()).await?;
    if made {
        let changed = Conversation {
            conv_id,
            kind: ConversationKind::Direct.into(),
            member_count: 2,
            ..Conversation::default()
        };
        let event = Event::new(Body::Conversation(changed), c.id);
        c.gateway.bus.publish(&[said.user_id, c.user_id], &event).await;
    }
    mine(c, conv_id, false).await
}

pub(crate) async fn create(c: &Connection, said: CreateGroup) -> Obeyed {
    check::title(&said.title)?;
    check_people(&said.user_ids, 0..=PEOPLE_PER_FRAME_MAX - 1)?;
    check::positive("client_key plus one", said.client_key.saturating_add(1))?;
    let (me, key, now) = (c.user_id, said.client_key, clock::now());
    let change = c.gateway.store.create_group(me, &said.title, &said.user_ids, key, now).await?;
    tell(c, change).await
}

pub(crate) async fn invite(c: &Connection, said: Invite) -> Obeyed {
    check::positive("conv_id", said.conv_id)?;
    check_people(&said.user_ids, 1..=PEOPLE_PER_FRAME_MAX)?;
    let (me, now) = (c.user_id, clock::now());
    let change = c.gateway.store.invite(me, said.conv_id, &said.user_ids, now).await?;
    tell(c, change).await
}

pub(crate) async fn leave(c: &Connection, said: Leave) -> Obeyed {
    check::positive("conv_id", said.conv_id)?;
    let change = c.gateway.store.leave(c.user_id, said.conv_id, clock::now()).await?;
    tell(c, change).await
}

pub(crate) async fn kick(c: &Connection, said: Kick) -> Obeyed {
    check::positive("conv_id", said.conv_id)?;
    check::positive("user_id", said.user_id)?;
    let (me, now) = (c.user_id, clock::now());
    let change = c.gateway.store.kick(me, said.conv_id, said.user_id, now).await?;
    tell(c, change).await
}

pub(crate) async fn rename(c: &Connection, said: Rename) -> Obeyed {
    check::positive("conv_id", said.conv_id)?;
    check::title(&said.title)?;
    let (me, now) = (c.user_id, clock::now());
    let change = c.gateway.store.rename(me, said.conv_id, &said.title, now).await?;
    tell(c, change).await
}

pub(crate) async fn appoint(c: &Connection, said: Appoint) -> Obeyed {
    check::positive("conv_id", said.conv_id)?;
    check::positive("user_id", said.user_id)?;
    let role = match Role::try_from(said.role) {
        Ok(Role::Unspecified) | Err(_) => {
            return Err(Refusal::new(ErrorCode::Invalid, "a role is member, admin or owner"));
        }
        Ok(role) => role,
    };
    let (me, now) = (c.user_id, clock::now());
    let change = c.gateway.store.appoint(me, said.conv_id, said.user_id, role, now).await?;
    tell(c, change).await
}

pub(crate) async fn mute(c: &Connection, frame_ref: u32, said: Mute) -> Obeyed {
    check::positive("conv_id", said.conv_id)?;
    check::positive("until plus one", said.until.saturating_add(1))?;
    c.gateway.store.mute(c.user_id, said.conv_id, said.until).await?;
    let changed = Conversation { conv_id: said.conv_id, ..Conversation::default() };
    let event = Event::new(Body::Conversation(changed), c.origin(frame_ref));
    c.gateway.bus.publish(&[c.user_id], &event).await;
    mine(c, said.conv_id, false).await
}

pub(crate) async fn members(c: &Connection, said: Members) -> Obeyed {
    check::positive("conv_id", said.conv_id)?;
    mine(c, said.conv_id, true).await
}

fn check_people(user_ids: &[i64], allowed: std::ops::RangeInclusive<usize>) -> Result<(), Refusal> {
    check::count("people", user_ids.len(), allowed)?;
    for user_id in user_ids {
        check::positive("user_id", *user_id)?;
    }
    Ok(())
}

/// The change is committed: the traces go to the members in the order of the log, then everybody is
/// told to look at the conversation again, and those who are out of it that they are.
async fn tell(c: &Connection, change: GroupChange) -> Obeyed {
    let conv_id = change.conv_id;
    for message in change.messages {
        c.gateway.bus.publish(&change.members, &Event::new(Body::Message(message), 0)).await;
    }
    let kind = ConversationKind::Group.into();
    let member_count = change.members.len() as u32;
    let changed = Conversation { conv_id, kind, member_count, ..Conversation::default() };
    let event = Event::new(Body::Conversation(changed), c.id);
    c.gateway.bus.publish(&change.members, &event).await;
    let out = Conversation { conv_id, kind, left: true, ..Conversation::default() };
    let event = Event::new(Body::Conversation(out.clone()), 0);
    c.gateway.bus.publish(&change.removed, &event).await;
    if change.removed.contains(&c.user_id) {
        return Ok(Some(Body::Conversation(out)));
    }
    mine(c, conv_id, true).await
}

/// The conversation as I see it.
async fn mine(c: &Connection, conv_id: i64, with_members: bool) -> Obeyed {
    let conversation = c.gateway.store.conversation(c.user_id, conv_id, with_members).await?;
    Ok(Some(Body::Conversation(fit(conversation))))
}

/// A thousand members with their names do not fit a frame; their numbers do, and Who tells the
/// names.
pub(crate) fn fit(mut conversation: Conversation) -> Conversation {
    if conversation.encoded_len() > PAGE_BYTES_MAX {
        for member in &mut conversation.members {
            member.name.clear();
            member.handle.clear();
        }
    }
    conversation
}

#[cfg(test)]
mod tests {
    use proto::Member;

    use super::*;

    #[test]
    fn a_thousand_members_fit_a_frame() {
        let member = Member {
            user_id: i64::MAX,
            role: Role::Member.into(),
            delivered_seq: 1 << 40,
            read_seq: 1 << 40,
            handle: "h".repeat(32),
            name: "n".repeat(64),
        };
        let members = vec![member; proto::limits::GROUP_MEMBERS_MAX as usize];
        let fitted = fit(Conversation { members, ..Conversation::default() });
        assert_eq!(fitted.members.len(), 1_000);
        assert!(fitted.encoded_len() < PAGE_BYTES_MAX);
    }
}
