//! Looking for messages in the copy. The index answers what may fit; every answer is compared with
//! what is sought. What is too short for the index is looked for in the messages themselves.

use super::{Cache, read_message};
use crate::limits::{SEARCH_LOOKED_MAX, SEARCH_STEP};
use crate::search::Sought;
use crate::types::{Below, Found, Result};

/// Before everything that was ever sent.
const FROM_THE_NEWEST: Below = Below { sent_at: i64::MAX, id: i64::MAX };

impl Cache {
    /// See [`crate::Client::search`].
    pub(crate) async fn search(
        &self,
        sought: &Sought,
        below: Option<Below>,
        limit: usize,
    ) -> Result<Found> {
        let grams = sought.grams();
        let mut below = below.unwrap_or(FROM_THE_NEWEST);
        let mut messages = Vec::new();
        let mut looked = 0;
        while looked < SEARCH_LOOKED_MAX {
            let rows = self.candidates(grams.as_deref(), below).await?;
            looked += rows.len();
            let whole = rows.len() < SEARCH_STEP as usize;
            for (id, sent_at, frame) in rows {
                below = Below { sent_at, id };
                messages.extend(read_message(&frame).filter(|message| sought.finds(message)));
                if messages.len() >= limit {
                    return Ok(Found { messages, below: Some(below) });
                }
            }
            if whole {
                return Ok(Found { messages, below: None });
            }
        }
        Ok(Found { messages, below: Some(below) })
    }

    /// What may fit, newest first, all conversations.
    async fn candidates(
        &self,
        grams: Option<&str>,
        below: Below,
    ) -> Result<Vec<(i64, i64, Vec<u8>)>> {
        let sql = match grams {
            Some(_) => {
                "SELECT id, sent_at, frame FROM message_text JOIN message \
                 ON id = message_text.rowid WHERE message_text MATCH $4 \
                 AND (sent_at, id) < ($1, $2) ORDER BY sent_at DESC, id DESC LIMIT $3"
            }
            None => {
                "SELECT id, sent_at, frame FROM message WHERE (sent_at, id) < ($1, $2) \
                 ORDER BY sent_at DESC, id DESC LIMIT $3"
            }
        };
        let mut asked = sqlx::query_as(sql).bind(below.sent_at).bind(below.id).bind(SEARCH_STEP);
        if let Some(grams) = grams {
            asked = asked.bind(grams);
        }
        Ok(asked.fetch_all(&self.readers).await?)
    }

    /// See [`crate::Client::search_in`].
    pub(crate) async fn search_in(
        &self,
        conv_id: i64,
        sought: &Sought,
        seq: i64,
        up: bool,
    ) -> Result<Option<i64>> {
        let grams = sought.grams();
        let mut from = seq;
        loop {
            let rows = self.candidates_in(conv_id, grams.as_deref(), from, up).await?;
            let whole = rows.len() < SEARCH_STEP as usize;
            for (seq, frame) in rows {
                from = seq;
                if read_message(&frame).is_some_and(|message| sought.finds(&message)) {
                    return Ok(Some(seq));
                }
            }
            if whole {
                return Ok(None);
            }
        }
    }

    /// What may fit in one conversation, the nearest first.
    async fn candidates_in(
        &self,
        conv_id: i64,
        grams: Option<&str>,
        from: i64,
        up: bool,
    ) -> Result<Vec<(i64, Vec<u8>)>> {
        let sql = match (grams.is_some(), up) {
            (true, true) => {
                "SELECT seq, frame FROM message_text JOIN message ON id = message_text.rowid \
                 WHERE message_text MATCH $4 AND conv_id = $1 AND seq < $2 \
                 ORDER BY seq DESC LIMIT $3"
            }
            (true, false) => {
                "SELECT seq, frame FROM message_text JOIN message ON id = message_text.rowid \
                 WHERE message_text MATCH $4 AND conv_id = $1 AND seq > $2 \
                 ORDER BY seq LIMIT $3"
            }
            (false, true) => {
                "SELECT seq, frame FROM message WHERE conv_id = $1 AND seq < $2 \
                 ORDER BY seq DESC LIMIT $3"
            }
            (false, false) => {
                "SELECT seq, frame FROM message WHERE conv_id = $1 AND seq > $2 \
                 ORDER BY seq LIMIT $3"
            }
        };
        let mut asked = sqlx::query_as(sql).bind(conv_id).bind(from).bind(SEARCH_STEP);
        if let Some(grams) = grams {
            asked = asked.bind(grams);
        }
        Ok(asked.fetch_all(&self.readers).await?)
    }
}
