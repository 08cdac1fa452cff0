//! Keys of the user's own: what was pressed is looked up here before the table sees it. What a
//! mapping leads to is not looked up again, so there are no circles.

use crate::commands::{Layer, find_typed};
use crate::keys::{self, Key};
use crate::limits::{MAPPED_KEYS_MAX, PENDING_KEYS_MAX};

/// In the order in which they were made; of each layer and keys there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keymap {
    pub rows: Vec<Mapping>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub layer: Layer,
    pub keys: Vec<Key>,
    pub to: To,
}

/// What a mapping stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// As if these were pressed, with the meaning of the table; none: nothing happens.
    Keys(Vec<Key>),
    /// A `:` command, without the colon.
    Typed(String),
}

/// What the keys pressed so far are to the mappings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The first so many keys are a mapping.
    Whole(usize, To),
    /// More keys may make one.
    Beginning,
    Nothing,
}

/// Reads one from its two texts, as they stand in `config.toml` and behind `:map`.
///
/// # Errors
/// A sentence for the user: which key or command there is not.
pub fn mapping(layer: Layer, from: &str, to: &str) -> Result<Mapping, String> {
    let keys = keys::read(from)?;
    if keys.is_empty() || keys.len() > PENDING_KEYS_MAX {
        return Err(format!("1 to {PENDING_KEYS_MAX} keys can be given a meaning"));
    }
    let to = match to.strip_prefix(':') {
        Some(line) if !line.trim().is_empty() => {
            let name = line.split_whitespace().next().unwrap_or_default();
            find_typed(name.trim_end_matches('!'))?;
            To::Typed(line.trim().to_string())
        }
        Some(_) | None => To::Keys(keys::read(to)?),
    };
    match &to {
        To::Keys(keys) if keys.len() > MAPPED_KEYS_MAX => {
            Err(format!("a key stands for at most {MAPPED_KEYS_MAX} keys"))
        }
        To::Keys(_) | To::Typed(_) => Ok(Mapping { layer, keys, to }),
    }
}

/// What it leads to, as it is written.
pub fn show(to: &To) -> String {
    match to {
        To::Keys(keys) if keys.is_empty() => "nothing".into(),
        To::Keys(keys) => keys::show_all(keys),
        To::Typed(line) => format!(":{line}"),
    }
}

impl Keymap {
    /// Adds it, in the place of one with the same keys.
    pub fn put(&mut self, mapping: Mapping) {
        self.remove(mapping.layer, &mapping.keys);
        self.rows.push(mapping);
    }

    /// false: there was none.
    pub fn remove(&mut self, layer: Layer, keys: &[Key]) -> bool {
        let before = self.rows.len();
        self.rows.retain(|row| row.layer != layer || row.keys != keys);
        self.rows.len() < before
    }

    /// The mappings of a layer, then those of the one below it that reach through it.
    pub fn of(&self, layer: Layer) -> impl Iterator<Item = &Mapping> {
        let own = self.rows.iter().filter(move |row| row.layer == layer);
        let below = self.rows.iter().filter(move |row| {
            layer.below() == Some(row.layer) && !keys::has_rows(layer, &row.keys)
        });
        own.chain(below)
    }

    /// Looks the keys up. `late`: nothing came behind them for a while.
    pub fn find(&self, layer: Layer, pressed: &[Key], late: bool) -> Found {
        let longer =
            |row: &Mapping| row.keys.len() > pressed.len() && row.keys.starts_with(pressed);
        if !late && self.of(layer).any(longer) {
            return Found::Beginning;
        }
        // of those that are whole the longest; of two as long the upper layer's
        let mut best: Option<&Mapping> = None;
        for row in self.of(layer).filter(|row| pressed.starts_with(&row.keys)) {
            if best.is_none_or(|best| row.keys.len() > best.keys.len()) {
                best = Some(row);
            }
        }
        best.map_or(Found::Nothing, |row| Found::Whole(row.keys.len(), row.to.clone()))
    }

    /// The keys mean something else here than the table says.
    pub fn hides(&self, layer: Layer, keys: &[Key]) -> bool {
        self.of(layer).any(|row| keys.starts_with(&row.keys))
    }
}
