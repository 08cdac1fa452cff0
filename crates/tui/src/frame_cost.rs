//! What a frame costs, for `natter bench screen`: the drawing alone, in memory, without a terminal
//! and a disk.

use std::time::{Duration, Instant};

use client::Line;
use jiff::tz::TimeZone;
use proto::{Conversation, ConversationKind, Message, Person, Relation};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::effect::{Answer, Input};
use crate::keys::Key;
use crate::model::Model;
use crate::update::{go, update};
use crate::view;

const ME: i64 = 1;
const FRIEND: i64 = 2;
const CONV: i64 = 3;
const NOW: i64 = 1_763_735_400_000;
const MINUTE: i64 = 60_000;

/// Durations of many frames of a screen of 120×40.
#[derive(Debug, Clone, Default)]
pub struct FrameCost {
    /// At the end of the conversation.
    pub at_end: Vec<Duration>,
    /// In its middle, after each step of the cursor to the message above.
    pub reading_up: Vec<Duration>,
    /// The same cells, copied: what comparing them with the last frame takes anyway.
    pub copied: Vec<Duration>,
}

/// Draws `frames` frames of each kind of a conversation with so many messages **in memory**. A real
/// screen has fewer there: `limits::CHAT_MESSAGES_MAX`.
pub fn frame_cost(messages: usize, frames: usize) -> FrameCost {
    let mut model = talking(messages);
    let mut terminal = Terminal::new(TestBackend::new(model.columns, model.rows))
        .expect("memory is a terminal that never fails");
    let mut cost = FrameCost::default();
    for _ in 0..frames {
        cost.at_end.push(drawn(&mut terminal, &model));
    }
    for key in format!("{}G", messages / 2).chars() {
        update(&mut model, Input::Key(Key::Char(key)));
    }
    for _ in 0..frames {
        update(&mut model, Input::Key(Key::Char('k')));
        cost.reading_up.push(drawn(&mut terminal, &model));
    }
    let ready = terminal.backend().buffer().clone();
    for _ in 0..frames {
        let since = Instant::now();
        let copy = terminal.draw(|frame| frame.buffer_mut().clone_from(&ready));
        copy.expect("memory is a terminal that never fails");
        cost.copied.push(since.elapsed());
    }
    cost
}

fn drawn(terminal: &mut Terminal<TestBackend>, model: &Model) -> Duration {
    let since = Instant::now();
    let drawn = terminal.draw(|frame| view::draw(model, frame));
    drawn.expect("memory is a terminal that never fails");
    since.elapsed()
}

/// A conversation that is open, with all of its messages.
fn talking(messages: usize) -> Model {
    let count = i64::try_from(messages).unwrap_or(i64::MAX);
    let mut model = Model::new(ME, NOW, TimeZone::UTC, 120, 40);
    model.line = Line::Live;
    let person = |user_id, handle: &str, relation: Relation| Person {
        user_id,
        handle: handle.into(),
        relation: relation.into(),
        ..Person::default()
    };
    let conversation = Conversation {
        conv_id: CONV,
        kind: ConversationKind::Direct.into(),
        friend_id: FRIEND,
        last_seq: count,
        read_seq: count,
        last_at: NOW,
        member_count: 2,
        ..Conversation::default()
    };
    let people = vec![person(ME, "me", Relation::None), person(FRIEND, "ann", Relation::Friend)];
    let all = Answer::All { conversations: vec![conversation], people, queued: Vec::new() };
    update(&mut model, Input::Answer(all));
    go::open(&mut model, CONV);
    let page = Answer::Messages { conv_id: CONV, before_seq: 0, messages: Vec::new() };
    update(&mut model, Input::Answer(page));
    if let Some(chat) = &mut model.chat {
        chat.messages = (1..=count).map(|seq| message(seq, count)).collect();
    }
    model
}

/// Two people who answer each other, one message in twenty with code in it.
fn message(seq: i64, count: i64) -> Message {
    let words = "words as people write them, with a **strong** one and now and then a longer line";
    let body = match seq % 20 {
        0 => format!("{seq}:\n```\nlet n = {seq};\n```\nhttps://example.org/{seq}"),
        _ => format!("{seq} {words}"),
    };
    Message {
        conv_id: CONV,
        seq,
        sender_id: if seq % 3 == 0 { ME } else { FRIEND },
        sent_at: NOW - (count - seq) * MINUTE,
        body,
        ..Message::default()
    }
}
