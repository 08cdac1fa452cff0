//! The table `outbox`: facts that must leave the database, written in the transaction that made
//! them true. `docs/flows/notify.md` tells where they go.
//!
//! A claim is a lease: it moves `due_at` ahead. Who dies with it gives it back by doing nothing.

use proto::id;

use crate::engine::{Done, Link, each, exec, row, rows};
use crate::{Claimed, DeadJob, Error, Job, Result, Store, Turn, WaitingJob, limits};

/// Writes a job down beside what caused it.
pub(crate) async fn put(link: &mut Link<'_>, job: &Job, now: i64) -> Result<()> {
    let payload = serde_json::to_vec(job).expect("numbers and names always have a JSON form");
    for _ in 0..limits::ID_TRIES {
        let written = exec!(
            link,
            "INSERT INTO outbox (id, topic, payload, due_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            id::new(0, now),
            job.topic(),
            &payload,
            now
        )?;
        if written == 1 {
            return Ok(());
        }
    }
    Err(Error::Unavailable("no free number for a job".into()))
}

fn read(payload: &[u8]) -> Result<Job> {
    serde_json::from_slice(payload).map_err(|error| Error::Internal(format!("a job: {error}")))
}

impl Store {
    /// Up to `limit` jobs that are due, leased until `lease_until`: nobody else gets them before.
    /// A row that this program cannot read goes to the dead ones at once.
    pub async fn outbox_claim(
        &self,
        now: i64,
        lease_until: i64,
        limit: u32,
    ) -> Result<Vec<Claimed>> {
        let mut tx = self.directory().begin().await?;
        let link = &mut tx.link();
        let mut rows: Vec<(i64, Vec<u8>, i16)> = rows!(
            link,
            [
                "UPDATE outbox SET due_at = $2, attempts = attempts + 1
                  WHERE id IN (SELECT id FROM outbox WHERE due_at <= $1
                                ORDER BY due_at, id LIMIT $3)
                 RETURNING id, payload, attempts",
                "UPDATE outbox SET due_at = $2, attempts = attempts + 1
                  WHERE id IN (SELECT id FROM outbox WHERE due_at <= $1
                                ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED)
                 RETURNING id, payload, attempts"
            ],
            now,
            lease_until,
            i64::from(limit)
        )?;
        rows.sort_unstable_by_key(|(id, ..)| *id);
        let mut claimed = Vec::with_capacity(rows.len());
        for (id, payload, attempts) in rows {
            match read(&payload) {
                Ok(job) => {
                    claimed.push(Claimed { id, job, attempts: attempts.unsigned_abs().into() })
                }
                Err(error) => bury(link, id, &error.to_string(), now).await?,
            }
        }
        tx.commit().await?;
        Ok(claimed)
    }

    /// These jobs have been done, or somebody who does not forget has taken them over.
    pub async fn outbox_done(&self, ids: &[i64]) -> Result<()> {
        let mut tx = self.directory().begin_freeing().await?;
        let _: Done = each!(
            execute query, &mut tx.link(), [],
            sqlite(ids) "SELECT value AS id FROM json_each($1)",
            postgres(ids) "SELECT unnest($1::bigint[]) AS id",
            "DELETE FROM outbox WHERE id IN (SELECT id FROM input)"
        )?;
        tx.commit().await
    }

