//! Has this process been running all the time? One that was stopped for longer than its lease has
//! been taken for dead: its users are online elsewhere or told to be gone. It must not go on with
//! its connections as if nothing had been, so not one more byte is written to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Gateway;
use crate::listen::announced;

/// The beat of one process. By the monotonic clock, which goes on while the process is stopped.
#[derive(Debug)]
pub(crate) struct Pulse {
    since: Instant,
    longest_ms: u64,
    last_ms: AtomicU64,
    lives: AtomicU64,
}

/// What one connection may be written in: the life in which it began.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pulse: Arc<Pulse>,
    number: u64,
}

impl Pulse {
    pub(crate) fn new(longest_ms: u64) -> Self {
        let (last_ms, lives) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { since: Instant::now(), longest_ms, last_ms, lives }
    }

    pub(crate) fn life(self: &Arc<Self>) -> Life {
        Life { pulse: Arc::clone(self), number: self.lives.load(Ordering::SeqCst) }
    }

    /// `true`: the life before is over.
    fn beat(&self, now_ms: u64) -> bool {
        let is_over = self.has_stopped(now_ms);
        // The life first: between the two everybody still sees how long ago the last beat was.
        self.lives.fetch_add(u64::from(is_over), Ordering::SeqCst);
        self.last_ms.store(now_ms, Ordering::SeqCst);
        is_over
    }

    fn has_stopped(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.last_ms.load(Ordering::SeqCst)) > self.longest_ms
    }

    fn now_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }
}

impl Life {
    pub(crate) fn is_over(&self) -> bool {
        self.is_over_at(self.pulse.now_ms())
    }

    fn is_over_at(&self, now_ms: u64) -> bool {
        self.pulse.has_stopped(now_ms) || self.pulse.lives.load(Ordering::SeqCst) != self.number
    }
}

/// Beats until the gateway has ended. After a stop that was too long all connections end.
pub(super) async fn run(
    gateway: Arc<Gateway>,
    pulse: Arc<Pulse>,
    mut finish: watch::Receiver<bool>,
) {
    let pause = Duration::from_millis((pulse.longest_ms / 15).max(1));
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = announced(&mut finish) => return,
        }
        if pulse.beat(pulse.now_ms()) {
            tracing::warn!("this process was stopped for longer than its lease");
            gateway.bus.end_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_ends_with_a_long_stop_whoever_looks_first() {
        let pulse = Arc::new(Pulse::new(1_000));
        let first = pulse.life();
        assert!(!pulse.beat(1_000));
        assert!(!first.is_over_at(2_000));
        assert!(first.is_over_at(2_001), "before the next beat");
        assert!(pulse.beat(2_001));
        assert!(first.is_over_at(2_002), "and after it");
        assert!(!pulse.life().is_over_at(2_002), "who comes then is well");
    }
}
