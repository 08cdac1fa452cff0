//! The one-line fields: finder, command line, reactions; and the results of a search.

use client::search::{Query, Sought};
use proto::check;

use super::{compose, deeds, go, jumps, moves, typed};
use crate::commands::FieldDeed;
use crate::completion;
use crate::effect::{Ask, Effect, PersonDeed, Who};
use crate::finder::{self, Found};
use crate::keys::Key;
use crate::limits::{FOUND_ROWS_MAX, HISTORY_LINES_MAX};
use crate::line_edit::LineEdit;
use crate::model::{
    CommandLine, Completion, CompletionRow, EMOJI, Goal, GoalAsked, Help, ItemId, Model, Over,
    Place, Reactions, Repeat, Results, ResultsFrom, Target, Tone,
};
use crate::words;

pub(super) fn run(model: &mut Model, deed: FieldDeed) -> Vec<Effect> {
    match (deed, model.over.take()) {
        (FieldDeed::Choose, Some(Over::CommandLine(prompt))) => {
            return run_line(model, prompt.line.text.trim());
        }
        (FieldDeed::Choose, Some(Over::Search(line))) => {
            // what is found is a message: n and N go on there; an edit would be lost by leaving
            let saved = match (model.place, model.target) {
                (Place::Compose, Target::New | Target::Reply { .. }) => {
                    compose::leave_for_messages(model)
                }
                (Place::Compose | Place::Messages | Place::List, _) => None,
            };
            jumps::search(model, line.text.trim());
            return saved.into_iter().collect();
        }
        (FieldDeed::Choose, Some(Over::Reactions(reactions))) => {
            let emoji = reactions.line.text.trim().to_string();
            return give(model, reactions, &emoji);
        }
        (FieldDeed::Choose, Some(Over::Help(help))) => {
            let filter = help.line.map_or(help.filter, |line| line.text.trim().to_string());
            model.over = Some(Over::Help(Help { filter, ..Help::default() }));
            return Vec::new();
        }
        (_, over) => model.over = over,
    }
    match deed {
        FieldDeed::Choose => choose(model),
        FieldDeed::Everybody => everybody(model),
        FieldDeed::Befriend => befriend(model),
        FieldDeed::More => more_results(model),
        FieldDeed::Complete | FieldDeed::CompleteBack => {
            complete(model, deed == FieldDeed::Complete);
            Vec::new()
        }
        FieldDeed::Older | FieldDeed::Newer => {
            step_history(model, deed == FieldDeed::Older);
            Vec::new()
        }
        FieldDeed::Register => Vec::new(),
    }
}

/// Inserts a register. A line that is run, and kept in the history, is made of one's own words.
pub(super) fn register(model: &mut Model, key: Option<&Key>) -> Vec<Effect> {
    let Some(Key::Char(name)) = key else {
        return Vec::new();
    };
    let editor = &model.composer.editor;
    let runs = matches!(model.over, Some(Over::CommandLine(_)));
    match editor.register(*name) {
        None => model.tell(Tone::Dim, words::nothing_in(*name)),
        Some(_) if runs && editor.is_foreign(*name) => {
            let why = "holds words of others: they do not go into a command";
            model.tell(Tone::Warn, format!("register {name} {why}"));
        }
        Some(text) => return super::paste(model, text.trim_end_matches('\n')),
    }
    Vec::new()
}

/// True: the key meant something in the line.
pub(super) fn type_key(model: &mut Model, key: Key) -> bool {
    match &mut model.over {
        Some(Over::Finder(finder)) => {
            finder.selected = 0;
            finder.line.press(key)
        }
        Some(Over::CommandLine(prompt)) => {
            if key == Key::Backspace && prompt.line.text.is_empty() {
                model.over = None;
                return true;
            }
            (prompt.history, prompt.completion) = (None, None);
            prompt.line.press(key)
        }
        Some(Over::Help(help)) => help.line.as_mut().is_some_and(|line| line.press(key)),
        Some(Over::Search(line)) => {
            if key == Key::Backspace && line.text.is_empty() {
                model.over = None;
                return true;
            }
            line.press(key)
        }
        _ => false,
    }
}

/// A digit takes one of the row at once; anything else is typed.
pub(super) fn type_reaction(model: &mut Model, key: Key) -> Vec<Effect> {
    let Some(Over::Reactions(reactions)) = &mut model.over else {
        return Vec::new();
    };
    let chosen = match key {
        Key::Char(c) if reactions.line.text.is_empty() => {
            c.to_digit(10).and_then(|digit| EMOJI.get((digit as usize).checked_sub(1)?))
        }
        _ => None,
    };
    match chosen {
        Some(emoji) => {
            let reactions = reactions.clone();
            model.over = None;
            give(model, reactions, emoji)
        }
        None => {
            reactions.line.press(key);
            Vec::new()
        }
    }
}

