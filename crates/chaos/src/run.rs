//! Plays faults: the named ones on a stage that is good for them, or what chance says.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::RngExt;

use crate::cluster::Setup;
use crate::faults::{FAULTS, Fault, Scene};
use crate::scenes;
use crate::stage::{Form, Outcome, Stage};

/// A fault and what became of it.
pub struct Played {
    pub number: u32,
    pub name: &'static str,
    pub outcome: Outcome,
    /// What the processes had logged in the end, if something went wrong.
    pub logs: String,
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, name, outcome, logs } = self;
        let verdict = match (outcome.verdict.void, outcome.is_clean()) {
            (true, _) => "VOID",
            (false, true) => "held",
            (false, false) => "BROKEN",
        };
        writeln!(f, "{number:>3} {name}: {verdict}")?;
        let broken = outcome.broken.iter().chain(&outcome.verdict.cases);
        broken.clone().try_for_each(|broken| writeln!(f, "      ! {broken}"))?;
        outcome.figures.iter().try_for_each(|figure| writeln!(f, "      {figure}"))?;
        f.write_str(logs)
    }
}

/// Plays these faults one after the other, those of one setup on one stage. `tell` hears of each as
/// soon as it is over. `Err`: the system could not be started, or something that is no fault of its
/// own went wrong.
pub async fn play_all(
    numbers: &[u32],
    form: Form,
    binary: &Path,
    mut tell: impl FnMut(&Played),
) -> Result<Vec<Played>> {
    let mut chosen = Vec::new();
    for number in numbers {
        let fault = FAULTS.iter().find(|fault| fault.number == *number);
        let fault = fault.with_context(|| format!("there is no fault {number}"))?;
        let run = fault.run.with_context(|| format!("{number} runs in {}", fault.short))?;
        chosen.push((fault, run));
    }
    chosen.sort_by_key(|(_, (setup, _))| *setup as u8);
    let mut played = Vec::new();
    for some in chosen.chunk_by(|(_, (a, _)), (_, (b, _))| a == b) {
        let setup = some[0].1.0;
        let mut stage = Box::pin(Stage::start(setup, form, binary, 0)).await?;
        for (fault, (_, scene)) in some {
            let one = Box::pin(one(fault, *scene, &mut stage)).await?;
            tell(&one);
            played.push(one);
        }
        let end = Box::pin(end(stage)).await?;
        tell(&end);
        played.push(end);
    }
    Ok(played)
}

async fn one(fault: &Fault, scene: Scene, stage: &mut Stage) -> Result<Played> {
    stage.load().await;
    let since = Instant::now();
    let (number, name) = (fault.number, fault.name);
    let done = scenes::play(scene, stage).await;
    done.with_context(|| format!("{number} {name}\n{}", stage.cluster.logs()))?;
    stage.judge().await.with_context(|| format!("{number} {name}\n{}", stage.cluster.logs()))?;
    stage.figure(format!("took {:.1} s", since.elapsed().as_secs_f64()));
    let outcome = std::mem::take(&mut stage.outcome);
    let logs = if outcome.is_clean() { String::new() } else { stage.cluster.logs() };
    Ok(Played { number, name, outcome, logs })
}

/// When everything is over: who is there?
async fn end(stage: Stage) -> Result<Played> {
    let logs = stage.cluster.logs();
    let outcome = stage.end().await?;
    let logs = if outcome.is_clean() { String::new() } else { logs };
    Ok(Played { number: 0, name: "in the end everybody knows who is there", outcome, logs })
}

/// Plays whatever `seed` says until the time is over: which fault, where, how long.
pub async fn at_random(
    seed: u64,
    minutes: u64,
    form: Form,
    binary: &Path,
    mut tell: impl FnMut(&Played),
) -> Result<Vec<Played>> {
    let possible: Vec<(&Fault, Scene)> = FAULTS
        .iter()
        .filter(|fault| fault.at_random)
        .filter_map(|fault| fault.run.map(|(_, scene)| (fault, scene)))
        .collect();
    let until = Instant::now() + Duration::from_secs(60 * minutes);
    let mut stage = Box::pin(Stage::start(Setup::Cluster, form, binary, seed)).await?;
    let mut played = Vec::new();
    while Instant::now() < until {
        let (fault, scene) = possible[stage.random.random_range(0..possible.len())];
        let span_ms = stage.random.random_range(500..8_000);
        stage.form.span = Duration::from_millis(span_ms);
        let one = Box::pin(one(fault, scene, &mut stage)).await?;
        tell(&one);
        let is_over = !one.outcome.is_clean();
        played.push(one);
        if is_over {
            return Ok(played);
        }
    }
    let end = Box::pin(end(stage)).await?;
    tell(&end);
    played.push(end);
    Ok(played)
}
