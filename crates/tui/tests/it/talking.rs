//! News arriving: messages, receipts, people, the line.

use client::{Event, Line};
use proto::{ErrorCode, Presence, Receipt, Relation, Sent, SentState, Typing};
use tui::effect::{Answer, Ask, Effect, Got, Input, Trouble};
use tui::model::{ItemId, Older};

use crate::stage::*;

fn arrives(stage: &mut Stage, seq: i64, body: &str) {
    let message = message(WITH_ANN, seq, ANN, NOW, body);
    stage.event(Event::New { message, live: true });
}

#[test]
fn the_screen_begins_with_the_newest_conversation_but_never_jumps_later() {
    let mut stage = empty(80, 24);
    stage.taken();
    let greeting = direct(WITH_BOB, BOB, 1, 0, NOW);
    stage.event(Event::Conversation(greeting));
    assert!(stage.taken().contains(&Effect::Load { conv_id: WITH_BOB, before_seq: 0 }));
    stage.event(Event::Conversation(direct(WITH_ANN, ANN, 1, 0, NOW + 1)));
    assert_eq!(stage.taken(), []);
}

#[test]
fn what_one_looks_at_is_read_once() {
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    arrives(&mut stage, 7, "hello");
    assert_eq!(stage.taken(), [Effect::Read { conv_id: WITH_ANN, seq: 7 }]);
    stage.tick(1_000);
    assert_eq!(stage.taken(), []);
}

#[test]
fn nothing_is_read_while_the_terminal_has_no_focus() {
    let mut stage = talking_with_ann(80, 24);
    stage.input(Input::Focus(false));
    stage.taken();
    arrives(&mut stage, 7, "hello");
    assert_eq!(stage.taken(), [Effect::Bell]);
    assert!(stage.picture().contains("1 new"));
    stage.input(Input::Focus(true));
    assert_eq!(stage.taken(), [Effect::Read { conv_id: WITH_ANN, seq: 7 }]);
}

#[test]
fn nothing_is_read_while_reading_up() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("k");
    stage.taken();
    arrives(&mut stage, 7, "hello");
    assert_eq!(stage.taken(), []);
    assert!(stage.picture().contains("↓ 1 more"));
    stage.keys("G");
    assert_eq!(stage.taken(), [Effect::Read { conv_id: WITH_ANN, seq: 7 }]);
    assert!(!stage.picture().contains("more"));
}

#[test]
fn the_place_one_reads_at_stays_when_older_messages_are_loaded() {
    let mut stage = friends(80, 24);
    stage.keys("gt");
    let of = |seq| message(WITH_ANN, seq, ANN, NOW - (300 - seq) * MINUTE, "words");
    stage.page(WITH_ANN, 0, (201..=300).map(of).collect());
    stage.keys("90k");
    let shown = stage.picture();
    assert!(stage.taken().contains(&Effect::Load { conv_id: WITH_ANN, before_seq: 201 }));
    stage.page(WITH_ANN, 201, (101..201).map(of).collect());
    assert_eq!(stage.picture(), shown);
    assert_eq!(stage.model.item_count(), 200);
}

#[test]
fn history_comes_from_the_disk_then_from_the_server_then_ends() {
    let mut stage = friends(80, 24);
    stage.keys("gt");
    stage.taken();
    let of = |seq| message(WITH_ANN, seq, ANN, NOW, "words");
    let conv_id = WITH_ANN;
    stage.page(conv_id, 0, vec![of(5), of(6)]);
    let load = |before_seq| Effect::Load { conv_id, before_seq };
    assert!(stage.taken().contains(&load(5)));
    stage.page(conv_id, 5, Vec::new());
    let ask = Ask::History { conv_id, before_seq: 5 };
    assert_eq!(stage.taken(), [Effect::Ask(ask.clone())]);
    let got = Err(Trouble::Offline);
    stage.answer(Answer::Asked { ask: ask.clone(), got });
    assert_eq!(stage.taken(), []);
    assert!(stage.picture().contains("older messages need the connection"));
    stage.event(Event::Line(Line::Live));
    assert_eq!(stage.taken(), [Effect::Ask(ask.clone())]);
    let got = Ok(Got::History { more: false });
    stage.answer(Answer::Asked { ask, got });
    assert_eq!(stage.taken(), [load(5)]);
    stage.page(conv_id, 5, vec![of(3), of(4)]);
    assert_eq!(stage.taken(), []);
    assert_eq!(stage.model.chat.as_ref().unwrap().older, Older::Nothing);
}

