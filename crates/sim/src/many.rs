//! Many seeds, each in a process of its own: what a process keeps for ever (a table that is filled
//! once, a counter) is nobody else's then, and a seed alone does the same as among others.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::run::{self, Outcome};
use crate::{limits, world};

/// What can be switched off, to see that it is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// The server knows a message by its key when it comes again.
    Dedupe,
    /// The client sends again what was not answered on the line before.
    Resend,
    /// Both ask for what is missing before a message.
    GapFill,
    /// A connection listens before it reads.
    Subscription,
}

/// The name of each, and the seam that takes it out.
const MECHANISMS: [(&str, Mechanism, &str); 4] = [
    ("dedupe", Mechanism::Dedupe, "no_dedupe=1"),
    ("resend", Mechanism::Resend, "no_resend=1"),
    ("gap-fill", Mechanism::GapFill, "no_gap_fill=1"),
    ("subscription", Mechanism::Subscription, "late_subscription=1"),
];

impl Mechanism {
    pub fn called(name: &str) -> Option<Self> {
        MECHANISMS.iter().find(|(called, ..)| *called == name).map(|(_, it, _)| *it)
    }

    fn row(self) -> (&'static str, &'static str) {
        let row = MECHANISMS.iter().find(|(_, it, _)| *it == self);
        row.map(|(name, _, seam)| (*name, *seam)).expect("each has a row")
    }
}

/// What is to be simulated.
#[derive(Debug, Clone)]
pub struct Order {
    /// The first seed, and how many there are.
    pub seed: u64,
    pub seeds: u64,
    /// How long things break, in simulated seconds.
    pub seconds: u64,
    pub without: Option<Mechanism>,
    /// Everything that happens is told.
    pub tell: bool,
    /// The first seed alone, in this process.
    pub is_one: bool,
}

impl Default for Order {
    fn default() -> Self {
        let (seed, seeds, seconds) = (1, 20, limits::SECONDS);
        Self { seed, seeds, seconds, without: None, tell: false, is_one: false }
    }
}

/// The first seed, in this process. The seams must be set.
pub fn one(order: &Order) -> Result<Outcome> {
    run::run(order.seed, order.seconds, order.tell)
}

/// All of them, as many at once as there are processors; how many were broken. `told` hears of each
/// in turn. Without a mechanism the first broken one is the last.
pub fn many(order: &Order, mut told: impl FnMut(String)) -> Result<u64> {
    let begin = Instant::now();
    let at_once = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let (mut next, end) = (order.seed, order.seed + order.seeds);
    let (done, ended) = mpsc::channel();
    let (mut under_way, mut waiting, mut tell_next) = (0, BTreeMap::new(), order.seed);
    let (mut broken, mut stop) = (0, false);
    while under_way > 0 || (next < end && !stop) {
        while under_way < at_once && next < end && !stop {
            let (child, done, seed) = (start(order, next)?, done.clone(), next);
            std::thread::spawn(move || done.send((seed, child.wait_with_output())));
            (next, under_way) = (next + 1, under_way + 1);
        }
        let (seed, output) = ended.recv().context("a seed that never ends")?;
        under_way -= 1;
        waiting.insert(seed, output?);
        while let Some(output) = waiting.remove(&tell_next) {
            let is_broken = !output.status.success();
            broken += u64::from(is_broken);
            told(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
            if is_broken {
                let errors = String::from_utf8_lossy(&output.stderr).into_owned();
                errors.lines().for_each(|line| told(format!("       {line}")));
                told(format!("       see it again: {}", again(order, tell_next)));
            }
            stop |= is_broken && order.without.is_some();
            tell_next += 1;
        }
    }
    let (seeds, took) = (tell_next - order.seed, begin.elapsed().as_secs_f64());
    told(format!("{seeds} seeds in {took:.1} s, {broken} broken"));
    Ok(broken)
}

fn start(order: &Order, seed: u64) -> Result<Child> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--one", "--seed", &seed.to_string(), "--seconds", &order.seconds.to_string()]);
    if order.tell {
        child.arg("--tell");
    }
    child.env("NATTER_SEAM", seams(order, seed)).stdin(Stdio::null());
    Ok(child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

/// What is taken out, made slow or made deaf in this one.
fn seams(order: &Order, seed: u64) -> String {
    let mut seams = format!("slow_disk_ms={}", limits::SLOW_DISK_MS);
    if world::is_deaf(seed) {
        seams += &format!(",deaf_here_to_every={}", limits::DEAF_TO_EVERY);
    }
    if let Some(mechanism) = order.without {
        seams += &format!(",{}", mechanism.row().1);
    }
    seams
}

fn again(order: &Order, seed: u64) -> String {
    let without = order.without.map(|it| format!(" --without {}", it.row().0)).unwrap_or_default();
    let seconds = order.seconds;
    format!("cargo xtask sim --seed {seed} --seeds 1 --seconds {seconds}{without} --tell")
}
