//! A gateway that says anything at all: the line may believe it, but it never falls over.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proto::{
    CaughtUp, Codec, Conversation, Member, Message, Page, Paint, Person, Presence, Receipt, Sent,
    ServerFrame, frame, server_frame::Body,
};

use crate::cache::Loaded;
use crate::cleaned;
use crate::place::Came;
use crate::sync::{Mirror, Question, Round};

/// Ordinary letters, then everything that can reach for a terminal.
const TEXTS: &str = "\\PC*[\u{0}-\u{ff}\u{200b}-\u{206f}]*";

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 0..12_i64,
        1 => Just(i64::MAX),
        1 => Just(i64::MIN),
        1 => Just(-1_i64),
        1 => any::<i64>(),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    (number(), number(), number(), number(), number(), ".{0,8}").prop_map(
        |(conv_id, seq, sender_id, rev, sent_at, body)| Message {
            conv_id,
            seq,
            sender_id,
            rev,
            sent_at,
            body,
            ..Message::default()
        },
    )
}

fn page() -> impl Strategy<Value = Page> {
    (number(), prop::collection::vec(message(), 0..6), any::<bool>())
        .prop_map(|(conv_id, messages, more)| Page { conv_id, messages, more, scanned_to: 0 })
}

fn person() -> impl Strategy<Value = Person> {
    (number(), ".{0,8}").prop_map(|(user_id, handle)| Person {
        user_id,
        handle,
        ..Person::default()
    })
}

fn conversation() -> impl Strategy<Value = Conversation> {
    let numbers = prop::array::uniform8(number());
    (numbers, ".{0,8}", prop::option::of(message()), any::<bool>(), 0..4_i32).prop_map(
        |(
            [conv_id, friend_id, last_seq, last_rev, a, b, joined_seq, c],
            title,
            last,
            left,
            kind,
        )| {
            Conversation {
                conv_id,
                friend_id,
                last_seq,
                last_rev,
                delivered_seq: a,
                read_seq: b,
                joined_seq,
                last_at: c,
                title,
                last,
                left,
                kind,
                members: vec![Member { user_id: a, delivered_seq: b, ..Member::default() }],
                ..Conversation::default()
            }
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        message().prop_map(Body::Message),
        page().prop_map(Body::Page),
        conversation().prop_map(Body::Conversation),
        person().prop_map(Body::Person),
        (number(), number(), number(), number()).prop_map(|(conv_id, user_id, d, read_seq)| {
            let (delivered_seq, told) = (d, Receipt::default());
            Body::Receipt(Receipt { conv_id, user_id, delivered_seq, read_seq, ..told })
        }),
        (number(), any::<bool>()).prop_map(|(user_id, online)| Body::Presence(Presence {
            user_id,
            online,
            last_seen: 0
        })),
        (number(), number(), number()).prop_map(|(conv_id, client_key, seq)| {
            Body::Sent(Sent { conv_id, client_key, seq, ..Sent::default() })
        }),
        (prop::collection::vec(conversation(), 0..3), prop::collection::vec(person(), 0..3))
            .prop_map(|(conversations, people)| {
                Body::Paint(Paint { conversations, people, ..Paint::default() })
            }),
        prop::collection::vec(number(), 0..3)
            .prop_map(|unfinished| Body::CaughtUp(CaughtUp { unfinished, ..CaughtUp::default() })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_frame_in_any_order_brings_the_copy_down(bodies in prop::collection::vec(body(), 0..60)) {
        let nothing = Loaded {
            conversations: vec![],
            people: vec![],
            positions: vec![],
            queued: vec![],
        };
        let mut mirror = Mirror::new(1, "me", true, nothing);
        let mut now = Instant::now();
        for body in bodies {
            let mut round = Round::default();
            now += Duration::from_millis(40);
            hear(&mut mirror, cleaned::body(body), now, &mut round);
            for (question, _) in mirror.questions(now) {
                match question {
                    Question::Missing { conv_id } => {
                        mirror.missing(conv_id, Page::default(), now, &mut round);
                    }
                    question => mirror.refused(question, 0, now, &mut round),
                }
            }
            mirror.cursors(now);
            mirror.next_due();
            mirror.rows(round);
        }
        mirror.begin();
        for position in mirror.positions() {
            prop_assert!(position.conv_id > 0);
        }
    }

    #[test]
    fn no_bytes_bring_the_decoder_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let frame = Codec::Protobuf.read_server(&bytes);
        if let Ok(ServerFrame { body: Some(body), .. }) = frame {
            cleaned::body(body);
        }
    }

    #[test]
    fn a_cleaned_frame_holds_no_control_characters(text in TEXTS) {
        let message = Message { body: text.clone(), ..Message::default() };
        let person = Person { handle: text.clone(), name: text.clone(), ..Person::default() };
        let paint = Paint {
            me: Some(person.clone()),
            people: vec![person],
            conversations: vec![Conversation {
                title: text.clone(),
                last: Some(message),
                members: vec![Member { handle: text.clone(), name: text, ..Member::default() }],
                ..Conversation::default()
            }],
            ..Paint::default()
        };
        let json = frame::body_json(cleaned::body(Body::Paint(paint)));
        let mut texts = Vec::new();
        collect(&json, &mut texts);
        for text in texts {
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{:?}", text);
        }
    }
}

fn hear(mirror: &mut Mirror, body: Body, now: Instant, round: &mut Round) {
    match body {
        Body::Message(message) => mirror.message(message, Came::Live, now, round),
        Body::Page(page) => mirror.page(page, now, round),
        Body::Conversation(c) => mirror.conversation(c, false, now, round),
        Body::Person(person) => mirror.person(person, round),
        Body::Receipt(receipt) => mirror.receipt(receipt, round),
        Body::Presence(presence) => mirror.presence(presence, round),
        Body::Sent(sent) => mirror.sent(sent, None, now, round),
        Body::Paint(paint) => mirror.paint(paint, now, round),
        Body::CaughtUp(caught_up) => mirror.caught_up(&caught_up, now, round),
        _ => {}
    }
}

fn collect(json: &serde_json::Value, texts: &mut Vec<String>) {
    match json {
        serde_json::Value::String(text) => texts.push(text.clone()),
        serde_json::Value::Array(list) => list.iter().for_each(|value| collect(value, texts)),
        serde_json::Value::Object(map) => map.values().for_each(|value| collect(value, texts)),
        _ => {}
    }
}
