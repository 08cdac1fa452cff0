//! How a text is to look: code, bold, italics, lists, quotes, links.
//!
//! Not CommonMark, and so not a library: in a chat a line break is meant, four blanks are no code,
//! and nothing may vanish. Every character of the text stays where it is; signs that mean
//! something are only drawn quietly. What is meant is decided line by line in one pass, with a
//! fixed number of open signs, so that no nesting can cost more than its length.

use std::collections::HashMap;
use std::ops::{BitOr, BitOrAssign, Range};

/// The widest indent of what hangs below a list sign or a quote, in bytes of the sign.
const HANG_MAX: usize = 12;

/// How a character looks; several at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look(u8);

impl Look {
    pub const PLAIN: Look = Look(0);
    /// A sign that has done its work.
    pub const QUIET: Look = Look(1);
    pub const BOLD: Look = Look(2);
    pub const ITALIC: Look = Look(4);
    pub const STRUCK: Look = Look(8);
    pub const CODE: Look = Look(16);
    pub const LINK: Look = Look(32);
    pub const QUOTE: Look = Look(64);
    /// What is searched for.
    pub const FOUND: Look = Look(128);

    pub fn has(self, other: Look) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Look {
    type Output = Look;

    fn bitor(self, other: Look) -> Look {
        Look(self.0 | other.0)
    }
}

impl BitOrAssign for Look {
    fn bitor_assign(&mut self, other: Look) {
        self.0 |= other.0;
    }
}

/// A line of the text, without its line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub range: Range<usize>,
    /// Within a block of code, or its fence: not to be wrapped.
    pub code: bool,
    /// Bytes of the sign below which the rest of the line hangs.
    pub hang: usize,
}

/// A text with its looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Styled {
    pub lines: Vec<Line>,
    /// One for each byte of the text.
    pub looks: Vec<Look>,
}

/// What a text of this kind looks like. Costs in proportion to its length.
pub fn style(text: &str) -> Styled {
    let mut styled = Styled { lines: Vec::new(), looks: vec![Look::PLAIN; text.len()] };
    let mut fence: Option<&str> = None;
    let mut start = 0;
    for line in text.split('\n') {
        let range = start..start + line.len();
        start = range.end + 1;
        let looks = &mut styled.looks[range.clone()];
        let sign = fence_sign(line);
        let (code, hang) = match (fence, sign) {
            (Some(open), Some(sign)) if closes(line, open, sign) => {
                fence = None;
                looks.fill(Look::QUIET);
                (true, 0)
            }
            (Some(_), _) => {
                looks.fill(Look::CODE);
                (true, 0)
            }
            (None, Some(sign)) => {
                fence = Some(sign);
                looks.fill(Look::QUIET);
                (true, 0)
            }
            (None, None) => (false, plain_line(line, looks)),
        };
        styled.lines.push(Line { range, code, hang });
    }
    styled
}

/// The ``` or ~~~ that a line begins with.
fn fence_sign(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(' ');
    let sign = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = line.trim_start_matches(sign);
    let len = line.len() - rest.len();
    // ```like this``` on one line is code within a line
    (len >= 3 && !rest.contains(sign)).then_some(&line[..len])
}

fn closes(line: &str, open: &str, sign: &str) -> bool {
    sign.starts_with(open) && line.trim() == sign
}

