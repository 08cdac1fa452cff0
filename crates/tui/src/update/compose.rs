//! Writing: into the box, out of it, sending what is in it, keeping what is not sent.

use proto::{check, limits::TYPING_REPEAT_MS};

use crate::commands::{BoxDeed, Write};
use crate::composer::{At, Composer, Mode, Pressed};
use crate::effect::{Ask, Effect};
use crate::keys::Key;
use crate::model::{Draft, Model, Place, Target, Tone};

pub(super) fn write(model: &mut Model, way: Write) {
    if model.chat.is_none() {
        model.tell(Tone::Warn, "open a conversation first: f finds people");
        return;
    }
    model.place = Place::Compose;
    model.composer.enter_insert(match way {
        Write::AtCursor => At::Cursor,
        Write::AfterCursor => At::AfterCursor,
        Write::AtEnd => At::LineEnd,
        Write::OnNewLine => At::NewLine,
    });
}

pub(super) fn run(model: &mut Model, deed: BoxDeed) -> Vec<Effect> {
    match deed {
        BoxDeed::Send => send(model),
        BoxDeed::Leave => {
            let empty = model.composer.text.is_empty();
            if model.composer.is_waiting() || (model.composer.mode == Mode::Insert && !empty) {
                model.composer.enter_normal();
                return Vec::new();
            }
            model.composer.enter_normal();
            model.place = Place::Messages;
            match model.target {
                Target::Edit { .. } => cancel_edit(model),
                Target::Reply { .. } if empty => model.target = Target::New,
                Target::Reply { .. } | Target::New => {}
            }
            save_draft(model).into_iter().collect()
        }
    }
}

/// Passes a key to the editor.
pub(super) fn type_key(model: &mut Model, key: Key) -> (Pressed, Vec<Effect>) {
    let before = model.composer.text.clone();
    let pressed = model.composer.press(key);
    let effects = match model.composer.text != before {
        true => changed(model),
        false => Vec::new(),
    };
    (pressed, effects)
}

pub(super) fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    model.composer.paste(text);
    changed(model)
}

fn changed(model: &mut Model) -> Vec<Effect> {
    model.draft.unsaved = true;
    model.draft.changed_at = model.now;
    let due = model.now - model.typing_told_at >= TYPING_REPEAT_MS as i64;
    match &model.chat {
        Some(chat) if due && !model.composer.text.is_empty() => {
            model.typing_told_at = model.now;
            vec![Effect::Typing {
                conv_id: chat.conv_id,
            }]
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
    let body = model.composer.text.trim_end().to_string();
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
    (chat.cursor, chat.bottom, chat.new) = (None, None, None);
    model.composer.set_text("");
    model.typing_told_at = 0;
    model.draft = Draft::default();
    vec![
        Effect::Send {
            conv_id,
            body,
            reply_seq,
        },
        Effect::SaveDraft {
            conv_id,
            text: String::new(),
        },
    ]
}

/// Puts the text of an old message into the box; the draft waits aside.
pub(super) fn begin_edit(model: &mut Model, seq: i64, body: &str) {
    if !matches!(model.target, Target::Edit { .. }) {
        model.draft.aside = std::mem::take(&mut model.composer.text);
    }
    model.target = Target::Edit { seq };
    model.composer.set_text(body);
    model.place = Place::Compose;
    model.composer.enter_insert(At::LineEnd);
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
        Target::Reply { .. } | Target::New => model.composer.text.clone(),
    };
    Some(Effect::SaveDraft { conv_id, text })
}

/// Leaves the conversation's box: its draft goes to the disk, the box is empty.
pub(super) fn put_away(model: &mut Model) -> Vec<Effect> {
    let effects = save_draft(model).into_iter().collect();
    model.composer = Composer::default();
    model.draft = Draft::default();
    model.target = Target::New;
    effects
}
