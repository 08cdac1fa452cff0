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
