//! Keys in, state and effects out.

use crate::stage::*;
use tui::commands::Layer;
use tui::effect::{Ask, Effect, Exit, PersonDeed, Who};
use tui::model::ItemId;

#[test]
fn writing_a_message_sends_it_and_stays_in_the_box() {
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    stage.keys("ihello ann");
    assert_eq!(stage.taken(), [Effect::Typing { conv_id: WITH_ANN }]);
    stage.keys("<A-CR>bye<CR>");
    let body = "hello ann\nbye".to_string();
    assert_eq!(
        stage.taken(),
        [
            Effect::Send { conv_id: WITH_ANN, body, reply_seq: 0 },
            Effect::SaveDraft { conv_id: WITH_ANN, text: String::new() },
        ]
    );
    assert_eq!(stage.model.layer(), Layer::Insert);
    assert_eq!(stage.model.composer.text, "");
    stage.keys("<Esc>");
    assert_eq!(stage.model.layer(), Layer::Messages);
}

#[test]
fn an_empty_message_is_not_sent() {
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    stage.keys("i  <CR>");
    assert!(!stage.taken().iter().any(|effect| matches!(effect, Effect::Send { .. })));
    assert_eq!(stage.notice(), "a message needs some text");
}

#[test]
fn escape_goes_from_insert_to_normal_to_messages_and_keeps_the_draft() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("ihalf a tho");
    stage.taken();
    stage.keys("<Esc>");
    assert_eq!(stage.model.layer(), Layer::Normal);
    stage.keys("<Esc>");
    assert_eq!(stage.model.layer(), Layer::Messages);
    let text = "half a tho".to_string();
    assert_eq!(stage.taken(), [Effect::SaveDraft { conv_id: WITH_ANN, text }]);
    assert_eq!(stage.model.composer.text, "half a tho");
}

#[test]
fn a_draft_is_saved_when_typing_pauses_and_when_the_conversation_is_left() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("ione");
    stage.taken();
    stage.tick(500);
    assert_eq!(stage.taken(), []);
    stage.tick(600);
    assert_eq!(stage.taken(), [Effect::SaveDraft { conv_id: WITH_ANN, text: "one".into() }]);
    stage.keys(" two<Esc><Esc>");
    stage.taken();
    stage.keys("gt");
    assert_eq!(stage.model.composer.text, "");
}

#[test]
fn control_c_never_quits() {
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    stage.keys("ix<C-c>");
    assert_eq!(stage.model.layer(), Layer::Normal);
    stage.keys("<C-c><C-c>");
    assert_eq!(stage.model.layer(), Layer::Messages);
    assert!(stage.notice().contains(":q"));
    assert!(!stage.taken().iter().any(|effect| matches!(effect, Effect::Exit(_))));
}

#[test]
fn an_unknown_key_says_so() {
    let mut stage = friends(80, 24);
    stage.keys("X");
    assert_eq!(stage.notice(), "no such key: X   ? shows all keys");
    stage.keys("gX");
    assert_eq!(stage.notice(), "no such key: gX   ? shows all keys");
}

#[test]
fn q_quits_but_asks_once_while_something_is_not_sent() {
    let mut stage = friends(80, 24);
    stage.taken();
    stage.model.queued = vec![queued(WITH_BOB, 9, "later", "")];
    stage.keys("q");
    assert_eq!(stage.taken(), []);
    assert!(stage.notice().starts_with("1 message is not sent yet"));
    stage.keys("jq");
    assert_eq!(stage.taken(), []);
    stage.keys("q");
    assert_eq!(stage.taken(), [Effect::Exit(Exit::Quit)]);
}

#[test]
fn q_closes_a_popup_first() {
    let mut stage = friends(80, 24);
    stage.taken();
    stage.keys("?q");
    assert_eq!((stage.taken(), stage.model.layer()), (vec![], Layer::Messages));
}

