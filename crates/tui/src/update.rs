//! What happens when something happens: (model, input) → changed model and effects. Pure: no
//! terminal, no clock, no waiting, so that every test can press keys and look.

mod again;
mod answers;
mod compose;
mod deeds;
mod events;
mod fields;
pub(crate) mod go;
mod jumps;
mod mapped;
mod moves;
mod several;
mod show;
mod typed;

use client::Line;

use crate::commands::{Command, Deed, FieldDeed, Layer};
use crate::composer::Pressed;
use crate::effect::{Ask, Effect, Exit, Input};
use crate::keys::{self, Key, Meaning};
use crate::limits::{
    DRAFT_PAUSE_MS, MAPPING_WAIT_MS, OPENING_KEYS_MAX, PENDING_KEYS_MAX, WHICH_KEY_MS,
};
use crate::model::{Asked, GoalAsked, Model, Newer, Older, Over, Place, Tone};
use crate::scroll;
use crate::settings::Receipts;
use crate::tutor;
use crate::words;

/// Fewer loaded messages than this above the screen: more are read.
const OLDER_MARGIN: usize = 20;

/// Takes one input. The effects are to be done in this order.
pub fn update(model: &mut Model, input: Input) -> Vec<Effect> {
    let mut effects = match input {
        Input::Key(key) => {
            model.stale = true;
            model.begun = true;
            pressed(model, key)
        }
        Input::Paste(text) => {
            model.stale = true;
            paste(model, &text)
        }
        Input::Size { columns, rows } => {
            model.stale = true;
            (model.columns, model.rows) = (columns, rows);
            Vec::new()
        }
        Input::Focus(focused) => {
            model.stale = true;
            model.focused = focused;
            model.focus_told = true;
            Vec::new()
        }
        Input::Tick { now, figures } => {
            model.stale |= figures != model.figures;
            model.figures = figures;
            tick(model, now)
        }
        Input::Client(event) => {
            model.stale = true;
            events::take(model, event)
        }
        Input::Answer(answer) => {
            model.stale = true;
            let opened = answers::opened(&answer);
            let mut effects = answers::take(model, answer);
            if let Some(opened) = opened {
                let waiting = model.opening.take().filter(|_| opened).unwrap_or_default();
                effects.extend(waiting.into_iter().flat_map(|key| pressed(model, key)));
            }
            effects
        }
    };
    effects.extend(open_first(model));
    effects.extend(mark_read(model));
    effects.extend(want_older(model));
    effects.extend(want_newer(model));
    effects.extend(want_goal(model));
    effects.extend(want_hunt(model));
    tutor::watch(model, &effects);
    effects
}

/// A key, now or when the conversation is there that it is meant for.
fn pressed(model: &mut Model, key: Key) -> Vec<Effect> {
    match &mut model.opening {
        Some(_) if key == Key::Esc => model.opening = None,
        Some(waiting) if waiting.len() < OPENING_KEYS_MAX => waiting.push(key),
        Some(_) => {}
        None => {
            let effects = mapped::take(model, key);
            again::note_effects(model, &effects);
            let asks = |effect: &Effect| matches!(effect, Effect::Ask(Ask::OpenDirect { .. }));
            if effects.iter().any(asks) {
                model.opening = Some(Vec::new());
            }
            return effects;
        }
    }
    Vec::new()
}

