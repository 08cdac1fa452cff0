//! The lessons: each is done by the keys that it names, and by nothing less.

use tui::effect::{Answer, Effect};
use tui::tutor::LESSONS;

use crate::stage::*;

/// What does each lesson.
const KEYS: [&str; 17] = [
    "i",
    "hello<CR>",
    "<Esc>",
    "k",
    "K",
    "q",
    "rto you<CR>",
    "a word<Esc>",
    "dd<Esc>",
    "G",
    "/guide<CR>",
    "n",
    ":search guide<CR>",
    "q",
    "yy",
    "f",
    "<Esc>?",
];

#[test]
fn the_tutor_is_walked_through_from_its_first_page_to_its_last() {
    let mut stage = talking_with_ann(80, 24);
    assert_eq!(KEYS.len() + 1, LESSONS.len());
    stage.keys(":tutor<CR>");
    for (at, keys) in KEYS.iter().enumerate() {
        assert_eq!(stage.model.tutor, Some(at), "before {keys}");
        assert!(stage.picture().contains(&format!("tutor {} of {}", at + 1, LESSONS.len())));
        // nothing goes on by itself, nor by another key
        stage.tick(1_000);
        assert_eq!(stage.model.tutor, Some(at));
        stage.keys(keys);
        let replied = |effect: &Effect| matches!(effect, Effect::Send { .. });
        if stage.taken().iter().any(replied) {
            stage.answer(Answer::Queued(vec![queued(WITH_ANN, 70, "to the guide", "")]));
        }
    }
    assert_eq!(stage.model.tutor, Some(LESSONS.len() - 1));
    stage.keys("q:tutor off<CR>");
    assert_eq!(stage.model.tutor, None);
    assert!(!stage.picture().contains("tutor"));
    stage.keys(":tutor on<CR>");
    assert_eq!(stage.notice(), ":tutor begins, :tutor off ends");
}

#[test]
fn a_reply_is_asked_for_and_a_plain_message_is_none() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys(":tutor<CR>");
    stage.model.tutor = Some(6);
    stage.keys("iplain<CR>");
    assert_eq!(stage.model.tutor, Some(6));
    stage.keys("<Esc>krreply<CR>");
    assert_eq!(stage.model.tutor, Some(7));
}

#[test]
fn a_lesson_stands_over_the_conversation_at_every_size() {
    crate::pictures::pictures("tutor", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.keys(":tutor<CR>i");
        stage
    });
}
