//! What must hold whatever is pressed.

use proptest::prelude::*;
use vim::limits::{BYTES_PER_PRESS_MAX, KEYS_PER_PRESS_MAX, TEXT_BYTES_MAX, UNDO_STEPS_MAX};
use vim::{Editor, Key, Mode, keys_from_notation};

/// Keys that mean something, more often than all others.
fn key() -> impl Strategy<Value = Key> {
    let usual = "hjklwbeWBEfFtT;,0^$gG{}()%dcyxXDCsSYJrRpPiaIAoOuvV.q@m'`\"<>~ab1239_[]w \t";
    let usual: Vec<char> = usual.chars().collect();
    let specials = [
        Key::Esc,
        Key::Enter,
        Key::Tab,
        Key::Backspace,
        Key::Delete,
        Key::Left,
        Key::Right,
        Key::Up,
        Key::Down,
        Key::Home,
        Key::End,
    ];
    prop_oneof![
        10 => prop::sample::select(usual).prop_map(Key::Char),
        2 => prop::sample::select(specials.to_vec()),
        1 => prop::char::range('a', 'z').prop_map(Key::Ctrl),
        1 => prop::sample::select(vec!['ä', '日', '\u{301}', '😀', 'ß', '\0', '\u{200d}', '{'])
            .prop_map(Key::Char),
        1 => any::<char>().prop_map(Key::Char),
    ]
}

fn keys() -> impl Strategy<Value = Vec<Key>> {
    prop::collection::vec(key(), 0..60)
}

fn text() -> impl Strategy<Value = String> {
    let pieces = [
        "foo", " ", "\n", "\t", "(", ")", "{", "}", "\"", "'", "<a>", "</a>", "日本", "e\u{301}",
        "\u{301}", "😀", ".", "One. ", "12", "-7", "\\", "\n\n", "/*", "*/", "#if\n", "ß",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..20)
        .prop_map(|pieces| pieces.concat())
}

/// A failing case is printed with its seed; it is not kept in a file.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_keys_leave_a_sound_editor(text in text(), keys in keys()) {
        let mut editor = Editor::new(&text);
        for key in keys {
            editor.press(key);
            let (row, col) = editor.cursor();
            prop_assert!(row < editor.line_count());
            prop_assert!(col <= editor.line(row).chars().count());
            prop_assert!(editor.text().len() <= TEXT_BYTES_MAX + 1024);
            if let Some(selection) = editor.selection() {
                prop_assert!(selection.first.0 <= selection.last.0);
            }
        }
    }

    #[test]
    fn undo_brings_the_first_text_back(text in text(), keys in keys()) {
        let mut editor = Editor::new(&text);
        let first = editor.text();
        keys.into_iter().for_each(|key| editor.press(key));
        leave(&mut editor);
        for _ in 0..=UNDO_STEPS_MAX {
            editor.press(Key::Char('u'));
        }
        prop_assert_eq!(editor.text(), first);
    }

    #[test]
    fn redo_brings_the_last_text_back(text in text(), keys in keys()) {
        let mut editor = Editor::new(&text);
        keys.into_iter().for_each(|key| editor.press(key));
        leave(&mut editor);
        for _ in 0..=UNDO_STEPS_MAX {
            editor.press(Key::Ctrl('r'));
        }
        let last = editor.text();
        (0..100).for_each(|_| editor.press(Key::Char('u')));
        (0..100).for_each(|_| editor.press(Key::Ctrl('r')));
        prop_assert_eq!(editor.text(), last);
    }

    #[test]
    fn a_paste_is_one_undo_step_and_never_keys(text in text(), pasted in text()) {
        let mut editor = Editor::new(&text);
        editor.paste(&pasted);
        prop_assert_eq!(editor.mode(), Mode::Normal);
        prop_assert_eq!(editor.text().len(), text.len() + pasted.len());
        if !pasted.is_empty() {
            editor.press(Key::Char('u'));
        }
        prop_assert_eq!(editor.text(), text);
    }
}

/// Back to normal mode, with nothing unfinished.
fn leave(editor: &mut Editor) {
    for _ in 0..4 {
        editor.press(Key::Esc);
    }
    if editor.recording().is_some() {
        editor.press(Key::Char('q'));
    }
}

/// Found by fuzzing: the cursor stood within the letter, and Enter broke the line there.
#[test]
fn appending_to_one_selected_letter_of_several_bytes_survives_a_line_break() {
    for text in ["ä", "\u{fffd}", "日"] {
        let mut editor = Editor::new(text);
        for key in keys_from_notation("vAx<CR>y<Esc>") {
            editor.press(key);
        }
        assert_eq!(editor.line_count(), 2);
        assert_eq!(editor.text().replace(['x', 'y', '\n'], ""), text, "the letter is whole");
    }
}

#[test]
fn huge_counts_and_endless_macros_end() {
    for keys in [
        "999999999ix<Esc>",
        "999999999p",
        "yy999999999p",
        "qax@aq@a",
        "qayyp@aq@a",
        "999999999@a",
        "qaq999999999@a",
        "999999999>>",
        "v999999999>",
        "999999999<C-a>",
        "999999999)",
        "d999999999}",
        "999999999J",
        "yyqa99P@aq@a",
        "999999999~",
        "v999999999as",
        "999999999.",
        "qaq\"Ayy@a@a",
        "ylqaA<C-r>\"<Esc>\"Ayy@aq@a",
        "999999999%",
        "999999999<C-o>",
        "Vr日999999999.",
    ] {
        let mut editor = Editor::new("one two. three\n\tfour (five)\n");
        keys_from_notation(keys).into_iter().for_each(|key| editor.press(key));
        assert!(editor.text().len() <= TEXT_BYTES_MAX + 1024, "{keys}");
    }
}

/// Found by fuzzing: a macro that calls itself went on for 100,000 keys over a long line, twenty
/// seconds, because only the keys were counted.
#[test]
fn an_endless_macro_over_a_long_text_ends_sooner_than_over_a_short_one() {
    // each round counts the number at the beginning up by one
    let rounds = |behind: &str| {
        let mut editor = Editor::new(&format!("0{behind}"));
        keys_from_notation("qa0<C-a>@aq@a").into_iter().for_each(|key| editor.press(key));
        editor.text().split(' ').next().and_then(|number| number.parse::<usize>().ok())
    };
    let keys_of_a_round = 4;
    let short = rounds(" short").unwrap();
    assert!(short.abs_diff(KEYS_PER_PRESS_MAX / keys_of_a_round) < 5, "{short} rounds");
    let behind = " long".repeat(40_000);
    let long = rounds(&behind).unwrap();
    let most = BYTES_PER_PRESS_MAX / behind.len() / keys_of_a_round;
    assert!(long.abs_diff(most) < 5, "{long} rounds, about {most}");
}
