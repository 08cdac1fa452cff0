//! `@handle` in a text: one rule for the server, which wakes people, and the client, which paints
//! them.

use crate::limits;

/// The handles that `body` mentions, each once, in order, without the `@`; no more than
/// [`limits::MENTIONS_MAX`].
///
/// A mention starts at the beginning or after a character that cannot be part of a word, so that an
/// e-mail address mentions nobody. A full stop or hyphen at the end belongs to the sentence.
pub fn handles(body: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut before = None;
    for (at, c) in body.char_indices() {
        let starts_word = !before.is_some_and(|b: char| b.is_alphanumeric() || b == '_');
        before = Some(c);
        if c != '@' || !starts_word {
            continue;
        }
        let rest = &body[at + 1..];
        let end = rest.find(|c: char| !is_handle_char(c)).unwrap_or(rest.len());
        let handle = rest[..end].trim_end_matches(['.', '-']);
        if crate::check::handle(handle).is_ok() && !found.contains(&handle) {
            found.push(handle);
        }
        if found.len() == limits::MENTIONS_MAX {
            break;
        }
    }
    found
}

/// What a handle is made of.
pub fn is_handle_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_are_words_that_begin_with_an_at() {
        assert_eq!(handles("@ann, ask @bob-2. Not me@carl.org or @x; @ann!"), ["ann", "bob-2"]);
        assert_eq!(handles("日本@dora (@eve)"), ["eve"]);
        assert!(handles("@ @@ @Ann").is_empty());
    }

    #[test]
    fn a_wall_of_mentions_is_cut() {
        let wall: String = (0..100).map(|n| format!("@user{n} ")).collect();
        assert_eq!(handles(&wall).len(), limits::MENTIONS_MAX);
    }
}
