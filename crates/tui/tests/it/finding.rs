//! Finding one's way in a conversation: motions, search, marks, jumps.

use client::search::Sought;
use tui::commands::Layer;
use tui::effect::{Answer, Ask, Effect, Got, Trouble};

use crate::stage::*;

/// The number of the message under the cursor.
fn at(stage: &Stage) -> i64 {
    let index = stage.model.cursor_index().expect("there is a message");
    let item = stage.model.item(index).expect("the cursor is on it");
    item.message().expect("it is stored").seq
}

fn pressed(stage: &mut Stage, keys: &str) -> i64 {
    at(stage.keys(keys))
}

#[test]
fn blocks_days_and_the_screen_are_motions() {
    let mut stage = talking_with_ann(80, 24);
    // 1 ann, 2 me; today: 3 4 ann, 5 6 me
    for (keys, seq) in [
        ("{", 5),
        ("{", 3),
        ("}", 5),
        ("2{", 2),
        ("gg}}", 3),
        ("G[d", 3),
        ("[d", 1),
        ("]d", 3),
        ("GH", 1),
        ("2H", 2),
        ("L", 6),
        ("2L", 5),
        ("4G", 4),
        ("G", 6),
    ] {
        assert_eq!(pressed(&mut stage, keys), seq, "{keys}");
    }
    stage.keys("]d");
    assert_eq!(stage.notice(), "nothing more in this direction");
    stage.keys("99G");
    assert_eq!(stage.notice(), "this message is not here");
}

#[test]
fn a_slash_searches_up_n_goes_on_and_the_other_way_back() {
    let mut stage = talking_with_ann(80, 24);
    stage.page(WITH_ANN, 1, Vec::new());
    stage.keys("/the");
    assert_eq!(stage.model.layer(), Layer::Search);
    assert!(stage.picture().contains("/the"));
    assert_eq!(pressed(&mut stage, "<CR>"), 5);
    assert_eq!(pressed(&mut stage, "n"), 1);
    stage.keys("n");
    assert!(stage.notice().starts_with("“the” is not above"));
    assert_eq!(pressed(&mut stage, "2N"), 6);
    // an empty line: the text before; small letters fit both, capitals only themselves
    assert_eq!(pressed(&mut stage, "/<CR>"), 5);
    stage.keys("G/LUNCH<CR>");
    assert_eq!(at(&stage), 6);
    assert_eq!(pressed(&mut stage, "/日本<CR>"), 4);
    stage.keys("/<Esc>/x<BS><BS>");
    assert_eq!(stage.model.layer(), Layer::Messages);
}

#[test]
fn a_star_searches_the_same_sender() {
    let mut stage = talking_with_ann(80, 24);
    assert_eq!(pressed(&mut stage, "*"), 5);
    assert_eq!(pressed(&mut stage, "n"), 2);
    assert_eq!(pressed(&mut stage, "N"), 5);
}

/// A long conversation, of which the end is loaded.
fn long_talk() -> Stage {
    let mut stage = friends(80, 24);
    stage.model.conversations[0].last_seq = 100_000;
    stage.model.conversations[0].read_seq = 100_000;
    stage.keys("gt");
    stage.page(WITH_ANN, 0, texts(99_901..=100_000));
    stage.taken();
    stage
}

fn texts(range: std::ops::RangeInclusive<i64>) -> Vec<proto::Message> {
    let of = |seq| {
        let text = if seq % 1_000 == 42 { "a needle" } else { "words" };
        message(WITH_ANN, seq, ANN, NOW - (100_000 - seq) * MINUTE, text)
    };
    range.map(of).collect()
}

/// The disk answers what `/` or `n` asked it for.
fn disk_finds(stage: &mut Stage, found: Option<i64>) {
    let taken = stage.taken();
    let Some(Effect::SearchIn { conv_id, sought, up, .. }) = taken.into_iter().next() else {
        panic!("the disk was not asked");
    };
    stage.answer(Answer::FoundIn { conv_id, sought, up, seq: found });
}