    /// These jobs could not be done now; they are due again at `due_at`.
    pub async fn outbox_release(&self, ids: &[i64], due_at: i64) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        let _: Done = each!(
            execute query, &mut tx.link(), [due_at],
            sqlite(ids) "SELECT value AS id FROM json_each($2)",
            postgres(ids) "SELECT unnest($2::bigint[]) AS id",
            "UPDATE outbox SET due_at = $1 WHERE id IN (SELECT id FROM input)"
        )?;
        tx.commit().await
    }

    /// The job is given up; it waits for a person, with the reason.
    pub async fn outbox_dead(&self, id: i64, why: &str, now: i64) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        bury(&mut tx.link(), id, why, now).await?;
        tx.commit().await
    }

    /// A job that has left the outbox is given up: as `outbox_dead`. `payload` is what the queue
    /// held, readable or not.
    pub async fn job_bury(
        &self,
        id: i64,
        topic: &str,
        payload: &[u8],
        why: &str,
        now: i64,
    ) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        exec!(
            &mut tx.link(),
            "INSERT INTO outbox_dead (id, topic, payload, why, died_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
            id,
            topic,
            payload,
            why,
            now
        )?;
        tx.commit().await
    }

    /// The jobs that were given up, the oldest first; at most 1,000.
    pub async fn dead_jobs(&self) -> Result<Vec<DeadJob>> {
        let mut reader = self.directory().reader().await?;
        let rows: Vec<(i64, String, Vec<u8>, String, i64)> = rows!(
            &mut reader.link(),
            "SELECT id, topic, payload, why, died_at FROM outbox_dead
              WHERE id > 0 ORDER BY id LIMIT $1",
            limits::DEAD_MAX
        )?;
        let jobs = rows.into_iter().map(|(id, topic, payload, why, died_at)| DeadJob {
            id,
            topic,
            job: read(&payload).ok(),
            why,
            died_at,
        });
        Ok(jobs.collect())
    }

    /// Gives a dead job another set of tries. `NotFound` if there is none of that number.
    pub async fn outbox_revive(&self, id: i64, now: i64) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        let link = &mut tx.link();
        let revived = exec!(
            link,
            "INSERT INTO outbox (id, topic, payload, due_at)
             SELECT id, topic, payload, $2 FROM outbox_dead WHERE id = $1",
            id,
            now
        )?;
        exec!(link, "DELETE FROM outbox_dead WHERE id = $1", id)?;
        tx.commit().await?;
        if revived == 1 { Ok(()) } else { Err(Error::NotFound) }
    }

    /// Throws a dead job away. `NotFound` if there is none of that number.
    pub async fn outbox_drop(&self, id: i64) -> Result<()> {
        let mut tx = self.directory().begin_freeing().await?;
        let dropped = exec!(&mut tx.link(), "DELETE FROM outbox_dead WHERE id = $1", id)?;
        tx.commit().await?;
        if dropped == 1 { Ok(()) } else { Err(Error::NotFound) }
    }

    /// The jobs that wait, the one that is due first at the beginning; at most 1,000.
    pub async fn waiting_jobs(&self) -> Result<Vec<WaitingJob>> {
        let mut reader = self.directory().reader().await?;
        let rows: Vec<(i64, String, i64, i16)> = rows!(
            &mut reader.link(),
            "SELECT id, topic, due_at, attempts FROM outbox
              WHERE due_at > 0 ORDER BY due_at, id LIMIT $1",
            limits::DEAD_MAX
        )?;
        let jobs = rows.into_iter().map(|(id, topic, due_at, attempts)| WaitingJob {
            id,
            topic,
            due_at,
            attempts: attempts.unsigned_abs().into(),
        });
        Ok(jobs.collect())
    }

    /// Since when the oldest job of the outbox is due; None: none is.
    pub async fn outbox_oldest(&self, now: i64) -> Result<Option<i64>> {
        let mut reader = self.directory().reader().await?;
        let oldest: Option<(i64,)> = row!(
            &mut reader.link(),
            "SELECT due_at FROM outbox WHERE due_at <= $1 ORDER BY due_at LIMIT 1",
            now
        )?;
        Ok(oldest.map(|(due_at,)| due_at))
    }

    /// Asks for the right to do a job, so that of two who were handed it only one does it. Who
    /// had it and neither did it nor gave it back has died with it; that is counted, and the last
    /// of so many deaths makes the job `Poison`.
    pub async fn job_begin(
        &self,
        topic: &str,
        id: i64,
        lease_until: i64,
        now: i64,
    ) -> Result<Turn> {
        let mut tx = self.directory().begin().await?;
        let link = &mut tx.link();
        let begun: Option<(i16,)> = row!(
            link,
            "INSERT INTO mail_job (topic, id, until_at) VALUES ($1, $2, $3)
             ON CONFLICT (topic, id) DO UPDATE SET until_at = $3, deaths = mail_job.deaths + 1
              WHERE mail_job.done = 0 AND mail_job.until_at <= $4
             RETURNING deaths",
            topic,
            id,
            lease_until,
            now
        )?;
        if let Some((deaths,)) = begun {
            tx.commit().await?;
            let poison = i64::from(deaths) >= limits::JOB_DEATHS_MAX;
            return Ok(if poison { Turn::Poison } else { Turn::Yours });
        }
        let done: Option<(i16,)> =
            row!(link, "SELECT done FROM mail_job WHERE topic = $1 AND id = $2", topic, id)?;
        Ok(match done {
            Some((1,)) => Turn::Done,
            _ => Turn::Busy,
        })
    }

    /// The job was done: for a week whoever is handed it again is told so.
    pub async fn job_done(&self, topic: &str, id: i64, now: i64) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        exec!(
            &mut tx.link(),
            "UPDATE mail_job SET done = 1, until_at = $3 WHERE topic = $1 AND id = $2",
            topic,
            id,
            now + limits::JOB_REMEMBERED_MS
        )?;
        tx.commit().await
    }

    /// Gives the right back: the job was not done, or may be done again later.
    pub async fn job_free(&self, topic: &str, id: i64) -> Result<()> {
        let mut tx = self.directory().begin_freeing().await?;
        exec!(&mut tx.link(), "DELETE FROM mail_job WHERE topic = $1 AND id = $2", topic, id)?;
        tx.commit().await
    }
}

async fn bury(link: &mut Link<'_>, id: i64, why: &str, now: i64) -> Result<()> {
    exec!(
        link,
        "INSERT INTO outbox_dead (id, topic, payload, why, died_at)
         SELECT id, topic, payload, $2, $3 FROM outbox WHERE id = $1",
        id,
        why,
        now
    )?;
    exec!(link, "DELETE FROM outbox WHERE id = $1", id)?;
    Ok(())
}
