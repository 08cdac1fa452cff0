//! Conversations: what one member sees of them, who is in, and the direct one of two people.

use proto::{Conversation, ConversationKind, Member, Role, id};

use crate::engine::{Link, again, exec, record, row, rows};
use crate::paint::conversation_of;
use crate::shards::read_at;
use crate::users::people_rows;
use crate::{Cursor, Error, Result, Store, limits};

record! {
    struct CursorRow {
        user_id: i64,
        role: i16,
        delivered_seq: i64,
        read_seq: i64,
        delivered_at: i64,
        read_at: i64,
        mailed_seq: i64,
        mailed_at: i64,
    }
}

impl Store {
    /// One conversation as `me` sees it; `members` filled in if asked for. NotFound if not a
    /// member.
    pub async fn conversation(
        &self,
        me: i64,
        conv_id: i64,
        with_members: bool,
    ) -> Result<Conversation> {
        let seen = read_at!(self, conv_id, link => seen(link, me, conv_id, with_members).await);
        let (mut conversation, cursors) = seen?;
        if with_members {
            // Names are asked for with the connection given back: who holds one while waiting for
            // another can wait for ever.
            conversation.members = self.named(me, cursors).await?;
        }
        Ok(conversation)
    }

    async fn named(&self, me: i64, cursors: Vec<CursorRow>) -> Result<Vec<Member>> {
        let ids: Vec<i64> = cursors.iter().map(|cursor| cursor.user_id).collect();
        let mut reader = self.directory().reader().await?;
        let mut names = std::collections::HashMap::new();
        for slice in ids.chunks(limits::IDS_AT_ONCE) {
            for person in people_rows(&mut reader.link(), me, slice).await? {
                names.insert(person.user_id, (person.handle, person.name));
            }
        }
        let member = |cursor: CursorRow| {
            let (handle, name) = names.remove(&cursor.user_id).unwrap_or_default();
            Member {
                user_id: cursor.user_id,
                role: cursor.role.into(),
                delivered_seq: cursor.delivered_seq,
                read_seq: cursor.read_seq,
                handle,
                name,
            }
        };
        Ok(cursors.into_iter().map(member).collect())
    }

    /// Members who have not left, in order of joining (user_id only). Empty if there is no such
    /// conversation.
    pub async fn member_ids(&self, conv_id: i64) -> Result<Vec<i64>> {
        read_at!(self, conv_id, link => member_ids(link, conv_id).await)
    }

    /// How far each member has it, and when his cursors last moved. NotFound if `me` is no member.
    pub async fn cursors(&self, me: i64, conv_id: i64) -> Result<Vec<Cursor>> {
        let rows = read_at!(self, conv_id, link => cursor_rows(link, conv_id).await)?;
        if !rows.iter().any(|row| row.user_id == me) {
            return Err(Error::NotFound);
        }
        let cursor = |row: CursorRow| Cursor {
            user_id: row.user_id,
            role: role(row.role),
            delivered_seq: row.delivered_seq,
            read_seq: row.read_seq,
            delivered_at: row.delivered_at,
            read_at: row.read_at,
            mailed_seq: row.mailed_seq,
            mailed_at: row.mailed_at,
        };
        Ok(rows.into_iter().map(cursor).collect())
    }

    /// The id of the direct conversation; `true` if it was made now. NotFound if there is no such
    /// person, Forbidden if one blocked the other.
    pub async fn open_direct(&self, me: i64, peer: i64, now: i64) -> Result<(i64, bool)> {
        if me == peer {
            return Err(Error::Invalid("a direct conversation needs somebody other than yourself"));
        }
        if !self.both_exist(me, peer).await? {
            return Err(Error::NotFound);
        }
        if self.is_blocked(me, peer).await? {
            return Err(Error::Forbidden);
        }
        let (conv_id, made) = self.find_or_make_direct(me, peer, now).await?;
        // A block that was written while the conversation was made did not find it there to close.
        if made && self.mirror_block(me, peer).await? {
            return Err(Error::Forbidden);
        }
        Ok((conv_id, made))
    }

    async fn both_exist(&self, me: i64, peer: i64) -> Result<bool> {
        let mut reader = self.directory().reader().await?;
        let found: Vec<(i64,)> = rows!(
            &mut reader.link(),
            "SELECT user_id FROM app_user WHERE user_id IN ($1, $2)",
            me,
            peer
        )?;
        Ok(found.len() == 2)
    }

