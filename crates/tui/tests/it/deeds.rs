//! Keys outside the box that vim's users miss first: links, repeating, taking back, going on,
//! resting, the user's own editor; and what happens while nobody is looking.

use client::Event;
use tui::commands::Layer;
use tui::effect::{Answer, Ask, Effect, Exit, Got, Input};
use tui::settings::parse;

use crate::stage::*;

/// With ann; her last message is this one.
fn reading(body: &str) -> Stage {
    let mut stage = talking_with_ann(80, 24);
    stage.event(Event::New { message: message(WITH_ANN, 7, ANN, NOW, body), live: true });
    stage.taken();
    stage
}

#[test]
fn a_link_is_shown_before_it_is_opened() {
    let mut stage = reading("see [here](https://example.org/a) and http://b.c.");
    stage.keys("gx");
    assert_eq!(stage.notice(), "gx again opens https://example.org/a (1 of 2)");
    assert_eq!(stage.taken(), []);
    stage.keys("gx");
    assert_eq!(stage.taken(), [Effect::Open { url: "https://example.org/a".into() }]);
    stage.keys("2gx");
    assert_eq!(stage.notice(), "gx again opens http://b.c (2 of 2)");
    stage.keys("gx");
    assert_eq!(stage.taken(), [], "another one is asked for anew");
    stage.keys("3gx");
    assert_eq!(stage.notice(), "this message has only 2");
    stage.keys("k2gx");
    assert_eq!(stage.notice(), "there is no link in this message");
    let mut stage = reading("file:///etc/passwd javascript:x https://exаmple.org");
    stage.keys("gx");
    assert!(stage.notice().contains("may not be what it looks like"), "{}", stage.notice());
}

#[test]
fn a_dot_does_the_last_deed_again() {
    let mut stage = reading("hello");
    stage.keys(".");
    assert_eq!(stage.notice(), "nothing was done to a message yet");
    stage.keys("+1k.");
    let react = |seq| {
        let emoji = "👍".to_string();
        Effect::Ask(Ask::React { conv_id: WITH_ANN, seq, emoji, remove: false })
    };
    assert_eq!(stage.taken(), [react(7), react(6)]);
    // deleting asks each time
    stage.keys("dddd");
    assert_eq!(stage.taken(), [Effect::Ask(Ask::Delete { conv_id: WITH_ANN, seq: 6 })]);
    stage.keys("k.");
    assert_eq!(stage.taken(), []);
    stage.keys(".");
    assert_eq!(stage.taken(), [Effect::Ask(Ask::Delete { conv_id: WITH_ANN, seq: 5 })]);
    // what was done to a selection is done to as many
    stage.keys("ggv2j\"ayG2k.");
    let copied = stage.model.composer.editor.register('a').unwrap();
    assert!(copied.contains("hello") && copied.contains("are you there?"), "{copied:?}");
}

#[test]
fn the_last_line_is_run_again() {
    let mut stage = reading("hello");
    stage.keys("@:");
    assert_eq!(stage.notice(), "no : line was run yet");
    stage.keys(":bn<CR>");
    stage.keys("gT:status<CR>q@:");
    assert_eq!(stage.model.layer(), Layer::Details);
}

#[test]
fn u_takes_back_what_can_be_taken_back() {
    let mut stage = reading("hello");
    stage.keys("u");
    assert_eq!(stage.notice(), "nothing to take back");
    stage.keys("ke<C-u>other words<CR>");
    stage.taken();
    stage.keys("<Esc>u");
    let edit =
        |body: &str| Effect::Ask(Ask::Edit { conv_id: WITH_ANN, seq: 6, body: body.to_string() });
    assert_eq!(stage.taken(), [edit("are you there?")]);
    stage.keys("k+1u");
    let react = |remove| {
        let emoji = "👍".to_string();
        Effect::Ask(Ask::React { conv_id: WITH_ANN, seq: 5, emoji, remove })
    };
    assert_eq!(stage.taken(), [react(false), react(true)]);
    stage.keys("ddddu");
    assert!(stage.notice().contains("its text is in the box"), "{}", stage.notice());
    assert_eq!(stage.model.composer.text, "see you at the corner");
    assert_eq!(stage.model.layer(), Layer::Insert);
}

