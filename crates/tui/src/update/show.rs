//! `:set`, `:map`, `:theme`, `:notices`, `:ls`: what is chosen, and what there is.

use proto::http::Notices;
use proto::{Conversation, Member};

use super::go;
use crate::commands::{Layer, TABLE, shown_keys};
use crate::effect::{Ask, Effect};
use crate::keymap::{self, Mapping};
use crate::keys;
use crate::limits::MAPPINGS_MAX;
use crate::model::{Details, Model, Over, Tone, unread};
use crate::notices;
use crate::settings::{CHOICES, find_choice, words};
use crate::words;
use crate::wrap;

/// Columns of what stands on the left in these lists.
const LEFT_COLUMNS: usize = 20;

/// `:set`, `:set name`, `:set name=value`, and for what is true or false `:set name` and
/// `:set noname`.
pub(super) fn set(model: &mut Model, rest: &str) -> Result<(), String> {
    let is_bool =
        |name: &str| find_choice(name).is_ok_and(|row| words(row.choice) == ["true", "false"]);
    let (name, value) = match rest.split_once(['=', ' ']) {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => match rest.strip_prefix("no").filter(|name| is_bool(name)) {
            Some(name) => (name, Some("false")),
            None if is_bool(rest) => (rest, Some("true")),
            None => (rest.trim_end_matches('?'), None),
        },
    };
    if name.is_empty() {
        show_settings(model);
        return Ok(());
    }
    let row = find_choice(name)?;
    if let Some(value) = value {
        model.settings.set(row, value.trim_matches('"'))?;
    }
    let text = format!("{} is {}: {}", row.name, model.settings.word(row.choice), row.help);
    model.tell(Tone::Dim, text);
    Ok(())
}

pub(super) fn theme(model: &mut Model, rest: &str) -> Result<(), String> {
    set(model, format!("theme {rest}").trim_end())
}

fn show_settings(model: &mut Model) {
    let mut lines = Vec::new();
    for row in CHOICES {
        let word = model.settings.word(row.choice);
        lines.push(format!("{:<12}{word:<10}of {}", row.name, words(row.choice).join(", ")));
        lines.push(format!("{:12}{}", "", row.help));
    }
    lines.push(String::new());
    lines.push(":set name=value changes one until you quit. natter --print-config".into());
    lines.push("prints the file in which it stays changed.".into());
    popup(model, "settings", lines);
}

/// `:map`, `:map layer`, `:map layer keys to`.
pub(super) fn map(model: &mut Model, rest: &str) -> Result<(), String> {
    let mut words = rest.splitn(3, char::is_whitespace).filter(|word| !word.is_empty());
    let Some(layer) = words.next().map(Layer::named).transpose()? else {
        return show_own(model);
    };
    let Some(from) = words.next() else {
        show_layer(model, layer);
        return Ok(());
    };
    let mapping = keymap::mapping(layer, from, words.next().unwrap_or_default().trim())?;
    if model.settings.keymap.rows.len() >= MAPPINGS_MAX {
        return Err(format!("there are {MAPPINGS_MAX} keys of your own already"));
    }
    model.tell(Tone::Dim, format!("{} in {}", line(&mapping), layer.title()));
    model.settings.keymap.put(mapping);
    Ok(())
}

/// `:unmap layer keys`.
pub(super) fn unmap(model: &mut Model, rest: &str) -> Result<(), String> {
    let (layer, from) = rest.split_once(char::is_whitespace).ok_or("a layer and keys, please")?;
    let keys = keys::read(from.trim())?;
    match model.settings.keymap.remove(Layer::named(layer)?, &keys) {
        true => {
            model.tell(Tone::Dim, format!("{} is as it was", keys::show_all(&keys)));
            Ok(())
        }
        false => Err(format!("{} is no key of your own", keys::show_all(&keys))),
    }
}

fn line(mapping: &Mapping) -> String {
    let to = keymap::show(&mapping.to);
    format!("{:<LEFT_COLUMNS$}{to}", keys::show_all(&mapping.keys))
}

fn show_own(model: &mut Model) -> Result<(), String> {
    let mut lines = Vec::new();
    for layer in Layer::ALL {
        let own = model.settings.keymap.rows.iter().filter(|row| row.layer == layer);
        let own: Vec<String> = own.map(line).collect();
        if !own.is_empty() {
            lines.push(format!("{} ({})", layer.title(), layer.name()));
            lines.extend(own);
            lines.push(String::new());
        }
    }
    if lines.is_empty() {
        lines.push("You have no keys of your own.".into());
        lines.push(String::new());
    }
    lines.push(":map layer          all keys of a layer".into());
    lines.push(":map layer keys to  gives them a meaning until you quit".into());
    lines.push(format!("The layers are {}.", Layer::ALL.map(Layer::name).join(", ")));
    popup(model, "keys of your own", lines);
    Ok(())
}

