//! `.` and `u` outside the box: the last deed once more, or taken back as far as that is possible.

use super::{compose, press};
use crate::commands::{Command, Deed, Layer};
use crate::effect::{Ask, Effect};
use crate::keys::{self, Key};
use crate::model::{Asked, Item, ItemId, Model, Place, Repeat, Tone, Undo};

/// Remembers what was pressed, if it was a deed that can be done to another message too.
pub(super) fn note_keys(model: &mut Model, layer: Layer, command: Command, pressed: &[Key]) {
    let Command::Message(deed) = command else {
        return;
    };
    let repeats = match deed {
        Deed::Reply | Deed::Retry | Deed::Edit | Deed::Delete | Deed::Copy | Deed::Put => true,
        // what was given is noted when it is given; the others do nothing to a message
        Deed::React | Deed::Select | Deed::Unselect | Deed::Details | Deed::Open => false,
    };
    if !repeats {
        return;
    }
    let keys = match (layer, deed, model.selection()) {
        (Layer::Select, Deed::Copy | Deed::Delete, Some((first, last))) => {
            selected(pressed, last - first + 1)
        }
        _ => pressed.to_vec(),
    };
    model.repeat = Some(Repeat::Keys(keys));
}

/// `"ay` over five selected messages is `"a5yy` from the first of five others.
fn selected(pressed: &[Key], count: usize) -> Vec<Key> {
    let Some((verb, register)) = pressed.split_last() else {
        return Vec::new();
    };
    let mut keys = register.to_vec();
    keys.extend(keys::parse(&count.to_string()));
    keys.extend([*verb, *verb]);
    keys
}

pub(super) fn repeat(model: &mut Model, asked: Option<Asked>) -> Vec<Effect> {
    match model.repeat.clone() {
        Some(Repeat::Keys(keys)) => {
            // the question whether to delete is answered by the same deed again
            model.asked = asked;
            let mut effects = Vec::new();
            for key in keys {
                effects.extend(press(model, key));
            }
            effects
        }
        Some(Repeat::React(emoji)) => react(model, emoji),
        None => {
            model.tell(Tone::Dim, "nothing was done to a message yet");
            Vec::new()
        }
    }
}

fn react(model: &mut Model, emoji: String) -> Vec<Effect> {
    let item = model.cursor_index().and_then(|at| model.item(at));
    match item.and_then(|item| item.message()).map(|message| (message.conv_id, message.seq)) {
        Some((conv_id, seq)) => {
            vec![Effect::Ask(Ask::React { conv_id, seq, emoji, remove: false })]
        }
        None => {
            model.tell(Tone::Warn, "it is not stored yet: nothing to react to");
            Vec::new()
        }
    }
}

/// Looks at what a key has caused and remembers how things were. The model does not have the
/// changes yet: they come with the server's answer.
pub(super) fn note_effects(model: &mut Model, effects: &[Effect]) {
    let mut texts: Vec<String> = Vec::new();
    for effect in effects {
        match effect {
            Effect::Ask(Ask::Delete { seq, .. }) => texts.extend(body(model, ItemId::Seq(*seq))),
            Effect::Unqueue { client_key } => texts.extend(body(model, ItemId::Key(*client_key))),
            Effect::Ask(ask) => {
                if let Some(undo) = inverse(model, ask) {
                    model.undo = Some(undo);
                }
            }
            _ => {}
        }
    }
    if !texts.is_empty() {
        model.undo = Some(Undo::Texts(texts.join("\n\n")));
    }
}

fn body(model: &Model, id: ItemId) -> Option<String> {
    match model.item(model.index_of(id)?)? {
        Item::Stored(message) => Some(message.body.clone()),
        Item::Queued(queued) => Some(queued.body.clone()),
    }
}

/// The question that would take this one back.
fn inverse(model: &Model, ask: &Ask) -> Option<Undo> {
    Some(match ask {
        Ask::Edit { conv_id, seq, .. } => {
            let body = body(model, ItemId::Seq(*seq))?;
            Undo::Ask(Ask::Edit { conv_id: *conv_id, seq: *seq, body })
        }
        Ask::React { conv_id, seq, emoji, remove } => Undo::Ask(Ask::React {
            conv_id: *conv_id,
            seq: *seq,
            emoji: emoji.clone(),
            remove: !remove,
        }),
        Ask::Mute { conv_id, .. } => {
            let until = model.conversation(*conv_id)?.muted_until;
            Undo::Ask(Ask::Mute { conv_id: *conv_id, until })
        }
        Ask::Rename { conv_id, .. } => {
            let title = model.conversation(*conv_id)?.title.clone();
            Undo::Ask(Ask::Rename { conv_id: *conv_id, title })
        }
        Ask::Leave { conv_id } => Undo::Left(model.conversation(*conv_id)?.title.clone()),
        _ => return None,
    })
}

pub(super) fn undo(model: &mut Model) -> Vec<Effect> {
    match model.undo.take() {
        Some(Undo::Ask(ask)) => {
            model.tell(Tone::Dim, "as it was; u again takes this back");
            vec![Effect::Ask(ask)]
        }
        Some(Undo::Texts(text)) => {
            compose::write(model, crate::commands::Write::AtEnd);
            if model.place != Place::Compose {
                return Vec::new();
            }
            let effects = compose::paste(model, &text);
            let told = "the server keeps nothing of what was deleted: its text is in the box";
            model.tell(Tone::Dim, told);
            effects
        }
        Some(Undo::Left(title)) => {
            let text = format!("only somebody who is in +{title} can bring you back: :invite");
            model.tell(Tone::Warn, text);
            Vec::new()
        }
        None => {
            model.tell(Tone::Dim, "nothing to take back");
            Vec::new()
        }
    }
}
