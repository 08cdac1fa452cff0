//! The bus may lose anything. Here it does: things happen in the store behind its back.

use proto::CloseCode;
use proto::server_frame::Body as Hear;
use store::{Batch, NewMessage, SendOutcome};

use crate::harness::{Host, User, host, host_with};

/// Commits a message and tells nobody: a gateway that died between commit and bell.
async fn commit_silently(host: &Host, user: &User, conv_id: i64, body: &str) -> i64 {
    let message = NewMessage {
        conv_id,
        sender_id: user.id,
        client_key: proto::id::random_key(),
        reply_seq: 0,
        body: body.into(),
        mentions: vec![],
    };
    let store = &host.server.store;
    let batch = Batch { sends: vec![message], moves: vec![] };
    let now = 1_800_000_000_000;
    let committed = store.commit(store.database_of(conv_id), &batch, now).await.unwrap();
    let SendOutcome::Stored { seq, .. } = committed.sends[0] else { panic!("{committed:?}") };
    seq
}

#[tokio::test]
async fn the_next_message_brings_the_one_whose_bell_was_lost() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    commit_silently(&host, &ann, chat, "unheard").await;
    commit_silently(&host, &ann, chat, "unheard too").await;
    ann.line.send(chat, "heard").await;
    let Hear::Page(page) = bob.line.until(|b| matches!(b, Hear::Page(_))).await else {
        unreachable!()
    };
    let texts: Vec<_> = page.messages.iter().map(|m| m.body.as_str()).collect();
    assert_eq!(texts, ["unheard", "unheard too", "heard"]);
    ann.line.send(chat, "live again").await;
    assert_eq!(bob.line.message(chat).await.seq, 4);
    assert_eq!(host.metric("natter_holes_filled_total").await, 2, "ann's own hole and bob's");
}

#[tokio::test]
async fn even_the_last_message_comes_when_positions_are_compared() {
    let host = host_with(|c| c.timers.position_check_ms = 20).await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    let seq = commit_silently(&host, &ann, chat, "the last one").await;
    let Hear::Page(page) = bob.line.until(|b| matches!(b, Hear::Page(_))).await else {
        unreachable!()
    };
    assert_eq!((page.messages.len(), page.messages[0].seq), (1, seq));
}

#[tokio::test]
async fn a_session_that_was_ended_unheard_is_noticed_all_the_same() {
    let host = host_with(|c| c.timers.position_check_ms = 20).await;
    let mut ann = host.user("ann").await;
    let sessions = host.server.store.sessions(ann.id, 0).await.unwrap();
    let id = &sessions[0].token_hash[..8];
    assert!(host.server.store.end_session(ann.id, id).await.unwrap());
    assert_eq!(ann.line.closed().await.0, CloseCode::Revoked);
}
