//! What lies on the disk, and who may share it.

use std::os::unix::fs::PermissionsExt;

use client::{Error, Event, Options, Profile};

use crate::world::World;

#[tokio::test]
async fn the_session_is_for_its_owner_only() {
    let world = World::start().await;
    let ann = world.person("ann").await;
    let profile = ann.profile();
    assert!(profile.login().unwrap().is_none());
    profile.save_login(&ann.login).unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&profile.dir), 0o700);
    assert_eq!(mode(&profile.dir.join("session.json")), 0o600);
    assert_eq!(profile.login().unwrap().unwrap().token, ann.login.token);
    profile.forget_login().unwrap();
    profile.forget_login().unwrap();
    assert!(profile.login().unwrap().is_none());
    std::fs::write(profile.dir.join("session.json"), "{\"token\":\"secret\"}").unwrap();
    let damaged = profile.login().err().unwrap().to_string();
    assert!(!damaged.contains("secret"), "{damaged}");
}

#[test]
fn a_profile_is_a_name_and_not_a_path() {
    for bad in ["", ".", "..", "a/b", ".hidden", "a b", &"x".repeat(33)] {
        assert!(matches!(Profile::open(bad), Err(Error::Invalid(_))), "{bad:?}");
    }
}

#[tokio::test]
async fn another_account_never_sees_the_copy_and_never_loses_the_outbox() {
    let world = World::start().await;
    let ann = world.person("ann").await;
    let mut bob = world.person("bob").await;
    bob.dir = ann.dir.clone();
    let running = ann.open_and_catch_up().await;
    let conv_id = running.client.find_conversation("bob").await.unwrap();
    let key = running.client.send(99, "cannot be sent", 0, None).await.unwrap();
    running.client.close().await;

    let refused = client::start(&bob.profile(), bob.login.clone(), Options::default()).await;
    assert!(matches!(refused, Err(Error::Invalid(_))));
    let running = ann.open_and_catch_up().await;
    running.client.unqueue(key).await.unwrap();
    running.client.set_draft(conv_id, "secret").await.unwrap();
    running.client.close().await;

    let running = bob.open().await;
    assert_eq!(running.client.draft(conv_id).await.unwrap(), "");
    assert!(running.client.messages(conv_id, 0, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_screen_and_a_script_share_one_profile() {
    let world = World::start().await;
    let ann = world.person("ann").await;
    let bob = world.person("bob").await;
    let mut screen = ann.open_and_catch_up().await;
    let mut bob = bob.open_and_catch_up().await;
    let conv_id = screen.client.find_conversation("bob").await.unwrap();
    for round in 0..5 {
        let mut script = ann.open_and_catch_up().await;
        let body = format!("from the script {round}");
        let key = script.client.send(conv_id, &body, 0, None).await.unwrap();
        screen.client.send(conv_id, &format!("from the screen {round}"), 0, None).await.unwrap();
        script.until_sent(key).await;
        script.client.close().await;
        screen.until_text(&body).await;
    }
    let last = screen.client.send(conv_id, "the end", 0, None).await.unwrap();
    screen.until_sent(last).await;
    bob.until_text("the end").await;
    assert!(bob.shown(conv_id).into_iter().eq(1..=11));
    assert!(screen.client.queued().await.unwrap().is_empty());
    let here = screen.client.messages(conv_id, 0, 100).await.unwrap();
    assert!(here.iter().map(|m| m.seq).eq(1..=11), "{here:?}");
    let refused = screen.told.iter().any(|event| matches!(event, Event::SendRefused { .. }));
    assert!(!refused);
}