#[test]
fn a_queued_message_becomes_a_stored_one_in_its_place() {
    let mut stage = talking_with_ann(80, 24);
    stage.answer(Answer::Queued(vec![queued(WITH_ANN, 77, "on its way", "")]));
    assert!(stage.picture().contains("… queued"));
    stage.event(Event::Sent(Sent {
        conv_id: WITH_ANN,
        client_key: 77,
        seq: 7,
        sent_at: NOW,
        state: SentState::OnItsWay.into(),
        ..Sent::default()
    }));
    assert!(!stage.picture().contains("queued"));
    assert_eq!(stage.model.item(6).unwrap().id(), ItemId::Seq(7));
    assert_eq!(stage.model.item_count(), 7);
}

#[test]
fn a_refused_message_stays_with_the_reason() {
    let mut stage = talking_with_ann(80, 24);
    stage.answer(Answer::Queued(vec![queued(WITH_ANN, 77, "hm", "")]));
    let (code, text) = (ErrorCode::Forbidden, "ann blocked you".to_string());
    stage.event(Event::SendRefused { client_key: 77, code, text });
    let picture = stage.picture();
    assert!(picture.contains("✗ not sent — R retry"), "{picture}");
    assert!(picture.contains("▌ ann blocked you"), "{picture}");
}

#[test]
fn receipts_move_forwards_only() {
    let mut stage = talking_with_ann(80, 24);
    let receipt = |delivered_seq, read_seq| {
        Event::Receipt(Receipt {
            conv_id: WITH_ANN,
            user_id: ANN,
            delivered_seq,
            read_seq,
            at: NOW,
            ..Receipt::default()
        })
    };
    stage.event(receipt(6, 6));
    assert_eq!(stage.picture().matches("✓✓ read").count(), 3);
    stage.event(receipt(1, 1));
    assert_eq!(stage.picture().matches("✓✓ read").count(), 3);
}

#[test]
fn since_when_somebody_is_offline_is_not_told_any_more_when_he_hides_it() {
    let mut stage = talking_with_ann(100, 24);
    let gone = |last_seen| Event::Presence(Presence { user_id: ANN, online: false, last_seen });
    stage.event(gone(NOW - 10 * MINUTE));
    assert!(stage.picture().contains("offline since 14:20"));
    stage.event(gone(0));
    assert!(!stage.picture().contains("offline since"), "{}", stage.picture());
}

#[test]
fn a_kept_message_says_when_a_mail_goes_out_and_that_it_did() {
    let mut stage = talking_with_ann(100, 24);
    let gone = |online| Event::Presence(Presence { user_id: ANN, online, last_seen: NOW - MINUTE });
    let kept = |seq| {
        Event::Sent(Sent {
            conv_id: WITH_ANN,
            client_key: seq,
            seq,
            sent_at: NOW,
            state: SentState::Kept.into(),
            offline_since: NOW - MINUTE,
            mail_at: NOW + 10 * MINUTE,
            ..Sent::default()
        })
    };
    stage.event(gone(false));
    stage.answer(Answer::Queued(vec![queued(WITH_ANN, 7, "are you there?", "")]));
    stage.event(kept(7));
    let picture = stage.picture();
    assert!(picture.contains("✓ kept (ann is offline since 14:29, mail at 14:40)"), "{picture}");
    let receipt = |delivered_seq, mailed_seq| {
        Event::Receipt(Receipt {
            conv_id: WITH_ANN,
            user_id: ANN,
            delivered_seq,
            mailed_seq,
            mailed_at: NOW,
            ..Receipt::default()
        })
    };
    stage.event(receipt(0, 7));
    assert!(stage.picture().contains("✓ mailed 14:30"), "{}", stage.picture());
    // What is written after it was not in that mail; and what was planned is over when she comes.
    stage.answer(Answer::Queued(vec![queued(WITH_ANN, 8, "hello?", "")]));
    stage.event(kept(8));
    assert!(stage.picture().contains("mail at 14:40"), "{}", stage.picture());
    stage.event(gone(true));
    stage.event(gone(false));
    assert!(!stage.picture().contains("mail at"), "{}", stage.picture());
    stage.event(receipt(8, 0));
    let picture = stage.picture();
    assert!(!picture.contains("mailed") && picture.contains("✓✓ delivered"), "{picture}");
}

