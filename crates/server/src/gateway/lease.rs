//! The lease of this gateway: as long as it is renewed, auth sends clients here.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Gateway, presence};
use crate::cache::Announcement;
use crate::links::Fault;
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
        match gateway.cache.announce(&announcement).await {
            Ok(true) => {
                gateway.bus.restate();
                presence::stayed(&gateway);
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the lease of this gateway was not renewed"),
        }
        if let Err(error) = bury(&gateway).await {
            tracing::debug!(%error, "whether a gateway has died could not be asked");
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

/// Gateways that died left users behind whose friends nobody has told, and whom nobody has given a
/// mail for what they have not read. All gateways that live share in that.
async fn bury(gateway: &Gateway) -> Result<(), Fault> {
    for process in gateway.cache.expired().await? {
        gateway.bus.cut_off(process).await;
        loop {
            let users = gateway.cache.inherit(process).await?;
            if users.is_empty() {
                break;
            }
            let online = gateway.bus.online(&users).await;
            let gone = users.iter().zip(online).filter(|(_, online)| !online);
            for (user_id, _) in gone {
                presence::tell_gone(gateway, *user_id).await;
            }
        }
        tracing::warn!(process = format!("{process:016x}"), "a gateway has died");
    }
    Ok(())
}