    async fn find_or_make_direct(&self, me: i64, peer: i64, now: i64) -> Result<(i64, bool)> {
        again!(self.find_or_make_direct_once(me, peer, now).await)
    }

    async fn find_or_make_direct_once(&self, me: i64, peer: i64, now: i64) -> Result<(i64, bool)> {
        let (lo, hi) = (me.min(peer), me.max(peer));
        let shard = id::direct_shard(me, peer);
        // Any id on the shard leads to the right database.
        let there = id::new(shard, now);
        if let Some(conv_id) = read_at!(self, there, link => direct_of(link, lo, hi).await)? {
            return Ok((conv_id, false));
        }
        for _ in 0..limits::ID_TRIES {
            let conv_id = id::new(shard, now);
            let mut tx = self.begin_at(conv_id).await?;
            let link = &mut tx.link();
            let made = exec!(
                link,
                "INSERT INTO conversation
                   (conv_id, kind, dm_lo, dm_hi, member_count, last_at, created_at)
                 VALUES ($1, $2, $3, $4, 2, $5, $5) ON CONFLICT DO NOTHING",
                conv_id,
                ConversationKind::Direct as i32,
                lo,
                hi,
                now
            )?;
            if made == 1 {
                exec!(
                    link,
                    "INSERT INTO member (conv_id, user_id) VALUES ($1, $2), ($1, $3)",
                    conv_id,
                    lo,
                    hi
                )?;
                tx.commit().await?;
                return Ok((conv_id, true));
            }
            // The other one was faster, or the id was drawn before.
            if let Some(conv_id) = direct_of(link, lo, hi).await? {
                return Ok((conv_id, false));
            }
        }
        Err(Error::Unavailable("no free id was found".into()))
    }

    /// No bell and no mail from this conversation until then; 0 = unmute. NotFound if `me` is no
    /// member.
    pub async fn mute(&self, me: i64, conv_id: i64, until: i64) -> Result<()> {
        again!(self.mute_once(me, conv_id, until).await)
    }

    async fn mute_once(&self, me: i64, conv_id: i64, until: i64) -> Result<()> {
        let mut tx = self.begin_at(conv_id).await?;
        let changed = exec!(
            &mut tx.link(),
            "UPDATE member SET muted_until = $3
              WHERE conv_id = $1 AND user_id = $2 AND left_at IS NULL",
            conv_id,
            me,
            until
        )?;
        tx.commit().await?;
        if changed == 1 { Ok(()) } else { Err(Error::NotFound) }
    }
}

/// The conversation, and if wanted how far its members have it. NotFound if `me` is no member.
async fn seen(
    link: &mut Link<'_>,
    me: i64,
    conv_id: i64,
    with_members: bool,
) -> Result<(Conversation, Vec<CursorRow>)> {
    let conversation = conversation_of(link, me, conv_id).await?.ok_or(Error::NotFound)?;
    let cursors = match with_members {
        true => cursor_rows(link, conv_id).await?,
        false => Vec::new(),
    };
    Ok((conversation, cursors))
}

async fn direct_of(link: &mut Link<'_>, lo: i64, hi: i64) -> Result<Option<i64>> {
    let found: Option<(i64,)> =
        row!(link, "SELECT conv_id FROM conversation WHERE dm_lo = $1 AND dm_hi = $2", lo, hi)?;
    Ok(found.map(|(conv_id,)| conv_id))
}

pub(crate) async fn member_ids(link: &mut Link<'_>, conv_id: i64) -> Result<Vec<i64>> {
    let ids: Vec<(i64,)> = rows!(
        link,
        "SELECT user_id FROM member WHERE conv_id = $1 AND left_at IS NULL
          ORDER BY joined_seq, user_id",
        conv_id
    )?;
    Ok(ids.into_iter().map(|(id,)| id).collect())
}

async fn cursor_rows(link: &mut Link<'_>, conv_id: i64) -> Result<Vec<CursorRow>> {
    rows!(
        link,
        "SELECT user_id, role, delivered_seq, read_seq, delivered_at, read_at, mailed_seq,
                mailed_at
           FROM member
          WHERE conv_id = $1 AND left_at IS NULL ORDER BY joined_seq, user_id",
        conv_id
    )
}

pub(crate) fn role(number: i16) -> Role {
    Role::try_from(i32::from(number)).unwrap_or(Role::Member)
}
