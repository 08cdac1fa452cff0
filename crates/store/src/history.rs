//! Reading the log: pages in either direction, what was changed, and a search that looks at a
//! bounded window.

use std::collections::HashMap;

use proto::limits::{PAGE_BYTES_MAX, PAGE_MESSAGES_DEFAULT, PAGE_MESSAGES_MAX, SEARCH_WINDOW};
use proto::{Message, Reaction, history};

use crate::engine::{Link, each, record, row, rows};
use crate::shards::read_at;
use crate::{Error, Result, Store};

record! {
    pub(crate) struct MessageRow {
        pub(crate) conv_id: i64,
        pub(crate) seq: i64,
        pub(crate) sender_id: i64,
        pub(crate) sent_at: i64,
        pub(crate) rev: Option<i64>,
        pub(crate) edited_at: Option<i64>,
        pub(crate) kind: i16,
        pub(crate) reply_seq: Option<i64>,
        pub(crate) body: String,
    }
}

impl MessageRow {
    pub(crate) fn into_message(self) -> Message {
        Message {
            conv_id: self.conv_id,
            seq: self.seq,
            sender_id: self.sender_id,
            sent_at: self.sent_at,
            kind: i32::from(self.kind),
            body: self.body,
            reply_seq: self.reply_seq.unwrap_or_default(),
            rev: self.rev.unwrap_or_default(),
            edited_at: self.edited_at.unwrap_or_default(),
            reactions: Vec::new(),
        }
    }
}

impl Store {
    /// `(messages, more)`; oldest first (`after_rev`: in rev order). Cut at `limit` messages (0 =
    /// 50, at most 100) and `PAGE_BYTES_MAX`. NotFound if `me` is no member; nothing from before he
    /// joined.
    pub async fn history(
        &self,
        me: i64,
        conv_id: i64,
        from: history::From,
        limit: u32,
    ) -> Result<(Vec<Message>, bool)> {
        read_at!(self, conv_id, link => page(link, me, conv_id, &from, limit).await)
    }

    /// `(messages newest first, scanned_to)`: everything from `scanned_to` on was looked at; 0 =
    /// down to the beginning. Looks at 2,000 messages before `before_seq` (0 = the end); small and
    /// large ASCII letters are the same. NotFound if `me` is no member.
    pub async fn search(
        &self,
        me: i64,
        conv_id: i64,
        text: &str,
        before_seq: i64,
        limit: u32,
    ) -> Result<(Vec<Message>, i64)> {
        read_at!(self, conv_id, link => found(link, me, conv_id, text, before_seq, limit).await)
    }
}

async fn page(
    link: &mut Link<'_>,
    me: i64,
    conv_id: i64,
    from: &history::From,
    limit: u32,
) -> Result<(Vec<Message>, bool)> {
    let joined_seq = joined_seq(link, me, conv_id).await?;
    let limit = page_limit(limit);
    // One more than wanted: that it exists is the answer to "more?".
    let found: Vec<MessageRow> = match *from {
        history::From::BeforeSeq(seq) => rows!(
            link,
            "SELECT conv_id, seq, sender_id, sent_at, rev, edited_at, kind, reply_seq, body
               FROM message WHERE conv_id = $1 AND seq > $2 AND seq < $3
              ORDER BY seq DESC LIMIT $4",
            conv_id,
            joined_seq,
            if seq == 0 { i64::MAX } else { seq },
            limit + 1
        )?,
        history::From::AfterSeq(seq) => rows!(
            link,
            "SELECT conv_id, seq, sender_id, sent_at, rev, edited_at, kind, reply_seq, body
               FROM message WHERE conv_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            conv_id,
            seq.max(joined_seq),
            limit + 1
        )?,
        history::From::AfterRev(rev) => rows!(
            link,
            "SELECT conv_id, seq, sender_id, sent_at, rev, edited_at, kind, reply_seq, body
               FROM message WHERE conv_id = $1 AND rev > $2 AND rev IS NOT NULL AND seq > $3
              ORDER BY rev LIMIT $4",
            conv_id,
            rev,
            joined_seq,
            limit + 1
        )?,
    };
    let mut page: Vec<Message> = found.into_iter().map(MessageRow::into_message).collect();
    load_reactions(link, conv_id, &mut page).await?;
    let more = cut(&mut page, limit);
    if let history::From::BeforeSeq(_) = from {
        page.reverse();
    }
    Ok((page, more))
}