#[test]
fn leaving_after_the_session_was_ended_says_so() {
    let mut stage = friends(80, 24);
    stage.event(client::Event::Line(client::Line::SignedOut { why: "elsewhere".into() }));
    stage.taken();
    stage.keys(":q<CR>");
    assert_eq!(stage.taken(), [Effect::Exit(Exit::SignedOut)]);
}

#[test]
fn counts_and_motions_move_the_cursor_over_messages() {
    let mut stage = talking_with_ann(80, 24);
    let cursor = |stage: &Stage| stage.model.cursor_index().unwrap();
    assert_eq!(cursor(&stage), 5);
    stage.keys("3k");
    assert_eq!(cursor(&stage), 2);
    stage.keys("2j");
    assert_eq!(cursor(&stage), 4);
    stage.keys("gg");
    assert_eq!(cursor(&stage), 0);
    stage.keys("99999999999999999999j");
    assert_eq!(cursor(&stage), 5);
    stage.keys("ggG");
    assert_eq!(cursor(&stage), 5);
}

#[test]
fn the_finder_puts_friends_first_and_opens_the_conversation() {
    let mut stage = friends(80, 24);
    stage.taken();
    stage.keys("fch<CR>");
    let text = String::new();
    assert_eq!(stage.taken(), [Effect::Ask(Ask::OpenDirect { who: Who::Id(CHEN), text })]);
    stage.keys("<Esc><Esc>fbo<CR>");
    assert_eq!(stage.model.chat.as_ref().unwrap().conv_id, WITH_BOB);
}

#[test]
fn the_finder_searches_everybody_and_asks_for_friendship() {
    let mut stage = friends(80, 24);
    stage.taken();
    stage.keys("ffra<Tab>");
    let ask = Ask::Find { text: "fra".into() };
    assert_eq!(stage.taken(), [Effect::Ask(ask.clone())]);
    let frank = person(44, "frank", "Frank", proto::Relation::None);
    let got = Ok(tui::effect::Got::People(vec![frank]));
    stage.answer(tui::effect::Answer::Asked { ask, got });
    stage.keys("<C-a>");
    let deed = PersonDeed::Befriend;
    assert_eq!(stage.taken(), [Effect::Ask(Ask::Person { who: Who::Id(44), deed })]);
}

#[test]
fn requests_are_accepted_and_declined_in_the_list() {
    let mut stage = friends(80, 24);
    stage.taken();
    stage.keys("<Tab>Gka");
    let ask = |deed| Effect::Ask(Ask::Person { who: Who::Id(DORA), deed });
    assert_eq!(stage.taken(), [ask(PersonDeed::Accept)]);
    stage.keys("x");
    assert_eq!(stage.taken(), [ask(PersonDeed::Decline)]);
}

#[test]
fn deleting_asks_once_and_another_key_means_no() {
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    stage.keys("dd");
    assert!(stage.notice().contains("dd again"));
    stage.keys("kdd");
    assert_eq!(stage.taken(), []);
    stage.keys("dd");
    assert_eq!(stage.taken(), [Effect::Ask(Ask::Delete { conv_id: WITH_ANN, seq: 5 })]);
    stage.keys("ggdddd");
    assert_eq!((stage.taken(), stage.notice()), (vec![], "only your own messages can be deleted"));
}

#[test]
fn editing_brings_the_draft_back_afterwards() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("idraft<Esc><Esc>");
    stage.taken();
    stage.keys("cc");
    assert_eq!(stage.model.composer.text, "are you there?");
    stage.keys("?<CR>");
    let ask = Ask::Edit { conv_id: WITH_ANN, seq: 6, body: "are you there??".into() };
    assert!(stage.taken().contains(&Effect::Ask(ask)));
    assert_eq!(stage.model.composer.text, "draft");
}

#[test]
fn a_reply_names_the_message() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("ggr");
    stage.taken();
    stage.keys("it did<CR>");
    let send = Effect::Send { conv_id: WITH_ANN, body: "it did".into(), reply_seq: 1 };
    assert!(stage.taken().contains(&send));
}

