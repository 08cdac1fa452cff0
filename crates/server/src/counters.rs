//! What happened since the start, in numbers, told as text at `/metrics`. One table says all of it:
//! the field that the code counts with, and its name, its kind and its meaning for an operator.
//!
//! Plain atomics and not a library: a number is counted by one addition, without a lock, a look-up
//! or an allocation, and what a library would add is the fifty lines that write the text.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store::Pool;

use crate::process;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    const TYPE: &str = "counter";

    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn write(&self, text: &mut Text, name: &str, labels: &str) {
        text.row(name, labels, self.0.load(Ordering::Relaxed));
    }
}

/// A level that rises and falls.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    const TYPE: &str = "gauge";

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

    fn write(&self, text: &mut Text, name: &str, labels: &str) {
        text.row(name, labels, self.get());
    }
}

/// How old something is now. Set in milliseconds, told in seconds.
#[derive(Debug, Default)]
pub(crate) struct Age(AtomicU64);

impl Age {
    const TYPE: &str = "gauge";

    pub(crate) fn set_ms(&self, ms: u64) {
        self.0.store(ms, Ordering::Relaxed);
    }

    fn write(&self, text: &mut Text, name: &str, labels: &str) {
        text.row(name, labels, self.0.load(Ordering::Relaxed) as f64 / 1e3);
    }
}

