//! Nudges: "this person has something unread", one row per person and database, however many
//! messages arrive. When it is due the cursors are asked; a row that was for nothing costs no mail.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use proto::{ConversationKind, Receipt};

use crate::engine::{Database, Done, Link, each, exec, record, row, rows};
use crate::shards::read_at;
use crate::shards::{Gates, gates_of, of_all};
use crate::{Error, Reached, Result, Store, Unread, limits};

/// A nudge for each of `away` who has none; and one who has just read something is not kept waiting
/// for the rest of a pause that began before he came.
///
/// The row is locked although it is not changed: who deletes it (`nudge_drop`) waits for this
/// transaction and sees its messages.
pub(crate) async fn write(
    link: &mut Link<'_>,
    away: &BTreeSet<i64>,
    readers: &BTreeSet<i64>,
    now: i64,
) -> Result<()> {
    let due_at = now + limits::NUDGE_FIRST_MS;
    if !away.is_empty() {
        let _: Done = each!(
            execute query, link, [due_at],
            rows(away.iter().map(|id| (id,))) "SELECT $2 AS user_id",
            postgres(away.iter().copied().collect::<Vec<_>>())
                "SELECT unnest($2::bigint[]) AS user_id",
            "INSERT INTO nudge (user_id, due_at) SELECT user_id, $1 FROM input WHERE 1 = 1
             ON CONFLICT (user_id) DO UPDATE SET due_at = nudge.due_at WHERE 1 = 0"
        )?;
    }
    if !readers.is_empty() {
        let _: Done = each!(
            execute query, link, [due_at],
            rows(readers.iter().map(|id| (id,))) "SELECT $2 AS user_id",
            postgres(readers.iter().copied().collect::<Vec<_>>())
                "SELECT unnest($2::bigint[]) AS user_id",
            "UPDATE nudge SET due_at = $1 FROM input
              WHERE nudge.user_id = input.user_id AND nudge.due_at > $1"
        )?;
    }
    Ok(())
}

impl Store {
    /// Up to `limit` people (from each database) whose nudge is due, leased until `lease_until`.
    pub async fn nudge_claim(&self, now: i64, lease_until: i64, limit: u32) -> Result<Vec<i64>> {
        let mut people = BTreeSet::new();
        for database in self.databases.all() {
            let mut tx = database?.begin().await?;
            let claimed: Vec<(i64,)> = rows!(
                &mut tx.link(),
                [
                    "UPDATE nudge SET due_at = $2
                      WHERE user_id IN (SELECT user_id FROM nudge WHERE due_at <= $1
                                         ORDER BY due_at, user_id LIMIT $3)
                     RETURNING user_id",
                    "UPDATE nudge SET due_at = $2
                      WHERE user_id IN (SELECT user_id FROM nudge WHERE due_at <= $1
                                         ORDER BY due_at, user_id LIMIT $3
                                           FOR UPDATE SKIP LOCKED)
                     RETURNING user_id"
                ],
                now,
                lease_until,
                i64::from(limit)
            )?;
            tx.commit().await?;
            people.extend(claimed.into_iter().map(|(user_id,)| user_id));
        }
        Ok(people.into_iter().collect())
    }

