//! The keys are shown where they are needed: after the beginning of a command, and in a help that
//! can be searched.

use tui::commands::Layer;

use crate::stage::*;

#[test]
fn a_prefix_that_waits_shows_what_may_follow() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("3g").tick(0).tick(299);
    assert!(!stage.picture().contains("next conversation"));
    stage.tick(1);
    assert!(stage.picture().contains("next conversation"), "{}", stage.picture());
    stage.keys("g");
    assert!(!stage.picture().contains("next conversation"));
    for (prefix, shown) in [
        ("z", "this message to the middle"),
        ("[", "beginning of the day"),
        ("]", "next day"),
        ("\"", "{a}yy"),
        ("m", "mark this message"),
        ("'", "to the marked message"),
        ("d", "as far as this motion goes"),
        ("y", "copy its text"),
        ("<C-w>", "to the list"),
    ] {
        stage.keys(prefix).tick(0).tick(300);
        assert!(stage.picture().contains(shown), "{prefix}\n{}", stage.picture());
        stage.keys("<Esc>");
        assert!(!stage.picture().contains(shown), "{prefix}");
    }
}

#[test]
fn the_help_is_searched() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("?/");
    assert_eq!(stage.model.layer(), Layer::Search);
    stage.keys("frie");
    assert!(stage.picture().contains("/frie"));
    stage.keys("nd<CR>");
    let picture = stage.picture();
    assert!(picture.contains("keys and commands with “friend”"), "{picture}");
    assert!(picture.contains("accept the friend request"), "{picture}");
    assert!(!picture.contains("half a screen"), "{picture}");
    stage.keys("/nonsense<CR>");
    assert!(stage.picture().contains("nothing has this in it"));
    stage.keys("/x<Esc>");
    assert_eq!(stage.model.layer(), Layer::Help);
    stage.keys("/<CR>");
    assert!(stage.picture().contains("write, after the cursor"));
    stage.keys("<Esc>");
    assert_eq!(stage.model.layer(), Layer::Messages);
}

#[test]
fn what_answers_a_friend_request_is_hinted_at_where_one_is() {
    let mut stage = friends(100, 24);
    stage.keys("<C-w>h");
    let hints = |stage: &Stage| stage.picture().lines().last().unwrap_or_default().to_owned();
    assert!(hints(&stage).contains("Enter open  i write"), "{}", hints(&stage));
    stage.keys("G");
    while !hints(&stage).contains("a accept  x decline") {
        let before = stage.model.list_cursor;
        stage.keys("k");
        assert_ne!(stage.model.list_cursor, before, "no request: {}", stage.picture());
    }
}
