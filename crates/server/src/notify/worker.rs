//! The one who does a job, whichever way it came: asks for the right to, looks whether there is
//! still reason for it, and says what became of it.
//!
//! The same job in two hands is done by one of them (`Store::job_begin`), and one that was done is
//! not done again. The time is given in.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{FutureExt, future};
use store::{Door, Job, Store, Turn};
use tokio::sync::watch;

use super::{Fault, Notify, account, doors, notice, unread};
use crate::limits;
use crate::listen::announced;
use crate::queue::{Handed, Inbox, Line, Task};

/// What became of a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Done, or there was no reason for it any more.
    Done,
    /// Somebody else has it, or had it when he died, or the database does not answer: somebody may
    /// look again when the lease has ended.
    Busy,
    /// It failed, and may be tried again after so many milliseconds.
    Again { pause: i64 },
    /// It is given up.
    Dead { why: String },
}

pub(super) async fn perform(notify: &Notify, task: &Task, now: i64) -> Outcome {
    match attempt(notify, task, now).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let topic = task.job.topic();
            tracing::warn!(%error, topic, id = task.id, "a job has to wait for the database");
            Outcome::Busy
        }
    }
}

async fn attempt(notify: &Notify, task: &Task, now: i64) -> store::Result<Outcome> {
    let (store, topic) = (&notify.store, task.job.topic());
    // Of all jobs to look at one person's unread messages, whoever wrote them down, one is done.
    let id = if let Job::Nudge { user_id } = task.job { user_id } else { task.id };
    match store.job_begin(topic, id, now + notify.timers.mail_lease_ms, now).await? {
        Turn::Yours => {}
        Turn::Busy => return Ok(Outcome::Busy),
        Turn::Done => return Ok(Outcome::Done),
        Turn::Poison => {
            store.job_free(topic, id).await?;
            let why = Fault::Refused("five workers died with it".into());
            return failed(notify, task, &why, now).await;
        }
    }
    notify.counters.jobs_tried.add(1);
    let Ok(done) = AssertUnwindSafe(work(notify, task, now)).catch_unwind().await else {
        // As if this process had died: whoever comes after the lease counts it.
        tracing::error!(topic, id, "a job made its worker panic");
        return Ok(Outcome::Busy);
    };
    match (done, &task.job) {
        (Ok(()), Job::Nudge { .. }) => {
            store.job_free(topic, id).await?;
            Ok(Outcome::Done)
        }
        (Ok(()), _) => {
            store.job_done(topic, id, now).await?;
            Ok(Outcome::Done)
        }
        (Err(fault), _) => {
            store.job_free(topic, id).await?;
            failed(notify, task, &fault, now).await
        }
    }
}

async fn work(notify: &Notify, task: &Task, now: i64) -> Result<(), Fault> {
    match task.job {
        Job::Nudge { user_id } => unread::tell(notify, user_id, now).await,
        Job::Door { user_id } => hello(notify, user_id, task.id, now).await,
        Job::Confirm { .. } | Job::Reset { .. } | Job::Login { .. } => {
            account::mail(notify, task, now).await
        }
    }
}

/// The first word through somebody's door.
async fn hello(notify: &Notify, user_id: i64, job: i64, now: i64) -> Result<(), Fault> {
    match notify.store.recipient(user_id).await? {
        Some(person) if person.settings.door != Door::Mail => {
            doors::tell(notify, &person, &notice::hello(&person, job, now), now).await
        }
        // He has thought better of it.
        Some(_) | None => Ok(()),
    }
}

/// What a job deserves that failed.
async fn failed(notify: &Notify, task: &Task, fault: &Fault, now: i64) -> store::Result<Outcome> {
    let counters = &notify.counters;
    let (why, tries_max) = match fault {
        Fault::Store(error) => return Err(error.clone()),
        Fault::Refused(why) => (why, 0),
        Fault::Shut(why) => {
            counters.doors_shut.add(1);
            (why, 0)
        }
        Fault::Later(why) => {
            counters.mails_put_off.add(1);
            (why, limits::JOB_TRIES_MAX)
        }
        Fault::Away(why) => {
            counters.mails_away.add(1);
            (why, limits::JOB_TRIES_AWAY_MAX)
        }
    };
    let (topic, id, tries) = (task.job.topic(), task.id, task.tries + 1);
    let given_up = match task.job {
        Job::Nudge { user_id } => match unread::failed(notify, user_id, fault, now).await? {
            Some(why) => why,
            None => return Ok(Outcome::Done),
        },
        _ if tries < tries_max => {
            let pause = retry_pause(notify.timers.mail_retry_ms, tries);
            tracing::warn!(topic, id, tries, why, pause, "a job will be tried again");
            return Ok(Outcome::Again { pause });
        }
        // Who has chosen it finds the reason beside his settings.
        Job::Door { .. } => return Ok(Outcome::Done),
        Job::Confirm { .. } | Job::Reset { .. } | Job::Login { .. } => why.clone(),
    };
    counters.jobs_dead.add(1);
    tracing::error!(topic, id, tries, given_up, "a job is given up");
    Ok(Outcome::Dead { why: given_up })
}

