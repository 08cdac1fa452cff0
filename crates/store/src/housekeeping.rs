//! Forgetting what has served its time, in small rounds, and checking that what is there is whole.

use std::sync::PoisonError;

use proto::limits::CLIENT_KEY_MS;

use crate::engine::{Database, Link, Tx, exec, row, rows};
use crate::{Error, Result, Store, limits};

/// The key of a row of `sent_key`: conversation, sender, client_key.
pub(crate) type KeyPosition = (i64, i64, i64);
pub(crate) const START: KeyPosition = (i64::MIN, i64::MIN, i64::MIN);

impl Store {
    /// One bounded round of forgetting (old client keys, ended sessions, spent mail tokens and
    /// jobs). How many rows went.
    ///
    /// `sent_key` has no index by time, which every send would pay for: a round looks at the next
    /// 10,000 rows in the order of their key and goes on there the next time. Call it every minute
    /// or so.
    pub async fn forget(&self, now: i64) -> Result<u64> {
        let mut gone = forget_sessions(self.directory(), now).await?;
        let mut away = None;
        for (part, database) in self.databases.all().enumerate() {
            let forgotten = match database {
                Ok(database) => self.forget_in(part, database, now - CLIENT_KEY_MS).await,
                Err(error) => Err(error),
            };
            match forgotten {
                Ok(rows) => gone += rows,
                // The others go on; it is told at the end.
                Err(error @ Error::Unavailable(_)) => away = Some(error),
                Err(error) => return Err(error),
            }
        }
        away.map_or(Ok(gone), Err)
    }

    async fn forget_in(&self, part: usize, database: &Database, before: i64) -> Result<u64> {
        let from = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner)[part];
        let (rows, reached) = forget_keys(database, from, before).await?;
        self.forgotten.lock().unwrap_or_else(PoisonError::into_inner)[part] = reached;
        Ok(rows + forget_group_keys(database, before).await?)
    }

    /// SQLite: `PRAGMA integrity_check`; both: dense seq, cursors in bounds. What is wrong, in
    /// sentences; empty = nothing. Reads everything: for an operator who asks, not for every start.
    pub async fn integrity(&self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for database in self.databases.all() {
            let database = database?;
            let tx = database.begin_long_read().await?;
            faults.extend(database.at_once(faults_of(tx)).await?);
        }
        Ok(faults)
    }
}

async fn faults_of(mut tx: Tx) -> Result<Vec<String>> {
    let link = &mut tx.link();
    let mut faults = Vec::new();
    if let Link::Sqlite(_) = link {
        let said: Vec<(String,)> = rows!(link, "PRAGMA integrity_check(20)")?;
        faults.extend(said.into_iter().map(|(line,)| line).filter(|line| line != "ok"));
    }
    faults.extend(holes(link).await?);
    faults.extend(cursors_out_of_bounds(link).await?);
    faults.extend(lost_keys(link).await?);
    faults.extend(wrong_counts(link).await?);
    Ok(faults)
}

async fn forget_sessions(directory: &Database, now: i64) -> Result<u64> {
    let mut tx = directory.begin_freeing().await?;
    let link = &mut tx.link();
    let sessions = exec!(
        link,
        "DELETE FROM session WHERE token_hash IN (
           SELECT token_hash FROM session WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        now,
        limits::FORGET_ROWS
    )?;
    let tokens = exec!(
        link,
        "DELETE FROM mail_token WHERE token_hash IN (
           SELECT token_hash FROM mail_token WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        now,
        limits::FORGET_ROWS
    )?;
    let jobs = exec!(
        link,
        "DELETE FROM mail_job WHERE (topic, id) IN (
           SELECT topic, id FROM mail_job WHERE until_at <= $1 ORDER BY until_at LIMIT $2)",
        now - limits::DEATHS_REMEMBERED_MS,
        limits::FORGET_ROWS
    )?;
    tx.commit().await?;
    Ok(sessions + tokens + jobs)
}

async fn forget_group_keys(database: &Database, before: i64) -> Result<u64> {
    let mut tx = database.begin_freeing().await?;
    let gone = exec!(
        &mut tx.link(),
        "DELETE FROM group_key WHERE (user_id, client_key) IN (
           SELECT user_id, client_key FROM group_key WHERE made_at < $1 ORDER BY made_at LIMIT $2)",
        before,
        limits::FORGET_ROWS
    )?;
    tx.commit().await?;
    Ok(gone)
}

