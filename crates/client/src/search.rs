//! What a person looks for in messages: one rule for the copy on disk, which finds, and for the
//! screen, which shows what was found.

use std::ops::Range;

use proto::{Message, MessageKind, mention};

use crate::limits;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    Text(Query),
    /// All of one person.
    Sender(i64),
    /// What mentions this handle, and was not written by `me`.
    Mention {
        handle: String,
        me: i64,
    },
}

/// Texts that must all stand in a message, at any place. Capital letters count where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    parts: Vec<String>,
    exact: bool,
}

impl Query {
    /// Every word of `text`, in any order. None: there is none. Further ones than
    /// [`limits::SEARCH_WORDS_MAX`] are not looked for.
    pub fn words(text: &str) -> Option<Self> {
        Self::of(text.split_whitespace().take(limits::SEARCH_WORDS_MAX))
    }

    /// `text` as it stands there.
    pub fn phrase(text: &str) -> Option<Self> {
        Self::of(std::iter::once(text))
    }

    fn of<'a>(parts: impl Iterator<Item = &'a str>) -> Option<Self> {
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        let exact = parts.iter().any(|part| part.chars().any(char::is_uppercase));
        let kept = |part: &&str| if exact { (*part).to_owned() } else { fold(part) };
        let parts: Vec<String> = parts.iter().map(kept).collect();
        (!parts.is_empty()).then_some(Self { parts, exact })
    }

    pub fn finds(&self, body: &str) -> bool {
        match self.exact {
            true => self.parts.iter().all(|part| body.contains(part)),
            false => {
                let folded = fold(body);
                self.parts.iter().all(|part| folded.contains(part))
            }
        }
    }

    /// Where the parts stand in `body`: in order, and none overlaps another.
    pub fn places(&self, body: &str) -> Vec<Range<usize>> {
        let mut places: Vec<Range<usize>> = Vec::new();
        if self.exact {
            for part in &self.parts {
                places.extend(body.match_indices(part).map(|(at, _)| at..at + part.len()));
            }
        } else {
            let (folded, origin) = fold_with_origin(body);
            for part in &self.parts {
                let found = folded.match_indices(part);
                places
                    .extend(found.map(|(at, _)| origin[at].start..origin[at + part.len() - 1].end));
            }
        }
        places.sort_unstable_by_key(|place| (place.start, place.end));
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(places.len());
        for place in places {
            match apart.last_mut() {
                Some(last) if place.start < last.end => last.end = last.end.max(place.end),
                _ => apart.push(place),
            }
        }
        apart
    }
}

impl Sought {
    /// Only what people wrote is ever found.
    pub fn finds(&self, message: &Message) -> bool {
        if message.kind() != MessageKind::Text {
            return false;
        }
        match self {
            Sought::Text(query) => query.finds(&message.body),
            Sought::Sender(user_id) => message.sender_id == *user_id,
            Sought::Mention { handle, me } => {
                message.sender_id != *me
                    && message.body.contains('@')
                    && mention::handles(&message.body).contains(&handle.as_str())
            }
        }
    }

    /// The question to the index: every three characters in a row, each as a string of its own. The
    /// index keeps no order, so what it answers is looked at once more. None: it cannot help,
    /// because nothing is three characters long.
    pub(crate) fn grams(&self) -> Option<String> {
        let texts = match self {
            Sought::Text(query) => query.parts.iter().map(|part| fold(part)).collect(),
            Sought::Sender(_) => return None,
            Sought::Mention { handle, .. } => vec![fold(&format!("@{handle}"))],
        };
        let mut grams: Vec<String> = Vec::new();
        for text in texts {
            let chars: Vec<char> = text.chars().collect();
            for gram in chars.windows(3) {
                let gram: String = gram.iter().collect::<String>().replace('"', "\"\"");
                let gram = format!("\"{gram}\"");
                if !grams.contains(&gram) && grams.len() < limits::SEARCH_GRAMS_MAX {
                    grams.push(gram);
                }
            }
        }
        (!grams.is_empty()).then(|| grams.join(" AND "))
    }
}

/// Character by character, so that a part of a text folds as it does within the whole.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The folded text, and for each of its bytes the bytes of `text` that it comes from.
fn fold_with_origin(text: &str) -> (String, Vec<Range<usize>>) {
    let mut folded = String::with_capacity(text.len());
    let mut origin = Vec::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        folded.extend(c.to_lowercase());
        origin.resize(folded.len(), at..at + c.len_utf8());
    }
    (folded, origin)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found<'a>(query: &Query, body: &'a str) -> Vec<&'a str> {
        query.places(body).into_iter().map(|place| &body[place]).collect()
    }

    #[test]
    fn small_letters_find_both_and_capitals_only_themselves() {
        let small = Query::phrase("ämter").unwrap();
        assert_eq!(found(&small, "ÄMTER und Ämter"), ["ÄMTER", "Ämter"]);
        let capital = Query::phrase("Äm").unwrap();
        assert_eq!(found(&capital, "ÄMTER und Ämter"), ["Äm"]);
        assert_eq!(found(&Query::phrase("σας").unwrap(), "ΣΑΣ σας"), ["σας"]);
        assert_eq!(found(&Query::phrase("本語").unwrap(), "日本語だ"), ["本語"]);
        assert_eq!(Query::words(" \t"), None);
    }

    #[test]
    fn all_words_must_be_there_in_any_order() {
        let both = Query::words("lunch  corner").unwrap();
        assert!(both.finds("at the CORNER, for lunch"));
        assert!(!both.finds("lunch"));
        assert_eq!(found(&Query::words("ab bc").unwrap(), "xabcx"), ["abc"]);
    }

    #[test]
    fn the_question_to_the_index_is_quoted() {
        let grams = |text| Sought::Text(Query::phrase(text).unwrap()).grams();
        assert_eq!(grams("ab"), None);
        assert_eq!(grams("日本"), None);
        assert_eq!(grams("a\"B*").unwrap(), "\"a\"\"b\" AND \"\"\"b*\"");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_part_of_a_text_is_found_where_it_stands(
            body in "\\PC{0,40}",
            from in 0_usize..40,
            to in 0_usize..40,
        ) {
            let chars: Vec<char> = body.chars().collect();
            let (from, to) = (from.min(chars.len()), to.min(chars.len()));
            let part: String = chars[from.min(to)..from.max(to)].iter().collect();
            if let Some(query) = Query::phrase(&part) {
                prop_assert!(query.finds(&body));
                let places = query.places(&body);
                prop_assert!(!places.is_empty());
                for place in places {
                    prop_assert!(body.get(place).is_some(), "it cuts a character");
                }
            }
        }
    }
}