/// Gives the reaction, or takes it back where I gave the same.
fn give(model: &mut Model, reactions: Reactions, emoji: &str) -> Vec<Effect> {
    if let Err(refused) = check::emoji(emoji) {
        model.tell(Tone::Warn, refused.to_string());
        model.over = Some(Over::Reactions(reactions));
        return Vec::new();
    }
    let (conv_id, seq) = (reactions.conv_id, reactions.seq);
    let item = model.index_of(ItemId::Seq(seq)).and_then(|at| model.item(at));
    let given = item.and_then(|item| item.message()?.reactions.iter().find(|r| r.emoji == emoji));
    let remove = given.is_some_and(|reaction| reaction.user_ids.contains(&model.me));
    model.repeat = Some(Repeat::React(emoji.to_string()));
    vec![Effect::Ask(Ask::React { conv_id, seq, emoji: emoji.to_string(), remove })]
}

fn choose(model: &mut Model) -> Vec<Effect> {
    match &model.over {
        Some(Over::Finder(finder)) => {
            let selected = finder.selected;
            match finder::candidates(model).get(selected).map(|candidate| candidate.target) {
                Some(Found::Conversation(conv_id)) => go::open(model, conv_id),
                Some(Found::Person(user_id)) => deeds::open_direct(model, user_id),
                None => everybody(model),
            }
        }
        Some(Over::Results(results)) => {
            let Some(message) = results.messages.get(results.selected) else {
                return Vec::new();
            };
            let (conv_id, seq) = (message.conv_id, message.seq);
            if let ResultsFrom::Here { sought, .. } = &results.from {
                // n and N go on from there
                model.search_words.clone_from(&results.title);
                model.search = Some(sought.clone());
            }
            jumps::remember(model);
            let effects = go::open(model, conv_id);
            if model.chat.as_ref().is_some_and(|chat| chat.conv_id == conv_id) {
                seek(model, seq);
            }
            effects
        }
        _ => Vec::new(),
    }
}

/// Goes to a message, at once or when it has been loaded.
pub(super) fn seek(model: &mut Model, seq: i64) {
    let newest = model.open_conversation().map_or(0, |conversation| conversation.last_seq);
    match (model.index_of(ItemId::Seq(seq)), &mut model.chat) {
        (Some(index), Some(chat)) => {
            chat.goal = None;
            moves::choose(model, index);
        }
        (None, Some(chat)) if (1..=newest).contains(&seq) => {
            chat.goal = Some(Goal { seq, asked: GoalAsked::Nobody });
        }
        (None, Some(chat)) => {
            chat.goal = None;
            model.tell(Tone::Warn, "this message is not here");
        }
        (_, None) => {}
    }
}

fn everybody(model: &mut Model) -> Vec<Effect> {
    let Some(Over::Finder(finder)) = &mut model.over else {
        return Vec::new();
    };
    let text = finder.line.text.trim().to_string();
    if let Err(refused) = check::search(&text) {
        model.tell(Tone::Warn, refused.to_string());
        return Vec::new();
    }
    finder.searching = true;
    finder.friends_only = false;
    vec![Effect::Ask(Ask::Find { text })]
}

fn befriend(model: &mut Model) -> Vec<Effect> {
    let Some(Over::Finder(finder)) = &model.over else {
        return Vec::new();
    };
    let selected = finder.selected;
    match finder::candidates(model).get(selected).map(|candidate| candidate.target) {
        Some(Found::Person(user_id)) => {
            let deed = PersonDeed::Befriend;
            vec![Effect::Ask(Ask::Person { who: Who::Id(user_id), deed })]
        }
        Some(Found::Conversation(_)) | None => {
            model.tell(Tone::Dim, "choose a person first; Tab searches everybody");
            Vec::new()
        }
    }
}

fn more_results(model: &mut Model) -> Vec<Effect> {
    let Some(Over::Results(results)) = &mut model.over else {
        return Vec::new();
    };
    let full = results.messages.len() >= FOUND_ROWS_MAX;
    let effect = match &results.from {
        _ if results.searching || full => None,
        ResultsFrom::Here { sought, below } => {
            below.map(|below| Effect::Search { sought: sought.clone(), below: Some(below) })
        }
        ResultsFrom::Server { scanned_to: 0, .. } => None,
        ResultsFrom::Server { conv_id, text, scanned_to } => {
            let (conv_id, text, before_seq) = (*conv_id, text.clone(), *scanned_to);
            Some(Effect::Ask(Ask::Search { conv_id, text, before_seq }))
        }
    };
    if effect.is_none() {
        model.tell(Tone::Dim, "there is nothing further back");
        return Vec::new();
    }
    results.searching = true;
    effect.into_iter().collect()
}

