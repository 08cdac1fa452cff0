//! Changes of old messages: edit, delete, react. Each takes the conversation's lock and stamps the
//! message with the next `rev`, so that whoever was away asks for "everything after rev n".

use proto::limits::{REACTIONS_PER_MESSAGE_MAX, REACTIONS_PER_PERSON_MAX};
use proto::{ConversationKind, Message, MessageKind, Role};

use crate::conversations::{member_ids, role};
use crate::engine::{Link, again, exec, record, row};
use crate::history::{MessageRow, load_reactions};
use crate::{Changed, Error, Result, Store};

record! {
    /// A conversation under its lock: until the transaction ends nobody else writes into it, joins
    /// or leaves.
    pub(crate) struct Locked {
        pub(crate) kind: i16,
        pub(crate) dm_block: i16,
        pub(crate) title: Option<String>,
        pub(crate) last_seq: i64,
        last_rev: i64,
    }
}

/// An old message that one member is about to change.
struct Open {
    conversation: Locked,
    my_role: Role,
    message: Message,
}

impl Store {
    /// Replaces the text of one's own message. NotFound: not a member, or no such message for him.
    /// Forbidden: not his own, not a text (any more), or the conversation is closed by a block.
    pub async fn edit(
        &self,
        me: i64,
        conv_id: i64,
        seq: i64,
        body: &str,
        now: i64,
    ) -> Result<Changed> {
        again!(self.edit_once(me, conv_id, seq, body, now).await)
    }

