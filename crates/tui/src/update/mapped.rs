//! Before the table: keys of the user's own.

use super::{press, typed};
use crate::commands::Layer;
use crate::effect::Effect;
use crate::keymap::{Found, To};
use crate::keys::{self, Key, Meaning};
use crate::limits::MAPPING_WAIT_MS;
use crate::model::Model;

/// A key as it was pressed. It is held while it may be the beginning of a mapping.
pub(super) fn take(model: &mut Model, key: Key) -> Vec<Effect> {
    model.held.push(key);
    (model.pending_at, model.which_key) = (None, false);
    settle(model, false)
}

/// Time has passed: keys that have a meaning of their own are not held any longer. A beginning that
/// is one for the table too can wait.
pub(super) fn passed(model: &mut Model, waited_ms: i64) -> Vec<Effect> {
    if model.held.is_empty() || waited_ms < MAPPING_WAIT_MS {
        return Vec::new();
    }
    let layer = model.layer();
    let own = matches!(keys::meaning(layer, &model.held), Meaning::Command(..));
    match own || layer.takes_text() {
        true => settle(model, true),
        false => Vec::new(),
    }
}

/// Each round takes a key at least, or leaves them all to wait.
fn settle(model: &mut Model, late: bool) -> Vec<Effect> {
    let mut effects = Vec::new();
    while !model.held.is_empty() {
        let layer = model.layer();
        let found = match begins(model, layer) {
            true => model.settings.keymap.find(layer, &model.held, late),
            false => Found::Nothing,
        };
        match found {
            Found::Beginning => return effects,
            Found::Whole(len, to) => {
                model.held.drain(..len);
                effects.extend(mean(model, to));
            }
            Found::Nothing => {
                let key = model.held.remove(0);
                effects.extend(press(model, key));
            }
        }
    }
    effects
}

/// No command is unfinished that the next key belongs to; a number may stand before a mapping.
fn begins(model: &Model, layer: Layer) -> bool {
    let boxed = matches!(layer, Layer::Insert | Layer::Normal);
    keys::without_count(layer, &model.pending).is_empty() && !(boxed && model.composer.is_waiting())
}

fn mean(model: &mut Model, to: To) -> Vec<Effect> {
    match to {
        To::Keys(keys) => {
            let mut effects = Vec::new();
            for key in keys {
                effects.extend(press(model, key));
            }
            effects
        }
        To::Typed(line) => {
            model.pending.clear();
            model.notice = None;
            model.asked = None;
            typed::run(model, &line)
        }
    }
}