#[test]
fn leaving_a_group_cannot_be_taken_back_and_u_says_so() {
    let mut stage = friends(80, 24);
    stage.keys("2gt:leave!<CR>u");
    assert!(stage.notice().starts_with("only somebody who is in +lunch"), "{}", stage.notice());
}

#[test]
fn a_muted_conversation_is_heard_again_after_u() {
    let mut stage = reading("hello");
    stage.keys(":mute 3<CR>");
    stage.taken();
    stage.keys("u");
    assert_eq!(stage.taken(), [Effect::Ask(Ask::Mute { conv_id: WITH_ANN, until: 0 })]);
}

#[test]
fn jumps_are_gone_back_and_on_again() {
    let mut stage = reading("hello");
    let at = |stage: &Stage| stage.model.cursor_index();
    stage.keys("3ggG5gg");
    assert_eq!(at(&stage), Some(4));
    stage.keys("<C-o><C-o>");
    assert_eq!(at(&stage), Some(2));
    stage.keys("<C-i>");
    assert_eq!(at(&stage), Some(6));
    stage.keys("g,");
    assert_eq!(at(&stage), Some(4));
    stage.keys("g,");
    assert_eq!(stage.notice(), "no jump to go on to");
}

#[test]
fn control_i_is_tab_where_it_does_not_jump() {
    let mut stage = reading("hello");
    stage.keys("ia<C-i>b");
    assert_eq!(stage.model.composer.text, "a    b");
}

#[test]
fn the_menu_shows_all_that_may_be_pressed_and_the_next_key_does_it() {
    let mut stage = talking_with_ann(120, 40);
    stage.keys("<Space>");
    let picture = stage.picture();
    for shown in
        ["find people, friends and groups", "… E g d , x t T", "reply to this message", "quit"]
    {
        assert!(picture.contains(shown), "{shown}\n{picture}");
    }
    stage.keys("f");
    assert_eq!(stage.model.layer(), Layer::Finder);
    stage.keys("<Esc><Space><Esc>");
    assert!(!stage.picture().contains("find people, friends and groups"));
}

#[test]
fn zz_quits_from_the_box_too_and_keeps_the_draft() {
    let mut stage = reading("hello");
    stage.keys("ihalf<Esc>ZZ");
    let draft = Effect::SaveDraft { conv_id: WITH_ANN, text: "half".into() };
    let taken = stage.taken();
    assert!(taken.contains(&draft), "{taken:?}");
    assert_eq!(taken.last(), Some(&Effect::Exit(Exit::Quit)));
    let mut stage = reading("hello");
    stage.keys("ZQ");
    assert_eq!(stage.taken(), [Effect::Exit(Exit::Quit)]);
}

#[test]
fn the_screen_rests_and_is_drawn_again() {
    let mut stage = reading("hello");
    stage.keys("<C-z><C-l>i<C-z><Esc>");
    assert_eq!(stage.taken(), [Effect::Suspend, Effect::Redraw, Effect::Suspend]);
}

#[test]
fn a_long_message_is_written_in_ones_own_editor_and_looked_at_before_it_is_sent() {
    let mut stage = reading("hello");
    stage.keys("ia draft<C-x><C-e>");
    let taken = stage.taken();
    assert_eq!(taken.last(), Some(&Effect::Edit { text: "a draft".into() }));
    assert!(taken.contains(&Effect::SaveDraft { conv_id: WITH_ANN, text: "a draft".into() }));
    stage.answer(Answer::Edited { text: Ok("three\nlong\u{1b}\nlines".into()) });
    assert_eq!(stage.model.composer.text, "three\nlong␛\nlines");
    assert!(!stage.taken().iter().any(|effect| matches!(effect, Effect::Send { .. })));
    stage.answer(Answer::Edited { text: Err("the editor ended with 1".into()) });
    assert_eq!(stage.model.composer.text, "three\nlong␛\nlines", "nothing is lost");
    stage.keys("<Esc><Esc>gE");
    assert_eq!(stage.taken().last(), Some(&Effect::Edit { text: "three\nlong␛\nlines".into() }));
    // ^X that begins nothing is no command, and what follows is not lost
    stage.keys("i<C-x>z");
    assert!(stage.model.composer.text.contains('z'));
}

