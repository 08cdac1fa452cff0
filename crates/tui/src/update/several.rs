//! Verbs over several messages: copy and delete as far as a motion goes, or what is selected; and
//! what was copied, put into the box.

use proto::MessageKind;

use super::{compose, deeds, jumps, moves};
use crate::commands::{Command, Deed, Write};
use crate::effect::{Ask, Effect};
use crate::limits::DELETE_MESSAGES_MAX;
use crate::model::{Asked, Item, ItemId, Model, Newer, Place, Tone};
use crate::words;

/// The selection, or so many messages from the cursor down.
pub(super) fn here(
    model: &mut Model,
    deed: Deed,
    count: Option<usize>,
    asked: Option<Asked>,
    register: Option<char>,
) -> Vec<Effect> {
    let Some(cursor) = model.cursor_index() else {
        model.tell(Tone::Dim, "there is no message here");
        return Vec::new();
    };
    let newest = model.item_count() - 1;
    let last = cursor.saturating_add(count.unwrap_or(1).saturating_sub(1));
    let range = model.selection().unwrap_or((cursor, last.min(newest)));
    act(model, deed, range, asked, register)
}

/// From the cursor to where the motion leads, both included.
pub(super) fn over(
    model: &mut Model,
    deed: Deed,
    motion: Command,
    count: Option<usize>,
    asked: Option<Asked>,
    register: Option<char>,
) -> Vec<Effect> {
    let (Some(from), Some(before)) = (model.cursor_index(), model.chat.as_ref()) else {
        model.tell(Tone::Dim, "there is no message here");
        return Vec::new();
    };
    let (cursor, bottom, goal) = (before.cursor, before.bottom, before.goal);
    let newer = before.newer;
    match motion {
        Command::Move(way) => moves::run(model, way, count),
        Command::Jump(way) => jumps::run(model, way, count),
        _ => {}
    }
    let to = model.cursor_index().unwrap_or(from);
    // a verb looks where the motion leads and does not go there
    if let Some(chat) = &mut model.chat {
        (chat.cursor, chat.bottom, chat.goal, chat.hunt) = (cursor, bottom, goal, None);
        if chat.newer == Newer::ToTheEnd {
            chat.newer = newer;
        }
    }
    if to == from {
        model.tell(Tone::Dim, "nothing more in this direction");
        return Vec::new();
    }
    act(model, deed, (from.min(to), from.max(to)), asked, register)
}

fn act(
    model: &mut Model,
    deed: Deed,
    (first, last): (usize, usize),
    asked: Option<Asked>,
    register: Option<char>,
) -> Vec<Effect> {
    let id = |at: usize| model.item(at).map(|item| item.id());
    match (deed, id(first), id(last)) {
        (Deed::Delete, Some(first), Some(last)) if first == last => {
            deeds::delete(model, first, asked)
        }
        (Deed::Delete, Some(from), Some(to)) => {
            delete_all(model, (first, last), asked == Some(Asked::DeleteAll(from, to)))
        }
        _ => copy(model, (first, last), register),
    }
}

/// A message of text that I wrote, stored or not.
fn mine(model: &Model, at: usize) -> Option<ItemId> {
    match model.item(at)? {
        Item::Stored(message)
            if message.sender_id != model.me || message.kind() != MessageKind::Text =>
        {
            None
        }
        item => Some(item.id()),
    }
}

fn delete_all(model: &mut Model, (first, last): (usize, usize), sure: bool) -> Vec<Effect> {
    let ids: Vec<ItemId> = (first..=last).filter_map(|at| mine(model, at)).collect();
    if ids.is_empty() {
        model.tell(Tone::Warn, "only your own messages can be deleted");
        return Vec::new();
    }
    if ids.len() > DELETE_MESSAGES_MAX {
        model.tell(Tone::Warn, format!("at most {DELETE_MESSAGES_MAX} are deleted at once"));
        return Vec::new();
    }
    let ends = (model.item(first).map(|i| i.id()), model.item(last).map(|i| i.id()));
    if let ((Some(from), Some(to)), false) = (ends, sure) {
        model.asked = Some(Asked::DeleteAll(from, to));
        let text = format!("delete {} of yours for everybody? the same again does it", ids.len());
        model.tell(Tone::Warn, text);
        return Vec::new();
    }
    let conv_id = model.chat.as_ref().map_or(0, |chat| chat.conv_id);
    let effect = |id| match id {
        ItemId::Seq(seq) => Effect::Ask(Ask::Delete { conv_id, seq }),
        ItemId::Key(client_key) => Effect::Unqueue { client_key },
    };
    ids.into_iter().map(effect).collect()
}

/// The plain texts into a register of the box. They are others' words: `@` will not press them.
fn copy(model: &mut Model, (first, last): (usize, usize), register: Option<char>) -> Vec<Effect> {
    let name = register.unwrap_or('"');
    if !(name.is_ascii_alphanumeric() || "\"-_+*".contains(name)) {
        model.tell(Tone::Warn, format!("there is no register {name}"));
        return Vec::new();
    }
    let text = |at| match model.item(at)? {
        Item::Stored(message) if message.kind() != MessageKind::Text => None,
        Item::Stored(message) => Some(message.body.as_str()),
        Item::Queued(queued) => Some(queued.body.as_str()),
    };
    let texts: Vec<&str> = (first..=last).filter_map(text).collect();
    let (count, mut text) = (texts.len(), texts.join("\n"));
    if count == 0 {
        model.tell(Tone::Warn, "there is no text to copy");
        return Vec::new();
    }
    let editor = &mut model.composer.editor;
    let name = match name.is_ascii_uppercase() {
        true => {
            let name = name.to_ascii_lowercase();
            if let Some(before) = editor.register(name) {
                text = format!("{}\n{text}", before.trim_end_matches('\n'));
            }
            name
        }
        false => name,
    };
    if text.len() > vim::limits::REGISTER_BYTES_MAX {
        model.tell(Tone::Warn, "that is too much for a register");
        return Vec::new();
    }
    editor.set_register(name, &text);
    let what = if count == 1 { "message" } else { "messages" };
    model.tell(Tone::Dim, format!("{count} {what} copied; p puts them into the box"));
    match name {
        '+' | '*' => compose::copy(model, &text).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// A register goes to the end of the box, where it can be seen and changed before it is sent.
pub(super) fn put(model: &mut Model, register: Option<char>) -> Vec<Effect> {
    let name = register.unwrap_or('"');
    let Some(text) = model.composer.editor.register(name) else {
        model.tell(Tone::Warn, words::nothing_in(name));
        return Vec::new();
    };
    compose::write(model, Write::AtEnd);
    match model.place {
        Place::Compose => compose::paste(model, text.trim_end_matches('\n')),
        Place::Messages | Place::List => Vec::new(),
    }
}

/// A selection ends with what was done to it; not while the cursor moves or a question is open.
pub(super) fn end_selection(model: &mut Model, done: Command) {
    let moved = matches!(done, Command::Move(_) | Command::Jump(_));
    if let (false, None, Some(chat)) = (moved, model.asked, &mut model.chat) {
        chat.selected = None;
    }
}
