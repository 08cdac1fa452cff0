//! What Redis does without us: `redis-benchmark` publishes words of the same size to channels as
//! ours, as many in one piece, while somebody listens.

use std::process::{Child, Command, Stdio};

use crate::redis::Redis;
use crate::usage::Usage;
use crate::{Error, Result, limits};

/// Publishing, measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published {
    pub(crate) per_second: f64,
    /// Microseconds of Redis for one word, with bringing it to its listener.
    pub(crate) cpu_us: Option<f64>,
}

/// A listener who does nothing with what he hears.
struct Listener(Child);

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `pipeline`: how many words go in one piece.
pub(crate) fn publish(redis: &Redis, word_bytes: usize, pipeline: usize) -> Result<Published> {
    let failed = |why: String| Error::Child { what: "redis-benchmark".to_owned(), why };
    let channel = "natter:u:1";
    let port = redis.port().to_string();
    let mut listen = Command::new("redis-cli");
    listen.args(["-p", &port, "SSUBSCRIBE", channel]).stdin(Stdio::null()).stdout(Stdio::null());
    let listener = Listener(listen.spawn().map_err(|e| failed(e.to_string()))?);
    while !redis.ask(&["PUBSUB", "SHARDNUMSUB", channel])?.trim_end().ends_with('1') {
        std::thread::yield_now();
    }
    let server = Usage::default().with(&[format!("Redis={port}")])?;
    let before = server.cpu_us();
    let (words, word) = (limits::WORDS_ALONE, "x".repeat(word_bytes));
    let mut command = Command::new("redis-benchmark");
    command.args(["-p", &port, "-c", "1", "-n", &words.to_string(), "-P", &pipeline.to_string()]);
    command.args(["--csv", "SPUBLISH", channel, &word]).stdin(Stdio::null());
    let done = command.output().map_err(|e| failed(format!("{e}; install redis-tools")))?;
    let cpu_us = server.cpu_us().zip(before).map(|(after, before)| after - before);
    drop(listener);
    let text = String::from_utf8_lossy(&done.stdout);
    let rate = text.lines().last().and_then(|line| line.split(',').nth(1));
    let per_second = rate.and_then(|rate| rate.trim_matches('"').parse().ok());
    let per_second = per_second.ok_or_else(|| failed(text.clone().into_owned()))?;
    Ok(Published { per_second, cpu_us: cpu_us.map(|us| us / words as f64) })
}
