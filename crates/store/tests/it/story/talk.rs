//! The story of two people who talk: numbers, cursors, changes, reading, and the end of it.

use proto::MessageKind;
use proto::history::From;
use store::{Batch, CursorMove, Error, NewMessage, SendOutcome, Store};

use crate::support::{NOW, message, say, send};

pub(super) async fn two_people_meet(store: &Store, ann: i64, bob: i64) -> i64 {
    let (direct, made) = store.open_direct(ann, bob, NOW).await.unwrap();
    assert!(made);
    assert_eq!(store.open_direct(bob, ann, NOW).await.unwrap(), (direct, false));
    assert!(matches!(store.open_direct(ann, ann, NOW).await, Err(Error::Invalid(_))));
    assert_eq!(store.open_direct(ann, 1, NOW).await, Err(Error::NotFound));
    direct
}

pub(super) async fn messages_get_numbers(store: &Store, ann: i64, bob: i64, direct: i64) {
    let hi = NewMessage { mentions: vec![bob, 1], ..message(direct, ann, "hi @bob") };
    let batch = Batch {
        sends: vec![
            hi.clone(),
            hi.clone(),
            NewMessage { reply_seq: 1, ..message(direct, bob, "hello") },
            NewMessage { reply_seq: 3, ..message(direct, bob, "to nothing") },
            message(direct, 1, "a stranger"),
            // Of the same shard: a batch belongs to one writer.
            message(direct ^ 1, ann, "to nowhere"),
        ],
        moves: Vec::new(),
    };
    let done = store.commit(store.database_of(direct), &batch, NOW + 1).await.unwrap();
    let sent_at = NOW + 1;
    assert_eq!(
        done.sends,
        [
            SendOutcome::Stored { seq: 1, sent_at },
            SendOutcome::Repeated { seq: 1, sent_at },
            SendOutcome::Stored { seq: 2, sent_at },
            SendOutcome::BadReply,
            SendOutcome::Forbidden,
            SendOutcome::Forbidden,
        ]
    );
    assert_eq!(done.members.len(), 1);
    assert_eq!(done.members[&direct].len(), 2);
    // Ann has read what she wrote; Bob answered without having read it.
    let receipts: Vec<_> = done.receipts.iter().map(|r| (r.user_id, r.read_seq)).collect();
    assert_eq!(receipts, [(ann, 1)]);
}

pub(super) async fn cursors_move_forward(store: &Store, ann: i64, bob: i64, direct: i64) {
    let cursor = |user_id, delivered_seq, read_seq| CursorMove {
        conv_id: direct,
        user_id,
        delivered_seq,
        read_seq,
    };
    let moves = vec![
        cursor(bob, 1, 0),
        cursor(bob, 0, 2),
        cursor(bob, 1, 1),
        cursor(ann, 3, 0),
        cursor(ann, i64::MAX, i64::MAX),
        cursor(ann, -5, -5),
        cursor(1, 1, 1),
    ];
    let batch = Batch { sends: Vec::new(), moves };
    let done = store.commit(store.database_of(direct), &batch, NOW + 2).await.unwrap();
    let receipts: Vec<_> =
        done.receipts.iter().map(|r| (r.user_id, r.delivered_seq, r.read_seq, r.at)).collect();
    assert_eq!(receipts, [(bob, 2, 2, NOW + 2)], "one for each who really moved");
    let nothing = store.commit(0, &Batch::default(), NOW).await.unwrap();
    assert!(nothing.sends.is_empty() && nothing.receipts.is_empty());
    let cursors = store.cursors(ann, direct).await.unwrap();
    let at = |user_id| cursors.iter().find(|cursor| cursor.user_id == user_id).unwrap();
    assert_eq!((at(ann).delivered_seq, at(ann).read_seq, at(ann).read_at), (1, 1, NOW + 1));
    assert_eq!((at(bob).delivered_seq, at(bob).read_seq, at(bob).read_at), (2, 2, NOW + 2));
    assert_eq!(store.cursors(1, direct).await, Err(Error::NotFound));
    assert_eq!(store.conversation(bob, direct, false).await.unwrap().mention_seq, 1);
}

pub(super) async fn a_text_is_edited(store: &Store, ann: i64, bob: i64, direct: i64) {
    let edited = store.edit(ann, direct, 1, "hi, Bob!", NOW + 3).await.unwrap();
    assert!(edited.moved);
    let message = &edited.message;
    assert_eq!((message.rev, message.edited_at, message.body.as_str()), (1, NOW + 3, "hi, Bob!"));
    assert_eq!(edited.members.len(), 2);
    assert!(!store.edit(ann, direct, 1, "hi, Bob!", NOW + 4).await.unwrap().moved);
    assert_eq!(store.edit(bob, direct, 1, "mine", NOW).await, Err(Error::Forbidden));
    assert_eq!(store.edit(ann, direct, 99, "none", NOW).await, Err(Error::NotFound));
    assert_eq!(store.edit(1, direct, 1, "stranger", NOW).await, Err(Error::NotFound));
    assert_eq!(store.edit(ann, 1, 1, "nowhere", NOW).await, Err(Error::NotFound));
}

