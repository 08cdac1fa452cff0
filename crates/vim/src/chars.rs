//! What Vim thinks of one character: composing, word class, width, case.

use crate::limits::TAB_WIDTH;
use crate::tables::{CLASS, COMPOSING, WIDTH};
use std::cmp::Ordering;

/// Blank characters separate words.
pub(crate) const BLANK: u32 = 0;

/// A mark that is drawn on the character before it and is moved and deleted with it.
pub(crate) fn is_composing(c: char) -> bool {
    let c = c as u32;
    c >= 0x300 && COMPOSING.binary_search_by(|&[first, last]| place(c, first, last)).is_ok()
}

/// 0 blank, 1 punctuation, 2 word, others by script; equal classes form one word.
pub(crate) fn class(c: char) -> u32 {
    if c.is_ascii() {
        return match c {
            ' ' | '\t' | '\0' => BLANK,
            c if c.is_ascii_alphanumeric() || c == '_' => 2,
            _ => 1,
        };
    }
    let c = c as u32;
    CLASS.binary_search_by(|&[first, last, _]| place(c, first, last)).map_or(2, |i| CLASS[i][2])
}

/// Part of a keyword, as CTRL-W in insert mode asks.
pub(crate) fn is_word(c: char) -> bool {
    if c.is_ascii() { class(c) == 2 } else { class(c) >= 2 }
}

/// Screen cells of a character that starts in column `column`.
pub(crate) fn width_at(c: char, column: usize) -> usize {
    match c {
        '\t' => TAB_WIDTH - column % TAB_WIDTH,
        _ => width(c),
    }
}

/// Screen cells of any character but the tab.
pub(crate) fn width(c: char) -> usize {
    if c.is_ascii() {
        return if c.is_ascii_control() { 2 } else { 1 };
    }
    let c = c as u32;
    WIDTH
        .binary_search_by(|&[first, last, _]| place(c, first, last))
        .map_or(1, |i| usize::try_from(WIDTH[i][2]).unwrap_or(1))
}

pub(crate) fn is_white(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// The one-character capital, which is all that Vim knows of.
pub(crate) fn upper(c: char) -> char {
    let n = c as u32;
    let greek = match n {
        0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7 => Some(n + 8),
        0x1fb3 | 0x1fc3 | 0x1ff3 => Some(n + 9),
        _ => None,
    };
    if let Some(n) = greek {
        return char::from_u32(n).unwrap_or(c);
    }
    single(c, c.to_uppercase())
}

pub(crate) fn lower(c: char) -> char {
    if c == '\u{130}' { 'i' } else { single(c, c.to_lowercase()) }
}

/// `Some(true)`: a capital. `Some(false)`: a small letter. `None`: neither.
pub(crate) fn capital(c: char) -> Option<bool> {
    if upper(c) != c {
        Some(false)
    } else if lower(c) != c {
        Some(true)
    } else {
        None
    }
}

fn single(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn place(c: u32, first: u32, last: u32) -> Ordering {
    if last < c {
        Ordering::Less
    } else if first > c {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}