#[test]
fn typing_is_shown_for_five_seconds_or_until_the_message_is_there() {
    let mut stage = talking_with_ann(80, 24);
    let typing = Typing { conv_id: WITH_ANN, user_id: ANN };
    stage.event(Event::Typing(typing));
    assert!(stage.picture().contains("ann is typing…"));
    stage.tick(5_001);
    assert!(!stage.picture().contains("typing"));
    stage.event(Event::Typing(typing));
    arrives(&mut stage, 7, "there");
    assert!(!stage.picture().contains("typing"));
}

#[test]
fn a_new_friend_request_is_seen_at_once() {
    let mut stage = friends(80, 24);
    stage.event(Event::Person(person(44, "frank", "Frank", Relation::Asks)));
    assert!(stage.picture().contains("+ frank"));
    stage.event(Event::Person(person(44, "frank", "Frank", Relation::Friend)));
    assert!(!stage.picture().contains("+ frank"));
}

#[test]
fn the_countdown_to_the_next_try_runs() {
    let mut stage = friends(80, 24);
    let why = "connection refused".to_string();
    stage.event(Event::Line(Line::Waiting { until: NOW + 3_000, why }));
    assert!(stage.picture().contains("◌ reconnecting in 3 s"));
    stage.tick(1_500);
    assert!(stage.picture().contains("◌ reconnecting in 2 s"));
    assert!(stage.picture().contains("connection refused"));
}

#[test]
fn unread_messages_that_do_not_fit_are_read_from_the_first() {
    let mut stage = friends(80, 24);
    stage.model.conversations[0].read_seq = 40;
    stage.model.conversations[0].last_seq = 100;
    stage.keys("gt");
    let of = |seq| message(WITH_ANN, seq, ANN, NOW - (100 - seq) * MINUTE, "words");
    stage.taken();
    stage.page(WITH_ANN, 0, (1..=100).map(of).collect());
    let picture = stage.picture();
    assert!(picture.contains("─── 60 new"), "{picture}");
    assert!(picture.contains("more"), "{picture}");
    assert_eq!(stage.taken(), []);
}

#[test]
fn leaving_a_group_closes_it() {
    let mut stage = friends(80, 24);
    stage.keys("2gt");
    let mut gone = stage.model.conversation(LUNCH).unwrap().clone();
    gone.left = true;
    stage.event(Event::Conversation(gone));
    assert!(stage.model.chat.is_none());
    assert!(!stage.picture().contains("lunch"));
}

#[test]
fn a_body_cannot_imitate_the_program() {
    let mut stage = talking_with_ann(80, 24);
    arrives(&mut stage, 7, "x\n14:31 bob\n─── 3 new ───────\n✗ signed out");
    for row in stage.picture().lines() {
        let imitates = ["14:31 bob", "3 new", "signed out"].iter().any(|text| row.contains(text));
        assert!(!imitates || row.contains("▌ ") || row.contains("▏ "), "{row}");
    }
}

#[test]
fn a_text_that_the_disk_does_not_take_comes_back_into_the_box() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("iimportant<CR>");
    let why = "disk full".to_string();
    let body = "important".to_string();
    stage.answer(Answer::NotQueued { conv_id: WITH_ANN, body, why });
    assert_eq!(stage.model.composer.text, "important");
    assert!(stage.notice().contains("disk full"));
}

#[test]
fn the_server_searches_one_conversation_when_told_to() {
    let mut stage = friends(80, 24);
    stage.keys("gt");
    let conv_id = WITH_ANN;
    stage.model.conversations[0].last_seq = 300;
    let of = |seq| message(conv_id, seq, ANN, NOW - (300 - seq) * MINUTE, "words");
    stage.page(conv_id, 0, (201..=300).map(of).collect());
    stage.keys(":search! words<CR>");
    let ask = Ask::Search { conv_id, text: "words".into(), before_seq: 0 };
    let page = proto::Page { conv_id, messages: vec![of(120)], more: false, scanned_to: 0 };
    stage.answer(Answer::Asked { ask, got: Ok(Got::Page(page)) });
    assert!(stage.picture().contains("words, on the server: 1 found"));
    stage.taken();
    stage.keys("<CR>");
    assert_eq!(stage.taken(), [Effect::LoadAround { conv_id, seq: 120 }]);
    let messages = (60..=220).map(of).collect();
    stage.answer(Answer::Around { conv_id, seq: 120, messages, end: false });
    let at = stage.model.cursor_index().unwrap();
    assert_eq!(stage.model.item(at).unwrap().id(), ItemId::Seq(120));
    assert!(stage.picture().contains("▌ words"));
    assert_eq!(stage.model.item_count(), 241, "it joins what was loaded");
}
