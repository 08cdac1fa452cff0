//! Flags are drawn as the letters they are made of.
//!
//! A flag is a pair of regional indicators. Some terminals give the pair two cells, some (tmux 3.3
//! among them) give each half its own, and then half a flag stays behind wherever it scrolled, for
//! everybody who is shown it. Two letters take two cells everywhere.

use ratatui::buffer::Buffer;

const FIRST: u32 = 0x1F1E6;
const LAST: u32 = 0x1F1FF;

/// Goes over everything that was drawn: texts, names, titles, the box.
pub(super) fn as_letters(buffer: &mut Buffer) {
    let columns = usize::from(buffer.area.width);
    for at in 0..buffer.content.len() {
        let mut letters = buffer.content[at].symbol().chars().filter_map(letter);
        let (Some(first), second) = (letters.next(), letters.next()) else {
            continue;
        };
        buffer.content[at].set_char(first);
        let has_next = (at + 1) % columns != 0;
        if let (Some(second), true) = (second, has_next) {
            buffer.content[at + 1].set_char(second);
        }
    }
}

/// `A` to `Z` for a regional indicator.
fn letter(c: char) -> Option<char> {
    let code = u32::from(c);
    (FIRST..=LAST).contains(&code).then(|| char::from(b'A' + (code - FIRST) as u8))
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn a_flag_takes_two_cells_on_every_terminal() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 2));
        buffer.set_string(0, 0, "a🇩🇪b👋", Style::new());
        buffer.set_string(0, 1, "123456🇫🇷", Style::new());
        as_letters(&mut buffer);
        let row = |y| (0..8).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        assert_eq!(row(0).trim_end(), "aDEb👋");
        assert_eq!(row(1), "123456FR");
    }
}
