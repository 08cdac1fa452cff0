//! Clocks that are wrong.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use crate::stage::Stage;

/// 35: the clocks of all gateways jump.
pub(super) async fn jumps(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    for clock in ["-1h", "+1h", "+1d", "+0s"] {
        for gateway in 0..stage.cluster.gateways.len() {
            stage.cluster.set_clock(gateway, clock)?;
        }
        sleep(stage.pause(Duration::from_secs(15))).await;
    }
    let sample = stage.since(since);
    stage.figure(sample.to_string());
    stage.must(sample.breaks() == 0, "nobody loses his line");
    Ok(())
}

/// 36: the clocks of two gateways differ, and everybody goes from one to the other.
pub(super) async fn apart(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    stage.cluster.set_clock(0, "-10m")?;
    stage.cluster.set_clock(1, "+10m")?;
    for _ in 0..stage.rounds(Duration::from_secs(15)) {
        stage.talk.people.iter().for_each(|person| person.client.reconnect());
        sleep(stage.pause(Duration::from_secs(15))).await;
    }
    stage.cluster.set_clock(0, "+0s")?;
    stage.cluster.set_clock(1, "+0s")?;
    let sample = stage.since(since);
    stage.figure(sample.to_string());
    stage.must(sample.breaks() > 0, "people have moved");
    Ok(())
}
