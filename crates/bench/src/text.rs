//! The text of a message: a number that can be checked, and words up to the usual length.

use crate::limits::TEXT_BYTES;

const NUMBER_BYTES: usize = 12;
const WORDS: &str = " is the number of this line in the log of the two of us";

/// The text of message `number`: [`TEXT_BYTES`] long.
pub(crate) fn line(number: u64) -> String {
    let mut text = format!("{number:0NUMBER_BYTES$}{WORDS}");
    text.truncate(TEXT_BYTES);
    text
}

/// Whether this is the text of message `number`.
pub(crate) fn is_line(text: &str, number: u64) -> bool {
    let (Some(digits), Some(words)) = (text.get(..NUMBER_BYTES), text.get(NUMBER_BYTES..)) else {
        return false;
    };
    digits.parse() == Ok(number)
        && words.len() == TEXT_BYTES - NUMBER_BYTES
        && WORDS.starts_with(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_length_and_its_number() {
        for number in [0, 7, 1_000_000] {
            let text = line(number);
            assert_eq!(text.len(), TEXT_BYTES);
            assert!(is_line(&text, number));
            assert!(!is_line(&text, number + 1));
            assert!(!is_line(&text[1..], number));
        }
        assert!(!is_line("", 0));
    }
}
