//! The message box is vim: keys in, text and picture out.

use tui::commands::Layer;
use tui::effect::Effect;

use crate::stage::*;

fn text(stage: &Stage) -> &str {
    &stage.model.composer.text
}

#[test]
fn in_the_box_everything_is_vim() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("isee you at (the) corner<Esc>F(ci(noon <Esc>");
    assert_eq!(text(&stage), "see you at (noon ) corner");
    stage.keys("uu");
    assert_eq!(text(&stage), "");
    stage.keys("<C-r>");
    assert_eq!(text(&stage), "see you at (the) corner");
    stage.keys("0d2wyiw$p.");
    assert_eq!(text(&stage), "at (the) corneratat");
    assert_eq!(stage.model.layer(), Layer::Normal);
}

#[test]
fn f_and_q_are_vims_in_the_box_and_verbs_outside() {
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    stage.keys("ione two<Esc>0ft");
    assert_eq!(stage.model.layer(), Layer::Normal);
    stage.keys("qax<Esc>");
    assert!(stage.picture().contains("NORMAL ── recording @a"));
    // Esc does not leave while a macro is being recorded
    assert_eq!(stage.model.layer(), Layer::Normal);
    stage.keys("q@a");
    assert_eq!(text(&stage), "one o");
    stage.keys("<Esc>f");
    assert_eq!(stage.model.layer(), Layer::Finder);
}

#[test]
fn the_mode_the_unfinished_command_and_the_selection_are_seen() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("ione<C-j>two<Esc>");
    for (keys, badge) in [
        ("v", "─ VISUAL ─"),
        ("<Esc>V", "─ VISUAL LINE ─"),
        ("<Esc><C-v>", "─ VISUAL BLOCK ─"),
        ("<Esc>R", "─ REPLACE ─"),
        ("<Esc>i<C-o>", "─ (insert) ─"),
        ("<Esc><Esc>i", "─ INSERT ─"),
        ("<Esc>", "─ NORMAL ─"),
    ] {
        stage.keys(keys);
        assert!(stage.picture().contains(badge), "{keys}\n{}", stage.picture());
    }
    stage.keys("2\"ad");
    assert!(stage.picture().contains("2\"ad "), "{}", stage.picture());
    stage.keys("<Esc>");
    assert_eq!(stage.model.layer(), Layer::Normal);
    stage.keys("0<C-v>k");
    assert_eq!(stage.reversed(), ["o", "t"].map(String::from));
}

#[test]
fn the_cursor_stands_right_behind_wide_characters_and_in_wrapped_lines() {
    let mut stage = talking_with_ann(40, 12);
    stage.keys("i日本語");
    assert_eq!(stage.cursor_column(), 1 + 6);
    stage.keys("<Esc>");
    assert_eq!(stage.cursor_column(), 1 + 4);
    stage.keys("cc");
    stage.keys(&"word ".repeat(9));
    stage.keys("x");
    // seven words and their blanks fill a row of 38 columns
    assert_eq!(stage.cursor_column(), 1 + 11);
}

#[test]
fn enter_sends_in_both_modes_but_belongs_to_a_command_that_waits_for_it() {
    let mut stage = talking_with_ann(80, 24);
    let sent = |stage: &mut Stage| {
        let effects = stage.taken().into_iter();
        effects.filter(|e| matches!(e, Effect::Send { .. })).count()
    };
    stage.keys("ione two<Esc>0lllr<CR>");
    assert_eq!((sent(&mut stage), text(&stage)), (0, "one\ntwo"));
    stage.keys("<CR>");
    assert_eq!((sent(&mut stage), text(&stage)), (1, ""));
    assert_eq!(stage.model.layer(), Layer::Normal);
    stage.keys("iagain<CR>");
    assert_eq!((sent(&mut stage), text(&stage)), (1, ""));
    assert_eq!(stage.model.layer(), Layer::Insert);
}

#[test]
fn registers_and_macros_outlive_what_was_sent_and_the_conversation() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("iabc<Esc>\"byiwqcaX<Esc>q<CR>");
    stage.keys("<Esc>2gti<C-r>b<Esc>@c");
    assert_eq!(text(&stage), "abcX");
}

#[test]
fn what_esc_writes_belongs_to_the_draft() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("iab<Esc>").tick(2_000);
    stage.taken();
    stage.keys("2ax<Esc>").tick(2_000);
    assert_eq!(text(&stage), "abxx");
    let draft = Effect::SaveDraft { conv_id: WITH_ANN, text: "abxx".into() };
    assert!(stage.taken().contains(&draft));
    stage.keys("A<C-v><Esc>").tick(2_000);
    assert!(
        stage
            .taken()
            .iter()
            .any(|effect| matches!(effect, Effect::SaveDraft { text, .. } if text == "abxx␛"))
    );
}

#[test]
fn up_in_an_empty_box_edits_my_last_message() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("i<Up>");
    assert_eq!(text(&stage), "are you there?");
    assert!(stage.picture().contains("edit #6"));
    stage.keys("<C-u><Up><Esc>");
    assert_eq!(stage.model.layer(), Layer::Messages);
    stage.keys("ione<C-j>two<Up>X");
    assert_eq!(text(&stage), "oneX\ntwo");
}

