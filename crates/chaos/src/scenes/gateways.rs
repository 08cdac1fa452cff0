//! Processes that die, end, hang.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use crate::limits;
use crate::stage::Stage;

const EVERY: Duration = Duration::from_secs(5);

/// 1: one gateway after the other is killed and started again.
pub(super) async fn killed(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    let pause = stage.pause(EVERY);
    for _ in 0..stage.rounds(EVERY) {
        let gateway = stage.any_gateway();
        stage.cluster.kill(gateway).await?;
        sleep(pause / 5).await;
        stage.cluster.start_again(gateway, None).await?;
        sleep(pause - pause / 5).await;
    }
    let sample = stage.since(since);
    stage.figure(sample.to_string());
    stage.must(sample.breaks() > 0, "somebody was at the gateways that were killed");
    stage.wants(sample.back(0.99) < Duration::from_secs(3), "live again p99 < 3 s");
    let steady = sample.steady_ack(0.99) < Duration::from_millis(250);
    stage.wants(steady, "ack p99 at the other gateway < 250 ms");
    Ok(())
}

/// 2: a gateway dies between COMMIT and bell.
pub(super) async fn dies_after_commit(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    for round in 0..stage.rounds(EVERY) as usize {
        let gateway = round % stage.cluster.gateways.len();
        stage.cluster.replace(gateway, Some("die_after_commit=20")).await?;
        // Whoever is there now may be few: everybody looks for a place anew.
        stage.cluster.gateways.iter().for_each(|gateway| gateway.clients.hang_up());
        let node = &mut stage.cluster.gateways[gateway].node;
        let died = timeout(limits::START_WAIT, node.ended()).await??;
        ensure!(!died, "it has ended well and not died");
        stage.cluster.start_again(gateway, None).await?;
    }
    let sample = stage.since(since);
    stage.figure(sample.to_string());
    // Whose Sent was lost has sent again, and the store knew it.
    let repeated = stage.metric("natter_messages_repeated_total").await;
    stage.figure(format!("{repeated} messages came again and were known"));
    Ok(())
}

/// 3: all gateways are restarted in turn.
pub(super) async fn rolling_restart(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    let pause = stage.pause(EVERY);
    let goodbyes = stage.talk.goodbyes();
    for gateway in 0..stage.cluster.gateways.len() {
        stage.cluster.replace(gateway, None).await?;
        sleep(pause).await;
    }
    let sample = stage.since(since);
    stage.figure(sample.to_string());
    stage.must(sample.breaks() > 0, "somebody had to move");
    let told = stage.talk.goodbyes() - goodbyes;
    stage.must(told > 0, "who has to move is told so");
    Ok(())
}

/// 4: a gateway hangs for longer than its lease, and goes on.
pub(super) async fn stopped(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    let gateway = stage.any_gateway();
    let hanging = &stage.cluster.gateways[gateway];
    hanging.node.signal(Signal::STOP);
    // Longer than its lease.
    sleep(Duration::from_secs(if stage.form.is_long { 60 } else { 5 })).await;
    hanging.node.signal(Signal::CONT);
    let back = hanging.node.ready().await?;
    // Whose line it gives up comes again, and only then counts.
    while stage.since(since).breaks() == 0 && since.elapsed() < limits::LOAD_WAIT {
        sleep(limits::LOOK_EVERY).await;
    }
    let sample = stage.since(since);
    stage.figure(format!("{sample}; ready {} ms after SIGCONT", back.as_millis()));
    stage.must(sample.breaks() > 0, "it has given up the connections that it had");
    Ok(())
}

/// 5: the one process with everything in it is killed.
pub(super) async fn embedded_killed(stage: &mut Stage) -> Result<()> {
    let (since, mut slowest) = (Instant::now(), Duration::ZERO);
    let rounds = if stage.form.is_long { 30 } else { 8 };
    for _ in 0..rounds {
        stage.cluster.kill(0).await?;
        let begun = Instant::now();
        stage.cluster.start_again(0, None).await?;
        slowest = slowest.max(begun.elapsed());
        // Back-off would only make the run longer.
        stage.talk.people.iter().for_each(|person| person.client.reconnect());
        let acked = stage.talk.acked();
        while stage.talk.acked() < acked + 50 {
            ensure!(begun.elapsed() < limits::LOAD_WAIT, "nobody writes any more");
            sleep(limits::LOOK_EVERY).await;
        }
    }
    let sample = stage.since(since);
    stage.figure(format!("{rounds} kills, slowest start {} ms; {sample}", slowest.as_millis()));
    stage.wants(slowest < Duration::from_secs(1), "ready again in < 1 s");
    let databases = stage.cluster.databases();
    let store = store::Store::open(&databases, &store::Options::default()).await?;
    let faults = store.integrity().await?;
    store.close().await;
    stage.must(faults.is_empty(), &format!("the database is whole: {faults:?}"));
    Ok(())
}
