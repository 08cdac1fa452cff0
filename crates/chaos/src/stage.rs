//! A running system with people in it, and what one fault after the other did to them.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use bench::check::{Books, Verdict, judge};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

use crate::cluster::{Cluster, Setup};
use crate::limits;
use crate::sample::Sample;
use crate::talk::{Crowd, Talk};

/// How large a run is.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    pub(crate) is_long: bool,
    pub(crate) crowd: Crowd,
    /// What every server is told.
    flags: &'static [&'static str],
    /// Load before a fault …
    before: Duration,
    /// … and how many answers a second there must be in it; else the run is void.
    acked_a_second_min: f64,
    /// How long a fault lasts, or how long it is repeated.
    pub(crate) span: Duration,
}

/// A few seconds for each fault: these run with the tests.
pub const SHORT: Form = Form {
    is_long: false,
    crowd: Crowd { people: 12, group: 6, pair_rate: 48.0, group_rate: 12.0 },
    // What is noticed by time alone is noticed sooner.
    flags: &[
        "--timers-lease-ms=4000",
        "--timers-presence-grace-ms=50",
        "--timers-position-check-ms=500",
    ],
    before: Duration::from_secs(1),
    acked_a_second_min: 30.0,
    span: Duration::from_secs(2),
};

/// 200 sessions, 200 messages a second, a fifth of them to groups of 20: as it would be in service.
pub const LONG: Form = Form {
    is_long: true,
    crowd: Crowd { people: 200, group: 20, pair_rate: 160.0, group_rate: 40.0 },
    flags: &[],
    before: Duration::from_secs(10),
    acked_a_second_min: 150.0,
    span: Duration::from_secs(60),
};

/// What became of one fault.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub verdict: Verdict,
    /// What did not hold beside that.
    pub broken: Vec<String>,
    /// What was measured.
    pub figures: Vec<String>,
}

impl Outcome {
    pub fn is_clean(&self) -> bool {
        self.verdict.is_clean() && self.broken.is_empty()
    }
}

pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) talk: Talk,
    pub(crate) form: Form,
    pub(crate) random: StdRng,
    /// Of the fault that is being played.
    pub(crate) outcome: Outcome,
    /// Answers before it.
    acked_before: u64,
}

impl Stage {
    pub(crate) async fn start(setup: Setup, form: Form, binary: &Path, seed: u64) -> Result<Self> {
        let cluster = Cluster::start(setup, binary, form.flags).await?;
        let talk = Box::pin(Talk::start(&cluster.urls(), form.crowd)).await?;
        let random = StdRng::seed_from_u64(seed);
        let outcome = Outcome::default();
        Ok(Self { cluster, talk, form, random, outcome, acked_before: 0 })
    }

    /// Load, before anything is broken. A short run waits for it on a machine that does much else.
    pub(crate) async fn load(&mut self) {
        self.outcome = Outcome::default();
        self.talk.begin();
        let (since, before) = (Instant::now(), self.talk.acked());
        let enough = (self.form.acked_a_second_min * self.form.before.as_secs_f64()) as u64;
        sleep(self.form.before).await;
        let may_wait = !self.form.is_long;
        while may_wait && self.talk.acked() - before < enough {
            if since.elapsed() > limits::LOAD_WAIT {
                break;
            }
            sleep(limits::LOOK_EVERY).await;
        }
        self.acked_before = self.talk.acked() - before;
        let sample = self.talk.sample(since);
        let seconds = since.elapsed().as_secs_f64();
        self.figure(format!("before: {:.0} acked/s, {sample}", self.acked_before as f64 / seconds));
    }

    /// After the fault: everything must arrive, and the judge looks. The stage can go on.
    pub(crate) async fn judge(&mut self) -> Result<()> {
        let settled = self.talk.settle().await;
        let books = self.talk.books(&self.cluster.databases()).await?;
        match settled {
            Some(took) => self.figure(format!("all arrived {} ms later", took.as_millis())),
            None => self.broke("not everything arrived in time".to_owned()),
        }
        let complaints = self.talk.complaints();
        self.outcome.broken.extend(complaints);
        let messages: usize = books.logs.values().map(Vec::len).sum();
        self.figure(format!("{messages} messages judged"));
        self.decide(books);
        Ok(())
    }

    /// After the last fault: who is there?
    pub(crate) async fn end(mut self) -> Result<Outcome> {
        self.outcome = Outcome::default();
        let mut books = self.talk.books(&self.cluster.databases()).await?;
        books.sightings = self.talk.sightings().await?;
        self.figure(format!("{} sightings judged", books.sightings.len()));
        self.decide(books);
        let Self { cluster, outcome, .. } = self;
        cluster.end().await?;
        Ok(outcome)
    }

    fn decide(&mut self, mut books: Books) {
        books.acked_before = self.acked_before;
        let enough = self.form.acked_a_second_min * self.form.before.as_secs_f64();
        books.acked_before_min = enough as u64;
        self.outcome.verdict = judge(&books);
    }

    // ── for scenes ──────────────────────────────────────────────────────────────────────────────

    pub(crate) fn figure(&mut self, figure: String) {
        self.outcome.figures.push(figure);
    }

    fn broke(&mut self, what: String) {
        self.outcome.broken.push(what);
    }

    /// What must hold, or the run has failed.
    pub(crate) fn must(&mut self, holds: bool, what: &str) {
        if !holds {
            self.broke(what.to_owned());
        }
    }

    /// What is wanted on a machine that does nothing else: it is told, and no failure.
    pub(crate) fn wants(&mut self, holds: bool, what: &str) {
        let verdict = if holds { "kept" } else { "missed" };
        self.figure(format!("wanted: {what}: {verdict}"));
    }

    /// A gateway by chance.
    pub(crate) fn any_gateway(&mut self) -> usize {
        self.random.random_range(0..self.cluster.gateways.len())
    }

    /// How often something is done that takes `each` in a long run; in a short one once or twice.
    pub(crate) fn rounds(&self, each: Duration) -> u32 {
        match self.form.is_long {
            true => (self.form.span.as_secs() / each.as_secs().max(1)).max(1) as u32,
            false => 2,
        }
    }

    /// `each` in a long run; in a short one a part of its span.
    pub(crate) fn pause(&self, each: Duration) -> Duration {
        if self.form.is_long { each } else { each.min(self.form.span / 2) }
    }

    pub(crate) fn since(&self, since: Instant) -> Sample {
        self.talk.sample(since)
    }

    /// The sum of one number over all gateways that answer.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let mut sum = 0.0;
        for gateway in &self.cluster.gateways {
            sum += gateway.node.metric(name).await.unwrap_or_default();
        }
        sum
    }
}
