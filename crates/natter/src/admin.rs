//! `natter admin`: what an operator does with a cluster that runs. It talks to the databases and
//! not to a server.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use serde_json::json;
use store::{DatabaseReport, MoveStep, Store};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Admin, Settings};
use crate::output::Output;
use crate::serve;

pub(crate) fn admin(action: &Admin, output: &Output) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match action {
            Admin::Notify { .. } => unreachable!("dispatched in main.rs"),
            Admin::Shards { settings, all } => {
                let store = open(settings).await?;
                let reports = store.shards().await?;
                store.close().await;
                show(&reports, *all, output)
            }
            Admin::MoveShard { shards, to, settings } => {
                let store = open(settings).await?;
                let moved = move_shards(&store, shards, to, output).await;
                store.close().await;
                moved
            }
        }
    })
}

async fn open(settings: &Settings) -> Result<Store> {
    let config = serve::config(settings)?;
    let urls: Vec<String> = config.databases().iter().map(|url| (**url).to_owned()).collect();
    Store::open(&urls, &store::Options::default()).await.context("database")
}

fn show(reports: &[DatabaseReport], all: bool, output: &Output) -> Result<()> {
    for report in reports {
        let sum = |pick: fn(&store::ShardReport) -> u64| report.shards.iter().map(pick).sum();
        let (conversations, messages, bytes): (u64, u64, u64) =
            (sum(|of| of.conversations), sum(|of| of.messages), sum(|of| of.bytes));
        let ranges = ranges(&report.shards.iter().map(|of| of.shard).collect::<Vec<_>>());
        let text = format!(
            "{} ({}): shards {} ({ranges}), conversations {conversations}, messages {messages}, {}",
            report.name,
            report.database,
            report.shards.len(),
            size(bytes)
        );
        let value = json!({
            "type": "database", "name": report.name, "database": report.database,
            "shards": report.shards.len(), "ranges": ranges, "conversations": conversations,
            "messages": messages, "bytes": bytes,
        });
        output.line(&text, &value)?;
        for of in report.shards.iter().filter(|of| all || of.conversations > 0) {
            let text = format!(
                "  shard {:4}: conversations {}, messages {}, {}",
                of.shard,
                of.conversations,
                of.messages,
                size(of.bytes)
            );
            let value = json!({
                "type": "shard", "shard": of.shard, "name": report.name,
                "conversations": of.conversations, "messages": of.messages, "bytes": of.bytes,
            });
            output.line(&text, &value)?;
        }
    }
    Ok(())
}

/// `0-511, 600`
fn ranges(shards: &[u16]) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for &shard in shards {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == shard => *last = shard,
            _ => ranges.push((shard, shard)),
        }
    }
    let range = |(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    if ranges.is_empty() {
        "none".into()
    } else {
        ranges.iter().map(range).collect::<Vec<_>>().join(", ")
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} KB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// One after the other. Ctrl-C ends it between two steps; running it again goes on.
async fn move_shards(
    store: &Store,
    (first, last): &(u16, u16),
    to: &str,
    output: &Output,
) -> Result<()> {
    let stop = AtomicBool::new(false);
    let watch = |step: MoveStep| {
        tracing::debug!(?step, "moving");
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let moving = async {
        for shard in *first..=*last {
            let moved = store.move_shard(shard, to, crate::now(), &watch).await;
            let moved = moved.with_context(|| format!("shard {shard}"))?;
            let text = match moved {
                true => format!("shard {shard} is in {to} now"),
                false => format!("shard {shard} was in {to} already"),
            };
            let value = json!({ "type": "move", "shard": shard, "to": to, "moved": moved });
            output.line(&text, &value)?;
        }
        Ok(())
    };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let interrupted = async {
        interrupt.recv().await;
        stop.store(true, Ordering::Relaxed);
    };
    let (moved, ()) = {
        let mut moving = std::pin::pin!(moving);
        tokio::select! {
            moved = &mut moving => (moved, ()),
            () = interrupted => (moving.await, ()),
        }
    };
    match moved {
        Err(error) if stop.load(Ordering::Relaxed) => {
            bail!("stopped ({error:#}); the same command puts in order what it left and goes on")
        }
        done => done,
    }
}

/// `N` or `N-M`.
pub(crate) fn shards(text: &str) -> Result<(u16, u16), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last && last < proto::id::SHARDS => Ok((first, last)),
        _ => Err("N or N-M, from 0 to 1023".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_named_one_by_one_or_as_a_range() {
        assert_eq!(shards("7"), Ok((7, 7)));
        assert_eq!(shards("0-1023"), Ok((0, 1_023)));
        for bad in ["", "-", "9-3", "1024", "0-1024", "a", "1-2-3"] {
            assert!(shards(bad).is_err(), "{bad}");
        }
        assert_eq!(ranges(&[0, 1, 2, 7, 9, 10]), "0-2, 7, 9-10");
        assert_eq!(ranges(&[]), "none");
    }
}