async fn found(
    link: &mut Link<'_>,
    me: i64,
    conv_id: i64,
    text: &str,
    before_seq: i64,
    limit: u32,
) -> Result<(Vec<Message>, i64)> {
    let joined_seq = joined_seq(link, me, conv_id).await?;
    let end = match before_seq {
        0 => last_seq(link, conv_id).await? + 1,
        seq => seq,
    };
    let floor = joined_seq.max(end.saturating_sub(i64::from(SEARCH_WINDOW) + 1));
    let limit = page_limit(limit);
    let found: Vec<MessageRow> = rows!(
        link,
        [
            "SELECT conv_id, seq, sender_id, sent_at, rev, edited_at, kind, reply_seq, body
               FROM message WHERE conv_id = $1 AND seq > $2 AND seq < $3 AND kind = 0
                AND instr(lower(body), $4) > 0 ORDER BY seq DESC LIMIT $5",
            // COLLATE "C": lower() shall know ASCII only, as SQLite's does.
            "SELECT conv_id, seq, sender_id, sent_at, rev, edited_at, kind, reply_seq, body
               FROM message WHERE conv_id = $1 AND seq > $2 AND seq < $3 AND kind = 0
                AND strpos(lower(body COLLATE \"C\"), $4) > 0 ORDER BY seq DESC LIMIT $5"
        ],
        conv_id,
        floor,
        end,
        text.to_ascii_lowercase(),
        limit + 1
    )?;
    let mut page: Vec<Message> = found.into_iter().map(MessageRow::into_message).collect();
    load_reactions(link, conv_id, &mut page).await?;
    let scanned_to = match (cut(&mut page, limit), page.last()) {
        (true, Some(last)) => last.seq,
        _ if floor <= joined_seq => 0,
        _ => floor + 1,
    };
    Ok((page, scanned_to))
}

fn page_limit(limit: u32) -> i64 {
    match limit {
        0 => PAGE_MESSAGES_DEFAULT.into(),
        limit => limit.min(PAGE_MESSAGES_MAX).into(),
    }
}

/// What the person may see: messages with a larger seq. NotFound if he is no member.
async fn joined_seq(link: &mut Link<'_>, me: i64, conv_id: i64) -> Result<i64> {
    let member: Option<(i64,)> = row!(
        link,
        "SELECT joined_seq FROM member WHERE conv_id = $1 AND user_id = $2 AND left_at IS NULL",
        conv_id,
        me
    )?;
    member.map(|(seq,)| seq).ok_or(Error::NotFound)
}

async fn last_seq(link: &mut Link<'_>, conv_id: i64) -> Result<i64> {
    let found: Option<(i64,)> =
        row!(link, "SELECT last_seq FROM conversation WHERE conv_id = $1", conv_id)?;
    found.map(|(seq,)| seq).ok_or(Error::NotFound)
}

/// The reactions to these messages of one conversation, in one query. Emoji and people in a fixed
/// order.
pub(crate) async fn load_reactions(
    link: &mut Link<'_>,
    conv_id: i64,
    messages: &mut [Message],
) -> Result<()> {
    // A message that was never touched has none, and most pages have no other.
    let touched: Vec<i64> =
        messages.iter().filter(|message| message.rev > 0).map(|message| message.seq).collect();
    if touched.is_empty() {
        return Ok(());
    }
    let rows: Vec<(i64, String, i64)> = each!(
        fetch_all query_as, link, [conv_id],
        sqlite(&touched) "SELECT value AS seq FROM json_each($2)",
        postgres(&touched) "SELECT unnest($2::bigint[]) AS seq",
        "SELECT r.seq, r.emoji, r.user_id FROM input
           JOIN reaction r ON r.conv_id = $1 AND r.seq = input.seq"
    )?;
    let mut of_message: HashMap<i64, Vec<(String, i64)>> = HashMap::new();
    for (seq, emoji, user_id) in rows {
        of_message.entry(seq).or_default().push((emoji, user_id));
    }
    for message in messages {
        if let Some(rows) = of_message.remove(&message.seq) {
            message.reactions = grouped(rows);
        }
    }
    Ok(())
}

/// One `Reaction` for each emoji. Sorted here, because two databases may not sort emoji alike.
pub(crate) fn grouped(mut rows: Vec<(String, i64)>) -> Vec<Reaction> {
    rows.sort_unstable();
    let mut reactions: Vec<Reaction> = Vec::new();
    for (emoji, user_id) in rows {
        match reactions.last_mut() {
            Some(reaction) if reaction.emoji == emoji => reaction.user_ids.push(user_id),
            _ => reactions.push(Reaction { emoji, user_ids: vec![user_id] }),
        }
    }
    reactions
}

/// Cuts a page to `limit` messages and `PAGE_BYTES_MAX`; one message always fits. Whether anything
/// was cut off.
fn cut(page: &mut Vec<Message>, limit: i64) -> bool {
    let mut bytes = 0;
    let mut keep = 0;
    for message in page.iter().take(limit as usize) {
        bytes += encoded_bytes_max(message);
        if bytes > PAGE_BYTES_MAX && keep > 0 {
            break;
        }
        keep += 1;
    }
    let more = page.len() > keep;
    page.truncate(keep);
    more
}

/// No fewer bytes than the message takes in a Protobuf page.
fn encoded_bytes_max(message: &Message) -> usize {
    const NUMBERS: usize = 96;
    const PERSON: usize = 10;
    let reaction =
        |reaction: &Reaction| reaction.emoji.len() + 16 + PERSON * reaction.user_ids.len();
    NUMBERS + message.body.len() + message.reactions.iter().map(reaction).sum::<usize>()
}
