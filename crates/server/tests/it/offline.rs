//! Coming back: nothing is missing, nothing comes twice, also after a crash or a restart.

use proto::client_frame::Body as Say;
use proto::server_frame::Body as Hear;
use proto::{Codec, History, Position, Rename, history::From};

use crate::harness::{Client, PATIENCE, User, config, host, host_with, send};

/// Sends `count` messages, as many at once as the server takes.
async fn send_many(user: &mut User, chat: i64, count: i64) {
    let mut refs = std::collections::VecDeque::new();
    for n in 1..=count {
        refs.push_back(user.line.say(Say::Send(send(chat, &format!("message {n}"), n))).await);
        if refs.len() == proto::limits::SENDS_IN_FLIGHT_MAX {
            let answer = user.line.answer(refs.pop_front().unwrap()).await;
            assert!(matches!(answer, Hear::Sent(_)), "{answer:?}");
        }
    }
    for frame_ref in refs {
        assert!(matches!(user.line.answer(frame_ref).await, Hear::Sent(_)));
    }
}

#[tokio::test]
async fn ten_thousand_messages_while_away_come_complete_in_order_and_once() {
    const MANY: i64 = 10_000;
    let fast = server::Rate { burst: 1_000_000, per_minute: 1_000_000 };
    let host = host_with(|c| c.rates.sends = fast).await;
    let mut ann = host.user("ann").await;
    let bob = host.signup("bob").await;
    let chat = ann.open(bob.user_id).await;
    send_many(&mut ann, chat, MANY).await;

    let mut line = host.socket(&bob.token, Codec::Protobuf).await;
    let (_, missed, caught_up) = line.hello(vec![]).await;
    let seqs: Vec<i64> = missed.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (1..=MANY).collect::<Vec<_>>());
    assert_eq!(missed[4_321].body, "message 4322");
    assert_eq!((caught_up.messages, caught_up.unfinished), (MANY as u32, vec![]));

    ann.line.send_keyed(chat, "one more", MANY + 1).await;
    let mut new_device = host.socket(&bob.token, Codec::Protobuf).await;
    let (_, missed, caught_up) = new_device.hello(vec![]).await;
    assert_eq!(missed.len(), MANY as usize);
    assert_eq!(caught_up.unfinished, [chat], "more than one catch-up sends by itself");
    let rest = History { conv_id: chat, from: Some(From::AfterSeq(MANY)), limit: 10 };
    let Hear::Page(page) = new_device.ask(Say::History(rest)).await else { panic!() };
    assert_eq!(page.messages[0].body, "one more");
    ann.line.send_keyed(chat, "and live", MANY + 2).await;
    assert_eq!(new_device.message(chat).await.seq, MANY + 2);
}

#[tokio::test]
async fn a_client_that_says_what_it_has_gets_exactly_the_rest() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    for n in 1..=5 {
        ann.line.send(chat, &n.to_string()).await;
        bob.line.message(chat).await;
    }
    let edit = proto::Edit { conv_id: chat, seq: 1, body: "one".into() };
    ann.line.ask(Say::Edit(edit)).await;
    let mut again = host.socket(&bob.granted.token, Codec::Protobuf).await;
    let have = vec![Position { conv_id: chat, seq: 3, rev: 0 }];
    let (_, missed, caught_up) = again.hello(have).await;
    let seen: Vec<_> = missed.iter().map(|m| (m.seq, m.body.as_str())).collect();
    assert_eq!(seen, [(4, "4"), (5, "5"), (1, "one")]);
    assert_eq!((caught_up.messages, caught_up.changes), (2, 1));
}