    async fn edit_once(
        &self,
        me: i64,
        conv_id: i64,
        seq: i64,
        body: &str,
        now: i64,
    ) -> Result<Changed> {
        let mut tx = self.begin_at(conv_id).await?;
        let link = &mut tx.link();
        let mut open = open(link, me, conv_id, seq).await?;
        let text = open.message.kind == MessageKind::Text as i32;
        if open.message.sender_id != me || !text || open.conversation.dm_block != 0 {
            return Err(Error::Forbidden);
        }
        let moved = open.message.body != body;
        if moved {
            let rev = next_rev(link, conv_id, &open.conversation).await?;
            exec!(
                link,
                "UPDATE message SET body = $3, rev = $4, edited_at = $5
                  WHERE conv_id = $1 AND seq = $2",
                conv_id,
                seq,
                body,
                rev,
                now
            )?;
            open.message = Message { body: body.into(), rev, edited_at: now, ..open.message };
        }
        let changed = changed(link, open.message, moved).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Empties a message: one's own, or as admin or owner any in a group. Its reactions go too; its
    /// place in the log stays. Let through with a nearly full disk. A message that tells of the
    /// group itself: Forbidden.
    pub async fn delete(&self, me: i64, conv_id: i64, seq: i64, now: i64) -> Result<Changed> {
        again!(self.delete_once(me, conv_id, seq, now).await)
    }

    async fn delete_once(&self, me: i64, conv_id: i64, seq: i64, now: i64) -> Result<Changed> {
        let mut tx = self.begin_freeing_at(conv_id).await?;
        let link = &mut tx.link();
        let mut open = open(link, me, conv_id, seq).await?;
        let group = open.conversation.kind == ConversationKind::Group as i16;
        let may = open.message.sender_id == me
            || (group && matches!(open.my_role, Role::Admin | Role::Owner));
        let moved = match MessageKind::try_from(open.message.kind) {
            Ok(MessageKind::Text) if may => true,
            Ok(MessageKind::Deleted) if may => false,
            _ => return Err(Error::Forbidden),
        };
        if moved {
            let rev = next_rev(link, conv_id, &open.conversation).await?;
            let kind = MessageKind::Deleted as i32;
            exec!(
                link,
                "UPDATE message SET body = '', kind = $3, rev = $4, edited_at = $5
                  WHERE conv_id = $1 AND seq = $2",
                conv_id,
                seq,
                kind,
                rev,
                now
            )?;
            exec!(link, "DELETE FROM reaction WHERE conv_id = $1 AND seq = $2", conv_id, seq)?;
            let body = String::new();
            open.message = Message { body, kind, rev, edited_at: now, ..open.message };
        }
        let changed = changed(link, open.message, moved).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Puts or takes one's own reaction. Forbidden: closed by a block. Invalid: not a text. Limit:
    /// 8 a person and 256 in all on one message.
    pub async fn react(
        &self,
        me: i64,
        conv_id: i64,
        seq: i64,
        emoji: &str,
        remove: bool,
    ) -> Result<Changed> {
        again!(self.react_once(me, conv_id, seq, emoji, remove).await)
    }

    async fn react_once(
        &self,
        me: i64,
        conv_id: i64,
        seq: i64,
        emoji: &str,
        remove: bool,
    ) -> Result<Changed> {
        let mut tx = self.begin_at(conv_id).await?;
        let link = &mut tx.link();
        let mut open = open(link, me, conv_id, seq).await?;
        if open.conversation.dm_block != 0 {
            return Err(Error::Forbidden);
        }
        if open.message.kind != MessageKind::Text as i32 {
            return Err(Error::Invalid("only texts take reactions"));
        }
        let moved = match remove {
            true => take_reaction(link, &open.message, me, emoji).await?,
            false => put_reaction(link, &open.message, me, emoji).await?,
        };
        if moved {
            open.message.rev = next_rev(link, conv_id, &open.conversation).await?;
            exec!(
                link,
                "UPDATE message SET rev = $3 WHERE conv_id = $1 AND seq = $2",
                conv_id,
                seq,
                open.message.rev
            )?;
        }
        let changed = changed(link, open.message, moved).await?;
        tx.commit().await?;
        Ok(changed)
    }
}

/// Locks the conversation and finds the message, if `me` may see it.
async fn open(link: &mut Link<'_>, me: i64, conv_id: i64, seq: i64) -> Result<Open> {
    let conversation = lock(link, conv_id).await?;
    let member: Option<(i16, i64)> = row!(
        link,
        "SELECT role, joined_seq FROM member
          WHERE conv_id = $1 AND user_id = $2 AND left_at IS NULL",
        conv_id,
        me
    )?;
    let (my_role, joined_seq) = member.ok_or(Error::NotFound)?;
    let found: Option<MessageRow> = row!(
        link,
        "SELECT conv_id, seq, sender_id, sent_at, rev, edited_at, kind, reply_seq, body
           FROM message WHERE conv_id = $1 AND seq = $2 AND seq > $3",
        conv_id,
        seq,
        joined_seq
    )?;
    let mut message = [found.ok_or(Error::NotFound)?.into_message()];
    load_reactions(link, conv_id, &mut message).await?;
    let [message] = message;
    Ok(Open { conversation, my_role: role(my_role), message })
}

/// NotFound if there is no such conversation.
pub(crate) async fn lock(link: &mut Link<'_>, conv_id: i64) -> Result<Locked> {
    let found: Option<Locked> = row!(
        link,
        [
            "SELECT kind, dm_block, title, last_seq, last_rev FROM conversation WHERE conv_id = $1",
            "SELECT kind, dm_block, title, last_seq, last_rev FROM conversation WHERE conv_id = $1
               FOR UPDATE"
        ],
        conv_id
    )?;
    found.ok_or(Error::NotFound)
}

async fn next_rev(link: &mut Link<'_>, conv_id: i64, conversation: &Locked) -> Result<i64> {
    let rev = conversation.last_rev + 1;
    exec!(link, "UPDATE conversation SET last_rev = $2 WHERE conv_id = $1", conv_id, rev)?;
    Ok(rev)
}

async fn take_reaction(
    link: &mut Link<'_>,
    message: &Message,
    me: i64,
    emoji: &str,
) -> Result<bool> {
    let taken = exec!(
        link,
        "DELETE FROM reaction WHERE conv_id = $1 AND seq = $2 AND user_id = $3 AND emoji = $4",
        message.conv_id,
        message.seq,
        me,
        emoji
    )?;
    Ok(taken > 0)
}

async fn put_reaction(
    link: &mut Link<'_>,
    message: &Message,
    me: i64,
    emoji: &str,
) -> Result<bool> {
    let mine = |reaction: &&proto::Reaction| reaction.user_ids.contains(&me);
    if message.reactions.iter().filter(mine).any(|reaction| reaction.emoji == emoji) {
        return Ok(false);
    }
    if message.reactions.iter().filter(mine).count() >= REACTIONS_PER_PERSON_MAX as usize {
        return Err(Error::Limit("a message takes 8 reactions of one person"));
    }
    let all: usize = message.reactions.iter().map(|reaction| reaction.user_ids.len()).sum();
    if all >= REACTIONS_PER_MESSAGE_MAX as usize {
        return Err(Error::Limit("a message takes 256 reactions"));
    }
    exec!(
        link,
        "INSERT INTO reaction (conv_id, seq, user_id, emoji) VALUES ($1, $2, $3, $4)",
        message.conv_id,
        message.seq,
        me,
        emoji
    )?;
    Ok(true)
}

/// The message as it is now, with its reactions as they are now.
async fn changed(link: &mut Link<'_>, message: Message, moved: bool) -> Result<Changed> {
    let conv_id = message.conv_id;
    let mut message = [Message { reactions: Vec::new(), ..message }];
    load_reactions(link, conv_id, &mut message).await?;
    let [message] = message;
    Ok(Changed { message, moved, members: member_ids(link, conv_id).await? })
}