/// How often something took how long.
#[derive(Debug, Default)]
pub(crate) struct Times {
    buckets: [AtomicU64; Self::BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

impl Times {
    const TYPE: &str = "histogram";
    const BOUNDS_US: [u64; 17] = [
        50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
        1_000_000, 2_500_000, 5_000_000, 10_000_000,
    ];

    pub(crate) fn observe(&self, took: Duration) {
        let took_us = took.as_nanos().div_ceil(1_000) as u64;
        let bucket = Self::BOUNDS_US.partition_point(|bound| *bound < took_us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    fn write(&self, text: &mut Text, name: &str, _labels: &str) {
        let sum = self.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
        text.histogram(name, Self::BOUNDS_US.iter().map(|us| *us as f64 / 1e6), &self.buckets, sum);
    }
}

/// How often something had how many parts.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    buckets: [AtomicU64; Self::BOUNDS.len() + 1],
    sum: AtomicU64,
}

impl Sizes {
    const TYPE: &str = "histogram";
    const BOUNDS: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

    pub(crate) fn observe(&self, size: u64) {
        let bucket = Self::BOUNDS.partition_point(|bound| *bound < size);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(size, Ordering::Relaxed);
    }

    fn write(&self, text: &mut Text, name: &str, _labels: &str) {
        let sum = self.sum.load(Ordering::Relaxed) as f64;
        text.histogram(name, Self::BOUNDS.iter().map(|size| *size as f64), &self.buckets, sum);
    }
}

/// A row: the meaning, the field and its kind, the name, and where several fields share a name the
/// label that tells them apart. Rows of one name stand together; the first says what it means.
macro_rules! figures {
    ($($(#[doc = $help:literal])+ $field:ident: $kind:ident = $name:literal
       $([$label:ident = $value:literal])?;)+) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($(#[doc = $help])+ pub(crate) $field: $kind,)+
        }

        impl Counters {
            fn write(&self, text: &mut Text) {
                $(
                    text.head($name, $kind::TYPE, concat!($($help),+));
                    let label = concat!("" $(, stringify!($label), "=\"", $value, "\"")?);
                    self.$field.write(text, $name, label);
                )+
            }
        }
    };
}

figures! {
    /// WebSockets now.
    connections: Gauge = "natter_connections";
    /// Sockets that were closed at once, because there were connections_max of them.
    turned_away: Counter = "natter_turned_away_total";
    /// TLS handshakes that failed or took too long.
    tls_failed: Counter = "natter_tls_handshakes_failed_total";
    /// Connections that ended, by why. gone: the client closed, or the line broke.
    ended_gone: Counter = "natter_connections_ended_total" [why = "gone"];
    /// The gateway was draining.
    ended_draining: Counter = "natter_connections_ended_total" [why = "draining"];
    /// Its session was ended.
    ended_revoked: Counter = "natter_connections_ended_total" [why = "revoked"];
    /// It did not read what was sent to it.
    ended_slow: Counter = "natter_connections_ended_total" [why = "slow"];
    /// Nothing was heard of it.
    ended_silent: Counter = "natter_connections_ended_total" [why = "silent"];
    /// Its user opened more than are allowed.
    ended_too_many: Counter = "natter_connections_ended_total" [why = "too_many"];
    /// It broke the protocol.
    ended_broken: Counter = "natter_connections_ended_total" [why = "broken"];
    /// A fault of the server's or its database's.
    ended_fault: Counter = "natter_connections_ended_total" [why = "fault"];
    /// From Hello to CaughtUp: how long somebody who connects waits until everything is there.
    catch_up: Times = "natter_catch_up_seconds";
    /// Clients that wait for their turn to be painted.
    paints_waiting: Gauge = "natter_paints_waiting";
    /// Messages committed.
    messages: Counter = "natter_messages_total";
    /// Messages that came again and were stored already.
    messages_repeated: Counter = "natter_messages_repeated_total";
    /// Messages that were not stored, whatever the reason; their senders were told.
    messages_refused: Counter = "natter_messages_refused_total";
    /// From the frame of a message to the transaction that takes it up.
    send_wait: Times = "natter_send_wait_seconds";
    /// Transactions of the writers.
    batches: Counter = "natter_batches_total";
    /// Messages in one transaction.
    batch_sends: Sizes = "natter_batch_sends";
    /// How long one transaction took, with its sync to disk.
    commit: Times = "natter_commit_seconds";
    /// Transactions that did not happen, by why. unavailable: the database did not answer.
    commits_unavailable: Counter = "natter_commits_failed_total" [why = "unavailable"];
    /// The disk is full.
    commits_full: Counter = "natter_commits_failed_total" [why = "full"];
    /// Anything else.
    commits_fault: Counter = "natter_commits_failed_total" [why = "fault"];
    /// Cursor moves that were committed or were old news.
    moves: Counter = "natter_cursor_moves_total";
    /// From the commit of a message to the write into the socket of somebody who gets it.
    delivery_lag: Times = "natter_delivery_lag_seconds";
    /// Holes in what the bus brought that were filled from the store.
    holes: Counter = "natter_holes_filled_total";
    /// Words of other gateways that were heard on the bus.
    bus_heard: Counter = "natter_bus_heard_total";
    /// Times that a server of the bus was connected.
    bus_links: Counter = "natter_bus_links_total";
    /// Users whose connections were told to compare positions, because bells may have been lost.
    resyncs: Counter = "natter_resyncs_total";
    /// Spans that the collector has taken.
    spans_told: Counter = "natter_spans_told_total";
    /// Spans that were dropped, because the collector was away for too long or did not want them.
    spans_dropped: Counter = "natter_spans_dropped_total";
    /// What came too often, by what. sends: a connection was not read for a while; no message of it
    /// was refused.
    rate_sends: Counter = "natter_rate_refusals_total" [what = "sends"];
    /// Cursors, typing, pings.
    rate_light: Counter = "natter_rate_refusals_total" [what = "light"];
    /// History and changes.
    rate_pages: Counter = "natter_rate_refusals_total" [what = "pages"];
    /// Searches, people and groups.
    rate_heavy: Counter = "natter_rate_refusals_total" [what = "heavy"];
    /// HTTP calls.
    rate_http: Counter = "natter_rate_refusals_total" [what = "http"];
    /// Answers to HTTP calls of the auth role, by class. 3xx: redirects with a ticket.
    http_2xx: Counter = "natter_http_answers_total" [status = "2xx"];
    /// Tickets.
    http_3xx: Counter = "natter_http_answers_total" [status = "3xx"];
    /// The caller's fault.
    http_4xx: Counter = "natter_http_answers_total" [status = "4xx"];
    /// Ours.
    http_5xx: Counter = "natter_http_answers_total" [status = "5xx"];
    /// Runs of argon2: a password is hashed, to be stored or to be compared.
    passwords: Counter = "natter_passwords_hashed_total";
    /// Notices about unread messages that were taken over, by door. mail: the mail server has it.
    notices_mail: Counter = "natter_notices_total" [door = "mail"];
    /// The person's own program.
    notices_webhook: Counter = "natter_notices_total" [door = "webhook"];
    /// The push server.
    notices_push: Counter = "natter_notices_total" [door = "push"];
    /// Notices that somebody's own webhook or push server did not want; he finds out why.
    doors_shut: Counter = "natter_doors_shut_total";
    /// Mails about accounts that were taken over by the mail server.
    mails_account: Counter = "natter_mails_account_total";
    /// Tries to send a mail that will be repeated, by why. refused: this one was not wanted now.
    mails_put_off: Counter = "natter_mails_put_off_total" [why = "refused"];
    /// Nobody could be reached: away, hanging, TLS that does not hold.
    mails_away: Counter = "natter_mails_put_off_total" [why = "unreachable"];
    /// Mails that were given up.
    jobs_dead: Counter = "natter_mails_given_up_total";
    /// Jobs that a worker has begun, mails or not.
    jobs_tried: Counter = "natter_jobs_tried_total";
    /// Jobs that RabbitMQ has taken over.
    jobs_published: Counter = "natter_jobs_published_total";
    /// Jobs that RabbitMQ did not confirm, and that will be published again.
    jobs_unconfirmed: Counter = "natter_jobs_unconfirmed_total";
    /// How long the last job that a worker took from RabbitMQ had been due.
    job_waited: Age = "natter_job_waited_seconds";
    /// 1 while the line to RabbitMQ stands.
    queue_lines: Gauge = "natter_queue_connected";
    /// Jobs in RabbitMQ, by what they wait for. worker: somebody to do them.
    queue_jobs: Gauge = "natter_queue_jobs" [waiting = "worker"];
    /// A later try.
    queue_later: Gauge = "natter_queue_jobs" [waiting = "later"];
    /// How long the oldest account mail that is due has waited.
    oldest_job: Age = "natter_mail_oldest_job_seconds";
}

impl Counters {
    /// Everything, in the text format of Prometheus, version 0.0.4.
    pub(crate) fn text(&self, pools: &[Pool]) -> String {
        let mut text = Text::default();
        self.write(&mut text);
        database(&mut text, pools);
        process::write(&mut text);
        text.out
    }
}

fn database(text: &mut Text, pools: &[Pool]) {
    let name = "natter_database_connections";
    text.head(
        name,
        "gauge",
        "Connections to a database (numbered as configured), by what they do.",
    );
    for (database, pool) in pools.iter().enumerate() {
        text.row(name, &format!("database=\"{database}\",state=\"busy\""), pool.busy());
        text.row(name, &format!("database=\"{database}\",state=\"idle\""), pool.idle);
    }
    let name = "natter_database_connections_max";
    text.head(name, "gauge", "How many connections to a database there may be.");
    for (database, pool) in pools.iter().enumerate() {
        text.row(name, &format!("database=\"{database}\""), pool.max);
    }
    let name = "natter_database_away";
    text.head(name, "gauge", "1: it did not answer when somebody's conversations were asked for.");
    for (database, pool) in pools.iter().enumerate() {
        text.row(name, &format!("database=\"{database}\""), u8::from(pool.away));
    }
}

/// Writes the lines of the format.
#[derive(Debug, Default)]
pub(crate) struct Text {
    out: String,
    family: String,
}

impl Text {
    /// The two lines before the first row of a name.
    pub(crate) fn head(&mut self, name: &str, kind: &str, help: &str) {
        if self.family == name {
            return;
        }
        name.clone_into(&mut self.family);
        let help = help.trim();
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    pub(crate) fn row(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.out, "{name} {value}"),
            labels => writeln!(self.out, "{name}{{{labels}}} {value}"),
        };
    }

    /// Each bucket counts what is in those before it, too.
    fn histogram(
        &mut self,
        name: &str,
        bounds: impl Iterator<Item = f64>,
        buckets: &[AtomicU64],
        sum: f64,
    ) {
        let (mut count, bucket_name) = (0, format!("{name}_bucket"));
        let bounds = bounds.map(|bound| bound.to_string()).chain(["+Inf".to_owned()]);
        for (bound, bucket) in bounds.zip(buckets) {
            count += bucket.load(Ordering::Relaxed);
            self.row(&bucket_name, &format!("le=\"{bound}\""), count);
        }
        self.row(&format!("{name}_sum"), "", sum);
        self.row(&format!("{name}_count"), "", count);
    }
}