fn press(model: &mut Model, key: Key) -> Vec<Effect> {
    model.notice = None;
    (model.pending_at, model.which_key) = (None, false);
    let layer = model.layer();
    let key = match key {
        // terminals that tell it from Tab tell it everywhere
        Key::Ctrl('i') if !matches!(layer, Layer::Messages | Layer::Select) => Key::Tab,
        other => other,
    };
    if layer.takes_text() {
        model.asked = None;
        // an unfinished command of the editor, or a selection, takes the next key, whatever it is
        // elsewhere
        let composer = &model.composer;
        let editing = matches!(layer, Layer::Insert | Layer::Normal)
            && (composer.is_waiting() || composer.is_selecting())
            && key != Key::Esc;
        if editing {
            return type_key(model, layer, key);
        }
        return press_in_text(model, layer, key);
    }
    model.pending.push(key);
    match keys::meaning(layer, &model.pending) {
        Meaning::Command(command, count) => {
            let pressed = std::mem::take(&mut model.pending);
            let asked = model.asked.take();
            again::note_keys(model, layer, command, &pressed);
            let effects = run(model, command, count, asked, &pressed);
            if layer == Layer::Select {
                several::end_selection(model, command);
            }
            effects
        }
        Meaning::Over(deed, motion, count) => {
            let pressed = std::mem::take(&mut model.pending);
            again::note_keys(model, layer, Command::Message(deed), &pressed);
            let asked = model.asked.take();
            several::over(model, deed, motion, count, asked, keys::register(&pressed))
        }
        Meaning::Unfinished if model.pending.len() < PENDING_KEYS_MAX => Vec::new(),
        Meaning::Unfinished | Meaning::Nothing => {
            let pressed = std::mem::take(&mut model.pending);
            model.asked = None;
            nothing(model, &pressed);
            Vec::new()
        }
    }
}

/// A key of the table, the beginning of one of more keys, or text.
fn press_in_text(model: &mut Model, layer: Layer, key: Key) -> Vec<Effect> {
    model.pending.push(key);
    if keys::begins_command(layer, &model.pending) {
        return Vec::new();
    }
    let pressed = std::mem::take(&mut model.pending);
    match keys::meaning(layer, &pressed) {
        Meaning::Command(command, _) if command != Command::Editor => {
            run(model, command, None, None, &pressed)
        }
        // what was begun was no command after all: nothing of it is lost
        _ => pressed.into_iter().flat_map(|key| type_key(model, layer, key)).collect(),
    }
}

fn run(
    model: &mut Model,
    command: Command,
    count: Option<usize>,
    asked: Option<Asked>,
    pressed: &[Key],
) -> Vec<Effect> {
    model.ran = Some(command);
    match command {
        Command::Jump(way) => {
            jumps::run(model, way, count);
            Vec::new()
        }
        Command::Mark(deed) => jumps::mark(model, deed, pressed.last()),
        Command::Move(way) => {
            moves::run(model, way, count);
            Vec::new()
        }
        Command::Write(way) => compose::write(model, way),
        Command::Message(deed @ (Deed::Copy | Deed::Delete)) => {
            several::here(model, deed, count, asked, keys::register(pressed))
        }
        Command::Message(Deed::Put) => several::put(model, keys::register(pressed)),
        Command::Message(deed) => deeds::run(model, deed, count, asked),
        Command::Go(way) => go::run(model, way, count, asked),
        Command::List(deed) => deeds::run_list(model, deed),
        Command::Box(deed) => compose::run(model, deed),
        Command::Field(FieldDeed::Register) => fields::register(model, pressed.last()),
        Command::Field(deed) => fields::run(model, deed),
        Command::Editor => Vec::new(),
    }
}

/// A key without a row of its own, where text is written.
fn type_key(model: &mut Model, layer: Layer, key: Key) -> Vec<Effect> {
    let known = match layer {
        Layer::Insert | Layer::Normal => {
            let pending = model.composer.pending();
            let empty = model.composer.empty_register(key);
            let (pressed, effects) = compose::type_key(model, key);
            if let Some(register) = empty {
                model.tell(Tone::Dim, words::nothing_in(register));
                return effects;
            }
            match pressed {
                Pressed::Done => {}
                Pressed::Unknown => nothing(model, &[key]),
                // never silence; but a cursor that is at the edge is seen
                Pressed::Refused if pending.is_empty() && keys::is_arrow_like(key) => {}
                Pressed::Refused => {
                    let text = format!("{pending}{} does nothing here", keys::show(key));
                    model.tell(Tone::Dim, text);
                }
            }
            return effects;
        }
        Layer::Finder | Layer::CommandLine | Layer::Search => fields::type_key(model, key),
        Layer::Reactions => return fields::type_reaction(model, key),
        Layer::Messages | Layer::Select | Layer::List => false,
        Layer::Help | Layer::Details | Layer::Results => false,
    };
    if !known {
        nothing(model, &[key]);
    }
    Vec::new()
}

