//! Redis, which carries the bells, dies, forgets, is away, loses words.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench::redis::Redis;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::limits;
use crate::stage::Stage;

const EVERY: Duration = Duration::from_secs(10);

fn redis(stage: &mut Stage) -> Result<&mut Redis> {
    stage.cluster.redis.as_mut().context("this setup has no Redis")
}

/// 12: it dies and is started again, empty.
pub(super) async fn killed(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    for _ in 0..stage.rounds(EVERY) {
        block_in_place(|| redis(stage)?.restart().context("it starts again"))?;
        sleep(stage.pause(EVERY)).await;
    }
    resynced(stage, since).await;
    Ok(())
}

/// 13: it forgets everything.
pub(super) async fn emptied(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    for _ in 0..stage.rounds(EVERY) {
        redis(stage)?.ask(&["FLUSHALL"])?;
        sleep(stage.pause(EVERY)).await;
    }
    let sample = stage.since(since);
    stage.figure(sample.to_string());
    stage.must(sample.breaks() == 0, "nobody loses his line");
    Ok(())
}

/// 14: it is away for a while.
pub(super) async fn away(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    redis(stage)?.kill();
    let acked = stage.talk.acked();
    sleep(stage.form.span).await;
    let meanwhile = stage.talk.acked() - acked;
    stage.must(meanwhile > 0, "messages are acked without it");
    block_in_place(|| redis(stage)?.restart().context("it starts again"))?;
    sleep(stage.pause(EVERY)).await;
    stage.figure(format!("{meanwhile} acked meanwhile"));
    resynced(stage, since).await;
    Ok(())
}

/// 15: every tenth word on the bus is lost.
pub(super) async fn drops(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    for gateway in 0..stage.cluster.gateways.len() {
        stage.cluster.replace(gateway, Some("deaf_to_every=10")).await?;
    }
    let mut filled = 0.0;
    while filled == 0.0 && since.elapsed() < limits::FIRST_HOLE {
        sleep(stage.form.span).await;
        filled = stage.metric("natter_holes_filled_total").await;
    }
    stage.must(filled > 0.0, "holes are filled");
    let settled = stage.talk.settle().await;
    stage.must(settled.is_some(), "what was lost arrives all the same");
    let settled = settled.unwrap_or_default().as_millis();
    stage.wants(settled < 60_000, "the last word comes within a minute");
    let sample = stage.since(since);
    stage.figure(format!("{filled} holes filled; the last message {settled} ms late; {sample}"));
    for gateway in 0..stage.cluster.gateways.len() {
        stage.cluster.replace(gateway, None).await?;
    }
    stage.talk.begin();
    Ok(())
}

/// 16: it cuts off who listens, as it does with one whose output is over the limit.
pub(super) async fn listener_cut(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    for _ in 0..stage.rounds(EVERY) {
        redis(stage)?.ask(&["CLIENT", "KILL", "TYPE", "pubsub"])?;
        sleep(stage.pause(EVERY)).await;
    }
    resynced(stage, since).await;
    Ok(())
}

/// Words of other gateways.
const HEARD: &str = "natter_bus_heard_total";

async fn resynced(stage: &mut Stage, since: Instant) {
    let sample = stage.since(since);
    let links = stage.metric("natter_bus_links_total").await;
    let resyncs = stage.metric("natter_resyncs_total").await;
    stage.figure(format!("{links} links, {resyncs} users looked again; {sample}"));
    stage.must(links > 2.0, "the links were lost and made again");
    stage.must(resyncs > 0.0, "who may have missed something looks");
    // Positions are compared all the time, so nothing is missing for long in any case: that
    // everybody is subscribed again is seen in what is heard.
    let (heard, asked) = (stage.metric(HEARD).await, Instant::now());
    let enough = heard + 4.0 * stage.talk.people.len() as f64;
    while stage.metric(HEARD).await < enough && asked.elapsed() < limits::LOAD_WAIT {
        sleep(limits::LOOK_EVERY).await;
    }
    let heard = stage.metric(HEARD).await;
    stage.must(heard >= enough, "everybody listens again, and words are heard");
    stage.must(sample.breaks() == 0, "nobody loses his line");
}
