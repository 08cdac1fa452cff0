//! Makes remote text safe to show. Every text that enters a process from outside and may reach a
//! terminal, a log or a mail passes here once, where it enters.
//!
//! What is taken away or replaced: everything that can move the cursor, talk to the terminal,
//! reorder or hide other text. What stays: every letter of every script, joiners inside words and
//! emoji, up to four marks on a letter.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// Marks on one letter that are kept; more only smear over the neighbouring lines.
const MARKS_MAX: u32 = 4;
const TAB: &str = "    ";
const ZERO_WIDTH_JOINER: char = '\u{200D}';
const ZERO_WIDTH_NON_JOINER: char = '\u{200C}';

/// Text of several lines: newline stays, a tab becomes four blanks.
pub fn text(raw: &str) -> Cow<'_, str> {
    clean(raw, '\n')
}

/// Text of one line: a newline becomes a blank.
pub fn line(raw: &str) -> Cow<'_, str> {
    clean(raw, ' ')
}

fn clean(raw: &str, newline: char) -> Cow<'_, str> {
    let harmless = |b: u8| (0x20..0x7F).contains(&b) || (b == b'\n' && newline == '\n');
    if raw.bytes().all(harmless) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut marks = 0;
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match sort(c) {
            Sort::Newline => {
                if c == '\r' && chars.peek() == Some(&'\n') {
                    chars.next();
                }
                out.push(newline);
                marks = MARKS_MAX; // nothing to carry a mark
            }
            Sort::Tab => {
                out.push_str(TAB);
                marks = MARKS_MAX;
            }
            Sort::Control => {
                out.push(picture(c));
                marks = 0;
            }
            Sort::Unassignable => {
                out.push(char::REPLACEMENT_CHARACTER);
                marks = 0;
            }
            Sort::Hidden => {}
            Sort::Joiner => {
                let joins =
                    out.chars().next_back().is_some_and(|b| !b.is_whitespace() && !is_joiner(b));
                if joins && marks < MARKS_MAX {
                    out.push(c);
                    marks += 1;
                }
            }
            Sort::Mark => {
                if marks < MARKS_MAX && !out.is_empty() {
                    out.push(c);
                    marks += 1;
                }
            }
            Sort::Letter => {
                out.push(c);
                marks = if c == ' ' { MARKS_MAX } else { 0 };
            }
        }
    }
    if out == raw { Cow::Borrowed(raw) } else { Cow::Owned(out) }
}

/// What a character can do to a screen.
enum Sort {
    Letter,
    Mark,
    Joiner,
    Newline,
    Tab,
    Control,
    Unassignable,
    Hidden,
}

fn sort(c: char) -> Sort {
    match c {
        '\n' | '\r' | '\u{2028}' | '\u{2029}' => Sort::Newline,
        '\t' => Sort::Tab,
        '\0'..='\u{1F}' | '\u{7F}' => Sort::Control,
        // C1 controls, private use, and what Unicode promises never to assign
        '\u{80}'..='\u{9F}' | '\u{E000}'..='\u{F8FF}' | '\u{FDD0}'..='\u{FDEF}' => {
            Sort::Unassignable
        }
        '\u{F0000}'.. => Sort::Unassignable,
        _ if u32::from(c) & 0xFFFE == 0xFFFE => Sort::Unassignable,
        _ if is_joiner(c) => Sort::Joiner,
        _ if is_hidden(c) => Sort::Hidden,
        _ if c.width() == Some(0) => Sort::Mark,
        _ => Sort::Letter,
    }
}

fn is_joiner(c: char) -> bool {
    c == ZERO_WIDTH_JOINER || c == ZERO_WIDTH_NON_JOINER
}

/// Invisible characters: direction, fillers, annotations, tags.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The picture of a C0 control character or DEL (Unicode block "Control Pictures"): ESC is shown as
/// ␛.
fn picture(c: char) -> char {
    let code = if c == '\u{7F}' { 0x2421 } else { 0x2400 + u32::from(c) };
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attacks_become_visible_or_vanish() {
        assert_eq!(text("\u{1b}[31mred\u{7}"), "␛[31mred␇");
        assert_eq!(text("a\u{9b}31mb"), "a\u{FFFD}31mb");
        assert_eq!(text("abc\u{202e}def\u{2066}"), "abcdef");
        assert_eq!(text("one\r\ntwo\rthree\u{2028}four"), "one\ntwo\nthree\nfour");
        assert_eq!(line("one\ntwo\tx"), "one two    x");
        assert_eq!(
            text(&format!("z{}!", "\u{301}".repeat(200))),
            format!("z{}!", "\u{301}".repeat(4))
        );
        assert_eq!(text("\u{E0041}\u{FEFF}\u{3164}"), "");
    }

    #[test]
    fn real_writing_stays_as_it_is() {
        for good in ["Grüße, 陈! 日本語", "👩‍👩‍👧 ❤️ 🇩🇪", "می‌خواهم", "क्‍ष", "é e\u{301}", "שלום"]
        {
            assert_eq!(text(good), good);
        }
    }

    #[test]
    fn every_code_point_is_clean_after_one_pass() {
        for c in '\0'..=char::MAX {
            let raw = format!("a{c}b");
            let once = text(&raw).into_owned();
            assert_eq!(text(&once), once, "U+{:04X}", u32::from(c));
            assert!(!once.chars().any(|c| c.is_control() && c != '\n'), "U+{:04X}", u32::from(c));
        }
    }

    proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(
            raw in "\\PC*|[\u{0}-\u{ff}\u{200b}-\u{206f}\u{300}\u{fe0f} \n]*"
        ) {
            let once = line(&raw).into_owned();
            prop_assert_eq!(line(&once), once.clone());
            prop_assert!(!once.contains('\n'));
        }
    }
}
