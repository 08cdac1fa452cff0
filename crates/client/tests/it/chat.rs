//! Two people, and one person with two devices.

use client::{Error, Event};
use proto::{CreateGroup, Delete, Edit, MessageKind, React, SentState, client_frame, server_frame};

use crate::world::{Running, World};

async fn ann_and_bob(world: &World) -> (Running, Running, i64) {
    let ann = world.person("ann").await.open_and_catch_up().await;
    let bob = world.person("bob").await.open_and_catch_up().await;
    let conv_id = ann.client.find_conversation("bob").await.unwrap();
    (ann, bob, conv_id)
}

#[tokio::test]
async fn two_people_chat_and_see_how_far_the_other_has_it() {
    let world = World::start().await;
    let (mut ann, mut bob, conv_id) = ann_and_bob(&world).await;

    let key = ann.client.send(conv_id, "did the gateway come back?", 0, None).await.unwrap();
    let sent = ann.until_sent(key).await;
    assert_eq!((sent.seq, sent.state()), (1, SentState::OnItsWay));
    assert!(ann.client.queued().await.unwrap().is_empty());

    let message = bob.until_text("did the gateway come back?").await;
    assert_eq!((message.seq, message.sender_id), (1, ann.client.me()));
    ann.until("delivered", |event| match event {
        Event::Receipt(r) if r.user_id != sent.conv_id && r.delivered_seq == 1 => Some(()),
        _ => None,
    })
    .await;

    bob.client.read(conv_id, 1).await.unwrap();
    let reader = bob.client.me();
    ann.until("read", |event| match event {
        Event::Receipt(r) if r.user_id == reader && r.read_seq == 1 => Some(()),
        _ => None,
    })
    .await;
    let conversation = ann.client.conversation(conv_id).await.unwrap().unwrap();
    assert_eq!((conversation.friend_delivered_seq, conversation.friend_read_seq), (1, 1));

    bob.client.send(conv_id, "yes\r\nall of it\u{7}", 1, None).await.unwrap();
    let answer = ann.until_text("yes\nall of it").await;
    assert_eq!((answer.seq, answer.reply_seq), (2, 1));
    let here = ann.client.messages(conv_id, 0, 10).await.unwrap();
    assert_eq!(here.iter().map(|m| m.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(ann.client.figures().gaps + bob.client.figures().gaps, 0);
    assert_eq!(ann.client.figures().duplicates + bob.client.figures().duplicates, 0);
}

#[tokio::test]
async fn an_edit_a_reaction_and_a_deletion_reach_the_other_side() {
    let world = World::start().await;
    let (mut ann, mut bob, conv_id) = ann_and_bob(&world).await;
    let key = ann.client.send(conv_id, "fisrt", 0, None).await.unwrap();
    let seq = ann.until_sent(key).await.seq;
    bob.until_text("fisrt").await;

    let edit = Edit { conv_id, seq, body: "first".into() };
    ann.call(client_frame::Body::Edit(edit)).await;
    let react = React { conv_id, seq, emoji: "👍".into(), remove: false };
    bob.call(client_frame::Body::React(react)).await;
    ann.call(client_frame::Body::Delete(Delete { conv_id, seq })).await;
    for reader in [&mut ann, &mut bob] {
        reader
            .until("the deletion", |event| match event {
                Event::Changed(m) if m.kind() == MessageKind::Deleted => Some(()),
                _ => None,
            })
            .await;
        let here = reader.client.message(conv_id, seq).await.unwrap().unwrap();
        assert_eq!((here.kind(), here.body.as_str()), (MessageKind::Deleted, ""));
    }
    let changes = bob.told.iter().filter(|event| matches!(event, Event::Changed(_))).count();
    assert_eq!(changes, 3, "edited, reacted to, deleted: {:?}", bob.told);
}

#[tokio::test]
async fn a_repeated_key_is_answered_with_the_first_place() {
    let world = World::start().await;
    let (mut ann, mut bob, conv_id) = ann_and_bob(&world).await;
    ann.client.send(conv_id, "once", 0, Some(4711)).await.unwrap();
    let first = ann.until_sent(4711).await;
    ann.client.send(conv_id, "once", 0, Some(4711)).await.unwrap();
    let second = ann.until_sent(4711).await;
    assert_eq!((first.seq, first.repeated), (second.seq, false));
    assert!(second.repeated);
    ann.client.send(conv_id, "end", 0, None).await.unwrap();
    bob.until_text("end").await;
    assert_eq!(bob.shown(conv_id), [1, 2]);
}

#[tokio::test]
async fn what_is_said_on_one_device_appears_on_the_other() {
    let world = World::start().await;
    let (mut ann, bob, conv_id) = ann_and_bob(&world).await;
    let mut phone = world.second_device("ann").await.open_and_catch_up().await;
    ann.client.send(conv_id, "from the desk", 0, None).await.unwrap();
    let seen = phone.until_text("from the desk").await;
    assert_eq!(seen.sender_id, ann.client.me());
    bob.client.send(conv_id, "who is there?", 0, None).await.unwrap();
    ann.until_text("who is there?").await;
    phone.until_text("who is there?").await;

    ann.client.read(conv_id, 2).await.unwrap();
    let me = ann.client.me();
    phone
        .until("read on the other device", |event| match event {
            Event::Receipt(r) if r.user_id == me && r.read_seq == 2 => Some(()),
            _ => None,
        })
        .await;
    let conversation = phone.client.conversation(conv_id).await.unwrap().unwrap();
    assert_eq!(conversation.last_seq - conversation.read_seq, 0);
    assert_eq!(ann.shown(conv_id), [2], "one's own message is answered, not shown again");
    assert_eq!(phone.shown(conv_id), [1, 2]);
}

#[tokio::test]
async fn a_group_is_found_by_its_title_and_strangers_in_it_are_introduced() {
    let world = World::start().await;
    let (mut ann, mut bob, _) = ann_and_bob(&world).await;
    let cho = world.person("cho").await.open_and_catch_up().await;
    let user_ids = vec![bob.client.me(), cho.client.me()];
    let group = CreateGroup { title: "Lunch".into(), user_ids, client_key: 0 };
    let made = ann.call(client_frame::Body::CreateGroup(group)).await;
    let server_frame::Body::Conversation(made) = made else { panic!("{made:?}") };
    assert_eq!(ann.client.find_conversation("+lunch").await.unwrap(), made.conv_id);

    cho.client.send(made.conv_id, "when?", 0, None).await.unwrap();
    ann.until_text("when?").await;
    bob.until_text("when?").await;
    let stranger = cho.client.me();
    while bob.client.person(stranger).await.unwrap().is_none() {
        bob.until("an introduction", |event| match event {
            Event::Person(person) if person.user_id == stranger => Some(()),
            _ => None,
        })
        .await;
    }
    for reader in [&ann, &bob] {
        let shown = reader.shown(made.conv_id);
        assert!(shown.windows(2).all(|pair| pair[1] == pair[0] + 1), "{shown:?}");
    }
    let nowhere = ann.client.find_conversation("+dinner").await;
    assert!(matches!(nowhere, Err(Error::NoGroup(_))), "{nowhere:?}");
    let nobody = ann.client.find_conversation("dora").await;
    assert!(matches!(nobody, Err(Error::NobodyCalled(_))), "{nobody:?}");
}

#[tokio::test]
async fn a_message_that_nobody_may_send_stays_until_its_writer_decides() {
    let world = World::start().await;
    let (mut ann, _bob, _) = ann_and_bob(&world).await;
    let key = ann.client.send(99, "into the void", 0, None).await.unwrap();
    ann.until("the refusal", |event| match event {
        Event::SendRefused { client_key, .. } if *client_key == key => Some(()),
        _ => None,
    })
    .await;
    let queued = ann.client.queued().await.unwrap();
    assert!(!queued[0].refused.is_empty());
    ann.client.retry(key).await.unwrap();
    ann.until("the second refusal", |event| match event {
        Event::SendRefused { client_key, .. } if *client_key == key => Some(()),
        _ => None,
    })
    .await;
    ann.client.unqueue(key).await.unwrap();
    assert!(ann.client.queued().await.unwrap().is_empty());
    for bad in ["", " \n", "\u{7}"] {
        let refused = ann.client.send(99, bad, 0, None).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{bad:?}");
    }
}
