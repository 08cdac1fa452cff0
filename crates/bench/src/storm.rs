//! A storm of reconnects: many connections that all lose their line at once, and come back as
//! clients do, with a ticket that costs no password.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::raw::{Person, Socket};
use crate::{Error, Result, allow_many_files, limits, people, usage};

/// Until the last one is back. Longer: an error.
const BACK_WAIT: Duration = Duration::from_secs(180);

/// Connections that do nothing.
pub struct Storm {
    servers: Vec<String>,
    owners: Vec<Person>,
    sockets: Vec<Socket>,
}

/// How everybody came back.
pub struct Back {
    /// From the cut to the Paint, sorted.
    painted: Vec<Duration>,
    /// Attempts, those that failed included.
    pub tries: usize,
}

impl Storm {
    /// `count` connections of a tenth as many people, at the auth servers in turn.
    pub async fn gather(urls: &[String], count: usize) -> Result<Self> {
        allow_many_files();
        let servers = usage::authorities(&urls.join(","))?;
        let persons = count.div_ceil(limits::CONNECTIONS_PER_PERSON);
        let people = people::sign_up(&servers[0], persons).await?;
        let owners: Vec<Person> = people.into_iter().cycle().take(count).collect();
        let opening = owners.iter().enumerate().map(|(n, owner)| {
            let server = &servers[n % servers.len()];
            async move { people::connect(server, owner).await.map(|(socket, _)| socket) }
        });
        let opening = stream::iter(opening).buffered(limits::OPENING_AT_ONCE);
        let sockets = opening.try_collect().await?;
        Ok(Self { servers, owners, sockets })
    }

    /// Waits until each line is cut, and has all of them come back: each tries at once, and again
    /// after a random part of 1, 2, 4 … 30 s, as our clients do.
    pub async fn come_back(&mut self) -> Result<Back> {
        let since = Instant::now();
        let mut coming = JoinSet::new();
        for (n, mut socket) in self.sockets.drain(..).enumerate() {
            let server = self.servers[n % self.servers.len()].clone();
            let owner = self.owners[n].clone();
            coming.spawn(async move {
                while socket.hear_bytes().await.is_ok() {}
                come_back(&server, &owner, since).await
            });
        }
        let (mut painted, mut tries) = (Vec::with_capacity(coming.len()), 0);
        while let Some(came) = coming.join_next().await {
            let (socket, took, tried) = came.map_err(std::io::Error::other)??;
            self.sockets.push(socket);
            painted.push(took);
            tries += tried;
        }
        painted.sort_unstable();
        Ok(Back { painted, tries })
    }

    pub async fn end(self) {
        people::close_all(self.sockets).await;
    }
}

async fn come_back(
    server: &str,
    owner: &Person,
    since: Instant,
) -> Result<(Socket, Duration, usize)> {
    for tries in 1.. {
        if let Ok((socket, arrival)) = people::connect(server, owner).await {
            return Ok((socket, arrival.painted - since, tries));
        }
        if since.elapsed() > BACK_WAIT {
            break;
        }
        let longest_ms = (1_000_u64 << tries.min(10)).min(30_000);
        sleep(Duration::from_millis(rand::random_range(0..=longest_ms))).await;
    }
    Err(Error::Silent("coming back"))
}

impl Back {
    /// How long it took so much of all, 0.99 for instance.
    pub fn painted(&self, part: f64) -> Duration {
        let place = (self.painted.len() as f64 * part) as usize;
        let last = self.painted.len().saturating_sub(1);
        self.painted.get(place.min(last)).copied().unwrap_or_default()
    }
}