/// Looks of a line outside of code; bytes of the sign that it begins with.
fn plain_line(line: &str, looks: &mut [Look]) -> usize {
    let blanks = line.len() - line.trim_start_matches(' ').len();
    let rest = &line[blanks..];
    if rest.starts_with('>') {
        let sign = rest.len() - rest.trim_start_matches(['>', ' ']).len();
        let begin = blanks + sign;
        inline(&line[begin..], &mut looks[begin..]);
        looks.iter_mut().for_each(|look| *look |= Look::QUOTE);
        looks[..begin].fill(Look::QUIET | Look::QUOTE);
        return begin.min(HANG_MAX);
    }
    let heading = rest.len() - rest.trim_start_matches('#').len();
    if (1..=6).contains(&heading) && rest[heading..].starts_with(' ') {
        let begin = blanks + heading;
        inline(&line[begin..], &mut looks[begin..]);
        looks[begin..].iter_mut().for_each(|look| *look |= Look::BOLD);
        looks[..begin].fill(Look::QUIET);
        return 0;
    }
    let sign = list_sign(rest);
    let begin = blanks + sign;
    inline(&line[begin..], &mut looks[begin..]);
    if sign == 0 {
        return 0;
    }
    looks[..begin].fill(Look::BOLD);
    begin.min(HANG_MAX)
}

/// Bytes of `- ` or `12. ` at the beginning; 0 where there is none.
fn list_sign(line: &str) -> usize {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let after = &line[digits..];
    let sign = match digits {
        0 => after.starts_with(['-', '*', '+']),
        1..=4 => after.starts_with(['.', ')']),
        _ => false,
    };
    if sign && after[1..].starts_with(' ') { digits + 2 } else { 0 }
}

/// Signs that open and close.
const SIGNS: [(&str, Look); 5] = [
    ("**", Look::BOLD),
    ("__", Look::BOLD),
    ("~~", Look::STRUCK),
    ("*", Look::ITALIC),
    ("_", Look::ITALIC),
];

/// Looks within a line: code, links, bold, italics, struck.
fn inline(line: &str, looks: &mut [Look]) {
    let bytes = line.as_bytes();
    let code_ends = if line.contains('`') { code_ends(bytes) } else { HashMap::new() };
    // where each sign was opened
    let mut open: [Option<usize>; SIGNS.len()] = [None; SIGNS.len()];
    let mut bracket = None;
    let mut at = 0;
    while at < bytes.len() {
        let run = match bytes[at] {
            b'`' | b'*' | b'_' | b'~' => {
                bytes[at..].iter().take_while(|byte| **byte == bytes[at]).count()
            }
            _ => 1,
        };
        match bytes[at] {
            b'`' => match code_ends.get(&at) {
                Some(end) => {
                    looks[at..*end].fill(Look::QUIET);
                    looks[at + run..*end - run].fill(Look::CODE);
                    at = *end;
                }
                None => at += run,
            },
            b'*' | b'_' | b'~' => {
                emphasis(bytes, at, run, &mut open, looks);
                at += run;
            }
            b'[' => {
                bracket = Some(at);
                at += 1;
            }
            b']' => {
                let end = bracket.take().and_then(|from| target(line, from, at, looks));
                at = end.unwrap_or(at + 1);
            }
            b'h' if begins_word(bytes, at) => match url(&line[at..]) {
                0 => at += 1,
                len => {
                    looks[at..at + len].fill(Look::LINK);
                    at += len;
                }
            },
            _ => at += 1,
        }
    }
}

/// For each run of backticks that opens code, where the run that closes it ends.
fn code_ends(bytes: &[u8]) -> HashMap<usize, usize> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        match runs.last_mut() {
            _ if *byte != b'`' => {}
            Some((from, len)) if *from + *len == at => *len += 1,
            _ => runs.push((at, 1)),
        }
    }
    let mut next: HashMap<usize, usize> = HashMap::new();
    let mut ends = HashMap::new();
    for (at, len) in runs.into_iter().rev() {
        if let Some(closing) = next.insert(len, at) {
            ends.insert(at, closing + len);
        }
    }
    ends
}

