//! What has happened, in order: for a person who looks for the cause, and as one number that two
//! runs of one seed must share.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// FNV-1a: what counts is that equal traces are equal and different ones nearly never.
const START: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

pub(crate) struct Trace {
    inner: Mutex<Inner>,
}

struct Inner {
    hash: u64,
    events: u64,
    told: bool,
}

impl Trace {
    /// `told`: each event is written to standard output as it happens.
    pub(crate) fn new(told: bool) -> Self {
        Self { inner: Mutex::new(Inner { hash: START, events: 0, told }) }
    }

    pub(crate) fn note(&self, at: Duration, who: &str, what: &str) {
        let line = format!("{:>9.3} {who:<6} {what}", at.as_secs_f64());
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for byte in line.bytes() {
            inner.hash = (inner.hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
        inner.events += 1;
        if inner.told {
            tell(&line);
        }
    }

    /// How many events there were, and their number.
    pub(crate) fn sum(&self) -> (u64, u64) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.events, inner.hash)
    }
}

#[expect(clippy::print_stdout, reason = "it was asked for on the command line")]
fn tell(line: &str) {
    println!("{line}");
}
