//! Who is there.

use proto::client_frame::Body as Say;
use proto::server_frame::Body as Hear;
use proto::{Paint, Presence, SentState, ServerFrame as Frame, Typing};

use crate::harness::{Client, PATIENCE, host, host_with};

async fn presence(line: &mut Client, user: i64) -> Presence {
    match line.until(|b| matches!(b, Hear::Presence(p) if p.user_id == user)).await {
        Hear::Presence(presence) => presence,
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn friends_see_who_comes_and_who_has_gone_since_when() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    ann.befriend(&mut bob).await;
    let chat = ann.open(bob.id).await;
    drop(bob.line);
    let gone = presence(&mut ann.line, bob.id).await;
    assert!(!gone.online && gone.last_seen > 0);
    let sent = ann.line.send(chat, "when you are back").await;
    assert_eq!(sent.state(), SentState::Kept);
    assert!(sent.offline_since > 0);
    let back = host.connect(&bob.granted).await;
    assert!(presence(&mut ann.line, bob.id).await.online);
    let seen = back.paint.people.iter().find(|p| p.user_id == ann.id).unwrap();
    assert!(seen.online);
}

#[tokio::test]
async fn a_reconnect_within_the_grace_is_no_flicker() {
    let host = host_with(|c| c.timers.presence_grace_ms = 60_000).await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    ann.befriend(&mut bob).await;
    ann.line.settled().await;
    drop(bob.line);
    let back = host.connect(&bob.granted).await;
    drop(back);
    let _again = host.connect(&bob.granted).await;
    let news = ann.line.settled().await;
    let gone = |f: &Frame| matches!(&f.body, Some(Hear::Presence(seen)) if !seen.online);
    assert!(!news.iter().any(gone), "{news:?}");
}

/// Simulation, seed 2: all lines broke at once, and who came back first saw nobody come.
#[tokio::test]
async fn who_was_painted_while_a_friend_was_in_his_grace_sees_him_come_back() {
    let host = host_with(|c| c.timers.presence_grace_ms = 3_600_000).await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    ann.befriend(&mut bob).await;
    drop(bob.line);
    // As soon as the gateway has noticed that he is gone.
    let mut again = host.connect(&ann.granted).await;
    let sees_bob = |paint: &Paint| paint.people.iter().any(|p| p.user_id == bob.id && p.online);
    let noticed = async {
        while sees_bob(&again.paint) {
            again = host.connect(&ann.granted).await;
        }
    };
    tokio::time::timeout(PATIENCE, noticed).await.expect("the gateway notices");
    let _back = host.connect(&bob.granted).await;
    assert!(presence(&mut again.line, bob.id).await.online);
}

#[tokio::test]
async fn one_of_two_devices_that_goes_is_no_news() {
    let host = host_with(|c| c.timers.presence_grace_ms = 0).await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    ann.befriend(&mut bob).await;
    let mut second = host.connect(&bob.granted).await;
    second.line.settled().await;
    ann.line.settled().await;
    drop(bob.line);
    let chat = ann.open(bob.id).await;
    assert_eq!(ann.line.send(chat, "which device?").await.state(), SentState::OnItsWay);
    second.line.message(chat).await;
    drop(second);
    assert!(!presence(&mut ann.line, bob.id).await.online, "the first news is the last device");
}

#[tokio::test]
async fn typing_is_seen_by_the_other_one_and_not_repeated_too_soon() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    for _ in 0..5 {
        ann.line.say(Say::Typing(Typing { conv_id: chat, user_id: 0 })).await;
    }
    let told = bob.line.until(|b| matches!(b, Hear::Typing(_))).await;
    assert_eq!(told, Hear::Typing(Typing { conv_id: chat, user_id: ann.id }));
    ann.line.settled().await;
    let more = bob.line.settled().await;
    assert!(!more.iter().any(|f| matches!(f.body, Some(Hear::Typing(_)))), "{more:?}");
}
