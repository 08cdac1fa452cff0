//! The course of one load: warm up, measure, drain. Shared by all pairs; each asks it after every
//! frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::report::{Latencies, number};
use crate::usage::{Spent, Usage};
use crate::{Result, limits, say};

/// When the next message is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// As soon as fewer than so many of a pair are under way: a slow server is asked less.
    Closed { window: usize },
    /// So many a second from all pairs together, whatever the server does. What had to wait because
    /// the server was slow has its latency from the moment when it was due.
    Open { per_second: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    WarmUp,
    /// What is said and heard now counts.
    Measure,
    /// Nothing new is sent; what is under way must still arrive.
    Drain,
}

#[derive(Default)]
pub(crate) struct Course {
    phase: AtomicU8,
    acked: AtomicU64,
    arrived: AtomicU64,
}

/// What one pair has seen, and in the end all of them together.
pub(crate) struct Tally {
    /// From the Send to the recipient's socket.
    pub(crate) to_recipient: Latencies,
    /// From the Send to its answer.
    pub(crate) to_answer: Latencies,
    pub(crate) messages: u64,
    pub(crate) receipts_at_sender: u64,
    pub(crate) receipts_at_recipient: u64,
    pub(crate) delivered_said: u64,
    pub(crate) violations: Vec<String>,
}

/// One load, measured.
pub(crate) struct Load {
    pub(crate) seconds: f64,
    /// Messages that were answered and messages that arrived while measuring.
    pub(crate) acked: u64,
    pub(crate) arrived: u64,
    /// Of the servers with what stands behind them, all and each, and of this process while
    /// measuring, in microseconds.
    pub(crate) cpu_us: Option<f64>,
    pub(crate) spent: Vec<Spent>,
    pub(crate) own_cpu_us: Option<f64>,
    pub(crate) tally: Tally,
}

impl Course {
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::WarmUp,
            1 => Phase::Measure,
            _ => Phase::Drain,
        }
    }

    pub(crate) fn one_acked(&self) {
        self.acked.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn one_arrived(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            to_recipient: Latencies::new(),
            to_answer: Latencies::new(),
            messages: 0,
            receipts_at_sender: 0,
            receipts_at_recipient: 0,
            delivered_said: 0,
            violations: Vec::new(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.to_recipient.add(&other.to_recipient);
        self.to_answer.add(&other.to_answer);
        self.messages += other.messages;
        self.receipts_at_sender += other.receipts_at_sender;
        self.receipts_at_recipient += other.receipts_at_recipient;
        self.delivered_said += other.delivered_said;
        let room = limits::VIOLATIONS_MAX.saturating_sub(self.violations.len());
        self.violations.extend(other.violations.iter().take(room).cloned());
    }

    /// So many of something for each message.
    pub(crate) fn per_message(&self, count: u64) -> f64 {
        count as f64 / self.messages.max(1) as f64
    }
}

impl Load {
    pub(crate) fn arrived_per_second(&self) -> f64 {
        self.arrived as f64 / self.seconds
    }

    pub(crate) fn acked_per_second(&self) -> f64 {
        self.acked as f64 / self.seconds
    }

    pub(crate) fn cpu_per_message_us(&self) -> Option<f64> {
        self.cpu_us.map(|us| us / self.arrived.max(1) as f64)
    }

    pub(crate) fn own_cpu_per_message_us(&self) -> Option<f64> {
        self.own_cpu_us.map(|us| us / self.arrived.max(1) as f64)
    }
}

struct Snapshot {
    at: Instant,
    acked: u64,
    arrived: u64,
    each_cpu_us: Option<Vec<f64>>,
    own_cpu_us: Option<f64>,
}

fn snapshot(course: &Course, usage: &Usage) -> Snapshot {
    Snapshot {
        at: Instant::now(),
        acked: course.acked.load(Ordering::Relaxed),
        arrived: course.arrived.load(Ordering::Relaxed),
        each_cpu_us: usage.each_cpu_us(),
        own_cpu_us: Usage::own().cpu_us(),
    }
}

/// Lets the pairs run, one task each, through all phases. Ends at once with the first pair that
/// fails.
pub(crate) async fn run<P: Send + 'static>(
    mut pairs: JoinSet<Result<(P, Tally)>>,
    course: Arc<Course>,
    usage: &Usage,
    seconds: u64,
) -> Result<(Vec<P>, Load)> {
    let (mut back, mut tally) = (Vec::with_capacity(pairs.len()), Tally::new());
    let told = Arc::clone(&course);
    let mut pass = async |pairs: &mut JoinSet<Result<(P, Tally)>>, longest: Option<Duration>| {
        let since = Instant::now();
        let mut progress = tokio::time::interval(limits::PROGRESS_EVERY);
        progress.tick().await;
        let before = told.arrived.load(Ordering::Relaxed);
        let over = async {
            match longest {
                Some(longest) => sleep(longest).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                _ = progress.tick() => {
                    let arrived = told.arrived.load(Ordering::Relaxed) - before;
                    tell_progress(since.elapsed(), longest, arrived);
                }
                done = pairs.join_next() => match done {
                    Some(done) => {
                        let (pair, seen) = done.map_err(std::io::Error::from)??;
                        back.push(pair);
                        tally.add(&seen);
                    }
                    None => return Ok::<_, crate::Error>(()),
                },
            }
        }
    };
    pass(&mut pairs, Some(limits::WARM_UP)).await?;
    let before = snapshot(&course, usage);
    course.enter(Phase::Measure);
    pass(&mut pairs, Some(Duration::from_secs(seconds))).await?;
    let after = snapshot(&course, usage);
    course.enter(Phase::Drain);
    pass(&mut pairs, None).await?;
    let spent = usage.spent(before.each_cpu_us.as_ref(), after.each_cpu_us.as_ref());
    let load = Load {
        seconds: (after.at - before.at).as_secs_f64(),
        acked: after.acked - before.acked,
        arrived: after.arrived - before.arrived,
        cpu_us: (!spent.is_empty()).then(|| spent.iter().map(|spent| spent.cpu_us).sum()),
        spent,
        own_cpu_us: after.own_cpu_us.zip(before.own_cpu_us).map(|(after, before)| after - before),
        tally,
    };
    Ok((back, load))
}

fn tell_progress(passed: Duration, of: Option<Duration>, arrived: u64) {
    let rate = number(arrived as f64 / passed.as_secs_f64());
    match of {
        Some(of) => {
            say(&format!(
                "  {:.0} of {:.0} s: {rate} a second",
                passed.as_secs_f64(),
                of.as_secs_f64()
            ));
        }
        None => say(&format!("  waiting for what is under way: {:.0} s", passed.as_secs_f64())),
    }
}
