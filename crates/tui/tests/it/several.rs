//! Verbs over several messages: copy, delete, select, put.

use tui::commands::Layer;
use tui::effect::{Ask, Effect};

use crate::stage::*;

fn delete(seq: i64) -> Effect {
    Effect::Ask(Ask::Delete { conv_id: WITH_ANN, seq })
}

fn register(stage: &Stage, name: char) -> String {
    let text = stage.model.composer.editor.register(name);
    text.unwrap_or_default()
}

#[test]
fn what_is_copied_is_put_into_the_box() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("3Gyyp");
    assert_eq!(stage.model.composer.text, "great. lunch at 12?");
    assert_eq!(stage.model.layer(), Layer::Insert);
    // in the box it is the unnamed register, as if it had been yanked there
    stage.keys("<Esc>A <C-r>\"<Esc>");
    assert_eq!(stage.model.composer.text, "great. lunch at 12? great. lunch at 12?");
    stage.keys("<Esc>\"zp");
    assert_eq!(stage.notice(), "nothing is in register z");
}

#[test]
fn a_copy_into_a_named_register_is_what_p_puts_as_in_vim() {
    for keys in ["3G\"ayyp", "3G\"+yyp", "3Gyy\"ap"] {
        let mut stage = talking_with_ann(80, 24);
        stage.keys("\"ayy").keys(keys);
        let last = if keys.ends_with("\"ap") { "are you there?" } else { "great. lunch at 12?" };
        assert_eq!(stage.model.composer.text, last, "{keys}");
    }
}

#[test]
fn y_takes_motions_counts_and_registers() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("\"ayk");
    assert_eq!(register(&stage, 'a'), "see you at the corner\nare you there?");
    assert_eq!(stage.notice(), "2 messages copied; p puts them into the box");
    // the verb looks and does not go
    assert_eq!(stage.model.cursor_index(), Some(5));
    stage.keys("gg\"b2yy3G\"Byy");
    let lines =
        ["did the gateway come back?", "yes, all friends are online", "great. lunch at 12?"];
    assert_eq!(register(&stage, 'b'), lines.join("\n"));
    stage.keys("Gy2{");
    assert_eq!(register(&stage, '"').lines().count(), 4);
    stage.keys("yj");
    assert_eq!(stage.notice(), "nothing more in this direction");
    stage.keys("yx");
    assert_eq!(stage.notice(), "no such key: yx   ? shows all keys");
}

#[test]
fn the_clipboard_register_copies_to_the_terminal() {
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    stage.keys("yy");
    assert_eq!(stage.taken(), []);
    stage.keys("\"+yy");
    let text = "are you there?".to_string();
    assert_eq!(stage.taken(), [Effect::Copy { text }]);
}

#[test]
fn a_message_of_others_in_a_register_cannot_be_run_as_keys() {
    let mut stage = talking_with_ann(80, 24);
    stage.model.chat.as_mut().unwrap().messages[5].body = "ipwned".into();
    stage.keys("\"ayyimine<Esc>@a");
    assert_eq!(stage.model.composer.text, "mine");
    assert_eq!(stage.notice(), "@a does nothing here");
}

#[test]
fn d_with_a_motion_deletes_what_is_mine_and_asks_once() {
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    stage.keys("d3k");
    let asks = "delete 2 of yours for everybody? the same again does it";
    assert_eq!((stage.taken(), stage.notice()), (vec![], asks));
    stage.keys("d2k");
    assert_eq!(stage.taken(), []);
    stage.keys("d2k");
    assert_eq!(stage.taken(), [delete(5), delete(6)]);
    stage.keys("3Gd}");
    assert_eq!(stage.taken(), []);
    stage.keys("3Gdj");
    assert_eq!(stage.notice(), "only your own messages can be deleted");
}

#[test]
fn messages_are_selected_seen_copied_and_deleted() {
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    stage.keys("vkk");
    assert_eq!(stage.model.layer(), Layer::Select);
    let picture = stage.picture();
    assert!(picture.contains("─ SELECT 3 ─"), "{picture}");
    assert_eq!(picture.matches('▌').count(), 3);
    stage.keys("y");
    assert_eq!(stage.model.layer(), Layer::Messages);
    assert_eq!(register(&stage, '"').lines().count(), 3);
    stage.keys("GVkd");
    assert_eq!((stage.taken(), stage.model.layer()), (vec![], Layer::Select));
    stage.keys("d");
    assert_eq!(stage.taken(), [delete(5), delete(6)]);
    assert_eq!(stage.model.layer(), Layer::Messages);
    stage.keys("v<Esc>vq");
    assert_eq!(stage.model.layer(), Layer::Messages);
    stage.keys("vkr");
    assert_eq!(stage.model.layer(), Layer::Insert);
}
