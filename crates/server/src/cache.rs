//! Short-lived facts that may vanish at any moment: tickets, rates, which gateways there are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::limits;
use crate::rate::{Buckets, Rate};

/// Where these facts are.
pub(crate) enum Cache {
    /// In this process.
    Local(Local),
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
    /// Tries at the password of somebody who is signed in.
    Password(i64),
    /// Tickets of one user.
    Tickets(i64),
}

impl RateKey {
    pub(crate) fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Address(address),
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & !u128::from(u64::MAX);
                Self::Address(IpAddr::V6(network.into()))
            }
        }
    }

    pub(crate) fn account(handle: &str) -> Self {
        let hash = Sha256::digest(handle.as_bytes());
        Self::Account(hash[..8].try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl Cache {
    pub(crate) fn local() -> Self {
        Self::Local(Local { tickets: Mutex::default(), buckets: Buckets::new() })
    }

    /// Remembers a ticket. `false`: there is no room for it now.
    pub(crate) async fn put_ticket(&self, ticket: &str, grant: Grant, lives: Duration) -> bool {
        match self {
            Self::Local(local) => local.put_ticket(ticket, grant, lives),
        }
    }

    /// Takes a ticket away and says what it stood for. Used, old and unknown tickets are all
    /// `None`.
    pub(crate) async fn take_ticket(&self, ticket: &str) -> Option<Grant> {
        match self {
            Self::Local(local) => local.take_ticket(ticket),
        }
    }

    /// Counts one try. `Err`: milliseconds until the next may be made.
    pub(crate) async fn take_rate(&self, key: RateKey, rate: Rate) -> Result<(), i64> {
        match self {
            Self::Local(local) => local.buckets.take(key, rate, Instant::now()),
        }
    }
}

/// The facts of one process.
pub(crate) struct Local {
    /// By the ticket's SHA-256: a look-up by hash tells a guesser nothing by its time.
    tickets: Mutex<HashMap<[u8; 32], Ticket>>,
    buckets: Buckets<RateKey>,
}

struct Ticket {
    grant: Grant,
    dies: Instant,
}

impl Local {
    fn put_ticket(&self, ticket: &str, grant: Grant, lives: Duration) -> bool {
        let now = Instant::now();
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        if tickets.len() >= limits::TICKETS_MAX {
            tickets.retain(|_, t| t.dies > now);
        }
        if tickets.len() >= limits::TICKETS_MAX {
            return false;
        }
        tickets.insert(hash(ticket), Ticket { grant, dies: now + lives });
        true
    }

    fn take_ticket(&self, ticket: &str) -> Option<Grant> {
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let found = tickets.remove(&hash(ticket))?;
        (found.dies > Instant::now()).then_some(found.grant)
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
