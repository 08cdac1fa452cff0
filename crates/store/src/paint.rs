//! What a person sees first: the conversations with their newest message, and where each of them
//! stands. These go by person and not by conversation, so every database is asked, a bounded number
//! at a time.

use std::cmp::Reverse;
use std::collections::HashMap;

use proto::limits::{PAINT_CONVERSATIONS_MAX, PREVIEW_CHARS_MAX};
use proto::{Conversation, Message};

use crate::engine::{Database, Link, each, record, rows};
use crate::history::grouped;
use crate::shards::{Gates, gates_of, of_all};
use crate::{Reached, Result, Standing, Store, limits};

record! {
    /// A conversation as one member sees it.
    pub(crate) struct SeenRow {
        pub(crate) conv_id: i64,
        kind: i16,
        title: Option<String>,
        friend_id: Option<i64>,
        member_count: i64,
        last_seq: i64,
        last_rev: i64,
        last_at: i64,
        role: i16,
        joined_seq: i64,
        delivered_seq: i64,
        read_seq: i64,
        mention_seq: i64,
        muted_until: i64,
        friend_delivered_seq: Option<i64>,
        friend_read_seq: Option<i64>,
        friend_mailed_seq: Option<i64>,
        friend_mailed_at: Option<i64>,
        /// Of the newest message, if it is visible.
        seq: Option<i64>,
        sender_id: Option<i64>,
        sent_at: Option<i64>,
        rev: Option<i64>,
        edited_at: Option<i64>,
        message_kind: Option<i16>,
        reply_seq: Option<i64>,
        preview: Option<String>,
    }
}

