//! The facts of all processes, in Redis. Each function is one command or one script, so that two
//! processes at the same moment cannot both win.

use std::fmt::Write as _;
use std::time::Duration;

use redis::Value;

use super::{Grant, RateKey, hash};
use crate::limits;
use crate::links::{Fault, GATEWAYS, Links, users_key};
use crate::rate::Rate;

// ── tickets ─────────────────────────────────────────────────────────────────────────────────────

pub(super) async fn put_ticket(
    links: &Links,
    ticket: &str,
    grant: &Grant,
    lives: Duration,
) -> bool {
    // Redis takes no life of 0; such a ticket is dead already.
    if lives.is_zero() {
        return true;
    }
    let key = ticket_key(ticket);
    let mut value = grant.user_id.to_be_bytes().to_vec();
    value.extend(&grant.session_hash);
    let mut put = redis::cmd("SET");
    put.arg(&key).arg(value).arg("PX").arg(lives.as_millis().max(1) as u64);
    match links.call(&key, &put).await {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(%error, "a ticket could not be left");
            false
        }
    }
}

pub(super) async fn take_ticket(links: &Links, ticket: &str) -> Option<Grant> {
    let key = ticket_key(ticket);
    let mut take = redis::cmd("GETDEL");
    match links.call(&key, take.arg(&key)).await {
        Ok(Value::BulkString(value)) => {
            let (user_id, session_hash) = value.split_first_chunk()?;
            let user_id = i64::from_be_bytes(*user_id);
            Some(Grant { user_id, session_hash: session_hash.to_vec() })
        }
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(%error, "a ticket could not be taken");
            None
        }
    }
}

/// Only its hash: who reads Redis cannot use it.
fn ticket_key(ticket: &str) -> String {
    format!("natter:t:{}", hex(&hash(ticket)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

// ── rates ───────────────────────────────────────────────────────────────────────────────────────

/// The virtual time at which everything that was taken is paid for. It may lie as far ahead as a
/// burst is worth. One number for each key, and none for whoever has been quiet.
const TAKE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local price, ahead = tonumber(ARGV[1]), tonumber(ARGV[2])
local paid = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + price
if paid - now > ahead then
  return math.ceil(paid - now - ahead)
end
redis.call('SET', KEYS[1], string.format('%.3f', paid), 'PX', math.ceil(paid - now) + 1)
return 0";

/// `None`: Redis does not count now.
pub(super) async fn take_rate(links: &Links, key: RateKey, rate: Rate) -> Option<Result<(), i64>> {
    let key = match key {
        RateKey::Address(address) => format!("natter:r:a:{address}"),
        RateKey::Resets(address) => format!("natter:r:m:{address}"),
        RateKey::Account(account) => format!("natter:r:h:{}", hex(&account)),
        RateKey::Password(user_id) => format!("natter:r:p:{user_id}"),
        RateKey::Tickets(user_id) => format!("natter:r:t:{user_id}"),
    };
    let price = 60_000.0 / f64::from(rate.per_minute.max(1));
    let ahead = price * f64::from(rate.burst);
    let mut take = redis::cmd("EVAL");
    take.arg(TAKE).arg(1).arg(&key).arg(price).arg(ahead);
    match links.call(&key, &take).await {
        Ok(Value::Int(0)) => Some(Ok(())),
        Ok(Value::Int(wait_ms)) => Some(Err(wait_ms)),
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(%error, "a rate is counted here, not in Redis");
            None
        }
    }
}

// ── gateways ────────────────────────────────────────────────────────────────────────────────────

/// What a gateway says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Announcement {
    pub(crate) url: String,
    pub(crate) connections: u64,
    pub(crate) draining: bool,
    pub(crate) lease_ms: u64,
}

/// A gateway that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) process: u64,
    pub(crate) url: String,
    pub(crate) connections: u64,
}

