//! Is this value allowed? One sentence for a person where it is not. Used by servers before they
//! act and by clients before they send, so that both say the same.

use std::ops::RangeInclusive;

use crate::{clean, limits, mention};

/// Why a value was refused: a sentence that can be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

fn refuse<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

/// A handle: 3 to 32 of `a-z 0-9 . _ -`, beginning with a letter or digit and not ending with `.`
/// or `-`.
pub fn handle(text: &str) -> Result<(), Refused> {
    let sized = (limits::HANDLE_CHARS_MIN..=limits::HANDLE_CHARS_MAX).contains(&text.len());
    let ends = !text.starts_with(['.', '_', '-']) && !text.ends_with(['.', '-']);
    if sized && ends && text.chars().all(mention::is_handle_char) {
        return Ok(());
    }
    refuse("a handle has 3 to 32 of a-z, 0-9, '.', '_', '-', and begins with a letter or digit")
}

/// A display name: one line, visible, no tricks with direction or invisible characters.
pub fn name(text: &str) -> Result<(), Refused> {
    line("a name", text, limits::NAME_BYTES_MAX)
}

/// The title of a group, by the same rule as a name.
pub fn title(text: &str) -> Result<(), Refused> {
    line("a title", text, limits::TITLE_BYTES_MAX)
}

/// The name of a device, as it stands in the list of sessions.
pub fn device(text: &str) -> Result<(), Refused> {
    line("a device's name", text, limits::DEVICE_BYTES_MAX)
}

fn line(what: &str, text: &str, bytes_max: usize) -> Result<(), Refused> {
    if text.trim().is_empty() || text.len() > bytes_max {
        return refuse(format!("{what} has 1 to {bytes_max} bytes"));
    }
    if text.trim() != text || clean::line(text) != text {
        return refuse(format!("{what} is one line without control or invisible characters"));
    }
    Ok(())
}

/// The text of a message: 1 to 16,384 bytes, not only blanks; of the control characters only
/// newline and tab.
pub fn body(text: &str) -> Result<(), Refused> {
    if text.trim().is_empty() {
        return refuse("a message needs some text");
    }
    if text.len() > limits::BODY_BYTES_MAX {
        return refuse(format!("a message has at most {} bytes", limits::BODY_BYTES_MAX));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return refuse("a message has no control characters but newline and tab");
    }
    Ok(())
}

/// A password: at least 8 characters, at most 128 bytes, and not one of those that everybody tries
/// first.
pub fn password(text: &str) -> Result<(), Refused> {
    if text.chars().count() < limits::PASSWORD_CHARS_MIN || text.len() > limits::PASSWORD_BYTES_MAX
    {
        return refuse("a password has at least 8 characters and at most 128 bytes");
    }
    if is_common(&text.to_ascii_lowercase()) {
        return refuse("this password is one of the first that anybody would try");
    }
    Ok(())
}

/// One character over and over, a run of the keyboard or alphabet, or a well-known word with digits
/// behind it.
fn is_common(lower: &str) -> bool {
    const RUNS: [&str; 6] = [
        "abcdefghijklmnopqrstuvwxyz",
        "01234567890123456789",
        "98765432109876543210",
        "qwertyuiopasdfghjklzxcvbnm",
        "qwertzuiopasdfghjklyxcvbnm",
        "1q2w3e4r5t6y7u8i9o0p",
    ];
    const WORDS: [&str; 16] = [
        "password", "passwort", "passw0rd", "p@ssw0rd", "letmein", "iloveyou", "princess",
        "sunshine", "football", "baseball", "superman", "trustno", "welcome", "dragon", "monkey",
        "natter",
    ];
    let first = lower.chars().next();
    let word = lower.trim_end_matches(|c: char| c.is_ascii_digit() || c == '!');
    lower.chars().all(|c| Some(c) == first)
        || RUNS.iter().any(|run| run.contains(lower))
        || WORDS.contains(&word)
}

/// An e-mail address, loosely: the proof that it works is the mail that arrives.
pub fn email(text: &str) -> Result<(), Refused> {
    let parts: Vec<&str> = text.split('@').collect();
    let plain = text.chars().all(|c| c.is_ascii_graphic() && !"<>()[],;:\\\"".contains(c));
    if plain
        && text.len() <= limits::EMAIL_BYTES_MAX
        && let [local, domain] = parts[..]
        && !local.is_empty()
        && domain.contains('.')
        && domain.split('.').all(|label| !label.is_empty())
    {
        return Ok(());
    }
    refuse("this does not look like an e-mail address")
}

