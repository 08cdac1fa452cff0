//! THE NOTIFY ROLE: mail for what stayed unread, once, and for accounts. The journey of a mail is
//! `docs/flows/notify.md`.
//!
//! What must not happen: a mail that could not be sent holds up chat; somebody is told twice of the
//! same thing; a mail goes to an address that nobody has confirmed, but the one that asks for that.

mod account;
mod letter;
mod mailer;
mod relay;
#[cfg(test)]
mod tests;
mod unread;

use std::sync::Arc;
use std::time::Duration;

use store::Store;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::bus::Bus;
use crate::counters::Counters;
use crate::listen::announced;
use crate::{clock, limits};

pub(crate) use mailer::Mailer;

/// What the jobs of this role share.
pub(crate) struct Notify {
    pub(crate) store: Store,
    pub(crate) bus: Arc<Bus>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) mailer: Mailer,
    /// Where the links in mails lead to, without a slash at the end.
    pub(crate) site: String,
}

/// Why a mail did not go out.
#[derive(Debug)]
enum Fault {
    /// The database. The lease gives the job back.
    Store(store::Error),
    /// Nothing will help: the address is refused.
    Refused(String),
    /// It may work later.
    Later(String),
}

impl From<store::Error> for Fault {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// Does what is due, every second, until the drain. A round that has begun is ended, so that what
/// was sent is also written down.
pub(crate) async fn run(notify: Notify, mut drain: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(Duration::from_millis(limits::RELAY_MS));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = announced(&mut drain) => return,
        }
        match relay::round(&notify, clock::now()).await {
            Ok(0) => {}
            // There may be more: without waiting for the next tick.
            Ok(_) => interval.reset_immediately(),
            Err(error) => tracing::warn!(%error, "mail has to wait for the database"),
        }
    }
}