/// The same inner columns for one conversation and for all of them; `$1` is the person.
macro_rules! seen_as {
    ($which:literal, $order:literal) => {
        concat!(
            "SELECT p.*, o.delivered_seq AS friend_delivered_seq, o.read_seq AS friend_read_seq,
                    o.mailed_seq AS friend_mailed_seq, o.mailed_at AS friend_mailed_at,
                    m.seq, m.sender_id, m.sent_at, m.rev, m.edited_at, m.kind AS message_kind,
                    m.reply_seq, substr(m.body, 1, $3) AS preview
               FROM (SELECT c.conv_id, c.kind, c.title, c.member_count, c.last_seq, c.last_rev,
                            c.last_at, me.role, me.joined_seq, me.delivered_seq, me.read_seq,
                            me.mention_seq, me.muted_until,
                            CASE WHEN c.dm_lo = $1 THEN c.dm_hi ELSE c.dm_lo END AS friend_id
                       FROM member me JOIN conversation c ON c.conv_id = me.conv_id
                      WHERE me.user_id = $1 AND me.left_at IS NULL AND ",
            $which,
            ") p
               LEFT JOIN member o ON o.conv_id = p.conv_id AND o.user_id = p.friend_id
               LEFT JOIN message m ON m.conv_id = p.conv_id AND m.seq = p.last_seq
                AND m.seq > p.joined_seq",
            $order
        )
    };
}

impl Store {
    /// The Paint's conversations, newest first, on all databases at once. At most 200. Those of a
    /// database that does not answer are not among them.
    pub async fn conversations(&self, me: i64, limit: u32) -> Result<Reached<Conversation>> {
        let limit = limit.min(PAINT_CONVERSATIONS_MAX);
        let asked = |database| conversations_of(database, me, limit);
        let Reached { found: mut all, away } = of_all!(self, asked);
        // What was moved while we asked may have been found twice: the newer one is right.
        all.sort_unstable_by_key(|one| (one.conv_id, Reverse((one.last_seq, one.last_rev))));
        all.dedup_by_key(|conversation| conversation.conv_id);
        all.sort_unstable_by_key(|one| (Reverse(one.last_at), one.conv_id));
        all.truncate(limit as usize);
        Ok(Reached { found: all, away })
    }

    /// Where every conversation of mine stands, in one snapshot per database; the 10,000 with the
    /// newest messages. Those of a database that does not answer are not among them.
    pub async fn digest(&self, me: i64) -> Result<Reached<Standing>> {
        let asked = |database| digest_of(database, me);
        let Reached { found: mut all, away } = of_all!(self, asked);
        all.sort_unstable_by_key(|(_, one)| (one.conv_id, Reverse((one.last_seq, one.last_rev))));
        all.dedup_by_key(|(_, standing)| standing.conv_id);
        all.sort_unstable_by_key(|(last_at, standing)| (Reverse(*last_at), standing.conv_id));
        all.truncate(limits::DIGEST_MAX as usize);
        let found = all.into_iter().map(|(_, standing)| standing).collect();
        Ok(Reached { found, away })
    }
}

async fn conversations_of(
    database: &Database,
    me: i64,
    limit: u32,
) -> Result<(Vec<Conversation>, Gates)> {
    let mut reader = database.reader().await?;
    let link = &mut reader.link();
    let found: Vec<SeenRow> = rows!(
        link,
        seen_as!(
            "((c.conv_id >> 12) & 1023) NOT IN
                (SELECT shard FROM shard_gate WHERE shard >= 0 AND state >= 3)
              ORDER BY c.last_at DESC, c.conv_id LIMIT $2",
            " ORDER BY p.last_at DESC, p.conv_id"
        ),
        me,
        i64::from(limit),
        PREVIEW_CHARS_MAX as i32
    )?;
    Ok((painted(link, found).await?, gates_of(link).await?))
}

/// One conversation as `me` sees it, without its members.
pub(crate) async fn conversation_of(
    link: &mut Link<'_>,
    me: i64,
    conv_id: i64,
) -> Result<Option<Conversation>> {
    let found: Vec<SeenRow> =
        rows!(link, seen_as!("me.conv_id = $2", ""), me, conv_id, PREVIEW_CHARS_MAX as i32)?;
    Ok(painted(link, found).await?.pop())
}

async fn painted(link: &mut Link<'_>, found: Vec<SeenRow>) -> Result<Vec<Conversation>> {
    let mut conversations: Vec<Conversation> = found.into_iter().map(SeenRow::painted).collect();
    let touched: Vec<(i64, i64)> = conversations
        .iter()
        .filter_map(|conversation| conversation.last.as_ref())
        .filter(|last| last.rev > 0)
        .map(|last| (last.conv_id, last.seq))
        .collect();
    if touched.is_empty() {
        return Ok(conversations);
    }
    let rows: Vec<(i64, String, i64)> = each!(
        fetch_all query_as, link, [],
        sqlite(&touched) "SELECT value->>0 AS conv_id, value->>1 AS seq FROM json_each($1)",
        postgres(
            touched.iter().map(|place| place.0).collect::<Vec<_>>(),
            touched.iter().map(|place| place.1).collect::<Vec<_>>()
        )
            "SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS i (conv_id, seq)",
        "SELECT r.conv_id, r.emoji, r.user_id FROM input
           JOIN reaction r ON r.conv_id = input.conv_id AND r.seq = input.seq"
    )?;
    let mut of_conversation: HashMap<i64, Vec<(String, i64)>> = HashMap::new();
    for (conv_id, emoji, user_id) in rows {
        of_conversation.entry(conv_id).or_default().push((emoji, user_id));
    }
    for conversation in &mut conversations {
        if let Some(last) = &mut conversation.last
            && let Some(rows) = of_conversation.remove(&conversation.conv_id)
        {
            last.reactions = grouped(rows);
        }
    }
    Ok(conversations)
}

impl SeenRow {
    fn painted(self) -> Conversation {
        let last = self.seq.map(|seq| Message {
            conv_id: self.conv_id,
            seq,
            sender_id: self.sender_id.unwrap_or_default(),
            sent_at: self.sent_at.unwrap_or_default(),
            kind: self.message_kind.unwrap_or_default().into(),
            body: self.preview.unwrap_or_default(),
            reply_seq: self.reply_seq.unwrap_or_default(),
            rev: self.rev.unwrap_or_default(),
            edited_at: self.edited_at.unwrap_or_default(),
            reactions: Vec::new(),
        });
        Conversation {
            conv_id: self.conv_id,
            kind: self.kind.into(),
            title: self.title.unwrap_or_default(),
            friend_id: self.friend_id.unwrap_or_default(),
            last_seq: self.last_seq,
            last_rev: self.last_rev,
            last_at: self.last_at,
            read_seq: self.read_seq,
            delivered_seq: self.delivered_seq,
            joined_seq: self.joined_seq,
            mention_seq: self.mention_seq,
            muted_until: self.muted_until,
            role: self.role.into(),
            member_count: u32::try_from(self.member_count).unwrap_or_default(),
            friend_delivered_seq: self.friend_delivered_seq.unwrap_or_default(),
            friend_read_seq: self.friend_read_seq.unwrap_or_default(),
            friend_mailed_seq: self.friend_mailed_seq.unwrap_or_default(),
            friend_mailed_at: self.friend_mailed_at.unwrap_or_default(),
            last,
            members: Vec::new(),
            left: false,
        }
    }
}

async fn digest_of(database: &Database, me: i64) -> Result<(Vec<(i64, Standing)>, Gates)> {
    let mut reader = database.reader().await?;
    let link = &mut reader.link();
    let found: Vec<(i64, i64, i64, i64, i64, i64, i64)> = rows!(
        link,
        "SELECT c.last_at, c.conv_id, c.last_seq, c.last_rev, me.joined_seq, me.delivered_seq,
                me.read_seq
           FROM member me JOIN conversation c ON c.conv_id = me.conv_id
          WHERE me.user_id = $1 AND me.left_at IS NULL AND ((c.conv_id >> 12) & 1023) NOT IN
                (SELECT shard FROM shard_gate WHERE shard >= 0 AND state >= 3)
          ORDER BY c.last_at DESC, c.conv_id LIMIT $2",
        me,
        limits::DIGEST_MAX
    )?;
    let standing = |(last_at, conv_id, last_seq, last_rev, joined_seq, delivered_seq, read_seq)| {
        (last_at, Standing { conv_id, last_seq, last_rev, joined_seq, delivered_seq, read_seq })
    };
    Ok((found.into_iter().map(standing).collect(), gates_of(link).await?))
}
