//! Who gets a nudge when somebody writes to him: as the store has it after the gateway's work.

use std::time::Duration;

use crate::harness::{Host, PATIENCE, host};

/// Everybody whose nudge is due some day.
async fn nudged(host: &Host) -> Vec<i64> {
    host.server.store.nudge_claim(i64::MAX - 1, 1, 50).await.unwrap()
}

#[tokio::test]
async fn who_is_online_gets_no_nudge_until_he_leaves_with_something_unread() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    ann.line.send(chat, "you are here").await;
    bob.line.message(chat).await;
    assert!(nudged(&host).await.is_empty());
    drop(bob.line);
    let leaves = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while nudged(&host).await != [bob.id] {
            look.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, leaves).await.expect("a nudge for who left");
}

#[tokio::test]
async fn who_is_offline_gets_a_nudge_with_the_message() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let bob = host.signup("bob").await;
    let chat = ann.open(bob.user_id).await;
    ann.line.send(chat, "are you there?").await;
    assert_eq!(nudged(&host).await, [bob.user_id]);
}
