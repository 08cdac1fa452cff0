//! What the screen looks like, at every size. The pictures are in `snapshots/`.

use client::{Figures, Line};
use proto::{MessageKind, Reaction};
use tui::effect::{Answer, Ask, Got, Input};

use crate::stage::*;

pub(crate) const SIZES: [(u16, u16); 4] = [(120, 40), (80, 24), (40, 10), (20, 5)];

/// The same scene at each size, in one file.
pub(crate) fn pictures(name: &str, scene: impl Fn(u16, u16) -> Stage) {
    let one = |(columns, rows)| format!("{columns}x{rows}\n{}", scene(columns, rows).picture());
    insta::assert_snapshot!(name, SIZES.map(one).join("\n"));
}

#[test]
fn the_first_run_shows_how_to_begin() {
    pictures("first_run", empty);
}

#[test]
fn friends_and_requests_stand_in_the_list() {
    pictures("friends_and_requests", |columns, rows| {
        let mut stage = friends(columns, rows);
        stage.keys("<Tab>G");
        stage
    });
}

/// One message for each state that a message of mine can be in.
fn every_state(columns: u16, rows: u16) -> Stage {
    let mut stage = talking_with_ann(columns, rows);
    stage.model.queued = vec![
        queued(WITH_ANN, 7, "and this waits for the line", ""),
        queued(WITH_ANN, 8, "and this was refused", "ann does not take messages from you"),
    ];
    let messages = &mut stage.model.chat.as_mut().expect("ann is open").messages;
    messages[2].reply_seq = 2;
    messages[3].reactions = vec![
        Reaction { emoji: "👍".into(), user_ids: vec![ME, ANN] },
        Reaction { emoji: "🎉".into(), user_ids: vec![ANN] },
    ];
    messages[4].edited_at = NOW;
    stage.model.chat.as_mut().expect("ann is open").new =
        Some(tui::model::Unseen { after: 2, up_to: 6 });
    let typing = proto::Typing { conv_id: WITH_ANN, user_id: ANN };
    stage.event(client::Event::Typing(typing));
    stage
}

#[test]
fn a_message_says_where_it_is() {
    pictures("every_state", every_state);
}

#[test]
fn a_message_is_kept_while_the_friend_is_offline() {
    pictures("kept", |columns, rows| {
        let mut stage = friends(columns, rows);
        stage.keys("3gt").page(
            WITH_BOB,
            0,
            vec![
                message(WITH_BOB, 4, BOB, NOW - 40 * MINUTE, "off to lunch"),
                message(WITH_BOB, 5, ME, NOW - 20 * MINUTE, "call me when you are back"),
            ],
        );
        stage.keys("isee you<C-j>and take care");
        stage
    });
}

pub(crate) fn in_the_group(columns: u16, rows: u16) -> Stage {
    let mut stage = friends(columns, rows);
    stage.keys("2gt");
    stage.taken();
    let mut made = message(LUNCH, 1, ME, NOW - 60 * MINUTE, "lunch");
    made.kind = MessageKind::Created.into();
    let text = "who is in? it is the place at the corner, with the good soup and the bad chairs";
    let page = vec![
        made,
        message(LUNCH, 2, ME, NOW - 30 * MINUTE, text),
        message(LUNCH, 3, BOB, NOW - 10 * MINUTE, "me. and @me.myself too?"),
    ];
    stage.page(LUNCH, 0, page);
    stage.page(LUNCH, 1, Vec::new());
    let members = vec![
        member(ME, "me.myself", 3, 3),
        member(ANN, "ann", 2, 2),
        member(BOB, "bob", 3, 3),
        member(CHEN, "chen", 2, 0),
    ];
    let mut told = stage.model.conversation(LUNCH).expect("lunch is there").clone();
    told.members = members;
    stage.event(client::Event::Conversation(told));
    stage
}

#[test]
fn a_group_counts_who_has_it() {
    pictures("group", in_the_group);
}

#[test]
fn the_finder_offers_friends_first() {
    pictures("finder", |columns, rows| {
        let mut stage = friends(columns, rows);
        stage.keys("fn");
        stage
    });
}

#[test]
fn the_help_shows_every_key() {
    pictures("help", |columns, rows| {
        let mut stage = friends(columns, rows);
        stage.keys("?");
        stage
    });
}

#[test]
fn the_command_line_says_what_a_command_is_for() {
    pictures("command_line", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.keys(":mut");
        stage
    });
}

#[test]
fn offline_one_can_write_and_sees_what_waits() {
    pictures("offline", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.model.queued = vec![queued(WITH_ANN, 7, "sent when the line is back", "")];
        let why = "the server does not answer".to_string();
        stage.event(client::Event::Line(Line::Waiting { until: NOW + 2_500, why }));
        let figures = Figures { gaps: 1, resumed: 3, replayed: 41, ..Figures::default() };
        stage.input(Input::Tick { now: NOW, figures });
        stage.keys("iwriting on");
        stage
    });
}

#[test]
fn reading_up_is_not_disturbed_by_what_comes() {
    pictures("reading_up", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.keys("kk");
        for seq in 7..10 {
            let new = message(WITH_ANN, seq, ANN, NOW, &format!("news {seq}"));
            stage.event(client::Event::New { message: new, live: true });
        }
        stage
    });
}

#[test]
fn the_journey_of_a_message_is_shown() {
    use proto::{Hop, HopKind, Journey};
    pictures("journey", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.keys("kK");
        let hop = |kind: HopKind, after_us, user_id| Hop {
            kind: kind.into(),
            at: NOW - 10 * MINUTE,
            after_us,
            user_id,
        };
        let hops = vec![
            hop(HopKind::Received, 0, 0),
            hop(HopKind::Batched, 41, 0),
            hop(HopKind::Committed, 1_892, 0),
            hop(HopKind::Published, 2_011, 0),
            hop(HopKind::DeliveredTo, 0, ANN),
        ];
        let ask = Ask::Journey { conv_id: WITH_ANN, seq: 5 };
        let got = Ok(Got::Journey(Journey { conv_id: WITH_ANN, seq: 5, hops }));
        stage.answer(Answer::Asked { ask, got });
        stage
    });
}

#[test]
fn what_was_found_is_listed_at_every_size() {
    pictures("found", |columns, rows| {
        let mut stage = in_the_group(columns, rows);
        stage.keys(":search corner<CR>");
        let query = client::search::Query::words("corner").unwrap();
        let sought = client::search::Sought::Text(query);
        let long = format!("{} at the corner, as always", "so many words before it".repeat(4));
        let messages = vec![
            message(LUNCH, 3, BOB, NOW - 10 * MINUTE, &long),
            message(WITH_ANN, 5, ME, NOW - 40 * MINUTE, "see you at the Corner, 日本"),
        ];
        stage.answer(Answer::Found { sought, found: client::Found { messages, below: None } });
        stage
    });
}

#[test]
fn the_figures_are_explained_at_every_size() {
    pictures("status", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        let figures = Figures { replayed: 41, last_send_us: 12_345, ..Figures::default() };
        stage.input(Input::Tick { now: NOW, figures });
        stage.keys(":status<CR>");
        stage
    });
}

#[test]
fn what_waits_says_since_when_and_for_what() {
    pictures("waits", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.model.queued = vec![queued(WITH_ANN, 7, "sent when the line is back", "")];
        let why = "the server does not answer".to_string();
        stage.event(client::Event::Line(Line::Waiting { until: NOW + 2_500, why }));
        stage.keys("K");
        stage
    });
}

#[test]
fn the_reactions_can_be_seen_at_every_size() {
    pictures("react", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.keys("k+");
        stage
    });
}