/// How many keys went, and where the next round begins.
async fn forget_keys(
    database: &Database,
    from: KeyPosition,
    before: i64,
) -> Result<(u64, KeyPosition)> {
    let mut reader = database.reader().await?;
    let end: Option<KeyPosition> = row!(
        &mut reader.link(),
        "SELECT conv_id, sender_id, client_key FROM sent_key
          WHERE (conv_id, sender_id, client_key) > ($1, $2, $3)
          ORDER BY conv_id, sender_id, client_key LIMIT 1 OFFSET $4",
        from.0,
        from.1,
        from.2,
        limits::FORGET_ROWS
    )?;
    drop(reader);
    let to = end.unwrap_or((i64::MAX, i64::MAX, i64::MAX));
    let mut tx = database.begin_freeing().await?;
    let gone = exec!(
        &mut tx.link(),
        "DELETE FROM sent_key WHERE (conv_id, sender_id, client_key) > ($1, $2, $3)
            AND (conv_id, sender_id, client_key) <= ($4, $5, $6) AND sent_at < $7",
        from.0,
        from.1,
        from.2,
        to.0,
        to.1,
        to.2,
        before
    )?;
    tx.commit().await?;
    Ok((gone, end.unwrap_or(START)))
}

// `/* all */`: these four read whole tables, and the test of the plans lets them.

async fn holes(link: &mut Link<'_>) -> Result<Vec<String>> {
    let found: Vec<(i64, i64, i64, i64, i64)> = rows!(
        link,
        "/* all */ SELECT c.conv_id, c.last_seq, count(m.seq), COALESCE(min(m.seq), 1),
                COALESCE(max(m.seq), 0)
           FROM conversation c LEFT JOIN message m ON m.conv_id = c.conv_id
          WHERE ((c.conv_id >> 12) & 1023) NOT IN
                (SELECT shard FROM shard_gate WHERE shard >= 0 AND state >= 3)
          GROUP BY c.conv_id, c.last_seq
         HAVING count(m.seq) <> c.last_seq OR COALESCE(min(m.seq), 1) <> 1
             OR COALESCE(max(m.seq), 0) <> c.last_seq
          LIMIT $1",
        limits::FAULTS_MAX
    )?;
    let sentence = |(conv_id, last_seq, count, first, last)| {
        format!(
            "conversation {conv_id} should have messages 1 to {last_seq}, but has {count} from \
             {first} to {last}"
        )
    };
    Ok(found.into_iter().map(sentence).collect())
}

async fn cursors_out_of_bounds(link: &mut Link<'_>) -> Result<Vec<String>> {
    let found: Vec<(i64, i64)> = rows!(
        link,
        "/* all */ SELECT m.conv_id, m.user_id
           FROM member m LEFT JOIN conversation c ON c.conv_id = m.conv_id
          WHERE (c.conv_id IS NULL OR m.read_seq < 0 OR m.read_seq > m.delivered_seq
              OR m.delivered_seq > c.last_seq OR m.joined_seq < 0 OR m.joined_seq > c.last_seq
              OR m.mention_seq < 0 OR m.mention_seq > c.last_seq)
            AND ((m.conv_id >> 12) & 1023) NOT IN
                (SELECT shard FROM shard_gate WHERE shard >= 0 AND state >= 3)
          LIMIT $1",
        limits::FAULTS_MAX
    )?;
    let sentence = |(conv_id, user_id)| {
        format!("the cursors of {user_id} in conversation {conv_id} are out of bounds")
    };
    Ok(found.into_iter().map(sentence).collect())
}

async fn lost_keys(link: &mut Link<'_>) -> Result<Vec<String>> {
    let found: Vec<(i64, i64, i64)> = rows!(
        link,
        "/* all */ SELECT k.conv_id, k.sender_id, k.seq
           FROM sent_key k LEFT JOIN message m ON m.conv_id = k.conv_id AND m.seq = k.seq
            AND m.sender_id = k.sender_id
          WHERE m.seq IS NULL AND ((k.conv_id >> 12) & 1023) NOT IN
                (SELECT shard FROM shard_gate WHERE shard >= 0 AND state >= 3)
          LIMIT $1",
        limits::FAULTS_MAX
    )?;
    let sentence = |(conv_id, sender_id, seq)| {
        format!(
            "a key of {sender_id} leads to message {seq} of conversation {conv_id}, which is not \
             his"
        )
    };
    Ok(found.into_iter().map(sentence).collect())
}

async fn wrong_counts(link: &mut Link<'_>) -> Result<Vec<String>> {
    let found: Vec<(i64, i64, i64)> = rows!(
        link,
        "/* all */ SELECT c.conv_id, c.member_count, count(m.user_id)
           FROM conversation c LEFT JOIN member m ON m.conv_id = c.conv_id AND m.left_at IS NULL
          WHERE ((c.conv_id >> 12) & 1023) NOT IN
                (SELECT shard FROM shard_gate WHERE shard >= 0 AND state >= 3)
          GROUP BY c.conv_id, c.member_count HAVING count(m.user_id) <> c.member_count LIMIT $1",
        limits::FAULTS_MAX
    )?;
    let sentence = |(conv_id, told, count)| {
        format!("conversation {conv_id} says it has {told} members, but has {count}")
    };
    Ok(found.into_iter().map(sentence).collect())
}
