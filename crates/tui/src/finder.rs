//! Who and what the finder offers: friends and groups that are known here, then what the server
//! found.

use proto::{Conversation, ConversationKind, Person, Relation};

use crate::limits::FINDER_ROWS_MAX;
use crate::model::{Finder, Model, Over};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub target: Found,
    /// A handle, or `+title`.
    pub label: String,
    /// A person's name.
    pub name: String,
    /// How it stands to me, in words.
    pub note: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Conversation(i64),
    Person(i64),
}

/// What the open finder offers, best first; empty when none is open.
pub fn candidates(model: &Model) -> Vec<Candidate> {
    let Some(Over::Finder(finder)) = &model.over else {
        return Vec::new();
    };
    let text = finder.line.text.trim().to_lowercase();
    let mut known: Vec<((u8, usize), Candidate)> = Vec::new();
    let others = model.people.values().filter(|person| person.user_id != model.me);
    for person in others.filter(|person| !finder.friends_only || is_friend(person)) {
        let handle_score = score(&text, &person.handle);
        let best = handle_score.into_iter().chain(score(&text, &person.name)).min();
        if let Some(points) = best {
            let rank = if is_friend(person) { 0 } else { 1 };
            known.push(((rank, points), of_person(person)));
        }
    }
    if !finder.friends_only {
        for group in model.conversations.iter().filter(|c| c.kind() == ConversationKind::Group) {
            if let Some(points) = score(&text, &group.title) {
                known.push(((0, points), of_group(group)));
            }
        }
    }
    known.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.label.cmp(&b.1.label)));
    let mut rows: Vec<Candidate> = known.into_iter().map(|(_, candidate)| candidate).collect();
    rows.extend(from_server(model, finder, &rows));
    rows.truncate(FINDER_ROWS_MAX);
    rows
}

/// What the server found for the very text that stands there, less what is listed already.
fn from_server(model: &Model, finder: &Finder, listed: &[Candidate]) -> Vec<Candidate> {
    let Some((text, ids)) = &finder.everybody else {
        return Vec::new();
    };
    if *text != finder.line.text.trim() {
        return Vec::new();
    }
    let fresh = |id: &&i64| !listed.iter().any(|row| row.target == Found::Person(**id));
    let people = ids.iter().filter(fresh).filter_map(|id| model.people.get(id));
    people.filter(|person| person.user_id != model.me).map(of_person).collect()
}

fn is_friend(person: &Person) -> bool {
    person.relation() == Relation::Friend
}

fn of_person(person: &Person) -> Candidate {
    let note = match person.relation() {
        Relation::Friend if person.online => "friend, online",
        Relation::Friend => "friend",
        Relation::Asked => "asked, not answered yet",
        Relation::Asks => "asks to be your friend",
        Relation::Blocked => "blocked",
        Relation::None => "",
    };
    Candidate {
        target: Found::Person(person.user_id),
        label: person.handle.clone(),
        name: person.name.clone(),
        note,
    }
}

fn of_group(group: &Conversation) -> Candidate {
    Candidate {
        target: Found::Conversation(group.conv_id),
        label: format!("+{}", group.title),
        name: String::new(),
        note: "group",
    }
}

/// How badly `text` fits as letters in order within `whole`: 0 is best. None: it does not.
///
/// Points are the letters skipped before and between; a prefix has none.
fn score(text: &str, whole: &str) -> Option<usize> {
    let mut points = 0;
    let whole = whole.to_lowercase();
    let mut rest = whole.chars();
    for wanted in text.chars() {
        loop {
            match rest.next()? {
                c if c == wanted => break,
                _ => points += 1,
            }
        }
    }
    Some(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_order_are_enough_and_a_prefix_is_best() {
        assert_eq!(score("ch", "chen"), Some(0));
        assert_eq!(score("cn", "chen"), Some(2));
        assert_eq!(score("hc", "chen"), None);
        assert_eq!(score("", "chen"), Some(0));
        assert_eq!(score("陈", "chen 陈"), Some(5));
    }
}
