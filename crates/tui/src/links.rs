//! Web addresses in a text. Only those that a browser is for: http and https.

use crate::limits::LINK_BYTES_MAX;

/// In the order in which they stand there.
pub fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("http") {
        let begun = &rest[at..];
        let end = begun.find(ends_link).unwrap_or(begun.len());
        let link = trimmed(&begun[..end]);
        let stands_alone = rest[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        if stands_alone && has_host(link) && link.len() <= LINK_BYTES_MAX {
            found.push(link);
        }
        rest = &begun[end.max("http".len())..];
    }
    found
}

fn ends_link(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "<>\"`{}|\\^".contains(c)
}

fn has_host(link: &str) -> bool {
    let host = link.strip_prefix("https://").or_else(|| link.strip_prefix("http://"));
    host.is_some_and(|host| host.starts_with(|c: char| c.is_alphanumeric() || c == '['))
}

/// Without what ends the sentence, and without a bracket that was opened before the address.
fn trimmed(link: &str) -> &str {
    let mut link = link;
    loop {
        let closes = |open: char, close: char| {
            link.ends_with(close) && link.matches(close).count() > link.matches(open).count()
        };
        match link.ends_with(['.', ',', ';', ':', '!', '?', '\'', '*', '_', '”', '’'])
            || closes('(', ')')
            || closes('[', ']')
        {
            true => link = &link[..link.len() - link.chars().next_back().map_or(1, char::len_utf8)],
            false => return link,
        }
    }
}

/// The name of the machine has letters beyond ASCII: it may look like another one.
pub fn is_disguised(link: &str) -> bool {
    let host = link.split("://").nth(1).unwrap_or("").split(['/', '?', '#']).next();
    host.is_some_and(|host| !host.is_ascii() || host.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_as_people_write_them() {
        for (text, found) in [
            ("see https://example.org.", vec!["https://example.org"]),
            (
                "(http://a.b/c_(d)) and https://x.y/?q=1,",
                vec!["http://a.b/c_(d)", "https://x.y/?q=1"],
            ),
            ("[text](https://a.b/c)!", vec!["https://a.b/c"]),
            ("<https://a.b>", vec!["https://a.b"]),
            ("https://a.b/日本?", vec!["https://a.b/日本"]),
            (
                "ftp://a.b file:///etc/passwd javascript:alert(1) http:// https://- xhttp://a.b",
                vec![],
            ),
        ] {
            assert_eq!(links(text), found, "{text}");
        }
    }

    #[test]
    fn a_disguised_address_is_known() {
        assert!(is_disguised("https://exаmple.org/"), "a Cyrillic a");
        assert!(is_disguised("https://example.org@evil.org/"));
        assert!(!is_disguised("https://example.org/@somebody/é"));
    }
}