/// A run of signs opens what the same run closes; one within a word does nothing.
fn emphasis(
    bytes: &[u8],
    at: usize,
    run: usize,
    open: &mut [Option<usize>; SIGNS.len()],
    looks: &mut [Look],
) {
    let before = at.checked_sub(1).map(|before| bytes[before]);
    let after = bytes.get(at + run).copied();
    let joins = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let blank = |byte: Option<u8>| byte.is_none_or(|byte| byte == b' ');
    let can_open = !joins(before) && !blank(after);
    let can_close = !joins(after) && !blank(before);
    // three are bold and italic at once
    let parts: &[usize] = match run {
        1 => &[1],
        2 => &[2],
        3 => &[2, 1],
        _ => &[],
    };
    for len in parts {
        let sign = &bytes[at..at + len];
        let Some(kind) = SIGNS.iter().position(|(text, _)| text.as_bytes() == sign) else {
            continue;
        };
        match open[kind].filter(|_| can_close) {
            Some(from) => {
                for look in &mut looks[from..at + run] {
                    *look |= SIGNS[kind].1;
                }
                quiet(looks, from, bytes);
                quiet(looks, at, bytes);
                // what was opened within this and not closed does nothing
                for other in open.iter_mut().filter(|other| other.is_some_and(|o| o >= from)) {
                    *other = other.filter(|o| *o == from && *len == 2 && run == 3);
                }
                open[kind] = None;
            }
            None if can_open => open[kind] = Some(at),
            None => {}
        }
    }
}

fn quiet(looks: &mut [Look], from: usize, bytes: &[u8]) {
    let run = bytes[from..].iter().take_while(|byte| **byte == bytes[from]).count();
    looks[from..from + run].fill(Look::QUIET);
}

/// `[words](https://…)`, whose bracket closes at `close`: where it ends.
fn target(line: &str, from: usize, close: usize, looks: &mut [Look]) -> Option<usize> {
    let inner = line[close + 1..].strip_prefix('(')?;
    let len = url(inner);
    let end = close + 2 + len;
    if len == 0 || !line[end..].starts_with(')') {
        return None;
    }
    looks[from..=end].fill(Look::QUIET);
    looks[from + 1..close].fill(Look::LINK);
    Some(end + 1)
}

fn begins_word(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).is_none_or(|before| !bytes[before].is_ascii_alphanumeric())
}

