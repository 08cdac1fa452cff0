//! What happened since the start, in numbers. Told as text at `/metrics`.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only grows, or a level that rises and falls.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// WebSockets now.
    pub(crate) connections: Counter,
    /// Sockets that found no room.
    pub(crate) turned_away: Counter,
    /// Messages committed.
    pub(crate) messages: Counter,
    /// Transactions of the writers.
    pub(crate) batches: Counter,
    /// Cursor moves that were committed or were old news.
    pub(crate) moves: Counter,
    /// Connections cut because they did not read.
    pub(crate) slow: Counter,
    /// Holes in what the bus brought that were filled from the store.
    pub(crate) holes: Counter,
    /// Passwords hashed.
    pub(crate) passwords: Counter,
    /// Mails about unread messages that were taken over by the mail server.
    pub(crate) mails_unread: Counter,
    /// The same, about accounts.
    pub(crate) mails_account: Counter,
    /// Tries that will be repeated.
    pub(crate) mails_put_off: Counter,
    /// Mails that were given up.
    pub(crate) jobs_dead: Counter,
    /// How long the oldest account mail that is due has waited, in milliseconds.
    pub(crate) oldest_job_ms: Counter,
}

impl Counters {
    /// The text format of Prometheus, version 0.0.4.
    pub(crate) fn text(&self) -> String {
        let rows = [
            ("natter_connections", "gauge", &self.connections),
            ("natter_turned_away_total", "counter", &self.turned_away),
            ("natter_messages_total", "counter", &self.messages),
            ("natter_batches_total", "counter", &self.batches),
            ("natter_cursor_moves_total", "counter", &self.moves),
            ("natter_slow_clients_total", "counter", &self.slow),
            ("natter_holes_filled_total", "counter", &self.holes),
            ("natter_passwords_hashed_total", "counter", &self.passwords),
            ("natter_mails_unread_total", "counter", &self.mails_unread),
            ("natter_mails_account_total", "counter", &self.mails_account),
            ("natter_mails_put_off_total", "counter", &self.mails_put_off),
            ("natter_mails_given_up_total", "counter", &self.jobs_dead),
            ("natter_mail_oldest_job_ms", "gauge", &self.oldest_job_ms),
        ];
        let mut text = String::new();
        for (name, kind, counter) in rows {
            let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {}", counter.get());
        }
        text
    }
}
