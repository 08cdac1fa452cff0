//! Writing: into the box, out of it, sending what is in it, keeping what is not sent.

use proto::{Message, MessageKind, check, clean, limits::TYPING_REPEAT_MS};

use super::moves;
use crate::commands::{BoxDeed, Write};
use crate::composer::{At, Pressed};
use crate::effect::{Ask, Effect};
use crate::emoji;
use crate::keys::Key;
use crate::limits::{BOX_BYTES_MAX, CLIPBOARD_BYTES_MAX};
use crate::model::{Draft, Model, Place, Target, Tone};

pub(super) fn write(model: &mut Model, way: Write) -> Vec<Effect> {
    if model.chat.is_none() {
        model.tell(Tone::Warn, "open a conversation first: f finds people");
        return Vec::new();
    }
    if way == Write::Outside {
        // should the machine fail meanwhile, the disk has it
        let mut effects: Vec<Effect> = save_draft(model).into_iter().collect();
        effects.push(Effect::Edit { text: model.composer.cleaned() });
        return effects;
    }
    model.place = Place::Compose;
    model.composer.enter_insert(match way {
        Write::AtCursor => At::Cursor,
        Write::AfterCursor => At::AfterCursor,
        Write::AtEnd => At::LineEnd,
        Write::OnNewLine | Write::Outside => At::NewLine,
    });
    Vec::new()
}

/// What the user's editor left. It is looked at once more before it is sent.
pub(super) fn edited(model: &mut Model, text: Result<String, String>) -> Vec<Effect> {
    let text = match text {
        Ok(text) => text,
        Err(why) => {
            model.tell(Tone::Bad, why);
            return Vec::new();
        }
    };
    if model.chat.is_none() {
        return Vec::new();
    }
    model.place = Place::Compose;
    model.composer.set_text(&text);
    changed(model)
}

pub(super) fn run(model: &mut Model, deed: BoxDeed) -> Vec<Effect> {
    match deed {
        BoxDeed::Send => send(model),
        BoxDeed::Leave => escape(model),
        BoxDeed::Complete => complete(model),
    }
}

/// Out of what was begun, then out of INSERT, then out of the box.
fn escape(model: &mut Model) -> Vec<Effect> {
    let composer = &mut model.composer;
    let empty = composer.text.is_empty();
    let begun = composer.is_waiting()
        || composer.is_selecting()
        || composer.mode == vim::Mode::OneCommand
        || (composer.is_inserting() && !empty);
    let before = composer.text.clone();
    composer.escape();
    if begun {
        // a count before an insert, a block, CTRL-V: Esc may write too
        return match model.composer.text != before {
            true => changed(model),
            false => Vec::new(),
        };
    }
    if let Some(register) = composer.editor.recording() {
        model.tell(Tone::Dim, format!("recording @{register}: q ends it"));
        return Vec::new();
    }
    leave_for_messages(model).into_iter().collect()
}

/// Out of the box. A draft stays, the edit of a message does not.
pub(super) fn leave_for_messages(model: &mut Model) -> Option<Effect> {
    model.place = Place::Messages;
    match model.target {
        Target::Edit { .. } => cancel_edit(model),
        Target::Reply { .. } if model.composer.text.is_empty() => model.target = Target::New,
        Target::Reply { .. } | Target::New => {}
    }
    save_draft(model)
}

/// Tab: the next name or emoji that begins as the one at the cursor, else blanks.
fn complete(model: &mut Model) -> Vec<Effect> {
    let Some(begun) = model.composer.begun().map(str::to_string) else {
        return type_key(model, Key::Tab).1;
    };
    let names = match begun.strip_prefix(':') {
        Some(name) => emoji::beginning(name),
        None => names(model, &begun),
    };
    if names.is_empty() {
        let text = match begun.starts_with(':') {
            true => format!("no emoji is called {begun}…"),
            false => format!("nobody here is called @{begun}…"),
        };
        model.tell(Tone::Dim, text);
        return Vec::new();
    }
    model.composer.complete(&names);
    changed(model)
}

/// Handles of the people in the open conversation, and where none fits, of all who are known.
fn names(model: &Model, begun: &str) -> Vec<String> {
    let fits = |handle: &&str| handle.starts_with(begun);
    let here = model.open_conversation();
    let members = here.and_then(|open| model.members.get(&open.conv_id));
    let members = members.into_iter().flatten().map(|m| (m.user_id, m.handle.as_str()));
    let known = model.people.values().map(|p| (p.user_id, p.handle.as_str()));
    let near = |user_id: i64| here.is_some_and(|open| open.friend_id == user_id);
    let mut ranked: Vec<(bool, &str)> = members
        .map(|(user_id, handle)| (false, user_id, handle))
        .chain(known.map(|(user_id, handle)| (!near(user_id), user_id, handle)))
        .filter(|(_, user_id, handle)| *user_id != model.me && fits(handle))
        .map(|(far, _, handle)| (far, handle))
        .collect();
    ranked.sort_unstable();
    let any_near = ranked.first().is_some_and(|(far, _)| !far);
    let mut names: Vec<String> = ranked
        .into_iter()
        .filter(|(far, _)| !(any_near && *far))
        .map(|(_, handle)| handle.to_string())
        .collect();
    names.dedup();
    names
}

