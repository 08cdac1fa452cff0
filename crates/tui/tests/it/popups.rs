//! What lies over the conversation, and what the box and the selection look like: all of it, at
//! every size.

use client::notices::Change;
use client::search::{Query, Sought};
use proto::Relation;
use proto::http::{DoorKind, Notices, Preview};
use tui::effect::{Answer, Ask, Effect, Got, Trouble};

use crate::pictures::pictures;
use crate::stage::*;

/// What these keys lead to, talking with ann.
fn after(name: &str, keys: &str) {
    pictures(name, |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.keys(keys);
        stage
    });
}

/// What is shown when nothing follows these keys for a while.
fn waiting(name: &str, keys: &str) {
    pictures(name, |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.keys(keys).tick(0).tick(300);
        stage
    });
}

#[test]
fn the_finder_of_friends_alone() {
    after("finder_friends", ":friends<CR>");
}

#[test]
fn the_finder_when_everybody_on_the_server_was_searched() {
    pictures("finder_everybody", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.keys("fsam<Tab>");
        let found = vec![
            person(21, "sam", "Sam Sung 三星 👩‍👩‍👧", Relation::None),
            person(22, "samantha.of.the.long.handle-32ch", "Samantha", Relation::Asked),
            person(
                23,
                "samuel",
                "A name of sixty-four columns, which is the most that one may have",
                Relation::None,
            ),
        ];
        let ask = Ask::Find { text: "sam".into() };
        stage.answer(Answer::Asked { ask, got: Ok(Got::People(found)) });
        stage
    });
}

#[test]
fn the_finder_while_it_searches_and_when_nobody_is_called_so() {
    after("finder_searching", "fzzz<Tab>");
    after("finder_nobody", "fzzz");
}

#[test]
fn what_tab_offers_on_the_command_line() {
    after("completion", ":s<Tab><Tab>");
}

#[test]
fn the_line_of_a_search_and_of_a_search_in_the_help() {
    after("search_line", "/a word that is looked for");
    after("help_search_line", "?/repl");
    after("help_filtered", "?/reply<CR>");
    after("help_nothing", "?/xylophone<CR>");
}

#[test]
fn settings_keys_and_conversations_are_listed() {
    after("set", ":set<CR>");
    after("map", ":map messages gs :status<CR>:map<CR>");
    after("map_layer", ":map results<CR>");
    after("ls", ":ls<CR>");
}

#[test]
fn what_the_server_has_found() {
    pictures("found_on_the_server", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.keys(":search! lunch<CR>");
        let (conv_id, text) = (WITH_ANN, "lunch".to_string());
        let messages = vec![message(WITH_ANN, 3, ANN, NOW - 12 * MINUTE, "great. lunch at 12?")];
        let page = proto::Page { conv_id, messages, scanned_to: 2, ..proto::Page::default() };
        let ask = Ask::Search { conv_id, text, before_seq: 0 };
        stage.answer(Answer::Asked { ask, got: Ok(Got::Page(page)) });
        stage
    });
}

#[test]
fn a_search_that_runs_and_one_that_found_nothing() {
    after("searching", ":search xylophone<CR>");
    pictures("found_nothing", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.keys(":search xylophone<CR>");
        let sought = Sought::Text(Query::words("xylophone").unwrap());
        let found = client::Found { messages: Vec::new(), below: None };
        stage.answer(Answer::Found { sought, found });
        stage
    });
}

#[test]
fn who_of_a_group_has_a_message() {
    pictures("group_details", |columns, rows| {
        let mut stage = crate::pictures::in_the_group(columns, rows);
        stage.keys("kK");
        let hops = Vec::new();
        let ask = Ask::Journey { conv_id: LUNCH, seq: 2 };
        let journey = proto::Journey { conv_id: LUNCH, seq: 2, hops };
        stage.answer(Answer::Asked { ask, got: Ok(Got::Journey(journey)) });
        stage
    });
}

#[test]
fn the_keys_that_may_follow() {
    waiting("which_key", "3g");
    waiting("which_key_mark", "m");
    waiting("which_key_registers", "yyiword<Esc>\"");
    waiting("which_key_record", "iword<Esc>q");
    after("menu", "<Space>");
}

#[test]
fn the_box_says_what_it_is_doing() {
    after("recording", "iword<Esc>qa2");
    after("selecting_text", "ia few words<Esc>vb");
    after("reply", "kria reply<C-j>of two lines");
    after("edit", "kcc, my dear");
}

#[test]
fn messages_that_are_selected() {
    after("selecting", "kVk");
}

#[test]
fn what_is_asked_before_something_goes() {
    after("delete_asked", "dd");
    pictures("quit_asked", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.model.queued = vec![queued(WITH_ANN, 7, "waits", "")];
        stage.keys("q");
        stage
    });
}

