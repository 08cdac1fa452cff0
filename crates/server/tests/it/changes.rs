//! Old messages that change: for both, in order, on every device.

use proto::client_frame::Body as Say;
use proto::server_frame::Body as Hear;
use proto::{Delete, Edit, ErrorCode, Message, MessageKind, React, Search};

use crate::harness::{Client, host};

async fn changed(line: &mut Client, body: Say) -> Message {
    match line.ask(body).await {
        Hear::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn edits_reactions_and_deletes_reach_both_sides_and_all_devices() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let mut phone = host.connect(&ann.granted).await;
    let chat = ann.open(bob.id).await;
    ann.line.send(chat, "helo").await;
    bob.line.message(chat).await;
    assert_eq!(phone.line.message(chat).await.body, "helo", "my own words, on my other device");

    let edit = Edit { conv_id: chat, seq: 1, body: "hello".into() };
    let mine = changed(&mut ann.line, Say::Edit(edit)).await;
    assert_eq!((mine.body.as_str(), mine.rev), ("hello", 1));
    assert!(mine.edited_at > 0);
    assert_eq!(bob.line.message(chat).await, mine);
    assert_eq!(phone.line.message(chat).await, mine);

    let react = |remove| React { conv_id: chat, seq: 1, emoji: "👍".into(), remove };
    let liked = changed(&mut bob.line, Say::React(react(false))).await;
    assert_eq!((liked.rev, &liked.reactions[0].user_ids), (2, &vec![bob.id]));
    assert_eq!(ann.line.message(chat).await, liked);
    changed(&mut bob.line, Say::React(react(false))).await;
    let unliked = changed(&mut bob.line, Say::React(react(true))).await;
    assert_eq!(ann.line.message(chat).await, unliked, "the same reaction again was no news");

    let foreign = Edit { conv_id: chat, seq: 1, body: "bob was here".into() };
    assert_eq!(bob.line.refused(Say::Edit(foreign)).await, ErrorCode::Forbidden);
    let delete = Delete { conv_id: chat, seq: 1 };
    let gone = changed(&mut ann.line, Say::Delete(delete)).await;
    assert_eq!((gone.kind(), gone.body.as_str()), (MessageKind::Deleted, ""));
    assert_eq!(bob.line.message(chat).await, gone);
}

#[tokio::test]
async fn changes_by_two_at_once_reach_everybody_in_their_order() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let mut eve = host.connect(&ann.granted).await;
    let chat = ann.open(bob.id).await;
    ann.line.send(chat, "vote").await;
    bob.line.message(chat).await;
    eve.line.message(chat).await;
    let emojis = ["👍", "👎", "🎉", "😄"];
    let vote = |emoji: &str| {
        Say::React(React { conv_id: chat, seq: 1, emoji: emoji.into(), remove: false })
    };
    for emoji in emojis {
        tokio::join!(changed(&mut ann.line, vote(emoji)), changed(&mut bob.line, vote(emoji)));
    }
    let mut revs = Vec::new();
    while revs.last() != Some(&8) {
        match eve.line.next().await.body.unwrap() {
            Hear::Message(message) => revs.push(message.rev),
            Hear::Page(page) => revs.extend(page.messages.iter().map(|m| m.rev)),
            _ => {}
        }
    }
    assert!(revs.is_sorted(), "{revs:?}");
}

#[tokio::test]
async fn old_messages_are_found_by_their_words() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    for text in ["the red door", "the blue door", "a window"] {
        ann.line.send(chat, text).await;
    }
    let search = Search { conv_id: chat, text: "DOOR".into(), before_seq: 0, limit: 0 };
    let Hear::Page(page) = ann.line.ask(Say::Search(search)).await else { panic!() };
    let found: Vec<_> = page.messages.iter().map(|m| m.seq).collect();
    assert_eq!((found, page.scanned_to), (vec![2, 1], 0));
}
