//! The main thread: two people meet, write, and see what became of it.

use proto::client_frame::Body as Say;
use proto::server_frame::Body as Hear;
use proto::{Codec, Delivered, HopKind, Journey, Read, SentState};

use crate::harness::{host, send};

#[tokio::test]
async fn ann_and_bob_chat_and_see_delivered_and_read() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;

    let sent = ann.line.send(chat, "hello bob").await;
    assert_eq!((sent.seq, sent.state(), sent.repeated), (1, SentState::OnItsWay, false));
    assert_eq!((sent.members_online, sent.members), (1, 1));

    let heard = bob.line.message(chat).await;
    assert_eq!((heard.seq, heard.sender_id, heard.body.as_str()), (1, ann.id, "hello bob"));
    assert_eq!(heard.sent_at, sent.sent_at);

    bob.line.say(Say::Delivered(Delivered { conv_id: chat, seq: 1 })).await;
    let receipt = ann.line.receipt(bob.id, 1, 0).await;
    assert_eq!((receipt.delivered_seq, receipt.read_seq), (1, 0));
    bob.line.say(Say::Read(Read { conv_id: chat, seq: 1 })).await;
    assert_eq!(ann.line.receipt(bob.id, 1, 1).await.conv_id, chat);

    let journey = Journey { conv_id: chat, seq: 1, hops: vec![] };
    let Hear::Journey(journey) = ann.line.ask(Say::Journey(journey)).await else { panic!() };
    let kinds: Vec<_> = journey.hops.iter().map(proto::Hop::kind).collect();
    use HopKind::{Batched, Committed, DeliveredTo, Published, ReadBy, Received};
    assert_eq!(kinds, [Received, Batched, Committed, Published, DeliveredTo, ReadBy]);
    assert!(journey.hops.is_sorted_by_key(|hop| hop.at), "{journey:?}");
}

#[tokio::test]
async fn a_person_with_json_talks_to_one_with_protobuf() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let bob = host.signup("bob").await;
    let mut bob_line = host.socket(&bob.token, Codec::Json).await;
    let (paint, _, _) = bob_line.hello(vec![]).await;
    assert_eq!(paint.me.unwrap().handle, "bob");
    let chat = ann.open(bob.user_id).await;
    ann.line.send(chat, "in bytes").await;
    assert_eq!(bob_line.message(chat).await.body, "in bytes");
    let sent = bob_line.send(chat, "in words: é 陈").await;
    assert_eq!(sent.seq, 2);
    assert_eq!(ann.line.message(chat).await.body, "in words: é 陈");
}

#[tokio::test]
async fn what_is_sent_to_somebody_who_is_away_is_kept_and_is_there_when_he_comes() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let bob = host.signup("bob").await;
    let chat = ann.open(bob.user_id).await;
    let sent = ann.line.send(chat, "are you there?").await;
    assert_eq!((sent.state(), sent.members_online), (SentState::Kept, 0));
    assert_eq!(sent.offline_since, 0, "they are no friends");

    let mut line = host.socket(&bob.token, Codec::Protobuf).await;
    let (paint, missed, caught_up) = line.hello(vec![]).await;
    let seen = &paint.conversations[0];
    assert_eq!((seen.conv_id, seen.last_seq, seen.read_seq), (chat, 1, 0));
    assert_eq!(seen.last.as_ref().unwrap().body, "are you there?");
    assert_eq!(missed.len(), 1);
    assert_eq!((caught_up.messages, caught_up.unfinished.len()), (1, 0));
}

#[tokio::test]
async fn two_hundred_sends_at_once_are_answered_in_order_and_none_waits_for_another() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    let mut refs = Vec::new();
    for n in 1..=200 {
        refs.push(ann.line.say(Say::Send(send(chat, &n.to_string(), n))).await);
    }
    for (seq, frame_ref) in (1..).zip(refs) {
        let Hear::Sent(sent) = ann.line.answer(frame_ref).await else { panic!() };
        assert_eq!(sent.seq, seq);
    }
    for seq in 1..=200 {
        let heard = bob.line.message(chat).await;
        assert_eq!((heard.seq, heard.body), (seq, seq.to_string()));
    }
}
