//! What a front end relies on.

use vim::{Editor, Key, Mode, VisualKind, keys_from_notation};

/// An editor after some keys.
fn editor(text: &str, keys: &str) -> Editor {
    let mut editor = Editor::new(text);
    keys_from_notation(keys).into_iter().for_each(|key| editor.press(key));
    editor
}

#[test]
fn modes_are_named() {
    for (keys, mode) in [
        ("", Mode::Normal),
        ("i", Mode::Insert),
        ("R", Mode::Replace),
        ("i<C-o>", Mode::OneCommand),
        ("v", Mode::Visual(VisualKind::Char)),
        ("V", Mode::Visual(VisualKind::Line)),
        ("<C-v>", Mode::Visual(VisualKind::Block)),
        ("i<Esc>", Mode::Normal),
        ("vd", Mode::Normal),
    ] {
        assert_eq!(editor("text", keys).mode(), mode, "{keys}");
    }
}

#[test]
fn unfinished_commands_and_recording_show() {
    assert_eq!(editor("text", "2d3").pending(), keys_from_notation("2d3"));
    assert_eq!(editor("text", "i<C-r>").pending(), [Key::Ctrl('r')]);
    assert_eq!(editor("text", "qax").recording(), Some('a'));
    assert_eq!(editor("text", "qaxq").recording(), None);
}

#[test]
fn selections_count_characters() {
    let selection = editor("日本語\nxy", "lvj").selection().expect("a selection");
    assert_eq!((selection.first, selection.last), ((0, 1), (1, 2)));
    let block = editor("日本語\nxy", "<C-v>j$").selection().expect("a selection");
    assert_eq!((block.kind, block.columns), (VisualKind::Block, (0, None)));
    assert!(editor("text", "v<Esc>").selection().is_none());
}

#[test]
fn a_paste_in_insert_mode_stays_there() {
    let mut editor = editor("ab", "a");
    editor.paste("1<Esc>\ndd");
    assert_eq!((editor.mode(), editor.text()), (Mode::Insert, "a1<Esc>\nddb".to_owned()));
    editor.press(Key::Char('!'));
    editor.press(Key::Esc);
    assert_eq!(editor.text(), "a1<Esc>\ndd!b");
    editor.press(Key::Char('u'));
    assert_eq!(editor.text(), "a1<Esc>\nddb");
    editor.press(Key::Char('u'));
    assert_eq!(editor.text(), "ab");
}

#[test]
fn foreign_text_is_never_pressed() {
    let mut editor = Editor::new("keep this");
    editor.set_register('a', "dd");
    editor.set_clipboard("dd");
    for keys in ["@a", "@+", "yy\"Ayw@a"] {
        keys_from_notation(keys).into_iter().for_each(|key| editor.press(key));
        assert_eq!(editor.text(), "keep this", "{keys}");
    }
    keys_from_notation("0\"+P").into_iter().for_each(|key| editor.press(key));
    assert_eq!(editor.text(), "ddkeep this");
}

#[test]
fn foreign_text_is_inserted_as_text() {
    let mut editor = Editor::new("x");
    editor.set_register('a', "1\u{1b}2");
    keys_from_notation("A<C-r>a").into_iter().for_each(|key| editor.press(key));
    assert_eq!((editor.mode(), editor.text()), (Mode::Insert, "x1\u{1b}2".to_owned()));
}

#[test]
fn the_clipboard_goes_out_once() {
    let mut editor = Editor::new("one\ntwo");
    editor.connect_clipboard();
    keys_from_notation("\"+yyyiw").into_iter().for_each(|key| editor.press(key));
    assert_eq!(editor.take_clipboard(), Some("one\n".to_owned()));
    assert_eq!(editor.take_clipboard(), None);
    assert_eq!(editor.register('+'), Some("one\n".to_owned()));
}

#[test]
fn a_new_text_forgets_undo_but_not_registers() {
    let mut editor = editor("one", "yyx");
    editor.set_text("two\nthree");
    keys_from_notation("up").into_iter().for_each(|key| editor.press(key));
    assert_eq!(editor.text(), "towo\nthree");
}

#[test]
fn line_breaks_and_nul_are_made_plain() {
    assert_eq!(Editor::new("a\r\nb\rc\0d").text(), "a\nb\ncd");
}