#[test]
fn a_search_goes_on_over_everything_that_is_on_the_disk_and_opens_it_where_it_stands() {
    let mut stage = long_talk();
    stage.keys("/needle<CR>");
    disk_finds(&mut stage, Some(42));
    let around = Effect::LoadAround { conv_id: WITH_ANN, seq: 42 };
    assert_eq!(stage.taken(), [around]);
    let messages = texts(1..=142);
    stage.answer(Answer::Around { conv_id: WITH_ANN, seq: 42, messages, end: false });
    assert_eq!((at(&stage), stage.notice()), (42, ""));
    let picture = stage.picture();
    assert!(picture.contains("▌ a needle") && picture.contains("more"), "{picture}");
    // what comes now does not stand in the wrong place
    let new = message(WITH_ANN, 100_001, ANN, NOW, "news");
    stage.event(client::Event::New { message: new, live: true });
    assert_eq!(at(&stage), 42);
    // further down it is read on, and N finds the next one there
    stage.taken();
    stage.keys("99j");
    assert_eq!(stage.taken(), [Effect::LoadAfter { conv_id: WITH_ANN, after_seq: 142 }]);
    let messages = texts(143..=242);
    stage.answer(Answer::After { conv_id: WITH_ANN, after_seq: 142, messages, end: false });
    assert_eq!(at(&stage), 141);
    stage.taken();
    stage.keys("N");
    disk_finds(&mut stage, None);
    assert_eq!(stage.notice(), "not found below; n searches up");
    // G leads back to the newest, ^O and '' to where it was
    stage.keys("G");
    assert_eq!(stage.taken(), [Effect::Load { conv_id: WITH_ANN, before_seq: 0 }]);
    stage.page(WITH_ANN, 0, texts(99_902..=100_001));
    assert_eq!(at(&stage), 100_001);
    stage.taken();
    stage.keys("''");
    assert_eq!(stage.taken(), [Effect::LoadAround { conv_id: WITH_ANN, seq: 141 }]);
}

#[test]
fn reading_on_after_an_old_message_reaches_the_newest_and_follows_it_again() {
    let mut stage = long_talk();
    stage.keys("999G");
    assert_eq!(stage.taken(), [Effect::LoadAround { conv_id: WITH_ANN, seq: 999 }]);
    let (conv_id, seq) = (WITH_ANN, 999);
    stage.answer(Answer::Around { conv_id, seq, messages: texts(900..=1_100), end: false });
    stage.keys("200j");
    assert_eq!(stage.taken(), [Effect::LoadAfter { conv_id, after_seq: 1_100 }]);
    let messages = texts(1_101..=1_105);
    stage.answer(Answer::After { conv_id, after_seq: 1_100, messages, end: true });
    stage.keys("9j");
    stage.keys("G");
    let news = message(WITH_ANN, 1_106, ANN, NOW, "news");
    stage.event(client::Event::New { message: news, live: true });
    assert_eq!(at(&stage), 1_106);
}

#[test]
fn a_message_that_is_not_on_the_disk_is_asked_for_and_shown_in_its_place() {
    let mut stage = long_talk();
    stage.keys("500G");
    stage.taken();
    let (conv_id, seq) = (WITH_ANN, 500);
    let none = Answer::Around { conv_id, seq, messages: Vec::new(), end: false };
    stage.answer(none.clone());
    let ask = Ask::History { conv_id, before_seq: 550 };
    assert_eq!(stage.taken(), [Effect::Ask(ask.clone())]);
    stage.answer(Answer::Asked { ask: ask.clone(), got: Ok(Got::History { more: true }) });
    assert_eq!(stage.taken(), [Effect::LoadAround { conv_id, seq }]);
    stage.answer(Answer::Around { conv_id, seq, messages: texts(450..=549), end: false });
    assert_eq!(at(&stage), 500);
    // below it is a hole; the server fills it
    stage.taken();
    stage.keys("49j");
    assert_eq!(stage.taken(), [Effect::LoadAfter { conv_id, after_seq: 549 }]);
    stage.answer(Answer::After { conv_id, after_seq: 549, messages: Vec::new(), end: false });
    let after = Ask::HistoryAfter { conv_id, after_seq: 549 };
    assert_eq!(stage.taken(), [Effect::Ask(after.clone())]);
    stage.answer(Answer::Asked { ask: after.clone(), got: Err(Trouble::Offline) });
    assert!(stage.picture().contains("newer messages need the connection"));
    stage.event(client::Event::Line(client::Line::Live));
    assert_eq!(stage.taken(), [Effect::Ask(after)]);
    // and without a line the way there is told
    let mut stage = long_talk();
    stage.keys("500G");
    stage.answer(none);
    stage.answer(Answer::Asked { ask, got: Err(Trouble::Offline) });
    assert_eq!(stage.notice(), "this message is not on this machine");
    assert_eq!(at(&stage), 100_000);
}

#[test]
fn what_is_searched_for_stands_out_in_every_row() {
    let mut stage = talking_with_ann(80, 24);
    assert_eq!(stage.reversed_messages(), [""; 0]);
    stage.keys("/THE<CR>/the<CR>");
    assert_eq!(stage.reversed_messages(), ["the", "the", "the"]);
    stage.keys("/日本<CR>");
    assert_eq!(stage.reversed_messages(), ["日本"]);
}

