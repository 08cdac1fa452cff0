//! What Tab offers on the command line: names of commands, then what may follow each of them.

use crate::commands::{Layer, TYPED, Typed, find_typed};
use crate::model::{CompletionRow, Model};
use crate::notices::WORDS;
use crate::settings::{self, CHOICES};
use crate::words;

/// Whole lines that complete `stem`.
pub fn rows(model: &Model, stem: &str) -> Vec<CompletionRow> {
    let Some((head, begun)) = stem.rsplit_once(' ') else {
        let fits = TYPED.iter().filter(|row| row.name.starts_with(stem));
        let row = |name: &str, help: &str| CompletionRow {
            line: name.to_string(),
            word: name.to_string(),
            help: help.to_string(),
        };
        return fits.map(|row_of| row(row_of.name, row_of.help)).collect();
    };
    let name = head.split(' ').next().unwrap_or_default().trim_end_matches('!');
    let command = find_typed(name).ok().map(|row| row.command);
    let first = !head.contains(' ');
    let words = match command {
        Some(Typed::Set) if first => settings(begun),
        Some(Typed::Theme) if first => values("theme"),
        Some(Typed::Map | Typed::Unmap) if first => layers(),
        Some(Typed::Map | Typed::Unmap | Typed::Set | Typed::Theme) => Vec::new(),
        Some(Typed::Notices) => notices(head.split_once(' ').map(|(_, word)| word)),
        Some(Typed::Open) => conversations(model),
        _ => people(model),
    };
    let fits = words.into_iter().filter(|(word, _)| word.starts_with(begun));
    fits.map(|(word, help)| CompletionRow { line: format!("{head} {word}"), word, help }).collect()
}

fn settings(begun: &str) -> Vec<(String, String)> {
    if let Some((name, _)) = begun.split_once('=') {
        let values = values(name).into_iter();
        return values.map(|(word, help)| (format!("{name}={word}"), help)).collect();
    }
    CHOICES.iter().map(|row| (row.name.to_string(), row.help.to_string())).collect()
}

/// The words of a setting, with the lines that explain them.
fn values(name: &str) -> Vec<(String, String)> {
    let Ok(row) = settings::find_choice(name) else {
        return Vec::new();
    };
    let help = |word: &str| {
        let lines = row.words.iter().filter_map(|line| line.split_once(' '));
        let mut found = lines.filter(|line| line.0 == word);
        found.next().map_or_else(String::new, |line| line.1.trim().to_string())
    };
    settings::words(row.choice).iter().map(|word| (word.to_string(), help(word))).collect()
}

/// The words behind `:notices`, or what may follow one of them.
fn notices(after: Option<&str>) -> Vec<(String, String)> {
    let mut words: Vec<(String, String)> = match after {
        None => WORDS.iter().map(|row| (row.0.into(), row.2.into())).collect(),
        Some(word) => {
            let rows = WORDS.iter().filter(|row| row.0 == word && !row.1.is_empty());
            rows.map(|row| (row.1.into(), row.2.into())).collect()
        }
    };
    words.dedup_by(|later, earlier| later.0 == earlier.0);
    words
}

fn layers() -> Vec<(String, String)> {
    Layer::ALL.iter().map(|layer| (layer.name().into(), layer.title().into())).collect()
}

fn conversations(model: &Model) -> Vec<(String, String)> {
    let all = model.conversations.iter();
    all.map(|open| (words::title(model, open), String::new())).collect()
}

fn people(model: &Model) -> Vec<(String, String)> {
    let others = model.people.values().filter(|person| person.user_id != model.me);
    let mut people: Vec<(String, String)> =
        others.map(|person| (person.handle.clone(), person.name.clone())).collect();
    people.sort_unstable();
    people
}
