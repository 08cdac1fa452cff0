//! Text in columns: how wide it is, where it breaks, and how it is cut to fit.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The rows of `text` as byte ranges, none wider than `width` columns but for blanks at its end.
///
/// Breaks after blanks where it can and inside a word only where the word is wider than a row.
/// Never empty: an empty text has one empty row.
pub fn rows(text: &str, width: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        wrap_line(line, start, width.max(1), &mut rows);
        start += line.len() + 1;
    }
    rows
}

/// The rows of one line, of which all but the first are `indent` columns narrower.
pub fn hanging_rows(line: &str, width: usize, indent: usize) -> Vec<Range<usize>> {
    let mut rows = rows(line, width);
    if indent == 0 || rows.len() < 2 {
        return rows;
    }
    let rest = rows[0].end;
    rows.truncate(1);
    wrap_line(&line[rest..], rest, width.saturating_sub(indent).max(1), &mut rows);
    rows
}

/// The part of a line that is seen through a window of `columns`, from column `left` on; and
/// whether something is hidden on either side. Where something is, a column is left for a sign.
pub fn window(line: &str, left: usize, columns: usize) -> (Range<usize>, (bool, bool)) {
    let hidden_left = left > 0 && !line.is_empty();
    let mut room = columns.saturating_sub(usize::from(hidden_left));
    let start = bytes_of_columns(line, left);
    let hidden_right = line[start..].width() > room;
    room = room.saturating_sub(usize::from(hidden_right));
    let end = start + bytes_of_columns(&line[start..], room);
    (start..end, (hidden_left, hidden_right))
}

/// How many bytes of the line fit into so many columns.
fn bytes_of_columns(line: &str, columns: usize) -> usize {
    let mut used = 0;
    for (at, grapheme) in line.grapheme_indices(true) {
        used += grapheme.width();
        if used > columns {
            return at;
        }
    }
    line.len()
}

fn wrap_line(line: &str, offset: usize, width: usize, rows: &mut Vec<Range<usize>>) {
    let mut row_start = 0;
    let mut used = 0;
    // the place after the newest blank of this row, and the columns up to there
    let mut blank: Option<(usize, usize)> = None;
    for (at, grapheme) in line.grapheme_indices(true) {
        let columns = grapheme.width();
        if grapheme == " " {
            // blanks may hang over the edge; nobody sees them there
            used += columns;
            blank = Some((at + 1, used));
            continue;
        }
        if used + columns > width && at > row_start {
            let (end, before) = blank.unwrap_or((at, used));
            rows.push(offset + row_start..offset + end);
            row_start = end;
            used = used.saturating_sub(before);
            blank = None;
        }
        used += columns;
        // what was left of a word after the break may itself be too wide, when its characters are
        if used > width && at > row_start {
            rows.push(offset + row_start..offset + at);
            row_start = at;
            used = columns;
        }
    }
    rows.push(offset + row_start..offset + line.len());
}

/// Columns of a text of one line.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` cut to `columns`, with `…` where something is missing.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_string();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        if used + grapheme.width() + 1 > columns {
            break;
        }
        used += grapheme.width();
        out.push_str(grapheme);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// `text` in characters that every terminal draws equally wide, for places where something stands
/// to its right.
///
/// Terminals differ in emoji that are made of several characters, so those become a `*`.
pub fn steady(text: &str) -> String {
    let disputed = |grapheme: &str| {
        grapheme.chars().any(|c| {
            matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}'
                | '\u{1F1E6}'..='\u{1F1FF}' | '\u{1F3FB}'..='\u{1F3FF}')
        })
    };
    text.graphemes(true).map(|g| if disputed(g) { "*" } else { g }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(text: &str, width: usize) -> Vec<&str> {
        rows(text, width).into_iter().map(|range| text[range].trim_end()).collect()
    }

    #[test]
    fn text_breaks_between_words_and_inside_only_what_is_too_long() {
        assert_eq!(wrapped("see you at the corner", 8), ["see you", "at the", "corner"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrapped("one\n\ntwo", 10), ["one", "", "two"]);
        assert_eq!(wrapped("", 10), [""]);
        assert_eq!(wrapped("日本語です", 4), ["日本", "語で", "す"]);
        assert_eq!(wrapped("日本", 1), ["日", "本"]);
        assert_eq!(wrapped("ab 日本語", 4), ["ab", "日本", "語"]);
    }

    #[test]
    fn below_a_list_sign_the_rest_hangs() {
        let line = "- see you at the corner";
        let rows: Vec<&str> =
            hanging_rows(line, 12, 2).into_iter().map(|row| line[row].trim_end()).collect();
        assert_eq!(rows, ["- see you at", "the corner"]);
        let rows: Vec<&str> =
            hanging_rows(line, 9, 2).into_iter().map(|row| line[row].trim_end()).collect();
        assert_eq!(rows, ["- see you", "at the", "corner"]);
    }

    #[test]
    fn a_window_over_a_long_line_says_what_it_hides() {
        let seen = |line: &'static str, left, columns| {
            let (range, hidden) = window(line, left, columns);
            (&line[range], hidden)
        };
        assert_eq!(seen("abcdef", 0, 6), ("abcdef", (false, false)));
        assert_eq!(seen("abcdef", 0, 4), ("abc", (false, true)));
        assert_eq!(seen("abcdef", 2, 4), ("cd", (true, true)));
        assert_eq!(seen("abcdef", 3, 4), ("def", (true, false)));
        assert_eq!(seen("日本語", 1, 4), ("日", (true, true)));
        assert_eq!(seen("abc", 9, 4), ("", (true, false)));
        assert_eq!(seen("", 9, 4), ("", (false, false)));
    }

    #[test]
    fn cutting_never_splits_a_wide_character() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn emoji_that_terminals_disagree_about_become_one_plain_character() {
        assert_eq!(steady("a👩‍👩‍👧b 🇩🇪 ❤️ 🙂"), "a*b * * 🙂");
    }
}
