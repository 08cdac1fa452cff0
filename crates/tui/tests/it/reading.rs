//! Reading what people wrote: code, lists, quotes, and that nothing of it is lost.

use crate::stage::*;

const TEXT: &str = "the **last** build broke, see https://ci.example.org/builds/4711 (again)\n\
    > did you look at *all* of the log before you went home yesterday evening?\n\
    - run `cargo test` with the flags that stand in the readme of the project\n\
    12. ~~wait~~ ask @me.myself\n\
    ```rust\n\
    fn a_function(with_many: Arguments, and_more: OfThem, and_even: More) -> Result<(), Error> {\n\
    \x20   short(1);\n\
    ```\n\
    that is all";

fn reading(columns: u16, rows: u16) -> Stage {
    let mut stage = talking_with_ann(columns, rows);
    let new = message(WITH_ANN, 7, ANN, NOW, TEXT);
    stage.event(client::Event::New { message: new, live: true });
    stage
}

#[test]
fn code_lists_and_quotes_are_read_at_every_size() {
    crate::pictures::pictures("reading", reading);
}

#[test]
fn long_code_is_not_wrapped_but_moves_under_the_edge() {
    let mut stage = reading(80, 30);
    let row = |stage: &Stage| {
        let picture = stage.picture();
        let row = picture.lines().find(|row| row.contains("Arg") || row.contains("OfThem"));
        row.unwrap_or_default().trim_matches(['"', ' ']).to_string()
    };
    assert!(row(&stage).ends_with('›'), "{}", row(&stage));
    assert!(!stage.picture().contains("Result<(), Error>"));
    stage.keys("20zl");
    assert!(row(&stage).contains("‹any: Arguments"), "{}", row(&stage));
    stage.keys("zL");
    let picture = stage.picture();
    assert!(picture.contains("Result<(), Error> {"), "{picture}");
    assert!(!picture.contains('›'));
    stage.keys("zL");
    assert_eq!(stage.notice(), "this is the end of the longest line");
    stage.keys("99zh");
    assert!(stage.picture().contains("fn a_function"));
    stage.keys("zh");
    assert_eq!(stage.notice(), "this is the beginning of the line");
}

#[test]
fn a_copy_is_the_text_as_it_was_written() {
    let mut stage = reading(80, 30);
    stage.keys("yy");
    assert_eq!(stage.model.composer.editor.register('"').as_deref(), Some(TEXT));
}

#[test]
fn every_character_of_a_text_is_on_the_screen() {
    let texts = ["**a** *b* `c` ~~d~~ [e](https://f.g)", "# h\n> > i\n- j", "```k\nl\n```"];
    for text in texts {
        let mut stage = talking_with_ann(80, 30);
        let new = message(WITH_ANN, 7, ANN, NOW, text);
        stage.event(client::Event::New { message: new, live: true });
        let picture = stage.picture();
        for line in text.lines() {
            assert!(picture.contains(line), "{line}: {picture}");
        }
    }
}

#[test]
fn the_cursor_can_be_seen_wherever_the_screen_is_moved_to() {
    for (columns, rows) in [(80, 24), (40, 10), (60, 14)] {
        let mut stage = reading(columns, rows);
        for keys in ["<C-y>", "<C-e>", "<C-u>", "<C-d>", "<C-b>", "<C-f>", "H", "L"] {
            for press in 0..12 {
                stage.keys(keys);
                let picture = stage.picture();
                let seen = picture.contains('▌');
                assert!(seen, "{keys} × {press} at {columns}×{rows}: {picture}");
            }
        }
    }
}

#[test]
fn a_row_down_to_the_end_leaves_the_cursor_where_it_is() {
    let mut stage = reading(80, 14);
    stage.keys("<C-y><C-y>kk");
    let before = stage.model.cursor_index();
    assert!(before < Some(stage.model.item_count() - 1));
    stage.keys("<C-e><C-e><C-e>");
    let first = tui::scroll::readable_items(&stage.model).map(|(first, _)| first);
    assert_eq!(stage.model.cursor_index(), before.max(first));
    // half a screen is a move also where the screen cannot move any more
    stage.keys("<C-d><C-d>");
    assert_eq!(stage.model.cursor_index(), Some(stage.model.item_count() - 1));
}