#[test]
fn the_tutor_stands_below_what_is_open_and_covers_nothing_of_it() {
    for (name, keys) in
        [("tutor_help", "?"), ("tutor_finder", "f"), ("tutor_details", ":status<CR>")]
    {
        after(name, &format!(":tutor<CR>{keys}"));
    }
    pictures("tutor_found", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.keys(":tutor<CR>");
        stage.model.tutor = Some(13);
        stage.keys(":search are<CR>");
        let sought = Sought::Text(Query::words("are").unwrap());
        let messages = stage.model.chat.as_ref().unwrap().messages.clone();
        let messages = vec![messages[5].clone(), messages[1].clone()];
        stage.answer(Answer::Found { sought, found: client::Found { messages, below: None } });
        stage
    });
}

#[test]
fn who_is_in_a_group_and_what_they_are() {
    pictures("members", |columns, rows| {
        let mut stage = crate::pictures::in_the_group(columns, rows);
        stage.keys(":members<CR>");
        stage
    });
    let mut stage = crate::pictures::in_the_group(80, 24);
    stage.taken();
    stage.keys(":appoint ann admin<CR>");
    let role = proto::Role::Admin;
    let ask = Ask::Appoint { conv_id: LUNCH, handle: "ann".into(), role };
    assert_eq!(stage.taken(), [Effect::Ask(ask)]);
    stage.keys(":appoint ann king<CR>");
    assert_eq!(stage.notice(), "as what? a handle, and member, admin or owner must follow");
}

fn by_mail() -> Notices {
    Notices {
        wanted: true,
        door: DoorKind::Mail,
        url: None,
        preview: Preview::Names,
        quiet_from: "22:00".into(),
        quiet_to: "06:30".into(),
        hide: false,
        address: Some("me@example.org".into()),
        fault: None,
        key: None,
    }
}

#[test]
fn how_one_is_told_while_one_is_away() {
    after("notices_asked", ":notices<CR>");
    pictures("notices", |columns, rows| {
        let mut stage = talking_with_ann(columns, rows);
        stage.keys(":notices<CR>");
        let got = Ok(Got::Notices(Box::new(by_mail())));
        stage.answer(Answer::Asked { ask: Ask::Notices(None), got });
        stage
    });
}

#[test]
fn what_is_typed_behind_notices_is_what_the_server_is_asked_for() {
    let url = "https://x.org/topic".to_owned();
    let quiet = |from: &str, to: &str| Change::Quiet { from: from.into(), to: to.into() };
    for (typed, change) in [
        ("", None),
        (" mail", Some(Change::Mail)),
        (" off", Some(Change::Off)),
        (" push https://x.org/topic", Some(Change::Push(url.clone()))),
        (" webhook https://x.org/topic", Some(Change::Webhook(url))),
        (" preview none", Some(Change::Preview(Preview::None))),
        (" quiet 22:00-06:30", Some(quiet("22:00", "06:30"))),
        (" quiet off", Some(quiet("00:00", "00:00"))),
        (" hide", Some(Change::Hide(true))),
        (" show", Some(Change::Hide(false))),
        (" qu<Tab> <Tab><CR>", Some(quiet("22:00", "06:30"))),
    ] {
        let mut stage = talking_with_ann(80, 24);
        stage.effects.clear();
        stage.keys(&format!(":notices{typed}<CR>").replace("<CR><CR>", "<CR>"));
        assert_eq!(stage.effects, [Effect::Ask(Ask::Notices(change))], "{typed}");
    }
    for typed in ["mails", "push", "preview all", "quiet soon", "mail now"] {
        let mut stage = talking_with_ann(80, 24);
        stage.effects.clear();
        stage.keys(&format!(":notices {typed}<CR>"));
        assert!(stage.effects.is_empty(), "{typed}");
        assert!(stage.model.notice.is_some(), "{typed}");
    }
}

#[test]
fn who_has_closed_it_is_told_the_key_on_a_line_and_a_refusal_closes_it() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys(":notices webhook https://x.org/<CR>q");
    let ask = || Ask::Notices(Some(Change::Webhook("https://x.org/".into())));
    let key = Some("whsec_c2VjcmV0".to_owned());
    let got = Notices { door: DoorKind::Webhook, key, ..by_mail() };
    stage.answer(Answer::Asked { ask: ask(), got: Ok(Got::Notices(Box::new(got))) });
    assert!(stage.model.log.iter().any(|(_, text)| text.contains("whsec_c2VjcmV0")));
    stage.keys(":notices webhook https://10.0.0.1/<CR>");
    let why = "it leads into a network that this server does not call".to_owned();
    stage.answer(Answer::Asked { ask: ask(), got: Err(Trouble::Refused(why.clone())) });
    assert!(stage.model.over.is_none());
    assert!(stage.model.notice.as_ref().is_some_and(|notice| notice.text == why));
}