/// Bytes of the address that a text begins with; 0 where it begins with none.
fn url(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return 0;
    };
    let ends = |c: char| c.is_whitespace() || "()[]<>\"`".contains(c);
    let len = rest.find(ends).unwrap_or(rest.len());
    let address = rest[..len].trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_']);
    match address.is_empty() {
        true => 0,
        false => text.len() - rest.len() + address.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    /// The parts of a text that have a look.
    fn with(text: &str, look: Look) -> Vec<&str> {
        let looks = style(text).looks;
        let mut parts = Vec::new();
        let mut from = None;
        for at in 0..=text.len() {
            match (from, looks.get(at).is_some_and(|found| found.has(look))) {
                (None, true) => from = Some(at),
                (Some(begin), false) => {
                    parts.push(&text[begin..at]);
                    from = None;
                }
                _ => {}
            }
        }
        parts
    }

    #[test]
    fn bold_italics_and_struck_look_so_and_their_signs_are_quiet() {
        assert_eq!(with("a **bold** word", Look::BOLD), ["bold"]);
        assert_eq!(with("a **bold** word", Look::QUIET), ["**", "**"]);
        assert_eq!(with("*one* _two_ ~~three~~", Look::ITALIC), ["one", "two"]);
        assert_eq!(with("*one* _two_ ~~three~~", Look::STRUCK), ["three"]);
        assert_eq!(with("***both***", Look::BOLD), ["both"]);
        assert_eq!(with("***both***", Look::ITALIC), ["both"]);
        assert_eq!(with("**bold *and* italic**", Look::ITALIC), ["and"]);
        assert_eq!(with("这是**重点**内容", Look::BOLD), ["重点"]);
    }

    #[test]
    fn signs_that_are_meant_as_themselves_do_nothing() {
        for text in ["2*3*4", "snake_case_name", "a * b * c", "**", "*open", "~/x ~/y", "f(*p)"] {
            assert_eq!(with(text, Look(255)), [""; 0], "{text}");
        }
        assert_eq!(with("*a _b* c_", Look::ITALIC), ["a _b"]);
    }

    #[test]
    fn code_is_code_whatever_stands_in_it() {
        assert_eq!(with("use `a **b**` now", Look::CODE), ["a **b**"]);
        assert_eq!(with("use `a **b**` now", Look::BOLD), [""; 0]);
        assert_eq!(with("``a ` b`` and `open", Look::CODE), ["a ` b"]);
        let text = "see\n```rust\nlet *a* = 1;\n``\n```\n*b*";
        assert_eq!(with(text, Look::CODE), ["let *a* = 1;", "``"]);
        assert_eq!(with(text, Look::ITALIC), ["b"]);
        let code: Vec<bool> = style(text).lines.iter().map(|line| line.code).collect();
        assert_eq!(code, [false, true, true, true, true, false]);
        assert!(style("```\nnever closed\nat all").lines.iter().all(|line| line.code));
        assert!(style("```on one line```").lines.iter().all(|line| !line.code));
    }

    #[test]
    fn lists_quotes_headings_and_links_are_seen() {
        let hang = |text| style(text).lines[0].hang;
        assert_eq!(
            (hang("- a"), hang("  12. b"), hang("> c"), hang("-d"), hang("1.5")),
            (2, 6, 2, 0, 0)
        );
        assert_eq!(with("> *a* b", Look::QUOTE), ["> *a* b"]);
        assert_eq!(with("## Title", Look::BOLD), [" Title"]);
        assert_eq!(with("see https://a.b/c_d_e, ok", Look::LINK), ["https://a.b/c_d_e"]);
        assert_eq!(with("[here](https://a.b) (http://c.d)", Look::LINK), ["here", "http://c.d"]);
        assert_eq!(with("[x](javascript:1) xhttps://a.b https://", Look::LINK), [""; 0]);
    }

    #[test]
    fn hostile_nesting_costs_in_proportion_to_its_length() {
        const LEN: usize = 20_000;
        let parts = [
            "*",
            "**",
            "_",
            "~~",
            "*a ",
            "**a *b ",
            "_*",
            "`",
            "` `` ",
            "[",
            "](",
            "[](",
            "> ",
            "[a](http://",
            "http://",
            "```\n",
            "- ",
            "#",
            "a*b_",
            "*a* ",
            "\n",
            "***a",
        ];
        let plain = "x".repeat(LEN);
        let fastest = |text: &str| {
            let times = (0..3).map(|_| {
                let start = Instant::now();
                assert_eq!(style(text).looks.len(), text.len());
                start.elapsed()
            });
            times.min().unwrap_or_default()
        };
        let usual = fastest(&plain);
        for part in parts {
            let text = part.repeat(LEN / part.len());
            let took = fastest(&text);
            println!("{part:?}: {took:?}");
            // quadratic would be a thousand times as much
            assert!(took < usual * 60 + std::time::Duration::from_millis(60), "{part:?}: {took:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn every_byte_has_a_look_and_lines_are_the_lines(
            text in "([*_~`>#\\[\\]()\\-1. \n]|http://|a|日|👩\u{200d}){0,60}",
        ) {
            let styled = style(&text);
            prop_assert_eq!(styled.looks.len(), text.len());
            let lines: Vec<&str> =
                styled.lines.iter().map(|line| &text[line.range.clone()]).collect();
            prop_assert_eq!(lines.join("\n"), text.clone());
            // a look never begins within a character
            for (at, pair) in styled.looks.windows(2).enumerate() {
                prop_assert!(pair[0] == pair[1] || text.is_char_boundary(at + 1));
            }
            for line in styled.lines {
                let sign = line.range.start + line.hang.min(line.range.len());
                prop_assert!(text.is_char_boundary(sign));
            }
        }
    }
}
