//! Short-lived facts that may vanish at any moment: tickets, rates, which gateways there are.
//!
//! What holds while Redis is away: a ticket fails closed, because what nobody knows opens nothing;
//! rates are then counted by each process for itself, because neither an open door to guessers nor
//! a closed one to everybody would be right; and nobody new is sent to a gateway.

mod local;
mod redis;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::links::{Fault, Links};
use crate::rate::{Buckets, Rate};
use local::Tickets;
pub(crate) use redis::{Announcement, Standing};

/// Where these facts are.
pub(crate) struct Cache {
    engine: Engine,
    /// Rates where Redis does not count them.
    buckets: Buckets<RateKey>,
}

enum Engine {
    /// In this process.
    Local(Tickets),
    /// Where all processes see them.
    Redis(Arc<Links>),
}

/// What a ticket stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) user_id: i64,
    /// SHA-256 of the session's token.
    pub(crate) session_hash: Vec<u8>,
}

/// Whose rate is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RateKey {
    /// IPv4 as it is, IPv6 by its /64: one household, one key.
    Address(IpAddr),
    Account([u8; 8]),
    /// Mails with a link to a new password, by the address of who asks.
    Resets(IpAddr),
    /// Tries at the password of somebody who is signed in.
    Password(i64),
    /// Tickets of one user.
    Tickets(i64),
}

impl RateKey {
    pub(crate) fn address(address: IpAddr) -> Self {
        Self::Address(household(address))
    }

    pub(crate) fn resets(address: IpAddr) -> Self {
        Self::Resets(household(address))
    }

    pub(crate) fn account(handle: &str) -> Self {
        let hash = Sha256::digest(handle.as_bytes());
        Self::Account(hash[..8].try_into().expect("SHA-256 has 32 bytes"))
    }
}

fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
    }
}

impl Cache {
    pub(crate) fn local() -> Self {
        Self { engine: Engine::Local(Tickets::default()), buckets: Buckets::new() }
    }

    pub(crate) fn redis(links: Arc<Links>) -> Self {
        Self { engine: Engine::Redis(links), buckets: Buckets::new() }
    }

    /// Remembers a ticket. `false`: there is no room for it now.
    pub(crate) async fn put_ticket(&self, ticket: &str, grant: Grant, lives: Duration) -> bool {
        match &self.engine {
            Engine::Local(tickets) => tickets.put(ticket, grant, lives),
            Engine::Redis(links) => redis::put_ticket(links, ticket, &grant, lives).await,
        }
    }

    /// Takes a ticket away and says what it stood for. Used, old and unknown tickets are all
    /// `None`.
    pub(crate) async fn take_ticket(&self, ticket: &str) -> Option<Grant> {
        match &self.engine {
            Engine::Local(tickets) => tickets.take(ticket),
            Engine::Redis(links) => redis::take_ticket(links, ticket).await,
        }
    }

    /// Counts one try. `Err`: milliseconds until the next may be made.
    pub(crate) async fn take_rate(&self, key: RateKey, rate: Rate) -> Result<(), i64> {
        if let Engine::Redis(links) = &self.engine
            && let Some(taken) = redis::take_rate(links, key, rate).await
        {
            return taken;
        }
        self.buckets.take(key, rate, Instant::now())
    }

    /// Renews the lease of a gateway. `true`: it was not on the list.
    pub(crate) async fn announce(&self, gateway: &Announcement) -> Result<bool, Fault> {
        match &self.engine {
            Engine::Local(_) => Ok(false),
            Engine::Redis(links) => redis::announce(links, gateway).await,
        }
    }

    /// Takes a gateway off the list.
    pub(crate) async fn withdraw(&self) -> Result<(), Fault> {
        match &self.engine {
            Engine::Local(_) => Ok(()),
            Engine::Redis(links) => redis::withdraw(links).await,
        }
    }

    /// Gateways whose lease is over and whose users nobody has looked after yet.
    pub(crate) async fn expired(&self) -> Result<Vec<u64>, Fault> {
        match &self.engine {
            Engine::Local(_) => Ok(Vec::new()),
            Engine::Redis(links) => redis::expired(links).await,
        }
    }

    /// Some of the users that a dead gateway had. Nobody else gets the same ones. None: that is
    /// all, and the gateway is off the list.
    pub(crate) async fn inherit(&self, process: u64) -> Result<Vec<i64>, Fault> {
        match &self.engine {
            Engine::Local(_) => Ok(Vec::new()),
            Engine::Redis(links) => redis::inherit(links, process).await,
        }
    }

    /// The gateways that auth may send clients to. `None`: there is but this process.
    pub(crate) async fn gateways(&self) -> Option<Vec<Standing>> {
        match &self.engine {
            Engine::Local(_) => None,
            Engine::Redis(links) => Some(redis::gateways(links).await.unwrap_or_default()),
        }
    }
}

fn hash(ticket: &str) -> [u8; 32] {
    Sha256::digest(ticket.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_one_ipv6_network_share_a_rate() {
        let key = |text: &str| RateKey::address(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
    }

    #[tokio::test]
    async fn a_ticket_is_good_once_and_not_for_long() {
        let cache = Cache::local();
        let grant = Grant { user_id: 7, session_hash: vec![1] };
        assert!(cache.put_ticket("a", grant.clone(), Duration::from_secs(30)).await);
        assert!(cache.put_ticket("b", grant.clone(), Duration::ZERO).await);
        assert_eq!(cache.take_ticket("a").await, Some(grant));
        assert_eq!(cache.take_ticket("a").await, None);
        assert_eq!(cache.take_ticket("b").await, None);
    }
}
