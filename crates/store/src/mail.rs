//! What mails need besides messages: whom they go to, what he wants of them, and the links in them.
//! All of it in the directory. A link's token is never here, only its hash.

use crate::engine::{Link, exec, record, row, rows};
use crate::{
    Door, Error, Job, NoticeSettings, Preview, Purpose, Recipient, Result, Store, limits, outbox,
};

record! {
    struct RecipientRow {
        handle: String,
        name: String,
        email: Option<String>,
        email_ok: i16,
        last_seen: i64,
        unwanted: i16,
        preview: i16,
        quiet_from: i16,
        quiet_to: i16,
        hides: i16,
        door: i16,
        door_url: String,
        door_key: String,
        door_fault: String,
        mailed_at: i64,
        mails: i16,
    }
}

impl RecipientRow {
    fn into_recipient(self, user_id: i64) -> Recipient {
        let settings = NoticeSettings {
            unwanted: self.unwanted != 0,
            door: match self.door {
                0 => Door::Mail,
                1 => Door::Webhook { url: self.door_url, key: self.door_key },
                _ => Door::Push { url: self.door_url },
            },
            preview: match self.preview {
                0 => Preview::Full,
                1 => Preview::Names,
                _ => Preview::None,
            },
            quiet_from: self.quiet_from.unsigned_abs(),
            quiet_to: self.quiet_to.unsigned_abs(),
            hide: self.hides != 0,
        };
        // Who has been online since the last mail starts over.
        let came_back = self.last_seen > self.mailed_at;
        let mails = if came_back { 0 } else { self.mails };
        Recipient {
            user_id,
            handle: self.handle,
            name: self.name,
            email: self.email,
            email_ok: self.email_ok != 0,
            settings,
            door_fault: self.door_fault,
            mailed_at: self.mailed_at,
            mails: mails.unsigned_abs().into(),
        }
    }
}

impl Store {
    /// None: there is no such person.
    pub async fn recipient(&self, user_id: i64) -> Result<Option<Recipient>> {
        let mut reader = self.directory().reader().await?;
        let found: Option<RecipientRow> = row!(
            &mut reader.link(),
            "SELECT u.handle, u.name, u.email, u.email_ok, u.last_seen, u.hides,
                    CAST(COALESCE(s.unwanted, 0) AS SMALLINT) AS unwanted,
                    CAST(COALESCE(s.preview, 0) AS SMALLINT) AS preview,
                    CAST(COALESCE(s.quiet_from, 0) AS SMALLINT) AS quiet_from,
                    CAST(COALESCE(s.quiet_to, 0) AS SMALLINT) AS quiet_to,
                    CAST(COALESCE(s.mails, 0) AS SMALLINT) AS mails,
                    CAST(COALESCE(s.door, 0) AS SMALLINT) AS door,
                    COALESCE(s.door_url, '') AS door_url, COALESCE(s.door_key, '') AS door_key,
                    COALESCE(s.door_fault, '') AS door_fault,
                    COALESCE(s.mailed_at, 0) AS mailed_at
               FROM app_user u LEFT JOIN mail_state s ON s.user_id = u.user_id
              WHERE u.user_id = $1",
            user_id
        )?;
        Ok(found.map(|row| row.into_recipient(user_id)))
    }

