//! The wall clock. What is stored and shown is in unix milliseconds; what is waited for uses
//! `tokio::time`.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds, UTC.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
