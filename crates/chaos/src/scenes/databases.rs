//! PostgreSQL dies, is away, hangs, is full, gets into its own way.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench::postgres::Postgres;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::limits;
use crate::stage::Stage;

fn postgres(stage: &mut Stage) -> Result<&mut Postgres> {
    stage.cluster.postgres.as_mut().context("this setup has no PostgreSQL")
}

/// 7: it crashes and is started again.
pub(super) async fn killed(stage: &mut Stage) -> Result<()> {
    const EVERY: Duration = Duration::from_secs(4);
    let (since, mut slowest) = (Instant::now(), Duration::ZERO);
    for _ in 0..stage.rounds(EVERY) {
        postgres(stage)?.kill();
        let begun = Instant::now();
        block_in_place(|| postgres(stage)?.restart().context("it starts again"))?;
        slowest = slowest.max(begun.elapsed());
        sleep(stage.pause(EVERY)).await;
    }
    let sample = stage.since(since);
    stage.figure(format!("slowest recovery {} ms; {sample}", slowest.as_millis()));
    stage.wants(slowest < Duration::from_secs(5), "ready again in < 5 s");
    stage.wants(sample.ack(1.0) < Duration::from_secs(15), "worst ack < 15 s");
    Ok(())
}

/// 8: it is away for a while.
pub(super) async fn away(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    let memory = |stage: &Stage| {
        let gateways = &stage.cluster.gateways;
        gateways.iter().map(|gateway| gateway.node.resident_mib()).sum::<f64>()
    };
    let before = memory(stage);
    postgres(stage)?.kill();
    sleep(stage.form.span).await;
    let acked = stage.talk.acked();
    // What was under way when it died may still have been answered.
    sleep(stage.form.span / 4).await;
    let still = stage.talk.acked() - acked;
    stage.must(still == 0, "nothing is acked without a database");
    let grown = memory(stage) - before;
    stage.must(grown < 20.0, &format!("the gateways grew by {grown:.1} MiB, less than 20"));
    block_in_place(|| postgres(stage)?.restart().context("it starts again"))?;
    let back = Instant::now();
    let flushed = stage.talk.settle().await.is_some().then(|| back.elapsed());
    let flushed_ms = flushed.unwrap_or_default().as_millis();
    stage.must(flushed.is_some(), "what waited was sent");
    stage.wants(flushed_ms < 10_000, "all that waited was sent in < 10 s");
    let sample = stage.since(since);
    stage.figure(format!("grew by {grown:.1} MiB; flushed in {flushed_ms} ms; {sample}"));
    stage.talk.begin();
    Ok(())
}

/// 9: it hangs, with all its connections open.
pub(super) async fn stalls(stage: &mut Stage) -> Result<()> {
    const LONG: Duration = Duration::from_secs(5);
    let since = Instant::now();
    let max = stage.metric("natter_database_connections_max").await;
    for _ in 0..stage.rounds(2 * LONG) {
        postgres(stage)?.pause();
        sleep(stage.pause(LONG)).await;
        let open = stage.metric("natter_database_connections{").await;
        stage.must(open <= max, &format!("{open} connections, {max} at the most"));
        let processes = postgres(stage)?.processes();
        stage.must(processes < PROCESSES_MAX, &format!("{processes} processes of PostgreSQL"));
        postgres(stage)?.resume();
        sleep(stage.pause(LONG)).await;
    }
    let sample = stage.since(since);
    stage.figure(format!("at most {max} connections of the gateways; {sample}"));
    Ok(())
}

/// Four servers with four connections to each of two databases, and its own processes.
const PROCESSES_MAX: usize = 4 * 2 * 4 + 12;

/// 10: its disk is full.
pub(super) async fn full(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    postgres(stage)?.fill_disk()?;
    let refused = "natter_commits_failed_total{why=\"full\"}";
    while stage.metric(refused).await == 0.0 {
        if since.elapsed() > limits::LOAD_WAIT {
            stage.must(false, "the servers say that the disk is full");
            break;
        }
        sleep(limits::LOOK_EVERY).await;
    }
    let reading = Instant::now();
    while reading.elapsed() < stage.form.span {
        read_everything(stage).await?;
        sleep(Duration::from_millis(200)).await;
    }
    let acked = stage.talk.acked();
    postgres(stage)?.free_disk()?;
    let back = Instant::now();
    while stage.talk.acked() == acked && back.elapsed() < limits::LOAD_WAIT {
        sleep(limits::LOOK_EVERY).await;
    }
    let back = back.elapsed().as_millis();
    let sample = stage.since(since);
    stage.figure(format!("takes messages {back} ms after there was room; {sample}"));
    stage.wants(back < 6_000, "normal again in < 5 s and one more for the jitter");
    Ok(())
}

/// Who cannot write can read all the same.
async fn read_everything(stage: &mut Stage) -> Result<()> {
    let person = &stage.talk.people[0];
    let conversations = person.client.conversations().await?;
    let conv_id = conversations.first().context("everybody has a conversation")?.conv_id;
    let read = person.client.fetch_history(conv_id, 0).await;
    stage.must(read.is_ok(), &format!("history can be read: {read:?}"));
    Ok(())
}

/// One of a hundred messages meets another transaction in its way.
const IN_THE_WAY: &str = "
CREATE FUNCTION in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF random() < 0.01 THEN RAISE EXCEPTION 'in the way' USING ERRCODE = '40P01'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER in_the_way BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION in_the_way();";
const OUT_OF_THE_WAY: &str = "DROP TRIGGER in_the_way ON message; DROP FUNCTION in_the_way();";

/// 11: deadlocks.
pub(super) async fn conflicts(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    let failed = stage.metric("natter_commits_failed_total").await;
    stage.cluster.sql(IN_THE_WAY)?;
    sleep(stage.form.span).await;
    stage.cluster.sql(OUT_OF_THE_WAY)?;
    let sample = stage.since(since);
    stage.figure(sample.to_string());
    let failed = stage.metric("natter_commits_failed_total").await - failed;
    stage.must(failed == 0.0, &format!("{failed} batches were given up"));
    Ok(())
}