/// Passes a key to the editor.
pub(super) fn type_key(model: &mut Model, key: Key) -> (Pressed, Vec<Effect>) {
    let begins_nothing = model.composer.text.is_empty() && model.target == Target::New;
    if key == Key::Up && begins_nothing && model.composer.is_inserting() {
        edit_last(model);
        return (Pressed::Done, Vec::new());
    }
    let before = model.composer.text.clone();
    let pressed = model.composer.press(key);
    let mut effects = match model.composer.text != before {
        true => changed(model),
        false => Vec::new(),
    };
    let copied = model.composer.editor.take_clipboard();
    effects.extend(copied.and_then(|text| copy(model, &text)));
    (pressed, effects)
}

pub(super) fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    if !model.composer.paste(text) {
        let text = format!("the box holds {BOX_BYTES_MAX} bytes: the end of the paste was cut off");
        model.tell(Tone::Warn, text);
    }
    changed(model)
}

/// To the terminal's clipboard.
pub(super) fn copy(model: &mut Model, text: &str) -> Option<Effect> {
    let text = clean::text(text).into_owned();
    if text.len() > CLIPBOARD_BYTES_MAX {
        model.tell(Tone::Warn, "too much for the terminal's clipboard");
        return None;
    }
    Some(Effect::Copy { text })
}

fn changed(model: &mut Model) -> Vec<Effect> {
    model.draft.unsaved = true;
    model.draft.changed_at = model.now;
    let due = model.now - model.typing_told_at >= TYPING_REPEAT_MS as i64;
    match &model.chat {
        Some(chat) if due && !model.composer.text.is_empty() => {
            model.typing_told_at = model.now;
            vec![Effect::Typing { conv_id: chat.conv_id }]
        }
        _ => Vec::new(),
    }
}

/// Enter: what the box holds becomes a message, a reply or an edit. A text that cannot be sent
/// stays.
pub(super) fn send(model: &mut Model) -> Vec<Effect> {
    let Some(chat) = &mut model.chat else {
        model.tell(Tone::Warn, "open a conversation first: f finds people");
        return Vec::new();
    };
    let conv_id = chat.conv_id;
    let body = model.composer.cleaned().trim_end().to_string();
    if let Err(refused) = check::body(&body) {
        model.tell(Tone::Warn, refused.to_string());
        return Vec::new();
    }
    let target = std::mem::replace(&mut model.target, Target::New);
    let reply_seq = match target {
        Target::Edit { seq } => {
            model.target = target;
            cancel_edit(model);
            return vec![Effect::Ask(Ask::Edit { conv_id, seq, body })];
        }
        Target::Reply { seq } => seq,
        Target::New => 0,
    };
    // who writes has seen what is above, and wants to see what he wrote
    chat.new = None;
    moves::to_the_end(model);
    model.composer.set_text("");
    model.typing_told_at = 0;
    model.draft = Draft::default();
    vec![
        Effect::Send { conv_id, body, reply_seq },
        Effect::SaveDraft { conv_id, text: String::new() },
    ]
}

/// Puts the text of an old message into the box; the draft waits aside.
pub(super) fn begin_edit(model: &mut Model, seq: i64, body: &str) {
    if !matches!(model.target, Target::Edit { .. }) {
        model.draft.aside = model.composer.cleaned();
    }
    model.target = Target::Edit { seq };
    model.composer.set_text(body);
    model.place = Place::Compose;
    model.composer.enter_insert(At::LineEnd);
}

/// The newest message of mine, without looking for it.
fn edit_last(model: &mut Model) {
    let messages = model.chat.as_ref().map_or(&[][..], |chat| &chat.messages);
    let mine = |m: &&Message| m.sender_id == model.me && m.kind() == MessageKind::Text;
    match messages.iter().rev().find(mine) {
        Some(message) => {
            let (seq, body) = (message.seq, message.body.clone());
            begin_edit(model, seq, &body);
        }
        None => model.tell(Tone::Dim, "no message of yours is here to edit"),
    }
}

fn cancel_edit(model: &mut Model) {
    let aside = std::mem::take(&mut model.draft.aside);
    model.target = Target::New;
    model.composer.set_text(&aside);
    model.draft.unsaved = false;
}

/// What the disk should hold for the open conversation, if it does not yet.
pub(super) fn save_draft(model: &mut Model) -> Option<Effect> {
    let conv_id = model.chat.as_ref()?.conv_id;
    if !std::mem::take(&mut model.draft.unsaved) {
        return None;
    }
    let text = match model.target {
        Target::Edit { .. } => model.draft.aside.clone(),
        Target::Reply { .. } | Target::New => model.composer.cleaned(),
    };
    Some(Effect::SaveDraft { conv_id, text })
}

/// Leaves the conversation's box: its draft goes to the disk, the box is empty.
pub(super) fn put_away(model: &mut Model) -> Vec<Effect> {
    let effects = save_draft(model).into_iter().collect();
    model.composer.clear();
    model.draft = Draft::default();
    model.target = Target::New;
    effects
}