pub(super) async fn a_message_is_reacted_to(store: &Store, ann: i64, bob: i64, direct: i64) {
    let liked = store.react(bob, direct, 1, "👍", false).await.unwrap();
    assert!(liked.moved);
    assert_eq!(liked.message.reactions[0].user_ids, [bob]);
    assert!(!store.react(bob, direct, 1, "👍", false).await.unwrap().moved);
    store.react(ann, direct, 1, "👍", false).await.unwrap();
    let taken = store.react(bob, direct, 1, "👍", true).await.unwrap();
    assert_eq!((taken.moved, taken.message.rev), (true, 4));
    assert_eq!(taken.message.reactions[0].user_ids, [ann]);
    assert!(!store.react(bob, direct, 1, "👍", true).await.unwrap().moved);
    for n in 0..8 {
        store.react(bob, direct, 1, &format!("+{n}"), false).await.unwrap();
    }
    assert!(matches!(store.react(bob, direct, 1, "👎", false).await, Err(Error::Limit(_))));
}

pub(super) async fn a_message_is_deleted(store: &Store, ann: i64, bob: i64, direct: i64) {
    let gone = say(store, direct, bob, "delete me").await;
    store.react(ann, direct, gone, "👀", false).await.unwrap();
    assert_eq!(store.delete(ann, direct, gone, NOW).await, Err(Error::Forbidden));
    let deleted = store.delete(bob, direct, gone, NOW).await.unwrap();
    assert_eq!(deleted.message.kind(), MessageKind::Deleted);
    assert!(deleted.moved && deleted.message.body.is_empty());
    assert!(deleted.message.reactions.is_empty());
    assert!(!store.delete(bob, direct, gone, NOW).await.unwrap().moved);
    assert_eq!(store.edit(bob, direct, gone, "back", NOW).await, Err(Error::Forbidden));
    assert!(matches!(store.react(bob, direct, gone, "👍", false).await, Err(Error::Invalid(_))));
}

pub(super) async fn the_log_is_read(store: &Store, ann: i64, bob: i64, direct: i64) {
    for n in 4..=120 {
        assert_eq!(say(store, direct, bob, &format!("message {n}")).await, n);
    }
    let page = async |from, limit| {
        let (messages, more) = store.history(ann, direct, from, limit).await.unwrap();
        let seqs: Vec<i64> = messages.iter().map(|message| message.seq).collect();
        (seqs, more, messages)
    };
    let (seqs, more, _) = page(From::BeforeSeq(0), 0).await;
    assert_eq!((seqs, more), ((71..=120).collect(), true));
    let (seqs, more, _) = page(From::BeforeSeq(11), 1_000).await;
    assert_eq!((seqs, more), ((1..=10).collect(), false));
    let (seqs, more, _) = page(From::AfterSeq(118), 2).await;
    assert_eq!((seqs, more), (vec![119, 120], false));
    let (seqs, more, _) = page(From::AfterSeq(100), 2).await;
    assert_eq!((seqs, more), (vec![101, 102], true));
    let (seqs, more, messages) = page(From::AfterRev(0), 0).await;
    assert_eq!((seqs, more), (vec![1, 3], false), "in the order of their last change");
    assert_eq!(messages[0].reactions.len(), 9);
    assert!(page(From::AfterRev(messages[1].rev), 0).await.0.is_empty());
    let nobody = store.history(1, direct, From::BeforeSeq(0), 0).await;
    assert_eq!(nobody, Err(Error::NotFound));

    // A page stays below 48 KiB, but always has one message.
    for _ in 0..5 {
        say(store, direct, bob, &"ö".repeat(8_192)).await;
    }
    let (seqs, more, _) = page(From::BeforeSeq(0), 10).await;
    assert_eq!((seqs, more), (vec![124, 125], true));
    let (seqs, more, _) = page(From::AfterSeq(120), 10).await;
    assert_eq!((seqs, more), (vec![121, 122], true));

    let found = store.search(ann, direct, "MESSAGE 1", 0, 100).await.unwrap();
    let seqs: Vec<i64> = found.0.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (100..=120).rev().chain((10..=19).rev()).collect::<Vec<_>>());
    assert_eq!(found.1, 0, "down to the beginning");
    let found = store.search(ann, direct, "message", 50, 5).await.unwrap();
    assert_eq!((found.0.len(), found.0[0].seq, found.1), (5, 49, 45));
    assert_eq!(store.search(1, direct, "message", 0, 0).await, Err(Error::NotFound));
}

pub(super) async fn a_block_closes_the_conversation(
    store: &Store,
    ann: i64,
    bob: i64,
    direct: i64,
) {
    let before = NewMessage { client_key: 815, ..message(direct, ann, "before") };
    let stored = send(store, before.clone()).await;
    store.block(bob, ann, NOW).await.unwrap();
    for sender in [ann, bob] {
        assert_eq!(send(store, message(direct, sender, "no")).await, SendOutcome::Forbidden);
    }
    let SendOutcome::Stored { seq, sent_at } = stored else { panic!("{stored:?}") };
    assert_eq!(send(store, before).await, SendOutcome::Repeated { seq, sent_at }, "it was stored");
    assert_eq!(store.edit(ann, direct, seq, "other", NOW).await, Err(Error::Forbidden));
    assert_eq!(store.react(ann, direct, seq, "👍", false).await, Err(Error::Forbidden));
    assert_eq!(store.open_direct(ann, bob, NOW).await, Err(Error::Forbidden));
    assert_eq!(store.open_direct(bob, ann, NOW).await, Err(Error::Forbidden));
    store.block(ann, bob, NOW).await.unwrap();
    store.unblock(bob, ann).await.unwrap();
    assert_eq!(
        send(store, message(direct, ann, "no")).await,
        SendOutcome::Forbidden,
        "she did too"
    );
    store.unblock(ann, bob).await.unwrap();
    say(store, direct, ann, "open again").await;
}
