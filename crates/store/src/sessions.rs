//! Sessions: a login on one device. The token is never here, only its hash.

use crate::engine::{exec, record, row, rows};
use crate::{Error, Job, Result, Session, Store, limits, outbox};

record! {
    struct SessionRow {
        token_hash: Vec<u8>,
        user_id: i64,
        device: String,
        created_at: i64,
        used_at: i64,
        expires_at: i64,
    }
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        let SessionRow { token_hash, user_id, device, created_at, used_at, expires_at } = row;
        Self { token_hash, user_id, device, created_at, used_at, expires_at }
    }
}

impl Store {
    /// A person has 64 sessions at most; the one that was not used for the longest time gives way.
    /// With a `notice` the job to tell the owner of a confirmed address is written down in the same
    /// transaction.
    pub async fn create_session(&self, session: &Session, notice: Option<&Job>) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        let link = &mut tx.link();
        exec!(
            link,
            "DELETE FROM session WHERE token_hash IN (
               SELECT token_hash FROM session WHERE user_id = $1
                ORDER BY used_at DESC, token_hash LIMIT $2 OFFSET $3)",
            session.user_id,
            limits::SESSIONS_MAX,
            limits::SESSIONS_MAX - 1
        )?;
        exec!(
            link,
            "INSERT INTO session (token_hash, user_id, device, created_at, used_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            &session.token_hash,
            session.user_id,
            &session.device,
            session.created_at,
            session.used_at,
            session.expires_at
        )?;
        if let Some(job) = notice {
            let confirmed: Option<(i64,)> = row!(
                link,
                "SELECT user_id FROM app_user WHERE user_id = $1 AND email_ok = 1",
                session.user_id
            )?;
            if confirmed.is_some() {
                outbox::put(link, job, session.created_at).await?;
            }
        }
        tx.commit().await
    }

    /// The living session with this token hash; used_at and expires_at are moved at most once an
    /// hour. A session ends 30 days after its last use.
    pub async fn use_session(&self, token_hash: &[u8], now: i64) -> Result<Option<Session>> {
        let mut reader = self.directory().reader().await?;
        let found: Option<SessionRow> = row!(
            &mut reader.link(),
            "SELECT token_hash, user_id, device, created_at, used_at, expires_at FROM session
              WHERE token_hash = $1 AND expires_at > $2",
            token_hash,
            now
        )?;
        drop(reader);
        let Some(mut session) = found.map(Session::from) else {
            return Ok(None);
        };
        if session.used_at + limits::SESSION_TOUCH_MS <= now {
            match self.touch_session(token_hash, now).await {
                Ok(()) => {
                    session.used_at = now;
                    session.expires_at = now + limits::SESSION_MS;
                }
                // With a full disk people can still come and read.
                Err(Error::Full) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(session))
    }

    async fn touch_session(&self, token_hash: &[u8], now: i64) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        exec!(
            &mut tx.link(),
            "UPDATE session SET used_at = $2, expires_at = $3
              WHERE token_hash = $1 AND used_at < $2",
            token_hash,
            now,
            now + limits::SESSION_MS
        )?;
        tx.commit().await
    }

    /// The living sessions of a person, the last used one first.
    pub async fn sessions(&self, user_id: i64, now: i64) -> Result<Vec<Session>> {
        let mut reader = self.directory().reader().await?;
        let sessions: Vec<SessionRow> = rows!(
            &mut reader.link(),
            "SELECT token_hash, user_id, device, created_at, used_at, expires_at FROM session
              WHERE user_id = $1 AND expires_at > $2 ORDER BY used_at DESC, token_hash LIMIT $3",
            user_id,
            now,
            limits::SESSIONS_MAX
        )?;
        Ok(sessions.into_iter().map(Session::from).collect())
    }

    /// Ends the user's session whose hash begins with these 8 bytes. false: there is none.
    pub async fn end_session(&self, user_id: i64, hash_prefix: &[u8]) -> Result<bool> {
        if hash_prefix.len() < 8 {
            return Ok(false);
        }
        let mut tx = self.directory().begin_freeing().await?;
        let ended = exec!(
            &mut tx.link(),
            "DELETE FROM session WHERE user_id = $1 AND substr(token_hash, 1, $3) = $2",
            user_id,
            hash_prefix,
            hash_prefix.len() as i32
        )?;
        tx.commit().await?;
        Ok(ended > 0)
    }

    /// Ends all sessions of the user but this one; answers the ended hashes.
    pub async fn end_other_sessions(&self, user_id: i64, keep: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut tx = self.directory().begin_freeing().await?;
        let ended: Vec<(Vec<u8>,)> = rows!(
            &mut tx.link(),
            "DELETE FROM session WHERE user_id = $1 AND token_hash <> $2 RETURNING token_hash",
            user_id,
            keep
        )?;
        tx.commit().await?;
        Ok(ended.into_iter().map(|(hash,)| hash).collect())
    }
}