    /// These people's nudges, as they were claimed (`due_at` is the lease that was given), are due
    /// at `moved_to`. A nudge that somebody else has moved meanwhile stays as it is.
    pub async fn nudge_move(&self, people: &[i64], due_at: i64, moved_to: i64) -> Result<()> {
        for database in self.databases.all() {
            let mut tx = database?.begin().await?;
            let _: Done = each!(
                execute query, &mut tx.link(), [due_at, moved_to],
                sqlite(people) "SELECT value AS user_id FROM json_each($3)",
                postgres(people) "SELECT unnest($3::bigint[]) AS user_id",
                "UPDATE nudge SET due_at = $2
                  WHERE user_id IN (SELECT user_id FROM input) AND due_at = $1"
            )?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Where this person has something unread that a mail may tell of, as the cursors stand now:
    /// direct conversations and mentions, not muted, not closed by a block. The newest first, at
    /// most 50.
    pub async fn unread(&self, user_id: i64, now: i64) -> Result<Vec<Unread>> {
        let asked = |database| unread_of(database, user_id, now);
        let Reached { found: mut all, away } = of_all!(self, asked);
        if !away.is_empty() {
            // A mail is not in a hurry, and this one would not tell of everything.
            return Err(Error::Unavailable("not every database answers".to_owned()));
        }
        all.sort_unstable_by_key(|row| (row.conv_id, Reverse(row.last_seq)));
        all.dedup_by_key(|row| row.conv_id);
        all.sort_by_key(|row| Reverse(row.last_at));
        all.truncate(limits::UNREAD_MAX as usize);
        Ok(all.into_iter().map(|row| row.into_unread(user_id)).collect())
    }

    /// A nudge for who went away and has something unread: he may have been online when it came.
    pub async fn nudge_left(&self, user_id: i64, now: i64) -> Result<()> {
        let mut written = Ok(());
        for database in self.databases.all() {
            // One that is away keeps nobody from being nudged in the others.
            written = written.and(match database {
                Ok(database) => left_in(database, user_id, now).await,
                Err(error) => Err(error),
            });
        }
        written
    }

    /// The person's nudges are due again at `due_at`.
    pub async fn nudge_postpone(&self, user_id: i64, due_at: i64) -> Result<()> {
        for database in self.databases.all() {
            let mut tx = database?.begin().await?;
            postpone(&mut tx.link(), user_id, due_at).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// There is nothing to mail this person about that was stored at `told_until` or later. Where
    /// something has come up meanwhile, the nudge stays.
    pub async fn nudge_drop(&self, user_id: i64, told_until: i64, now: i64) -> Result<()> {
        for database in self.databases.all() {
            drop_in(database?, user_id, told_until, now).await?;
        }
        Ok(())
    }

    /// A mail has told this person of everything unread: counted, and the next pause begins.
    pub async fn nudge_mailed(&self, user_id: i64, mails: u32, now: i64) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        exec!(
            &mut tx.link(),
            "INSERT INTO mail_state (user_id, mailed_at, mails) VALUES ($1, $2, $3)
             ON CONFLICT (user_id) DO UPDATE SET mailed_at = $2, mails = $3",
            user_id,
            now,
            i16::try_from(mails).unwrap_or(i16::MAX)
        )?;
        tx.commit().await
    }
}

impl Store {
    /// When this person's nudge in the database of this conversation is due. None: there is none,
    /// or he has muted the conversation.
    pub async fn nudge_due(&self, user_id: i64, conv_id: i64, now: i64) -> Result<Option<i64>> {
        let found: Option<(i64,)> = read_at!(self, conv_id, link => row!(
            link,
            "SELECT n.due_at FROM nudge n JOIN member me ON me.user_id = n.user_id
              WHERE n.user_id = $1 AND me.conv_id = $2 AND me.muted_until <= $3",
            user_id,
            conv_id,
            now
        ))?;
        Ok(found.map(|(due_at,)| due_at))
    }

    /// A mail has told this person of these conversations, each up to a seq. The receipts that say
    /// so; none where a mail had told him of as much before.
    pub async fn mark_mailed(
        &self,
        user_id: i64,
        told: &[(i64, i64)],
        now: i64,
    ) -> Result<Vec<Receipt>> {
        let mut receipts = Vec::with_capacity(told.len());
        for &(conv_id, mailed_seq) in told {
            let mut tx = self.begin_at(conv_id).await?;
            let marked: Option<(i64, i64)> = row!(
                &mut tx.link(),
                "UPDATE member SET mailed_seq = $3, mailed_at = $4
                  WHERE conv_id = $1 AND user_id = $2 AND mailed_seq < $3 AND left_at IS NULL
                 RETURNING delivered_seq, read_seq",
                conv_id,
                user_id,
                mailed_seq,
                now
            )?;
            tx.commit().await?;
            receipts.extend(marked.map(|(delivered_seq, read_seq)| Receipt {
                conv_id,
                user_id,
                delivered_seq,
                read_seq,
                at: now,
                mailed_seq,
                mailed_at: now,
            }));
        }
        Ok(receipts)
    }
}

async fn left_in(database: &Database, user_id: i64, now: i64) -> Result<()> {
    let mut reader = database.reader().await?;
    let unread = unread_in(&mut reader.link(), user_id, now).await?;
    drop(reader);
    if unread.is_empty() {
        return Ok(());
    }
    let mut tx = database.begin().await?;
    write(&mut tx.link(), &BTreeSet::from([user_id]), &BTreeSet::new(), now).await?;
    tx.commit().await
}

async fn postpone(link: &mut Link<'_>, user_id: i64, due_at: i64) -> Result<()> {
    exec!(link, "UPDATE nudge SET due_at = $2 WHERE user_id = $1", user_id, due_at)?;
    Ok(())
}

/// First the row, then the look: a send that is under way holds the row, so it is waited for.
async fn drop_in(database: &Database, user_id: i64, told_until: i64, now: i64) -> Result<()> {
    let mut tx = database.begin_freeing().await?;
    let link = &mut tx.link();
    let held: Option<(i64,)> = row!(
        link,
        [
            "SELECT due_at FROM nudge WHERE user_id = $1",
            "SELECT due_at FROM nudge WHERE user_id = $1 FOR UPDATE"
        ],
        user_id
    )?;
    let unread = unread_in(link, user_id, now).await?;
    if held.is_some() && unread.iter().all(|row| row.last_at < told_until) {
        exec!(link, "DELETE FROM nudge WHERE user_id = $1", user_id)?;
    }
    tx.commit().await
}

record! {
    struct UnreadRow {
        conv_id: i64,
        dm_lo: Option<i64>,
        dm_hi: Option<i64>,
        title: Option<String>,
        read_seq: i64,
        last_seq: i64,
        last_at: i64,
        since: i64,
    }
}

impl UnreadRow {
    fn into_unread(self, user_id: i64) -> Unread {
        let peer_id = match (self.dm_lo, self.dm_hi) {
            (Some(lo), Some(hi)) if lo == user_id => hi,
            (Some(lo), Some(_)) => lo,
            _ => 0,
        };
        Unread {
            conv_id: self.conv_id,
            peer_id,
            title: self.title.unwrap_or_default(),
            read_seq: self.read_seq,
            last_seq: self.last_seq,
            since: self.since,
            last_at: self.last_at,
        }
    }
}

async fn unread_of(database: &Database, user_id: i64, now: i64) -> Result<(Vec<UnreadRow>, Gates)> {
    let mut reader = database.reader().await?;
    let link = &mut reader.link();
    Ok((unread_in(link, user_id, now).await?, gates_of(link).await?))
}

async fn unread_in(link: &mut Link<'_>, user_id: i64, now: i64) -> Result<Vec<UnreadRow>> {
    rows!(
        link,
        "SELECT c.conv_id, c.dm_lo, c.dm_hi, c.title, me.read_seq, c.last_seq, c.last_at,
                COALESCE(m.sent_at, c.last_at) AS since
           FROM member me JOIN conversation c ON c.conv_id = me.conv_id
           LEFT JOIN message m ON m.conv_id = me.conv_id AND m.seq = me.read_seq + 1
          WHERE me.user_id = $1 AND me.left_at IS NULL AND c.last_seq > me.read_seq
            AND me.muted_until <= $2 AND c.dm_block = 0
            AND (c.kind = $3 OR me.mention_seq > me.read_seq)
            AND ((c.conv_id >> 12) & 1023) NOT IN
                (SELECT shard FROM shard_gate WHERE shard >= 0 AND state >= 3)
          ORDER BY c.last_at DESC LIMIT $4",
        user_id,
        now,
        ConversationKind::Direct as i16,
        limits::UNREAD_MAX
    )
}