#[test]
fn logging_out_asks_for_an_exclamation_mark_while_something_is_unsent() {
    let mut stage = reading("hello");
    stage.model.queued = vec![queued(WITH_ANN, 8, "later", "")];
    stage.keys(":logout<CR>");
    assert_eq!(stage.taken(), []);
    assert!(stage.notice().starts_with("1 not sent yet"), "{}", stage.notice());
    stage.keys(":logout!<CR>");
    assert_eq!(stage.taken(), [Effect::Exit(Exit::LogOut)]);
}

/// What a message of bob's causes, and one of ann's, whose conversation is open.
fn heard(file: &str, focus: Option<bool>) -> (Vec<Effect>, Vec<Effect>) {
    let mut stage = talking_with_ann(80, 24);
    stage.model.settings = parse(file).0;
    if let Some(focus) = focus {
        stage.input(Input::Focus(focus));
    }
    let mut hear = |conv_id, seq, sender| {
        stage.taken();
        let body = "<b>secret</b> \u{1b}plans";
        stage.event(Event::New { message: message(conv_id, seq, sender, NOW, body), live: true });
        let mut taken = stage.taken();
        taken.retain(|effect| matches!(effect, Effect::Bell | Effect::Notify { .. }));
        taken
    };
    (hear(WITH_BOB, 6, BOB), hear(WITH_ANN, 7, ANN))
}

#[test]
fn a_message_calls_only_who_is_not_looking() {
    let bell = || vec![Effect::Bell];
    assert_eq!(heard("", Some(true)), (bell(), vec![]));
    assert_eq!(heard("", Some(false)), (bell(), bell()));
    assert_eq!(heard("notify = \"off\"", Some(false)), (vec![], vec![]));
    for (notify, desktop) in [("desktop", true), ("terminal", false)] {
        let file = format!("notify = \"{notify}\"");
        assert_eq!(heard(&file, Some(true)), (vec![], vec![]), "{notify}");
        // a terminal that does not tell may be out of sight
        assert_eq!(heard(&file, None).0.len(), 1, "{notify}");
        let (bob, ann) = heard(&file, Some(false));
        let [Effect::Notify { desktop: found, title, text }] = bob.as_slice() else {
            panic!("{bob:?}");
        };
        assert_eq!((*found, title.as_str()), (desktop, "natter"));
        assert!(!text.contains("secret") && !text.contains("bob"), "{text}");
        assert_eq!(ann.len(), 1);
    }
}

#[test]
fn a_notification_has_the_text_only_where_that_is_wanted() {
    let (bob, _) = heard("notify = \"desktop\"\nshow_text = true", Some(false));
    let [Effect::Notify { title, text, .. }] = bob.as_slice() else {
        panic!("{bob:?}");
    };
    assert_eq!(title, "bob");
    assert!(text.contains("secret"), "{text}");
}

#[test]
fn that_a_conversation_is_muted_is_told_and_seen() {
    let mut stage = reading("hello");
    let until = NOW + 8 * 60 * MINUTE;
    stage.keys(":mute<CR>");
    let mut ann = stage.model.conversation(WITH_ANN).unwrap().clone();
    ann.muted_until = until;
    stage.event(Event::Conversation(ann.clone()));
    let ask = Ask::Mute { conv_id: WITH_ANN, until };
    stage.answer(Answer::Asked { ask, got: Ok(Got::Conversation(Box::new(ann))) });
    assert_eq!(stage.notice(), "muted until 22:30");
    assert!(stage.picture().contains("ann  ● online, muted"), "{}", stage.picture());
}

#[test]
fn a_muted_conversation_calls_nobody() {
    let mut stage = talking_with_ann(80, 24);
    stage.model.settings = parse("notify = \"desktop\"").0;
    stage.input(Input::Focus(false));
    let bob = stage.model.conversations.iter_mut().find(|c| c.conv_id == WITH_BOB).unwrap();
    bob.muted_until = NOW + 1;
    stage.taken();
    stage.event(Event::New { message: message(WITH_BOB, 6, BOB, NOW, "x"), live: true });
    assert!(!stage.taken().iter().any(|effect| matches!(effect, Effect::Notify { .. })));
}