#[tokio::test]
async fn a_repeated_send_gets_its_first_number_from_another_line_and_after_a_restart() {
    let mut host = host().await;
    let mut ann = host.user("ann").await;
    let bob = host.signup("bob").await;
    let chat = ann.open(bob.user_id).await;
    let first = ann.line.send_keyed(chat, "once", 42).await;
    let again = ann.line.send_keyed(chat, "once", 42).await;
    assert_eq!((again.seq, again.sent_at, again.repeated), (first.seq, first.sent_at, true));

    let mut other = host.connect(&ann.granted).await;
    let again = other.line.send_keyed(chat, "once", 42).await;
    assert_eq!((again.seq, again.repeated), (first.seq, true));

    let config = config(&host.dir);
    host.server.stop().await.unwrap();
    host.server = server::start(config).await.unwrap();
    let mut back = host.connect(&ann.granted).await;
    let again = back.line.send_keyed(chat, "once", 42).await;
    assert_eq!((again.seq, again.sent_at, again.repeated), (first.seq, first.sent_at, true));
    assert_eq!(back.line.send_keyed(chat, "next", 43).await.seq, first.seq + 1);
    assert_eq!(host.server.store.integrity().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_repeated_send_rings_again_and_brings_the_text_as_it_is_now() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let bob = host.signup("bob").await;
    let chat = ann.open(bob.user_id).await;
    ann.line.send_keyed(chat, "firts", 42).await;
    let edit = proto::Edit { conv_id: chat, seq: 1, body: "first".into() };
    ann.line.ask(Say::Edit(edit)).await;
    let mut line = host.socket(&bob.token, Codec::Protobuf).await;
    let (_, missed, _) = line.hello(vec![]).await;
    assert_eq!(missed[0].body, "first");
    ann.line.send_keyed(chat, "firts", 42).await;
    ann.line.send_keyed(chat, "second", 43).await;
    let next = line.message(chat).await;
    assert_eq!((next.seq, next.body.as_str()), (2, "second"), "the bell brought nothing twice");
}

/// Messages by whatever frame they come.
async fn collect(line: &mut Client, up_to: i64) -> Vec<i64> {
    let mut seqs = Vec::new();
    while seqs.last() != Some(&up_to) {
        match line.next().await.body.unwrap() {
            Hear::Message(message) => seqs.push(message.seq),
            Hear::Page(page) => seqs.extend(page.messages.iter().map(|m| m.seq)),
            _ => {}
        }
    }
    seqs
}

#[tokio::test]
async fn coming_and_going_while_others_write_loses_and_doubles_nothing() {
    let fast = server::Rate { burst: 1_000_000, per_minute: 1_000_000 };
    let host = host_with(|c| c.rates.sends = fast).await;
    let mut ann = host.user("ann").await;
    let bob = host.signup("bob").await;
    let chat = ann.open(bob.user_id).await;
    let reader = async {
        let mut have = 0;
        while have < 2_000 {
            let mut line = host.socket(&bob.token, Codec::Protobuf).await;
            let position = Position { conv_id: chat, seq: have, rev: 0 };
            let (_, missed, _) = line.hello(vec![position]).await;
            for message in missed {
                assert_eq!(message.seq, have + 1);
                have += 1;
            }
            // Live for a while, then away without a word.
            let until = (have + 50).min(2_000);
            if have < until {
                for seq in collect(&mut line, until).await {
                    assert_eq!(seq, have + 1);
                    have += 1;
                }
            }
        }
    };
    let both = async { tokio::join!(send_many(&mut ann, chat, 2_000), reader) };
    tokio::time::timeout(PATIENCE, both).await.unwrap();
}

#[tokio::test]
async fn what_was_changed_by_others_between_is_in_the_log_for_the_newcomer() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let bob = host.signup("bob").await;
    let create =
        proto::CreateGroup { title: "garden".into(), user_ids: vec![bob.user_id], client_key: 0 };
    let Hear::Conversation(group) = ann.line.ask(Say::CreateGroup(create)).await else { panic!() };
    let rename = Rename { conv_id: group.conv_id, title: "orchard".into() };
    ann.line.ask(Say::Rename(rename)).await;
    let mut line = host.socket(&bob.token, Codec::Protobuf).await;
    let (paint, missed, _) = line.hello(vec![]).await;
    assert_eq!(paint.conversations[0].title, "orchard");
    let last = missed.last().unwrap();
    assert_eq!((last.kind(), last.body.as_str()), (proto::MessageKind::Renamed, "orchard"));
}