#[test]
fn only_a_yank_to_the_clipboard_register_reaches_the_terminal() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("ione two<Esc>yiw");
    let copied = |stage: &mut Stage| {
        let effects = stage.taken().into_iter();
        effects.filter(|e| matches!(e, Effect::Copy { .. })).collect::<Vec<_>>()
    };
    assert_eq!(copied(&mut stage), []);
    stage.keys("\"+yiw");
    assert_eq!(copied(&mut stage), [Effect::Copy { text: "two".into() }]);
}

#[test]
fn tab_completes_names_one_after_the_other() {
    let mut stage = friends(80, 24);
    // the others of a group come first; here nobody is known of it
    stage.keys("2gtihi @<Tab>");
    assert_eq!(text(&stage), "hi @ann");
    stage.keys("<Tab>");
    assert_eq!(text(&stage), "hi @bob");
    stage.keys(" and @ch<Tab>!");
    assert_eq!(text(&stage), "hi @bob and @chen!");
    stage.keys(" @zz<Tab>");
    assert_eq!(stage.notice(), "nobody here is called @zz…");
    stage.keys("<C-u><Tab>x");
    assert_eq!(text(&stage), "    x");
}

#[test]
fn a_paste_is_one_block_and_one_undo_step_and_never_keys() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("ione <Esc>");
    stage.input(tui::effect::Input::Paste("two\ndd:q\u{1b}".into()));
    assert_eq!(text(&stage), "one two\ndd:q␛");
    stage.keys("u");
    assert_eq!(text(&stage), "one ");
}

#[test]
fn a_text_too_long_says_by_how_much() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("i");
    stage.input(tui::effect::Input::Paste("x".repeat(16 * 1024 + 5)));
    assert!(stage.picture().contains("5 bytes too long"));
    assert_eq!(stage.notice(), "");
    stage.input(tui::effect::Input::Paste("x".repeat(64 * 1024)));
    assert_eq!(stage.notice(), "the box holds 65536 bytes: the end of the paste was cut off");
    assert_eq!(text(&stage).len(), 65_536);
}

#[test]
fn what_does_nothing_in_the_box_says_so() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("ix<Esc>K");
    assert_eq!(stage.notice(), "K does nothing here");
    stage.keys("dfz");
    assert_eq!(stage.notice(), "dfz does nothing here");
    stage.keys("hhh");
    assert_eq!(stage.notice(), "");
}

#[test]
fn tab_completes_an_emoji_by_its_name() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("idone :tad<Tab>");
    assert_eq!(text(&stage), "done 🎉");
    stage.keys(" :thumbs<Tab><Tab>");
    assert_eq!(text(&stage), "done 🎉 👍");
    stage.keys(" :nosuch<Tab>");
    assert_eq!(stage.notice(), "no emoji is called :nosuch…");
    // a colon alone, or in a time of day, is none
    stage.keys("<Esc>ccat 12:30<Tab>");
    assert_eq!(text(&stage), "at 12:30    ");
}

#[test]
fn a_search_typed_in_normal_searches_and_does_no_harm_to_the_draft() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("isome text<Esc>");
    let draft = stage.model.composer.text.clone();
    stage.keys("/gateway");
    assert_eq!(stage.model.layer(), Layer::Search);
    stage.taken();
    stage.keys("<CR>");
    let sends = |effect: &Effect| matches!(effect, Effect::Send { .. });
    assert!(!stage.taken().iter().any(sends), "Enter ends the search");
    assert_eq!((stage.model.layer(), &stage.model.composer.text), (Layer::Messages, &draft));
    stage.keys("i<Esc>?exit<Esc>");
    assert_eq!((stage.model.layer(), &stage.model.composer.text), (Layer::Normal, &draft));
    stage.keys("i<F1>");
    assert_eq!(stage.model.layer(), Layer::Help);
    stage.keys("<Esc>x<Esc>r/");
    assert_ne!(stage.model.layer(), Layer::Search, "r takes it as what it is");
}

#[test]
fn who_puts_from_the_clipboard_is_told_how_to_paste() {
    const TOLD: &str = "the clipboard is not read: paste with the terminal's own key";
    let mut stage = talking_with_ann(80, 24);
    stage.keys("\"+p");
    assert_eq!(stage.notice(), TOLD);
    for (keys, told) in [
        ("iabc<Esc>\"+p", TOLD),
        ("\"*P", TOLD),
        ("A<C-r>+", TOLD),
        ("<C-r>z", "nothing is in register z"),
        ("<Esc>\"zp", "nothing is in register z"),
        ("yyp\"+yy\"+p", ""),
    ] {
        stage.keys(keys);
        assert_eq!(stage.notice(), told, "{keys}");
    }
    assert_eq!(text(&stage), "abc\nabc\nabc");
}

#[test]
fn the_conversation_is_read_from_within_the_box() {
    for (begin, layer) in [("ihello", Layer::Insert), ("ihello<Esc>", Layer::Normal)] {
        let mut stage = talking_with_ann(60, 12);
        stage.keys(begin);
        let at_end = stage.picture();
        stage.keys("<PageUp>");
        assert_ne!(stage.picture(), at_end);
        assert_eq!((text(&stage), stage.model.layer()), ("hello", layer));
        stage.keys("<PageDown><PageDown><PageDown>");
        assert_eq!(stage.picture(), at_end);
        // what is sent is looked at
        stage.keys("<PageUp><CR>");
        assert!(stage.model.chat.as_ref().is_some_and(tui::model::Chat::follows));
    }
}
