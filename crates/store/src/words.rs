//! The words people are found by: small letters without accents, so that "muller" finds Müller.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::limits;

/// The words a person can be found by: the handle as it is, then each word of handle and name; each
/// once.
pub(crate) fn of_person(handle: &str, name: &str) -> Vec<String> {
    let mut words = vec![handle.to_owned()];
    for word in split(handle).into_iter().chain(split(name)) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.truncate(limits::WORDS_MAX);
    words
}

/// What was typed, word by word.
pub(crate) fn split(text: &str) -> Vec<String> {
    fold(text)
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(limits::WORD_CHARS_MAX).collect())
        .collect()
}

/// Small letters; compatible forms made one; marks taken off. What Unicode does not take apart but
/// everybody types without, is in the table.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'ħ' => folded.push('h'),
            'ı' => folded.push('i'),
            c => folded.push(c),
        }
    }
    folded
}

/// Every string one letter away from `word`: one left out, two swapped, one wrong, one missing.
/// About 300 for five letters, 2,000 for the longest word.
pub(crate) fn one_letter_away(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let mut found = Vec::new();
    let mut keep = |changed: Vec<char>| found.push(changed.into_iter().collect::<String>());
    for at in 0..=letters.len() {
        for new in ('a'..='z').chain('0'..='9') {
            let mut missing = letters.clone();
            missing.insert(at, new);
            keep(missing);
            if at < letters.len() && letters[at] != new {
                let mut wrong = letters.clone();
                wrong[at] = new;
                keep(wrong);
            }
        }
        if at < letters.len() {
            let mut left_out = letters.clone();
            left_out.remove(at);
            keep(left_out);
        }
        if at + 1 < letters.len() && letters[at] != letters[at + 1] {
            let mut swapped = letters.clone();
            swapped.swap(at, at + 1);
            keep(swapped);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_found_without_accents() {
        assert_eq!(split("Zoë Ångström-Łuczak"), ["zoe", "angstrom", "luczak"]);
        assert_eq!(split("STRASSE Straße ﬁn"), ["strasse", "strasse", "fin"]);
        assert_eq!(split("陈小明"), ["陈小明"]);
        assert!(split(" -- ").is_empty());
    }

    #[test]
    fn a_person_has_the_handle_and_the_words_of_both_names() {
        assert_eq!(of_person("ann.m", "Ann Müller"), ["ann.m", "ann", "m", "muller"]);
        let many = "a b c d e f g h i j k l m n o p";
        assert_eq!(of_person("zed", many).len(), limits::WORDS_MAX);
    }

    #[test]
    fn slips_of_the_finger() {
        let slips = one_letter_away("novk");
        for meant in ["novak", "nov", "nvok", "nova"] {
            assert!(slips.iter().any(|slip| slip == meant), "{meant}");
        }
        assert!(one_letter_away("jonson").contains(&"johnson".to_owned()));
        assert!(one_letter_away(&"x".repeat(limits::WORD_CHARS_MAX)).len() < 2_500);
    }
}