/// What every key of a layer means now.
fn show_layer(model: &mut Model, layer: Layer) {
    let keymap = &model.settings.keymap;
    let mut lines: Vec<String> = keymap.of(layer).map(line).collect();
    if !lines.is_empty() {
        lines.push(String::new());
    }
    for row in TABLE.iter().filter(|row| row.layer == layer) {
        let keys = shown_keys(row, keymap).join(" ");
        if !keys.is_empty() {
            lines.push(format!("{keys:<LEFT_COLUMNS$}{}", row.help));
        }
    }
    if let Some(below) = layer.below() {
        lines.push(format!("and the keys of {}", below.title()));
    }
    popup(model, layer.title(), lines);
}

/// `:log`: what was told, the newest first.
pub(super) fn log(model: &mut Model) {
    let line = |(at, text): &(i64, String)| format!("{}  {text}", words::clock(*at, &model.zone));
    let lines: Vec<String> = model.log.iter().rev().map(line).collect();
    match lines.is_empty() {
        true => model.tell(Tone::Dim, "nothing was told yet"),
        false => popup(model, "log", lines),
    }
}

/// `:members`: as they were told when the group was opened; they are asked for anew.
pub(super) fn members(model: &mut Model, conv_id: i64) -> Result<Vec<Effect>, String> {
    let ask = Effect::Ask(Ask::Members { conv_id });
    let Some(members) = model.members.get(&conv_id) else {
        model.tell(Tone::Dim, "who is in is being asked for; try again in a moment");
        return Ok(vec![ask]);
    };
    let columns = words::handle_columns(members);
    let line = |member: &Member| {
        let (handle, role) = (&member.handle, words::role(member.role()));
        let there = words::presence(model, member.user_id).text;
        format!("{there} {handle:<columns$}  {role:<8}{}", member.name)
    };
    let lines = members.iter().map(line).collect();
    popup(model, "members", lines);
    Ok(vec![ask])
}

/// The title of what `:notices` shows, by which its answer finds it.
const NOTICES: &str = "while you are away";

/// `:notices`: asks the server, and changes there what was named.
pub(super) fn notices(model: &mut Model, rest: &str) -> Result<Vec<Effect>, String> {
    let change = notices::parse(rest)?;
    popup(model, NOTICES, vec!["the server is being asked …".into()]);
    Ok(vec![Effect::Ask(Ask::Notices(change))])
}

/// The answer, into its popup. Who has closed that is told on a line: a key is shown once.
pub(super) fn notices_came(model: &mut Model, came: &Notices) {
    let mut lines = client::notices::words(came);
    match &mut model.over {
        Some(Over::Details(details)) if details.title == NOTICES => {
            lines.push(String::new());
            lines.extend(notices::help());
            details.lines = lines;
        }
        _ => model.tell(Tone::Good, lines.join("; ")),
    }
}

pub(super) fn notices_refused(model: &mut Model) {
    if matches!(&model.over, Some(Over::Details(details)) if details.title == NOTICES) {
        model.over = None;
    }
}

/// `:ls`: the number is what `:b` and `{n}gt` take.
pub(super) fn conversations(model: &mut Model) {
    let line = |(number, open): (usize, &Conversation)| {
        let new = match unread(open) {
            0 => String::new(),
            count => format!("  {count} unread"),
        };
        // something stands to the right of this: no character of disputed width
        format!("{number:>3}  {}{new}", wrap::steady(&words::title(model, open)))
    };
    let lines: Vec<String> = (1..).zip(&model.conversations).map(line).collect();
    match lines.is_empty() {
        true => model.tell(Tone::Dim, "no conversations yet: f finds people"),
        false => popup(model, "conversations", lines),
    }
}

/// `:b name` or `:b number`: the one of this name, else the only one that begins so.
pub(super) fn open(model: &mut Model, rest: &str) -> Result<Vec<Effect>, String> {
    if rest.is_empty() {
        return Err("which? a name or a number must follow".into());
    }
    let bare = |name: &str| name.trim_start_matches(['+', '@']).to_lowercase();
    let sought = bare(rest);
    let all = model.conversations.iter();
    let named: Vec<(i64, String)> =
        all.map(|open| (open.conv_id, bare(&words::title(model, open)))).collect();
    let number = rest.parse().ok().filter(|number| (1..=named.len()).contains(number));
    let exact = named.iter().find(|row| row.1 == sought).map(|row| row.0);
    if let Some(conv_id) = exact.or(number.map(|number: usize| named[number - 1].0)) {
        return Ok(go::open(model, conv_id));
    }
    let begin: Vec<&(i64, String)> =
        named.iter().filter(|row| row.1.starts_with(&sought)).collect();
    match begin.as_slice() {
        [] => Err(format!("no conversation is called {rest}; f finds people")),
        [(conv_id, _)] => Ok(go::open(model, *conv_id)),
        several => {
            let names: Vec<&str> = several.iter().map(|row| row.1.as_str()).collect();
            Err(format!("{rest} may be {}", names.join(", ")))
        }
    }
}

fn popup(model: &mut Model, title: &str, lines: Vec<String>) {
    let title = title.to_string();
    model.over = Some(Over::Details(Details { title, lines, scroll: 0, about: None }));
}