#[test]
fn reactions_are_taken_from_the_row_or_typed() {
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    let react = |emoji: &str| {
        let (conv_id, seq, emoji) = (WITH_ANN, 6, emoji.to_string());
        Effect::Ask(Ask::React { conv_id, seq, emoji, remove: false })
    };
    stage.keys("+1");
    assert_eq!(stage.taken(), [react("👍")]);
    stage.keys("+🦀<CR>");
    assert_eq!(stage.taken(), [react("🦀")]);
    stage.keys("+<CR>");
    assert_eq!((stage.taken(), stage.model.layer()), (vec![], Layer::Reactions));
}

#[test]
fn typed_commands_do_what_they_say() {
    let mut stage = friends(80, 24);
    stage.taken();
    let person =
        |handle: &str, deed| Effect::Ask(Ask::Person { who: Who::Handle(handle.into()), deed });
    stage.keys(":acc dora<CR>:add @frank<CR>:block eve<CR>");
    assert_eq!(
        stage.taken(),
        [
            person("dora", PersonDeed::Accept),
            person("frank", PersonDeed::Befriend),
            person("eve", PersonDeed::Block),
        ]
    );
    stage.keys(":group \"the band\" ann bob<CR>");
    let (title, handles) = ("the band".to_string(), vec!["ann".to_string(), "bob".into()]);
    assert_eq!(stage.taken(), [Effect::Ask(Ask::CreateGroup { title, handles })]);
    stage.keys(":msg frank hi there<CR>");
    let (who, text) = (Who::Handle("frank".into()), "hi there".to_string());
    assert_eq!(stage.taken(), [Effect::Ask(Ask::OpenDirect { who, text })]);
    stage.keys("<Esc>:kick ann<CR>");
    assert_eq!(stage.notice(), "open a group first; :group makes one");
    stage.keys(":frob<CR>");
    assert_eq!(stage.notice(), "no such command: frob   :help shows all");
    stage.keys(":reco<CR>:q<CR>");
    assert_eq!(stage.taken(), [Effect::Reconnect, Effect::Exit(Exit::Quit)]);
}

#[test]
fn the_command_line_completes_and_remembers() {
    let mut stage = friends(80, 24);
    let line = |stage: &Stage| match &stage.model.over {
        Some(tui::model::Over::CommandLine(prompt)) => prompt.line.text.clone(),
        _ => "closed".into(),
    };
    stage.keys(":fri<Tab>");
    assert_eq!(line(&stage), "friends");
    stage.keys("<C-u>msg <Tab>");
    assert_eq!(line(&stage), "msg ann");
    stage.keys("<Tab>");
    assert_eq!(line(&stage), "msg bob");
    stage.keys("<S-Tab>");
    assert_eq!(line(&stage), "msg ann");
    stage.keys("<Esc>:status<CR><Esc>:mute<CR>:s<Up>");
    assert_eq!(line(&stage), "status");
    stage.keys("<Down>");
    assert_eq!(line(&stage), "s");
    stage.keys("<BS><BS>");
    assert_eq!(line(&stage), "closed");
}

#[test]
fn conversations_are_reached_by_number_and_back() {
    let mut stage = friends(80, 24);
    let open = |stage: &Stage| stage.model.chat.as_ref().map(|chat| chat.conv_id);
    stage.keys("3gt");
    assert_eq!(open(&stage), Some(WITH_BOB));
    stage.keys("gt");
    assert_eq!(open(&stage), Some(WITH_ANN));
    stage.keys("<C-^>");
    assert_eq!(open(&stage), Some(WITH_BOB));
    stage.keys("]u");
    assert_eq!(open(&stage), Some(LUNCH));
    stage.keys("gT");
    assert_eq!(open(&stage), Some(WITH_ANN));
}

