//! Whatever is pressed, whatever arrives, however small the terminal: it draws.

use client::{Event, Line};
use proptest::prelude::*;
use proto::{MessageKind, Presence, Receipt, Relation, Sent, Typing};
use tui::effect::{Answer, Ask, Effect, Got, Input, Trouble};
use tui::keys::{Key, parse};

use crate::stage::*;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Happens {
    Key(Key),
    Paste(String),
    Size(u16, u16),
    Focus(bool),
    Tick(i64),
    Event(u8, i64, i64, String),
}

fn key() -> impl Strategy<Value = Key> {
    let named = "<CR><A-CR><Esc><Tab><S-Tab><BS><Del><Left><Right><Up><Down><Home><End>\
                 <PageUp><PageDown><F1><C-d><C-u>\
                 <C-e><C-y><C-w><C-a><C-n><C-p><C-c><C-^><C-j><C-o><C-r><C-v><C-i>\
                 <C-x><C-l><C-z><F5><Space>";
    prop_oneof![
        proptest::sample::select(parse(named)),
        proptest::sample::select(parse(
            "iaAojkhlgGtTfFqrReducdxw0$bK+:?[]mu123 /nN*{}HMLzyYpPvVsSJ~.;,@\"'`^&()%<>!IORXCD"
        )),
        any::<char>().prop_filter("control", |c| !c.is_control()).prop_map(Key::Char),
    ]
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        20 => key().prop_map(Happens::Key),
        1 => "\\PC{0,40}|[a-z \n\t\u{1b}日👩\u{200d}\u{301}]{0,80}".prop_map(Happens::Paste),
        1 => (1_u16..130, 1_u16..45).prop_map(|(columns, rows)| Happens::Size(columns, rows)),
        1 => (0_u16..4, 0_u16..4).prop_map(|(columns, rows)| Happens::Size(columns, rows)),
        1 => any::<bool>().prop_map(Happens::Focus),
        1 => (0_i64..100_000).prop_map(Happens::Tick),
        5 => (0_u8..12, 0_i64..12, 0_i64..40, "[a-z日👩@\n ]{0,60}")
            .prop_map(|(kind, user, seq, text)| Happens::Event(kind, user, seq, text)),
    ]
}

fn event(kind: u8, user_id: i64, seq: i64, text: &str) -> Event {
    let conv_id = [WITH_ANN, WITH_BOB, LUNCH, 999][(seq % 4) as usize];
    let mut new = message(conv_id, seq, user_id, NOW + seq * MINUTE, text);
    new.kind = ((seq % 11) as i32).min(MessageKind::Deleted.into());
    new.reply_seq = seq / 2;
    match kind {
        0..4 => Event::New { message: new, live: seq % 2 == 0 },
        4 => Event::Changed(new),
        5 => Event::Sent(Sent { conv_id, client_key: seq, seq, sent_at: NOW, ..Sent::default() }),
        6 => Event::Receipt(Receipt {
            conv_id,
            user_id,
            delivered_seq: seq,
            read_seq: seq / 2,
            at: 0,
            mailed_seq: seq % 3 * seq,
            mailed_at: NOW,
        }),
        7 => Event::Presence(Presence { user_id, online: seq % 2 == 0, last_seen: NOW }),
        8 => Event::Typing(Typing { conv_id, user_id }),
        9 => Event::Person(person(user_id, "frank", text, Relation::Asks)),
        10 => {
            let mut told = group(conv_id, text, seq, seq / 2, i64::MAX);
            told.left = seq % 3 == 0;
            Event::Conversation(told)
        }
        _ => Event::Line(Line::Waiting { until: i64::MAX, why: text.into() }),
    }
}

/// Keys of the user's own are among the keys.
const OWN_KEYS: &str = "theme = 'dark'\n[keys.messages]\n'gq' = ':status'\n'ZZ' = 'gg'\n'q' = ''\n\
                        [keys.insert]\n'jk' = '<Esc>'\n[keys.normal]\n'gs' = ':bn'\n'd' = 'x'\n";

