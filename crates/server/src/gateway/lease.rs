//! The lease of this gateway: as long as it is renewed, auth sends clients here.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Gateway;
use crate::cache::Announcement;
use crate::listen::announced;

/// Renews the lease until the gateway has ended; the list says at once when it drains.
pub(super) async fn run(gateway: Arc<Gateway>, url: String, mut finish: watch::Receiver<bool>) {
    let lease_ms = gateway.config.timers.lease_ms;
    let pause = Duration::from_millis(lease_ms / 3);
    let mut drain = gateway.drain.clone();
    loop {
        let draining = *drain.borrow();
        let connections = gateway.counters.connections.get();
        let announcement = Announcement { url: url.clone(), connections, draining, lease_ms };
        if let Err(error) = gateway.cache.announce(&announcement).await {
            tracing::warn!(%error, "the lease of this gateway was not renewed");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = announced(&mut drain), if !draining => {}
            () = announced(&mut finish) => break,
        }
    }
    if let Err(error) = gateway.cache.withdraw().await {
        tracing::debug!(%error, "this gateway stays on the list until its lease ends");
    }
}
