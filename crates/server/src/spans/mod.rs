//! SPANS: the way of some messages through the processes, told to a collector of OpenTelemetry.
//! What one gateway notes about one message anyway (`journey.rs`) becomes spans; what another
//! gateway adds finds the same trace, because the bus carries its number. `docs/operate.md`.
//!
//! What must not happen: nobody who chats waits for a collector, and no text, ticket or token is
//! in a span.

mod export;
mod otlp;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::counters::Counters;
use crate::limits;
use crate::tasks::Tasks;
use export::Collector;

/// Which trace a message is part of, and the span that its further way hangs on: the publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) trace: [u8; 16],
    pub(crate) published_by: SpanId,
}

pub(crate) type SpanId = [u8; 8];

/// One stretch of the way.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) trace: [u8; 16],
    pub(crate) id: SpanId,
    /// None: the trace begins with it.
    pub(crate) parent: Option<SpanId>,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    /// Numbers and nothing else: what could be secret is text.
    pub(crate) facts: Vec<(&'static str, i64)>,
}

/// The kinds of OpenTelemetry, as far as there are such stretches here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Internal = 1,
    /// Something was asked by a client.
    Server = 2,
    /// Left for others …
    Producer = 4,
    /// … and taken up by one of them.
    Consumer = 5,
}

/// Where spans are left. Without a collector there are none.
#[derive(Debug)]
pub(crate) struct Spans {
    queue: Option<mpsc::Sender<Span>>,
    /// One message in so many is followed.
    one_in: u32,
    counters: Arc<Counters>,
}

impl Spans {
    /// The exporter runs until `finish` is true and what waits then was offered once more.
    /// `url`: how this process is reached, by which a reader tells it from the others.
    pub(crate) fn start(
        tasks: &mut Tasks,
        config: &Config,
        url: &str,
        counters: &Arc<Counters>,
        finish: watch::Receiver<bool>,
    ) -> Self {
        let (one_in, counters) = (config.otlp_one_in, Arc::clone(counters));
        let Some(collector) = config.otlp.as_deref().and_then(Collector::parse) else {
            return Self { queue: None, one_in, counters };
        };
        let (queue, spans) = mpsc::channel(limits::SPANS_WAITING_MAX);
        let exporting =
            export::run(collector, url.to_owned(), spans, Arc::clone(&counters), finish);
        tasks.spawn("the exporter of spans", exporting);
        Self { queue: Some(queue), one_in, counters }
    }

    /// Of a process that tells nobody.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { queue: None, one_in: 1, counters: Arc::default() }
    }

    /// Whether the message that has just come is one of those that are followed.
    pub(crate) fn sample(&self) -> Option<Context> {
        if self.queue.is_none() || !rand::random_ratio(1, self.one_in) {
            return None;
        }
        Some(Context { trace: rand::random(), published_by: new_id() })
    }

    /// Leaves a span for the exporter. There is no room: it is dropped and counted.
    pub(crate) fn tell(&self, span: Span) {
        if let Some(queue) = &self.queue
            && queue.try_send(span).is_err()
        {
            self.counters.spans_dropped.add(1);
        }
    }
}

/// Whether spans can be told to this `url`.
pub(crate) fn is_collector(url: &str) -> bool {
    Collector::parse(url).is_some()
}

pub(crate) fn new_id() -> SpanId {
    rand::random()
}

/// Unix nanoseconds of a moment that has passed.
fn unix_ns(moment: Instant, (instant, now): (Instant, SystemTime)) -> u64 {
    let ago = instant.saturating_duration_since(moment);
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).saturating_sub(ago);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
