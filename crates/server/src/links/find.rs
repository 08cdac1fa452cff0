//! Where Redis is: which server has what, and a pair of connections to each.

use std::collections::HashMap;
use std::sync::Arc;

use redis::{Client, ConnectionAddr, RedisError, Value};

use super::pair::Pair;
use super::slots::Slots;
use super::{Fault, Links, Network, OnPush};

/// What one server says about all.
enum Known {
    One,
    /// First slot, last slot, and the server that has them.
    Cluster(Vec<(usize, usize, (String, u16))>),
}

/// The network as it is now. Pairs that still work are taken over.
pub(crate) async fn find(
    links: Arc<Links>,
    old: Arc<Network>,
    on_push: OnPush,
) -> Result<Arc<Network>, Fault> {
    let mut why = Fault::Away;
    for seed in &links.seeds {
        match ask(&links, seed).await {
            Ok(Some(Known::One)) => return one(&links, seed, &old, &on_push).await,
            Ok(Some(Known::Cluster(ranges))) => {
                return Ok(cluster(&links, seed, ranges, &old, &on_push).await);
            }
            Ok(None) => {}
            Err(error) => why = error.into(),
        }
    }
    Err(why)
}

/// `None`: a server that only copies another one, or one that is too old.
async fn ask(links: &Links, seed: &Client) -> Result<Option<Known>, RedisError> {
    let mut connection = super::pair::connect(links, seed, None).await?;
    let mut info = redis::cmd("INFO");
    info.arg("server").arg("cluster").arg("replication");
    let text: String = redis::from_redis_value(connection.send_packed_command(&info).await?)?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let major = field("redis_version:").and_then(|v| v.split('.').next()?.parse::<u32>().ok());
    if major.is_none_or(|major| major < 7) {
        tracing::error!("Redis must be of version 7 or newer: sharded Pub/Sub is needed");
        return Ok(None);
    }
    if field("cluster_enabled:") == Some("1") {
        let mut slots = redis::cmd("CLUSTER");
        let slots = connection.send_packed_command(slots.arg("SLOTS")).await?;
        let (host, _) = address_of(seed);
        return Ok(Some(Known::Cluster(ranges(&slots, &host))));
    }
    Ok((field("role:") == Some("master")).then_some(Known::One))
}

fn address_of(client: &Client) -> (String, u16) {
    match client.get_connection_info().addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            (host.clone(), *port)
        }
        other => (other.to_string(), 0),
    }
}

/// `[[first, last, [host, port, …], replicas …], …]`. A server that does not know its own name is
/// called as we called it.
fn ranges(slots: &Value, asked: &str) -> Vec<(usize, usize, (String, u16))> {
    let items = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    };
    let number = |value: &Value| match value {
        Value::Int(n) => usize::try_from(*n).ok(),
        _ => None,
    };
    let mut ranges = Vec::new();
    for range in items(slots) {
        let [first, last, server, ..] = &items(&range)[..] else {
            continue;
        };
        let server = items(server);
        let host = server.first().and_then(|h| redis::from_redis_value::<String>(h.clone()).ok());
        let host = host.filter(|host| !host.is_empty()).unwrap_or_else(|| asked.to_owned());
        let port = server.get(1).and_then(number).and_then(|port| u16::try_from(port).ok());
        if let (Some(first), Some(last), Some(port)) = (number(first), number(last), port) {
            ranges.push((first, last, (host, port)));
        }
    }
    ranges
}

async fn one(
    links: &Arc<Links>,
    seed: &Client,
    old: &Network,
    on_push: &OnPush,
) -> Result<Arc<Network>, Fault> {
    let (host, port) = address_of(seed);
    let pair = pair(links, seed, format!("{host}:{port}"), old, on_push).await?;
    Ok(Arc::new(Network { pairs: vec![pair], slots: Slots::One, whole: true }))
}

/// A server that is not reached leaves its slots to nobody; the others work on.
async fn cluster(
    links: &Arc<Links>,
    seed: &Client,
    ranges: Vec<(usize, usize, (String, u16))>,
    old: &Network,
    on_push: &OnPush,
) -> Arc<Network> {
    let (mut pairs, mut slots) = (Vec::new(), Slots::many());
    let mut numbers: HashMap<(String, u16), Option<usize>> = HashMap::new();
    for (first, last, server) in ranges {
        if !numbers.contains_key(&server) {
            let address = format!("{}:{}", server.0, server.1);
            let reached = match client_of(seed, &server) {
                Ok(client) => pair(links, &client, address, old, on_push).await,
                Err(error) => Err(error),
            };
            let number = match reached {
                Ok(pair) => {
                    pairs.push(pair);
                    Some(pairs.len() - 1)
                }
                Err(error) => {
                    tracing::warn!(%error, "a server of the Redis cluster is not reached");
                    None
                }
            };
            numbers.insert(server.clone(), number);
        }
        if let Some(number) = numbers[&server] {
            slots.give(first, last, number);
        }
    }
    let whole = slots.are_all_given();
    Arc::new(Network { pairs, slots, whole })
}

/// The seed's name, password and TLS, another server's address.
fn client_of(seed: &Client, server: &(String, u16)) -> Result<Client, RedisError> {
    let info = seed.get_connection_info().clone();
    let (host, port) = server.clone();
    let addr = match info.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    Client::open(info.set_addr(addr))
}

async fn pair(
    links: &Arc<Links>,
    client: &Client,
    address: String,
    old: &Network,
    on_push: &OnPush,
) -> Result<Arc<Pair>, RedisError> {
    let known = old.pairs.iter().find(|pair| pair.address == address && !pair.is_lost());
    match known {
        Some(pair) => Ok(Arc::clone(pair)),
        None => Pair::connect(links, client, address, on_push).await,
    }
}