/// Searches all conversations on this machine.
pub(super) fn search(model: &mut Model, text: &str) -> Vec<Effect> {
    let Some(query) = Query::words(text) else {
        model.tell(Tone::Warn, "what for? words must follow");
        return Vec::new();
    };
    show_results(model, text.to_string(), Sought::Text(query))
}

/// What mentions me, in all conversations on this machine.
pub(super) fn mentions(model: &mut Model) -> Vec<Effect> {
    match jumps::mentions_of_me(model) {
        Some(sought) => show_results(model, "mentions of you".into(), sought),
        None => {
            model.tell(Tone::Warn, "who you are is not known here yet: connect once");
            Vec::new()
        }
    }
}

fn show_results(model: &mut Model, title: String, sought: Sought) -> Vec<Effect> {
    let from = ResultsFrom::Here { sought: sought.clone(), below: None };
    model.over = Some(Over::Results(Results {
        title,
        from,
        messages: Vec::new(),
        selected: 0,
        searching: true,
    }));
    vec![Effect::Search { sought, below: None }]
}

/// Searches the open conversation on the server, from its end.
pub(super) fn search_server(model: &mut Model, text: &str) -> Vec<Effect> {
    let Some(chat) = &model.chat else {
        model.tell(Tone::Warn, "open a conversation first: f finds people");
        return Vec::new();
    };
    let conv_id = chat.conv_id;
    if let Err(refused) = check::search(text) {
        model.tell(Tone::Warn, refused.to_string());
        return Vec::new();
    }
    let text = text.to_string();
    model.over = Some(Over::Results(Results {
        title: format!("{text}, on the server"),
        from: ResultsFrom::Server { conv_id, text: text.clone(), scanned_to: 0 },
        messages: Vec::new(),
        selected: 0,
        searching: true,
    }));
    vec![Effect::Ask(Ask::Search { conv_id, text, before_seq: 0 })]
}

fn run_line(model: &mut Model, line: &str) -> Vec<Effect> {
    if line.is_empty() {
        return Vec::new();
    }
    if model.history.last().is_none_or(|last| last != line) {
        model.history.push(line.to_string());
        model.history_own += 1;
    }
    if model.history.len() > HISTORY_LINES_MAX {
        model.history.remove(0);
    }
    typed::run(model, line)
}

/// `@:`: the last line once more.
pub(super) fn line_again(model: &mut Model) -> Vec<Effect> {
    match model.history.last().cloned() {
        Some(line) => typed::run(model, &line),
        None => {
            model.tell(Tone::Dim, "no : line was run yet");
            Vec::new()
        }
    }
}

/// Shows the next completion of what was typed, and at the end what was typed itself.
fn complete(model: &mut Model, forwards: bool) {
    let Some(Over::CommandLine(prompt)) = &model.over else {
        return;
    };
    let completion = match &prompt.completion {
        Some(open) => {
            let count = open.rows.len();
            let by = if forwards { 1 } else { count - 1 };
            Completion { at: (open.at + by) % count, rows: open.rows.clone() }
        }
        None => {
            let stem = prompt.line.text.clone();
            let mut rows = completion::rows(model, &stem);
            let at = if forwards { 0 } else { rows.len().saturating_sub(1) };
            rows.push(CompletionRow { line: stem, word: String::new(), help: String::new() });
            Completion { rows, at }
        }
    };
    if completion.rows.len() == 1 {
        model.tell(Tone::Dim, "nothing completes this");
        return;
    }
    if let Some(Over::CommandLine(prompt)) = &mut model.over {
        prompt.line = LineEdit::with(&completion.rows[completion.at].line);
        prompt.completion = Some(completion);
    }
}

fn step_history(model: &mut Model, older: bool) {
    let Some(Over::CommandLine(prompt)) = &mut model.over else {
        return;
    };
    let (at, typed) = match prompt.history.take() {
        Some(place) => place,
        None => (model.history.len(), prompt.line.text.clone()),
    };
    let fits = |at: &usize| model.history[*at].starts_with(&typed);
    let found = match older {
        true => (0..at).rev().find(fits),
        false => (at + 1..model.history.len()).find(fits),
    };
    let (line, history) = match (found, older) {
        (Some(found), _) => (model.history[found].clone(), Some((found, typed))),
        (None, true) => (prompt.line.text.clone(), Some((at, typed))),
        (None, false) => (typed, None),
    };
    *prompt = CommandLine { line: LineEdit::with(&line), history, completion: None };
}