/// Says that the keys mean nothing; never silence, but for Esc, which is pressed to be sure.
fn nothing(model: &mut Model, pressed: &[Key]) {
    match pressed {
        [.., Key::Esc] => {}
        [Key::Ctrl('c')] => model.tell(Tone::Dim, "to quit, type :q Enter, or q"),
        _ => {
            let keys = keys::show_all(pressed);
            model.tell(Tone::Warn, format!("no such key: {keys}   ? shows all keys"));
        }
    }
}

/// A text goes where text is written, as one block.
fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    match &mut model.over {
        Some(Over::Finder(finder)) => {
            finder.line.insert(text);
            finder.selected = 0;
        }
        Some(Over::CommandLine(prompt)) => prompt.line.insert(text),
        Some(Over::Search(line)) => line.insert(text),
        Some(Over::Reactions(reactions)) => reactions.line.insert(text),
        Some(Over::Help(help)) => {
            if let Some(line) = &mut help.line {
                line.insert(text);
            }
        }
        Some(Over::Details(_) | Over::Results(_)) => {}
        None if model.place == Place::Compose => return compose::paste(model, text),
        None => model.tell(Tone::Dim, "press i first, then paste"),
    }
    Vec::new()
}

fn tick(model: &mut Model, now: i64) -> Vec<Effect> {
    let second_shown = matches!(model.line, Line::Waiting { .. });
    let minute_passed = model.now / 60_000 != now / 60_000;
    model.stale |= second_shown || minute_passed;
    model.now = now;
    let typists = model.typing.len();
    model.typing.retain(|typist| typist.until > now);
    model.stale |= model.typing.len() != typists;
    if model.notice.as_ref().is_some_and(|notice| notice.until <= now) {
        model.notice = None;
        model.stale = true;
    }
    let mut effects = Vec::new();
    if model.is_unfinished() {
        // the time of the key is not known, but the clock is read after each
        let since = *model.pending_at.get_or_insert(now);
        model.stale |= !model.which_key && now - since >= WHICH_KEY_MS;
        model.which_key |= now - since >= WHICH_KEY_MS;
        effects.extend(mapped::passed(model, now - since));
    }
    if model.draft.unsaved && model.draft.changed_at + DRAFT_PAUSE_MS <= now {
        effects.extend(compose::save_draft(model));
    }
    effects
}

/// The longest time in milliseconds after which something happens without a key; None: nothing
/// does.
pub(crate) fn pause_ms(model: &Model) -> Option<i64> {
    match (model.is_unfinished(), model.held.is_empty()) {
        (true, true) if !model.which_key => Some(WHICH_KEY_MS),
        (true, false) if !model.which_key => Some(WHICH_KEY_MS.min(MAPPING_WAIT_MS)),
        (true, false) => Some(MAPPING_WAIT_MS),
        _ => None,
    }
}

/// The screen begins with the newest conversation, as soon as there is one.
fn open_first(model: &mut Model) -> Vec<Effect> {
    let first = model.conversations.first().map(|conversation| conversation.conv_id);
    match first {
        Some(conv_id) if !model.begun => go::open(model, conv_id),
        Some(_) | None => Vec::new(),
    }
}

/// What one looks at is read: the conversation is open, at its end, and the terminal has the focus.
fn mark_read(model: &mut Model) -> Option<Effect> {
    let uncovered = matches!(model.over, None | Some(Over::CommandLine(_) | Over::Search(_)));
    let chat = model.chat.as_ref()?;
    let seq = chat.messages.last()?.seq;
    let conv_id = chat.conv_id;
    let awake = model.focused || model.settings.receipts != Receipts::Focused;
    let looking = awake && uncovered && chat.loaded && chat.follows();
    if !looking || seq <= chat.read_told || scroll::pane(model).1 == 0 {
        return None;
    }
    model.chat.as_mut()?.read_told = seq;
    let conversation = model.conversations.iter_mut().find(|c| c.conv_id == conv_id)?;
    if seq <= conversation.read_seq {
        return None;
    }
    conversation.read_seq = seq;
    match model.settings.receipts {
        Receipts::Focused | Receipts::Visible => Some(Effect::Read { conv_id, seq }),
        // it is read here, and nobody else learns of it
        Receipts::Never => None,
    }
}

