//! Every state that a message of mine can be in, at every size: in words and in shape.

use client::Event;
use proto::{Sent, SentState};

use crate::pictures::SIZES;
use crate::stage::*;

/// The end of the conversation with each of its last messages under the cursor, where the screen is
/// too small for all of them; one picture else.
fn receipts(name: &str, scene: impl Fn(u16, u16) -> Stage) {
    let mut all = Vec::new();
    for (columns, rows) in SIZES {
        let count = scene(columns, rows).model.item_count();
        let shown = if rows < 24 { count } else { 1 };
        for up in 0..shown {
            let mut stage = scene(columns, rows);
            stage.keys(&"k".repeat(up));
            all.push(format!("{columns}x{rows}\n{}", stage.picture()));
        }
    }
    insta::assert_snapshot!(name, all.join("\n"));
}

fn mine(conv_id: i64, seqs: std::ops::RangeInclusive<i64>) -> Vec<proto::Message> {
    let one = |seq| message(conv_id, seq, ME, NOW - (20 - seq) * MINUTE, &format!("number {seq}"));
    seqs.map(one).collect()
}

#[test]
fn to_a_friend_who_is_away() {
    receipts("receipts_away", |columns, rows| {
        let mut stage = friends(columns, rows);
        stage.keys("3gt").page(WITH_BOB, 0, mine(WITH_BOB, 1..=4));
        let bob = stage.model.conversations.iter_mut().find(|c| c.conv_id == WITH_BOB).unwrap();
        (bob.friend_read_seq, bob.friend_delivered_seq) = (1, 2);
        (bob.friend_mailed_seq, bob.friend_mailed_at) = (3, NOW - 5 * MINUTE);
        stage.event(Event::Sent(Sent {
            conv_id: WITH_BOB,
            seq: 4,
            sent_at: NOW - 16 * MINUTE,
            state: SentState::Kept.into(),
            offline_since: NOW - 28 * MINUTE,
            mail_at: NOW + 2 * MINUTE,
            ..Sent::default()
        }));
        stage.model.queued = vec![
            queued(WITH_BOB, 7, "on its way", ""),
            queued(WITH_BOB, 8, "never to be sent", "bob does not take messages from you"),
        ];
        stage
    });
}

#[test]
fn to_a_friend_who_is_there() {
    receipts("receipts_there", |columns, rows| {
        let mut stage = friends(columns, rows);
        stage.keys("gt").page(WITH_ANN, 0, mine(WITH_ANN, 1..=3));
        let ann = stage.model.conversations.iter_mut().find(|c| c.conv_id == WITH_ANN).unwrap();
        (ann.friend_read_seq, ann.friend_delivered_seq) = (1, 2);
        stage
    });
}

#[test]
fn to_a_group() {
    receipts("receipts_group", |columns, rows| {
        let mut stage = friends(columns, rows);
        stage.keys("2gt").page(LUNCH, 0, mine(LUNCH, 1..=4));
        let members = vec![
            member(ME, "me.myself", 4, 4),
            member(ANN, "ann", 3, 2),
            member(BOB, "bob", 3, 1),
            member(CHEN, "chen", 1, 1),
        ];
        let lunch = stage.model.conversation(LUNCH).expect("lunch is there").clone();
        stage.event(Event::Conversation(proto::Conversation { members, ..lunch }));
        stage
    });
}

#[test]
fn to_a_group_of_which_nobody_is_there() {
    receipts("receipts_group_away", |columns, rows| {
        let mut stage = friends(columns, rows);
        stage.keys("2gt").page(LUNCH, 0, mine(LUNCH, 1..=1));
        let members = vec![member(ME, "me.myself", 1, 1), member(ANN, "ann", 0, 0)];
        let lunch = stage.model.conversation(LUNCH).expect("lunch is there").clone();
        stage.event(Event::Conversation(proto::Conversation { members, ..lunch }));
        stage.event(Event::Sent(Sent {
            conv_id: LUNCH,
            seq: 1,
            sent_at: NOW - 19 * MINUTE,
            state: SentState::Kept.into(),
            ..Sent::default()
        }));
        stage
    });
}
