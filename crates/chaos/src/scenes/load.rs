//! More than there is room for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use proto::{client_frame, http};
use rustix::process::{Resource, getrlimit};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::limits;
use crate::stage::Stage;

/// 28: everybody loses his line at the same moment, and many more with them.
pub(super) async fn storm(stage: &mut Stage) -> Result<()> {
    let count = if stage.form.is_long { storm_size() } else { 100 };
    let mut storm = bench::storm::Storm::gather(&stage.cluster.urls(), count).await?;
    let hashed = passwords(stage).await?;
    let since = Instant::now();
    stage.cluster.gateways.iter().for_each(|gateway| gateway.clients.hang_up());
    let back = storm.come_back().await?;
    let sample = stage.since(since);
    let memory: Vec<f64> =
        stage.cluster.gateways.iter().map(|gateway| gateway.node.resident_mib()).collect();
    let (p99, worst) = (back.painted(0.99), back.painted(1.0));
    stage.figure(format!(
        "{count} came back at once: painted p50 {} p99 {} max {} ms, {} tries; gateways have \
         {memory:.0?} MiB; {sample}",
        back.painted(0.5).as_millis(),
        p99.as_millis(),
        worst.as_millis(),
        back.tries
    ));
    let runs = passwords(stage).await? - hashed;
    stage.must(runs == 0.0, &format!("nobody's password is hashed again: {runs}"));
    stage.wants(worst < Duration::from_secs(30), "all painted in < 30 s");
    stage.wants(p99 < Duration::from_secs(20), "p99 < 20 s");
    stage.wants(memory.iter().all(|mib| *mib < 600.0), "each gateway < 600 MiB");
    storm.end().await;
    Ok(())
}

/// As many connections as the files allow that one process may have open: each is one here, two of
/// the proxy before its gateway, and one on its way to a ticket.
fn storm_size() -> usize {
    let files = getrlimit(Resource::Nofile).maximum.map_or(usize::MAX, |max| max as usize);
    limits::STORM_CONNECTIONS.min(files.saturating_sub(limits::FILES_OF_THE_STAGE) / 4)
}

async fn passwords(stage: &Stage) -> Result<f64> {
    let mut sum = 0.0;
    for auth in &stage.cluster.auths {
        sum += auth.metric("natter_passwords_hashed_total").await?;
    }
    Ok(sum)
}

/// 33: 200 logins a second, most of which nobody can serve.
pub(super) async fn login_flood(stage: &mut Stage) -> Result<()> {
    const A_SECOND: u32 = 200;
    let before = Instant::now();
    sleep(stage.form.span / 2).await;
    let unhurt = stage.since(before).ack(0.99);
    let memory = |stage: &Stage| -> f64 {
        stage.cluster.auths.iter().map(|auth| auth.resident_mib()).fold(0.0, f64::max)
    };
    let (since, resting) = (Instant::now(), memory(stage));
    let (served, put_off) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (mut beat, mut calls) = (interval(Duration::from_secs(1) / A_SECOND), JoinSet::new());
    let (urls, mut n, mut highest) = (stage.cluster.urls(), 0_u32, resting);
    while since.elapsed() < stage.form.span {
        beat.tick().await;
        n += 1;
        let (url, served, put_off) = (urls[0].clone(), Arc::clone(&served), Arc::clone(&put_off));
        calls.spawn(async move {
            let handle = format!("stranger{n}");
            let login = http::Login { handle, password: "a guess".into(), device: None };
            match client::account::login(&url, &login).await {
                Err(client::Error::Http { status: 429, .. }) => &put_off,
                _ => &served,
            }
            .fetch_add(1, Ordering::Relaxed);
        });
        if n % A_SECOND == 0 {
            highest = highest.max(memory(stage));
        }
    }
    highest = highest.max(memory(stage));
    let sample = stage.since(since);
    while calls.join_next().await.is_some() {}
    let (served, put_off) = (served.load(Ordering::Relaxed), put_off.load(Ordering::Relaxed));
    let grown = highest - resting;
    stage.figure(format!(
        "{served} logins were looked at and {put_off} put off; ack p99 {} ms, before {} ms; the \
         auth server grew by {grown:.0} MiB; {sample}",
        sample.ack(0.99).as_millis(),
        unhurt.as_millis()
    ));
    stage.must(put_off > 0, "what is too much is answered 429");
    stage.must(grown < 60.0, "the auth server grows by less than 60 MiB");
    stage.must(sample.breaks() == 0, "nobody loses his line");
    stage.wants(sample.ack(0.99).as_secs_f64() < unhurt.as_secs_f64() * 1.2, "ack p99 + < 20 %");
    Ok(())
}

/// 34: people who search all the time.
pub(super) async fn search_flood(stage: &mut Stage) -> Result<()> {
    let since = Instant::now();
    let (found, refused) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    // Few people in a short time have to be quicker, to be more than a burst.
    let every = Duration::from_millis(if stage.form.is_long { 50 } else { 10 });
    let mut searching = JoinSet::new();
    for person in stage.talk.people.iter().take(50) {
        let client = person.client.clone();
        let (found, refused) = (Arc::clone(&found), Arc::clone(&refused));
        let until = since + stage.form.span;
        searching.spawn(async move {
            let mut beat = interval(every);
            while Instant::now() < until {
                beat.tick().await;
                let find = proto::Find { text: "pers".into(), limit: 10 };
                match client.call(client_frame::Body::Find(find)).await {
                    Ok(_) => &found,
                    Err(_) => &refused,
                }
                .fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while searching.join_next().await.is_some() {}
    let sample = stage.since(since);
    let (found, refused) = (found.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    let people = stage.talk.people.len().min(50);
    // A burst of 30 and five a second; and what is refused is refused at once.
    let most = people * (30 + 6 * stage.form.span.as_secs() as usize);
    stage.figure(format!("{found} searches answered, {refused} refused; {sample}"));
    stage.must(found <= most, &format!("{found} were answered, {most} at the most"));
    stage.must(refused > 0 || !stage.form.is_long, "more than that is refused");
    stage.must(sample.breaks() == 0, "nobody loses his line");
    Ok(())
}
