//! Lines that are dead, bad, slow or long.

use std::time::{Duration, Instant};

use anyhow::Result;
use bench::proxy::{Proxy, Way};
use rand::seq::SliceRandom;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::cluster::Gateway;
use crate::limits;
use crate::stage::Stage;

/// The six directions of a gateway's lines.
fn ways(gateway: &Gateway) -> [(&'static str, &Way); 6] {
    let Gateway { clients, databases, bus, .. } = gateway;
    [
        ("client to gateway", clients.up()),
        ("gateway to client", clients.down()),
        ("gateway to database", databases.up()),
        ("database to gateway", databases.down()),
        ("gateway to Redis", bus.up()),
        ("Redis to gateway", bus.down()),
    ]
}

fn lines(gateway: &Gateway) -> [&Proxy; 3] {
    [&gateway.clients, &gateway.databases, &gateway.bus]
}

/// 22: one direction of one line after the other is dead.
pub(super) async fn one_way(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    let (dead, pause) = match stage.form.is_long {
        true => (Duration::from_secs(30), Duration::from_secs(10)),
        false => (Duration::from_millis(800), Duration::from_millis(200)),
    };
    for way in 0..6 {
        let gateway = stage.any_gateway();
        let begun = Instant::now();
        ways(&stage.cluster.gateways[gateway])[way].1.cut(true);
        sleep(dead).await;
        let (name, cut) = ways(&stage.cluster.gateways[gateway])[way];
        cut.cut(false);
        sleep(pause).await;
        let sample = stage.since(begun);
        stage.figure(format!("{name}: {sample}"));
    }
    let sample = stage.since(since);
    stage.figure(sample.to_string());
    if stage.form.is_long {
        heartbeats_end_dead_lines(stage).await;
    }
    notices_a_dead_line(stage).await;
    Ok(())
}

/// Lines of clients that stay dead in one direction are ended by whoever hears nothing there. It is
/// seen on those who only read: who waits for an answer gives up sooner.
async fn heartbeats_end_dead_lines(stage: &mut Stage) {
    const SILENT: &str = "natter_connections_ended_total{why=\"silent\"}";
    let since = Instant::now();
    let (gateway, before) = (stage.any_gateway(), stage.metric(SILENT).await);
    stage.cluster.gateways[gateway].clients.up().cut(true);
    while stage.metric(SILENT).await <= before && since.elapsed() < limits::HEARTBEATS_END {
        sleep(limits::LOOK_EVERY).await;
    }
    stage.cluster.gateways[gateway].clients.up().cut(false);
    let ended = stage.metric(SILENT).await > before;
    stage.must(ended, "a gateway ends a line on which it hears nothing");
    let by_gateway = since.elapsed();

    // Everybody is heard again, so that the next silence begins with the next cut.
    sleep(Duration::from_secs(10)).await;
    let (since, before) = (Instant::now(), stage.talk.silences());
    stage.cluster.gateways[gateway].clients.down().cut(true);
    while stage.talk.silences() <= before && since.elapsed() < limits::HEARTBEATS_END {
        sleep(limits::LOOK_EVERY).await;
    }
    stage.cluster.gateways[gateway].clients.down().cut(false);
    let ended = stage.talk.silences() > before;
    stage.must(ended, "a client ends a line on which it hears nothing");
    stage.figure(format!(
        "a line that stayed dead was ended by the gateway after {:.1} s, by the client after \
         {:.1} s",
        by_gateway.as_secs_f64(),
        since.elapsed().as_secs_f64()
    ));
}

/// A line to Redis that says nothing is found dead by its heartbeat, and made anew.
async fn notices_a_dead_line(stage: &mut Stage) {
    const LINKS: &str = "natter_bus_links_total";
    let (gateway, since) = (stage.any_gateway(), Instant::now());
    let before = stage.metric(LINKS).await;
    let mut after = before;
    stage.cluster.gateways[gateway].bus.down().cut(true);
    // It is found dead while it is dead: a new one cannot be made before that.
    sleep(limits::REDIS_DEAD).await;
    stage.cluster.gateways[gateway].bus.down().cut(false);
    while after <= before && since.elapsed() < limits::LOAD_WAIT {
        sleep(limits::LOOK_EVERY).await;
        after = stage.metric(LINKS).await;
    }
    stage.figure(format!("a dead line to Redis was made anew after {:?}", since.elapsed()));
    stage.must(after > before, "a line to Redis that is dead is noticed");
}

/// 23: of a hundred packets five are lost, both ways.
pub(super) async fn loss(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    for gateway in &stage.cluster.gateways {
        gateway.clients.up().stumble(5);
        gateway.clients.down().stumble(5);
    }
    sleep(stage.form.span).await;
    stage.cluster.gateways.iter().for_each(|gateway| gateway.clients.heal());
    let sample = stage.since(since);
    stage.figure(sample.to_string());
    stage.must(sample.breaks() == 0, "nobody loses his line");
    stage.wants(sample.ack(0.99) < Duration::from_millis(1_500), "ack p99 < 1.5 s");
    Ok(())
}

/// 24: somebody is written more than his line takes.
pub(super) async fn slow_receiver(stage: &mut Stage) -> Result<()> {
    let before = Instant::now();
    sleep(stage.form.span / 2).await;
    let unhurt = stage.since(before).ack(0.99);
    let room = stage.talk.room_for_a_flood().await?;
    let slow = "natter_connections_ended_total{why=\"slow\"}";
    let ended = stage.metric(slow).await;
    // 256 kbit/s in a long run.
    let (rate, a_second) = if stage.form.is_long { (32_000, 50) } else { (64_000, 200) };
    stage.cluster.gateways.iter().for_each(|gateway| gateway.clients.down().trickle(rate));
    stage.talk.move_flooded(room).await?;
    stage.cluster.gateways.iter().for_each(|gateway| gateway.clients.heal());
    let since = Instant::now();
    let mut beat = interval(Duration::from_secs(1) / a_second);
    let (mut written, mut cut_after) = (0_u64, None);
    while cut_after.is_none() && since.elapsed() < FLOOD_MAX {
        beat.tick().await;
        stage.talk.flood(room, &format!("{written} {}", "x".repeat(FLOOD_BYTES))).await;
        written += 1;
        if written.is_multiple_of(LOOK_AFTER) && stage.metric(slow).await > ended {
            cut_after = Some(since.elapsed());
        }
    }
    let sample = stage.since(since);
    let (owed, others) = (stage.talk.owed(room), stage.talk.sample_beside(room, since));
    stage.must(cut_after.is_some(), "who is too slow is told to come again");
    let most = (kernel_holds() + OWED_MAX) / FLOOD_BYTES;
    stage.must(owed < most, &format!("he was owed {owed} messages of 8 kB, {most} at the most"));
    stage.figure(format!(
        "cut {:.1} s after the first of {written} messages of 8 kB, when he had not got {owed}; \
         ack p99 of the others {} ms, before {} ms; {sample}",
        cut_after.unwrap_or_default().as_secs_f64(),
        others.ack(0.99).as_millis(),
        unhurt.as_millis()
    ));
    Ok(())
}

/// Messages of the flood between two looks whether he is cut off.
const LOOK_AFTER: u64 = 20;

/// The text of each.
const FLOOD_BYTES: usize = 8_000;

/// What the system may hold for him when he is cut off, in bytes, beside what the kernel takes: his
/// queue of 1 MiB, what the proxy has, and what comes until somebody looks.
const OWED_MAX: usize = 4 << 20;

/// What the kernel takes of one socket before a writer must wait, in bytes: up to 4 MiB where
/// nobody has set it otherwise.
fn kernel_holds() -> usize {
    let set = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_wmem").unwrap_or_default();
    set.split_whitespace().last().and_then(|most| most.parse().ok()).unwrap_or(4 << 20)
}

/// A queue of 1 MiB, and what the kernel holds beside it, are full by then.
const FLOOD_MAX: Duration = Duration::from_secs(60);

/// 25: sockets that say one byte a second and never come to an end.
pub(super) async fn slow_loris(stage: &mut Stage) -> Result<()> {
    let count = if stage.form.is_long { 1_000 } else { 100 };
    let since = Instant::now();
    let mut sockets = JoinSet::new();
    for n in 0..count {
        let gateways = &stage.cluster.gateways;
        let address = gateways[n % gateways.len()].node.address.clone();
        sockets.spawn(async move { trickle(&address).await });
    }
    let (mut shortest, mut longest) = (Duration::MAX, Duration::ZERO);
    while let Some(lasted) = sockets.join_next().await {
        let lasted = lasted??;
        (shortest, longest) = (shortest.min(lasted), longest.max(lasted));
    }
    let sample = stage.since(since);
    let (from, to) = (shortest.as_millis(), longest.as_millis());
    stage.figure(format!("{count} sockets were cut after {from} to {to} ms; {sample}"));
    stage.must(longest < LORIS_MAX, "each is cut");
    stage.must(sample.breaks() == 0, "nobody loses his line");
    Ok(())
}

/// So long no server may bear it.
const LORIS_MAX: Duration = Duration::from_secs(15);

/// How long a server bears it.
async fn trickle(address: &str) -> Result<Duration> {
    let since = Instant::now();
    let (mut read, mut write) = TcpStream::connect(address).await?.into_split();
    let mut beat = interval(Duration::from_secs(1));
    let writing = async {
        for byte in b"GET /v1/ws HTTP/1.1\r\nhost: ".iter().chain(std::iter::repeat(&b'a')) {
            beat.tick().await;
            if write.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = writing => {}
        _ = read.read_to_end(&mut answer) => {}
        () = sleep(LORIS_MAX) => {}
    }
    Ok(since.elapsed())
}

/// 26: all lines of all gateways are cut one after the other, and restored in another order.
pub(super) async fn swizzle_clog(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    let mut order: Vec<(usize, usize)> =
        (0..stage.cluster.gateways.len()).flat_map(|g| (0..3).map(move |l| (g, l))).collect();
    // Long enough that what waits for a line is given up before the line is restored.
    let pause = if stage.form.is_long { Duration::from_millis(1_250) } else { SWIZZLE };
    for is_cut in [true, false] {
        order.shuffle(&mut stage.random);
        for (gateway, line) in &order {
            let line = lines(&stage.cluster.gateways[*gateway])[*line];
            line.up().cut(is_cut);
            line.down().cut(is_cut);
            sleep(pause).await;
        }
    }
    let sample = stage.since(since);
    stage.figure(sample.to_string());
    Ok(())
}

/// Six lines, and what waits for a database is given up after 5 s.
const SWIZZLE: Duration = Duration::from_millis(900);

/// 27: everybody is 200 ms away.
pub(super) async fn far_away(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    let resent = stage.talk.resent();
    for gateway in &stage.cluster.gateways {
        gateway.clients.up().delay(Duration::from_millis(100));
        gateway.clients.down().delay(Duration::from_millis(100));
    }
    sleep(stage.form.span).await;
    stage.cluster.gateways.iter().for_each(|gateway| gateway.clients.heal());
    let sample = stage.since(since);
    stage.figure(sample.to_string());
    stage.must(stage.talk.resent() == resent, "nothing is sent twice");
    stage.must(sample.breaks() == 0, "nobody loses his line");
    stage.must(sample.ack(0.5) > Duration::from_millis(190), "the lines were so long");
    stage.wants(sample.ack(0.99) < Duration::from_millis(700), "ack p99 < 700 ms");
    Ok(())
}