/// 1, 4, 16, 64, 64 … times the first pause. `tries`: those that have failed, one at least.
fn retry_pause(first: i64, tries: u32) -> i64 {
    first << (2 * (tries - 1).min(3))
}

/// All pauses after which a job may come back.
pub(super) fn pauses(first: i64, lease: i64) -> Vec<i64> {
    let mut pauses: Vec<i64> = (1..=4).map(|tries| retry_pause(first, tries)).collect();
    pauses.push(lease);
    pauses.sort_unstable();
    pauses.dedup();
    pauses
}

/// Writes down, where a person looks, that a job which is in no table is given up.
pub(super) async fn bury(store: &Store, task: &Task, why: &str, now: i64) -> store::Result<()> {
    let payload = serde_json::to_vec(&task.job).expect("numbers and names have a JSON form");
    store.job_bury(task.id, task.job.topic(), &payload, why, now).await
}

// ── from RabbitMQ ───────────────────────────────────────────────────────────────────────────────

/// Does what RabbitMQ hands out, so many at once as it hands out, until the line breaks or `ended`
/// is raised. What has begun is ended first, so that what was sent is also written down.
pub(super) async fn serve(
    notify: &Notify,
    line: &Line,
    mut inbox: Inbox,
    now: impl Fn() -> i64,
    mut ended: watch::Receiver<bool>,
) {
    let mut at_work = FuturesUnordered::new();
    loop {
        tokio::select! {
            handed = inbox.next() => match handed {
                Some(handed) => at_work.push(serve_one(notify, line, handed, now())),
                None => break,
            },
            Some(()) = at_work.next() => {}
            () = announced(&mut ended) => break,
        }
    }
    at_work.for_each(|()| future::ready(())).await;
}

async fn serve_one(notify: &Notify, line: &Line, handed: Handed, now: i64) {
    let Some(task) = &handed.task else {
        handed.give_up().await;
        return;
    };
    notify.counters.job_waited.set_ms((now - task.due_at).max(0).unsigned_abs());
    let settled = match perform(notify, task, now).await {
        Outcome::Done => true,
        Outcome::Busy => line.publish_later(task, notify.timers.mail_lease_ms).await,
        Outcome::Again { pause } => {
            let again = Task { tries: task.tries + 1, ..task.clone() };
            line.publish_later(&again, pause).await
        }
        Outcome::Dead { why } => bury(&notify.store, task, &why, now).await.is_ok(),
    };
    match settled {
        true => handed.ack().await,
        // Neither queue nor database takes it now.
        false => {
            tokio::time::sleep(Duration::from_millis(limits::RELAY_MS)).await;
            handed.give_back().await;
        }
    }
}

/// Writes down what RabbitMQ has given up: jobs whose workers died before they could even say that
/// they had begun, and what no worker could read.
pub(super) async fn serve_dead(
    notify: &Notify,
    mut inbox: Inbox,
    now: impl Fn() -> i64,
    mut ended: watch::Receiver<bool>,
) {
    loop {
        let handed = tokio::select! {
            handed = inbox.next() => handed,
            () = announced(&mut ended) => return,
        };
        let Some(handed) = handed else {
            return;
        };
        let buried = bury_dead(&notify.store, &handed, now()).await;
        match buried {
            Ok(()) => {
                notify.counters.jobs_dead.add(1);
                tracing::error!("RabbitMQ has given up a job");
                handed.ack().await;
            }
            Err(error) => {
                tracing::warn!(%error, "a dead job has to wait for the database");
                tokio::time::sleep(Duration::from_millis(limits::RELAY_MS)).await;
                handed.give_back().await;
            }
        }
    }
}

pub(super) async fn bury_dead(store: &Store, handed: &Handed, now: i64) -> store::Result<()> {
    match &handed.task {
        Some(task) => bury(store, task, "its workers died at once", now).await,
        None => {
            let (id, why) = (proto::id::new(0, now), "no worker could read it");
            store.job_bury(id, "unknown", &handed.body, why, now).await
        }
    }
}

#[cfg(test)]
mod unit {
    #[test]
    fn the_pauses_between_tries_grow() {
        let minutes = [1, 2, 3, 4, 5, 70].map(|tries| super::retry_pause(60_000, tries) / 60_000);
        assert_eq!(minutes, [1, 4, 16, 64, 64, 64]);
        assert_eq!(super::pauses(1, 16), [1, 4, 16, 64]);
        assert_eq!(super::pauses(1, 5), [1, 4, 5, 16, 64]);
    }
}
