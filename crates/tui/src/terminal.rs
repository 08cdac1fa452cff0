//! The terminal: taken over, and given back in whatever way the program ends or rests.
//!
//! `ratatui::restore` undoes raw mode and the alternate screen only; bracketed paste, focus events,
//! the keyboard protocol, the window's title and the shape of the cursor are ours to undo.

use std::io::{self, IsTerminal, Stdout, stdout};
use std::mem::ManuallyDrop;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{SetCursorStyle, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
    KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::execute;
use crossterm::style::Print;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rustix::termios::{QueueSelector, tcflush};

use crate::decode;
use crate::view::CursorShape;

/// Never dropped: ratatui's own drop complains on standard error when it cannot show the cursor,
/// and where the terminal was closed that complaint is a panic. `give_back` shows the cursor.
pub(crate) type Screen = ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>;

/// The terminal is ours: the panic hook must give it back.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// It was asked which keyboard protocol it knows, and may still answer.
static ASKED: AtomicBool = AtomicBool::new(false);
/// It speaks the kitty keyboard protocol with us.
static KITTY: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// xterm's stack of window titles: most terminals have it, the others pass over it.
const KEEP_TITLE: &str = "\u{1b}[22;2t";
const LAST_TITLE: &str = "\u{1b}[23;2t";

/// Gives the terminal back when it is dropped.
pub(crate) struct Guard(());

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Takes the terminal over for the first time.
///
/// # Errors
/// Input or output is no terminal, or the terminal does not answer.
pub(crate) fn enter() -> io::Result<(Screen, Guard)> {
    if !io::stdin().is_terminal() || !stdout().is_terminal() {
        return Err(io::Error::other(
            "the screen needs a terminal; see `natter --help` for scripts",
        ));
    }
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // first the terminal, else nobody can read what follows
            give_back();
            before(info);
        }));
    });
    let guard = Guard(());
    take()?;
    let screen = Terminal::new(CrosstermBackend::new(stdout()))?;
    Ok((ManuallyDrop::new(screen), guard))
}

/// Takes it over, also again after it was given back. Which keyboard protocol it knows is asked and
/// not waited for: [`speak_kitty`] is for when the answer comes.
pub(crate) fn take() -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(
        stdout(),
        Print(KEEP_TITLE),
        EnterAlternateScreen,
        EnableBracketedPaste,
        EnableFocusChange,
        Print(decode::ASK)
    )?;
    ASKED.store(true, Ordering::SeqCst);
    Ok(())
}

/// The terminal knows the protocol: from here on Esc, `^I` and Shift-Enter are keys of their own.
pub(crate) fn speak_kitty() -> io::Result<()> {
    if !TAKEN.load(Ordering::SeqCst) || KITTY.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES;
    execute!(stdout(), PushKeyboardEnhancementFlags(flags))
}

/// The last answer to what was asked has come.
pub(crate) fn answered() {
    ASKED.store(false, Ordering::SeqCst);
}

/// Undoes all of `take`, once. A terminal that is gone cannot be helped, so errors are nobody's
/// business.
pub(crate) fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    if KITTY.swap(false, Ordering::SeqCst) {
        let _ = execute!(stdout(), PopKeyboardEnhancementFlags);
    }
    let _ = execute!(
        stdout(),
        SetCursorStyle::DefaultUserShape,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Print(LAST_TITLE),
        Show
    );
    if ASKED.swap(false, Ordering::SeqCst) {
        // an answer that comes now would be typed into the shell
        let _ = tcflush(rustix::stdio::stdin(), QueueSelector::IFlush);
    }
    let _ = disable_raw_mode();
}

pub(crate) fn set_cursor_shape(shape: CursorShape) -> io::Result<()> {
    match shape {
        CursorShape::Bar => execute!(stdout(), SetCursorStyle::SteadyBar),
        CursorShape::Block => execute!(stdout(), SetCursorStyle::SteadyBlock),
    }
}

/// The window's title; cleaned here too, because it does not pass through ratatui.
pub(crate) fn set_title(title: &str) -> io::Result<()> {
    execute!(stdout(), SetTitle(proto::clean::line(title)))
}

pub(crate) fn ring() -> io::Result<()> {
    execute!(stdout(), Print('\u{7}'))
}

/// A notification of the terminal's own.
pub(crate) fn notify(title: &str, text: &str) -> io::Result<()> {
    let iterm = std::env::var("TERM_PROGRAM").is_ok_and(|name| name == "iTerm.app");
    let tmux = std::env::var_os("TMUX").is_some();
    execute!(stdout(), Print(notification(title, text, iterm, tmux)))
}

/// OSC 9 where that is the only one known, else OSC 777; wrapped for the terminal outside of tmux.
/// Nothing in the texts can end the sequence.
fn notification(title: &str, text: &str, iterm: bool, tmux: bool) -> String {
    let plain = |text: &str| -> String {
        let clean = proto::clean::line(text);
        clean.chars().filter(|c| !c.is_control()).collect()
    };
    let (title, text) = (plain(title).replace(';', ","), plain(text));
    let sequence = match iterm {
        true => format!("\u{1b}]9;{title}: {text}\u{7}"),
        false => format!("\u{1b}]777;notify;{title};{text}\u{7}"),
    };
    match tmux {
        true => format!("\u{1b}Ptmux;{}\u{1b}\\", sequence.replace('\u{1b}', "\u{1b}\u{1b}")),
        false => sequence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_one_sequence_whatever_its_texts_are() {
        let hostile = "a\u{1b}]0;owned\u{7}\u{9c};b\nc";
        for (iterm, tmux) in [(false, false), (true, false), (false, true)] {
            let sequence = notification(hostile, hostile, iterm, tmux);
            assert_eq!(sequence.matches('\u{7}').count(), 1, "{sequence:?}");
            let controls = sequence.chars().filter(|c| c.is_control()).count();
            assert_eq!(controls, if tmux { 5 } else { 2 }, "{sequence:?}");
        }
        assert_eq!(notification("a;b", "c;d", false, false), "\u{1b}]777;notify;a,b;c;d\u{7}");
    }
}
