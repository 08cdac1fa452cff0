//! Token buckets: how often somebody may do something.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::limits;

/// So many at once, and so many more a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub burst: u32,
    pub per_minute: u32,
}

/// How much of one rate is left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        Self { tokens: f64::from(rate.burst), filled: now }
    }

    /// Takes one. `Err`: milliseconds until there is one again.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), i64> {
        self.fill(rate, now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let per_ms = f64::from(rate.per_minute.max(1)) / 60_000.0;
        Err(((1.0 - self.tokens) / per_ms).ceil() as i64)
    }

    /// Takes one in any case, on credit if need be. Milliseconds until the debt is paid; 0 = none.
    pub(crate) fn charge(&mut self, rate: Rate, now: Instant) -> i64 {
        self.fill(rate, now);
        self.tokens -= 1.0;
        let per_ms = f64::from(rate.per_minute.max(1)) / 60_000.0;
        (-self.tokens / per_ms).ceil().max(0.0) as i64
    }

    fn fill(&mut self, rate: Rate, now: Instant) {
        let gone_ms = now.saturating_duration_since(self.filled).as_secs_f64() * 1_000.0;
        let more = gone_ms * f64::from(rate.per_minute) / 60_000.0;
        self.tokens = (self.tokens + more).min(f64::from(rate.burst));
        self.filled = now;
    }

    fn is_full(&self, rate: Rate) -> bool {
        self.tokens >= f64::from(rate.burst)
    }
}

/// One bucket for each key, as many as [`limits::RATE_KEYS_MAX`].
pub(crate) struct Buckets<K> {
    inner: Mutex<Inner<K>>,
}

struct Inner<K> {
    by_key: HashMap<K, (Bucket, Rate)>,
    /// For the keys that found no room.
    shared: Option<Bucket>,
}

impl<K: Hash + Eq> Buckets<K> {
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::new(Inner { by_key: HashMap::new(), shared: None }) }
    }

    /// Takes one from the bucket of `key`. `Err`: milliseconds until there is one again.
    pub(crate) fn take(&self, key: K, rate: Rate, now: Instant) -> Result<(), i64> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.by_key.len() >= limits::RATE_KEYS_MAX && !inner.by_key.contains_key(&key) {
            // A bucket that is full again remembers nothing.
            inner.by_key.retain(|_, (bucket, rate)| {
                bucket.fill(*rate, now);
                !bucket.is_full(*rate)
            });
            if inner.by_key.len() >= limits::RATE_KEYS_MAX {
                return inner.shared.get_or_insert(Bucket::full(rate, now)).take(rate, now);
            }
        }
        let fresh = || (Bucket::full(rate, now), rate);
        inner.by_key.entry(key).or_insert_with(fresh).0.take(rate, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate() {
        let rate = Rate { burst: 3, per_minute: 60 };
        let start = Instant::now();
        let mut bucket = Bucket::full(rate, start);
        assert!((0..3).all(|_| bucket.take(rate, start).is_ok()));
        assert_eq!(bucket.take(rate, start), Err(1_000));
        assert_eq!(bucket.take(rate, start + Duration::from_millis(400)), Err(600));
        assert_eq!(bucket.take(rate, start + Duration::from_millis(1_001)), Ok(()));
    }

    #[test]
    fn more_strangers_than_places_share_one_bucket() {
        let rate = Rate { burst: 1, per_minute: 1 };
        let (buckets, now) = (Buckets::new(), Instant::now());
        for key in 0..limits::RATE_KEYS_MAX {
            assert_eq!(buckets.take(key, rate, now), Ok(()));
        }
        assert_eq!(buckets.take(usize::MAX, rate, now), Ok(()));
        assert!(buckets.take(usize::MAX - 1, rate, now).is_err());
        let later = now + Duration::from_secs(61);
        assert_eq!(buckets.take(usize::MAX - 1, rate, later), Ok(()));
    }
}