#[test]
fn a_fast_escape_does_not_insert_a_letter() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("ione two");
    for told in tui::decode::Decoder::default().feed(b"\x1bb") {
        if let tui::decode::Told::Key(key) = told {
            stage.input(tui::effect::Input::Key(key));
        }
    }
    assert_eq!(stage.model.layer(), Layer::Normal);
    assert_eq!((stage.model.composer.text.as_str(), stage.model.composer.cursor), ("one two", 4));
}

#[test]
fn unsent_messages_are_retried_or_forgotten() {
    let mut stage = talking_with_ann(80, 24);
    stage.model.queued =
        vec![queued(WITH_ANN, 7, "one", "you may not write here"), queued(WITH_ANN, 8, "two", "")];
    stage.taken();
    stage.keys("R");
    assert_eq!(stage.taken(), [Effect::Retry { client_key: 7 }]);
    stage.keys("dddd");
    assert_eq!(stage.taken(), [Effect::Unqueue { client_key: 8 }]);
    stage.keys("e");
    assert_eq!(stage.notice(), "it is not stored yet: nothing to edit");
    assert_eq!(stage.model.item(7).unwrap().id(), ItemId::Key(8));
}

#[test]
fn a_register_goes_into_a_line_but_words_of_others_into_no_command() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys("ilunch<Esc>yyggyy<Esc>:find <C-r>0");
    assert!(stage.picture().contains(":find lunch"), "{}", stage.picture());
    stage.keys("<Esc>k\"ayy:<C-r>a");
    assert_eq!(stage.notice(), "register a holds words of others: they do not go into a command");
    stage.keys("<C-r>z");
    assert_eq!(stage.notice(), "nothing is in register z");
    stage.keys("<Esc>/<C-r>a");
    assert!(stage.picture().contains("/see you at the corner"), "{}", stage.picture());
    stage.keys("<Esc>f<C-r>a");
    assert!(stage.picture().contains("> see you at the corner"), "{}", stage.picture());
}

#[test]
fn what_was_told_can_be_read_again() {
    let mut stage = talking_with_ann(80, 24);
    stage.keys(":log<CR>");
    assert_eq!(stage.notice(), "nothing was told yet");
    let why = "the server does not answer".to_string();
    stage.event(client::Event::Line(client::Line::Waiting { until: NOW + 2_500, why }));
    stage.tick(3_000).event(client::Event::Line(client::Line::Live));
    stage.keys("ü:xyz<CR>:log<CR>");
    let picture = stage.picture();
    for shown in [
        "14:30:03  no such command: xyz",
        "14:30:03  no such key: ü",
        "14:30:03  ● connected",
        "14:30:00  ◌ reconnecting in 3 s: the server does not answer",
    ] {
        assert!(picture.contains(shown), "{shown}\n{picture}");
    }
}

#[test]
fn what_is_typed_while_a_conversation_is_being_opened_waits_for_it() {
    let with_chen = direct(104, CHEN, 0, 0, NOW);
    let ask = Ask::OpenDirect { who: Who::Id(CHEN), text: String::new() };
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    stage.keys("fche<CR>ihello<CR>");
    assert_eq!(stage.taken(), [Effect::Ask(ask.clone())]);
    let got = Ok(tui::effect::Got::Conversation(Box::new(with_chen)));
    stage.answer(tui::effect::Answer::Asked { ask: ask.clone(), got });
    let body = "hello".to_string();
    let sent = Effect::Send { conv_id: 104, body, reply_seq: 0 };
    assert!(stage.taken().contains(&sent), "not to ann, and not lost");
    // where it cannot be opened, the keys go nowhere; Esc does not wait
    let mut stage = talking_with_ann(80, 24);
    stage.taken();
    stage.keys("fche<CR>ihello<CR>");
    let got = Err(tui::effect::Trouble::Offline);
    stage.answer(tui::effect::Answer::Asked { ask: ask.clone(), got });
    assert_eq!(stage.taken(), [Effect::Ask(ask)]);
    stage.keys("<Esc>fche<CR>gg<Esc>");
    assert_eq!(stage.model.opening, None);
}
