//! From the database to the queue: claims what is due, hands it over, and only then lets it go.
//!
//! A claim is a lease, so whoever dies in the middle gives his jobs back by doing nothing. Handed
//! over directly, a job is done here and now; handed to RabbitMQ, it is let go when RabbitMQ has
//! confirmed it. The time is given in.

use futures_util::future::join_all;
use store::Job;

use super::Notify;
use super::worker::{self, Outcome};
use crate::limits;
use crate::queue::{Line, Task};

/// What one round has claimed.
struct Claims {
    /// Rows of the table `outbox`.
    facts: Vec<Task>,
    /// People whose nudge is due.
    people: Vec<i64>,
}

async fn claim(notify: &Notify, now: i64, lease: i64, at_once: u32) -> store::Result<Claims> {
    let store = &notify.store;
    let oldest = store.outbox_oldest(now).await?;
    let waited = oldest.map_or(0, |due_at| (now - due_at).unsigned_abs());
    notify.counters.oldest_job.set_ms(waited);
    let claimed = store.outbox_claim(now, lease, at_once).await?;
    let facts = claimed.into_iter().map(|fact| {
        let tries = fact.attempts.saturating_sub(1);
        Task { id: fact.id, job: fact.job, tries, due_at: now }
    });
    let facts = facts.collect();
    let people = store.nudge_claim(now, lease, at_once).await?;
    Ok(Claims { facts, people })
}

/// The nudge itself stays in its table until a worker has looked at the cursors: it is the standing
/// question whether this person has something unread.
fn nudge(user_id: i64, now: i64) -> Task {
    Task { id: user_id, job: Job::Nudge { user_id }, tries: 0, due_at: now }
}

// ── directly ────────────────────────────────────────────────────────────────────────────────────

/// Claims what is due at `now` and does it. How many jobs that were.
pub(super) async fn round(notify: &Notify, now: i64) -> store::Result<usize> {
    let lease = now + notify.timers.mail_lease_ms;
    let claims = claim(notify, now, lease, limits::JOBS_AT_ONCE).await?;
    join_all(claims.facts.iter().map(|task| do_fact(notify, task, now))).await;
    join_all(claims.people.iter().map(|user_id| do_nudge(notify, *user_id, now))).await;
    Ok(claims.facts.len() + claims.people.len())
}

async fn do_fact(notify: &Notify, task: &Task, now: i64) {
    let store = &notify.store;
    let settled = match worker::perform(notify, task, now).await {
        Outcome::Done => store.outbox_done(&[task.id]).await,
        // The lease of the row ends when the lease of the job does.
        Outcome::Busy => Ok(()),
        Outcome::Again { pause } => store.outbox_release(&[task.id], now + pause).await,
        Outcome::Dead { why } => store.outbox_dead(task.id, &why, now).await,
    };
    if let Err(error) = settled {
        tracing::warn!(%error, id = task.id, "a job has to wait for the database");
    }
}

async fn do_nudge(notify: &Notify, user_id: i64, now: i64) {
    let task = nudge(user_id, now);
    if let Outcome::Dead { why } = worker::perform(notify, &task, now).await
        && let Err(error) = worker::bury(&notify.store, &task, &why, now).await
    {
        tracing::warn!(%error, user_id, "a job has to wait for the database");
    }
}

// ── to RabbitMQ ─────────────────────────────────────────────────────────────────────────────────

/// Claims what is due at `now` and publishes it. How many jobs RabbitMQ has taken over, and whether
/// that was all.
pub(super) async fn hand_over(
    notify: &Notify,
    line: &Line,
    now: i64,
) -> store::Result<(usize, bool)> {
    let lease = now + limits::RELAY_LEASE_MS;
    let Claims { facts, people } = claim(notify, now, lease, limits::RELAY_AT_ONCE).await?;
    let nudges = people.iter().map(|user_id| nudge(*user_id, now));
    let facts = facts.into_iter().map(|fact| Task { tries: 0, ..fact });
    let tasks: Vec<Task> = facts.chain(nudges).collect();
    if tasks.is_empty() {
        return Ok((0, true));
    }
    let confirmed = line.publish(&tasks).await;
    let of = |wanted: bool, is_nudge: bool| -> Vec<i64> {
        let pairs = tasks.iter().zip(&confirmed);
        let chosen = pairs.filter(|(task, ok)| {
            **ok == wanted && is_nudge == (task.job == Job::Nudge { user_id: task.id })
        });
        chosen.map(|(task, _)| task.id).collect()
    };
    let store = &notify.store;
    let (done, told) = (of(true, false), of(true, true));
    store.outbox_done(&done).await?;
    // Should RabbitMQ lose its disk, the question comes up again by itself.
    store.nudge_move(&told, lease, now + limits::NUDGE_QUEUED_MS).await?;
    let taken = done.len() + told.len();
    notify.counters.jobs_published.add(taken as u64);
    if taken < tasks.len() {
        // Full, or broken: it is tried again when RabbitMQ is better, not when the lease ends.
        notify.counters.jobs_unconfirmed.add((tasks.len() - taken) as u64);
        store.outbox_release(&of(false, false), now).await?;
        store.nudge_move(&of(false, true), lease, now).await?;
    }
    Ok((taken, taken == tasks.len()))
}
