//! THE NOTIFY ROLE: tells who is away of what stayed unread, once, by mail or through another door;
//! and the mails about accounts. The journey of a notice is `docs/flows/notify.md`.
//!
//! What must not happen: a mail that could not be sent holds up chat; somebody is told twice of the
//! same thing; a mail goes to an address that nobody has confirmed, but the one that asks for that.

mod account;
mod doors;
#[cfg(test)]
mod doors_tests;
mod letter;
mod mailer;
mod notice;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod queue_tests;
mod relay;
#[cfg(test)]
mod tests;
mod told;
mod unread;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use store::Store;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::bus::Bus;
use crate::config::{Config, Timers};
use crate::counters::Counters;
use crate::error::Error;
use crate::listen::announced;
use crate::outward::Outward;
use crate::queue::{Inbox, Line, Queue, Rabbit};
use crate::{clock, limits};

pub(crate) use mailer::Mailer;

/// What the jobs of this role share.
pub(crate) struct Notify {
    pub(crate) store: Store,
    pub(crate) bus: Arc<Bus>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) mailer: Mailer,
    pub(crate) outward: Outward,
    pub(crate) queue: Queue,
    pub(crate) timers: Timers,
    /// Where the links in mails lead to, without a slash at the end.
    pub(crate) site: String,
}

/// Why something did not go out.
#[derive(Debug)]
enum Fault {
    /// The database. The lease gives the job back.
    Store(store::Error),
    /// Nothing will help: the address is refused.
    Refused(String),
    /// A person's own webhook or push server does not want it. His matter, not the operator's.
    Shut(String),
    /// This one is refused for now.
    Later(String),
    /// Who should take it cannot be reached, whatever it is.
    Away(String),
}

impl From<store::Error> for Fault {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// The queue that the settings name.
pub(crate) fn queue(config: &Config) -> Result<Queue, Error> {
    let Some(url) = &config.amqp else {
        return Ok(Queue::Direct);
    };
    let timers = &config.timers;
    let pauses = worker::pauses(timers.mail_retry_ms, timers.mail_lease_ms);
    match Rabbit::new(url, &config.amqp_queue, pauses) {
        Ok(rabbit) => Ok(Queue::Rabbit(rabbit)),
        Err(why) => Err(Error::Config(format!("{why} (setting `amqp`)"))),
    }
}

/// Whether RabbitMQ can be reached: nothing is asked of it.
pub(crate) async fn reach(rabbit: &Rabbit) -> Result<(), Error> {
    let look = rabbit.look().await.map_err(|why| wrong_queue(&why))?;
    look.close().await;
    Ok(())
}

fn wrong_queue(why: &str) -> Error {
    Error::Config(format!("RabbitMQ: {why} (settings `amqp`, `amqp_queue`)"))
}

/// What an operator finds in RabbitMQ: how many jobs wait for a worker, and how many for a later
/// try. What RabbitMQ has given up is written down first, so that one list tells of everything,
/// also while no worker runs.
pub(crate) async fn look(rabbit: &Rabbit, store: &Store, now: i64) -> Result<(u32, u32), Error> {
    let look = rabbit.look().await.map_err(|why| wrong_queue(&why))?;
    let looked = async {
        while let Some(handed) = look.next_dead().await.map_err(|e| wrong_queue(&e.to_string()))? {
            worker::bury_dead(store, &handed, now).await?;
            handed.ack().await;
        }
        look.waiting().await.map_err(|e| wrong_queue(&e.to_string()))
    };
    let looked = looked.await;
    look.close().await;
    looked
}

/// Does what is due until the drain. What has begun is ended, so that what was sent is also written
/// down.
pub(crate) async fn run(notify: Notify, drain: watch::Receiver<bool>) {
    match &notify.queue {
        Queue::Direct => run_directly(&notify, drain).await,
        Queue::Rabbit(rabbit) => run_through(&notify, rabbit, clock::now, drain).await,
    }
}

async fn run_directly(notify: &Notify, mut drain: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(Duration::from_millis(limits::RELAY_MS));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = announced(&mut drain) => return,
        }
        match relay::round(notify, clock::now()).await {
            Ok(0) => {}
            // There may be more: without waiting for the next tick.
            Ok(_) => interval.reset_immediately(),
            Err(error) => tracing::warn!(%error, "mail has to wait for the database"),
        }
    }
}

