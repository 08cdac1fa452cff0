//! Finding one's way in a conversation: motions, search, marks, jumps.

use tui::commands::Layer;
use tui::effect::Effect;

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

#[test]
fn a_search_reads_older_messages_from_the_disk_until_it_finds() {
    let mut stage = friends(80, 24);
    stage.keys("gt");
    let of = |seq| {
        let text = if seq == 42 { "a needle" } else { "words" };
        message(WITH_ANN, seq, ANN, NOW - (300 - seq) * MINUTE, text)
    };
    stage.page(WITH_ANN, 0, (201..=300).map(of).collect());
    stage.taken();
    stage.keys("/needle<CR>");
    let load = |before_seq| vec![Effect::Load { conv_id: WITH_ANN, before_seq }];
    assert_eq!(stage.taken(), load(201));
    stage.page(WITH_ANN, 201, (101..201).map(of).collect());
    assert_eq!(stage.taken(), load(101));
    stage.page(WITH_ANN, 101, (1..101).map(of).collect());
    assert_eq!((at(&stage), stage.notice()), (42, ""));
    assert!(stage.picture().contains("▌ a needle"));
    assert_eq!(pressed(&mut stage, "''"), 300);
}

#[test]
fn a_search_in_an_endless_conversation_stops_and_says_so() {
    let mut stage = friends(80, 24);
    stage.keys("gt");
    let mut first = 100_000;
    let page = |first| (first..first + 100).map(|seq| message(WITH_ANN, seq, ANN, NOW, "words"));
    stage.page(WITH_ANN, 0, page(first).collect());
    stage.taken();
    stage.keys("/needle<CR>");
    let mut pages = 0;
    while !stage.taken().is_empty() {
        (pages, first) = (pages + 1, first - 100);
        assert!(pages <= tui::limits::SEARCH_PAGES_MAX);
        stage.page(WITH_ANN, first + 100, page(first).collect());
    }
    assert_eq!(pages, tui::limits::SEARCH_PAGES_MAX);
    assert!(stage.notice().starts_with("not found so far"));
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