    /// What this person wants from now on. Through a door that he did not have before goes a first
    /// word: that it works is seen at once, and not when he is away.
    pub async fn set_notice_settings(
        &self,
        user_id: i64,
        wanted: &NoticeSettings,
        now: i64,
    ) -> Result<()> {
        let (door, url, key) = match &wanted.door {
            Door::Mail => (0_i16, "", ""),
            Door::Webhook { url, key } => (1, &**url, &**key),
            Door::Push { url } => (2, &**url, ""),
        };
        let preview = match wanted.preview {
            Preview::Full => 0_i16,
            Preview::Names => 1,
            Preview::None => 2,
        };
        let mut tx = self.directory().begin().await?;
        let link = &mut tx.link();
        let had: Option<(i16, String)> =
            row!(link, "SELECT door, door_url FROM mail_state WHERE user_id = $1", user_id)?;
        let is_new = had.is_none_or(|(had, had_url)| (had, &*had_url) != (door, url));
        exec!(
            link,
            "INSERT INTO mail_state (user_id, unwanted, preview, quiet_from, quiet_to, door,
                    door_url, door_key)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (user_id) DO UPDATE SET unwanted = $2, preview = $3, quiet_from = $4,
                    quiet_to = $5, door = $6, door_url = $7, door_key = $8",
            user_id,
            i16::from(wanted.unwanted),
            preview,
            wanted.quiet_from as i16,
            wanted.quiet_to as i16,
            door,
            url,
            key
        )?;
        if is_new {
            exec!(link, "UPDATE mail_state SET door_fault = '' WHERE user_id = $1", user_id)?;
        }
        if is_new && wanted.door != Door::Mail {
            outbox::put(link, &Job::Door { user_id }, now).await?;
        }
        let hides = i16::from(wanted.hide);
        exec!(link, "UPDATE app_user SET hides = $2 WHERE user_id = $1", user_id, hides)?;
        tx.commit().await
    }

    /// Why the last notice did not get through this person's door; empty: it did.
    pub async fn set_door_fault(&self, user_id: i64, why: &str) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        let sql = "UPDATE mail_state SET door_fault = $2 WHERE user_id = $1";
        exec!(&mut tx.link(), sql, user_id, why)?;
        tx.commit().await
    }

    /// No more notices about messages; everything else stays as it is set.
    pub async fn unsubscribe(&self, user_id: i64) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        exec!(
            &mut tx.link(),
            "INSERT INTO mail_state (user_id, unwanted) VALUES ($1, 1)
             ON CONFLICT (user_id) DO UPDATE SET unwanted = 1",
            user_id
        )?;
        tx.commit().await
    }

    /// Writes down that whoever shows a token of this hash until `expires_at` may do `purpose` for
    /// this person.
    pub async fn mail_token_create(
        &self,
        token_hash: &[u8],
        user_id: i64,
        purpose: Purpose,
        expires_at: i64,
    ) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        exec!(
            &mut tx.link(),
            "INSERT INTO mail_token (token_hash, user_id, purpose, expires_at)
             VALUES ($1, $2, $3, $4)",
            token_hash,
            user_id,
            purpose as i16,
            expires_at
        )?;
        tx.commit().await
    }

    /// Whose token it is, without using it up. None: unknown, used, over, for something else, or
    /// from before the account had its address.
    pub async fn mail_token_of(
        &self,
        token_hash: &[u8],
        purpose: Purpose,
        now: i64,
    ) -> Result<Option<i64>> {
        let mut reader = self.directory().reader().await?;
        let found: Option<(i64,)> = row!(
            &mut reader.link(),
            "SELECT user_id FROM mail_token
              WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3 AND expires_at >= $4 +
                    (SELECT address_at FROM app_user u WHERE u.user_id = mail_token.user_id)",
            token_hash,
            purpose as i16,
            now,
            purpose.lives_ms()
        )?;
        Ok(found.map(|(user_id,)| user_id))
    }

    /// Gives the account an address that is not confirmed, and writes down that a mail asks whether
    /// it is his. The same again: only another mail. false: it is confirmed already, and nothing
    /// happens. `Taken("email")`: another account has it.
    pub async fn set_address(&self, user_id: i64, email: &str, now: i64) -> Result<bool> {
        let mut tx = self.directory().begin().await?;
        let link = &mut tx.link();
        let owner: Option<(i64, i16)> =
            row!(link, "SELECT user_id, email_ok FROM app_user WHERE email = $1", email)?;
        match owner {
            Some((owner, _)) if owner != user_id => return Err(Error::Taken("email")),
            Some((_, 0)) => {}
            Some(_) => return Ok(false),
            None => exec!(
                link,
                "UPDATE app_user SET email = $2, email_ok = 0, address_at = $3 WHERE user_id = $1",
                user_id,
                email,
                now
            )
            .map(drop)?,
        }
        outbox::put(link, &Job::Confirm { user_id }, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Uses the token up: the address is this person's. None as in `mail_token_of`.
    pub async fn confirm_address(&self, token_hash: &[u8], now: i64) -> Result<Option<i64>> {
        let mut tx = self.directory().begin().await?;
        let link = &mut tx.link();
        let Some(user_id) = take(link, token_hash, Purpose::Confirm, now).await? else {
            return Ok(None);
        };
        exec!(link, "UPDATE app_user SET email_ok = 1 WHERE user_id = $1", user_id)?;
        tx.commit().await?;
        Ok(Some(user_id))
    }

    /// Uses the token up, sets the password and ends all sessions: (person, ended hashes). None as
    /// in `mail_token_of`.
    pub async fn reset_password(
        &self,
        token_hash: &[u8],
        pass_hash: &str,
        now: i64,
    ) -> Result<Option<(i64, Vec<Vec<u8>>)>> {
        let mut tx = self.directory().begin().await?;
        let link = &mut tx.link();
        let Some(user_id) = take(link, token_hash, Purpose::Reset, now).await? else {
            return Ok(None);
        };
        exec!(link, "UPDATE app_user SET pass_hash = $2 WHERE user_id = $1", user_id, pass_hash)?;
        let ended: Vec<(Vec<u8>,)> =
            rows!(link, "DELETE FROM session WHERE user_id = $1 RETURNING token_hash", user_id)?;
        tx.commit().await?;
        let ended = ended.into_iter().map(|(hash,)| hash).collect();
        Ok(Some((user_id, ended)))
    }

    /// Writes down that the owner of this confirmed address forgot his password. An unknown
    /// or unconfirmed address, or one that was asked for a few minutes ago: nothing happens, and
    /// nobody learns which it was.
    pub async fn ask_reset(&self, email: &str, now: i64) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        let link = &mut tx.link();
        let found: Option<(i64,)> = row!(
            link,
            "UPDATE app_user SET reset_at = $2
              WHERE email = $1 AND email_ok = 1 AND reset_at <= $3 RETURNING user_id",
            email,
            now,
            now - limits::RESET_PAUSE_MS
        )?;
        if let Some((user_id,)) = found {
            outbox::put(link, &Job::Reset { user_id }, now).await?;
        }
        tx.commit().await
    }
}

/// Deleting is what makes it one-use: of two who come at once only one gets the row.
async fn take(
    link: &mut Link<'_>,
    token_hash: &[u8],
    purpose: Purpose,
    now: i64,
) -> Result<Option<i64>> {
    let taken: Option<(i64,)> = row!(
        link,
        "DELETE FROM mail_token
          WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3 AND expires_at >= $4 +
                (SELECT address_at FROM app_user u WHERE u.user_id = mail_token.user_id)
         RETURNING user_id",
        token_hash,
        purpose as i16,
        now,
        purpose.lives_ms()
    )?;
    Ok(taken.map(|(user_id,)| user_id))
}