/// Reads more of the conversation when its loaded beginning comes near.
fn want_older(model: &mut Model) -> Option<Effect> {
    let chat = model.chat.as_ref()?;
    let first_seq = chat.messages.first().map_or(0, |message| message.seq);
    let (_, height) = scroll::pane(model);
    // every message has a row, so a full screen at the end of many cannot be near the beginning
    let far = chat.bottom.is_none() && chat.messages.len() > height + OLDER_MARGIN;
    if !chat.loaded || far {
        return None;
    }
    let near = scroll::visible_items(model).is_none_or(|(first, _)| first < OLDER_MARGIN);
    if !near {
        return None;
    }
    let conv_id = chat.conv_id;
    let effect = match chat.older {
        Older::OnDisk => Effect::Load { conv_id, before_seq: first_seq },
        Older::OnServer => Effect::Ask(Ask::History { conv_id, before_seq: first_seq }),
        Older::Asking | Older::Fetched { .. } | Older::Offline | Older::Nothing => return None,
    };
    model.chat.as_mut()?.older = Older::Asking;
    Some(effect)
}

/// Reads on when the end of what is loaded comes near and it is not the newest message.
fn want_newer(model: &mut Model) -> Option<Effect> {
    let chat = model.chat.as_ref().filter(|chat| chat.loaded)?;
    let (conv_id, count) = (chat.conv_id, model.item_count());
    let after_seq = chat.messages.last().map_or(0, |message| message.seq);
    let near = || scroll::visible_items(model).is_none_or(|(_, last)| last + OLDER_MARGIN >= count);
    let (newer, effect) = match chat.newer {
        Newer::ToTheEnd => (Newer::Nothing, Effect::Load { conv_id, before_seq: 0 }),
        Newer::OnDisk if near() => (Newer::Asking, Effect::LoadAfter { conv_id, after_seq }),
        Newer::OnServer if near() => {
            (Newer::Asking, Effect::Ask(Ask::HistoryAfter { conv_id, after_seq }))
        }
        Newer::Nothing | Newer::OnDisk | Newer::OnServer | Newer::Asking | Newer::Offline => {
            return None;
        }
    };
    let chat = model.chat.as_mut()?;
    if chat.newer == Newer::ToTheEnd {
        // as if it were opened anew
        chat.messages.clear();
        (chat.cursor, chat.bottom, chat.loaded, chat.older) = (None, None, false, Older::OnDisk);
    }
    chat.newer = newer;
    Some(effect)
}

/// Reads what stands around the message that is to be gone to: from the disk, then by the server.
fn want_goal(model: &mut Model) -> Option<Effect> {
    let chat = model.chat.as_mut()?;
    let conv_id = chat.conv_id;
    let goal = chat.goal.as_mut()?;
    if goal.asked != GoalAsked::Nobody {
        return None;
    }
    goal.asked = GoalAsked::Disk;
    Some(Effect::LoadAround { conv_id, seq: goal.seq })
}

fn want_hunt(model: &mut Model) -> Option<Effect> {
    let chat = model.chat.as_mut()?;
    let conv_id = chat.conv_id;
    let hunt = chat.hunt.as_mut().filter(|hunt| !hunt.asked)?;
    hunt.asked = true;
    let sought = hunt.sought.clone();
    Some(Effect::SearchIn { conv_id, sought, seq: hunt.seq, up: hunt.up })
}

/// The screen ends; what is in the box is kept.
pub(crate) fn leave(model: &mut Model) -> Vec<Effect> {
    let exit = match model.line {
        Line::SignedOut { .. } => Exit::SignedOut,
        _ => Exit::Quit,
    };
    let mut effects = compose::put_away(model);
    effects.push(Effect::Exit(exit));
    effects
}