/// The URL of a webhook or of a push topic. Where it may lead to is the server's decision.
pub fn door_url(text: &str) -> Result<(), Refused> {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return refuse("a URL begins with https://");
    };
    if text.len() > limits::DOOR_URL_BYTES_MAX {
        return refuse(format!("a URL has at most {} bytes", limits::DOOR_URL_BYTES_MAX));
    }
    let (authority, _) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.is_empty() || authority.contains('@') {
        return refuse("a URL names a host, and nobody before an @");
    }
    match text.chars().all(|c| c.is_ascii_graphic() && c != '#') {
        true => Ok(()),
        false => refuse("a URL is plain ASCII without blanks and without #"),
    }
}

/// The emoji of a reaction: short, no letters, digits alone, blanks or control characters.
pub fn emoji(text: &str) -> Result<(), Refused> {
    let sized = (1..=limits::EMOJI_BYTES_MAX).contains(&text.len());
    let drawn = text.chars().any(|c| !c.is_ascii() || "+-!?".contains(c));
    let plain = text.chars().all(|c| !c.is_alphabetic() && !c.is_control() && !c.is_whitespace());
    if sized && drawn && plain && clean::line(text) == text {
        return Ok(());
    }
    refuse("a reaction is one emoji of at most 32 bytes")
}

/// What is typed into a search.
pub fn search(text: &str) -> Result<(), Refused> {
    let sized = (limits::SEARCH_BYTES_MIN..=limits::SEARCH_BYTES_MAX).contains(&text.trim().len());
    if sized && !text.chars().any(char::is_control) {
        return Ok(());
    }
    refuse("a search has 2 to 64 bytes")
}

/// An id, seq or key that must name something.
pub fn positive(what: &str, number: i64) -> Result<(), Refused> {
    if number > 0 {
        return Ok(());
    }
    refuse(format!("{what} is a number above 0"))
}

/// The size of a list.
pub fn count(what: &str, len: usize, allowed: RangeInclusive<usize>) -> Result<(), Refused> {
    if allowed.contains(&len) {
        return Ok(());
    }
    refuse(format!("{what}: {} to {} of them", allowed.start(), allowed.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles() {
        for good in ["ann", "a.b", "x_1-y", "0day", &"a".repeat(32)] {
            assert_eq!(handle(good), Ok(()), "{good}");
        }
        for bad in ["", "ab", "Ann", "ann ", "-ann", "ann.", "änn", "a\u{202e}nn", &"a".repeat(33)]
        {
            assert!(handle(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_one_visible_line() {
        assert_eq!(name("Ann Müller 陈"), Ok(()));
        for bad in
            ["", " ", " Ann", "A\nB", "A\u{202e}B", "A\u{200b}B", "\u{1b}[31m", &"x".repeat(65)]
        {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bodies() {
        assert_eq!(body("two\nlines\tand a tab 👩‍👩‍👧"), Ok(()));
        for bad in ["", " \n", "\u{1b}]0;x\u{7}", "a\0b", "a\u{9b}b", "a\rb", &"x".repeat(16_385)] {
            assert!(body(bad).is_err(), "{:?}", &bad[..bad.len().min(20)]);
        }
    }

    #[test]
    fn passwords() {
        assert_eq!(password("correct horse"), Ok(()));
        for bad in [
            "short",
            "aaaaaaaa",
            "12345678",
            "qwertyuiop",
            "Password1",
            "letmein2024!",
            &"é".repeat(65),
        ] {
            assert!(password(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn emails_and_emoji() {
        assert_eq!(email("ann@example.org"), Ok(()));
        for bad in ["ann", "@x.y", "a@b", "a@b..c", "a b@c.d", "<a@b.c>", "a@b@c.d"] {
            assert!(email(bad).is_err(), "{bad}");
        }
        for good in ["👍", "❤️", "👩‍👩‍👧", "+1"] {
            assert_eq!(emoji(good), Ok(()), "{good}");
        }
        for bad in ["", "ok", "1", " ", "\u{1b}", "👍\u{202e}"] {
            assert!(emoji(bad).is_err(), "{bad:?}");
        }
    }
}