#[test]
fn a_search_everywhere_shows_where_it_stands_and_opens_it() {
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    stage.keys(":search lunch corner<CR>");
    let Some(Effect::Search { sought, below: None }) = stage.taken().pop() else {
        panic!("the disk was not asked");
    };
    let hits = vec![
        message(LUNCH, 3, BOB, NOW - MINUTE, "the corner, for lunch"),
        message(WITH_BOB, 2, ME, NOW - 90 * MINUTE, "lunch? corner?"),
    ];
    let found = client::Found { messages: hits, below: None };
    stage.answer(Answer::Found { sought, found });
    let picture = stage.picture();
    for text in ["lunch corner: 2 found", "bob +lunch", "me → bob", "that is all on this machine"]
    {
        assert!(picture.contains(text), "{text}: {picture}");
    }
    stage.keys("j<CR>");
    let taken = stage.taken();
    assert!(taken.contains(&Effect::LoadAround { conv_id: WITH_BOB, seq: 2 }), "{taken:?}");
    // the words stay what n looks for, and '' leads back
    assert!(stage.model.search.is_some());
    stage.keys("''");
    assert_eq!(stage.model.chat.as_ref().unwrap().conv_id, WITH_ANN);
}

#[test]
fn mentions_of_all_conversations_are_one_list() {
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    stage.keys(":mentions<CR>");
    let Some(Effect::Search { sought, .. }) = stage.taken().pop() else {
        panic!("the disk was not asked");
    };
    let mine = Sought::Mention { handle: "me.myself".into(), me: ME };
    assert_eq!(sought, mine);
    let hit = message(LUNCH, 3, BOB, NOW, "and @me.myself too?");
    stage.answer(Answer::Found {
        sought,
        found: client::Found { messages: vec![hit], below: None },
    });
    assert!(stage.picture().contains("mentions of you: 1 found"), "{}", stage.picture());
    // in the conversation [m goes on where the loaded messages end
    let mut stage = long_talk();
    stage.keys("[m");
    let seq = 99_901;
    let hunt = Effect::SearchIn { conv_id: WITH_ANN, sought: mine, seq, up: true };
    assert_eq!(stage.taken(), [hunt]);
}

#[test]
fn marks_and_jumps_lead_back_also_to_another_conversation() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("3Gmagg");
    assert_eq!(pressed(&mut stage, "'a"), 3);
    assert_eq!(pressed(&mut stage, "''"), 1);
    assert_eq!(pressed(&mut stage, "''"), 3);
    stage.keys("2gt`a");
    assert_eq!(stage.model.chat.as_ref().unwrap().conv_id, WITH_ANN);
    stage.keys("'z");
    assert_eq!(stage.notice(), "no mark z; mz sets it");
    let mut stage = talking_with_ann(80, 24);
    stage.keys("gg}}");
    assert_eq!(pressed(&mut stage, "<C-o>"), 2);
    assert_eq!(pressed(&mut stage, "<C-o>"), 1);
    assert_eq!(pressed(&mut stage, "<C-o>"), 6);
    stage.keys("<C-o>");
    assert_eq!(stage.notice(), "no jump to go back from");
}

#[test]
fn gd_goes_to_the_message_replied_to() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("gd");
    assert_eq!(stage.notice(), "this is no reply");
    stage.model.chat.as_mut().unwrap().messages[5].reply_seq = 3;
    assert_eq!(pressed(&mut stage, "gd"), 3);
    assert_eq!(pressed(&mut stage, "''"), 6);
}

#[test]
fn mentions_are_motions() {
    let mut stage = talking_with_ann(80, 24);
    let messages = &mut stage.model.chat.as_mut().unwrap().messages;
    messages[0].body = "hi @me.myself".into();
    messages[3].body = "@me.myself again".into();
    messages[4].body = "I am @me.myself".into();
    assert_eq!(pressed(&mut stage, "[m"), 4);
    assert_eq!(pressed(&mut stage, "[m"), 1);
    assert_eq!(pressed(&mut stage, "]m"), 4);
}

#[test]
fn z_moves_the_screen_and_not_the_cursor() {
    let mut stage = friends(80, 24);
    stage.keys("gt");
    let of = |seq| message(WITH_ANN, seq, ANN, NOW, &format!("number {seq}."));
    stage.page(WITH_ANN, 0, (1..=100).map(of).collect());
    stage.keys("50G");
    let row = |stage: &Stage| {
        let picture = stage.picture();
        picture.lines().position(|line| line.contains("number 50.")).unwrap()
    };
    let height = tui::scroll::pane(&stage.model).1;
    stage.keys("zt");
    assert_eq!(row(&stage), 1);
    stage.keys("zb");
    assert_eq!(row(&stage), height);
    stage.keys("zz");
    assert!(row(&stage).abs_diff(height / 2) <= 1);
    assert_eq!(at(&stage), 50);
}