/// Keeps a line to RabbitMQ for as long as this process lives. While there is none, jobs wait in
/// their tables, and nobody else notices.
async fn run_through(
    notify: &Notify,
    rabbit: &Rabbit,
    now: impl Fn() -> i64 + Copy,
    mut drain: watch::Receiver<bool>,
) {
    let mut failures = 0;
    loop {
        let opened = tokio::select! {
            opened = rabbit.open() => opened,
            () = announced(&mut drain) => return,
        };
        match opened {
            Ok((line, jobs, dead)) => {
                tracing::info!("the line to RabbitMQ stands");
                failures = 0;
                notify.counters.queue_lines.set(1);
                serve_line(notify, &line, jobs, dead, now, &drain).await;
                notify.counters.queue_lines.set(0);
                line.close().await;
            }
            Err(error) => tracing::warn!(error, failures, "mail has to wait for RabbitMQ"),
        }
        if *drain.borrow() {
            return;
        }
        failures += 1;
        let pause = rand::rng().random_range(limits::AMQP_PAUSE_MS_MIN..=reconnect_ms(failures));
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
            () = announced(&mut drain) => return,
        }
    }
}

/// The longest pause before the next try to reach RabbitMQ; the real one is random, so that many
/// processes do not come at once.
fn reconnect_ms(failures: u32) -> u64 {
    let doubled = limits::AMQP_PAUSE_MS_MIN << failures.min(10);
    doubled.min(limits::AMQP_PAUSE_MS_MAX)
}

/// Relay and worker on one line, until it breaks or the drain begins.
async fn serve_line(
    notify: &Notify,
    line: &Line,
    jobs: Inbox,
    dead: Inbox,
    now: impl Fn() -> i64 + Copy,
    drain: &watch::Receiver<bool>,
) {
    let (end, ended) = watch::channel(false);
    let relaying = async {
        relay_through(notify, line, now, drain.clone(), ended.clone()).await;
        end.send_replace(true);
    };
    let working = async {
        worker::serve(notify, line, jobs, now, ended.clone()).await;
        end.send_replace(true);
    };
    let burying = async {
        worker::serve_dead(notify, dead, now, ended.clone()).await;
        end.send_replace(true);
    };
    tokio::join!(relaying, working, burying);
}

/// Hands over what is due, every second, until the line breaks or somebody says that it is over.
async fn relay_through(
    notify: &Notify,
    line: &Line,
    now: impl Fn() -> i64,
    mut drain: watch::Receiver<bool>,
    mut ended: watch::Receiver<bool>,
) {
    let mut interval = tokio::time::interval(Duration::from_millis(limits::RELAY_MS));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while line.is_alive() {
        tokio::select! {
            _ = interval.tick() => {}
            () = announced(&mut drain) => return,
            () = announced(&mut ended) => return,
        }
        match relay::hand_over(notify, line, now()).await {
            Ok((0, true)) => count_waiting(notify, line).await,
            // There may be more: without waiting for the next tick.
            Ok((_, true)) => interval.reset_immediately(),
            Ok((_, false)) => tracing::warn!("RabbitMQ does not take all jobs over"),
            Err(error) => tracing::warn!(%error, "mail has to wait for the database"),
        }
    }
}

async fn count_waiting(notify: &Notify, line: &Line) {
    if let Some((jobs, later)) = line.waiting().await {
        notify.counters.queue_jobs.set(jobs.into());
        notify.counters.queue_later.set(later.into());
    }
}