/// Answers as the disk and the gateway might.
fn answers(effect: Effect) -> Option<Answer> {
    match effect {
        Effect::Load { conv_id, before_seq } => {
            let first = (before_seq - 5).max(1);
            let last = if before_seq == 0 { 7 } else { before_seq };
            let of = |seq| message(conv_id, seq, seq % 5, NOW + seq * MINUTE, "words and 日本語");
            Some(Answer::Messages {
                conv_id,
                before_seq,
                messages: (first..last).map(of).collect(),
            })
        }
        Effect::LoadAround { conv_id, seq } => {
            let of = |seq| message(conv_id, seq, seq % 5, NOW + seq * MINUTE, "**a** `b`\n- c");
            let messages = (seq - 3..=seq + 3).filter(|seq| *seq > 0).map(of).collect();
            Some(Answer::Around { conv_id, seq, messages, end: seq % 2 == 0 })
        }
        Effect::LoadAfter { conv_id, after_seq } => {
            let of = |seq| message(conv_id, seq, seq % 5, NOW + seq * MINUTE, "```\nlong code");
            let messages = (after_seq + 1..after_seq + 4).map(of).collect();
            Some(Answer::After { conv_id, after_seq, messages, end: after_seq % 3 == 0 })
        }
        Effect::LoadQueued => Some(Answer::Queued(vec![queued(WITH_ANN, 9, "waits", "")])),
        Effect::Search { sought, .. } => {
            let messages = vec![message(WITH_BOB, 3, BOB, NOW, "found"); 3];
            Some(Answer::Found { sought, found: client::Found { messages, below: None } })
        }
        Effect::SearchIn { conv_id, sought, seq, up } => {
            let seq = Some(seq / 2).filter(|seq| *seq > 0);
            Some(Answer::FoundIn { conv_id, sought, up, seq })
        }
        Effect::Edit { text } => Some(Answer::Edited { text: Ok(format!("{text}\u{7}日")) }),
        Effect::LoadDraft { conv_id } => Some(Answer::Draft { conv_id, text: "a draft".into() }),
        Effect::Send { conv_id, body, .. } => {
            Some(Answer::Queued(vec![queued(conv_id, 9, &body, "")]))
        }
        Effect::Ask(ask) => {
            let got = match &ask {
                Ask::Find { .. } => Ok(Got::People(vec![person(50, "frank", "F", Relation::None)])),
                Ask::OpenDirect { .. } => {
                    Ok(Got::Conversation(Box::new(direct(150, 50, 0, 0, NOW))))
                }
                Ask::History { conv_id, .. } if conv_id % 2 == 0 => {
                    Ok(Got::History { more: false })
                }
                _ => Err(Trouble::Offline),
            };
            Some(Answer::Asked { ask, got })
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_keys_and_any_news_can_be_drawn(
        columns in 1_u16..130,
        rows in 1_u16..45,
        all in proptest::collection::vec(happens(), 1..80),
    ) {
        let mut stage = friends(columns, rows);
        stage.model.settings = tui::settings::parse(OWN_KEYS).0;
        for one in all {
            match one {
                Happens::Key(key) => stage.input(Input::Key(key)),
                Happens::Paste(text) => stage.input(Input::Paste(text)),
                Happens::Size(columns, rows) => stage.input(Input::Size { columns, rows }),
                Happens::Focus(focused) => stage.input(Input::Focus(focused)),
                Happens::Tick(ms) => stage.tick(ms),
                Happens::Event(kind, user, seq, text) => {
                    stage.event(event(kind, user, seq, &text))
                }
            };
            let mut rounds = 0;
            loop {
                let effects = stage.taken();
                if effects.is_empty() {
                    break;
                }
                rounds += 1;
                prop_assert!(rounds < 40, "the screen asks for ever: {effects:?}");
                for answer in effects.into_iter().filter_map(answers) {
                    stage.answer(answer);
                }
            }
            if stage.model.columns > 0 && stage.model.rows > 0 {
                stage.picture();
            }
        }
    }
}