const ANNOUNCE: &str = r"
local time = redis.call('TIME')
local expires = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
local line = string.format('%d %s %s %s', expires, ARGV[3], ARGV[4], ARGV[5])
return redis.call('HSET', KEYS[1], ARGV[1], line)";

pub(super) async fn announce(links: &Links, gateway: &Announcement) -> Result<bool, Fault> {
    let mut announce = redis::cmd("EVAL");
    announce.arg(ANNOUNCE).arg(1).arg(GATEWAYS).arg(own_field(links));
    announce.arg(gateway.lease_ms).arg(u8::from(gateway.draining));
    announce.arg(gateway.connections).arg(&gateway.url);
    Ok(links.call(GATEWAYS, &announce).await? == Value::Int(1))
}

pub(super) async fn withdraw(links: &Links) -> Result<(), Fault> {
    let mut withdraw = redis::cmd("HDEL");
    withdraw.arg(GATEWAYS).arg(own_field(links));
    links.call(GATEWAYS, &withdraw).await?;
    let users = users_key(links.process);
    links.call(GATEWAYS, redis::cmd("DEL").arg(users)).await.map(drop)
}

fn own_field(links: &Links) -> String {
    format!("{:016x}", links.process)
}

pub(super) async fn expired(links: &Links) -> Result<Vec<u64>, Fault> {
    let mut expired = redis::cmd("EVAL");
    let answer = links.call(GATEWAYS, expired.arg(EXPIRED).arg(1).arg(GATEWAYS)).await?;
    let fields: Vec<String> = redis::from_redis_value(answer).unwrap_or_default();
    Ok(fields.iter().filter_map(|field| u64::from_str_radix(field, 16).ok()).collect())
}

const EXPIRED: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expired, all = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local expires = tonumber(string.match(all[i + 1], '%d+'))
  if not expires or expires <= now then
    expired[#expired + 1] = all[i]
  end
end
return expired";

/// A gateway that has come back meanwhile keeps its place and its users.
const INHERIT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local line = redis.call('HGET', KEYS[1], ARGV[1])
local expires = line and tonumber(string.match(line, '%d+'))
if expires and expires > now then
  return {}
end
local users = redis.call('SPOP', KEYS[2], ARGV[2])
if #users == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return users";

pub(super) async fn inherit(links: &Links, process: u64) -> Result<Vec<i64>, Fault> {
    let mut inherit = redis::cmd("EVAL");
    inherit.arg(INHERIT).arg(2).arg(GATEWAYS).arg(users_key(process));
    inherit.arg(format!("{process:016x}")).arg(limits::INHERITED_AT_ONCE);
    let answer = links.call(GATEWAYS, &inherit).await?;
    let users: Vec<String> = redis::from_redis_value(answer).unwrap_or_default();
    Ok(users.iter().filter_map(|user_id| user_id.parse().ok()).collect())
}

const LIST: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local live = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local expires, draining, rest = string.match(all[i + 1], '(%d+) (%d) (.+)')
  if expires and tonumber(expires) > now and draining == '0' then
    live[#live + 1] = all[i] .. ' ' .. rest
  end
end
return live";

/// The gateways that hold a lease and are not draining.
pub(super) async fn gateways(links: &Links) -> Option<Vec<Standing>> {
    let mut list = redis::cmd("EVAL");
    let answer = links.call(GATEWAYS, list.arg(LIST).arg(1).arg(GATEWAYS)).await;
    let answer = answer.inspect_err(|error| tracing::warn!(%error, "no list of gateways")).ok()?;
    let lines: Vec<String> = redis::from_redis_value(answer).ok()?;
    let standing = lines.iter().filter_map(|line| {
        let (process, rest) = line.split_once(' ')?;
        let (connections, url) = rest.split_once(' ')?;
        let process = u64::from_str_radix(process, 16).ok()?;
        Some(Standing { process, url: url.to_owned(), connections: connections.parse().ok()? })
    });
    Some(standing.collect())
}
