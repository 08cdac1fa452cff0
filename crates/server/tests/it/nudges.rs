//! Who gets a nudge when somebody writes to him: as the store has it after the gateway's work.

use std::time::Duration;

use proto::server_frame::Body as Hear;

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

#[tokio::test]
async fn a_friend_who_writes_learns_when_a_mail_goes_out_unless_it_is_hidden() {
    let host = host().await;
    let store = &host.server.store;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    ann.befriend(&mut bob).await;
    let chat = ann.open(bob.id).await;
    drop(bob.line);
    let id = bob.id;
    ann.line.until(|b| matches!(b, Hear::Presence(p) if p.user_id == id && !p.online)).await;
    let sent = ann.line.send(chat, "he has no address").await;
    assert!(sent.offline_since > 0);
    assert_eq!(sent.mail_at, 0, "nothing can be mailed");

    let mut carl = host.signup_with_address("carl").await;
    let mut again = host.connect(&ann.granted).await;
    again.befriend(&mut carl).await;
    let chat = again.open(carl.id).await;
    drop(carl.line);
    let id = carl.id;
    again.line.until(|b| matches!(b, Hear::Presence(p) if p.user_id == id && !p.online)).await;
    let sent = again.line.send(chat, "are you there?").await;
    assert_eq!(sent.mail_at, sent.sent_at + server::limits::NUDGE_FIRST_MS);
    assert!(sent.offline_since > 0);

    let hidden = store::NoticeSettings { hide: true, ..store::NoticeSettings::default() };
    store.set_notice_settings(carl.id, &hidden, 1).await.unwrap();
    let mut later = host.connect(&ann.granted).await;
    let sent = later.line.send(chat, "and now?").await;
    assert_eq!((sent.offline_since, sent.mail_at), (0, 0));
    let painted = later.paint.people.iter().find(|person| person.user_id == carl.id).unwrap();
    assert_eq!((painted.online, painted.last_seen), (false, 0));
}
