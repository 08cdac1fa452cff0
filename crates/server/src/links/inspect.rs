//! What a Redis says of itself to somebody who only looks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{Client, RedisError};

use crate::keys::Secret;

/// The whole look, in milliseconds. Longer: it does not answer.
const LOOK_MS_MAX: u64 = 5_000;

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSeen {
    pub version: String,
    /// How far its clock is ahead of ours, in milliseconds.
    pub clock_ahead_ms: i64,
    /// Sharded Pub/Sub, which the bus needs, came with version 7.
    pub is_old: bool,
    /// What it does when its memory is full; anything but `noeviction` may drop tickets.
    pub eviction: String,
}

/// Looks at one Redis. The error says what is wrong, without the address.
pub async fn inspect_redis(url: &Secret) -> Result<RedisSeen, String> {
    match tokio::time::timeout(Duration::from_millis(LOOK_MS_MAX), look(url)).await {
        Ok(seen) => seen.map_err(|error| error.to_string()),
        Err(_) => Err("it does not answer".to_owned()),
    }
}

async fn look(url: &Secret) -> Result<RedisSeen, RedisError> {
    let client = Client::open(&**url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let asked = unix_ms();
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut connection).await?;
    // Half of the way there and back.
    let clock_ahead_ms = seconds * 1_000 + micros / 1_000 - (asked + unix_ms()) / 2;
    let mut info = redis::cmd("INFO");
    info.arg("server").arg("memory");
    let text: String = info.query_async(&mut connection).await?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    let version = field("redis_version:");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let is_old = major.is_none_or(|major| major < 7);
    Ok(RedisSeen { version, clock_ahead_ms, is_old, eviction: field("maxmemory_policy:") })
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
